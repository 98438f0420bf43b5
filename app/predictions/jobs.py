"""The background side of predictions: a job starts a process and watches it."""

import asyncio
import logging
import os
import sys
from importlib.util import find_spec

from procrastinate import JobContext, RetryStrategy
from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database, driver_connection
from app.orders.models import Order
from app.predictions import service
from app.predictions.models import UNFINISHED, PredictionRun, RunStatus
from app.predictions.schemas import RunCreate
from app.runtime.jobs import queue
from app.utils.clock import utc_now
from app.utils.errors import ServiceUnavailable

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_TO_STOP = 10.0

logger = logging.getLogger(__name__)


def can_predict() -> bool:
    return all(find_spec(name) is not None for name in ("numpy", "scipy"))


def require_libraries() -> None:
    """Raises ServiceUnavailable where the extra is not installed."""
    if not can_predict():
        raise ServiceUnavailable("Predicting needs NumPy and SciPy: install ecompredictor[predict].")


async def queue_run(session: AsyncSession, data: RunCreate) -> PredictionRun:
    """Raises as `service.start_run`, and ServiceUnavailable where the extra is not installed."""
    require_libraries()
    run = await service.start_run(session, data)
    task = predict_job.configure(connection=await driver_connection(session), lock="predictions")
    await task.defer_async(run_id=run.id)
    return run


# A process that fails has said why in the run; what is tried again is one that was killed with its worker.
@queue.task(name="predict", pass_context=True, retry=RetryStrategy(max_attempts=3, linear_wait=10))
async def predict_job(context: JobContext, *, run_id: int) -> None:
    database: Database = context.additional_context["database"]
    command = (sys.executable, "-m", "app.predictions.engine", str(run_id))
    environment = os.environ | {"DATABASE_URL": database.url}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.DEVNULL)
    try:
        while not await _has_ended(process):
            async with database.reads() as session:
                run = await service.get_run(session, run_id)
            if run.status == RunStatus.CANCELLED:
                break
    finally:
        await _stop(process)
    if process.returncode != 0:
        async with database.sessions.begin() as session:
            await _note_end(session, run_id, process.returncode)


async def _has_ended(process: asyncio.subprocess.Process) -> bool:
    try:
        await asyncio.wait_for(process.wait(), SECONDS_BETWEEN_LOOKS)
    except TimeoutError:
        return False
    return True


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), SECONDS_TO_STOP)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _note_end(session: AsyncSession, run_id: int, code: int | None) -> None:
    """Of a process that could not say itself why it ended."""
    await session.execute(
        update(PredictionRun)
        .where(PredictionRun.id == run_id, PredictionRun.status.in_(UNFINISHED))
        .values(status=RunStatus.FAILED, error=f"Its process ended with {code}.", finished_at=utc_now())
    )


@queue.periodic(cron="23 3 * * *")
@queue.task(name="predict_nightly", pass_context=True, queueing_lock="predict nightly")
async def predict_nightly(context: JobContext, timestamp: int) -> None:
    """A run over everything, unless there is nothing to predict from, or one is under way."""
    if not can_predict():
        return
    database: Database = context.additional_context["database"]
    async with database.sessions.begin() as session:
        has_orders = await session.scalar(select(exists(select(Order.id))))
        if has_orders and not await service.is_running(session):
            await queue_run(session, RunCreate())
