"""However webhooks, runs, sweeps and files come in, and how often: once what they asked for is read again, the content
is that of one reading of the store.
"""

import json
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.sync import intake
from fakestores.deliveries import Delivery
from fakestores.shop import Shop
from fakestores.webhooks import WooWebhooks
from fakestores.woocommerce.webhooks import TOPICS
from tests.ingest.conftest import merge, read_content, rolled_back, stage
from tests.sync.conftest import Followed, follow_store, make_shop

EVENTS = st.lists(st.integers(0, 2**32 - 1), min_size=4, max_size=9)
"""A seed for each thing that happens in the store."""
MOST_AGAIN = 12


class Story:
    """A store to which things happen, and what of them can be told: deliveries, and files of its answers."""

    def __init__(self) -> None:
        self.shop = make_shop()
        self.hooks = WooWebhooks(self.shop, base_url="https://rise.example")
        for topic in TOPICS:
            self.hooks.subscribe(topic, "https://here.example", "whsec-test")
        self.hooks.take()
        self.mug = self.shop.add_product("Mug", "12.50", sku="MUG")
        self.cup = self.shop.add_product("Cup", "3.00", sku="CUP")
        self.jane = self.shop.add_customer("jane@example.com", "Jane", "Doe")
        self.deliveries: list[Delivery] = []
        self.files: list[bytes] = []

    def happen(self, seed: int) -> None:
        random, shop = Random(seed), self.shop
        if random.random() < 0.7:  # otherwise in the same second as the last
            shop.clock.advance(random.choice([1, 60, 3600]))
        orders = [order.id for order in shop.live_orders()]
        sellable = random.choice([self.mug.id, self.cup.id])
        choice = random.randrange(9) if orders else 0
        match choice:
            case 0 | 1:
                by: dict[str, Any] = random.choice([{"customer": self.jane}, {"email": "guest@example.com"}])
                shop.place_order([(sellable, random.randint(1, 3))], **by)
            case 2:
                shop.set_order_status(random.choice(orders), random.choice(["completed", "on-hold", "cancelled"]))
            case 3:
                order = shop.orders[random.choice(orders)]
                if order.lines:
                    shop.edit_order(order.id, quantities={order.lines[0].id: random.randint(1, 9)}, silent=True)
            case 4:
                shop.edit_order(random.choice(orders), add=[(sellable, 1)], silent=random.random() < 0.5)
            case 5:
                order = shop.orders[random.choice(orders)]
                left = order.total - sum((refund.amount for refund in order.refunds), start=order.total * 0)
                if left > 1:
                    shop.refund_order(order.id, "1.00")
            case 6:
                shop.trash_order(random.choice(orders))
            case 7:
                shop.update_product(sellable, price=str(random.randint(1, 20)))
            case 8:
                shop.view_order(random.choice(orders))
        if random.random() < 0.6:
            self.deliveries += self.hooks.take()

    async def save(self, rise: Followed) -> None:
        """A file of what the store answers now."""
        keys = ("ck_test_key", "cs_test_secret")
        transport = rise.context.transports["rise"]
        async with httpx.AsyncClient(transport=transport, base_url="https://rise.example", auth=keys) as client:
            rows: list[Any] = []
            for path in ("customers", "products", "orders"):
                rows += (await client.get(f"/wp-json/wc/v3/{path}", params={"per_page": 100})).json()
        self.files.append(json.dumps(rows).encode())


async def take_file(database: Database, folder: Path, content: bytes, website: str) -> None:
    path = folder / "answers.json"
    path.write_bytes(content)
    await merge(database, (await stage(database, path, website)).id)


async def content_of(database: Database) -> dict[str, list[str]]:
    """Without what depends on when something was first met: tombstones of records that nobody else knew of."""
    async with database.sessions() as session:
        return await read_content(session)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, seed=st.integers(0, 2**32 - 1))
async def test_any_order_ends_in_the_same_content(
    events: list[int], seed: int, database: Database, tmp_path_factory: pytest.TempPathFactory
):
    random = Random(seed)
    folder = tmp_path_factory.mktemp("files")
    async with rolled_back(database) as mixed:
        story = Story()
        rise = await follow_store(mixed, story.shop)
        steps: list[Delivery | bytes] = []
        for event in events:
            story.happen(event)
            if random.random() < 0.3:
                await story.save(rise)
            # Some of it is taken while more happens, late, twice, and in any order.
            waiting: list[Delivery | bytes] = [*story.deliveries, *story.files]
            for _ in range(random.randint(0, 3)):
                if waiting:
                    steps.append(random.choice(waiting))
            if random.random() < 0.5:
                random.shuffle(steps)
                for step in steps:
                    await take(mixed, rise, step, folder)
                steps = [step for step in steps if random.random() < 0.2]
            if random.random() < 0.3:
                await rise.run("changes", random.choice(["customers", "products", "orders"]))
        told: list[Delivery | bytes] = [*story.deliveries, *story.files]
        for step in random.sample(told, min(len(told), MOST_AGAIN)):
            await take(mixed, rise, step, folder)
        await rise.process_webhooks()
        story.shop.clock.advance(timedelta(hours=2).total_seconds())
        await rise.run("sweep")
        await rise.run("everything")
        result = await content_of(mixed)
    async with rolled_back(database) as calm:
        undisturbed = await follow_store(calm, story.shop)
        await undisturbed.run("everything")
        expected = await content_of(calm)
    assert only_living(result) == only_living(expected)


async def take(database: Database, rise: Followed, step: Delivery | bytes, folder: Path) -> None:
    if isinstance(step, bytes):
        await take_file(database, folder, step, "rise")
        return
    async with database.sessions.begin() as session:
        await intake.keep_all(session, [intake.Delivery("rise", step.topic, step.body)])
    await rise.process_webhooks()


def only_living(content: dict[str, list[str]]) -> dict[str, list[str]]:
    """What the store has: of an order that it has no longer, and of its guest, one reading knows nothing."""
    orders = [row for row in content["orders"] if "'deleted'" not in row and "'trash'" not in row]
    guests = [row for row in content["users"] if "'guest'" in row]
    lost = [row for row in guests if not any(row.split(", ")[2] in order for order in orders)]
    return {
        "orders": orders,
        "products": content["products"],
        "users": [row for row in content["users"] if row not in lost],
    }


async def test_the_story_is_eventful(session: AsyncSession):
    """Guards the property against a store to which nothing happens."""
    story = Story()
    for event in range(200):
        story.happen(event)
    assert {delivery.topic for delivery in story.deliveries} >= {
        "order.created", "order.updated", "order.deleted", "product.updated",
    }  # fmt: skip
    assert len(story.deliveries) > 100
    assert len({order.modified_at for order in story.shop.orders.values()}) > 5
    assert isinstance(story.shop, Shop)
