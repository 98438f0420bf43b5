"""The generic format, without a database."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.ingest.formats import find_format
from app.ingest.formats.base import Options
from app.ingest.formats.generic import FORMAT
from app.ingest.mapping import Mapping, read_mapping
from app.ingest.reading import SourceFile, UnreadableFile
from app.ingest.records import AddressRecord, ConsumerRecord, Item, OrderRecord, Parsed, ProductRecord, Rejected
from tests.ingest.conftest import LIMITS
from tests.ingest.payloads import as_csv, as_ndjson


@pytest.fixture
def read(write: Any) -> Any:
    def read(content: Any, **mapping: str) -> list[Item]:
        file, options = SourceFile(write(content), LIMITS), Options(Mapping(columns=mapping) if mapping else None)
        assert find_format(file, options)[0].name == "generic"
        return list(FORMAT.read(file, options))

    return read


def records(items: list[Item]) -> list[Any]:
    assert all(isinstance(item, Parsed) for item in items), items
    return [item.record for item in items if isinstance(item, Parsed)]


def row(number: str = "1", **overrides: str) -> dict[str, str]:
    return {
        "order_number": number,
        "email": "a@example.com",
        "sku": "TEA",
        "quantity": "2",
        "unit_price": "3.00",
    } | overrides


def test_every_column_of_an_order(read: Any):
    given = row(
        "A-1", order_id="77", placed_at="2025-02-01T10:00:00+06:00", status="Paid", currency="bdt", customer_id="9",
        name="Jane", phone="'0171", country="BD", city="Dhaka", district="Gulshan", address="Road 2",
        product_name="Tea", product_id="5", total_amount="9.00", discount_total="1.00", shipping_total="2.00",
        tax_total="2.00", fee_total="-0.50", refunded_total="1.00", tax_included="yes", is_test="true",
        updated_at="2025-02-02",
    )  # fmt: skip
    (order,) = records(read(as_csv(given)))
    assert (order.kind, order.key, order.order_number) == ("order", "77", "A-1")
    assert (order.status, order.source_status, order.currency) == ("confirmed", "Paid", "BDT")
    assert order.placed_at == datetime(2025, 2, 1, 4, tzinfo=UTC)
    assert order.updated_at == datetime(2025, 2, 2, tzinfo=UTC)
    assert (order.total_amount, order.discount_total, order.shipping_total) == (Decimal(9), Decimal(1), Decimal(2))
    assert (order.tax_total, order.fee_total, order.refunded_total) == (Decimal(2), Decimal("-0.5"), Decimal(1))
    assert (order.tax_included, order.is_test) == (True, True)
    consumer = order.consumer
    assert (consumer.kind, consumer.key, consumer.email) == ("consumer", "9", "a@example.com")
    assert (consumer.name, consumer.phone) == ("Jane", "0171")
    assert consumer.addresses == [AddressRecord(country="BD", city="Dhaka", district="Gulshan", address="Road 2")]
    (line,) = order.lines
    assert (line.product_key, line.sku, line.name, line.quantity) == ("5", "TEA", "Tea", 2)
    assert (line.unit_price, line.total_price) == (Decimal(3), Decimal(6))


def test_neighbouring_rows_are_one_order(read: Any):
    items = read(as_csv(row("1"), row("1", sku="CUP"), row("2")))
    assert [item.place for item in items] == ["row 2 to row 3", "row 4"]
    assert [[line.sku for line in order.lines] for order in records(items)] == [["TEA", "CUP"], ["TEA"]]


def test_a_price_is_made_from_the_lines_total(read: Any):
    (order,) = records(read(as_csv(row(unit_price="", quantity="3") | {"total_price": "10.00"})))
    assert (order.lines[0].unit_price, order.lines[0].total_price) == (Decimal("3.33"), Decimal(10))


def test_ndjson_of_every_kind(read: Any):
    order = {"order_number": 1, "email": "a@example.com", "lines": [{"sku": "TEA", "quantity": 2, "unit_price": 1.5}]}
    product = {"sku": "TEA", "product_name": "Tea", "price": 1.5, "stock_quantity": 7, "is_active": False}
    consumer = {"email": "A@example.com", "name": "Ann"}
    found = records(read(as_ndjson(order, product, consumer, order)))
    assert [type(record) for record in found] == [OrderRecord, ProductRecord, ConsumerRecord, OrderRecord]
    assert (found[0].order_number, found[0].lines[0].total_price) == ("1", Decimal(3))
    assert (found[1].key, found[1].price, found[1].stock_quantity, found[1].is_active) == (
        "sku:TEA",
        Decimal("1.5"),
        7,
        False,
    )
    assert (found[2].kind, found[2].key, found[2].via) == ("guest", "a@example.com", "account")


def test_flags_of_ndjson(read: Any):
    order = {"order_number": 1, "tax_included": True, "is_test": False, "total_amount": 5}
    (found,) = records(read(as_ndjson(order)))
    assert (found.tax_included, found.is_test) == (True, False)


def test_products_without_ids_are_known_by_sku_else_name(read: Any):
    content = as_csv(
        {"product_id": "5", "sku": "A", "product_name": "X", "price": "1"},
        {"product_id": "", "sku": "A", "product_name": "X", "price": "1"},
        {"product_id": "", "sku": "", "product_name": "X", "price": "1"},
    )
    assert [(found.kind, found.key) for found in records(read(content))] == [
        ("product", "5"), ("product_key", "sku:A"), ("product_key", "name:X"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "ours"),
    [("", "pending"), ("Pending", "pending"), ("PAID", "confirmed"), ("fulfilled", "shipped"),
     ("completed", "delivered"), ("canceled", "cancelled"), ("refunded", "cancelled")],
)  # fmt: skip
def test_statuses(read: Any, status: str, ours: str):
    (order,) = records(read(as_csv(row(status=status))))
    assert order.status == ours


def test_an_unknown_status_is_noted(read: Any):
    (item,) = read(as_csv(row(status="lost")))
    assert (item.record.status, item.warnings) == ("pending", ["status 'lost' is unknown and was taken as pending"])


def test_nobody(read: Any):
    (order,) = records(read(as_csv(row("8", email=""))))
    assert (order.consumer.kind, order.consumer.key) == ("anonymous", "8")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"order_number": "", "sku": "A", "email": ""}, "order_number is blank"),
        ({"order_number": "1", "sku": "A", "unit_price": "x"}, "unit_price is not a number: x"),
        ({"order_number": "1", "sku": "A", "unit_price": "-1"}, "unit_price is negative: -1"),
        ({"email": "nobody", "name": "N"}, "neither customer_id nor a usable email"),
        ({"sku": "", "product_name": "", "price": "1"}, "product_id, sku and product_name are all blank"),
    ],
)
def test_rejected(read: Any, given: dict[str, str], reason: str):
    (item,) = read(as_csv(given | {"note": "x"}))
    assert isinstance(item, Rejected)
    assert item.reason == reason


def test_bad_lines_of_ndjson(read: Any):
    good, bad, list_, odd = read(as_ndjson({"email": "a@example.com"}) + '{"email":\n[1]\n{"colour": "red"}\n')
    assert isinstance(good, Parsed)
    assert (bad.place, bad.raw) == ("line 2", '{"email":')
    assert (list_.reason, list_.raw) == ("not an object", "[1]")
    assert odd.reason == "neither an order line, a product nor a consumer: none of their columns is there"


class TestMapping:
    def test_columns_are_renamed(self, read: Any):
        content = as_csv({"Invoice": "7", "Code": "TEA", "sku": "internal", "Mail": "a@example.com"})
        (order,) = records(read(content, order_number="Invoice", sku="Code", email="Mail"))
        assert (order.order_number, order.lines[0].sku, order.consumer.email) == ("7", "TEA", "a@example.com")

    def test_ndjson(self, read: Any):
        (order,) = records(read(as_ndjson({"Invoice": 7, "sku": "TEA"}) * 2, order_number="Invoice"))
        assert order.order_number == "7"

    @pytest.mark.parametrize(
        ("mapping", "sentence"),
        [
            ({"invoice": "Invoice"}, "invoice: none of our columns"),
            ({"order_number": "Bill"}, "the file has no column Bill"),
        ],
    )
    def test_one_that_does_not_fit(self, write: Any, mapping: dict[str, str], sentence: str):
        file = SourceFile(write("Invoice,email\n1,a@example.com\n"), LIMITS)
        with pytest.raises(UnreadableFile, match=sentence):
            list(FORMAT.read(file, Options(read_mapping(json.dumps(mapping)))))

    def test_other_formats_take_none(self, write: Any):
        file = SourceFile(write("Invoice,email\n1,a@example.com\n"), LIMITS)
        with pytest.raises(UnreadableFile, match="Only the format generic takes a mapping"):
            find_format(file, Options(Mapping(columns={"order_number": "Invoice"})), "woocommerce_json")


def test_returns_and_lines_of_nothing_are_no_sales(read: Any):
    nameless = {"sku": "", "product_name": ""}
    items = read(as_csv(row("1", quantity="-3"), row("2") | nameless, row("3")))
    assert [item.reason for item in items if isinstance(item, Rejected)] == [
        "quantity is negative: a return is not taken as a sale",
        "a line has neither product_id, sku nor product_name",
    ]
    (empty,) = read(as_ndjson({"order_number": "4"}))
    assert isinstance(empty, Rejected)
    assert empty.reason == "the order has neither lines nor a total_amount"


def test_a_part_of_a_piece_costs_a_part(read: Any):
    (order,) = records(read(as_csv(row(quantity="2.5", unit_price="10.00"))))
    assert (order.lines[0].quantity, order.lines[0].total_price) == (3, Decimal("25.00"))
