"""Following stores over HTTP: asking one, starting runs, how complete it is, and its webhooks."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute

from app.auth.dependencies import get_current_admin
from app.database import DatabaseDep, ReadSessionDep, SessionDep
from app.ingest.models import Import
from app.ingest.schemas import ImportRead
from app.sync import completeness, jobs, stores, webhooks
from app.sync.intake import Intake
from app.sync.keys import Receivers
from app.sync.platforms import SyncContext
from app.sync.schemas import Completeness, StoreTest, SyncRequest, WebsiteStatus
from app.utils.errors import responses
from app.utils.schemas import WEBSITE_PATTERN
from app.websites.dependencies import WebsitePath

router = APIRouter(
    prefix="/websites", tags=["websites"], dependencies=[Depends(get_current_admin)], responses=responses(401, 422)
)


async def get_sync(request: Request, database: DatabaseDep) -> SyncContext:
    sync: SyncContext = request.app.state.sync
    return replace(sync, database=database)


SyncDep = Annotated[SyncContext, Depends(get_sync)]


@router.post("/{name}/test", response_model=StoreTest, responses=responses(404, 409))
async def test_website(name: WebsitePath, sync: SyncDep) -> dict[str, Any]:
    """Ask the store whether it can be read with these credentials, and what its currency and time zone are."""
    return await stores.check_store(sync, name)


@router.post("/{name}/sync", response_model=list[ImportRead], status_code=202, responses=responses(404, 409))
async def sync_website(name: WebsitePath, session: SessionDep, body: SyncRequest | None = None) -> list[Import]:
    """Read the store now: a run a resource, each with its report. One that is under way already is as good."""
    body = body or SyncRequest()
    return await jobs.start_runs(session, name, body.mode, tuple(dict.fromkeys(body.resources)))


@router.get("/{name}/status", response_model=WebsiteStatus, responses=responses(404, 409))
async def get_website_status(name: WebsitePath, session: ReadSessionDep) -> dict[str, Any]:
    """How far each resource of the store has been read, and what waits."""
    return await completeness.describe_status(session, name)


@router.get("/{name}/completeness", response_model=Completeness, responses=responses(404, 409))
async def get_website_completeness(name: WebsitePath, session: ReadSessionDep) -> dict[str, Any]:
    """Whether all that the store has is here, by its own list of all it had when it was last asked for one."""
    return await completeness.describe_completeness(session, name)


class PlainRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response, as Starlette's do.

    A busy shop delivers hundreds a second, and of each all that FastAPI does for an endpoint took as long as the rest.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


webhook_router = APIRouter(prefix="/webhooks", tags=["webhooks"], route_class=PlainRoute)
_STORED, _PONG = b'{"status":"stored"}', b'{"status":"pong"}'


@webhook_router.post(
    "/{website}",
    responses=responses(401, 404, 422) | {200: {"content": {"application/json": {"example": {"status": "stored"}}}}},
    openapi_extra={
        "parameters": [
            {
                "name": "website",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": WEBSITE_PATTERN},
            }
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "security": [],
    },
)
async def receive_webhook(request: Request) -> Response:
    """Take a delivery of the store. It is signed by the platform, stored, and processed by a job.

    An equal one that is still waiting is not stored twice.
    """
    receivers: Receivers = request.app.state.receivers
    intake: Intake = request.app.state.intake
    website = request.path_params["website"].strip().lower()
    receiver = await receivers.find(website)
    body = await request.body()
    topic = webhooks.check_delivery(website, receiver, request.headers, body)
    if topic is not None:
        await intake.keep(website, topic, body)
    return Response(_PONG if topic is None else _STORED, media_type="application/json")
