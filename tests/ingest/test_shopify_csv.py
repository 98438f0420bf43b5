"""Shopify's order export, without a database."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.ingest.formats import shopify_csv
from app.ingest.formats.base import Options
from app.ingest.reading import SourceFile, UnreadableFile
from app.ingest.records import AddressRecord, Item, OrderRecord, Parsed, Rejected
from tests.ingest.conftest import LIMITS
from tests.ingest.payloads import as_csv, shopify_line, shopify_row

Read = Callable[..., list[Item]]


@pytest.fixture
def read(write: Callable[[Any], Path]) -> Read:
    def read(*rows: dict[str, str]) -> list[Item]:
        file = SourceFile(write(as_csv(*rows)), LIMITS)
        assert shopify_csv.FORMAT.recognises(file, Options())
        return list(shopify_csv.FORMAT.read(file, Options()))

    return read


def order_of(item: Item) -> OrderRecord:
    assert isinstance(item, Parsed), item
    assert isinstance(item.record, OrderRecord)
    return item.record


def test_every_column(read: Read):
    row = shopify_row(
        "#1001", Email=" Jane@Example.com ", Fulfillment_Status="fulfilled", Currency="EUR", Shipping="5.00",
        Taxes="2.00", Total="24.00", Discount_Amount="3.00", Refunded_Amount="1.50", Id="'5001",
        Billing_Address1="1 Main St", Billing_Address2="Flat 2", Billing_City="Berlin", Billing_Zip="'01234",
        Billing_Province="BE", Billing_Country="DE", Billing_Phone="'+49301", Lineitem_quantity="2",
    ) | {"Duties": "0.50"}  # fmt: skip
    (item,) = read(row)
    assert isinstance(item, Parsed)
    assert (item.place, list(item.warnings)) == ("row 2", [])
    order = order_of(item)
    assert (order.kind, order.key, order.order_number) == ("order", "5001", "#1001")
    assert (order.status, order.source_status) == ("shipped", "paid, fulfilled")
    assert order.placed_at == datetime(2025, 2, 1, 14, 0, tzinfo=UTC)
    assert order.currency == "EUR"
    assert (order.total_amount, order.shipping_total, order.tax_total) == (Decimal(24), Decimal(5), Decimal(2))
    assert (order.discount_total, order.fee_total, order.refunded_total) == (Decimal(3), Decimal("0.5"), Decimal("1.5"))
    consumer = order.consumer
    assert (consumer.kind, consumer.key, consumer.email) == ("guest", "jane@example.com", "jane@example.com")
    assert (consumer.name, consumer.phone, consumer.via) == ("Jane Doe", "+49301", "order")
    assert consumer.addresses == [
        AddressRecord(country="DE", city="Berlin", district="BE", address="1 Main St, Flat 2, 01234")
    ]
    (line,) = order.lines
    assert (line.product_key, line.sku, line.name, line.quantity) == (None, "MUG-B", "Mug - Blue", 2)
    assert (line.unit_price, line.total_price) == (Decimal(10), Decimal(20))


def test_rows_without_an_id_are_known_by_number(read: Read):
    (item,) = read(shopify_row("#7"))
    assert (order_of(item).kind, order_of(item).key) == ("order_key", "#7")


def test_rows_of_one_order_are_grouped(read: Read):
    filled_down = shopify_row("#2") | {"Lineitem name": "Again"}
    items = read(
        shopify_row("#1"), shopify_line("#1", Email=""), shopify_line("#1"),
        shopify_row("#2"), filled_down, shopify_row("#3"),
    )  # fmt: skip
    assert [item.place for item in items] == ["rows 2-4", "rows 5-6", "row 7"]
    assert [len(order_of(item).lines) for item in items] == [3, 2, 1]


def test_two_orders_of_one_name_are_two(read: Read):
    items = read(shopify_row("#1", Id="1"), shopify_row("#1", Id="2", Created_at="2025-02-02 10:00:00 -0400"))
    assert [order_of(item).key for item in items] == ["1", "2"]


def test_rows_that_lack_their_beginning(read: Read):
    (item, rest) = read(shopify_line("#0"), shopify_row("#1"))
    assert isinstance(item, Rejected)
    assert item.reason == "these rows continue order #0, whose first row does not stand above them"
    assert '"Lineitem name":"Plate"' in item.raw
    assert order_of(rest).order_number == "#1"


def test_short_rows(write: Callable[[Any], Path]):
    content = "Name,Email,Lineitem name,Created at,Total,Currency\n#1,a@example.com,Mug,2025-01-01,5\n#1,,Plate\n"
    (item,) = shopify_csv.FORMAT.read(SourceFile(write(content), LIMITS), Options())
    assert [line.name for line in order_of(item).lines] == ["Mug", "Plate"]


@pytest.mark.parametrize(
    ("financial", "fulfillment", "cancelled", "ours"),
    [
        ("paid", "fulfilled", True, "cancelled"),
        ("voided", "fulfilled", False, "cancelled"),
        ("refunded", "fulfilled", False, "shipped"),
        ("paid", "partial", False, "confirmed"),
        ("refunded", "unfulfilled", False, "cancelled"),
        ("refunded", "", False, "cancelled"),
        ("paid", "unfulfilled", False, "confirmed"),
        ("paid", "", False, "confirmed"),
        ("partially_refunded", "", False, "confirmed"),
        ("authorized", "", False, "confirmed"),
        ("partially_paid", "", False, "confirmed"),
        ("pending", "", False, "pending"),
        ("expired", "", False, "pending"),
        ("", "", False, "pending"),
    ],
)
def test_statuses(read: Read, financial: str, fulfillment: str, cancelled: bool, ours: str):
    cancelled_at = "2025-03-01 00:00:00 -0400" if cancelled else ""
    (item,) = read(shopify_row(Financial_Status=financial, Fulfillment_Status=fulfillment, Cancelled_at=cancelled_at))
    assert order_of(item).status == ours


def test_gaps(read: Read):
    blank = {"Email": "", "Billing Name": "", "Lineitem price": "", "Lineitem quantity": "", "Lineitem sku": ""}
    (item,) = read(shopify_row("#9") | blank)
    order = order_of(item)
    assert (order.consumer.kind, order.consumer.key, order.consumer.email) == ("anonymous", "#9", None)
    assert (order.consumer.name, order.consumer.phone, order.consumer.addresses) == ("", "", [])
    (line,) = order.lines
    assert (line.sku, line.quantity, line.unit_price, line.total_price) == (None, 1, None, None)
    assert line.fallback_sku.startswith("mug-blue")


def test_an_order_without_lines(read: Read):
    (item,) = read(shopify_row(Lineitem_name="", Lineitem_sku="", Lineitem_price=""))
    assert order_of(item).lines == []


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("Total", "12,50", "Total is not a number: 12,50 (in a CSV file, the option decimal_comma reads it)"),
        (
            "Total",
            "1,200.00",
            "Total is not a number: 1,200.00 (write it without thousands separators and signs, as 1043.40)",
        ),
        ("Lineitem price", "-1.00", "Lineitem price is negative: -1.00"),
        ("Discount Amount", "-1.00", "Discount Amount is negative: -1.00"),
        (
            "Created at",
            "01.02.2025",
            "Created at is not an ISO 8601 date: 01.02.2025 (in a CSV file, the option dayfirst reads day/month/year)",
        ),
        ("Currency", "Euro", "currency is not an ISO 4217 code: EURO"),
        ("Name", "", "the order has no Name"),
        ("Name", "x" * 201, "Name is longer than 200 characters"),
    ],
)
def test_rejected(read: Read, column: str, value: str, reason: str):
    (item,) = read(shopify_row() | {column: value})
    assert isinstance(item, Rejected)
    assert (item.place, item.kind, item.reason) == ("row 2", "order", reason)


def test_a_header_that_is_not_shopifys(write: Callable[[Any], Path]):
    file = SourceFile(write("Name,Email\nx,y\n"), LIMITS)
    assert not shopify_csv.FORMAT.recognises(file, Options())
    with pytest.raises(UnreadableFile, match="lacks Created at, Lineitem name, Total"):
        list(shopify_csv.FORMAT.read(file, Options()))
