"""Who is the same, who owns a row, and what a second import does, on the database."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.ingest import loader
from app.ingest.loader import _Merge
from tests.ingest.conftest import Ingest, Rows, as_bytes, merge, read_content, read_import, rolled_back, snapshot, stage
from tests.ingest.payloads import (
    as_csv,
    as_ndjson,
    shopify_line,
    shopify_row,
    woo_address,
    woo_customer,
    woo_line,
    woo_order,
    woo_product,
    woo_refund,
    woo_variation,
)

Query = Callable[..., Awaitable[Rows]]
USERS = "SELECT id, name, email, type, phone, source_website FROM users ORDER BY id"
COUNT_STAGED = text("SELECT count(*) FROM import_records")
COUNT_ROWS = """
    SELECT (SELECT count(*) FROM users WHERE email LIKE 'g_@example.com'),
        (SELECT count(*) FROM products), (SELECT count(*) FROM orders), (SELECT count(*) FROM order_details)
"""
DATA_TABLES = ("users", "user_addresses", "products", "orders", "order_details", "source_records")


async def users(query: Query) -> Rows:
    return await query(USERS)


async def emails_of_orders(query: Query) -> dict[str, str]:
    rows = await query("SELECT order_number, email FROM orders o JOIN users u ON u.id = o.user_id")
    return {row["order_number"]: row["email"] for row in rows}


async def emails_by_account(query: Query) -> dict[str, str]:
    rows = await query(
        "SELECT external_id, email FROM source_records s JOIN users u ON u.id = s.user_id WHERE s.kind = 'consumer'"
    )
    return {row["external_id"]: row["email"] for row in rows}


async def products(query: Query) -> Rows:
    return await query("SELECT id, sku, product_name AS name, price, is_active FROM products ORDER BY id")


async def skus_of_lines(query: Query, order: str) -> list[str]:
    rows = await query(
        """
        SELECT p.sku FROM order_details d JOIN products p ON p.id = d.product_id JOIN orders o ON o.id = d.order_id
        WHERE o.order_number = :order ORDER BY d.id
        """,
        order=order,
    )
    return [row["sku"] for row in rows]


def warnings(job: Any) -> dict[str, int]:
    found: dict[str, int] = job.details.get("warnings", {})
    return found


class TestConsumers:
    async def test_a_guest_gets_an_account(self, ingest: Ingest, query: Query):
        first = await ingest([woo_order(1, email=" Jane@Example.com ")])
        assert first.details["also_created"] == {"consumers": 1, "products": 1}
        (guest,) = await users(query)
        assert (guest["email"], guest["type"]) == ("jane@example.com", "guest")

        await ingest([woo_customer(7, "jane@example.com", first_name="Janet")])
        (consumer,) = await users(query)
        assert (consumer["id"], consumer["type"], consumer["name"]) == (guest["id"], "consumer", "Janet Doe")
        await ingest([woo_order(2, email="jane@example.com")])
        assert len(await users(query)) == 1
        assert set((await emails_of_orders(query)).values()) == {"jane@example.com"}

    async def test_what_a_guest_checkout_says_does_not_rename_an_account(self, ingest: Ingest, query: Query):
        await ingest([woo_customer(7)])
        billing = woo_address(email="jane@example.com", first_name="Mrs", last_name="Someone", phone="123")
        await ingest([woo_order(1, billing=billing)])
        (consumer,) = await users(query)
        assert (consumer["name"], consumer["phone"]) == ("Jane Doe", "123")

    async def test_the_latest_guest_checkout_names_the_guest(self, ingest: Ingest, query: Query):
        def order(id: int, name: str, date: str) -> Any:
            billing = woo_address(email="g@example.com", first_name=name, last_name="")
            return woo_order(id, billing=billing, date_modified_gmt=date)

        await ingest([order(1, "New", "2025-05-01T00:00:00")])
        await ingest([order(2, "Old", "2025-01-01T00:00:00")])
        assert [user["name"] for user in await users(query)] == ["New"]
        await ingest([order(3, "Newest", "2025-06-01T00:00:00")])
        assert [user["name"] for user in await users(query)] == ["Newest"]

    @pytest.mark.parametrize("chunk_size", [1, 1000])
    async def test_an_account_takes_over_the_guest_of_its_new_address(
        self, ingest: Ingest, query: Query, chunk_size: int
    ):
        home = {"address_1": "1 Main St", "city": "Dhaka", "country": "BD"}
        other = {"address_1": "2 Side St", "city": "Dhaka", "country": "BD"}
        shared = woo_address(email="new@example.com", **home)
        await ingest(
            [
                woo_customer(7, "old@example.com", billing=woo_address(**home)),
                woo_order(1, customer_id=7, email="old@example.com"),
                woo_order(2, billing=shared),
                woo_order(3, billing=woo_address(email="new@example.com", **other)),
            ]
        )
        assert len(await users(query)) == 2
        changed = woo_customer(
            7, "new@example.com", billing=woo_address(**home), date_modified_gmt="2025-03-01T00:00:00"
        )
        job = await ingest([changed, woo_order(4, email="new@example.com")], chunk_size=chunk_size)
        assert (job.records_updated, job.records_created, warnings(job)) == (1, 1, {})
        (consumer,) = await users(query)
        assert (consumer["email"], consumer["type"]) == ("new@example.com", "consumer")
        assert set((await emails_of_orders(query)).values()) == {"new@example.com"}
        assert len(await emails_of_orders(query)) == 4
        addresses = await query("SELECT address, is_default FROM user_addresses ORDER BY address")
        assert addresses == [
            {"address": "1 Main St", "is_default": True},
            {"address": "2 Side St", "is_default": False},
        ]
        links = await query("SELECT kind, external_id FROM source_records WHERE user_id IS NOT NULL ORDER BY kind")
        assert [tuple(link.values()) for link in links] == [("consumer", "7"), ("guest", "new@example.com")]

    async def test_an_address_that_two_accounts_say_is_of_the_one_that_said_so_last(self, ingest: Ingest, query: Query):
        await ingest(
            [woo_customer(1, "a@example.com"), woo_customer(2, "b@example.com"), woo_order(1, email="b@example.com")]
        )
        job = await ingest([woo_customer(1, "b@example.com", date_modified_gmt="2025-03-01T00:00:00")])
        assert warnings(job) == {"two accounts say one e-mail address: the one that said so last has it": 1}
        assert await emails_by_account(query) == {"1": "b@example.com", "2": "consumer-2@shop.invalid"}
        assert await emails_of_orders(query) == {"1": "b@example.com"}
        # They had swapped.
        await ingest([woo_customer(2, "a@example.com", date_modified_gmt="2025-03-01T00:00:01")])
        assert await emails_by_account(query) == {"1": "b@example.com", "2": "a@example.com"}
        assert await emails_of_orders(query) == {"1": "b@example.com"}

    async def test_an_address_of_another_websites_account_is_not_taken(self, ingest: Ingest, query: Query):
        await ingest([woo_customer(1, "a@example.com")])
        await ingest([woo_customer(1, "b@example.com")], "rise")
        job = await ingest([woo_customer(1, "b@example.com", date_modified_gmt="2025-03-01T00:00:00")])
        assert warnings(job) == {"an e-mail address that another account holds was not taken over": 1}
        assert [user["email"] for user in await users(query)] == ["a@example.com", "b@example.com"]

    async def test_a_guest_stays_with_an_address_that_its_account_leaves(self, ingest: Ingest, query: Query):
        """An order of account 7 is all that is known of it, until its own record tells another e-mail."""
        home = woo_address(email="office@example.com", first_name="Ann", last_name="", city="Dhaka")
        desk = woo_address(email="office@example.com", first_name="Bob", last_name="", city="Sylhet")
        await ingest([woo_order(1, customer_id=7, billing=home), woo_order(2, billing=desk)])
        assert len(await users(query)) == 1
        await ingest([woo_customer(7, "ann@example.com", first_name="Ann", last_name="")])
        assert await emails_of_orders(query) == {"1": "ann@example.com", "2": "office@example.com"}
        assert await query(
            "SELECT u.name, u.type, a.city FROM users u JOIN user_addresses a ON a.user_id = u.id ORDER BY 1"
        ) == [
            {"name": "Ann", "type": "consumer", "city": "Dhaka"},
            {"name": "Bob", "type": "guest", "city": "Sylhet"},
        ]

    async def test_an_address_changed_here_holds_until_the_website_changes_its_own(
        self, ingest: Ingest, query: Query, session: AsyncSession, api: httpx.AsyncClient
    ):
        await ingest([woo_customer(1, "a@example.com")])
        (user,) = await users(query)
        assert (await api.put(f"/api/v1/users/{user['id']}", json={"email": "ours@example.com"})).status_code == 200
        await ingest([woo_customer(1, "a@example.com", first_name="Ann")])
        assert [(user["email"], user["name"]) for user in await users(query)] == [("ours@example.com", "Ann Doe")]
        await ingest([woo_customer(1, "b@example.com", first_name="Ann")])
        assert [user["email"] for user in await users(query)] == ["b@example.com"]

    async def test_two_accounts_with_one_address(self, ingest: Ingest, query: Query):
        job = await ingest([woo_customer(1, "a@example.com"), woo_customer(2, "a@example.com")])
        assert job.records_created == 2
        assert [user["email"] for user in await users(query)] == ["a@example.com", "consumer-2@shop.invalid"]

    async def test_two_accounts_that_change_to_one_address(self, ingest: Ingest, query: Query):
        await ingest([woo_customer(1, "a@example.com"), woo_customer(2, "b@example.com")])
        job = await ingest([woo_customer(1, "c@example.com"), woo_customer(2, "c@example.com")])
        assert (job.records_updated, job.records_rejected) == (2, 0)
        assert warnings(job) == {"two accounts say one e-mail address: the one that said so last has it": 1}
        assert await emails_by_account(query) == {"1": "c@example.com", "2": "consumer-2@shop.invalid"}

    async def test_one_person_on_two_websites(self, ingest: Ingest, query: Query, api: httpx.AsyncClient):
        await ingest([woo_customer(1, "jane@example.com")], website="sailor")
        await ingest(as_csv(shopify_row(Email="JANE@example.com")), website="rise")
        (person,) = await users(query)
        assert person["source_website"] == "sailor"
        for website in ("sailor", "rise"):
            found = (await api.get("/api/v1/users", params={"source_website": website})).json()["items"]
            assert [user["id"] for user in found] == [person["id"]]
        assert (await api.get("/api/v1/users", params={"source_website": "other"})).json()["items"] == []

    async def test_orders_of_an_account_keep_to_it_whatever_their_billing_address(self, ingest: Ingest, query: Query):
        await ingest([woo_customer(1, "a@example.com")])
        await ingest([woo_order(5, customer_id=1, email="somebody@example.com"), woo_order(6, customer_id=1, email="")])
        assert await emails_of_orders(query) == {"5": "a@example.com", "6": "a@example.com"}
        assert len(await users(query)) == 1

    async def test_an_account_first_met_in_an_order(self, ingest: Ingest, query: Query):
        job = await ingest([woo_order(5, customer_id=1, email="billing@example.com")])
        assert job.details["also_created"]["consumers"] == 1
        assert [(u["email"], u["type"]) for u in await users(query)] == [("billing@example.com", "consumer")]
        await ingest([woo_customer(1, "own@example.com")])
        assert [(u["email"], u["type"]) for u in await users(query)] == [("own@example.com", "consumer")]

    @pytest.mark.parametrize("email", ["", "   ", "not an address", "a" * 150 + "@example.com", "x@y.invalid"])
    async def test_anonymous_orders_have_a_guest_each(
        self, ingest: Ingest, query: Query, api: httpx.AsyncClient, email: str
    ):
        billing = woo_address(email=email, first_name="", last_name="")
        await ingest([woo_order(5, billing=billing), woo_order(6, billing=billing)], website="my shop")
        found = await users(query)
        assert [(user["name"], user["type"], user["phone"]) for user in found] == [("Guest", "guest", "")] * 2
        assert all(user["email"].startswith(("anonymous-5@my-shop-", "anonymous-6@my-shop-")) for user in found)
        assert all(user["email"].endswith(".invalid") for user in found)
        shown = (await api.get("/api/v1/users")).json()["items"]
        assert [user["email"] for user in shown] == [None, None]

    async def test_a_missing_name_is_made_from_the_address(self, ingest: Ingest, query: Query):
        await ingest([woo_order(5, billing=woo_address(email="mou@example.com", first_name="", last_name=""))])
        assert [user["name"] for user in await users(query)] == ["mou"]

    async def test_addresses_are_distinct_by_content(self, ingest: Ingest, query: Query):
        def order(id: int, street: str) -> Any:
            address = woo_address(email="a@example.com", address_1=street, city="Dhaka", country="BD")
            return woo_order(id, billing=address, shipping=address)

        await ingest([order(1, "1 Main St"), order(2, "1  MAIN st"), order(3, "2 Main St")])
        await ingest([order(4, "1 main ST")])
        rows = await query("SELECT address, city, district, country FROM user_addresses ORDER BY id")
        assert [row["address"] for row in rows] == ["1 Main St", "2 Main St"]


class TestProducts:
    async def test_a_product_first_met_in_a_line_is_taken_over_by_its_record(self, ingest: Ingest, query: Query):
        job = await ingest([woo_order(1, line_items=[woo_line(7, sku="", name="Tea")])])
        assert job.details["also_created"]["products"] == 1
        (met,) = await products(query)
        assert (met["name"], met["is_active"], met["price"]) == ("Tea", True, Decimal(10))
        job = await ingest([woo_product(7, name="Green tea", sku="TEA", price="11.00")])
        assert job.records_updated == 1
        assert await products(query) == [
            {"id": met["id"], "sku": "TEA", "name": "Green tea", "price": Decimal(11), "is_active": True}
        ]

    async def test_a_product_known_by_name_only_is_taken_over(self, ingest: Ingest, query: Query):
        await ingest(as_csv(shopify_row(Lineitem_sku="", Lineitem_name="Mug - Blue")))
        (met,) = await products(query)
        assert met["sku"].startswith("mug-blue")
        await ingest([woo_product(7, name="Mug - Blue", sku="MUG-B")])
        assert [(p["id"], p["sku"]) for p in await products(query)] == [(met["id"], "MUG-B")]

    async def test_a_product_known_by_sku_only_is_taken_over(self, ingest: Ingest, query: Query):
        await ingest(as_csv(shopify_row(Lineitem_sku="MUG-B", Lineitem_name="Old name")))
        await ingest([woo_product(7, name="New name", sku="MUG-B")])
        assert [(p["sku"], p["name"]) for p in await products(query)] == [("MUG-B", "New name")]

    async def test_a_name_that_fits_two_products_takes_over_neither(self, ingest: Ingest, query: Query):
        await ingest([woo_product(1, name="Mug"), woo_product(2, name="Mug")])
        for number in ("#1", "#2", "#3"):
            await ingest(as_csv(shopify_row(number, Lineitem_sku="", Lineitem_name="Mug")))
        found = await products(query)
        assert len(found) == 3
        assert {sku for n in ("#1", "#2", "#3") for sku in await skus_of_lines(query, n)} == {found[2]["sku"]}

    async def test_a_deleted_product_is_inactive_and_without_it_the_name_finds_it(self, ingest: Ingest, query: Query):
        gone = woo_line(0, sku=None, name="Gone &amp; lost")
        await ingest([woo_order(1, line_items=[gone]), woo_order(2, line_items=[gone])])
        await ingest([woo_order(3, line_items=[gone])])
        assert [(p["name"], p["is_active"]) for p in await products(query)] == [("Gone & lost", False)]

    async def test_lines_find_products_by_id_sku_and_name(self, ingest: Ingest, query: Query):
        await ingest([woo_product(1, sku="A"), woo_product(2, sku="B"), woo_product(3, sku="C", name="Only C")])
        job = await ingest(
            [
                woo_order(
                    9,
                    line_items=[
                        woo_line(1, sku="B", name="Only C"),
                        woo_line(0, sku="B", name="Only C"),
                        woo_line(0, sku="", name="Only C"),
                    ],
                )
            ]
        )
        assert "products" not in job.details["also_created"]
        assert await skus_of_lines(query, "9") == ["A", "B", "C"]

    @pytest.mark.parametrize("chunk_size", [1, 1000])
    async def test_a_sku_that_is_taken_carries_the_id(self, ingest: Ingest, query: Query, chunk_size: int):
        await ingest([woo_product(1, sku="X"), woo_product(2, sku="X")], chunk_size=chunk_size)
        assert [p["sku"] for p in await products(query)] == ["X", "X~2"]
        job = await ingest([woo_product(2, sku="X", price="12.00")])
        assert job.records_updated == 1
        assert [(p["sku"], p["price"]) for p in await products(query)] == [("X", Decimal(10)), ("X~2", Decimal(12))]

    @pytest.mark.parametrize("chunk_size", [1, 1000])
    async def test_a_variation_that_shows_its_parents_sku(self, ingest: Ingest, query: Query, chunk_size: int):
        await ingest(
            [
                woo_product(10, name="Hoodie", sku="HOOD", type="variable", price="30.00"),
                woo_variation(11, 10, sku="HOOD", price="", regular_price=""),
                woo_variation(12, 10, sku="HOOD-2", attributes=[{"name": "Size", "option": "L &amp; XL"}]),
            ],
            chunk_size=chunk_size,
        )
        assert [(p["sku"], p["name"]) for p in await products(query)] == [
            ("HOOD", "Hoodie"),
            ("HOOD~11", "Hoodie - Blue"),
            ("HOOD-2", "Hoodie - L & XL"),
        ]
        (priced,) = await query("SELECT price, variant FROM products WHERE sku = 'HOOD~11'")
        assert priced == {"price": Decimal(30), "variant": "Colour: Blue"}
        await ingest([woo_order(1, line_items=[woo_line(10, variation_id=11, sku="HOOD")])])
        assert await skus_of_lines(query, "1") == ["HOOD~11"]

    async def test_a_missing_sku_is_made_up_and_lasts(self, ingest: Ingest, query: Query):
        await ingest([woo_product(1, sku="", slug="green-tea")])
        job = await ingest([woo_product(1, sku="", slug="green-tea", price="12.00")])
        assert job.records_updated == 1
        assert [p["sku"] for p in await products(query)] == ["green-tea"]

    async def test_a_product_without_a_price(self, ingest: Ingest, query: Query):
        job = await ingest([woo_product(1, price="", regular_price="")])
        assert warnings(job) == {"a product without a price was taken at 0": 1}
        assert [p["price"] for p in await products(query)] == [Decimal(0)]

    async def test_is_active_set_here_holds_until_the_websites_own_value_changes(
        self, ingest: Ingest, query: Query, api: httpx.AsyncClient
    ):
        await ingest([woo_product(1)])
        (product,) = await products(query)
        url = f"/api/v1/products/{product['id']}"
        assert (await api.put(url, json={"is_active": False})).status_code == 200
        await ingest([woo_product(1, price="12.00")])
        assert [(p["price"], p["is_active"]) for p in await products(query)] == [(Decimal(12), False)]
        await ingest([woo_product(1, status="draft")])
        await ingest([woo_product(1, status="publish")])
        assert [p["is_active"] for p in await products(query)] == [True]

    async def test_two_websites_with_the_same_skus_and_order_numbers(self, ingest: Ingest, query: Query):
        for website in ("sailor", "rise"):
            job = await ingest(as_csv(shopify_row(), shopify_line()), website=website)
            assert job.records_created == 1
        rows = await query("SELECT source_website, count(*) AS n FROM products GROUP BY 1 ORDER BY 1")
        assert [tuple(row.values()) for row in rows] == [("rise", 2), ("sailor", 2)]
        rows = await query("SELECT source_website, order_number FROM orders ORDER BY 1")
        assert [tuple(row.values()) for row in rows] == [("rise", "#1001"), ("sailor", "#1001")]
        crossed = await query(
            """
            SELECT 1 FROM order_details d JOIN orders o ON o.id = d.order_id JOIN products p ON p.id = d.product_id
            WHERE o.source_website <> p.source_website
            """
        )
        assert crossed == []


EXPORT = as_csv(
    {"order_number": "1", "email": "jane@example.com", "status": "processing", "placed_at": "2025-02-01",
     "total_amount": "10.00", "sku": "SKU-1", "product_name": "Product 1", "quantity": "1", "unit_price": "10.00"},
    {"order_number": "2", "email": "joe@example.com", "status": "processing", "placed_at": "2025-02-01",
     "total_amount": "10.00", "sku": "", "product_name": "Product 2", "quantity": "1", "unit_price": "10.00"},
)  # fmt: skip
RECORDS = [
    woo_product(1),
    woo_product(2),
    woo_customer(1, "jane@example.com"),
    woo_order(1, customer_id=1, email="jane@example.com", date_modified_gmt="2025-03-01T00:00:00"),
    woo_order(2, email="joe@example.com", line_items=[woo_line(2)]),
]


class TestFilesWithAndWithoutIds:
    async def test_exports_first_and_records_with_ids_later(self, ingest: Ingest, query: Query):
        await ingest(EXPORT)
        before = await query("SELECT id, order_number FROM orders ORDER BY id")
        job = await ingest(RECORDS)
        assert (job.records_created, job.records_updated + job.records_merged) == (0, 5)
        assert await query("SELECT id, order_number FROM orders ORDER BY id") == before
        assert [(p["sku"], p["name"]) for p in await products(query)] == [
            ("SKU-1", "Product 1"),
            ("SKU-2", "Product 2"),
        ]
        assert [(u["email"], u["type"]) for u in await users(query)] == [
            ("jane@example.com", "consumer"),
            ("joe@example.com", "guest"),
        ]
        assert [await skus_of_lines(query, number) for number in "12"] == [["SKU-1"], ["SKU-2"]]

    async def test_records_with_ids_first_and_exports_later(self, ingest: Ingest, session: AsyncSession):
        await ingest(RECORDS)
        before = await snapshot(session, "users", "user_addresses", "products", "orders", "order_details")
        changed = EXPORT.replace("10.00", "99.00").replace("processing", "failed")
        for _ in range(2):
            job = await ingest(changed)
            assert (job.records_skipped, job.details["skipped"]) == (2, {"known_by_id": 2})
        assert await snapshot(session, "users", "user_addresses", "products", "orders", "order_details") == before

    async def test_a_product_file_without_ids_does_not_overwrite(self, ingest: Ingest, query: Query):
        await ingest(RECORDS)
        job = await ingest(as_csv({"sku": "SKU-1", "product_name": "Wrong", "price": "1.00"}))
        assert job.details["skipped"] == {"known_by_id": 1}
        assert [p["name"] for p in await products(query)] == ["Product 1", "Product 2"]

    @pytest.mark.parametrize("variation_first", [False, True])
    async def test_a_variation_follows_its_parent(self, ingest: Ingest, query: Query, variation_first: bool):
        parent = woo_product(1, name="Tee", type="variable", price="15.00", variations=[2])
        variation = woo_variation(2, 1, price="", regular_price="")
        for record in [variation, parent] if variation_first else [parent, variation]:
            await ingest([record])
        names = "SELECT product_name, price FROM products WHERE sku = 'SKU-2'"
        assert await query(names) == [{"product_name": "Tee - Blue", "price": Decimal("15.00")}]
        renamed = parent | {"name": "T-Shirt", "price": "16.00", "date_modified_gmt": "2025-03-01T00:00:00"}
        await ingest([renamed])
        assert await query(names) == [{"product_name": "T-Shirt - Blue", "price": Decimal("16.00")}]
        before = await query("SELECT xmin::text, ctid::text FROM products")
        await ingest([renamed, variation])
        assert await query("SELECT xmin::text, ctid::text FROM products") == before

    async def test_two_ids_with_one_number(self, ingest: Ingest, query: Query):
        await ingest([woo_order(1, number="A-1"), woo_order(2, number="A-1")])
        job = await ingest([woo_order(2, number="A-1", status="completed")])
        assert job.records_updated == 1
        rows = await query("SELECT order_number, status FROM orders ORDER BY id")
        assert [tuple(row.values()) for row in rows] == [("A-1", "confirmed"), ("A-1~2", "delivered")]

    async def test_a_status_set_here_holds_when_the_order_gets_its_id(
        self, ingest: Ingest, query: Query, api: httpx.AsyncClient
    ):
        await ingest(as_csv(shopify_row("#7")))
        (order,) = await query("SELECT id FROM orders")
        assert (await api.put(f"/api/v1/orders/{order['id']}", json={"status": "shipped"})).status_code == 200
        job = await ingest(as_csv(shopify_row("#7", Id="555")))
        assert job.records_merged == 1
        assert await query("SELECT status FROM orders") == [{"status": "shipped"}]


class TestAgain:
    async def test_everything_is_unchanged_and_nothing_is_written(self, ingest: Ingest, session: AsyncSession):
        shopify = as_csv(shopify_row(Billing_City="Dhaka", Billing_Country="BD"), shopify_line(), shopify_row("#2"))
        records = [
            *RECORDS,
            woo_variation(11, 1),
            woo_order(3, email="", refunds=[{"id": 31, "total": "-2.00"}]),
            woo_refund(31, 3, "2.00"),
            woo_refund(41, 999),
        ]
        for content, website in ((shopify, "sailor"), (records, "shop"), (EXPORT, "rise")):
            await ingest(content, website)
        before = await snapshot(session)
        for content, website, chunk_size in ((shopify, "sailor", 1), (records, "shop", 2), (EXPORT, "rise", 1000)):
            job = await ingest(content, website, chunk_size=chunk_size)
            assert job.records_unchanged == job.records_read
            assert "also_created" not in job.details or not job.details["also_created"]
        assert await snapshot(session) == before

    async def test_of_a_record_that_stands_twice_the_last_wins(self, ingest: Ingest, query: Query):
        content = [woo_order(1, status="processing"), woo_order(2), woo_order(1, status="completed")]
        for chunk_size in (1, 1000):
            job = await ingest(content, website=f"shop{chunk_size}", chunk_size=chunk_size)
            assert (job.records_created, job.details["skipped"]) == (2, {"superseded": 1})
            again = await ingest(content, website=f"shop{chunk_size}")
            assert (again.records_unchanged, again.records_skipped) == (2, 1)
        rows = await query("SELECT DISTINCT order_number, status FROM orders ORDER BY 1")
        assert [tuple(row.values()) for row in rows] == [("1", "delivered"), ("2", "confirmed")]

    async def test_an_older_state_is_stale(self, ingest: Ingest, session: AsyncSession):
        await ingest([woo_order(1, status="completed", date_modified_gmt="2025-05-01T00:00:00")])
        before = await snapshot(session)
        job = await ingest([woo_order(1, status="processing", date_modified_gmt="2025-04-01T00:00:00")])
        assert job.details["skipped"] == {"stale": 1}
        assert await snapshot(session) == before

    async def test_a_dry_run_changes_nothing_and_foretells(self, ingest: Ingest, session: AsyncSession):
        await ingest([woo_product(1, price="3.00"), woo_order(1, status="pending")])
        before = await snapshot(session)
        content = [*RECORDS, woo_order(1), "no record at all"]
        rehearsed = await ingest(content, dry_run=True, chunk_size=2)
        assert await snapshot(session) == before
        real = await ingest(content, chunk_size=2)
        counts = ("read", "created", "updated", "merged", "unchanged", "skipped", "rejected")
        assert [getattr(rehearsed, f"records_{count}") for count in counts] == [
            getattr(real, f"records_{count}") for count in counts
        ]
        assert rehearsed.details | {"changes": []} == real.details | {"changes": []}
        assert await session.scalar(COUNT_STAGED) == 0

    async def test_a_dry_run_names_a_new_website_and_leaves_no_data(self, ingest: Ingest, session: AsyncSession):
        before = await snapshot(session, *DATA_TABLES)
        job = await ingest(RECORDS, dry_run=True)
        assert job.records_created == 5
        assert await snapshot(session, *DATA_TABLES) == before


class TestOrders:
    async def test_status_set_here_holds_until_the_websites_own_changes(
        self, ingest: Ingest, query: Query, api: httpx.AsyncClient
    ):
        await ingest([woo_order(1)])
        (order,) = await query("SELECT id FROM orders")
        assert (await api.put(f"/api/v1/orders/{order['id']}", json={"status": "shipped"})).status_code == 200
        await ingest([woo_order(1, line_items=[woo_line(1, 2, "20.00")])])
        assert await query("SELECT status, total_amount FROM orders") == [
            {"status": "shipped", "total_amount": Decimal(20)}
        ]
        await ingest([woo_order(1, status="completed", line_items=[woo_line(1, 2, "20.00")])])
        assert await query("SELECT status FROM orders") == [{"status": "delivered"}]

    async def test_lines_are_replaced_only_when_they_change(self, ingest: Ingest, query: Query):
        two = [woo_line(1), woo_line(2, 3, "7.50")]
        await ingest([woo_order(1, line_items=two)])
        before = await query("SELECT id, quantity, total_price FROM order_details ORDER BY id")
        assert [(row["quantity"], row["total_price"]) for row in before] == [(1, Decimal(10)), (3, Decimal("7.50"))]
        await ingest([woo_order(1, line_items=two, status="completed")])
        assert await query("SELECT id, quantity, total_price FROM order_details ORDER BY id") == before
        await ingest([woo_order(1, line_items=two[1:], status="completed")])
        (left,) = await query("SELECT quantity, unit_price, total_price FROM order_details")
        assert left == {"quantity": 3, "unit_price": Decimal("2.50"), "total_price": Decimal("7.50")}

    @pytest.mark.parametrize(
        ("overrides", "reconciles"),
        [
            ({}, True),
            ({"total": "10.01"}, False),
            ({"total": "17.50", "shipping_total": "5.00", "total_tax": "2.50"}, True),
            ({"total": "15.00", "shipping_total": "5.00", "total_tax": "2.50"}, False),
            ({"total": "8.00", "discount_total": "2.00"}, True),
            ({"total": "11.50", "fee_lines": [{"total": "3.00"}, {"total": "-1.50"}]}, True),
            ({"total": "7.00", "line_items": [woo_line(), woo_line(2, 1, "-3.00")]}, True),
            ({"total": "0.00", "line_items": []}, True),
            ({"total": "10.00", "line_items": [woo_line(subtotal="", price=None)]}, False),
        ],
    )
    async def test_the_ledger(self, ingest: Ingest, query: Query, overrides: dict[str, Any], reconciles: bool):
        job = await ingest([woo_order(1, **overrides)])
        (order,) = await query("SELECT total_amount, reconciles FROM orders")
        assert order == {"total_amount": Decimal(overrides.get("total", "10.00")), "reconciles": reconciles}
        told = {"an order's total does not add up", "an order has lines without a price, which show their products'"}
        assert bool(warnings(job).keys() & told) is not reconciles

    @pytest.mark.parametrize(
        ("total", "tax_included", "reconciles"),
        [("12.00", False, True), ("10.00", True, True), ("11.00", False, False)],
    )
    async def test_taxes_of_a_shopify_export(
        self, ingest: Ingest, query: Query, total: str, tax_included: bool, reconciles: bool
    ):
        await ingest(as_csv(shopify_row(Total=total, Taxes="2.00")))
        (order,) = await query("SELECT total_amount, tax_included, reconciles FROM orders")
        assert order == {"total_amount": Decimal(total), "tax_included": tax_included, "reconciles": reconciles}

    async def test_gaps_of_lines(self, ingest: Ingest, query: Query):
        await ingest([woo_product(1, price="4.00")])
        await ingest(as_csv({"order_number": "1", "email": "a@example.com", "sku": "SKU-1", "quantity": ""}))
        (line,) = await query("SELECT quantity, unit_price, total_price FROM order_details")
        assert line == {"quantity": 1, "unit_price": Decimal(4), "total_price": Decimal(4)}
        (order,) = await query("SELECT total_amount, reconciles, currency, status FROM orders")
        assert order == {"total_amount": Decimal(4), "reconciles": False, "currency": "USD", "status": "pending"}

    async def test_rows_of_one_order_that_stand_apart(self, ingest: Ingest, query: Query):
        def row(number: str, sku: str) -> dict[str, str]:
            return {"order_number": number, "email": "a@example.com", "sku": sku, "quantity": "1", "unit_price": "2"}

        content = as_csv(row("1", "A"), row("2", "B"), row("1", "C"), row("1", "D"), row("2", "E"))
        job = await ingest(content, chunk_size=1)
        assert (job.records_read, job.records_created) == (2, 2)
        assert await skus_of_lines(query, "1") == ["A", "C", "D"]
        assert await skus_of_lines(query, "2") == ["B", "E"]
        assert (await ingest(content)).records_unchanged == 2

    async def test_whole_orders_of_ndjson_are_not_joined(self, ingest: Ingest, query: Query):
        def order(quantity: int) -> dict[str, Any]:
            return {"order_number": "1", "lines": [{"sku": "A", "quantity": quantity, "unit_price": "2.00"}]}

        for content in (as_ndjson(order(1), order(5)), as_ndjson(order(1), order(5) | {"order_number": "2"}, order(5))):
            job = await ingest(content)
            assert job.details["skipped"] == {"superseded": 1}
            (line,) = await query(
                "SELECT quantity FROM order_details d JOIN orders o ON o.id = d.order_id WHERE order_number = '1'"
            )
            assert line == {"quantity": 5}


class TestRefunds:
    async def refunded(self, query: Query) -> Decimal:
        (row,) = await query("SELECT refunded_total FROM orders WHERE order_number = '1'")
        found: Decimal = row["refunded_total"]
        return found

    async def test_inside_their_order(self, ingest: Ingest, query: Query):
        await ingest([woo_order(1, refunds=[{"id": 5, "total": "-4.00"}, {"id": 6, "total": "-1.00"}])])
        assert await self.refunded(query) == Decimal(5)

    @pytest.mark.parametrize("chunk_size", [1, 1000])
    @pytest.mark.parametrize("first", ["order", "refund"])
    async def test_as_records(self, ingest: Ingest, query: Query, first: str, chunk_size: int):
        records = [woo_order(1), woo_refund(5, 1, "4.00")]
        job = await ingest(records if first == "order" else records[::-1], chunk_size=chunk_size)
        assert job.records_created == 2
        assert await self.refunded(query) == Decimal(4)

    async def test_before_their_order_in_a_file_of_its_own(self, ingest: Ingest, query: Query):
        job = await ingest([woo_refund(5, 1, "4.00")])
        assert warnings(job) == {"a refund waits for an order that is not known yet": 1}
        await ingest([woo_order(1)])
        assert await self.refunded(query) == Decimal(4)
        assert (await ingest([woo_refund(5, 1, "4.00")])).records_unchanged == 1

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    async def test_both_ways_are_one_refund(self, ingest: Ingest, query: Query, order: tuple[int, int]):
        files = [[woo_order(1, refunds=[{"id": 5, "total": "-4.00"}])], [woo_refund(5, 1, "4.00")]]
        for number in order:
            await ingest(files[number])
        assert await self.refunded(query) == Decimal(4)

    async def test_one_that_its_order_no_longer_lists_is_gone(self, ingest: Ingest, query: Query):
        both = [{"id": 5, "total": "-4.00"}, {"id": 6, "total": "-1.00"}]
        await ingest([woo_order(1, refunds=both)])
        await ingest([woo_order(1, refunds=both[1:])])
        assert await self.refunded(query) == Decimal(1)
        await ingest([woo_order(1, refunds=[])])
        assert await self.refunded(query) == Decimal(1)  # some versions always send an empty list
        await ingest([woo_order(1, refunds=both)])
        assert await self.refunded(query) == Decimal(5)

    async def test_a_changed_amount(self, ingest: Ingest, query: Query):
        await ingest([woo_order(1), woo_refund(5, 1, "4.00")])
        job = await ingest([woo_refund(5, 1, "6.00")])
        assert job.records_updated == 1
        assert await self.refunded(query) == Decimal(6)


class TestRejects:
    @pytest.mark.parametrize("chunk_size", [1, 3, 1000])
    async def test_a_record_the_database_refuses(
        self, ingest: Ingest, query: Query, api: httpx.AsyncClient, chunk_size: int
    ):
        """Two lines that fit make a total that does not."""

        def order(number: str, quantity: str = "1") -> dict[str, str]:
            return {"order_number": number, "email": f"{number}@example.com", "sku": "GOLD", "quantity": quantity,
                    "unit_price": "99999999.00"}  # fmt: skip

        numbers = [1, 2, 3, 4, 5, 5, 6, 7, 8]
        content = as_csv(*(order(str(number), "90" if number == 5 else "1") for number in numbers))
        job = await ingest(content, chunk_size=chunk_size)
        assert (job.records_created, job.records_rejected) == (7, 1)
        assert sorted(await emails_of_orders(query)) == ["1", "2", "3", "4", "6", "7", "8"]
        (reject,) = (await api.get(f"/api/v1/imports/{job.id}/rejects")).json()["items"]
        assert (reject["place"], reject["kind"]) == ("row 6 to row 7", "order_key")
        assert reject["reason"] == "numeric field overflow"
        assert '"order_number":"5"' in reject["raw"].replace(" ", "")

    async def test_bad_records_leave_the_others(self, ingest: Ingest, api: httpx.AsyncClient):
        job = await ingest(
            [woo_order(1), woo_order(2, total="12,50"), {"code": "x", "message": "No."}, 7, woo_product(1)]
        )
        assert (job.records_created, job.records_rejected) == (2, 3)
        rejects = (await api.get(f"/api/v1/imports/{job.id}/rejects")).json()["items"]
        assert [(reject["place"], reject["kind"], reject["reason"]) for reject in rejects] == [
            ("record 2", "order", "total is not a number: 12,50 (in a CSV file, the option decimal_comma reads it)"),
            ("record 3", "unknown", "an error of the store, not a record: No."),
            ("record 4", "unknown", "neither an order, customer, product, variation nor refund of WooCommerce"),
        ]
        assert '"total":"12,50"' in rejects[0]["raw"]


class Interrupted(BaseException):
    """What a killed process would be."""


class TestCheckpoint:
    @pytest.mark.parametrize("stops_after", [1, 2, 3])
    async def test_a_killed_import_goes_on_where_it_stood(
        self,
        test_database: Database,
        session: AsyncSession,
        database: Database,
        write: Callable[[Any], Path],
        monkeypatch: pytest.MonkeyPatch,
        stops_after: int,
    ):
        content = [*RECORDS, woo_refund(5, 1), woo_order(1, status="completed"), woo_order(3, email="")]
        async with rolled_back(database) as other:
            undisturbed = await stage(other, write(content))
            await merge(other, undisturbed.id, chunk_size=2)
            undisturbed = await read_import(other, undisturbed.id)
            async with other.sessions() as reading:
                expected = await read_content(reading)
        started = await stage(test_database, write(content))
        run_chunk, runs = _Merge.run_chunk, 0

        async def interrupted(self: _Merge, session: AsyncSession) -> loader.Tally:
            nonlocal runs
            runs += 1
            tally = await run_chunk(self, session)
            if runs > stops_after:
                raise Interrupted
            return tally

        with monkeypatch.context() as patch:
            patch.setattr(_Merge, "run_chunk", interrupted)
            with pytest.raises(Interrupted):
                await merge(test_database, started.id, chunk_size=2)
        await merge(test_database, started.id, chunk_size=2)
        resumed = await read_import(test_database, started.id)
        found = await read_content(session)
        await merge(test_database, started.id, chunk_size=2)  # a finished one is left alone
        assert await read_content(session) == found
        assert resumed.details == undisturbed.details
        assert found == expected


class TestAtTheSameTime:
    async def test_overlapping_files_neither_deadlock_nor_duplicate(self, live_database: Database, tmp_path: Path):
        def orders(numbers: range) -> list[Any]:
            return [
                woo_order(n, email=f"g{n % 7}@example.com", line_items=[woo_line(n % 5 + 1), woo_line(n % 3 + 1)])
                for n in numbers
            ]

        files = {
            "a": orders(range(1, 60)),
            "b": orders(range(90, 30, -1)),
            "c": [woo_customer(n, f"g{n}@example.com") for n in range(7)] + [woo_product(n) for n in range(5, 0, -1)],
        }
        jobs = []
        for name, content in files.items():
            path = tmp_path / name
            path.write_bytes(as_bytes(content))
            jobs.append(await stage(live_database, path))
        # Each by two processes at once, as where a command line and a worker both have it.
        await asyncio.wait_for(
            asyncio.gather(*(merge(live_database, job.id, chunk_size=5) for job in jobs for _ in range(2))), 60
        )
        for job in jobs:
            await read_import(live_database, job.id)
        async with live_database.sessions() as session:
            counts = (await session.execute(text(COUNT_ROWS))).one()
        assert tuple(counts) == (7, 5, 90, 180)
