"""Webhooks: who may deliver, what is kept of it, and what becomes of it."""

from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.connectors.woocommerce import WooCommerce
from app.database import Database
from app.sync import webhooks
from app.sync.intake import Intake
from app.sync.keys import Receivers
from app.sync.models import Webhook
from fakestores.deliveries import Delivery
from fakestores.shop import Shop
from fakestores.webhooks import WooWebhooks
from fakestores.woocommerce.webhooks import TOPICS
from tests.ingest.conftest import snapshot
from tests.sync.conftest import Follow, Followed, make_shop

SECRET = "whsec-test"


@pytest.fixture
def deliver(client: httpx.AsyncClient, app: Any, test_database: Database) -> Any:
    """Post deliveries of the store that is followed as "rise"; their answers' statuses."""

    async def deliver(rise: Followed, *deliveries: Delivery, **headers: str) -> list[int]:
        app.state.receivers = Receivers(test_database, rise.context.vault, seconds=0)
        app.state.intake = Intake(test_database)
        statuses = []
        for each in deliveries:
            given = dict(each.headers) | headers
            answer = await client.post("/api/v1/webhooks/rise", content=each.body, headers=given)
            statuses.append(answer.status_code)
        return statuses

    return deliver


def subscribe(shop: Shop, secret: str = SECRET) -> WooWebhooks:
    hooks = WooWebhooks(shop, base_url="https://rise.example")
    for topic in TOPICS:
        hooks.subscribe(topic, "https://here.example/api/v1/webhooks/rise", secret)
    return hooks


async def kept(session: AsyncSession) -> list[tuple[str, str, str | None]]:
    found = await session.scalars(select(Webhook).order_by(Webhook.id).execution_options(populate_existing=True))
    return [(each.topic, each.status, each.note) for each in found]


