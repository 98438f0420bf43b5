"""What order lines call their products, looked up again when a product comes or is renamed."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.ingest.conftest import Ingest, Rows
from tests.ingest.payloads import (
    as_csv,
    as_ndjson,
    shopify_row,
    woo_line,
    woo_order,
    woo_product,
    woo_refund,
    woo_variation,
)

Query = Callable[..., Awaitable[Rows]]

Age = Callable[[], Awaitable[None]]

LATER = "2025-06-01T00:00:00"


async def products_of_lines(query: Query) -> dict[str, list[tuple[str, str]]]:
    """Order number → (SKU, product name) of each line."""
    rows = await query(
        """
        SELECT o.order_number, p.sku, p.product_name FROM order_details d JOIN orders o ON o.id = d.order_id
        JOIN products p ON p.id = d.product_id ORDER BY d.id
        """
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        found.setdefault(row["order_number"], []).append((row["sku"], row["product_name"]))
    return found


async def changed(query: Query) -> list[str]:
    """The orders that were written lately."""
    rows = await query("SELECT order_number FROM orders WHERE updated_at > now() - interval '1 day' ORDER BY 1")
    return [row["order_number"] for row in rows]


async def test_a_name_means_the_only_product_so_called(ingest: Ingest, query: Query):
    await ingest(as_csv(shopify_row("#1", Lineitem_sku="", Lineitem_name="Tea")))
    assert len(await query("SELECT 1 FROM products")) == 1
    await ingest([woo_product(1, name="Tea", sku="T1")])
    assert await products_of_lines(query) == {"#1": [("T1", "Tea")]}
    # A second one: nobody knows any longer which is meant.
    await ingest([woo_product(2, name="Tea", sku="T2")])
    ((sku, name),) = (await products_of_lines(query))["#1"]
    assert name == "Tea"
    assert sku not in {"T1", "T2"}
    assert len(await query("SELECT 1 FROM products")) == 3
    # And it is one again.
    await ingest([woo_product(2, name="Green tea", sku="T2", date_modified_gmt=LATER)])
    assert await products_of_lines(query) == {"#1": [("T1", "Tea")]}
    assert len(await query("SELECT 1 FROM products")) == 2


async def test_a_sku_means_the_product_that_has_it(ingest: Ingest, query: Query):
    gone = woo_line(0, sku="OLD", name="Mug")
    await ingest([woo_order(1, line_items=[woo_line(7, sku="OLD", name="Mug")]), woo_order(2, line_items=[gone])])
    assert await products_of_lines(query) == {"1": [("OLD", "Mug")], "2": [("OLD", "Mug")]}
    # The product's own record says another SKU; a line that only says the old one meant something else.
    await ingest([woo_product(7, name="Mug", sku="NEW")])
    assert await products_of_lines(query) == {"1": [("NEW", "Mug")], "2": [("OLD", "Mug")]}
    await ingest([woo_product(8, name="Old mug", sku="OLD")])
    assert await products_of_lines(query) == {"1": [("NEW", "Mug")], "2": [("OLD", "Old mug")]}
    assert len(await query("SELECT 1 FROM products")) == 2


async def test_what_lines_tell_of_a_product_knows_no_order(ingest: Ingest, query: Query):
    def order(number: str, name: str, price: str) -> dict[str, object]:
        line = {"sku": "22423", "product_name": name, "unit_price": price}
        return {"order_number": number, "email": "a@example.com", "placed_at": "2025-01-01", "lines": [line]}

    await ingest(as_ndjson(order("1", "?", "9.00")))
    await ingest(as_ndjson(order("2", "REGENCY CAKESTAND", "12.75"), order("3", "damages", "0.00")))
    assert await query("SELECT sku, product_name, price FROM products") == [
        {"sku": "22423", "product_name": "REGENCY CAKESTAND", "price": Decimal("12.75")}
    ]


@pytest.mark.parametrize("first", ["product", "order"])
async def test_a_line_without_a_price_shows_its_products(ingest: Ingest, query: Query, first: str):
    order = {"order_number": "1", "email": "a@example.com", "placed_at": "2025-01-01", "shipping_total": "2.00",
             "lines": [{"sku": "A", "quantity": 3}, {"sku": "B", "unit_price": "1.00"}]}  # fmt: skip
    product = {"sku": "A", "product_name": "Apple", "price": "1.50"}
    files = [as_ndjson(product), as_ndjson(order)]
    for content in files if first == "product" else files[::-1]:
        await ingest(content)
    assert await query("SELECT unit_price, total_price FROM order_details ORDER BY id") == [
        {"unit_price": Decimal("1.50"), "total_price": Decimal("4.50")},
        {"unit_price": Decimal("1.00"), "total_price": Decimal("1.00")},
    ]
    assert await query("SELECT total_amount, reconciles FROM orders") == [
        {"total_amount": Decimal("7.50"), "reconciles": False}
    ]


async def test_variations_follow_a_parent_that_only_lines_know(ingest: Ingest, query: Query):
    await ingest([woo_variation(5, 1, sku="", price="", regular_price="")])
    await ingest([woo_order(1, line_items=[woo_line(1, name="Hoodie", subtotal="30.00")])])
    assert await query("SELECT product_name, price FROM products WHERE variant IS NOT NULL") == [
        {"product_name": "Hoodie - Blue", "price": Decimal("30.00")}
    ]


async def test_of_two_orders_with_one_number_the_lower_id_has_it(ingest: Ingest, query: Query):
    for id in (12, 9, 10):
        await ingest([woo_order(id, number="A-1")])
    rows = await query(
        "SELECT s.external_id AS id, o.order_number FROM orders o JOIN source_records s ON s.order_id = o.id ORDER BY 2"
    )
    assert {row["id"]: row["order_number"] for row in rows} == {"9": "A-1", "10": "A-1~10", "12": "A-1~12"}


async def test_a_refund_younger_than_its_orders_list_counts(ingest: Ingest, query: Query):
    listed = woo_order(1, refunds=[{"id": 5, "total": "-4.00"}], date_modified_gmt="2025-03-01T00:00:00")
    older = woo_refund(6, 1, "1.00", date_created_gmt="2025-02-01T00:00:00")
    younger = woo_refund(7, 1, "2.00", date_created_gmt="2025-04-01T00:00:00")
    job = await ingest([listed, older, younger])
    assert job.details["skipped"] == {"stale": 1}
    assert await query("SELECT refunded_total FROM orders") == [{"refunded_total": Decimal("6.00")}]


async def test_a_price_that_changes_later_leaves_orders_as_they_were(ingest: Ingest, query: Query):
    def kettle(price: str) -> str:
        return as_ndjson({"sku": "K", "product_name": "Kettle", "price": price})

    await ingest(
        as_ndjson({"order_number": "1", "email": "a@example.com", "placed_at": "2025-01-01", "lines": [{"sku": "K"}]})
    )
    for price in ("20.00", "30.00"):
        await ingest(kettle(price))
    assert await query("SELECT total_amount FROM orders") == [{"total_amount": Decimal("20.00")}]


class TestOrdersUpdatedSince:
    """Clients ask for what has changed since they asked last: a line of another product or price is a change."""

    @pytest.fixture
    def age(self, session: AsyncSession) -> Age:
        """Make what was written so far a year older."""

        async def age() -> None:
            await session.execute(text("UPDATE orders SET updated_at = updated_at - interval '1 year'"))

        return age

    async def test_a_line_that_moves_to_another_product(self, ingest: Ingest, query: Query, age: Age):
        def order(number: str, name: str) -> dict[str, str]:
            return shopify_row(number, Lineitem_sku="", Lineitem_name=name)

        await ingest(as_csv(order("#1", "Tea"), order("#2", "Tea"), order("#3", "Coffee")))
        await ingest([woo_product(1, name="Tea", sku="T1")])
        await age()
        # Nobody knows any longer which is meant: they move to a product of their own, and back.
        await ingest([woo_product(2, name="Tea", sku="T2")])
        assert await changed(query) == ["#1", "#2"]
        await age()
        await ingest([woo_product(2, name="Green tea", sku="T2", date_modified_gmt=LATER)])
        assert await changed(query) == ["#1", "#2"]

    async def test_a_line_that_takes_its_products_price(self, ingest: Ingest, query: Query, age: Age):
        """Also where the website said a total, which stays."""
        order = {"order_number": "1", "email": "a@example.com", "placed_at": "2025-01-01", "lines": [{"sku": "A"}]}
        await ingest(as_ndjson(order | {"total_amount": "9.00"}))
        await age()
        await ingest(as_ndjson({"sku": "A", "product_name": "Apple", "price": "1.50"}))
        assert await changed(query) == ["1"]
        rows = await query("SELECT total_amount, unit_price FROM orders o JOIN order_details d ON d.order_id = o.id")
        assert rows == [{"total_amount": Decimal("9.00"), "unit_price": Decimal("1.50")}]

    async def test_an_order_of_a_product_that_only_changes_its_price(self, ingest: Ingest, query: Query, age: Age):
        await ingest([woo_product(1, sku="T1"), woo_order(1, line_items=[woo_line(1)])])
        await age()
        await ingest([woo_product(1, sku="T1", price="99.00", date_modified_gmt=LATER)])
        assert await changed(query) == []
