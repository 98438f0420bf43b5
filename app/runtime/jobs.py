"""Background jobs on procrastinate: rows in our own PostgreSQL, run inside the server or by `ecompredictor worker`.

A module that has tasks decorates them with `queue.task` and is named in TASK_MODULES. A task is deferred on the
connection of the transaction whose rows it works on, so that neither exists without the other.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import Any

from procrastinate import App, PsycopgConnector
from sqlalchemy import make_url

from app.database import Database

TASK_MODULES = (
    "app.ingest.jobs",
    "app.orders.jobs",
    "app.predictions.baskets.jobs",
    "app.predictions.jobs",
    "app.reports.jobs",
    "app.sync.jobs",
)
# A worker that has been silent for this long is taken for dead, and its jobs are run again.
DEAD_AFTER_SECONDS = 20.0
SHUTDOWN_SECONDS = 10.0
RESTART_SECONDS = 2.0
QUEUE_CONNECTIONS = 4

logger = logging.getLogger(__name__)
queue = App(connector=PsycopgConnector())


@asynccontextmanager
async def running_worker(
    database: Database, *, concurrency: int = 1, **tools: Any
) -> AsyncIterator[asyncio.Task[None]]:
    """A worker for the time of the `with`; tasks find `database` and the other tools in `additional_context`.

    On leaving, running jobs get SHUTDOWN_SECONDS to end; those that do not are run again by the next worker.
    """
    for module in TASK_MODULES:
        import_module(module)
    # For what the queue itself asks, between jobs.
    connector = PsycopgConnector(conninfo=_libpq_url(database.url), min_size=1, max_size=QUEUE_CONNECTIONS, timeout=5.0)
    with queue.replace_connector(connector) as app:
        async with app.open_async():
            worker = asyncio.create_task(_work(app, {"database": database} | tools, concurrency), name="job worker")
            rescuer = asyncio.create_task(_rescue_orphans(app), name="job rescuer")
            try:
                yield worker
            finally:
                for task in (rescuer, worker):
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task


async def _work(app: App, tools: dict[str, Any], concurrency: int) -> None:
    """Until cancelled: a worker ends when the database goes away, and the next one begins when it is back."""
    task = asyncio.current_task()
    assert task is not None
    while True:
        try:
            await app.run_worker_async(
                concurrency=concurrency,
                install_signal_handlers=False,
                shutdown_graceful_timeout=SHUTDOWN_SECONDS,
                stalled_worker_timeout=DEAD_AFTER_SECONDS,
                update_heartbeat_interval=DEAD_AFTER_SECONDS / 4,
                delete_jobs="successful",
                additional_context=tools,
            )
        except Exception:
            if task.cancelling():  # without the database a worker ends with that error in place of the cancellation
                return
            logger.exception("The job worker stopped; starting it again in %s seconds", RESTART_SECONDS)
        await asyncio.sleep(RESTART_SECONDS)


async def _rescue_orphans(app: App) -> None:
    """Run the jobs of killed workers again."""
    while True:
        try:
            for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER_SECONDS):
                logger.warning("Job %s (%s) lost its worker and is run again", job.id, job.task_name)
                await app.job_manager.retry_job(job)
        except Exception:
            logger.exception("Looking for orphaned jobs failed; trying again")
        await asyncio.sleep(DEAD_AFTER_SECONDS / 4)


def _libpq_url(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
