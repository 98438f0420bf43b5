"""Sweeps of a Shopify store: what is only found by looking."""

from decimal import Decimal
from typing import Any

from tests.sync.conftest import make_shop
from tests.sync.shopify.conftest import Follow, active_products
from tests.sync.test_runs import in_store, stock, succeeded, totals
from tests.sync.test_sweeps import completeness


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
