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
from app.ingest.records import (
    AddressRecord,
    ConsumerRecord,
    Item,
    OrderRecord,
    Parsed,
    ProductRecord,
    Rejected,
    ReturnRecord,
    Skipped,
)
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


def test_an_unknown_status_is_left_open(read: Any):
    (item,) = read(as_csv(row(status="lost")))
    assert (item.record.status, item.record.source_status, item.warnings) == (None, "lost", [])


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


@pytest.fixture
def read_by(write: Any) -> Any:
    """`read_by(mapping, content)`, with further options by name."""

    def read_by(mapping: dict[str, Any], content: Any, **options: Any) -> list[Item]:
        return list(FORMAT.read(SourceFile(write(content), LIMITS), Options(Mapping(**mapping), **options)))

    return read_by


def lines(items: list[Item]) -> list[dict[str, int]]:
    return [dict(item.lines or {}) for item in items]


class TestRowsThatStandApart:
    def test_they_are_one_order_behind_the_others(self, read: Any):
        rows = [row("1", sku="A"), row("2"), row("1", sku="B"), row("1", sku="C"), row("3"), row("1", sku="D")]
        items = read(as_csv(*rows))
        assert [item.place for item in items] == ["row 3", "row 6", "row 2, row 4 to row 5, row 7"]
        assert [line.sku for line in records(items)[2].lines] == ["A", "B", "C", "D"]

    def test_a_bad_one_rejects_the_whole_order(self, read: Any):
        (two, one) = read(as_csv(row("1"), row("2"), row("1", unit_price="x")))
        assert isinstance(two, Parsed)
        assert isinstance(one, Rejected)
        assert [each["unit_price"] for each in json.loads(one.raw)] == ["3.00", "x"]

    def test_more_than_memory_is_for(self, read: Any):
        long = "x" * 500_000
        numbers = [str(number) for number in range(25)] * 2
        found = records(read(as_csv(*[row(number, note=long, sku=f"S{number}") for number in numbers])))
        assert [(order.order_number, len(order.lines)) for order in found] == [(number, 2) for number in numbers[:25]]
        assert all({line.sku for line in order.lines} == {f"S{order.order_number}"} for order in found)

    def test_ndjson(self, read: Any):
        flat = {"order_number": 1, "sku": "A", "unit_price": 1.5}
        whole = {"order_number": 2, "lines": [{"sku": "C", "unit_price": 2}]}
        found = records(read(as_ndjson(flat, whole, flat | {"sku": "B"}, whole)))
        assert [[line.sku for line in order.lines] for order in found] == [["C"], ["C"], ["A", "B"]]

    def test_rows_without_a_number_are_rejected_each(self, read: Any):
        items = read(as_csv(row(""), row(""), row("1"), row("")))
        assert [item.place for item in items if isinstance(item, Rejected)] == ["row 2", "row 3", "row 5"]


class TestDefaults:
    def test_blank_and_absent_cells_are_filled(self, read_by: Any):
        defaults = {"status": "delivered", "currency": "gbp", "product_name": "Tea"}
        items = read_by({"defaults": defaults}, as_csv(row("1", sku="", status=""), row("2", status="paid")))
        first, second = records(items)
        assert (first.status, first.currency, first.lines[0].name) == ("delivered", "GBP", "Tea")
        assert second.status == "confirmed"

    def test_a_cell_further_down_in_the_order_counts_before_them(self, read_by: Any):
        content = as_csv(row("1", status=""), row("1", status="shipped"))
        (order,) = records(read_by({"defaults": {"status": "delivered"}}, content))
        assert order.status == "shipped"

    def test_a_row_without_a_line_item_gets_none(self, read_by: Any):
        blank = {"sku": "", "quantity": "", "unit_price": ""}
        (item,) = read_by({"defaults": {"product_name": "CD"}}, as_csv(row("1"), row("1") | blank))
        assert len(item.record.lines) == 1
        assert item.lines == {"taken": 2}

    def test_products_consumers_and_nested_lines(self, read_by: Any):
        defaults = {"unit_price": "2.00", "city": "Leipzig"}
        content = as_ndjson(
            {"sku": "A", "product_name": "X"},
            {"email": "a@example.com"},
            {"order_number": 1, "is_test": False, "lines": [{"sku": "A"}, {"sku": "B", "unit_price": 0}]},
        )
        product, consumer, order = records(read_by({"defaults": defaults}, content))
        assert product.price == Decimal(2)
        assert consumer.addresses[0].city == "Leipzig"
        assert [line.total_price for line in order.lines] == [Decimal(2), Decimal(0)]


