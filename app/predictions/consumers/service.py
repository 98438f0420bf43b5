"""What is read of predicted consumers: a list, one of them, the segments, and whom to reach this week."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import bindparam, literal_column
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.predictions import service
from app.predictions.consumers.listing import CSV_COLUMNS, LISTING, REASON
from app.predictions.consumers.schemas import (
    AT_RISK,
    ActionsQuery,
    ConsumerForecastQuery,
    ConsumerQuery,
    ScopeQuery,
)
from app.predictions.consumers.scopes import Asked, Scope, describe_scope, find_scope, recall_reference, select_models
from app.predictions.jobs import require_libraries
from app.predictions.models import ConsumerPrediction, PredictionModel, PredictionRun
from app.users.models import PLACEHOLDER_DOMAIN, User
from app.users.schemas import hide_placeholder
from app.users.service import get_user
from app.utils.csv_export import stream_csv
from app.utils.listing import read_page_json
from app.utils.schemas import CENT

_BOUNDS = ("", "_lower", "_upper")
_OF_HISTORY = (
    "predicted_spend_tier", "first_order_on", "last_order_on", "historic_number_of_orders", "historic_clv",
    "average_order_value", "average_days_between_orders", "rfm_group",
)  # fmt: skip
_PREDICTED = (
    *(f"predicted_number_of_orders{bound}" for bound in _BOUNDS),
    *(f"predicted_clv{bound}" for bound in _BOUNDS),
    "probability_order_in_horizon", "churn_probability",
)  # fmt: skip


async def resolve(database: Database, request: ConsumerForecastQuery) -> tuple[ConsumerForecastQuery, dict[str, Any]]:
    """The request of a run and a model, and what there is to say of them; a cursor stays with its own."""
    asked, _ = request.resume()
    scope = await recall_reference(database, Asked(asked.source_website, asked.currency, asked.run_id, asked.model_id))
    if request.cursor is None:
        request = request.model_copy(update={"run_id": scope["run_id"], "model_id": scope["model_id"]})
    return request, scope


async def list_consumers(database: Database, request: ConsumerForecastQuery) -> bytes:
    """A page of consumers with the scope that they are of, as JSON. Raises NotFound."""
    request, scope = await resolve(database, request)
    page = await read_page_json(database, LISTING, request)
    return page[:-1] + b',"scope":' + orjson.dumps(scope) + b"}"


async def export_consumers(database: Database, request: ConsumerForecastQuery) -> AsyncIterator[bytes]:
    """The list as CSV. Raises NotFound with its first part."""
    request, _ = await resolve(database, request)
    async for part in stream_csv(database, LISTING, CSV_COLUMNS, request):
        yield part


async def get_consumer(session: AsyncSession, user_id: int, request: ConsumerQuery) -> dict[str, Any]:
    """As `schemas.ConsumerForecast`. Raises NotFound, and ServiceUnavailable for a horizon without the extra."""
    user = await get_user(session, user_id)
    run = await service.find_run(session, request.source_website, request.run_id)
    row = await _find_row(session, run, user_id, request)
    if row is None:
        scope = await find_scope(session, Asked(request.source_website, request.currency, request.run_id))
        return _describe_prospect(user, scope, request.horizon_days or run.horizon_days)
    found, model, reason = row
    horizon = request.horizon_days or run.horizon_days
    if horizon == run.horizon_days:
        predicted = _read_stored(found)
    else:
        require_libraries()
        from app.predictions.consumers.scoring import predict_one

        predicted = await asyncio.to_thread(predict_one, model.state, found, run.as_of, horizon)
    return {
        "scope": describe_scope((run, model)),
        "user_id": user_id,
        "name": user.name,
        "email": hide_placeholder(user.email),
        **{name: getattr(found, name) for name in _OF_HISTORY},
        "horizon_days": horizon,
        **predicted,
        **_totals(found, predicted),
        "reason": reason,
        "model": model,
    }


async def select_predictions_of(session: AsyncSession, user_id: int) -> list[dict[str, Any]]:
    """All that kept runs have said of a consumer: the list's fields, of which run, website and currency."""
    statement = (
        LISTING.rows.join(PredictionModel, PredictionModel.id == ConsumerPrediction.model_id)
        .add_columns(PredictionRun.id, PredictionRun.as_of, PredictionModel.source_website, PredictionModel.currency)
        .where(ConsumerPrediction.user_id == user_id)
        .order_by(PredictionRun.id, PredictionModel.id)
    )
    names = ("run_id", "as_of", "source_website", "currency")
    rows = await session.execute(statement)
    return [dict(zip(names, about, strict=True)) | orjson.loads(row) for row, *about in rows]


