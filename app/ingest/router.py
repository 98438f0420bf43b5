"""`/imports`: upload a file, follow its merge, look at what was rejected, and settle it."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.dependencies import get_current_admin
from app.config import Settings
from app.database import DatabaseDep, ReadSessionDep, SessionDep
from app.ingest import rejects, service, uploads, watch
from app.ingest.mapping import read_mapping
from app.ingest.models import Import, ImportReject
from app.ingest.schemas import (
    ImportForm,
    ImportQuery,
    ImportRead,
    PushOptions,
    ReadAgain,
    RejectQuery,
    RejectRead,
    RejectRetry,
    RejectsDismissal,
    RejectsRetry,
)
from app.ingest.uploads import Received, receive_form
from app.utils.errors import TooLarge, as_request_error, responses
from app.utils.pagination import Page
from app.utils.schemas import PathId

router = APIRouter(
    prefix="/imports", tags=["imports"], dependencies=[Depends(get_current_admin)], responses=responses(401, 422)
)


async def get_settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


SettingsDep = Annotated[Settings, Depends(get_settings)]


async def _accept(session: AsyncSession, started: Import, settings: Settings, response: Response) -> Import:
    """Have it merged by a job, and say where to follow it."""
    await uploads.have_merged(session, started, settings)
    response.headers["Location"] = f"/api/v1/imports/{started.id}"
    return started


NDJSON = "application/x-ndjson"
MOST_PUSHED = 10_000
_BODY: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "schema": schema, "description": f"with a body of {NDJSON}"}
        for name, schema in PushOptions.model_json_schema()["properties"].items()
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": ImportForm.model_json_schema()},
            NDJSON: {"schema": {"type": "string", "description": "a JSON object a line"}},
        },
    },
}


@router.post("", response_model=ImportRead, status_code=202, responses=responses(400, 413, 415), openapi_extra=_BODY)
async def create_import(request: Request, settings: SettingsDep, response: Response, session: SessionDep) -> Import:
    """Import a file, or records of a backend of your own. They are read at once; a job merges them.

    A file comes as a form, and an unreadable one is refused here. Up to 10,000 records come as the body itself, one
    JSON object a line, with the form's fields as query parameters. Sending the same again changes nothing.
    """
    is_push = request.headers.get("content-type", "").partition(";")[0].strip().lower() == NDJSON
    async with _receive_push(request) if is_push else _receive_form(request) as received:
        started = await uploads.stage_received(session, settings, received)
    if is_push and started.records_read > MOST_PUSHED:
        raise TooLarge(
            f"One call takes {MOST_PUSHED} records, and these are {started.records_read}: send them in parts."
        )
    return await _accept(session, started, settings, response)


@asynccontextmanager
async def _receive_form(request: Request) -> AsyncIterator[Received]:
    try:
        async with receive_form(request) as received:
            yield received
    except ValidationError as error:
        raise as_request_error(error, "body") from None


@asynccontextmanager
async def _receive_push(request: Request) -> AsyncIterator[Received]:
    try:
        options = PushOptions.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise as_request_error(error, "query") from None
    with tempfile.NamedTemporaryFile(prefix="ecompredictor-push-") as copy:
        async for part in request.stream():
            copy.write(part)
        copy.flush()
        yield Path(copy.name), "pushed records", options


@router.get("", response_model=Page[ImportRead])
async def list_imports(query: Annotated[ImportQuery, Query()], session: ReadSessionDep) -> dict[str, Any]:
    """List imports, newest first."""
    return await service.list_imports(session, query)


@router.get("/{import_id}", response_model=ImportRead, responses=responses(404))
async def get_import(import_id: PathId, session: ReadSessionDep) -> Import:
    """One import's report; `status` tells whether it is still being merged."""
    return await service.get_import(session, import_id)


async def find_import(import_id: PathId, session: ReadSessionDep) -> int:
    """Before the first event: afterwards it is too late for a 404."""
    return (await service.get_import(session, import_id)).id


