"""Runs: starting them, and what they have in common. A run is an import whose records a store gave."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.connectors.base import RESOURCES, Resource
from app.ingest.loader import take_batch
from app.ingest.models import UNFINISHED, Import, ImportOrigin, ImportStatus
from app.ingest.records import Item
from app.sync.models import SyncState
from app.sync.platforms import SyncContext, platform_of
from app.utils.clock import utc_now
from app.utils.errors import Conflict
from app.websites.models import Website
from app.websites.service import get_store

Mode = Literal["changes", "everything", "sweep"]
"""What a run reads: what has changed since the last one, all there is, or the list of all there is, to compare it."""


async def start_runs(
    session: AsyncSession, name: str, mode: Mode, resources: Sequence[Resource] = RESOURCES
) -> list[tuple[Import, bool]]:
    """A queued run of each resource, and whether it is new: the one of the same mode that is under way is as good.

    Raises NotFound for an unknown website, Conflict for one that is not followed.
    """
    website = await get_store(session, name, for_update=True)
    if not website.is_active:
        raise Conflict(f"{name} is deactivated; set is_active to true to follow it again.")
    return [await _start_run(session, website, mode, resource) for resource in resources]


async def _start_run(session: AsyncSession, website: Website, mode: Mode, resource: Resource) -> tuple[Import, bool]:
    under_way = select(Import).where(
        Import.source_website == website.name,
        Import.origin == ImportOrigin.SYNC,
        Import.status.in_(UNFINISHED),
        Import.options["resource"].astext == resource,
        Import.options["mode"].astext == mode,
    )
    found = await session.scalar(under_way.order_by(Import.id).limit(1))
    if found is not None:
        return found, False
    started = Import(
        source_website=website.name,
        origin=ImportOrigin.SYNC,
        file_name=f"{resource}: {mode}",
        format=platform_of(website).format,
        options={"resource": resource, "mode": mode},
    )
    session.add(started)
    await session.flush()
    return started, True


async def get_state(session: AsyncSession, website: str, resource: str) -> SyncState:
    """Locked; it appears with the first run."""
    await session.execute(insert(SyncState).values(source_website=website, resource=resource).on_conflict_do_nothing())
    return await session.get_one(SyncState, (website, resource), with_for_update=True, populate_existing=True)


async def list_states(session: AsyncSession, website: str) -> list[SyncState]:
    statement = select(SyncState).where(SyncState.source_website == website).order_by(SyncState.resource)
    return list(await session.scalars(statement))


async def get_daily_import(session: AsyncSession, website: Website, origin: ImportOrigin) -> Import:
    """The import that counts what comes in small pieces, one a day; locked."""
    today = utc_now().date()
    name = f"{origin}s of {today}"
    statement = (
        select(Import)
        .where(Import.source_website == website.name, Import.origin == origin, Import.file_name == name)
        .order_by(Import.id)
        .limit(1)
        .with_for_update()
    )
    found = await session.scalar(statement)
    if found is None:
        found = Import(
            source_website=website.name,
            origin=origin,
            file_name=name,
            format=platform_of(website).format,
            status=ImportStatus.SUCCEEDED,
            started_at=utc_now(),
        )
        session.add(found)
        await session.flush()
    found.finished_at = utc_now()
    return found


async def take(
    context: SyncContext,
    session: AsyncSession,
    website: Website,
    job: Import,
    items: Sequence[Item],
    *,
    is_trusted: bool = False,
    fills_tables: bool = False,
) -> None:
    """Merge what the store gave, as `loader.take_batch` does, with what is known of the website."""
    await take_batch(
        session,
        job,
        items,
        default_currency=website.currency or context.default_currency,
        status_map=website.status_map,
        is_trusted=is_trusted,
        fills_tables=fills_tables,
    )


def note_sync(job: Import, **facts: Any) -> None:
    """What a run covered, beside its counts."""
    told = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in facts.items()}
    job.details = job.details | {"sync": job.details.get("sync", {}) | told}