class TestLayout:
    def test_a_file_without_a_header_separated_by_blanks(self, read_by: Any):
        mapping = {"header": ["customer_id", "sku", "unit_price", "order_number"], "delimiter": "whitespace"}
        (order,) = records(read_by(mapping, "  007  TEA   2.50 1\n"))
        assert (order.consumer.key, order.lines[0].sku, order.order_number) == ("007", "TEA", "1")

    def test_names_of_the_header_given_may_be_mapped(self, read_by: Any):
        mapping = {"header": ["Bill", "Item"], "delimiter": ";", "columns": {"order_number": "Bill", "sku": "Item"}}
        (order,) = records(read_by(mapping, "1;TEA\n"))
        assert (order.order_number, order.lines[0].sku) == ("1", "TEA")

    @pytest.mark.parametrize("where", ["mapping", "options"])
    def test_dates_and_numbers_of_a_spreadsheet(self, read_by: Any, where: str):
        style = {"dayfirst": True, "decimal_comma": True}
        given = {"placed_at": "03/04/2026 9:05", "unit_price": "1.234,50", "updated_at": "4/4/2026"}
        mapping, options = (style, {}) if where == "mapping" else ({}, style)
        items = read_by(mapping, as_csv(row("1", **given), row("2", **given, quantity="x"), delimiter=";"), **options)
        (order,) = records(items[:1])
        assert order.placed_at == datetime(2026, 4, 3, 9, 5, tzinfo=UTC)
        assert order.updated_at == datetime(2026, 4, 4, tzinfo=UTC)
        assert order.lines[0].unit_price == Decimal("1234.5")
        assert isinstance(items[1], Rejected)
        assert json.loads(items[1].raw)["unit_price"] == "1.234,50"  # as the file has it

    def test_nested_lines_are_read_the_same_way(self, read_by: Any):
        content = as_ndjson({"Bill": 1, "lines": [{"Item": "TEA", "unit_price": "1,50"}]})
        mapping = {"columns": {"order_number": "Bill", "sku": "Item"}, "decimal_comma": True}
        (order,) = records(read_by(mapping, content))
        assert (order.lines[0].sku, order.lines[0].total_price) == ("TEA", Decimal("1.5"))

    @pytest.mark.parametrize(("given", "day"), [("19970101", 1), ("1997-01-31", 31)])
    def test_compact_dates(self, read: Any, given: str, day: int):
        (order,) = records(read(as_csv(row(placed_at=given))))
        assert order.placed_at == datetime(1997, 1, day, tzinfo=UTC)

    def test_columns_that_are_read(self):
        options = Options(Mapping(columns={"order_number": "Bill", "sku": "status"}))
        names = ["Bill", "order_number", "status", "email", "Colour", "sku"]
        assert [name for name in names if FORMAT.reads_column(name, options)] == ["Bill", "status", "email"]
        assert FORMAT.reads_column("order_number", Options())


class TestIds:
    def test_those_of_a_column_of_floats_and_those_kept_as_text(self, read: Any):
        content = as_csv(
            row(order_id="77.0", customer_id="13085.0", product_id="5.0", sku="'0012"),
            row("'2", order_id="'78", customer_id="'7210448301122", product_id="1.50", phone="'0171", sku="12.0"),
        )
        first, second = records(read(content))
        assert (first.key, first.consumer.key, first.lines[0].product_key) == ("77", "13085", "5")
        assert (second.key, second.consumer.key, second.lines[0].product_key) == ("78", "7210448301122", "1.50")
        assert (second.order_number, second.consumer.phone) == ("2", "0171")
        assert [order.lines[0].sku for order in (first, second)] == ["0012", "12.0"]

    @pytest.mark.parametrize("name", ["customer_id", "order_id", "order_number", "product_id"])
    def test_one_that_has_lost_its_digits_is_refused(self, read: Any, name: str):
        (item,) = read(as_csv(row(**{name: "4.55482E+12"}) if name != "order_number" else row("4.55482E+12")))
        assert isinstance(item, Rejected)
        assert item.reason.startswith(f"{name} is 4.55482E+12: a spreadsheet rounded it.")


