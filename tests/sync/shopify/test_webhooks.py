"""A Shopify store's webhooks: what they bring, twice, late and in any order."""

import json
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.ingest.rejects import retry_rejects
from fakestores.generate import generate
from fakestores.shop import Shop
from tests.ingest.conftest import snapshot
from tests.sync.conftest import make_shop
from tests.sync.shopify.conftest import GRAPHQL, Follow, FollowedShopify, active_products, kept
from tests.sync.test_runs import BUSINESS, stock


async def follow_read(follow: Follow) -> tuple[Shop, FollowedShopify]:
    """A small shop of which everything was read."""
    shop = make_shop()
    stock(shop)
    rise = await follow(shop)
    await rise.run()
    return shop, rise


class TestWebhooks:
    async def test_what_they_bring_is_merged(self, follow: Follow, deliver: Any, query: Any, session: AsyncSession):
        shop = make_shop()
        rise = await follow(shop)
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        jane = shop.add_customer("jane@example.com", "Jane", "Doe")
        order = shop.place_order([(mug.id, 2)], customer=jane)

        assert set(await deliver(rise, *rise.hooks.take())) == {200}

        (row,) = await query("SELECT o.total_amount, o.order_number, u.name FROM orders o JOIN users u "
                             "ON u.id = o.user_id")  # fmt: skip
        assert (row["total_amount"], row["name"]) == (order.total, "Jane Doe")
        assert {status for _, status, _ in await kept(session)} == {"done"}
        assert not rise.faults.requests

    async def test_a_wrong_secret(self, follow: Follow, deliver: Any):
        shop = make_shop()
        rise = await follow(shop)
        rise.hooks.client_secret = "another app's secret"
        shop.add_customer("jane@example.com", "Jane", "Doe")
        assert await deliver(rise, *rise.hooks.take()) == [401]

    async def test_what_was_read_before_is_not_written_again(
        self, follow: Follow, deliver: Any, session: AsyncSession, query: Any
    ):
        """A record is the same whether a webhook brings it, a bulk operation or a page."""
        shop = generate(9, orders=90, products=15, currency="BDT")
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(3600)
        rise.hooks.take()
        for number in shop.customers:
            shop.record("customer", "updated", number)
        for number in shop.products:
            shop.record("product", "updated", number)
        for number in shop.orders:
            shop.record("order", "updated", number)
        deliveries = rise.hooks.take()
        assert len(deliveries) > 120
        before = await snapshot(session, *BUSINESS)
        rise.faults.requests.clear()

        assert set(await deliver(rise, *deliveries)) == {200}

        assert await snapshot(session, *BUSINESS) == before
        assert not rise.faults.requests
        (report,) = await query("SELECT * FROM imports WHERE origin = 'webhook'")
        assert report["records_rejected"] == 0

    async def test_twice_and_in_any_order(self, follow: Follow, deliver: Any, query: Any):
        shop = make_shop()
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        rise = await follow(shop)
        order = shop.place_order([(mug.id, 2)], email="jane@example.com", status="pending")
        created = rise.hooks.take()
        shop.clock.advance(60)
        shop.edit_order(order.id, quantities={order.lines[0].id: 5})
        edited = rise.hooks.take()
        shop.clock.advance(60)
        shop.set_order_status(order.id, "completed")
        completed = rise.hooks.take()

        await deliver(rise, *completed)
        await deliver(rise, *edited, *created, *completed)
        await deliver(rise, *created)

        (row,) = await query("SELECT status, total_amount FROM orders")
        assert (row["status"], row["total_amount"]) == ("shipped", shop.orders[order.id].total)
        assert await rise.find_waiting() == []

    async def test_a_refund_has_its_order_read_again(self, follow: Follow, deliver: Any, query: Any):
        shop = make_shop()
        order, *_ = stock(shop)
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(60)
        shop.refund_order(order.id, "5.00")
        refund = [each for each in rise.hooks.take() if each.topic == "refunds/create"]
        assert len(refund) == 1

        await deliver(rise, *refund)

        assert [row["refunded_total"] for row in await query("SELECT refunded_total FROM orders ORDER BY id")] == [
            Decimal("5.00"), 0, 0,
        ]  # fmt: skip

    async def test_what_is_deleted(self, follow: Follow, deliver: Any, query: Any):
        shop = make_shop()
        order, *_ = stock(shop)
        ben = shop.add_customer("ben@example.com", "Ben", "Old")
        rise = await follow(shop)
        await rise.run()
        rise.hooks.take()
        shop.force_delete_order(order.id)
        shop.delete_product(2)
        shop.delete_customer(ben.id)

        assert set(await deliver(rise, *rise.hooks.take())) == {200}

        rows = {row["order_number"]: row for row in await query("SELECT * FROM orders")}
        gone = rows[f"#{1000 + order.id}"]
        assert (gone["status"], gone["source_status"]) == ("cancelled", "deleted")
        assert await active_products(query) == {"MUG": True, "SHIRT-S": False, "SHIRT-L": False}
        buried = await query("SELECT kind, external_id FROM source_records WHERE deleted_at IS NOT NULL")
        assert {(row["kind"], row["external_id"]) for row in buried} == {
            ("order", str(order.id)), ("product", "2"), ("product", "3"), ("product", "4"), ("consumer", str(ben.id)),
        }  # fmt: skip

    async def test_a_deletion_before_the_creation(self, follow: Follow, deliver: Any, query: Any):
        """They overtake each other: what is deleted does not come to life by its late creation."""
        shop = make_shop()
        rise = await follow(shop)
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        stock(shop)
        order = shop.place_order([(mug.id, 2)], email="jane@example.com")
        created = rise.hooks.take()
        shop.clock.advance(1)
        shop.force_delete_order(order.id)
        for product in list(shop.products):
            shop.delete_product(product)
        deleted = rise.hooks.take()

        await deliver(rise, *deleted)
        await deliver(rise, *[each for each in created if not each.topic.startswith("orders/")])
        assert not any((await active_products(query)).values())
        await deliver(rise, *[each for each in created if b'"id":%d,' % order.id in each.body[:40]])

        assert await query("SELECT 1 FROM orders WHERE status <> 'cancelled'") == []
        assert await rise.find_waiting() == []

    async def test_a_variant_that_was_removed(self, follow: Follow, deliver: Any, query: Any):
        shop, rise = await follow_read(follow)
        rise.hooks.take()
        shop.clock.advance(60)
        shop.delete_variation(3)
        deliveries = rise.hooks.take()
        shop.clock.advance(60)
        shop.update_product(2, name="Shirt, large only")
        deliveries += rise.hooks.take()
        rise.faults.requests.clear()

        await deliver(rise, *deliveries)

        assert await active_products(query) == {"MUG": True, "SHIRT-S": False, "SHIRT-L": True}
        assert not rise.faults.requests

    async def test_a_list_of_variants_that_comes_late(self, follow: Follow, deliver: Any, query: Any):
        """What was said before a variant came says nothing of it."""
        shop, rise = await follow_read(follow)
        rise.hooks.take()
        shop.clock.advance(60)
        shop.update_variation(3, price=Decimal("25.00"))
        before = rise.hooks.take()
        shop.clock.advance(60)
        shop.add_variation(2, {"Size": "XL"}, "22.00", sku="SHIRT-XL")

        await deliver(rise, *rise.hooks.take())
        await deliver(rise, *before)

        assert (await active_products(query))["SHIRT-XL"]
        assert await query("SELECT 1 FROM source_records WHERE deleted_at IS NOT NULL") == []

    async def test_variants_of_one_second_are_asked_for(self, follow: Follow, deliver: Any, query: Any):
        shop, rise = await follow_read(follow)
        shop.clock.advance(60)
        shop.add_variation(2, {"Size": "XL"}, "22.00", sku="SHIRT-XL")
        await rise.run("changes", "products")
        rise.hooks.take()
        shop.delete_variation(next(id for id, each in shop.variations.items() if each.sku == "SHIRT-XL"))
        rise.faults.requests.clear()

        await deliver(rise, *rise.hooks.take())

        assert (await active_products(query))["SHIRT-XL"] is False
        assert rise.faults.requests[GRAPHQL] == 1

    async def test_a_product_with_more_variants_than_a_payload_has(self, follow: Follow, deliver: Any, query: Any):
        shop = make_shop()
        stock(shop)
        rise = await follow(shop)
        for number in range(110):
            shop.add_variation(2, {"Size": f"{number} cm"}, "22.00", sku=f"SHIRT-{number}")
        *_, last = rise.hooks.take()

        await deliver(rise, last)

        assert len(await query("SELECT 1 FROM products WHERE sku LIKE 'SHIRT-%' AND is_active")) == 112
        assert await rise.find_waiting() == []

    async def test_a_late_word_of_a_deleted_product(self, follow: Follow, deliver: Any, query: Any):
        shop, rise = await follow_read(follow)
        rise.hooks.take()
        shop.clock.advance(60)
        shop.update_variation(3, price=Decimal("25.00"))
        changed = rise.hooks.take()
        shop.clock.advance(60)
        shop.delete_product(2)

        await deliver(rise, *rise.hooks.take())
        await deliver(rise, *changed)

        assert await active_products(query) == {"MUG": True, "SHIRT-S": False, "SHIRT-L": False}

    async def test_one_that_cannot_be_taken_can_be_retried(self, follow: Follow, deliver: Any, query: Any):
        """A reject is read as what its webhook brought, though other rejects of the store are nodes."""
        shop = make_shop()
        rise = await follow(shop)
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        order = shop.place_order([(mug.id, 2)], email="jane@example.com")
        (delivery,) = [each for each in rise.hooks.take() if each.topic == "orders/create"]
        payload = json.loads(delivery.body) | {"total_price": "a lot"}
        rise.hooks.push("orders/updated", payload)
        await deliver(rise, *rise.hooks.take())
        (reject,) = await query("SELECT * FROM import_rejects")
        assert reject["kind"] == "order"
        assert f"order {order.id}" in reject["place"]

        async with rise.context.database.sessions.begin() as session:
            again = await retry_rejects(session, reject["import_id"])

        (_, after) = await query("SELECT * FROM import_rejects ORDER BY id")
        assert (after["import_id"], after["reason"]) == (again.id, reject["reason"])

    async def test_what_is_no_record(self, follow: Follow, deliver: Any, session: AsyncSession):
        shop = make_shop()
        jane = shop.add_customer("jane@example.com", "Jane", "Doe")
        rise = await follow(shop)
        rise.hooks.take()
        rise.hooks.request_customer_data(jane.id)
        rise.hooks.uninstall()
        rise.hooks.push("bulk_operations/finish", {"admin_graphql_api_id": "gid://shopify/BulkOperation/1"})
        rise.hooks.subscribe("orders/edited", "https://here.example/api/v1/webhooks/rise")
        rise.hooks.push("orders/edited", {"order_edit": {"id": 1, "order_id": 5}})
        rise.hooks.push("orders/updated", {"id": 6, "note": "a subscription to a few fields"})
        rise.hooks.push("orders/updated", {"note": "nothing to know it by"})
        deliveries = rise.hooks.take()

        assert set(await deliver(rise, *deliveries)) == {200}

        found = {topic: (status, note or "") for topic, status, note in (await kept(session))[:-2]}
        assert {topic: status for topic, (status, _) in found.items()} == {
            "customers/data_request": "ignored", "app/uninstalled": "ignored", "bulk_operations/finish": "ignored",
            "orders/edited": "done",
        }  # fmt: skip
        assert found["customers/data_request"][1].startswith(f"customer {jane.id} asks")
        assert [status for _, status, _ in (await kept(session))[-2:]] == ["done", "ignored"]
        assert await rise.find_waiting() == []

    async def test_a_customer_who_is_to_be_forgotten(self, follow: Follow, deliver: Any, query: Any):
        shop = make_shop()
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        jane, ben = (shop.add_customer(f"{name}@example.com", name, "Doe") for name in ("Jane", "Ben"))
        order = shop.place_order([(mug.id, 2)], customer=jane)
        rise = await follow(shop)
        await rise.run()
        rise.hooks.take()
        rise.hooks.redact_customer(jane.id)

        assert await deliver(rise, *rise.hooks.take()) == [200]
        await rise.run("everything")

        names = [row["name"] for row in await query("SELECT name FROM users ORDER BY name")]
        assert names == [f"{ben.first_name} Doe", "Erased"]
        (row,) = await query("SELECT o.total_amount, u.name FROM orders o JOIN users u ON u.id = o.user_id")
        assert (row["total_amount"], row["name"]) == (order.total, "Erased")

    async def test_a_store_that_is_to_be_forgotten(self, follow: Follow, deliver: Any, query: Any):
        shop = make_shop()
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        jane = shop.add_customer("jane@example.com", "Jane", "Doe")
        order = shop.place_order([(mug.id, 2)], customer=jane)
        rise = await follow(shop)
        await rise.run()
        rise.hooks.take()
        rise.hooks.redact_shop()

        await deliver(rise, *rise.hooks.take())

        website = await rise.get_website()
        assert (website.platform, website.credentials, website.webhook_secrets) == (None, None, None)
        assert [row["name"] for row in await query("SELECT name FROM users")] == ["Erased"]
        assert [row["total_amount"] for row in await query("SELECT total_amount FROM orders")] == [order.total]
