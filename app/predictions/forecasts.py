"""What is read of forecasts: products by urgency, one product, and revenue."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.predictions import service
from app.predictions.demand.days import spread_over_days
from app.predictions.demand.reorder import advise
from app.predictions.models import ModelKind, PredictionModel, PredictionRun, ProductPrediction, RevenuePrediction
from app.predictions.product_filters import FILTERS
from app.predictions.schemas import (
    AdviceQuery,
    ProductForecastQuery,
    ProductForecastRead,
    RevenueQuery,
)
from app.products.models import Product
from app.products.service import get_product
from app.utils.csv_export import csv_columns, stream_csv
from app.utils.errors import NotFound
from app.utils.json_rows import json_object, json_text
from app.utils.listing import Listing, read_page_json

QUANTILES = ("q025", "q10", "q50", "q90", "q975")
DAYS_TOLD = 28
_ROUNDED = (
    "expected_units_28_days", "units_last_28_days", "reorder_point", "safety_stock", "reorder_quantity",
    "days_of_cover", "urgency",
)  # fmt: skip
_OF_PRODUCT = ("sku", "product_name", "source_website")

_SORTS: dict[str, Any] = {
    "id": ProductPrediction.product_id,
    "urgency": ProductPrediction.urgency,
    "expected_units_28_days": ProductPrediction.expected_units_28_days,
    "days_of_cover": ProductPrediction.days_of_cover,
    "stockout_date": ProductPrediction.stockout_date,
    "reorder_quantity": ProductPrediction.reorder_quantity,
}
_OPTIONAL = ("urgency", "days_of_cover", "stockout_date", "reorder_quantity")


def _only_known() -> dict[str, ColumnElement[bool]]:
    """What has no value of what a list is sorted by is left out of it."""
    return {sort: _SORTS[name].is_not(None) for name in _OPTIONAL for sort in (name, f"-{name}")}


_EXPRESSIONS = {
    **{name: f"products.{name}" for name in _OF_PRODUCT},
    **{name: f"round(product_predictions.{name}::numeric, 2)" for name in _ROUNDED},
}
CSV_COLUMNS = csv_columns(
    ProductPrediction, list(ProductForecastRead.model_fields), text=_OF_PRODUCT, expressions=_EXPRESSIONS
)
PRODUCTS = Listing(
    rows=select(json_text(json_object(ProductForecastRead, ProductPrediction, **_EXPRESSIONS)))
    .select_from(ProductPrediction)
    .join(Product, Product.id == ProductPrediction.product_id),
    filters={
        "run_id": ProductPrediction.run_id == bindparam("run_id"),
        "source_website": Product.source_website == bindparam("source_website"),
        "status": ProductPrediction.status == bindparam("status"),
        **FILTERS,
    },
    sorts=_SORTS,
    choices={
        "is_due": {"true": ProductPrediction.urgency <= 0, "false": ProductPrediction.urgency > 0},
        "sort": _only_known(),
    },
)


async def _resolve(database: Database, request: ProductForecastQuery) -> tuple[ProductForecastQuery, dict[str, Any]]:
    """The request of a run, and what there is to say of it; a cursor stays with its own."""
    asked, _ = request.resume()
    run = await service.recall_run_reference(database, asked.source_website, asked.run_id)
    return (request if request.cursor else request.model_copy(update={"run_id": run["id"]})), run


async def export_products(database: Database, request: ProductForecastQuery) -> AsyncIterator[bytes]:
    """The list as CSV. Raises NotFound with its first part."""
    request, _ = await _resolve(database, request)
    async for part in stream_csv(database, PRODUCTS, CSV_COLUMNS, request):
        yield part


async def list_products(database: Database, request: ProductForecastQuery) -> bytes:
    """A page of products with the run that it is of, as JSON. Raises NotFound."""
    request, run = await _resolve(database, request)
    page = await read_page_json(database, PRODUCTS, request)
    return page[:-1] + b',"run":' + orjson.dumps(run) + b"}"


async def get_forecast(session: AsyncSession, product_id: int, request: AdviceQuery) -> dict[str, Any]:
    """As `schemas.ProductForecast`. Raises NotFound."""
    product = await get_product(session, product_id)
    run = await service.find_run(session, product.source_website, request.run_id)
    found = await session.get(ProductPrediction, (run.id, product_id))
    if found is None:
        raise NotFound(f"Run {run.id} knew no product {product_id}.")
    model = await session.get_one(PredictionModel, found.model_id)
    return {
        "run": run,
        "product_id": product.id,
        **{name: getattr(product, name) for name in _OF_PRODUCT},
        **{name: getattr(found, name) for name in ("demand_class", "status")},
        **{name: getattr(found, name) for name in ("expected_units_28_days", "units_last_28_days")},
        "weeks": _list_weeks(run, found),
        "days": _list_days(run, found, model),
        "advice": _advise(run, found, model, product, request),
        "model": model,
    }


def _list_weeks(run: PredictionRun, found: ProductPrediction) -> list[dict[str, Any]]:
    first = run.as_of + timedelta(days=1)
    columns = {name: getattr(found, name) for name in ("mean", *QUANTILES)}
    return [
        {"period_start": first + timedelta(weeks=week)} | {name: values[week] for name, values in columns.items()}
        for week in range(len(found.mean))
    ]


def _list_days(run: PredictionRun, found: ProductPrediction, model: PredictionModel) -> list[dict[str, Any]]:
    first = run.as_of + timedelta(days=1)
    quantiles = {name: getattr(found, name) for name in ("q10", "q50", "q90")}
    spread = spread_over_days(found.mean, quantiles, model.state["weekdays"], first.weekday())
    return [
        {"day": first + timedelta(days=day)} | {name: values[day] for name, values in spread.items()}
        for day in range(DAYS_TOLD)
    ]


def _advise(
    run: PredictionRun, found: ProductPrediction, model: PredictionModel, product: Product, request: AdviceQuery
) -> dict[str, Any]:
    stock = product.stock_quantity if request.stock is None else request.stock
    lead_time = run.lead_time_days if request.lead_time_days is None else request.lead_time_days
    service_level = request.service_level or run.service_level
    advice = advise(
        weekly_mean=found.mean,
        conformal_of_bin=model.state["conformal"][found.bin],
        scale=found.scale,
        stock_on_hand=stock,
        lead_time_days=lead_time,
        service_level=service_level,
        as_of=run.as_of,
    )
    return {"stock_on_hand": stock, "lead_time_days": lead_time, "service_level": service_level} | vars(advice)


async def get_revenue(session: AsyncSession, request: RevenueQuery) -> dict[str, Any]:
    """As `schemas.RevenueRead`: a forecast for each website and currency. Raises NotFound."""
    run = await service.find_run(session, request.source_website, request.run_id)
    models = select(PredictionModel).where(PredictionModel.run_id == run.id, PredictionModel.kind == ModelKind.REVENUE)
    if request.source_website is not None:
        models = models.where(PredictionModel.source_website == request.source_website)
    if request.currency is not None:
        models = models.where(PredictionModel.currency == request.currency)
    forecasts = []
    for model in await session.scalars(models.order_by(PredictionModel.id)):
        days = select(RevenuePrediction).where(
            RevenuePrediction.model_id == model.id,
            RevenuePrediction.day <= run.as_of + timedelta(days=request.days),
        )
        forecasts.append(
            {
                "source_website": model.source_website,
                "currency": model.currency,
                "status": model.status,
                "notes": model.notes,
                "totals": model.parameters["totals"],
                "scorecard": model.scorecard,
                "days": list(await session.scalars(days.order_by(RevenuePrediction.day))),
            }
        )
    return {"run": run, "forecasts": forecasts}
