"""`/predictions`: consumers, segments, and whom to reach."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from app.auth.dependencies import get_current_admin
from app.database import DatabaseDep, ReadSessionDep
from app.predictions.consumers import service
from app.predictions.consumers.schemas import (
    ActionsQuery,
    ActionsRead,
    ConsumerForecast,
    ConsumerForecastPage,
    ConsumerForecastQuery,
    ConsumerQuery,
    ScopeQuery,
    SegmentsRead,
)
from app.utils.csv_export import CSV, as_download
from app.utils.errors import responses
from app.utils.schemas import PathId

router = APIRouter(
    prefix="/predictions",
    tags=["predictions"],
    dependencies=[Depends(get_current_admin)],
    responses=responses(401, 404, 422),
)


@router.get("/consumers", response_model=ConsumerForecastPage)
async def list_consumer_forecasts(query: Annotated[ConsumerForecastQuery, Query()], database: DatabaseDep) -> Response:
    """List consumers, those first who are expected to spend the most. Who lacks the figure sorted by is left out."""
    return Response(await service.list_consumers(database, query), media_type="application/json")


@router.get("/consumers.csv", response_class=StreamingResponse, responses=CSV)
async def export_consumer_forecasts(
    query: Annotated[ConsumerForecastQuery, Query()], database: DatabaseDep
) -> StreamingResponse:
    """The whole list as CSV, with its filters and order. A text that could be a formula begins with an apostrophe."""
    return await as_download("consumers.csv", service.export_consumers(database, query))


@router.get("/consumers/{user_id}", response_model=ConsumerForecast, responses=responses(503))
async def get_consumer_forecast(
    user_id: PathId, query: Annotated[ConsumerQuery, Query()], session: ReadSessionDep
) -> dict[str, Any]:
    """What one consumer will buy within the horizon, how sure that is, and why."""
    return await service.get_consumer(session, user_id, query)


@router.get("/segments", response_model=SegmentsRead)
async def get_segments(query: Annotated[ScopeQuery, Query()], session: ReadSessionDep) -> dict[str, Any]:
    """The RFM grid: how many consumers are in each group, what they were worth and are expected to be."""
    return await service.get_segments(session, query)


@router.get("/actions", response_model=ActionsRead)
async def list_actions(query: Annotated[ActionsQuery, Query()], session: ReadSessionDep) -> dict[str, Any]:
    """Whom to reach this week: consumers about to be lost, by what reaching them can be expected to bring back."""
    return await service.list_actions(session, query)
