"""One run: reading a resource of a store page by page, each batch of pages in one transaction with its position.

The store is read ahead while PostgreSQL takes what came before. A run that is killed goes on where it stood; one that
fails leaves its position to the next. The cursor moves when everything has been read, to the store's own time at
which the run began, and never back.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import ConfigurationError
from app.connectors.base import RESOURCES, Connector, Listing, Page, Resource
from app.connectors.errors import StoreError
from app.ingest.loader import merging
from app.ingest.models import UNFINISHED, Import, ImportOrigin, ImportStatus
from app.ingest.records import Item
from app.sync import sweeps
from app.sync.models import SyncState
from app.sync.platforms import KINDS, StorePlatform, SyncContext, learned_of, open_store, parse_all, platform_of
from app.sync.rereads import bury_lost_variations, defer_rereads
from app.sync.service import get_state, note_sync, take
from app.sync.stores import note_told
from app.utils.clock import utc_now
from app.websites.models import Website
from app.websites.service import get_website

logger = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=10)
"""How far before the cursor a run begins: stores date a change before others can see it."""
FULL_AFTER = timedelta(hours=20)
"""How old the last whole reading of what lists no changes may be; less than a day, so that it is due every night."""
PAGES_AHEAD = 10

T = TypeVar("T", Page, Listing)


async def run(context: SyncContext, import_id: int) -> None:
    """Do or go on with the run; one that has ended is left alone. What the store does wrong ends it as failed."""
    async with context.database.sessions.begin() as session:
        begun = await _begin(session, import_id)
    if begun is None:
        return
    website, resource, mode = begun
    try:
        async with open_store(context, website) as store:
            if website.time_zone is None:
                await _note_store(context, website, store)
            is_over = await (_sweep if mode == "sweep" else _read)(context, website, resource, store, import_id)
    except (StoreError, ConfigurationError) as error:
        await _fail(context, website, resource, import_id, str(error))
        return
    except OperationalError:
        raise  # the database went away: the run goes on when it is back
    except Exception as error:
        logger.exception("Run %d of %s failed", import_id, website.name)
        await _fail(context, website, resource, import_id, f"{type(error).__name__}. The log tells more.")
        raise
    if is_over and (learned := learned_of(store)) != website.traits:
        async with context.database.sessions.begin() as session:
            (await get_website(session, website.name, for_update=True)).traits = learned


async def _begin(session: AsyncSession, import_id: int) -> tuple[Website, Resource, str] | None:
    job = await session.get(Import, import_id, with_for_update=True)
    if job is None or job.status not in UNFINISHED:
        return None
    website = await get_website(session, job.source_website)
    resource, mode = job.options["resource"], job.options["mode"]
    if not website.is_followed:
        job.status, job.finished_at = ImportStatus.FAILED, utc_now()
        job.error = f"{website.name} is not followed any longer."
        return None
    # Runs of a resource take turns, so that another one that says it is running was killed for good.
    await session.execute(
        update(Import)
        .where(
            Import.source_website == website.name,
            Import.origin == ImportOrigin.SYNC,
            Import.status == ImportStatus.RUNNING,
            Import.options["resource"].astext == resource,
            Import.id != import_id,
        )
        .values(status=ImportStatus.FAILED, finished_at=utc_now(), error="Its process ended before it did.")
    )
    state = await get_state(session, website.name, resource)
    if mode == "sweep":
        if job.status == ImportStatus.QUEUED:
            await sweeps.clear(session, website.name, KINDS[resource])
    else:
        if await _has_moved(session, website, state):
            state.cursor = state.read_fully_at = state.plan = state.position = state.swept_at = state.found = None
            await sweeps.clear(session, website.name, KINDS[resource], with_rejects=True)
        if _needs_plan(state, job, mode):
            state.plan, state.position = _make_plan(state, website, resource, mode), None
        state.import_id = job.id
        note_sync(job, resource=resource, address=_address_of(website), **(state.plan or {}))
    job.status, job.started_at = ImportStatus.RUNNING, job.started_at or utc_now()
    await session.flush()
    return website, resource, mode


def _address_of(website: Website) -> str:
    """Whether it is asked by http or https does not make it another store."""
    return str(website.base_url).partition("://")[2]


async def _has_moved(session: AsyncSession, website: Website, state: SyncState) -> bool:
    """Whether the last run asked another address: what is there may have other changes behind the same dates."""
    last = await session.get(Import, state.import_id) if state.import_id else None
    asked = last.details.get("sync", {}).get("address") if last else None
    return asked not in (None, _address_of(website))


def _needs_plan(state: SyncState, job: Import, mode: str) -> bool:
    """A run that reads everything begins anew where the one before it did not."""
    if state.plan is None:
        return True
    return mode == "everything" and job.status == ImportStatus.QUEUED and state.plan["since"] is not None


def _make_plan(state: SyncState, website: Website, resource: Resource, mode: str) -> dict[str, Any]:
    """`since` is None for everything, `began_at` the store's time at which the first page was read."""
    whole = mode == "everything" or state.cursor is None or state.read_fully_at is None
    if state.read_fully_at is not None and resource in platform_of(website).unlisted:
        whole = whole or utc_now() - state.read_fully_at > FULL_AFTER
    since = None if whole or state.cursor is None else state.cursor - OVERLAP
    return {"since": since.isoformat() if since else None, "began_at": None}


