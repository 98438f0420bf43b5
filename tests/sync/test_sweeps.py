"""Sweeps: what the store lists beside what is here, and what is done about the difference."""

import re
from decimal import Decimal
from typing import Any

from app.sync.completeness import describe_completeness
from tests.sync.conftest import Follow, Followed, make_shop
from tests.sync.test_runs import in_store, stock, succeeded, totals


async def completeness(rise: Followed) -> dict[str, Any]:
    async with rise.context.database.reads() as session:
        return await describe_completeness(session, rise.website)


async def test_a_store_that_is_all_here(follow: Follow):
    shop = make_shop()
    stock(shop, orders=130)
    rise = await follow(shop)
    await rise.run()
    assert (await completeness(rise))["complete_up_to"] is None
    shop.clock.advance(60)
    now = shop.now()

    succeeded(await rise.run("sweep"))

    found = await completeness(rise)
    assert (found["complete_up_to"], found["days"]) == (now, [])
    assert found["verdict"] == f"complete up to {now:%Y-%m-%dT%H:%M:%SZ}"
    assert [(each["resource"], each["listed"]) for each in found["resources"]] == [
        ("customers", 1),
        ("products", 4),
        ("orders", 130),
    ]


async def test_what_no_webhook_and_no_date_told(follow: Follow, query: Any):
    """A silent edit, a refund that was deleted, an order deleted for good and one that never came."""
    shop = make_shop()
    edited, refunded, deleted, *_ = stock(shop, orders=6)
    refund = shop.refund_order(refunded.id, "5.00")
    rise = await follow(shop)
    await rise.run()
    shop.clock.advance(3600)
    await rise.run()
    shop.edit_order(edited.id, quantities={edited.lines[0].id: 9}, silent=True)
    shop.delete_refund(refunded.id, refund.id)
    shop.force_delete_order(deleted.id)
    shop.clock.advance(3600)
    await rise.run()
    assert await totals(query) != in_store(shop)

    report = (await rise.run("sweep", "orders"))["orders"]

    facts = report.details["sync"]
    assert (facts["missing"], facts["vanished"], facts["different"]) == (0, 1, 2)
    rows = await query(
        "SELECT order_number, total_amount, refunded_total, status, source_status FROM orders ORDER BY id"
    )
    by_number = {row["order_number"]: row for row in rows}
    assert by_number[str(edited.id)]["total_amount"] == shop.orders[edited.id].total
    assert by_number[str(refunded.id)]["refunded_total"] == 0
    gone = by_number[str(deleted.id)]
    assert (gone["status"], gone["source_status"]) == ("cancelled", "deleted")
    # A second sweep finds nothing to do.
    again = (await rise.run("sweep", "orders"))["orders"].details["sync"]
    assert (again["missing"], again["vanished"], again["different"]) == (0, 0, 0)


async def test_products_and_customers_that_vanished(follow: Follow, query: Any):
    shop = make_shop()
    stock(shop)
    ben = shop.add_customer("ben@example.com", "Ben", "Old")
    rise = await follow(shop)
    await rise.run()
    small = next(iter(shop.variations.values()))
    shop.delete_variation(small.id)
    shop.delete_product(1)
    shop.delete_customer(ben.id)

    await rise.run("sweep")

    rows = await query("SELECT sku FROM products WHERE NOT is_active ORDER BY sku")
    assert [row["sku"] for row in rows] == ["MUG", "SHIRT-S"]
    assert [row["is_active"] for row in await query("SELECT is_active FROM users WHERE email = 'ben@example.com'")] == [
        True
    ]
    buried = await query(
        "SELECT kind, external_id FROM source_records WHERE deleted_at IS NOT NULL ORDER BY kind, external_id"
    )
    assert [(row["kind"], row["external_id"]) for row in buried] == [
        ("consumer", str(ben.id)),
        ("product", "1"),
        ("product", str(small.id)),
    ]
    assert (await completeness(rise))["complete_up_to"] is not None


async def test_a_record_that_cannot_be_taken_is_named(follow: Follow):
    shop = make_shop()
    bad, *_ = stock(shop)
    bad.currency = "not a currency"
    rise = await follow(shop)
    await rise.run()

    await rise.run("sweep")

    orders = (await completeness(rise))["resources"][2]
    assert orders["complete_up_to"] is None
    assert (orders["still_missing"], orders["rejected"]) == ([str(bad.id)], [str(bad.id)])
    assert orders["verdict"].startswith("1 records of the store could not be taken")


