"""Predicting from the command line, watched by a person."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import select

from app.database import Database
from app.predictions import service
from app.predictions.consumers import service as consumers
from app.predictions.consumers.schemas import ConsumerQuery
from app.predictions.jobs import require_libraries
from app.predictions.models import PredictionModel, PredictionRun, RunStatus
from app.predictions.schemas import RunCreate
from app.predictions.scores import list_scores
from app.users.models import User
from app.utils.errors import NotFound


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
        head = (model.source_website or "all", about, model.status)
        scores = list(list_scores(model))
        for score in scores:
            table.add_row(*head, score.measure, _show(score.forecast), _show(score.naive))
        if not scores:
            table.add_row(*head, "too little history for a backtest", "", "")
    Console(width=110).print(table)
    for model in models:
        for note in model.notes:
            print(f"{model.source_website or 'all'}, {model.kind} {model.currency or ''}: {note}")
    print(f"From {run.as_of + timedelta(days=1)} on: GET /api/v1/predictions/consumers, /products, /revenue, /models.")


def _show(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


async def show_consumer(database: Database, email: str, request: ConsumerQuery) -> None:
    """Raises NotFound for an e-mail that nobody has, and as `consumers.service.get_consumer`."""
    async with database.reads() as session:
        user_id = await session.scalar(select(User.id).where(User.email == email.strip().lower()))
        if user_id is None:
            raise NotFound(f"Nobody has the e-mail {email}.")
        found = await consumers.get_consumer(session, user_id, request)
    scope = found["scope"]
    where = scope["source_website"] or "all websites"
    print(f"{found['name']}, {where} in {scope['currency']}, as of {scope['as_of']}: {found['reason']}.")
    table = Table("within", f"{found['horizon_days']} days", "at least", "at most")
    for name in ("predicted_number_of_orders", "predicted_clv", "total_clv"):
        table.add_row(name, *(_round(found[f"{name}{bound}"]) for bound in ("", "_lower", "_upper")))
    for name in ("probability_order_in_horizon", "churn_probability", "value_at_risk"):
        table.add_row(name, _round(found[name]))
    dates = found["expected_date_of_next_order"]
    table.add_row("expected_date_of_next_order", *(str(dates[name]) if dates else "" for name in ("p50", "p10", "p90")))
    for name in ("rfm_group", "predicted_spend_tier", "historic_number_of_orders", "historic_clv"):
        table.add_row(name, str(found[name] if found[name] is not None else ""))
    Console(width=110).print(table)


def _round(value: Decimal | float | None) -> str:
    return "" if value is None else f"{value:.2f}"