class TestReceiving:
    async def test_the_ping_wants_200(self, follow: Follow, deliver: Any, session: AsyncSession):
        shop = make_shop()
        rise = await follow(shop)
        pings = subscribe(shop).take_pings()

        assert set(await deliver(rise, *pings)) == {200}
        assert await kept(session) == []

    async def test_a_signed_one_is_stored_before_any_work(self, follow: Follow, deliver: Any, session: AsyncSession):
        shop = make_shop()
        rise = await follow(shop)
        hooks = subscribe(shop)
        hooks.take()
        shop.add_customer("jane@example.com", "Jane", "Doe")

        assert await deliver(rise, *hooks.take()) == [200]

        assert await kept(session) == [("customer.created", "pending", None)]
        assert rise.faults.requests.total() == 0

    @pytest.mark.parametrize("signature", ["", "AAAA", "no base64!"])
    async def test_a_wrong_signature(self, follow: Follow, deliver: Any, session: AsyncSession, signature: str):
        shop = make_shop()
        rise = await follow(shop)
        hooks = subscribe(shop)
        hooks.take()
        shop.add_customer("jane@example.com", "Jane", "Doe")
        headers = {"X-WC-Webhook-Signature": signature}

        assert await deliver(rise, *hooks.take(), **headers) == [401]
        assert await kept(session) == []

    async def test_a_body_that_was_changed(self, follow: Follow, deliver: Any):
        shop = make_shop()
        rise = await follow(shop)
        hooks = subscribe(shop)
        hooks.take()
        shop.add_customer("jane@example.com", "Jane", "Doe")
        (delivery,) = hooks.take()
        changed = Delivery(
            delivery.url, delivery.headers, delivery.body.replace(b"Jane", b"June"), delivery.topic, 1, shop.now()
        )

        assert await deliver(rise, changed) == [401]

    async def test_no_secret_believes_nobody(self, follow: Follow, deliver: Any, session: AsyncSession):
        """An empty secret would sign anything."""
        shop = make_shop()
        rise = await follow(shop)
        async with rise.context.database.sessions.begin() as own:
            (await own.merge(await rise.get_website())).webhook_secrets = None
        hooks = subscribe(shop, secret="")
        hooks.take()
        shop.add_customer("jane@example.com", "Jane", "Doe")

        assert await deliver(rise, *hooks.take()) == [401]

    async def test_two_secrets_while_they_are_rotated(self, follow: Follow, deliver: Any):
        from app.websites.schemas import CredentialsUpdate
        from app.websites.service import rotate_credentials

        shop = make_shop()
        rise = await follow(shop)
        for secret in ("whsec-second", "whsec-third"):
            async with rise.context.database.sessions.begin() as own:
                update = CredentialsUpdate.model_validate({"webhook_secret": secret})
                await rotate_credentials(own, rise.context.vault, "rise", update)
        answers = []
        for secret in (SECRET, "whsec-second", "whsec-third"):
            hooks = subscribe(shop, secret)
            hooks.take()
            shop.add_customer(f"{secret}@example.com", "Jane", "Doe")
            answers += await deliver(rise, *hooks.take())

        assert answers == [401, 200, 200]

    async def test_nobody_s_store(self, client: httpx.AsyncClient, follow: Follow, deliver: Any):
        shop = make_shop()
        rise = await follow(shop)
        hooks = subscribe(shop)
        hooks.take()
        shop.add_customer("jane@example.com", "Jane", "Doe")
        (delivery,) = hooks.take()
        await deliver(rise)
        answer = await client.post("/api/v1/webhooks/nobody", content=delivery.body, headers=dict(delivery.headers))
        assert answer.status_code == 404

    async def test_an_equal_one_that_waits_is_not_kept_twice(self, follow: Follow, deliver: Any, session: AsyncSession):
        shop = make_shop()
        rise = await follow(shop)
        hooks = subscribe(shop)
        hooks.take()
        shop.add_customer("jane@example.com", "Jane", "Doe")
        (delivery,) = hooks.take()

        assert await deliver(rise, delivery, delivery) == [200, 200]
        assert len(await kept(session)) == 1

    async def test_deliveries_of_one_second_share_their_id_and_are_all_kept(
        self, follow: Follow, deliver: Any, session: AsyncSession
    ):
        shop = make_shop()
        rise = await follow(shop)
        hooks = subscribe(shop)
        hooks.take()
        for number in range(3):
            shop.add_customer(f"c{number}@example.com", "C", "D")
        deliveries = hooks.take()
        assert len({each.headers["X-WC-Webhook-Delivery-ID"] for each in deliveries}) == 1

        await deliver(rise, *deliveries)

        assert len(await kept(session)) == 3


