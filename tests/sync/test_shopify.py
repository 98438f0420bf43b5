"""Following a Shopify store: all of it, what has changed, what is delivered, and what is only found by looking."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.connectors.client import HttpOptions
from app.database import Database
from app.ingest.rejects import retry_rejects
from app.sync.intake import Intake
from app.sync.keys import Receivers
from app.sync.models import Webhook
from app.sync.platforms import SyncContext
from app.sync.stores import check_store
from app.websites.schemas import WebsiteCreate
from app.websites.service import register_website
from app.websites.vault import Vault
from fakestores import shopify
from fakestores.deliveries import Delivery
from fakestores.faults import Faults
from fakestores.generate import generate
from fakestores.shop import Shop
from fakestores.shopify import Bucket
from fakestores.shopify.figures import find_figures
from fakestores.webhooks import ShopifyWebhooks
from tests.ingest.conftest import snapshot
from tests.sync.conftest import IMPATIENT, SECRET_KEY, Followed, make_shop
from tests.sync.test_runs import BUSINESS, in_store, stock, succeeded, totals
from tests.sync.test_sweeps import completeness

SECRET = "the secret of the app"
GRAPHQL = "/admin/api/2026-01/graphql.json"
TOKENS = "/admin/oauth/access_token"


class FollowedShopify(Followed):
    hooks: ShopifyWebhooks

    @property
    def api(self) -> Any:
        return self.context.transports[self.website].app.state.store  # type: ignore[attr-defined]


Follow = Callable[..., Awaitable[FollowedShopify]]


async def follow_shopify(
    database: Database,
    shop: Shop,
    website: str = "rise",
    *,
    faults: Faults | None = None,
    batch_size: int = 1_000,
    **behaviour: Any,
) -> FollowedShopify:
    """Register it, with webhooks at every topic; `behaviour` is what the fake store can be told to be like."""
    faults = faults or Faults()
    hooks = ShopifyWebhooks(shop, client_secret=SECRET)
    hooks.subscribe_all("https://here.example/api/v1/webhooks/rise")
    behaviour.setdefault("bucket", Bucket(size=1e9, restore_rate=1e9))
    app = shopify.create_app(
        shop, token=None, client=("id of the app", SECRET), faults=faults, webhooks=hooks, **behaviour
    )
    context = SyncContext(
        database=database,
        vault=Vault([SECRET_KEY]),
        batch_size=batch_size,
        http=HttpOptions(patience=IMPATIENT),
        transports={website: httpx.ASGITransport(app)},
    )
    data: dict[str, Any] = {
        "name": website,
        "platform": "shopify",
        "base_url": "https://rise.myshopify.com",
        "credentials": {"client_id": "id of the app", "client_secret": SECRET},
        "webhook_secret": SECRET,
    }
    async with context.database.sessions.begin() as session:
        await register_website(session, context.vault, WebsiteCreate.model_validate(data))
    followed = FollowedShopify(context, website, shop, faults)
    followed.hooks = hooks
    return followed


@pytest.fixture
def follow(test_database: Database) -> Follow:
    return partial(follow_shopify, test_database)


@pytest.fixture
def deliver(client: httpx.AsyncClient, app: Any, test_database: Database) -> Any:
    """Post deliveries of the store, and process them; their answers' statuses."""

    async def deliver(rise: FollowedShopify, *deliveries: Delivery) -> list[int]:
        app.state.receivers = Receivers(test_database, rise.context.vault, seconds=0)
        app.state.intake = Intake(test_database)
        statuses = []
        for each in deliveries:
            answer = await client.post("/api/v1/webhooks/rise", content=each.body, headers=dict(each.headers))
            statuses.append(answer.status_code)
        await rise.process_webhooks()
        return statuses

    return deliver


async def kept(session: AsyncSession) -> list[tuple[str, str, str | None]]:
    found = await session.scalars(select(Webhook).order_by(Webhook.id).execution_options(populate_existing=True))
    return [(each.topic, each.status, each.note) for each in found]


