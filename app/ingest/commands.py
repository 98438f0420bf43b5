"""Imports from the command line: in this process, watched by a person or by a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from app.config import Settings
from app.database import Database
from app.ingest import loader, service
from app.ingest.jobs import defer_merge
from app.ingest.models import Import
from app.ingest.reading import Limits

SECONDS_BETWEEN_LINES = 2.0


async def import_file(database: Database, request: service.ImportRequest, settings: Settings) -> Import:
    """Read and merge a file here and now. Raises UnreadableFile or OSError.

    The merge is queued as well: when this process is killed, the next worker goes on from the checkpoint.
    """
    limits = Limits(unpacked_bytes=settings.max_unpacked_bytes, record_bytes=settings.max_record_bytes)
    chunk_size, currency = settings.import_chunk_size, settings.default_currency
    with _progress(request.file_name) as progress:
        async with database.sessions.begin() as session:
            started = await service.stage_import(session, request, limits, progress=progress)
            if not request.dry_run:
                await defer_merge(session, started.id, chunk_size=chunk_size, default_currency=currency)
        await loader.merge_import(
            database, started.id, chunk_size=chunk_size, default_currency=currency, progress=progress
        )
    async with database.reads() as session:
        return await service.get_import(session, started.id)


@contextmanager
def _progress(title: str) -> Iterator[loader.Progress]:
    """A bar where a person watches; a line now and then where the output goes to a file."""
    if not sys.stderr.isatty():
        yield _Lines(title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, of: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(f"{title}: {step}", total=None, count="")
            bar.update(tasks[step], completed=done, total=of or None, count=_count(done, of))

        yield show


class _Lines:
    def __init__(self, title: str) -> None:
        self._title = title
        self._next = time.monotonic() + SECONDS_BETWEEN_LINES

    def __call__(self, step: str, done: int, of: int) -> None:
        if time.monotonic() >= self._next:
            print(f"{self._title}: {step} {_count(done, of)}", file=sys.stderr, flush=True)  # noqa: T201
            self._next = time.monotonic() + SECONDS_BETWEEN_LINES


def _count(done: int, of: int) -> str:
    return f"{done:,} of {of:,}" if of else f"{done:,}"


def report(job: Import) -> str:
    """What became of the records, for a person; every record read is in one of the counts."""
    heading = f"{job.file_name}: {job.format} of {job.source_website}, {job.records_read} records"
    if job.dry_run:
        heading += " (dry run: nothing was changed)"
    counts = [
        f"{job.records_created} created",
        f"{job.records_updated} updated",
        f"{job.records_merged} merged",
        f"{job.records_unchanged} unchanged",
        f"{job.records_skipped} skipped",
        f"{job.records_rejected} rejected",
    ]
    lines = [heading, "  " + ", ".join(counts)]
    if implied := job.details.get("also_created"):
        named = ", ".join(f"{count} {what}" for what, count in implied.items())
        lines.append(f"  {named} created from what the orders tell")
    lines += [f"  skipped by rule {rule}: {count}" for rule, count in job.details.get("skipped", {}).items()]
    if rows := job.details.get("lines"):
        lines.append("  rows of orders: " + ", ".join(f"{count} {rule}" for rule, count in sorted(rows.items())))
    if ignored := job.details.get("ignored_columns"):
        lines.append(f"  columns that are not read: {', '.join(ignored)}")
    lines += [f"  warning, {count} times: {text}" for text, count in job.details.get("warnings", {}).items()]
    if job.records_rejected:
        lines.append(f"  the rejected records: GET /api/v1/imports/{job.id}/rejects")
    return "\n".join(lines)
