"""Reading stores from the command line: the same jobs as in the background, watched by a person."""

import asyncio
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import func, select

from app.connectors.base import RESOURCES, Resource
from app.database import Database
from app.ingest.commands import report
from app.ingest.models import UNFINISHED, Import, ImportStatus
from app.runtime.jobs import running_worker
from app.sync import completeness, jobs
from app.sync.platforms import SyncContext
from app.sync.service import Mode
from app.websites.models import Reread

SECONDS_BETWEEN_LOOKS = 0.3


async def sync_now(
    sync: SyncContext, names: Sequence[str], mode: Mode, resources: tuple[Resource, ...] = RESOURCES
) -> bool:
    """Run and watch until all of it is done, and what has to be read again with it; whether every run succeeded.

    The runs are jobs: one that another process has begun is watched, and one that this process leaves is gone on with.
    """
    started: list[int] = []
    async with sync.database.sessions.begin() as session:
        for name in names:
            started += [job.id for job in await jobs.start_runs(session, name, mode, resources)]
    async with running_worker(sync.database, concurrency=len(started) + len(names), sync=sync):
        finished = await _watch(sync.database, started)
        await _wait_for_rereads(sync.database, names)
    for job in finished:
        print(report(job))
    return all(job.status == ImportStatus.SUCCEEDED for job in finished)


async def _watch(database: Database, import_ids: Sequence[int]) -> list[Import]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeElapsedColumn())
    with ExitStack() as stack:
        bar = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
        stack.enter_context(bar)
        tasks = {}
        while True:
            found = await _read_imports(database, import_ids)
            for job in found:
                if job.id not in tasks:
                    tasks[job.id] = bar.add_task(f"{job.source_website}: {job.file_name}", total=None, count="")
                of = job.details.get("sync", {}).get("expected")
                done = job.status not in UNFINISHED
                bar.update(
                    tasks[job.id],
                    completed=job.records_read,
                    total=job.records_read if done else max(of, job.records_read) if of else None,
                    count=f"{job.records_read:,}",
                )
            if not any(job.status in UNFINISHED for job in found):
                return found
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)


async def _read_imports(database: Database, import_ids: Iterable[int]) -> list[Import]:
    async with database.reads() as session:
        return list(await session.scalars(select(Import).where(Import.id.in_(import_ids)).order_by(Import.id)))


async def _wait_for_rereads(database: Database, names: Sequence[str]) -> None:
    """Those that failed and are tried later are not waited for."""
    waiting = (
        select(func.count()).select_from(Reread).where(Reread.source_website.in_(names), Reread.not_before.is_(None))
    )
    while True:
        async with database.reads() as session:
            if not await session.scalar(waiting):
                return
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)


async def show_status(database: Database, name: str) -> None:
    async with database.reads() as session:
        status = await completeness.describe_status(session, name)
        complete = await completeness.describe_completeness(session, name)
    by_resource = {each["resource"]: each for each in complete["resources"]}
    for each in status["resources"]:
        resource = each["resource"]
        read = f"read up to {each['cursor']:%Y-%m-%d %H:%M:%S} UTC" if each["cursor"] else "not read yet"
        state = "running" if each["is_running"] else each["error"] or "idle"
        print(resource, read, by_resource[resource]["verdict"], state, sep="\t")
    print(f"{name}: {complete['verdict']}")
    for day in complete["days"]:
        print(
            f"  {day['day']} {day['status']} {day['currency']}: the store has {day['store_orders']} orders of "
            f"{day['store_total']}, here are {day['our_orders']} of {day['our_total']}"
        )