async def active_products(query: Any) -> dict[str, bool]:
    return {row["sku"]: row["is_active"] for row in await query("SELECT sku, is_active FROM products")}


class TestRuns:
    async def test_everything_is_read(self, follow: Follow, query: Any):
        shop = make_shop()
        stock(shop, orders=300)
        rise = await follow(shop)

        reports = await rise.run()

        succeeded(reports)
        assert await totals(query) == in_store(shop)
        rows = await query("SELECT product_name, sku FROM products ORDER BY sku")
        assert [(row["product_name"], row["sku"]) for row in rows] == [
            ("Enamel mug", "MUG"), ("Shirt - L", "SHIRT-L"), ("Shirt - S", "SHIRT-S"),
        ]  # fmt: skip
        website = await rise.get_website()
        assert (website.currency, website.time_zone) == ("BDT", "Asia/Dhaka")
        assert reports["orders"].details["sync"]["expected"] == 300
        assert len(rise.api.bulk.all) == 3
        (row,) = await query("SELECT u.type FROM users u WHERE u.email = 'jane@example.com'")
        assert row["type"] == "consumer"

    async def test_years_of_history_equal_the_shops(self, follow: Follow, query: Any):
        shop = generate(9, orders=250, products=15, currency="BDT", first_id=4_500_000_000_001)
        rise = await follow(shop)

        succeeded(await rise.run())

        rows = await query("SELECT s.external_id, o.* FROM orders o JOIN source_records s ON s.order_id = o.id "
                           "WHERE s.kind = 'order'")  # fmt: skip
        held = {int(row["external_id"]): row for row in rows}
        live = {order.id: order for order in shop.live_orders()}
        assert held.keys() == live.keys()
        for number, order in live.items():
            figures = find_figures(order, order.exchange_rate)
            row = held[number]
            assert (row["total_amount"], row["refunded_total"]) == (figures.total, figures.refunded)
            assert row["placed_at"] == order.created_at
            assert row["reconciles"]

    async def test_an_empty_store(self, follow: Follow):
        rise = await follow(make_shop())
        succeeded(await rise.run())
        succeeded(await rise.run())

    async def test_without_bulk_operations_it_is_the_same(self, follow: Follow, session: AsyncSession, query: Any):
        shop = make_shop()
        stock(shop, orders=60)
        rise = await follow(shop, bulk_failures=["TIMEOUT"] * 3)

        succeeded(await rise.run())

        assert await totals(query) == in_store(shop)
        assert all(each.status == "FAILED" for each in rise.api.bulk.all.values())
        before = await snapshot(session, "orders", "order_details", "users", "products")
        succeeded(await rise.run("everything"))
        assert await snapshot(session, "orders", "order_details", "users", "products") == before

    async def test_a_quiet_store_costs_two_requests_and_writes_nothing(self, follow: Follow, session: AsyncSession):
        shop = make_shop()
        stock(shop)
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(3600)
        await rise.run()
        before = await snapshot(session, *BUSINESS)
        rise.faults.requests.clear()
        shop.clock.advance(3600)

        reports = await rise.run()

        succeeded(reports)
        assert rise.faults.requests == {GRAPHQL: 3, TOKENS: 3}
        assert await snapshot(session, *BUSINESS) == before

    async def test_changes_are_found(self, follow: Follow, query: Any):
        shop = make_shop()
        first, second, *_ = stock(shop)
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(3600)
        shop.set_order_status(first.id, "completed")
        shop.refund_order(second.id, "5.00")
        shop.place_order([(1, 2)], email="new@example.com")
        shop.update_customer(1, first_name="June")

        reports = await rise.run()

        orders = reports["orders"]
        assert (orders.records_created, orders.records_updated) == (1, 2)
        assert await totals(query) == in_store(shop)
        rows = {row["order_number"]: row for row in await query("SELECT * FROM orders")}
        assert rows[f"#{1000 + first.id}"]["status"] == "shipped"
        assert rows[f"#{1000 + second.id}"]["refunded_total"] == Decimal("5.00")
        assert await query("SELECT 1 FROM users WHERE name = 'June Doe'")

    async def test_an_edited_orders_removed_line_disappears(self, follow: Follow, query: Any):
        shop = make_shop()
        mug, cup = shop.add_product("Mug", "12.50", sku="MUG"), shop.add_product("Cup", "3.00", sku="CUP")
        order = shop.place_order([(mug.id, 1), (cup.id, 2)], email="jane@example.com")
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(3600)

        shop.remove_line(order.id, order.lines[0].id)
        await rise.run()

        lines = await query("SELECT p.sku, d.quantity FROM order_details d JOIN products p ON p.id = d.product_id")
        assert [(row["sku"], row["quantity"]) for row in lines] == [("CUP", 2)]
        assert await totals(query) == in_store(shop)

    async def test_an_order_of_many_lines_is_whole(self, follow: Follow, query: Any):
        shop = make_shop()
        products = [shop.add_product(f"Thing {n}", "1.00", sku=f"T{n}") for n in range(120)]
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(3600)
        shop.place_order([(product.id, 1) for product in products], email="jane@example.com")

        succeeded(await rise.run())

        assert len(await query("SELECT 1 FROM order_details")) == 120
        assert await totals(query) == in_store(shop)

    async def test_test_orders_are_kept_as_such(self, follow: Follow, query: Any):
        shop = make_shop()
        mug = shop.add_product("Mug", "12.50", sku="MUG")
        shop.place_order([(mug.id, 1)], email="jane@example.com", is_test=True)
        rise = await follow(shop)
        await rise.run()
        assert [row["is_test"] for row in await query("SELECT is_test FROM orders")] == [True]

    async def test_a_deleted_variant_is_inactive(self, follow: Follow, query: Any):
        shop = make_shop()
        stock(shop)
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(3600)
        shop.delete_variation(next(iter(shop.variations)))

        succeeded(await rise.run("changes", "products"))

        assert await active_products(query) == {"MUG": True, "SHIRT-S": False, "SHIRT-L": True}

    async def test_an_archived_product_and_a_new_title_are_found(self, follow: Follow, query: Any):
        """They date the product, and not its variants."""
        shop = make_shop()
        stock(shop)
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(3600)
        shop.trash_product(1)
        shop.update_product(2, name="Linen shirt")
        rise.faults.requests.clear()

        succeeded(await rise.run("changes", "products"))

        assert await active_products(query) == {"MUG": False, "SHIRT-S": True, "SHIRT-L": True}
        names = [row["product_name"] for row in await query("SELECT product_name FROM products ORDER BY sku")]
        assert names[1:] == ["Linen shirt - L", "Linen shirt - S"]
        assert rise.faults.requests[GRAPHQL] == 1

    async def test_a_broken_first_reading_goes_on(self, follow: Follow, query: Any):
        shop = make_shop()
        stock(shop, orders=700)
        rise = await follow(shop, batch_size=100)
        async with rise.context.database.sessions.begin() as session:
            from app.sync import service

            ((job, _),) = await service.start_runs(session, rise.website, "changes", ("orders",))
        from app.connectors import shopify_bulk
        from app.sync import runs

        take, calls = shopify_bulk._take, 0

        def fail(nodes: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 3:
                raise RuntimeError("killed")
            return take(nodes)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shopify_bulk, "_take", fail)
            with pytest.raises(RuntimeError):
                await runs.run(rise.context, job.id)
        some, _ = await totals(query)
        assert 0 < some < 700

        reports = await rise.run("changes", "orders")

        succeeded(reports)
        assert await totals(query) == in_store(shop)
        assert reports["orders"].records_read < 700
        assert len(rise.api.bulk.all) == 1

    async def test_a_missing_scope_ends_the_run_with_a_sentence(self, follow: Follow):
        rise = await follow(make_shop(), scopes=["read_products", "read_customers"])
        report = (await rise.run("changes", "orders"))["orders"]
        assert report.status == "failed"
        assert "read_orders" in str(report.error)
        found = await check_store(rise.context, "rise")
        assert (found["ok"], "read_orders" in found["problem"]) == (False, True)


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

    async def test_a_late_word_of_a_deleted_product(self, follow: Follow, deliver: Any, query: Any):
        shop = make_shop()
        stock(shop)
        rise = await follow(shop)
        await rise.run()
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


