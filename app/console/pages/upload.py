"""Importing a file: recognised, tried without changing anything, imported, and what was rejected put right."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, get_args

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import request_response
from starlette.types import Receive, Scope, Send
from starlette_admin.routing import route
from starlette_admin.security.csrf import CSRFMiddleware

from app.config import Settings
from app.console.pages.page import Page, acting, database_of, reading, see
from app.ingest import rejects, service, uploads, watch
from app.ingest.mapping import find_shipped
from app.ingest.models import UNFINISHED, Import, ImportReject, ImportStatus, RejectStatus
from app.ingest.schemas import FormatName, ImportDetails
from app.utils.errors import AppError, describe, to_field_error
from app.websites.service import list_websites

REJECTS_SHOWN = 50
_COUNTS = ("created", "updated", "merged", "unchanged", "skipped", "rejected")


class UploadPage(Page):
    heading = "Import a file"
    menu_label = "Import a file"
    icon = "fa fa-file-arrow-up"
    path = "/upload"

    @route("")
    async def index(self, request: Request) -> Response:
        async with reading(request) as session:
            websites = [website.name for website in await list_websites(session)]
        formats = get_args(FormatName)
        return self.render(
            request,
            "upload.html",
            websites=websites,
            formats=formats,
            mappings=sorted(find_shipped()),
            limit=_limit(request),
        )

    @route("/files", methods=["POST"])
    async def take(self, request: Request) -> Response:
        """As large as the API takes them. Answers the script of the page with JSON."""
        return _Limited(_limit(request))

    @route("/{import_id:int}")
    async def show(self, request: Request) -> Response:
        import_id = request.path_params["import_id"]
        async with reading(request) as session:
            job = await service.get_import(session, import_id)
            rejected = await _list_rejects(session, import_id)
        template = "preview.html" if "preview" in request.query_params else "import.html"
        return self.render(
            request,
            template,
            job=job,
            details=ImportDetails.model_validate(job.details),
            counts={name: getattr(job, f"records_{name}") for name in _COUNTS},
            is_under_way=job.status in UNFINISHED,
            rejects=rejected,
            open_rejects=sum(each.status == RejectStatus.OPEN for each in rejected),
        )

    @route("/{import_id:int}/events")
    async def events(self, request: Request) -> Response:
        async def follow() -> AsyncIterator[str]:
            async for job, has_ended in watch.follow_import(database_of(request), request.path_params["import_id"]):
                yield f"event: {'end' if has_ended else 'progress'}\ndata: {json.dumps(_progress(job))}\n\n"

        return StreamingResponse(follow(), media_type="text/event-stream")

    @route("/{import_id:int}/cancel", methods=["POST"])
    async def cancel(self, request: Request) -> Response:
        import_id = request.path_params["import_id"]
        async with acting(request, "The import was cancelled; what was merged stays.") as session:
            await service.cancel_import(session, import_id)
        return see(self.url(request, f"/{import_id}"))

    @route("/{import_id:int}/retry", methods=["POST"])
    async def retry(self, request: Request) -> Response:
        """All that are open, or those that were ticked."""
        import_id = request.path_params["import_id"]
        there = f"/{import_id}"
        async with acting(request, "The rejects are being tried again.") as session:
            started = await rejects.retry_rejects(session, import_id, await _chosen(request))
            await uploads.have_merged(session, started, _settings(request))
            there = f"/{started.id}"
        return see(self.url(request, there))

    @route("/{import_id:int}/dismiss", methods=["POST"])
    async def dismiss(self, request: Request) -> Response:
        import_id = request.path_params["import_id"]
        async with acting(request, "The rejects were dismissed.") as session:
            await rejects.dismiss_rejects(session, import_id, await _chosen(request))
        return see(self.url(request, f"/{import_id}"))


class _Limited(Response):
    """An answer that reads the request by itself, under a limit of its own."""

    def __init__(self, limit: int) -> None:
        self.app = RequestBodyLimitMiddleware(request_response(_take), limit)
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


async def _take(request: Request) -> Response:
    try:
        async with (
            uploads.receive_form(request, besides={CSRFMiddleware.field_name}) as received,
            database_of(request).sessions.begin() as session,
        ):
            started = await uploads.stage_received(session, _settings(request), received)
            await uploads.have_merged(session, started, _settings(request))
    except ValidationError as error:
        sentence = describe([to_field_error(item) for item in error.errors()])
        return JSONResponse({"detail": sentence}, status_code=422)
    except AppError as error:
        return JSONResponse({"detail": error.detail}, status_code=error.status)
    return JSONResponse({"id": started.id, **_progress(started)}, status_code=202)


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _limit(request: Request) -> int:
    return _settings(request).max_upload_bytes


def _progress(job: Import) -> dict[str, Any]:
    done = sum(getattr(job, f"records_{name}") for name in _COUNTS)
    return {
        "status": job.status,
        "done": job.records_read if job.status == ImportStatus.SUCCEEDED else min(done, job.records_read),
        "of": job.records_read,
        "read": job.records_read,
        **{name: getattr(job, f"records_{name}") for name in _COUNTS},
    }


async def _list_rejects(session: AsyncSession, import_id: int) -> Sequence[ImportReject]:
    """Those that are open first."""
    order = ((ImportReject.status == RejectStatus.OPEN).desc(), ImportReject.id)
    found = select(ImportReject).where(ImportReject.import_id == import_id).order_by(*order).limit(REJECTS_SHOWN)
    return (await session.scalars(found)).all()


async def _chosen(request: Request) -> list[int] | None:
    form = await request.form()
    return [int(str(each)) for each in form.getlist("reject_id") if str(each).isdigit()] or None
