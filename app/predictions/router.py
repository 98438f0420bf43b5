"""`/predictions`: runs, the models they fitted with their scorecards, and what they say."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.auth.dependencies import get_current_admin
from app.database import DatabaseDep, ReadSessionDep, SessionDep
from app.predictions import forecasts, jobs, service
from app.predictions.models import PredictionRun
from app.predictions.schemas import (
    AdviceQuery,
    ModelsQuery,
    ModelsRead,
    OutcomeQuery,
    OutcomeRead,
    ProductForecast,
    ProductForecastPage,
    ProductForecastQuery,
    RevenueQuery,
    RevenueRead,
    RunCreate,
    RunQuery,
    RunRead,
)
from app.utils.csv_export import CSV, as_download
from app.utils.errors import responses
from app.utils.pagination import Page
from app.utils.schemas import PathId

router = APIRouter(
    prefix="/predictions",
    tags=["predictions"],
    dependencies=[Depends(get_current_admin)],
    responses=responses(401, 422),
)


@router.get("/products", response_model=ProductForecastPage, responses=responses(404))
async def list_product_forecasts(query: Annotated[ProductForecastQuery, Query()], database: DatabaseDep) -> Response:
    """List products, those first that have to be ordered first. What lacks the figure sorted by is left out."""
    return Response(await forecasts.list_products(database, query), media_type="application/json")


@router.post("/runs", response_model=RunRead, status_code=202, responses=responses(404, 503))
async def start_prediction_run(response: Response, session: SessionDep, body: RunCreate | None = None) -> PredictionRun:
    """Predict anew, in the background. A run can be repeated from its day, its seed and its versions."""
    run = await jobs.queue_run(session, body or RunCreate())
    response.headers["Location"] = f"/api/v1/predictions/runs/{run.id}"
    return run


@router.get("/runs", response_model=Page[RunRead])
async def list_prediction_runs(query: Annotated[RunQuery, Query()], session: ReadSessionDep) -> dict[str, Any]:
    """List runs, newest first."""
    return await service.list_runs(session, query)


@router.get("/runs/{run_id}", response_model=RunRead, responses=responses(404))
async def get_prediction_run(run_id: PathId, session: ReadSessionDep) -> PredictionRun:
    """One run, with how far it is."""
    return await service.get_run(session, run_id)


async def find_run(run_id: PathId, session: ReadSessionDep) -> int:
    """Before the first event: afterwards it is too late for a 404."""
    return (await service.get_run(session, run_id)).id


@router.get("/runs/{run_id}/events", response_class=EventSourceResponse, responses=responses(404))
async def watch_prediction_run(
    found_id: Annotated[int, Depends(find_run, scope="function")], database: DatabaseDep
) -> AsyncIterator[ServerSentEvent]:
    """The run as server-sent events: "progress" when it changes, and "end" when it has ended."""
    async for run, has_ended in service.follow_run(database, found_id):
        yield ServerSentEvent(data=RunRead.model_validate(run), event="end" if has_ended else "progress")


@router.post("/runs/{run_id}/cancel", response_model=RunRead, responses=responses(404, 409))
async def cancel_prediction_run(run_id: PathId, session: SessionDep) -> PredictionRun:
    """Stop a run; nothing of it stays."""
    return await service.cancel_run(session, run_id)


@router.get("/models", response_model=ModelsRead, responses=responses(404))
async def list_prediction_models(query: Annotated[ModelsQuery, Query()], session: ReadSessionDep) -> dict[str, Any]:
    """The models of a run, each with how it did on this shop's own past beside naive forecasts."""
    return await service.list_models(session, run_id=query.run_id, website=query.source_website, kind=query.kind)


@router.get("/products.csv", response_class=StreamingResponse, responses=responses(404) | CSV)
async def export_product_forecasts(
    query: Annotated[ProductForecastQuery, Query()], database: DatabaseDep
) -> StreamingResponse:
    """The whole list as CSV, with its filters and order. A text that could be a formula begins with an apostrophe."""
    return await as_download("products.csv", forecasts.export_products(database, query))


@router.get("/products/{product_id}", response_model=ProductForecast, responses=responses(404))
async def get_product_forecast(
    product_id: PathId, query: Annotated[AdviceQuery, Query()], session: ReadSessionDep
) -> dict[str, Any]:
    """What will be asked of a product by week and by day, and when to order it for a stock, lead time and service."""
    return await forecasts.get_forecast(session, product_id, query)


@router.get("/revenue", response_model=RevenueRead, responses=responses(404))
async def get_revenue_forecast(query: Annotated[RevenueQuery, Query()], session: ReadSessionDep) -> dict[str, Any]:
    """Revenue net of refunds, and orders, by day of each website's own calendar, in each of its currencies."""
    return await forecasts.get_revenue(session, query)


@router.get("/track-record", response_model=list[OutcomeRead])
async def list_outcomes(query: Annotated[OutcomeQuery, Query()], session: ReadSessionDep) -> list[dict[str, Any]]:
    """What runs had said beside what happened, newest first."""
    return await service.list_outcomes(
        session, run_id=query.run_id, website=query.source_website, kind=query.kind, limit=query.limit
    )
