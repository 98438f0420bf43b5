"""`/imports`: upload a file, follow its merge, look at what was rejected."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response, UploadFile

from app.auth.dependencies import get_current_admin
from app.config import Settings
from app.database import ReadSessionDep, SessionDep
from app.ingest import service, values
from app.ingest.formats.base import Options
from app.ingest.jobs import defer_merge
from app.ingest.mapping import read_mapping
from app.ingest.models import Import
from app.ingest.reading import Limits
from app.ingest.schemas import ImportForm, ImportQuery, ImportRead, RejectQuery, RejectRead
from app.utils.errors import responses
from app.utils.pagination import Page
from app.utils.schemas import PathId

router = APIRouter(
    prefix="/imports", tags=["imports"], dependencies=[Depends(get_current_admin)], responses=responses(401, 422)
)


@router.post("", response_model=ImportRead, status_code=202, responses=responses(400, 413, 415))
async def create_import(
    form: Annotated[ImportForm, Form(media_type="multipart/form-data")],
    request: Request,
    response: Response,
    session: SessionDep,
) -> Import:
    """Import a file. It is read at once, so that an unreadable one is refused here; a job merges its records."""
    settings: Settings = request.app.state.settings
    async with _kept_on_disk(form.file) as path:
        started = await service.stage_import(
            session,
            service.ImportRequest(
                path=path,
                file_name=values.text(Path(form.file.filename or "").name) or "upload",
                source_website=form.source_website,
                format=form.format,
                options=Options(
                    mapping=read_mapping(form.mapping) if form.mapping else None,
                    dayfirst=form.dayfirst,
                    decimal_comma=form.decimal_comma,
                    returns=form.returns,
                ),
                keep_mapping=form.keep_mapping,
                dry_run=form.dry_run,
            ),
            Limits(unpacked_bytes=settings.max_unpacked_bytes, record_bytes=settings.max_record_bytes),
        )
    await defer_merge(
        session, started.id, chunk_size=settings.import_chunk_size, default_currency=settings.default_currency
    )
    response.headers["Location"] = f"/api/v1/imports/{started.id}"
    return started


@asynccontextmanager
async def _kept_on_disk(upload: UploadFile) -> AsyncIterator[Path]:
    """The upload under a name, to be read from its start as often as needed."""
    with tempfile.NamedTemporaryFile(prefix="ecompredictor-upload-") as copy:
        await asyncio.to_thread(shutil.copyfileobj, upload.file, copy, 1024 * 1024)
        copy.flush()
        yield Path(copy.name)


@router.get("", response_model=Page[ImportRead])
async def list_imports(query: Annotated[ImportQuery, Query()], session: ReadSessionDep) -> dict[str, Any]:
    """List imports, newest first."""
    return await service.list_imports(session, query)


@router.get("/{import_id}", response_model=ImportRead, responses=responses(404))
async def get_import(import_id: PathId, session: ReadSessionDep) -> Import:
    """One import's report; `status` tells whether it is still being merged."""
    return await service.get_import(session, import_id)


@router.get("/{import_id}/rejects", response_model=Page[RejectRead], responses=responses(404))
async def list_import_rejects(
    import_id: PathId, query: Annotated[RejectQuery, Query()], session: ReadSessionDep
) -> dict[str, Any]:
    """The records that could not be taken, in file order, each with its place and reason."""
    return await service.list_rejects(session, import_id, query)
