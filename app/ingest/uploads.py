"""Files and records as clients send them over HTTP: received, read, and staged for a job to merge."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from app.config import Settings
from app.ingest import service, values
from app.ingest.formats.base import Options
from app.ingest.jobs import defer_merge
from app.ingest.mapping import read_mapping
from app.ingest.models import Import
from app.ingest.reading import Limits
from app.ingest.schemas import ImportForm, ImportOptions

Received = tuple[Path, str, ImportOptions]
"""The file, what its sender calls it, and how to read it."""


@asynccontextmanager
async def receive_form(request: Request, *, besides: Collection[str] = ()) -> AsyncIterator[Received]:
    """The uploaded file under a name, to be read from its start as often as needed. Raises Pydantic's ValidationError.

    `besides` names fields of the form that are nothing of the import's.
    """
    async with request.form() as fields:
        form = ImportForm.model_validate({name: value for name, value in fields.items() if name not in besides})
        with tempfile.NamedTemporaryFile(prefix="ecompredictor-upload-") as copy:
            await asyncio.to_thread(shutil.copyfileobj, form.file.file, copy, 1024 * 1024)
            copy.flush()
            yield Path(copy.name), values.text(Path(form.file.filename or "").name) or "upload", form


async def stage_received(session: AsyncSession, settings: Settings, received: Received) -> Import:
    """Raises as `service.stage_import`."""
    path, file_name, given = received
    return await service.stage_import(
        session,
        service.ImportRequest(
            path=path,
            file_name=file_name,
            source_website=given.source_website,
            format=given.format,
            options=Options(
                mapping=read_mapping(given.mapping) if given.mapping else None,
                dayfirst=given.dayfirst,
                decimal_comma=given.decimal_comma,
                returns=given.returns,
            ),
            keep_mapping=given.keep_mapping,
            dry_run=given.dry_run,
        ),
        Limits(
            unpacked_bytes=settings.max_unpacked_bytes,
            record_bytes=settings.max_record_bytes,
            unpack_ratio=settings.max_unpack_ratio,
        ),
    )


async def have_merged(session: AsyncSession, started: Import, settings: Settings) -> None:
    """By a job, once the session's transaction is committed."""
    await defer_merge(
        session, started.id, chunk_size=settings.import_chunk_size, default_currency=settings.default_currency
    )