async def _note_store(context: SyncContext, website: Website, store: Connector) -> None:
    """What the store tells of itself, the first time it is read."""
    told = await store.describe()
    async with context.database.sessions.begin() as session:
        await note_told(session, website.name, told, learned_of(store))


async def _read(context: SyncContext, website: Website, resource: Resource, store: Connector, import_id: int) -> bool:
    """Whether all of it was read; False where the run was cancelled."""
    async with context.database.reads() as session:
        state = await session.get_one(SyncState, (website.name, resource))
    assert state.plan is not None
    since = datetime.fromisoformat(state.plan["since"]) if state.plan["since"] else None
    platform = platform_of(website)
    pages = store.read(resource, since, state.position)
    async with aclosing(_read_ahead(pages, context.batch_size)) as batches:
        async for batch in batches:
            items = await asyncio.to_thread(_parse, platform, batch)
            async with merging(context.database) as session:
                job = await session.get_one(Import, import_id, with_for_update=True)
                if job.status != ImportStatus.RUNNING:
                    return False
                state = await get_state(session, website.name, resource)
                assert state.plan is not None
                state.plan = state.plan | {"began_at": state.plan["began_at"] or batch[0].at.isoformat()}
                state.position = batch[-1].position
                await take(context, session, website, job, items, fills_tables=since is None)
                children = {parent: found for page in batch for parent, found in page.children.items()}
                await bury_lost_variations(session, website.name, children)
                note_sync(job, requests=store.requests, expected=batch[-1].total)
    async with context.database.sessions.begin() as session:
        job = await session.get_one(Import, import_id, with_for_update=True)
        if job.status != ImportStatus.RUNNING:
            return False
        state = await get_state(session, website.name, resource)
        assert state.plan is not None
        began_at = datetime.fromisoformat(state.plan["began_at"]) if state.plan["began_at"] else None
        if began_at is not None:
            state.cursor = max(began_at, state.cursor) if state.cursor else began_at
            if since is None:
                state.read_fully_at = job.started_at
        state.plan, state.position, state.error, state.succeeded_at = None, None, None, utc_now()
        job.status, job.finished_at = ImportStatus.SUCCEEDED, utc_now()
        note_sync(job, requests=store.requests, up_to=state.cursor)
        await defer_rereads(session, website.name)
    if since is None:
        async with context.database.sessions.begin() as session:
            await _compare_soon(session, website.name)
    return True


