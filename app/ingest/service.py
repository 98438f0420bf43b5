"""Imports: a file is read and staged at once, and merged by a job or, for the command line, right away."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.ingest.formats import find_format
from app.ingest.formats.base import Options
from app.ingest.loader import Progress, Staged, no_progress, stage
from app.ingest.mapping import Mapping
from app.ingest.models import UNFINISHED, Import, ImportOrigin, ImportRecord, ImportStatus
from app.ingest.reading import Limits, SourceFile
from app.ingest.repeats import Repeats
from app.ingest.schemas import ImportQuery
from app.utils.clock import utc_now
from app.utils.errors import Conflict, NotFound, Unprocessable
from app.utils.listing import Listing, read_page
from app.websites.service import ensure_website, get_mapping, get_status_map, keep_mapping


@dataclass(frozen=True)
class ImportRequest:
    """What to import, and how to read it. With `keep_mapping` the website's later files are read the same way."""

    path: Path
    file_name: str
    source_website: str
    format: str | None = None
    options: Options = Options()  # noqa: RUF009 — frozen
    dry_run: bool = False
    keep_mapping: bool = False


async def stage_import(
    session: AsyncSession, request: ImportRequest, limits: Limits, *, progress: Progress = no_progress
) -> Import:
    """Read the whole file into staging, in the session's transaction. Raises UnreadableFile.

    A dry run keeps nothing of its website, neither name nor mapping.
    """
    if request.keep_mapping and request.options.mapping is None:
        raise Unprocessable("There is no mapping to keep: give one with the file.", field="keep_mapping")
    file = await asyncio.to_thread(SourceFile, request.path, limits)
    kept = await get_mapping(session, request.source_website)
    format_, options = await asyncio.to_thread(
        find_format, file, request.options, request.format, kept=Mapping.model_validate(kept) if kept else None
    )
    if not request.dry_run:
        await ensure_website(session, request.source_website)
        if request.keep_mapping:
            await keep_mapping(session, request.source_website, options.as_json()["mapping"])
    started = Import(
        source_website=request.source_website,
        file_name=request.file_name[-255:],
        format=format_.name,
        dry_run=request.dry_run,
        options=options.as_json(),
    )
    session.add(started)
    await session.flush()
    status_map = await get_status_map(session, request.source_website)
    repeats = Repeats.of(request.source_website, format_, options, status_map, finds=await _is_next(session, started))
    staged = await stage(
        session,
        started.id,
        format_.scan(file, options),
        status_map=status_map,
        repeats=repeats,
        progress=progress,
    )
    note_staged(started, staged)
    if not file.is_json:
        layout = options.mapping or Mapping()
        header = file.laid_out(layout.header, layout.delimiter).header()
        ignored = [name for name in header if not format_.reads_column(name, options)]
        missing = format_.find_missing(header, options)
        started.details = started.details | {"ignored_columns": ignored, "missing_columns": missing}
    await session.flush()
    return started


async def _is_next(session: AsyncSession, started: Import) -> bool:
    """Whether no other file of the website is being read or waits for its merge: after that, what is unchanged now may
    not be any longer."""
    lock = func.pg_try_advisory_xact_lock(func.hashtext(f"read a file of {started.source_website}"))
    if not await session.scalar(select(lock)):
        return False
    waiting = select(Import.id).where(
        Import.source_website == started.source_website,
        Import.origin == ImportOrigin.FILE,  # what a store answers is dated
        Import.status.in_(UNFINISHED),
        Import.dry_run.is_(False),
        Import.id != started.id,
    )
    return not await session.scalar(select(waiting.exists()))


def note_staged(started: Import, staged: Staged) -> None:
    """The counts that are known before the merge."""
    started.records_read = staged.records + staged.rejected + staged.skipped.total()
    started.records_rejected = staged.rejected
    started.records_skipped = staged.skipped.total()
    started.details = {
        "skipped": dict(staged.skipped),
        "warnings": dict(staged.warnings),
        "lines": dict(staged.lines),
    }


async def get_import(session: AsyncSession, import_id: int) -> Import:
    found = await session.get(Import, import_id, populate_existing=True)
    if found is None:
        raise NotFound(f"There is no import {import_id}.")
    return found


async def cancel_import(session: AsyncSession, import_id: int) -> Import:
    """Leave the rest unmerged. Waits for the open chunk, which is merged; cancelling again changes nothing.

    Raises Conflict where the import has ended.
    """
    found = await session.get(Import, import_id, with_for_update=True)
    if found is None:
        raise NotFound(f"There is no import {import_id}.")
    if found.status == ImportStatus.CANCELLED:
        return found
    if found.status not in UNFINISHED:
        raise Conflict(f"Import {import_id} has {found.status}; only a queued or running one can be cancelled.")
    found.status, found.finished_at = ImportStatus.CANCELLED, utc_now()
    if found.origin == ImportOrigin.FILE:
        last = await session.scalar(select(func.max(ImportRecord.position)).where(ImportRecord.import_id == import_id))
        found.error = f"Cancelled when {found.merged_up_to} of {last or 0} records were merged; the rest was left out."
    else:
        found.error = f"Cancelled when {found.merged_up_to} records were merged; the next run goes on from there."
    await session.execute(delete(ImportRecord).where(ImportRecord.import_id == import_id))
    await session.flush()
    return found


LISTING = Listing(
    rows=select(*Import.__table__.columns),
    filters={
        "source_website": Import.source_website == bindparam("source_website"),
        "origin": Import.origin == bindparam("origin"),
        "status": Import.status == bindparam("status"),
    },
    sorts={"id": Import.id},
)


async def list_imports(session: AsyncSession, request: ImportQuery) -> dict[str, Any]:
    return await read_page(session, LISTING, request)


async def list_unfinished(session: AsyncSession) -> list[int]:
    """The ids of the files' imports whose merge has still to begin or to end, the oldest first."""
    of_files = (Import.origin == ImportOrigin.FILE, Import.status.in_(UNFINISHED))
    return list(await session.scalars(select(Import.id).where(*of_files).order_by(Import.id)))
