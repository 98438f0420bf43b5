"""A shop with years of orders that was predicted, and a console over it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import date

import httpx
import pytest

from app.auth.models import AdminUser
from app.config import Settings
from app.database import Database
from app.main import create_app
from app.predictions.baskets.counting import refresh as count_baskets
from app.reports.refreshing import refresh as refresh_reports
from app.runtime import migrations
from benchmarks import dataset
from tests.builders import create_admin
from tests.conftest import new_database
from tests.console.conftest import Served, _serving, sign_in
from tests.predictions.conftest import predict

AS_OF = date(2025, 6, 30)


@pytest.fixture(scope="module")
def shop_url(server_url: str) -> Iterator[str]:
    with new_database(server_url) as url:
        migrations.upgrade(url)
        dataset.fill(url, dataset.Size(users=400, products=60, orders=6_000, lines=14_000))

        async def work() -> None:
            database = Database(url)
            await predict(database, as_of=AS_OF, seed=1)
            await count_baskets(database)
            await refresh_reports(database)
            await database.dispose()

        asyncio.run(work())
        yield url


@pytest.fixture(scope="module")
async def shop(shop_url: str) -> AsyncIterator[Database]:
    database = Database(shop_url)
    yield database
    await database.dispose()


@pytest.fixture(scope="module")
async def clerk_of_shop(shop: Database, hashed_password: str) -> AdminUser:
    async with shop.sessions.begin() as session:
        return await create_admin(session, hashed_password=hashed_password)


@pytest.fixture(scope="module")
async def pages(settings: Settings, shop: Database, clerk_of_shop: AdminUser) -> AsyncIterator[httpx.AsyncClient]:
    """A client that has signed in."""
    transport = httpx.ASGITransport(create_app(settings, shop), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test/console/") as client:
        assert (await sign_in(client, clerk_of_shop.username)).status_code == 303
        yield client


@pytest.fixture(scope="module")
def served(shop_url: str, settings: Settings) -> Iterator[Served]:
    with _serving(create_app(settings, Database(shop_url))) as address:
        yield Served(address, shop_url)