async def _compare_soon(session: AsyncSession, website: str) -> None:
    """Once all of a store was read for the first time, whether all of it is here need not wait for the night."""
    states = select(SyncState.resource).where(SyncState.source_website == website)
    read = states.where(SyncState.read_fully_at.is_not(None), SyncState.swept_at.is_(None))
    is_new = select(func.count()).select_from(read.subquery()).scalar_subquery() == len(RESOURCES)
    comparing = (Website.name == website, Website.reconcile_schedule.is_not(None))
    await session.execute(update(Website).where(*comparing, is_new).values(next_reconcile_at=utc_now()))


def _parse(platform: StorePlatform, batch: list[Page]) -> list[Item]:
    """The pages' payloads, which they hold no longer: many stores may wait for their turn at the tables."""
    raws = [raw for page in batch for raw in page.raws]
    for page in batch:
        page.raws = []
    return parse_all(platform, raws)


async def _sweep(context: SyncContext, website: Website, resource: Resource, store: Connector, import_id: int) -> bool:
    """List all there is, and have what differs read again."""
    kind = KINDS[resource]
    async with context.database.reads() as session:
        job = await session.get_one(Import, import_id)
    position = job.details.get("sync", {}).get("position")
    async with aclosing(_read_ahead(store.sweep(resource, position), context.batch_size * 5)) as batches:
        async for batch in batches:
            async with context.database.sessions.begin() as session:
                job = await session.get_one(Import, import_id, with_for_update=True)
                if job.status != ImportStatus.RUNNING:
                    return False
                began_at = job.details.get("sync", {}).get("began_at") or batch[0].at.isoformat()
                listed = [each for listing in batch for each in listing.records]
                await sweeps.keep(session, website.name, kind, listed)
                job.records_read += len(listed)
                job.records_unchanged = job.records_read
                note_sync(
                    job, resource=resource, began_at=began_at, position=batch[-1].position, requests=store.requests
                )
    async with context.database.sessions.begin() as session:
        job = await session.get_one(Import, import_id, with_for_update=True)
        if job.status != ImportStatus.RUNNING:
            return False
        assert job.started_at is not None
        began_at = job.details.get("sync", {}).get("began_at")
        state = await get_state(session, website.name, resource)
        state.found = await sweeps.compare(session, website.name, kind, job.started_at)
        state.swept_at = datetime.fromisoformat(began_at) if began_at else utc_now()
        job.status, job.finished_at = ImportStatus.SUCCEEDED, utc_now()
        note_sync(job, position=None, **state.found)
        await defer_rereads(session, website.name)
    return True


async def _fail(context: SyncContext, website: Website, resource: Resource, import_id: int, sentence: str) -> None:
    logger.warning("Run %d of %s: %s", import_id, website.name, sentence)
    async with context.database.sessions.begin() as session:
        job = await session.get_one(Import, import_id, with_for_update=True)
        if job.status == ImportStatus.RUNNING:
            job.status, job.finished_at, job.error = ImportStatus.FAILED, utc_now(), sentence
        state = await get_state(session, website.name, resource)
        state.error = sentence


async def _read_ahead(pages: AsyncIterator[T], limit: int) -> AsyncGenerator[list[T], None]:
    """The pages that are there, as many as have up to `limit` records between them, while the next ones are read."""
    queue: asyncio.Queue[T | None] = asyncio.Queue(PAGES_AHEAD)

    async def read() -> None:
        try:
            async for page in pages:
                await queue.put(page)
        except Exception:
            await queue.put(None)
            raise
        await queue.put(None)

    reading = asyncio.create_task(read())
    try:
        is_open = True
        while is_open:
            batch: list[T] = []
            size = 0
            page = await queue.get()
            while page is not None:
                batch.append(page)
                size += page.size
                if size >= limit or queue.empty():
                    break
                page = queue.get_nowait()
            is_open = page is not None
            if batch:
                yield batch
        await reading
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await reading
