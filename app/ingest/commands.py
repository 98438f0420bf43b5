"""Imports from the command line: in this process, watched by a person or by a log."""

import re
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.database import Database
from app.ingest import loader, rejects, service
from app.ingest.jobs import defer_merge
from app.ingest.models import Import, ImportStatus, RejectStatus
from app.ingest.reading import Limits
from app.ingest.rehearsal import MOST_CHANGES
from app.ingest.schemas import RejectQuery

SECONDS_BETWEEN_LINES = 2.0
NAMED_COLUMNS = 12  # that a report shows; the API has them all


async def import_file(database: Database, request: service.ImportRequest, settings: Settings) -> Import:
    """Read and merge a file here and now. Raises UnreadableFile or OSError.

    The merge is queued as well: when this process is killed, the next worker goes on from the checkpoint.
    """
    limits = Limits(
        unpacked_bytes=settings.max_unpacked_bytes,
        record_bytes=settings.max_record_bytes,
        unpack_ratio=settings.max_unpack_ratio,
    )
    with _progress(request.file_name) as progress:
        async with database.sessions.begin() as session:
            started = await service.stage_import(session, request, limits, progress=progress)
            if not request.dry_run:
                await _queue(session, started, settings)
        return await _merge(database, started.id, settings, progress)


async def retry_rejects(
    database: Database, import_id: int, reject_ids: list[int] | None, other: rejects.OtherOptions, settings: Settings
) -> Import:
    """Try these rejects of an import again, or all that are open, here and now; the new import, which has the rest."""
    with _progress(f"import {import_id}") as progress:
        async with database.sessions.begin() as session:
            started = await rejects.retry_rejects(session, import_id, reject_ids, other=other, progress=progress)
            await _queue(session, started, settings)
        return await _merge(database, started.id, settings, progress)


async def resume_imports(database: Database, import_id: int | None, settings: Settings) -> AsyncIterator[Import]:
    """Merge the rest of this import, or of all that are not finished, here and now."""
    async with database.reads() as session:
        if import_id is None:
            unfinished = await service.list_unfinished(session)
        else:
            unfinished = [(await service.get_import(session, import_id)).id]
    for each in unfinished:
        with _progress(f"import {each}") as progress:
            merged = await _merge(database, each, settings, progress)
        yield merged


async def _queue(session: AsyncSession, started: Import, settings: Settings) -> None:
    await defer_merge(
        session, started.id, chunk_size=settings.import_chunk_size, default_currency=settings.default_currency
    )


async def _merge(database: Database, import_id: int, settings: Settings, progress: loader.Progress) -> Import:
    await loader.merge_import(
        database,
        import_id,
        chunk_size=settings.import_chunk_size,
        default_currency=settings.default_currency,
        progress=progress,
    )
    async with database.reads() as session:
        return await service.get_import(session, import_id)


async def read_rejects(database: Database, import_id: int, status: RejectStatus | None) -> AsyncIterator[Any]:
    """Every reject of an import, or those of that status, in file order."""
    query: RejectQuery | None = RejectQuery(status=status, size=200, count="none")
    while query:
        async with database.reads() as session:
            page = await rejects.list_rejects(session, import_id, query)
        for reject in page["items"]:
            yield reject
        cursor = page["next_cursor"]
        query = RejectQuery(cursor=cursor, size=200, count="none") if cursor else None


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
    if len(kinds := job.details.get("kinds", {})) > 1:
        for kind, outcomes in sorted(kinds.items()):
            lines.append(f"  {kind}: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
    if implied := job.details.get("also_created"):
        named = ", ".join(f"{count} {what}" for what, count in implied.items())
        lines.append(f"  {named} created from what the orders tell")
    lines += [f"  skipped by rule {rule}: {count}" for rule, count in job.details.get("skipped", {}).items()]
    if rows := job.details.get("lines"):
        lines.append("  rows of orders: " + ", ".join(f"{count} {rule}" for rule, count in sorted(rows.items())))
    if ignored := job.details.get("ignored_columns"):
        shown = ", ".join(ignored[:NAMED_COLUMNS])
        more = f" and {len(ignored) - NAMED_COLUMNS} more" if len(ignored) > NAMED_COLUMNS else ""
        lines.append(f"  columns that are not read: {shown}{more}")
    if missing := job.details.get("missing_columns"):
        lines.append(f"  columns that the file lacks, so that something had to be assumed: {', '.join(missing)}")
    lines += [
        f"  warning, {'once' if count == 1 else f'{count} times'}: {text}"
        for text, count in job.details.get("warnings", {}).items()
    ]
    lines += _describe_changes(job)
    if job.records_rejected:
        lines.append(f"  the rejected records: ecompredictor imports rejects {job.id}")
    if job.status != ImportStatus.SUCCEEDED:
        lines.append(f"  {job.status}: {job.error or 'not all of it is merged yet'}")
    return "\n".join(lines)


def _describe_changes(job: Import) -> list[str]:
    changes = job.details.get("changes", [])
    lines = [
        f"  {change['place']}, {_describe_key(change['kind'], change['key'])}: "
        + ", ".join(f"{name} {_shown(now)} → {_shown(then)}" for name, (now, then) in change["fields"].items())
        for change in changes
    ]
    if len(changes) == MOST_CHANGES:
        lines.append(f"  (the first {MOST_CHANGES} changes are shown)")
    return lines


def _describe_key(kind: str, key: str) -> str:
    """`product SKU-1` of product_key and sku:SKU-1."""
    if kind == "product_key":
        key = key.partition(":")[2] or key
    return f"{kind.removesuffix('_key')} {key}"


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def describe(job: Mapping[str, Any]) -> str:
    """An import of a list in one line."""
    what = [job["id"], f"{job['created_at']:%Y-%m-%d %H:%M}", job["source_website"], job["format"], job["file_name"]]
    status = f"{job['status']} (dry run)" if job["dry_run"] else job["status"]
    counts = ", ".join(f"{job[f'records_{name}']} {name}" for name in ("read", "created", "updated", "rejected"))
    return "\t".join([*map(str, what), status, counts])


def describe_reject(reject: Mapping[str, Any], *, with_raw: bool) -> str:
    """A reject of a list in one line."""
    names = ["id", "status", "place", "kind", "reason", *(["raw"] if with_raw else [])]
    cells = (str(reject[name]) for name in names)
    return "\t".join(_BREAKS.sub(" ", cell) for cell in cells)


_BREAKS = re.compile(r"[\t\r\n]+")
