from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.connectors.base import RESOURCES
from app.ingest.models import Import
from app.reports.figures import Arrival, Freshness
from app.reports.freshness import list_freshness
from app.sync.completeness import describe_completeness
from app.sync.models import SweptRecord, SyncState
from app.websites.models import Reread, Website
from tests.builders import create_order, unique

SWEPT = datetime(2025, 3, 10, 12, tzinfo=UTC)


async def read_freshness(session: AsyncSession, name: str) -> Freshness:
    return next(each for each in await list_freshness(session) if each.website == name)


@pytest.fixture
async def store(session: AsyncSession) -> str:
    """Its orders and consumers were swept an hour after its products."""
    name = unique("store")
    session.add(Website(name=name, platform="shopify", base_url="https://example.com", credentials=b"sealed"))
    await session.flush()
    for resource in RESOURCES:
        hour = 11 if resource == "products" else 12
        state = SyncState(source_website=name, resource=resource, swept_at=SWEPT.replace(hour=hour))
        session.add(state)
    await session.flush()
    return name


async def add(session: AsyncSession, *rows: Any) -> None:
    session.add_all(rows)
    await session.flush()


async def test_a_website_of_files(session: AsyncSession):
    name = unique("files")
    await add(session, Website(name=name))
    assert await read_freshness(session, name) == Freshness(name, False, None, None, None, None)
    for day in (3, 2):
        await create_order(session, source_website=name, placed_at=SWEPT.replace(day=day))
    assert (await read_freshness(session, name)).last_order_at == SWEPT.replace(day=3)


async def test_what_came_last(session: AsyncSession):
    """The import of a day's webhooks is older than a run, and may have ended later."""
    name = unique("files")
    await add(session, Website(name=name))
    common = {"source_website": name, "file_name": "x", "format": "woocommerce_json"}
    webhooks = Import(**common, origin="webhook", status="succeeded", finished_at=SWEPT.replace(hour=14))
    await add(session, webhooks)
    run = Import(**common, origin="sync", status="failed", error="It is closed.", finished_at=SWEPT)
    await add(session, run)
    await add(session, Import(**common, status="succeeded", dry_run=True, finished_at=SWEPT.replace(hour=20)))
    found = (await read_freshness(session, name)).last_arrival
    assert found == Arrival(webhooks.id, "webhook", "succeeded", SWEPT.replace(hour=14), None)
    webhooks.finished_at = SWEPT.replace(hour=1)
    await session.flush()
    found = (await read_freshness(session, name)).last_arrival
    assert found == Arrival(run.id, "sync", "failed", SWEPT, "It is closed.")


class TestVerdicts:
    """They are those of `sync.completeness`."""

    async def check(self, session: AsyncSession, store: str) -> Freshness:
        expected = await describe_completeness(session, store)
        found = await read_freshness(session, store)
        assert (found.verdict, found.complete_up_to) == (expected["verdict"], expected["complete_up_to"])
        assert found.is_followed
        return found

    async def test_complete(self, session: AsyncSession, store: str):
        found = await self.check(session, store)
        assert found.complete_up_to == SWEPT.replace(hour=11)

    async def test_never_checked(self, session: AsyncSession, store: str):
        state = await session.get_one(SyncState, (store, "orders"))
        state.swept_at = None
        await session.flush()
        found = await self.check(session, store)
        assert found.verdict is not None
        assert found.verdict.startswith("orders: not checked yet")

    async def test_read_again(self, session: AsyncSession, store: str):
        await add(session, Reread(source_website=store, kind="order", external_id="1", reason="missing"))
        found = await self.check(session, store)
        assert found.verdict == "orders: 1 records are being read again"

    async def test_missing(self, session: AsyncSession, store: str):
        await add(session, SweptRecord(source_website=store, kind="consumer", external_id="1"))
        state = await session.get_one(SyncState, (store, "customers"))
        state.found = {"missing": 1}
        await session.flush()
        found = await self.check(session, store)
        assert found.verdict is not None
        assert found.verdict.startswith("customers: 1 records of the store could not be taken")

    async def test_no_longer_followed(self, session: AsyncSession, store: str):
        website = await session.get_one(Website, store)
        website.is_active = False
        await session.flush()
        found = await read_freshness(session, store)
        assert not found.is_followed
        assert found.complete_up_to == SWEPT.replace(hour=11)