CODES = {"shipping": ["POST", "C2"], "fee": ["M"], "discount": ["D"], "skipped": ["TEST"]}


class TestCodes:
    def test_they_are_parts_of_the_ledger(self, read_by: Any):
        items = read_by({"codes": CODES}, as_csv(
            row("1", shipping_total="1.00"),
            row("1", sku="post", quantity="2", unit_price="1.005"),
            row("1", sku="'C2", quantity="1", unit_price="0.50"),
            row("1", sku="M", quantity="1", unit_price="-0.125"),
            row("1", sku="D", quantity="1", unit_price="0", total_price="1.50"),
            row("1", sku="TEST", quantity="1", unit_price="99"),
        ))  # fmt: skip
        (order,) = records(items)
        assert [line.sku for line in order.lines] == ["TEA"]
        assert (order.shipping_total, order.fee_total) == (Decimal("3.51"), Decimal("-0.13"))
        assert (order.discount_total, order.total_amount) == (Decimal("1.5"), None)
        assert lines(items) == [{"taken": 1, "shipping": 2, "fee": 1, "discount": 1, "no_sale": 1}]

    @pytest.mark.parametrize("given", [{"quantity": "-2"}, {"unit_price": "-3.00"}, {"quantity": "2"}])
    @pytest.mark.parametrize("prefix", [None, "C"])
    def test_a_discount_is_one_whatever_its_sign(self, read_by: Any, given: dict[str, str], prefix: str | None):
        content = as_csv(row("1"), row("1", sku="D") | given)
        (order,) = records(read_by({"codes": CODES, "return_prefix": prefix}, content))
        assert order.discount_total == Decimal(6)

    def test_an_invoice_of_charges_alone_is_an_order(self, read_by: Any):
        items = read_by(
            {"codes": CODES}, as_csv(row("1", sku="POST"), row("2", sku="M", unit_price="-1", quantity="0"))
        )
        (order,) = records(items[:1])
        assert (order.lines, order.shipping_total) == ([], Decimal(6))
        assert isinstance(items[1], Skipped)
        assert (items[1].rule, items[1].lines) == ("no_sale", {"fee": 1})

    def test_an_invoice_of_no_sale_is_left_out(self, read_by: Any):
        (item,) = read_by({"codes": CODES}, as_csv(row("1", sku="TEST"), row("1", sku="test", unit_price="-5")))
        assert isinstance(item, Skipped)
        assert (item.rule, item.place, item.lines) == ("no_sale", "row 2 to row 3", {"no_sale": 2})

    @pytest.mark.parametrize(
        ("charge", "reason"),
        [
            ({"sku": "D", "unit_price": "3.01"}, "the order's total would be negative: -0.02"),
            ({"sku": "M", "unit_price": "-4"}, "the order's total would be negative: -2.00"),
            ({"sku": "POST", "unit_price": "-1"}, "the order's shipping would be negative: -2.00"),
            ({"sku": "M", "unit_price": "x"}, "unit_price is not a number: x"),
            ({"sku": "CUP", "unit_price": "-1"}, "unit_price is negative: -1"),
        ],
    )
    def test_what_cannot_be(self, read_by: Any, charge: dict[str, str], reason: str):
        (item,) = read_by({"codes": CODES}, as_csv(row("1"), row("1") | charge))
        assert isinstance(item, Rejected)
        assert (item.reason, item.lines) == (reason, {"rejected": 2})

    def test_a_total_that_the_file_gives_is_kept(self, read_by: Any):
        (order,) = records(
            read_by({"codes": CODES}, as_csv(row("1", total_amount="0"), row("1", sku="D", quantity="9")))
        )
        assert (order.total_amount, order.discount_total) == (Decimal(0), Decimal(27))