async def _find_row(
    session: AsyncSession, run: PredictionRun, user_id: int, request: ConsumerQuery
) -> tuple[ConsumerPrediction, PredictionModel, str] | None:
    """Of all websites together where they are asked of, and of the currency that the consumer ordered most in."""
    asked = Asked(request.source_website, request.currency)
    models = select_models(asked.given())
    statement = (
        models.add_columns(ConsumerPrediction, literal_column(REASON))
        .join(ConsumerPrediction, ConsumerPrediction.model_id == PredictionModel.id)
        .join(PredictionRun, PredictionRun.id == PredictionModel.run_id)
        .where(ConsumerPrediction.run_id == run.id, ConsumerPrediction.user_id == user_id)
        .order_by(
            ConsumerPrediction.historic_number_of_orders.desc(),
            PredictionModel.source_website.is_(None).desc(),
            PredictionModel.id,
        )
        .limit(1)
    )
    row = (await session.execute(statement, asked._asdict())).one_or_none()
    return (row[1], row[0], row[2]) if row else None


def _read_stored(found: ConsumerPrediction) -> dict[str, Any]:
    dates = {name: getattr(found, f"next_order_{name}") for name in ("p10", "p50", "p90")}
    told = {name: getattr(found, name) for name in _PREDICTED}
    return told | {"expected_date_of_next_order": dates if dates["p50"] else None}


def _totals(found: ConsumerPrediction, predicted: dict[str, Any]) -> dict[str, Any]:
    amounts = {bound: predicted[f"predicted_clv{bound}"] for bound in _BOUNDS}
    spend, churn = amounts[""], predicted["churn_probability"]
    return {
        **{
            f"total_clv{bound}": None if amount is None else found.historic_clv + _money(amount)
            for bound, amount in amounts.items()
        },
        "value_at_risk": None if spend is None or churn is None else _money(float(spend) * churn),
    }


def _money(amount: float | Decimal) -> Decimal:
    return Decimal(amount).quantize(CENT)


def _describe_prospect(user: User, scope: Scope, horizon: int) -> dict[str, Any]:
    """Somebody who has not bought has no history to predict from, and nobody is told of who cannot come back."""
    run, model = scope
    if not user.is_active:
        group, reason = None, "is deactivated: nothing is predicted"
    elif user.email.startswith("anonymous-") and user.email.endswith(PLACEHOLDER_DOMAIN):
        group, reason = None, "ordered without a name or an e-mail: another order of theirs would not be known as one"
    else:
        group, reason = "PROSPECTS", f"has not bought in {model.currency} up to {run.as_of}"
    totals = (f"total_clv{bound}" for bound in _BOUNDS)
    unknown = (*_OF_HISTORY, *_PREDICTED, *totals, "value_at_risk", "expected_date_of_next_order")
    return dict.fromkeys(unknown) | {
        "scope": describe_scope(scope),
        "user_id": user.id,
        "name": user.name,
        "email": hide_placeholder(user.email),
        "rfm_group": group,
        "historic_number_of_orders": 0 if group else None,
        "historic_clv": Decimal(0) if group else None,
        "horizon_days": horizon,
        "reason": reason,
        "model": None,
    }


async def get_segments(session: AsyncSession, request: ScopeQuery) -> dict[str, Any]:
    """As `schemas.SegmentsRead`. Raises NotFound."""
    scope = await find_scope(session, _to_asked(request))
    parameters = scope[1].parameters
    segments = parameters["segments"] or {"groups": [], "cells": []}
    return {"scope": describe_scope(scope), "prospects": parameters["prospects"], **segments}


async def list_actions(session: AsyncSession, request: ActionsQuery) -> dict[str, Any]:
    """As `schemas.ActionsRead`: who is worth reaching, the most first. Raises NotFound.

    Ranked by value at risk, which is what a small rise of the odds of an order brings back, up to a factor that is the
    same for all: with odds times 1 + e, a probability p grows by e p (1 - p), and the predicted spend is proportional
    to p.
    """
    scope = await find_scope(session, _to_asked(request))
    at_risk = LISTING.rows.where(
        ConsumerPrediction.run_id == bindparam("run_id"),
        ConsumerPrediction.model_id == bindparam("model_id"),
        ConsumerPrediction.value_at_risk > 0,
        ConsumerPrediction.rfm_group.in_(bindparam("groups", expanding=True)),
        User.is_active,
    )
    statement = at_risk.order_by(ConsumerPrediction.value_at_risk.desc(), ConsumerPrediction.user_id.desc())
    values = {"run_id": scope[0].id, "model_id": scope[1].id, "groups": request.rfm_group or list(AT_RISK)}
    rows = [orjson.loads(row) for row in await session.scalars(statement.limit(request.limit), values)]
    gain = request.odds_ratio - 1.0
    for row in rows:
        churn = row["churn_probability"]
        row["expected_value_recovered"] = _money(
            float(row["predicted_clv"]) * gain * churn / (1.0 + gain * (1.0 - churn))
        )
    return {"scope": describe_scope(scope), "odds_ratio": request.odds_ratio, "consumers": rows}


def _to_asked(request: ScopeQuery) -> Asked:
    return Asked(request.source_website, request.currency, request.run_id)
