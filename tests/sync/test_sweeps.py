"""Sweeps: what the store lists beside what is here, and what is done about the difference."""

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
    assert orders["still_missing"] == [str(bad.id)]
    assert "could not be taken" in orders["verdict"]


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