class TestReturns:
    RULES = {"return_prefix": "C", "codes": CODES}  # noqa: RUF012 — nothing changes it

    def test_left_out(self, read_by: Any):
        content = as_csv(
            row("1"), row("1", sku="CUP", quantity="-1"), row("1", sku="PEN", quantity="0"),
            row("c2"), row("C2", sku="M"),
            row("3", quantity="-1"), row("3", sku="TEST"),
        )  # fmt: skip
        items = read_by(self.RULES, content)
        order, *rest = items
        assert [line.sku for line in order.record.lines] == ["TEA"]
        assert [(item.rule, item.lines) for item in rest if isinstance(item, Skipped)] == [
            ("return", {"return": 1}), ("return", {"return": 1}), ("return", {"return": 1, "no_sale": 1}),
        ]  # fmt: skip
        assert order.lines == {"taken": 1, "return": 2}

    @pytest.mark.parametrize("prefix", [None, ""])
    def test_without_a_prefix_nothing_is_one(self, read_by: Any, prefix: str | None):
        sold, bad = read_by({"return_prefix": prefix}, as_csv(row("C1"), row("2", quantity="-1")), returns="refund")
        assert isinstance(sold, Parsed)
        assert bad.reason == "quantity is negative: a return is not taken as a sale"

    def test_as_records_behind_all_orders(self, read_by: Any):
        content = as_csv(
            row("C9", customer_id="7.0", placed_at="2026-02-01", sku="CUP", quantity="-3", unit_price="0.335"),
            row("C9", customer_id="7.0", placed_at="2026-02-02", sku="CUP", quantity="-3", unit_price="0.335"),
            row("C9", customer_id="7.0", placed_at="2026-02-01", sku="POST", quantity="-1", unit_price="4"),
            row("1", placed_at="2026-01-01"), row("1", placed_at="2026-01-05", sku="PEN", quantity="-1"),
        )  # fmt: skip
        items = read_by(self.RULES, content, returns="refund")
        assert lines(items) == [{"taken": 1}, *[{"return": 1}] * 4]
        found: list[ReturnRecord] = records(items[1:])
        assert [(each.key, each.placed_at.day, each.sku, each.amount) for each in found] == [
            ("C9:CUP:1", 1, "CUP", Decimal("1.01")), ("C9:CUP:2", 2, "CUP", Decimal("1.01")),
            ("C9:POST:1", 1, None, Decimal(4)), ("1:PEN:1", 5, "PEN", Decimal(3)),
        ]  # fmt: skip
        assert [item.place for item in items[1:]] == ["row 2", "row 3", "row 4", "row 6"]
        assert {(each.consumer_kind, each.consumer_key) for each in found} == {
            ("consumer", "7"), ("guest", "a@example.com"),
        }  # fmt: skip

    def test_one_reject_tells_all_rows_of_its_order(self, read_by: Any):
        content = as_csv(
            row("C1", sku="A", placed_at="2026-02-01"), row("C1", sku="B", unit_price="x"), row("C1", sku="C")
        )
        first, third, bad = read_by(self.RULES, content, returns="refund")
        assert bad.lines == {"rejected": 1}
        assert [each.record.key for each in (first, third)] == ["C1:A:1", "C1:C:1"]
        assert (bad.place, bad.kind, bad.reason) == ("row 3", "return", "unit_price is not a number: x")
        assert [each["sku"] for each in json.loads(bad.raw)] == ["A", "B", "C"]

    def test_those_of_a_rejected_order_wait_with_it(self, read_by: Any):
        content = as_csv(row("1", placed_at="2026-01-01", unit_price="x"), row("1", sku="A", quantity="-1"))
        (item,) = read_by(self.RULES, content, returns="refund")
        assert isinstance(item, Rejected)
        assert item.lines == {"rejected": 2}

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ({"placed_at": ""}, "the return has no placed_at, so that nobody knows what was bought before it"),
            ({"unit_price": ""}, "the return has neither unit_price nor total_price"),
        ],
    )
    def test_what_a_return_needs(self, read_by: Any, given: dict[str, str], reason: str):
        (item,) = read_by(self.RULES, as_csv(row("C1", placed_at="2026-01-01") | given), returns="refund")
        assert item.reason == reason

    def test_what_is_left_of_an_order_of_returns(self, read_by: Any):
        content = as_csv(row("1", placed_at="2026-01-01", quantity="-1"), row("1", sku="TEST"))
        left, returned = read_by(self.RULES, content, returns="refund")
        assert (left.rule, left.lines, returned.lines) == ("no_sale", {"no_sale": 1}, {"return": 1})


