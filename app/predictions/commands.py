"""Predicting from the command line, watched by a person."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.database import Database
from app.predictions import service
from app.predictions.jobs import require_libraries
from app.predictions.models import PredictionModel, PredictionRun, RunStatus
from app.predictions.schemas import RunCreate


async def predict_now(database: Database, request: RunCreate) -> bool:
    """Whether it succeeded. Raises as `service.start_run`, and ServiceUnavailable where the extra is not installed."""
    require_libraries()
    from app.predictions.engine.execution import execute

    async with database.sessions.begin() as session:
        run = await service.start_run(session, request)
    with _progress() as report:
        await asyncio.to_thread(execute, database.url, run.id, report)
    async with database.reads() as session:
        run = await service.get_run(session, run.id)
        if run.status != RunStatus.SUCCEEDED:
            print(f"Run {run.id} has {run.status}. {run.error or ''}")
            return False
        models = (await service.list_models(session, run_id=run.id, website=None, kind=None))["models"]
    _print_report(run, models)
    return True


@contextmanager
def _progress() -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("waiting for another run", total=None)

        def report(stage: str, done: int, of: int) -> None:
            bar.update(task, description=stage, completed=done, total=of)

        yield report


def _print_report(run: PredictionRun, models: list[PredictionModel]) -> None:
    print(f"Run {run.id}, as of {run.as_of}, seed {run.seed}, in {run.timings['total']:.0f} s.")
    table = Table("website", "about", "status", "measure", "forecast", "naive")
    for model in models:
        about = f"{model.kind} {model.currency or ''}".strip()
        for measure, ours, naive in _list_scores(model):
            table.add_row(model.source_website or "all", about, model.status, measure, ours, naive)
    Console(width=110).print(table)
    for model in models:
        for note in model.notes:
            print(f"{model.source_website}, {model.kind}: {note}")
    print(f"From {run.as_of + timedelta(days=1)} on: GET /api/v1/predictions/products, /revenue, /models.")


# The naive forecast of each kind, and the measures that say the most.
_SCORES = {
    "demand": ("last_week", ("wape_sum", "mase", "rmsse", "bias", "coverage_80", "coverage_95")),
    "revenue": ("same_weekday_last_week", ("wape_day", "error_of_total", "mase_7", "bias", "coverage_80_of_days")),
}


def _list_scores(model: PredictionModel) -> Iterator[tuple[str, str, str]]:
    naive, measures = _SCORES[model.kind]
    card = model.scorecard.get("revenue", {}) if model.kind == "revenue" else model.scorecard
    if not card.get("origins"):
        yield "too little history for a backtest", "", ""
        return
    for measure in measures:
        yield measure, _show(card["forecast"].get(measure)), _show(card["baselines"][naive].get(measure))


def _show(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