@router.get("/{import_id}/events", response_class=EventSourceResponse, responses=responses(404))
async def watch_import(
    found_id: Annotated[int, Depends(find_import, scope="function")], database: DatabaseDep
) -> AsyncIterator[ServerSentEvent]:
    """The report as server-sent events: "progress" when it changes, and "end" when the import has ended.

    Each has the whole report as its data, so that a client that was cut off only has to connect again.
    """
    async for job, has_ended in watch.follow_import(database, found_id):
        yield ServerSentEvent(data=ImportRead.model_validate(job), event="end" if has_ended else "progress")


@router.post("/{import_id}/cancel", response_model=ImportRead, responses=responses(404, 409))
async def cancel_import(import_id: PathId, session: SessionDep) -> Import:
    """Stop merging. What is merged stays, and the same file imported again goes on where this stopped.

    Cancelling again answers the same; an import that has ended is 409.
    """
    return await service.cancel_import(session, import_id)


@router.get("/{import_id}/rejects", response_model=Page[RejectRead], responses=responses(404))
async def list_import_rejects(
    import_id: PathId, query: Annotated[RejectQuery, Query()], session: ReadSessionDep
) -> dict[str, Any]:
    """The records that could not be taken, in file order, each with its place and reason."""
    return await rejects.list_rejects(session, import_id, query)


@router.get("/{import_id}/rejects/{reject_id}", response_model=RejectRead, responses=responses(404))
async def get_import_reject(import_id: PathId, reject_id: PathId, session: ReadSessionDep) -> ImportReject:
    """One record that could not be taken."""
    return await rejects.get_reject(session, import_id, reject_id)


@router.post("/{import_id}/rejects/retry", response_model=ImportRead, status_code=202, responses=responses(404, 409))
async def retry_import_rejects(
    import_id: PathId,
    settings: SettingsDep,
    response: Response,
    session: SessionDep,
    body: RejectsRetry | None = None,
) -> Import:
    """Try rejects again as an import of their own: those named, or all that are open.

    They become `retried`; what cannot be taken this time is an open reject of the new import. A dry run's rejects
    cannot be retried.
    """
    body = body or RejectsRetry()
    started = await rejects.retry_rejects(session, import_id, body.reject_ids, other=_other_options(body))
    return await _accept(session, started, settings, response)


@router.post(
    "/{import_id}/rejects/{reject_id}/retry", response_model=ImportRead, status_code=202, responses=responses(404, 409)
)
async def retry_import_reject(
    import_id: PathId,
    reject_id: PathId,
    settings: SettingsDep,
    response: Response,
    session: SessionDep,
    body: RejectRetry | None = None,
) -> Import:
    """Try one reject again as an import of its own, as it was or as corrected in `raw`."""
    body = body or RejectRetry()
    started = await rejects.retry_reject(
        session,
        import_id,
        reject_id,
        body.raw,
        other=_other_options(body),
        record_bytes=settings.max_record_bytes,
    )
    return await _accept(session, started, settings, response)


def _other_options(body: ReadAgain) -> rejects.OtherOptions:
    return rejects.OtherOptions(
        mapping=read_mapping(body.mapping) if body.mapping else None,
        dayfirst=body.dayfirst,
        decimal_comma=body.decimal_comma,
    )


@router.post("/{import_id}/rejects/dismiss", status_code=204, responses=responses(404, 409))
async def dismiss_import_rejects(import_id: PathId, session: SessionDep, body: RejectsDismissal | None = None) -> None:
    """Mark rejects as needing nothing: those named, or all that are open. Doing it again is 204 too."""
    await rejects.dismiss_rejects(session, import_id, body.reject_ids if body else None)


@router.post("/{import_id}/rejects/{reject_id}/dismiss", status_code=204, responses=responses(404, 409))
async def dismiss_import_reject(import_id: PathId, reject_id: PathId, session: SessionDep) -> None:
    """Mark one reject as needing nothing. Doing it again is 204 too; a retried one is 409."""
    await rejects.dismiss_reject(session, import_id, reject_id)