class TestKnownRejects:
    """What was read and could not be taken is not read again until the store lists it otherwise."""

    @staticmethod
    async def sweep(rise: Followed) -> tuple[dict[str, int], int]:
        """What it found of orders, and for how many of them the store was asked by id."""
        rise.faults.requests.clear()
        facts = (await rise.run("sweep", "orders"))["orders"].details["sync"]
        asked = sum(number for path, number in rise.faults.requests.items() if re.search(r"/orders/\d+$", path))
        return {name: facts[name] for name in ("missing", "different", "rejected")}, asked

    async def test_one_that_never_came(self, follow: Follow, query: Any):
        shop = make_shop()
        bad, *_ = stock(shop)
        currency, bad.currency = bad.currency, "not a currency"
        rise = await follow(shop)
        await rise.run()
        assert await self.sweep(rise) == ({"missing": 1, "different": 0, "rejected": 0}, 1)
        rejects = len(await query("SELECT 1 FROM import_rejects"))

        assert await self.sweep(rise) == ({"missing": 0, "different": 0, "rejected": 1}, 0)

        assert len(await query("SELECT 1 FROM import_rejects")) == rejects
        orders = (await completeness(rise))["resources"][2]
        assert (orders["missing"], orders["rejected"]) == (0, [str(bad.id)])
        # Another status in the list: there is something new to read.
        shop.orders[bad.id].status = "completed"
        assert await self.sweep(rise) == ({"missing": 1, "different": 0, "rejected": 0}, 1)
        bad.currency = currency
        assert await self.sweep(rise) == ({"missing": 1, "different": 0, "rejected": 0}, 1)
        assert await self.sweep(rise) == ({"missing": 0, "different": 0, "rejected": 0}, 0)
        orders = (await completeness(rise))["resources"][2]
        assert orders["complete_up_to"] is not None
        assert orders["rejected"] == []

    async def test_one_that_is_here_as_it_was(self, follow: Follow, query: Any):
        shop = make_shop()
        bad, *_ = stock(shop)
        rise = await follow(shop)
        await rise.run()
        currency, bad.currency = bad.currency, "not a currency"
        assert await self.sweep(rise) == ({"missing": 0, "different": 1, "rejected": 0}, 1)

        assert await self.sweep(rise) == ({"missing": 0, "different": 0, "rejected": 1}, 0)

        orders = (await completeness(rise))["resources"][2]
        assert (orders["complete_up_to"], orders["still_missing"]) == (None, [])
        assert orders["rejected"] == [str(bad.id)]
        # Somebody mends it, and it is read like any other that has changed.
        shop.clock.advance(3600)
        bad.currency, bad.modified_at = currency, shop.now()
        await rise.run("changes", "orders")
        assert (await completeness(rise))["resources"][2]["rejected"] == []
        assert await self.sweep(rise) == ({"missing": 0, "different": 0, "rejected": 0}, 0)

    async def test_a_product(self, follow: Follow, query: Any):
        shop = make_shop()
        stock(shop)
        rise = await follow(shop)
        bad = shop.add_product("Gold", "12.50", sku="GOLD")
        bad.price = Decimal("99999999999")
        await rise.run()
        for rejected in ([], [str(bad.id)]):
            facts = (await rise.run("sweep", "products"))["products"].details["sync"]
            assert (facts["missing"], facts["rejected"]) == (1 - len(rejected), len(rejected))
        assert (await completeness(rise))["resources"][1]["rejected"] == [str(bad.id)]

    async def test_one_that_the_store_has_no_longer(self, follow: Follow, query: Any):
        shop = make_shop()
        bad, *_ = stock(shop)
        bad.currency = "not a currency"
        rise = await follow(shop)
        await rise.run()
        await self.sweep(rise)
        await self.sweep(rise)
        shop.force_delete_order(bad.id)

        assert await self.sweep(rise) == ({"missing": 0, "different": 0, "rejected": 0}, 0)
        assert await query("SELECT 1 FROM swept_records WHERE kind LIKE 'rejected %'") == []


async def test_days_whose_money_differs_are_listed(follow: Follow):
    shop = make_shop()
    edited, *_ = stock(shop)
    rise = await follow(shop)
    await rise.run()
    shop.edit_order(edited.id, quantities={edited.lines[0].id: 9}, silent=True)
    rise.faults.only = f"/orders/{edited.id}$"
    from fakestores import faults

    rise.faults.plan(*[faults.error(404)] * 0, *[faults.error(503)] * 40)

    await rise.run("sweep", "orders")

    found = await completeness(rise)
    (day,) = found["days"]
    assert (day["status"], day["store_orders"], day["our_orders"]) == ("processing", 3, 3)
    assert day["store_total"] > day["our_total"]
    assert "1 records are being read again" in found["verdict"]


async def test_a_store_whose_orders_list_no_refunds(follow: Follow, query: Any):
    """A version that always says `refunds: []`: an order that is all refunded gives it away."""
    shop = make_shop()
    whole, part, *_ = stock(shop, orders=4)
    shop.refund_order(whole.id)
    shop.refund_order(part.id, "3.00")
    rise = await follow(shop, embeds_refunds=False)

    await rise.run()

    refunded = {
        row["order_number"]: row["refunded_total"]
        for row in await query("SELECT order_number, refunded_total FROM orders WHERE refunded_total > 0")
    }
    assert refunded.keys() == {str(whole.id), str(part.id)}
    assert (await rise.get_website()).traits["refunds_apart"] is True
    report = (await rise.run("sweep", "orders"))["orders"].details["sync"]
    assert (report["missing"], report["vanished"], report["different"]) == (0, 0, 0)


async def test_status_words_of_the_stores_own(follow: Follow, query: Any):
    shop = make_shop()
    ready, lost, *_ = stock(shop)
    shop.set_order_status(ready.id, "ready-pickup")
    shop.set_order_status(lost.id, "lost-in-post")
    rise = await follow(shop, status_map={"ready-pickup": "confirmed"})

    report = (await rise.run("changes", "orders"))["orders"]

    rows = {row["order_number"]: row["status"] for row in await query("SELECT order_number, status FROM orders")}
    assert (rows[str(ready.id)], rows[str(lost.id)]) == ("confirmed", "pending")
    assert [warning for warning in report.details["warnings"] if "lost-in-post" in warning]
    assert not [warning for warning in report.details["warnings"] if "ready-pickup" in warning]