class TestProcessing:
    async def test_what_they_bring_is_merged(self, follow: Follow, deliver: Any, query: Any, session: AsyncSession):
        shop = make_shop()
        rise = await follow(shop)
        hooks = subscribe(shop)
        hooks.take()
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        jane = shop.add_customer("jane@example.com", "Jane", "Doe")
        order = shop.place_order([(mug.id, 2)], customer=jane)
        await deliver(rise, *hooks.take())

        assert await rise.process_webhooks() > 0

        (row,) = await query(
            "SELECT o.total_amount, u.name FROM orders o JOIN users u ON u.id = o.user_id WHERE order_number = :number",
            number=str(order.id),
        )
        assert (row["total_amount"], row["name"]) == (order.total, "Jane Doe")
        assert {status for _, status, _ in await kept(session)} == {"done"}
        (report,) = await query("SELECT * FROM imports WHERE origin = 'webhook'")
        assert (report["status"], report["records_rejected"]) == ("succeeded", 0)

    async def test_one_that_repeats_what_is_known_writes_no_row(
        self, follow: Follow, deliver: Any, session: AsyncSession
    ):
        shop = make_shop()
        rise = await follow(shop)
        hooks = subscribe(shop)
        hooks.take()
        shop.add_customer("jane@example.com", "Jane", "Doe")
        deliveries = hooks.take()
        await rise.run()
        before = await snapshot(session)

        await deliver(rise, *deliveries)
        await rise.process_webhooks()

        assert await snapshot(session) == before

    async def test_a_stale_one_changes_nothing(self, follow: Follow, deliver: Any, query: Any):
        """A retry of an old delivery arrives after the order was read as it is now."""
        shop = make_shop()
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        order = shop.place_order([(mug.id, 2)], email="jane@example.com", status="pending")
        rise = await follow(shop)
        hooks = subscribe(shop)
        hooks.take()
        shop.clock.advance(60)
        shop.set_order_status(order.id, "processing")
        stale = hooks.take()
        shop.clock.advance(60)
        shop.set_order_status(order.id, "completed")
        await rise.run()

        await deliver(rise, *stale)
        await rise.process_webhooks()

        assert [row["status"] for row in await query("SELECT status FROM orders")] == ["delivered"]

    async def test_a_silent_edit_arrives(self, follow: Follow, deliver: Any, query: Any):
        """The total has changed and the date has not: the store is asked what is so."""
        shop = make_shop()
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        order = shop.place_order([(mug.id, 2)], email="jane@example.com")
        rise = await follow(shop)
        await rise.run()
        hooks = subscribe(shop)
        hooks.take()
        shop.clock.advance(3600)
        shop.edit_order(order.id, quantities={order.lines[0].id: 5}, silent=True)

        await deliver(rise, *hooks.take())
        await rise.process_webhooks()

        (row,) = await query("SELECT total_amount FROM orders")
        assert row["total_amount"] == shop.orders[order.id].total
        assert await rise.find_waiting() == []

    async def test_a_late_delivery_of_before_a_silent_edit(self, follow: Follow, deliver: Any, query: Any):
        shop = make_shop()
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        rise = await follow(shop)
        hooks = subscribe(shop)
        hooks.take()
        order = shop.place_order([(mug.id, 2)], email="jane@example.com")
        before = hooks.take()
        shop.edit_order(order.id, quantities={order.lines[0].id: 5}, silent=True)
        await rise.run()

        await deliver(rise, *before)
        await rise.process_webhooks()

        (row,) = await query("SELECT total_amount FROM orders")
        assert row["total_amount"] == shop.orders[order.id].total

    async def test_one_that_overtakes_a_reading_by_id(
        self, follow: Follow, deliver: Any, query: Any, monkeypatch: pytest.MonkeyPatch
    ):
        """What was read a moment ago does not replace what came meanwhile: the store is asked once more."""
        shop = make_shop()
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        order = shop.place_order([(mug.id, 2)], email="jane@example.com")
        rise = await follow(shop)
        await rise.run()
        hooks = subscribe(shop)
        hooks.take()
        read_again = WooCommerce.read_again
        asked = 0

        async def be_overtaken(store: WooCommerce, *of: Any) -> Any:
            nonlocal asked
            found = await read_again(store, *of)
            asked += 1
            if asked == 1:
                shop.clock.advance(60)
                shop.set_order_status(order.id, "completed")
                await deliver(rise, *hooks.take())
                await webhooks.process_webhooks(rise.context, "rise")
            return found

        monkeypatch.setattr(WooCommerce, "read_again", be_overtaken)
        shop.edit_order(order.id, quantities={order.lines[0].id: 5}, silent=True)
        await deliver(rise, *hooks.take())
        await rise.process_webhooks()

        (row,) = await query("SELECT status, total_amount FROM orders")
        assert (row["status"], row["total_amount"]) == ("delivered", shop.orders[order.id].total)
        assert (asked, await rise.find_waiting()) == (2, [])

    async def test_trashed_and_brought_back(self, follow: Follow, deliver: Any, query: Any):
        shop = make_shop()
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        order = shop.place_order([(mug.id, 2)], email="jane@example.com")
        rise = await follow(shop)
        await rise.run()
        hooks = subscribe(shop)
        hooks.take()
        shop.clock.advance(60)
        shop.trash_order(order.id)
        trashed = hooks.take()
        await deliver(rise, *trashed)
        await rise.process_webhooks()
        assert [row["status"] for row in await query("SELECT status FROM orders")] == ["cancelled"]
        shop.clock.advance(60)
        shop.restore_order(order.id)

        await deliver(rise, *hooks.take())
        await rise.process_webhooks()
        assert [row["status"] for row in await query("SELECT status FROM orders")] == ["confirmed"]

        # The word of its deletion comes once more, late: the store is asked, and has it.
        await deliver(rise, *trashed)
        await rise.process_webhooks()
        assert [row["status"] for row in await query("SELECT status FROM orders")] == ["confirmed"]

    async def test_an_order_deleted_while_its_delivery_waited(
        self, follow: Follow, deliver: Any, session: AsyncSession, query: Any
    ):
        shop = make_shop()
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        rise = await follow(shop)
        hooks = subscribe(shop)
        hooks.take()
        order = shop.place_order([(mug.id, 2)], email="jane@example.com")
        shop.force_delete_order(order.id)

        assert set(await deliver(rise, *hooks.take())) == {200}
        await rise.process_webhooks()

        assert await query("SELECT 1 FROM orders") == []
        assert {status for _, status, _ in await kept(session)} == {"ignored"}

    async def test_a_deletion_before_the_creation(self, follow: Follow, deliver: Any, query: Any):
        """They overtake each other: what is deleted does not come to life by its late creation."""
        shop = make_shop()
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        rise = await follow(shop)
        hooks = subscribe(shop)
        hooks.take()
        order = shop.place_order([(mug.id, 2)], email="jane@example.com")
        created = hooks.take()
        shop.clock.advance(1)
        shop.trash_order(order.id)
        deleted = hooks.take()
        shop.force_delete_order(order.id)

        await deliver(rise, *deleted)
        await rise.process_webhooks()
        await deliver(rise, *created)
        await rise.process_webhooks()

        assert await query("SELECT 1 FROM orders WHERE status <> 'cancelled'") == []

    async def test_a_deleted_product_is_inactive(self, follow: Follow, deliver: Any, query: Any):
        shop = make_shop()
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        rise = await follow(shop)
        await rise.run()
        hooks = subscribe(shop)
        hooks.take()
        shop.trash_product(mug.id)

        await deliver(rise, *hooks.take())
        await rise.process_webhooks()

        assert [row["is_active"] for row in await query("SELECT is_active FROM products")] == [False]

    async def test_a_deleted_customers_orders_stay_theirs(self, follow: Follow, deliver: Any, query: Any):
        shop = make_shop()
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        jane = shop.add_customer("jane@example.com", "Jane", "Doe")
        order = shop.place_order([(mug.id, 2)], customer=jane, email="other@example.com")
        rise = await follow(shop)
        await rise.run()
        hooks = subscribe(shop)
        hooks.take()
        shop.delete_customer(jane.id)
        assert shop.orders[order.id].customer_id == 0
        await deliver(rise, *hooks.take())
        await rise.process_webhooks()

        shop.clock.advance(3600)
        shop.set_order_status(order.id, "completed")
        await rise.run()

        (row,) = await query("SELECT u.email, u.type, o.status FROM orders o JOIN users u ON u.id = o.user_id")
        assert (row["email"], row["type"], row["status"]) == ("jane@example.com", "consumer", "delivered")
        assert len(await query("SELECT 1 FROM users")) == 1

    async def test_what_is_no_json_is_kept_with_the_reason(self, follow: Follow, deliver: Any, session: AsyncSession):
        from fakestores.woocommerce.webhooks import sign

        shop = make_shop()
        rise = await follow(shop)
        headers = {"X-WC-Webhook-Topic": "order.updated", "X-WC-Webhook-Signature": sign(b"<html>", SECRET)}
        await deliver(rise, Delivery("", headers, b"<html>", "order.updated", 1, shop.now()))

        await rise.process_webhooks()

        ((topic, status, note),) = await kept(session)
        assert (topic, status) == ("order.updated", "failed")
        assert "no JSON" in str(note)
