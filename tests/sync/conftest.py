"""A fake WooCommerce store, followed by a database that is rolled back."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.connectors.base import RESOURCES
from app.connectors.client import HttpOptions, Patience
from app.database import Database
from app.ingest.models import Import
from app.sync import rereads, runs, service, webhooks
from app.sync.platforms import SyncContext
from app.websites.models import Reread, Website
from app.websites.schemas import WebsiteCreate
from app.websites.service import get_website, register_website
from app.websites.vault import Vault
from fakestores import woocommerce
from fakestores.clock import Clock
from fakestores.faults import Faults
from fakestores.shop import Shop
from tests.ingest.conftest import query  # noqa: F401 — a fixture

IMPATIENT = Patience(attempts=5, wait_initial=0.001, wait_max=0.002, wait_jitter=0.001, longest_retry_after=1.0)
KEYS = {"consumer_key": "ck_test_key", "consumer_secret": "cs_test_secret"}
SECRET_KEY = "a key of the tests that is 32 bytes long"
BEGINNING = datetime(2026, 9, 1, 10, 0, 0, tzinfo=UTC)


class Followed:
    """A store and the following of it, a step at a time and without jobs."""

    def __init__(self, context: SyncContext, website: str, shop: Shop, faults: Faults) -> None:
        self.context, self.website, self.shop, self.faults = context, website, shop, faults

    async def run(self, mode: service.Mode = "changes", *resources: Any) -> dict[str, Import]:
        """Runs of these resources, or of all, with what has to be read again; their reports."""
        reports = {}
        for resource in resources or RESOURCES:
            async with self.context.database.sessions.begin() as session:
                ((job, _),) = await service.start_runs(session, self.website, mode, (resource,))
            await runs.run(self.context, job.id)
            async with self.context.database.sessions() as session:
                reports[resource] = await session.get_one(Import, job.id, populate_existing=True)
        await self.reread()
        return reports

    async def reread(self) -> int:
        return await rereads.reread_records(self.context, self.website)

    async def process_webhooks(self) -> int:
        done = await webhooks.process_webhooks(self.context, self.website)
        await self.reread()
        return done

    async def find_waiting(self) -> list[tuple[str, str]]:
        async with self.context.database.sessions() as session:
            found = await session.scalars(select(Reread).where(Reread.source_website == self.website))
            return [(each.kind, each.external_id) for each in found]

    async def get_website(self) -> Website:
        async with self.context.database.sessions() as session:
            return await get_website(session, self.website)


Follow = Callable[..., Awaitable[Followed]]


def make_shop() -> Shop:
    return Shop("Rise", currency="BDT", time_zone="Asia/Dhaka", clock=Clock(BEGINNING))


async def follow_store(
    database: Database,
    shop: Shop,
    website: str = "rise",
    *,
    faults: Faults | None = None,
    batch_size: int = 1_000,
    status_map: dict[str, str] | None = None,
    **behaviour: Any,
) -> Followed:
    """Register it; `behaviour` is what the fake store can be told to be like."""
    faults = faults or Faults()
    keys = {KEYS["consumer_key"]: KEYS["consumer_secret"]}
    app = woocommerce.create_app(shop, keys=keys, faults=faults, tls=True, **behaviour)
    context = SyncContext(
        database=database,
        vault=Vault([SECRET_KEY]),
        batch_size=batch_size,
        http=HttpOptions(patience=IMPATIENT),
        transports={website: httpx.ASGITransport(app)},
    )
    data = WebsiteCreate.model_validate(
        {
            "name": website,
            "platform": "woocommerce",
            "base_url": "https://rise.example",
            "credentials": KEYS,
            "webhook_secret": "whsec-test",
            "status_map": status_map or {},
        }
    )
    async with context.database.sessions.begin() as session:
        await register_website(session, context.vault, data)
    return Followed(context, website, shop, faults)


@pytest.fixture
def follow(test_database: Database) -> Follow:
    """`await follow(shop, website="rise", **options)`, on the database that is rolled back."""
    return partial(follow_store, test_database)
