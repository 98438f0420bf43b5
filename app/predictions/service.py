"""Prediction runs: started, looked up, cancelled; and which run answers a question."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from datetime import date
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Select, bindparam, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.database import Database
from app.predictions.days import LAST_ENDED_DAY
from app.predictions.models import UNFINISHED, ModelKind, PredictionModel, PredictionOutcome, PredictionRun, RunStatus
from app.predictions.schemas import RunCreate, RunQuery, RunReference
from app.utils.clock import utc_now
from app.utils.errors import Conflict, NotFound, Unprocessable
from app.utils.listing import Listing, read_page
from app.websites.service import get_website

SECONDS_BETWEEN_LOOKS = 0.5


async def start_run(session: AsyncSession, data: RunCreate) -> PredictionRun:
    """Queued for whoever executes it. Raises NotFound for an unknown website, Unprocessable for a day to come."""
    if data.source_website is not None:
        await get_website(session, data.source_website)
    today: date = (await session.execute(text(LAST_ENDED_DAY))).scalar_one()
    if data.as_of is not None and data.as_of > today:
        raise Unprocessable(f"the last day that has ended on all websites is {today}", field="as_of")
    run = PredictionRun(
        as_of=data.as_of or today,
        source_website=data.source_website,
        horizon_days=data.horizon_days,
        lead_time_days=data.lead_time_days,
        service_level=data.service_level,
        seed=secrets.randbits(31) if data.seed is None else data.seed,
    )
    session.add(run)
    await session.flush()
    return run


async def get_run(session: AsyncSession, run_id: int, *, for_update: bool = False) -> PredictionRun:
    run = await session.get(PredictionRun, run_id, populate_existing=True, with_for_update=for_update or None)
    if run is None:
        raise NotFound(f"There is no prediction run {run_id}.")
    return run


async def follow_run(database: Database, run_id: int) -> AsyncIterator[tuple[PredictionRun, bool]]:
    """The run each time that it has changed, and whether it has ended, which is the last."""
    before = None
    while True:
        async with database.reads() as session:
            run = await get_run(session, run_id)
        has_ended = run.status not in UNFINISHED
        now = (run.status, run.stage, run.stages_done)
        if has_ended or now != before:
            yield run, has_ended
        if has_ended:
            return
        before = now
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)


async def cancel_run(session: AsyncSession, run_id: int) -> PredictionRun:
    """What it has computed is dropped; cancelling again changes nothing. Raises Conflict where the run has ended."""
    run = await get_run(session, run_id, for_update=True)
    if run.status == RunStatus.CANCELLED:
        return run
    if run.status not in UNFINISHED:
        raise Conflict(f"Run {run_id} has {run.status}; only a queued or running one can be cancelled.")
    run.status, run.finished_at = RunStatus.CANCELLED, utc_now()
    await session.flush()
    return run


RUNS = Listing(
    rows=select(*PredictionRun.__table__.columns),
    filters={
        "status": PredictionRun.status == bindparam("status"),
        "source_website": PredictionRun.source_website == bindparam("source_website"),
    },
    sorts={"id": PredictionRun.id},
)


async def list_runs(session: AsyncSession, request: RunQuery) -> dict[str, Any]:
    return await read_page(session, RUNS, request)


@lru_cache
def select_answering_run(*, by_id: bool, by_website: bool) -> Select[PredictionRun]:
    """The run that was asked for, or the latest that saw this website, or all of them.

    `run_id` and `website` are bound.
    """
    found = select(PredictionRun).where(PredictionRun.status == RunStatus.SUCCEEDED)
    if by_id:
        found = found.where(PredictionRun.id == bindparam("run_id"))
    elif by_website:
        of_website = PredictionRun.source_website == bindparam("website")
        found = found.where(or_(PredictionRun.source_website.is_(None), of_website))
    else:
        found = found.where(PredictionRun.source_website.is_(None))
    return found.order_by(PredictionRun.as_of.desc(), PredictionRun.id.desc()).limit(1)


async def find_run(session: AsyncSession, website: str | None, run_id: int | None) -> PredictionRun:
    """Raises NotFound where no run answers."""
    statement = select_answering_run(by_id=run_id is not None, by_website=website is not None)
    run: PredictionRun | None = await session.scalar(statement, {"run_id": run_id, "website": website})
    if run is None:
        raise _no_run(website, run_id)
    return run


async def recall(
    database: Database, asked: Hashable, find: Callable[[AsyncConnection], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """Which run, or model of it, answers what is asked: as `find` finds it, or found it a moment ago."""

    async def read() -> dict[str, Any]:
        async with database.reading() as connection:
            return await find(connection)

    return await database.answering.find_or(asked, read)


async def recall_run_reference(database: Database, website: str | None, run_id: int | None) -> dict[str, Any]:
    """As `find_run_reference`, or as it was a moment ago."""
    find = partial(find_run_reference, website=website, run_id=run_id)
    return await recall(database, ("run", website, run_id), find)


async def find_run_reference(connection: AsyncConnection, website: str | None, run_id: int | None) -> dict[str, Any]:
    """As `schemas.RunReference`, for lists, which are read more often than a run's other columns are worth.

    Raises NotFound.
    """
    statement = _select_run_reference(by_id=run_id is not None, by_website=website is not None)
    row = (await connection.execute(statement, {"run_id": run_id, "website": website})).one_or_none()
    if row is None:
        raise _no_run(website, run_id)
    return dict(zip(RunReference.model_fields, row, strict=True))


@lru_cache
def _select_run_reference(*, by_id: bool, by_website: bool) -> Select[Any]:
    columns = (getattr(PredictionRun, name) for name in RunReference.model_fields)
    return select_answering_run(by_id=by_id, by_website=by_website).with_only_columns(*columns)


def _no_run(website: str | None, run_id: int | None) -> NotFound:
    if run_id is not None:
        return NotFound(f"There is no prediction run {run_id} that has succeeded.")
    about = f" for {website}" if website else ""
    return NotFound(f"Nothing has been predicted yet{about}: start a run with POST /predictions/runs.")


async def list_models(
    session: AsyncSession, *, run_id: int | None, website: str | None, kind: ModelKind | None
) -> dict[str, Any]:
    """The models of a run with their scorecards. Raises NotFound."""
    run = await find_run(session, website, run_id)
    models = select(PredictionModel).where(PredictionModel.run_id == run.id)
    if website is not None:
        models = models.where(PredictionModel.source_website == website)
    if kind is not None:
        models = models.where(PredictionModel.kind == kind)
    return {"run": run, "models": list(await session.scalars(models.order_by(PredictionModel.id)))}


def select_outcomes() -> Select[Any]:
    """What was said beside what happened, newest run first."""
    return (
        select(
            PredictionRun.id.label("run_id"),
            PredictionRun.as_of,
            PredictionModel.kind,
            PredictionModel.source_website,
            PredictionModel.currency,
            *(column for column in PredictionOutcome.__table__.columns if column.name not in {"id", "model_id"}),
        )
        .join(PredictionModel, PredictionModel.run_id == PredictionRun.id)
        .join(PredictionOutcome, PredictionOutcome.model_id == PredictionModel.id)
        .order_by(PredictionRun.as_of.desc(), PredictionRun.id.desc(), PredictionOutcome.id)
    )


async def list_outcomes(
    session: AsyncSession, *, run_id: int | None, website: str | None, kind: ModelKind | None, limit: int
) -> list[dict[str, Any]]:
    statement = select_outcomes()
    if run_id is not None:
        statement = statement.where(PredictionRun.id == run_id)
    if website is not None:
        statement = statement.where(PredictionModel.source_website == website)
    if kind is not None:
        statement = statement.where(PredictionModel.kind == kind)
    return [dict(row) for row in (await session.execute(statement.limit(limit))).mappings()]


async def is_running(session: AsyncSession) -> bool:
    running = select(func.count()).where(PredictionRun.status.in_(UNFINISHED))
    return bool(await session.scalar(running))
