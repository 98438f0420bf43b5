"""Shopify's REST answers, and its exports beside them."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.ingest.formats import find_format
from app.ingest.formats.base import Options
from app.ingest.reading import SourceFile
from app.ingest.records import ConsumerRecord, OrderRecord, Parsed, ProductRecord, RefundRecord, Rejected
from tests.ingest.conftest import LIMITS, Ingest, Rows
from tests.ingest.payloads import Payload, as_csv, shopify_row

Query = Callable[..., Awaitable[Rows]]


def customer(id: int = 77, **overrides: Any) -> Payload:
    return {
        "id": id,
        "email": "Jane@Example.com",
        "first_name": "Jane",
        "last_name": "Doe",
        "orders_count": 1,
        "phone": None,
        "updated_at": "2025-03-01T10:00:00-05:00",
        "default_address": {
            "address1": "1 Main St",
            "city": "Leipzig",
            "country": "Germany",
            "zip": "04109",
            "phone": "5",
        },
    } | overrides


def line(**overrides: Any) -> Payload:
    return {
        "id": 1, "product_id": 10, "variant_id": 100, "name": "Mug - Blue", "sku": "MUG-B", "quantity": 2,
        "price": "12.50", "product_exists": True,
    } | overrides  # fmt: skip


def order(id: int = 5001, **overrides: Any) -> Payload:
    return {
        "id": id,
        "name": "#1001",
        "email": "jane@example.com",
        "financial_status": "paid",
        "fulfillment_status": None,
        "cancelled_at": None,
        "created_at": "2025-03-01T10:00:00-05:00",
        "processed_at": "2025-03-01T10:00:00-05:00",
        "updated_at": "2025-03-01T10:00:00-05:00",
        "currency": "EUR",
        "taxes_included": False,
        "test": False,
        "total_price": "27.40",
        "total_discounts": "2.50",
        "total_tax": "0.00",
        "total_tip_received": "0.00",
        "shipping_lines": [{"price": "4.90"}],
        "line_items": [line()],
        "customer": customer(),
        "billing_address": None,
        "shipping_address": None,
        "refunds": [],
    } | overrides


def product(**overrides: Any) -> Payload:
    variant = {
        "id": 100, "sku": "MUG-B", "price": "12.50", "option1": "Blue", "barcode": "40063", "inventory_quantity": 3,
        "inventory_management": "shopify", "updated_at": "2025-03-01T10:00:00-05:00",
    }  # fmt: skip
    return {
        "id": 10, "title": "Mug", "handle": "mug", "status": "active", "options": [{"name": "Colour"}],
        "variants": [variant, variant | {"id": 101, "sku": "", "option1": "Red", "inventory_management": None}],
    } | overrides  # fmt: skip


def read(path: Path) -> list[Any]:
    file = SourceFile(path, LIMITS)
    found, _ = find_format(file, Options())
    assert found.name == "shopify_json"
    items = list(found.read(file, Options()))
    records = [item.record for item in items if isinstance(item, Parsed)]
    assert len(records) == len(items), items
    return records


@pytest.mark.parametrize(
    "content", [{"orders": [order()]}, {"order": order()}, [order()], order()], ids=["list", "one", "bare", "object"]
)
def test_envelopes(write: Callable[[Any], Path], content: Any):
    (record,) = read(write(content))
    assert isinstance(record, OrderRecord)


def test_an_order(write: Callable[[Any], Path]):
    (record,) = read(write({"orders": [order(fulfillment_status="fulfilled", total_tip_received="1.00")]}))
    assert (record.key, record.order_number, record.status, record.source_status) == (
        "5001", "#1001", "shipped", "paid, fulfilled",
    )  # fmt: skip
    assert record.placed_at.isoformat() == "2025-03-01T15:00:00+00:00"
    assert (record.total_amount, record.discount_total, record.shipping_total, record.fee_total) == tuple(
        map(Decimal, ("27.40", "2.50", "4.90", "1.00"))
    )
    assert (record.lines[0].product_key, record.lines[0].total_price) == ("100", Decimal("25.00"))
    assert (record.consumer.kind, record.consumer.key, record.consumer.email) == ("consumer", "77", "jane@example.com")


@pytest.mark.parametrize(
    ("overrides", "status"),
    [
        ({"cancelled_at": "2025-03-02T10:00:00Z", "fulfillment_status": "fulfilled"}, "cancelled"),
        ({"financial_status": "voided"}, "cancelled"),
        ({"fulfillment_status": "fulfilled", "fulfillments": [{"shipment_status": "delivered"}]}, "delivered"),
        ({"fulfillment_status": "fulfilled", "fulfillments": [{"shipment_status": None}]}, "shipped"),
        ({"fulfillment_status": "partial", "financial_status": "pending"}, "confirmed"),
        ({"financial_status": "refunded"}, "cancelled"),
        ({"financial_status": "partially_refunded"}, "confirmed"),
        ({"financial_status": "pending"}, "pending"),
        ({"financial_status": None}, "pending"),
    ],
)
def test_statuses(write: Callable[[Any], Path], overrides: Payload, status: str):
    assert read(write([order(**overrides)]))[0].status == status


def test_gaps(write: Callable[[Any], Path]):
    bare = order(customer=None, email="", contact_email=None, line_items=[line(variant_id=None, sku=None, price=None)])
    (record,) = read(write([bare]))
    assert (record.consumer.kind, record.consumer.key, record.consumer.name) == ("anonymous", "5001", "")
    assert (record.lines[0].product_key, record.lines[0].sku, record.lines[0].total_price) == ("10", None, None)


def test_refunds_are_money_not_goods(write: Callable[[Any], Path]):
    paid = {"kind": "refund", "status": "success", "amount": "5.00"}
    refunds = [
        {"id": 1, "transactions": [paid, paid | {"status": "failure"}, paid | {"kind": "sale"}]},
        {"id": 2, "transactions": [], "refund_line_items": [{"subtotal": 12.5}]},
    ]
    (record,) = read(write([order(refunds=refunds)]))
    assert [(refund.key, refund.amount) for refund in record.refunds] == [("1", Decimal("5.00")), ("2", Decimal(0))]
    (alone,) = read(write({"refund": {"id": 3, "order_id": 5001, "transactions": [paid], "refund_line_items": []}}))
    assert isinstance(alone, RefundRecord)
    assert (alone.order_key, alone.amount) == ("5001", Decimal("5.00"))


def test_a_customer(write: Callable[[Any], Path]):
    (record,) = read(write({"customers": [customer()]}))
    assert isinstance(record, ConsumerRecord)
    assert (record.key, record.email, record.name, record.phone, record.via) == (
        "77", "jane@example.com", "Jane Doe", "5", "account",
    )  # fmt: skip
    assert (record.addresses[0].address, record.addresses[0].is_default) == ("1 Main St, 04109", True)


def test_a_product_is_its_variants(write: Callable[[Any], Path]):
    blue, red = read(write({"products": [product()]}))
    assert isinstance(blue, ProductRecord)
    assert (blue.key, blue.name, blue.variant, blue.stock_quantity) == ("100", "Mug - Blue", "Colour: Blue", 3)
    assert (red.key, red.sku, red.fallback_sku, red.stock_quantity) == ("101", None, "mug-red", None)
    assert not read(write([product(status="draft")]))[0].is_active


async def test_exports_first_and_answers_later_duplicate_nothing(ingest: Ingest, query: Query):
    products = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price\nmug,Mug,Colour,Blue,,12.50\n"
    customers = "First Name,Last Name,Email,Total Spent,City,Country\nJane,Doe,jane@example.com,27.40,Leipzig,Germany\n"
    orders = as_csv(shopify_row(Lineitem_sku="", Lineitem_price="12.50", Lineitem_quantity="2", Total="25.00"))
    for content in (products, customers, orders):
        await ingest(content)
    unsold = product(variants=[product()["variants"][0] | {"sku": None}])
    for answer in (
        {"products": [unsold]},
        {"customers": [customer()]},
        {"orders": [order(line_items=[line(sku=None)])]},
    ):
        assert (await ingest(answer)).records_created == 0
    counts = """
        SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM products) AS products,
            (SELECT count(*) FROM orders) AS orders
    """
    assert await query(counts) == [{"users": 1, "products": 1, "orders": 1}]
    assert (await query("SELECT type FROM users")) == [{"type": "consumer"}]


async def test_a_customer_export_without_ids_holds_accounts(ingest: Ingest, query: Query):
    header = "First Name,Last Name,Email,Total Spent\n"
    report = await ingest(f"{header}Jane,Doe,Jane@Example.com,5\n,,,0\n")
    assert (report.records_created, report.records_rejected) == (1, 1)
    assert await query("SELECT name, email, type FROM users") == [
        {"name": "Jane Doe", "email": "jane@example.com", "type": "consumer"}
    ]
    with_ids = "Customer ID,First Name,Last Name,Email,Phone,Total Spent\n'77,Jane,Roe,jane@example.com,'+4930,5\n"
    assert (await ingest(with_ids)).records_merged == 1
    assert await query("SELECT name, phone FROM users") == [{"name": "Jane Roe", "phone": "+4930"}]


def test_a_rejected_variant_can_be_read_again_by_itself(write: Callable[[Any], Path]):
    blue, red = product()["variants"]
    file = SourceFile(write({"products": [product(variants=[blue, red | {"price": "much"}])]}), LIMITS)
    _, reject = find_format(file, Options())[0].read(file, Options())
    assert isinstance(reject, Rejected)
    assert (reject.place, reject.reason) == ("record 1, variant 2", "price is not a number: much")
    (record,) = read(write(reject.raw.replace('"much"', '"12.50"')))
    (expected,) = read(write([product(variants=[red])]))
    assert record == expected