class TestSweeps:
    async def test_a_store_that_is_all_here(self, follow: Follow):
        shop = make_shop()
        stock(shop, orders=260)
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(60)
        now = shop.now()

        succeeded(await rise.run("sweep"))

        found = await completeness(rise)
        assert (found["complete_up_to"], found["days"]) == (now, [])
        assert found["verdict"] == f"complete up to {now:%Y-%m-%dT%H:%M:%SZ}"
        assert [(each["resource"], each["listed"], each["different"]) for each in found["resources"]] == [
            ("customers", 1, 0),
            ("products", 3, 0),
            ("orders", 260, 0),
        ]

    async def test_what_was_deleted_without_a_word(self, follow: Follow, query: Any):
        shop = make_shop()
        deleted, edited, refunded, *_ = stock(shop, orders=6)
        cup = shop.add_product("Cup", "3.00", sku="CUP")
        ben = shop.add_customer("ben@example.com", "Ben", "Old")
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(3600)
        await rise.run()
        shop.force_delete_order(deleted.id)
        shop.edit_order(edited.id, quantities={edited.lines[0].id: 9}, silent=True)
        shop.refund_order(refunded.id, "4.00")
        shop.orders[refunded.id].modified_at = refunded.created_at
        shop.delete_product(cup.id)
        small = next(iter(shop.variations))
        shop.delete_variation(small)
        shop.products[2].modified_at = shop.products[2].created_at
        shop.delete_customer(ben.id)
        missed = shop.place_order([(1, 1)], email="missed@example.com")
        missed.modified_at = missed.created_at = edited.created_at
        shop.clock.advance(3600)
        await rise.run()
        assert await totals(query) != in_store(shop)

        reports = await rise.run("sweep")

        facts = reports["orders"].details["sync"]
        assert (facts["missing"], facts["vanished"], facts["different"]) == (1, 1, 2)
        facts = reports["products"].details["sync"]
        assert (facts["missing"], facts["vanished"], facts["different"]) == (0, 2, 0)
        rows = {row["order_number"]: row for row in await query("SELECT * FROM orders")}
        assert rows[f"#{1000 + edited.id}"]["total_amount"] == shop.orders[edited.id].total
        assert rows[f"#{1000 + refunded.id}"]["refunded_total"] == Decimal("4.00")
        assert rows[f"#{1000 + deleted.id}"]["source_status"] == "deleted"
        assert f"#{1000 + missed.id}" in rows
        assert await active_products(query) == {"MUG": True, "CUP": False, "SHIRT-S": False, "SHIRT-L": True}
        assert await query("SELECT 1 FROM source_records WHERE kind = 'consumer' AND deleted_at IS NOT NULL")
        again = await rise.run("sweep")
        for each in again.values():
            facts = each.details["sync"]
            assert (facts["missing"], facts["vanished"], facts["different"]) == (0, 0, 0)
        found = await completeness(rise)
        assert found["complete_up_to"] is not None
        assert found["days"] == []

    async def test_a_variant_that_never_came_brings_its_product(self, follow: Follow, query: Any):
        shop = make_shop()
        stock(shop)
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(3600)
        shop.add_variation(2, {"Size": "XL"}, "22.00", sku="SHIRT-XL")
        shop.products[2].modified_at = shop.products[2].created_at
        await rise.run()

        await rise.run("sweep", "products")

        assert (await active_products(query))["SHIRT-XL"]
        assert await rise.find_waiting() == []
