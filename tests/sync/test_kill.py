"""kill -9 at any moment of a run: the next one ends with the content of an undisturbed one."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from app.database import Database
from app.runtime import migrations
from app.sync.platforms import SyncContext
from app.websites.schemas import WebsiteCreate
from app.websites.service import register_website
from app.websites.vault import Vault
from fakestores import woocommerce
from fakestores.generate import generate
from fakestores.server import serving
from fakestores.shop import Shop
from tests.conftest import new_database
from tests.ingest.conftest import read_content
from tests.ingest.importing import join, kill_after, start
from tests.sync.conftest import KEYS, SECRET_KEY
from tests.sync.syncing import follow_once

KILLS = 50
BATCH = 20


@pytest.fixture(scope="module")
def shop() -> Shop:
    return generate(11, orders=500, years=1.0, products=20, currency="BDT")


@pytest.fixture(scope="module")
def address(shop: Shop) -> Iterator[str]:
    app = woocommerce.create_app(shop, keys={KEYS["consumer_key"]: KEYS["consumer_secret"]}, tls=False)
    with serving(app) as address:
        yield address


async def register(url: str, address: str) -> None:
    database = Database(url)
    context = SyncContext(database=database, vault=Vault([SECRET_KEY]))
    data: dict[str, Any] = {"name": "rise", "platform": "woocommerce", "base_url": address, "credentials": KEYS}
    async with database.sessions.begin() as session:
        await register_website(session, context.vault, WebsiteCreate.model_validate(data))
    await database.dispose()


async def content_of(url: str) -> dict[str, list[str]]:
    database = Database(url)
    async with database.sessions() as session:
        content = await read_content(session)
    await database.dispose()
    return content


async def test_killed_at_random_moments(server_url: str, address: str, shop: Shop):
    with new_database(server_url) as calm, new_database(server_url) as stormy:
        for url in (calm, stormy):
            migrations.upgrade(url)
            await register(url, address)
        join(start(follow_once, calm, "rise", BATCH))
        undisturbed = await content_of(calm)
        assert len(undisturbed["orders"]) == len(shop.live_orders())

        random = Random(5)
        killed = 0
        while killed < KILLS:
            killed += kill_after(start(follow_once, stormy, "rise", BATCH), random.uniform(0.05, 0.6))
        join(start(follow_once, stormy, "rise", BATCH))

        assert await content_of(stormy) == undisturbed
