"""Runs over a Shopify store: all of it at first, then what has changed."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.sync.stores import check_store
from fakestores.generate import generate
from fakestores.shopify.figures import find_figures
from tests.ingest.conftest import snapshot
from tests.sync.conftest import make_shop
from tests.sync.shopify.conftest import GRAPHQL, TOKENS, Follow, active_products
from tests.sync.test_runs import BUSINESS, in_store, stock, succeeded, totals


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
