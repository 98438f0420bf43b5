"""What can be said of whether a store's records are all here."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.connectors.base import RESOURCES, Resource
from app.ingest.models import UNFINISHED, Import, ImportOrigin
from app.sync import sweeps
from app.sync.models import SyncState, Webhook, WebhookStatus
from app.sync.platforms import KINDS
from app.sync.service import list_states
from app.websites.models import Reread
from app.websites.service import get_store

NEVER_CHECKED = "not checked yet: a sweep will tell"


async def describe_status(session: AsyncSession, name: str) -> dict[str, Any]:
    """As `schemas.WebsiteStatus`. Raises NotFound, or Conflict where it is no store."""
    await get_store(session, name)
    states = {state.resource: state for state in await list_states(session, name)}
    waiting = await _count_waiting(session, name)
    running = select(Import.options["resource"].astext).where(
        Import.source_website == name,
        Import.origin == ImportOrigin.SYNC,
        Import.status.in_(UNFINISHED),
    )
    under_way = set(await session.scalars(running))
    pending = func.count().filter(Webhook.status == WebhookStatus.PENDING)
    webhooks = select(pending, func.max(Webhook.received_at)).where(Webhook.source_website == name)
    count, last = (await session.execute(webhooks)).one()
    return {
        "name": name,
        "webhooks_pending": count,
        "last_webhook_at": last,
        "resources": [
            _describe_state(resource, states.get(resource), waiting.get(KINDS[resource], 0), resource in under_way)
            for resource in RESOURCES
        ],
    }


def _describe_state(resource: Resource, state: SyncState | None, waiting: int, is_running: bool) -> dict[str, Any]:
    return {
        "resource": resource,
        "cursor": state.cursor if state else None,
        "is_running": is_running,
        "import_id": state.import_id if state else None,
        "succeeded_at": state.succeeded_at if state else None,
        "error": state.error if state else None,
        "waiting": waiting,
    }


async def describe_completeness(session: AsyncSession, name: str) -> dict[str, Any]:
    """As `schemas.Completeness`. Raises NotFound, or Conflict where it is no store."""
    await get_store(session, name)
    states = {state.resource: state for state in await list_states(session, name)}
    waiting = await _count_waiting(session, name)
    resources = [
        await _describe_resource(session, name, resource, states.get(resource), waiting.get(KINDS[resource], 0))
        for resource in RESOURCES
    ]
    orders = states.get("orders")
    days = await sweeps.compare_days(session, name, orders.swept_at) if orders and orders.swept_at else []
    up_to = [each["complete_up_to"] for each in resources]
    complete = None if None in up_to else min(up_to)
    if complete is None:
        open_ones = [each for each in resources if each["complete_up_to"] is None]
        verdict = "; ".join(f"{each['resource']}: {each['verdict']}" for each in open_ones)
    else:
        verdict = _complete(complete)
    return {"name": name, "verdict": verdict, "complete_up_to": complete, "resources": resources, "days": days}


async def _describe_resource(
    session: AsyncSession, name: str, resource: Resource, state: SyncState | None, waiting: int
) -> dict[str, Any]:
    checked_at = state.swept_at if state else None
    found = (state.found if state else None) or {}
    missing = await sweeps.list_missing(session, name, KINDS[resource]) if checked_at else []
    rejected = await sweeps.list_rejects(session, name, KINDS[resource], checked_at) if checked_at else []
    not_taken = {*missing, *rejected}
    is_complete = checked_at is not None and not not_taken and not waiting
    if checked_at is None:
        verdict = NEVER_CHECKED
    elif waiting:
        verdict = f"{waiting} records are being read again"
    elif not_taken:
        verdict = describe_not_taken(len(not_taken))
    else:
        verdict = _complete(checked_at)
    return {
        "resource": resource,
        "verdict": verdict,
        "complete_up_to": checked_at if is_complete else None,
        "checked_at": checked_at,
        "listed": found.get("listed"),
        "missing": found.get("missing", 0),
        "vanished": found.get("vanished", 0),
        "different": found.get("different", 0),
        "waiting": waiting,
        "still_missing": missing,
        "rejected": rejected,
    }


def describe_not_taken(records: int) -> str:
    return f"{records} records of the store could not be taken: see the rejects of its imports"


def _complete(moment: datetime) -> str:
    return f"complete up to {moment:%Y-%m-%dT%H:%M:%SZ}"


async def _count_waiting(session: AsyncSession, name: str) -> dict[str, int]:
    counts = select(Reread.kind, func.count()).where(Reread.source_website == name).group_by(Reread.kind)
    return {row[0]: row[1] for row in await session.execute(counts)}
