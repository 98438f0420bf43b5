"""Following stores over HTTP: asking one, starting runs, how complete it is, and its webhooks."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from app.auth.dependencies import get_current_admin
from app.database import DatabaseDep, ReadSessionDep, SessionDep
from app.ingest.models import Import
from app.ingest.schemas import ImportRead
from app.sync import completeness, jobs, stores, webhooks
from app.sync.keys import Receivers
from app.sync.platforms import SyncContext
from app.sync.schemas import Completeness, StoreTest, SyncRequest, WebsiteStatus
from app.utils.errors import responses
from app.websites.dependencies import WebsitePath

router = APIRouter(
    prefix="/websites", tags=["websites"], dependencies=[Depends(get_current_admin)], responses=responses(401, 422)
)
webhook_router = APIRouter(prefix="/webhooks", tags=["webhooks"])


async def get_sync(request: Request, database: DatabaseDep) -> SyncContext:
    sync: SyncContext = request.app.state.sync
    return replace(sync, database=database)


async def get_receivers(request: Request) -> Receivers:
    receivers: Receivers = request.app.state.receivers
    return receivers


SyncDep = Annotated[SyncContext, Depends(get_sync)]
ReceiversDep = Annotated[Receivers, Depends(get_receivers)]


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


@webhook_router.post(
    "/{website}",
    responses=responses(401, 404, 422),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "security": [],
    },
)
async def receive_webhook(
    website: WebsitePath, request: Request, receivers: ReceiversDep, session: SessionDep
) -> dict[str, str]:
    """Take a delivery of the store. It is signed by the platform, stored, and processed by a job.

    An equal one that is still waiting is not stored twice.
    """
    receiver = await receivers.find(website)
    return await webhooks.receive(session, website, receiver, request.headers, await request.body())