class TestNumberTemplate:
    def test_each_row_is_an_order(self, read_by: Any):
        content = as_csv(*[{"customer_id": "7", "placed_at": "20260101", "sku": "TEA", "unit_price": "1"}] * 2)
        found = records(read_by({"number_template": "{customer_id}/{placed_at}-{row}"}, content))
        assert [order.order_number for order in found] == ["7/20260101-2", "7/20260101-3"]

    def test_unless_numbers_coincide(self, read_by: Any):
        bought = [{"Who": who, "placed_at": "20260101", "sku": "TEA", "unit_price": "1"} for who in ("7", "8", "7", "")]
        mapping = {"number_template": "{customer_id}-{placed_at}", "columns": {"customer_id": "Who"}}
        one, nobody, apart = read_by(mapping, as_csv(*bought))
        assert [(order.order_number, len(order.lines)) for order in records([one, apart])] == [
            ("8-20260101", 1), ("7-20260101", 2),
        ]  # fmt: skip
        assert isinstance(nobody, Rejected)
        assert nobody.reason == "order_number is blank"

    def test_a_number_of_the_files_own_counts_before_it(self, read_by: Any):
        content = as_csv(row("A"), row(""))
        found = records(read_by({"number_template": "R{row}"}, content))
        assert [order.order_number for order in found] == ["A", "R3"]


class TestAccounting:
    def test_prices_are_rounded_half_up_and_totals_of_the_exact_price(self, read: Any):
        content = as_csv(row("1", unit_price="0.001", quantity="1"), row("2", unit_price="0.125", quantity="3"))
        found = [order.lines[0] for order in records(read(content))]
        assert [(line.unit_price, line.total_price) for line in found] == [
            (Decimal(0), Decimal(0)),
            (Decimal("0.13"), Decimal("0.38")),
        ]

    def test_equal_rows_are_lines_of_their_own(self, read: Any):
        (item,) = read(as_csv(row("1"), row("1")))
        assert len(item.record.lines) == 2
        assert item.lines == {"taken": 2}

    def test_nested_lines_count(self, read_by: Any):
        sold = {"sku": "A", "unit_price": 1}
        content = as_ndjson(
            {"order_number": 1, "lines": [sold, sold, sold | {"quantity": -1}]},
            {"order_number": 2, "lines": [sold, {"sku": "B", "unit_price": "x"}]},
            {"order_number": 3, "sku": "A"},
            {"email": "a@example.com"},
        )
        assert lines(read_by({"return_prefix": "C"}, content)) == [
            {"taken": 2, "return": 1}, {"rejected": 2}, {"taken": 1}, {},
        ]  # fmt: skip


def test_what_is_not_read_is_named(read: Any):
    order = {"order_number": "1", "lines": [{"sku": "A", "unit_price": 1, "quantiy": 2}], "note": "x"}
    (item,) = read(as_ndjson(order))
    assert isinstance(item, Parsed)
    assert item.warnings == ["the key 'note' is not read", "the key 'quantiy' is not read"]


def test_two_columns_of_one_name_that_are_read(write: Any):
    file = SourceFile(write("order_number,sku,sku,note,note\n1,A,B,x,y\n"), LIMITS)
    with pytest.raises(UnreadableFile, match="Two columns are called sku"):
        list(FORMAT.read(file, Options()))


def test_an_id_alone_is_no_consumer(write: Any):
    file = SourceFile(write([{"id": 509, "customer_id": 0}]), LIMITS)
    with pytest.raises(UnreadableFile, match="JSON with the keys id, customer_id"):
        find_format(file, Options())


@pytest.mark.parametrize("name", ["is_test", "tax_included"])
def test_a_word_that_is_neither_true_nor_false(read: Any, name: str):
    (item,) = read(as_csv(row("1", **{name: "wahr"})))
    assert item.reason == f"{name} is neither true nor false: wahr"
    assert getattr(records(read(as_csv(row("1", **{name: "TRUE"}))))[0], name) is True


def test_a_reason_names_the_column_that_is_wrong(read: Any):
    (item,) = read(as_csv(row("1", placed_at="31/04/2026")))
    assert item.reason.startswith("placed_at is not an ISO 8601 date: 31/04/2026")
