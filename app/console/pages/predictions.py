"""The predictions page: how far to believe them, who is where, and whom to call this week."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette_admin.routing import route

from app.console.pages.page import Page, acting, database_of, read_query, reading, see
from app.predictions import jobs, service
from app.predictions.consumers import service as consumers
from app.predictions.consumers.schemas import ActionsQuery, ConsumerForecastQuery, ScopeQuery
from app.predictions.models import ModelKind, PredictionModel, PredictionRun
from app.predictions.schemas import RunCreate
from app.predictions.scores import list_scores
from app.utils.csv_export import as_download
from app.utils.errors import NotFound

RUNS_SHOWN = 5
CALLS_SHOWN = 25
FM_SCORES = [each / 2 for each in range(2, 11)]
HEATS = 5


class PredictionsPage(Page):
    heading = "Predictions"
    menu_label = "Predictions"
    icon = "fa fa-chart-line"
    path = "/predictions"

    @route("")
    async def index(self, request: Request) -> Response:
        query = read_query(ScopeQuery, request)
        async with reading(request) as session:
            context: dict[str, Any] = {
                "query": query,
                "runs": await _list_runs(session),
                "can_predict": jobs.can_predict(),
            }
            try:
                context |= await _read_run(session, query)
            except NotFound as error:
                context |= {"run": None, "nothing": error.detail}
        return self.render(request, "predictions.html", **context)

    @route("/run", methods=["POST"])
    async def start(self, request: Request) -> Response:
        async with acting(request, "A run has been queued.") as session:
            await jobs.queue_run(session, RunCreate())
        return see(self.url(request))

    @route("/runs/{run_id:int}/cancel", methods=["POST"])
    async def cancel(self, request: Request) -> Response:
        run_id = request.path_params["run_id"]
        async with acting(request, f"Run {run_id} has been cancelled.") as session:
            await service.cancel_run(session, run_id)
        return see(self.url(request))

    @route("/runs/{run_id:int}/events")
    async def events(self, request: Request) -> Response:
        async def follow() -> AsyncIterator[str]:
            async for run, has_ended in service.follow_run(database_of(request), request.path_params["run_id"]):
                told = {"stage": run.stage or run.status, "done": run.stages_done, "of": run.stages}
                yield f"event: {'end' if has_ended else 'progress'}\ndata: {json.dumps(told)}\n\n"

        return StreamingResponse(follow(), media_type="text/event-stream")

    @route("/consumers.csv")
    async def export(self, request: Request) -> Response:
        query = read_query(ConsumerForecastQuery, request)
        return await as_download("consumers.csv", consumers.export_consumers(database_of(request), query))


async def _list_runs(session: AsyncSession) -> Sequence[PredictionRun]:
    newest = select(PredictionRun).order_by(PredictionRun.id.desc()).limit(RUNS_SHOWN)
    return (await session.scalars(newest)).all()


async def _read_run(session: AsyncSession, query: ScopeQuery) -> dict[str, Any]:
    run = await service.find_run(session, query.source_website, query.run_id)
    models = (await service.list_models(session, run_id=run.id, website=None, kind=None))["models"]
    context = {
        "run": run,
        "scorecards": [_describe_model(model) for model in models],
        "scopes": [_describe_scope(model) for model in models if model.kind == ModelKind.CONSUMERS],
        "segments": None,
    }
    if context["scopes"]:
        segments = await consumers.get_segments(session, query)
        asked = ActionsQuery(**query.model_dump(), limit=CALLS_SHOWN)
        context |= {
            "segments": segments,
            "grid": list(_make_grid(segments["cells"])),
            "fm_scores": FM_SCORES,
            "actions": await consumers.list_actions(session, asked),
        }
    return context


def _describe_scope(model: PredictionModel) -> dict[str, Any]:
    return {"source_website": model.source_website, "currency": model.currency, "subjects": model.subjects}


def _describe_model(model: PredictionModel) -> dict[str, Any]:
    return {"model": model, "scores": list(list_scores(model))}


def _make_grid(cells: list[dict[str, Any]]) -> Iterator[tuple[int, list[dict[str, Any] | None]]]:
    """Rows by recency, best first; `heat` is how full a cell is beside the fullest."""
    most = max((cell["consumers"] for cell in cells), default=1)
    by_place = {
        (cell["recency_score"], cell["fm_score"]): cell | {"heat": min(cell["consumers"] * HEATS // most, HEATS - 1)}
        for cell in cells
    }
    for recency in range(5, 0, -1):
        yield recency, [by_place.get((recency, score)) for score in FM_SCORES]
