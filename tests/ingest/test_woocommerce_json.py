"""WooCommerce's REST answers, without a database."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.ingest.formats.base import Options
from app.ingest.formats.woocommerce_json import FORMAT
from app.ingest.reading import SourceFile
from app.ingest.records import (
    AddressRecord,
    ConsumerRecord,
    Item,
    OrderRecord,
    Parsed,
    ProductRecord,
    RefundRecord,
    Rejected,
    Skipped,
)
from tests.ingest.conftest import LIMITS
from tests.ingest.payloads import (
    woo_address,
    woo_customer,
    woo_line,
    woo_order,
    woo_product,
    woo_refund,
    woo_variation,
)


@pytest.fixture
def read(write: Any) -> Any:
    def read(content: Any) -> list[Item]:
        return list(FORMAT.read(SourceFile(write(content), LIMITS), Options()))

    return read


def one(items: list[Item]) -> Any:
    (item,) = items
    assert isinstance(item, Parsed), item
    return item.record


def reason(items: list[Item]) -> str:
    (item,) = items
    assert isinstance(item, Rejected)
    return item.reason


class TestShapes:
    @pytest.mark.parametrize(
        "payload", [woo_customer(1), woo_product(1), woo_variation(2, 1), woo_order(1), woo_refund(5, 1)]
    )
    def test_each_kind_is_recognised_in_every_envelope(self, write: Any, payload: dict[str, Any]):
        for content in (payload, [payload], {"data": payload}, {"data": [payload]}, [[payload]], {"create": [payload]}):
            file = SourceFile(write(content), LIMITS)
            assert FORMAT.recognises(file, Options())
            assert isinstance(one(list(FORMAT.read(file, Options()))),
                              ConsumerRecord | ProductRecord | OrderRecord | RefundRecord)  # fmt: skip

    def test_a_batch_answer(self, read: Any):
        batch = {"create": [woo_product(1)], "update": [woo_product(2)], "delete": [woo_product(3)]}
        assert [(item.place, item.record.key) for item in read(batch)] == [("record 1.1", "1"), ("record 1.2", "2")]

    def test_what_is_no_record(self, read: Any):
        error = {"code": "rest_no_route", "message": "No route was found.", "data": {"status": 404}}
        assert reason(read(error)) == "an error of the store, not a record: No route was found."
        unknown = "neither an order, customer, product, variation nor refund of WooCommerce"
        for content in ([{"id": 7}], ["text"], [None], [3]):
            assert reason(read(content)) == unknown


class TestCustomer:
    def test_every_column(self, read: Any):
        billing = woo_address(address_1="1 Main St", address_2="Flat 2", city="Cox&#8217;s Bazar", state="BD-10",
                              postcode="4700", country="BD", phone=" 0171 ")  # fmt: skip
        found = one(read(woo_customer(9, "Jane@X.example", first_name="Tag &amp; Co", last_name="", billing=billing)))
        assert found == ConsumerRecord(
            kind=found.kind, key="9", email="jane@x.example", name="Tag & Co", phone="0171", via="account",
            updated_at=datetime(2025, 1, 1, 8, tzinfo=UTC),
            addresses=[AddressRecord(country="BD", city="Cox’s Bazar", district="BD-10",
                                     address="1 Main St, Flat 2, 4700", is_default=True)],
        )  # fmt: skip
        assert found.kind == "consumer"

    def test_equal_addresses_are_one(self, read: Any):
        home = woo_address(address_1="1 Main St", city="Dhaka", country="BD")
        assert len(one(read(woo_customer(9, billing=home, shipping=home))).addresses) == 1

    def test_gaps(self, read: Any):
        found = one(read(woo_customer(9, "", first_name="", last_name="", date_modified_gmt=None)))
        assert (found.email, found.name, found.phone, found.addresses) == (None, "", "", [])
        assert found.updated_at == datetime(2025, 1, 1, 8, tzinfo=UTC)

    def test_an_unusable_address_is_noted(self, read: Any):
        (item,) = read(woo_customer(9, "nobody"))
        assert item.warnings == ["an unusable e-mail address was left out"]


class TestProduct:
    def test_every_column(self, read: Any):
        found = one(
            read(
                woo_product(7, name="Bulk pencil &amp; eraser", price="", regular_price="12.5", manage_stock=True,
                            stock_quantity="3.7", global_unique_id="4006381333931")
            )
        )  # fmt: skip
        assert (found.kind, found.key, found.name, found.sku) == ("product", "7", "Bulk pencil & eraser", "SKU-7")
        assert (found.price, found.stock_quantity, found.barcode) == (Decimal("12.5"), 3, "4006381333931")
        assert (found.is_active, found.own_name, found.fallback_sku) == (True, True, "product-7")

    @pytest.mark.parametrize(
        ("status", "active"), [("publish", True), ("draft", False), ("private", False), ("trash", False)]
    )
    def test_active_is_published(self, read: Any, status: str, active: bool):
        assert one(read(woo_product(7, status=status))).is_active is active

    @pytest.mark.parametrize("manage_stock", [False, "parent", None])
    def test_stock_is_known_only_where_it_is_managed(self, read: Any, manage_stock: Any):
        assert one(read(woo_product(7, manage_stock=manage_stock, stock_quantity=5))).stock_quantity is None

    @pytest.mark.parametrize(
        ("overrides", "expected"),
        [
            ({"id": 0}, "the record has no id"),
            ({"price": "free"}, "price is not a number: free"),
            ({"price": "-1"}, "price is negative: -1"),
            ({"sku": "x" * 101}, "sku is longer than 100 characters"),
        ],
    )
    def test_rejected(self, read: Any, overrides: dict[str, Any], expected: str):
        assert reason(read(woo_product(7) | overrides)) == expected

    def test_variation(self, read: Any):
        options = [{"name": "Colour", "option": "Blue"}, {"name": "Logo", "option": "No"}]
        found = one(read(woo_variation(11, 10, attributes=options)))
        assert (found.parent_key, found.name, found.own_name) == ("10", "Blue, No", False)
        assert found.variant == "Colour: Blue, Logo: No"

    def test_a_variation_as_a_webhook_brings_it(self, read: Any):
        found = one(read(woo_product(11, type="variation", parent_id=10)))
        assert (found.parent_key, found.own_name) == ("10", False)

    def test_a_variation_without_a_parent(self, read: Any):
        variation = woo_variation(11, 10)
        del variation["_links"]
        assert reason(read(variation)) == "the variation does not say which product it belongs to"


class TestOrder:
    def test_every_column(self, read: Any):
        line = woo_line(22, 2, "24.00", variation_id=23, name="Ship &ndash; Black", price=9.99999, total="20.00")
        found = one(
            read(
                woo_order(45, number="A45", currency="bdt", line_items=[line], discount_total="4.00",
                          shipping_total="5.00", total_tax="1.80", total="26.30",
                          fee_lines=[{"total": "-1.50"}, {"total": "1.00"}], refunds=[{"id": 60, "total": "-10.00"}])
            )
        )  # fmt: skip
        assert (found.kind, found.key, found.order_number, found.currency) == ("order", "45", "A45", "BDT")
        assert (found.status, found.source_status) == ("confirmed", "processing")
        assert found.placed_at == datetime(2025, 2, 1, 10, tzinfo=UTC)
        assert (found.total_amount, found.discount_total, found.shipping_total, found.tax_total, found.fee_total) == (
            Decimal("26.30"), Decimal(4), Decimal(5), Decimal("1.80"), Decimal("-0.50"),
        )  # fmt: skip
        (sold,) = found.lines
        assert (sold.product_key, sold.sku, sold.name, sold.quantity) == ("23", "SKU-22", "Ship – Black", 2)
        assert (sold.unit_price, sold.total_price, sold.product_exists) == (Decimal(12), Decimal(24), True)
        (refund,) = found.refunds
        assert (refund.key, refund.order_key, refund.amount) == ("60", "45", Decimal(10))

    @pytest.mark.parametrize(
        ("status", "completed", "ours"),
        [
            ("pending", None, "pending"),
            ("on-hold", None, "pending"),
            ("processing", None, "confirmed"),
            ("completed", "2025-02-02T00:00:00", "delivered"),
            ("cancelled", "2025-02-02T00:00:00", "cancelled"),
            ("failed", None, "cancelled"),
            ("trash", None, "cancelled"),
            ("refunded", None, "cancelled"),
            ("refunded", "2025-02-02T00:00:00", "delivered"),
            ("wc-completed", None, "delivered"),
        ],
    )
    def test_statuses(self, read: Any, status: str, completed: str | None, ours: str):
        found = one(read(woo_order(1, status=status, date_completed_gmt=completed)))
        assert (found.status, found.source_status) == (ours, status.removeprefix("wc-"))

    def test_a_status_of_the_stores_own(self, read: Any):
        (item,) = read(woo_order(1, status="ready-pickup"))
        assert (item.record.status, item.record.source_status, item.warnings) == (None, "ready-pickup", [])

    @pytest.mark.parametrize("status", ["checkout-draft", "auto-draft"])
    def test_an_unfinished_cart_is_skipped(self, read: Any, status: str):
        assert read(woo_order(1, status=status)) == [Skipped("record 1", "unfinished_cart")]

    def test_whose_it_is(self, read: Any):
        account = one(read(woo_order(1, customer_id=7))).consumer
        guest = one(read(woo_order(1, email="G@Example.com"))).consumer
        nobody = one(read(woo_order(1, email=""))).consumer
        assert [(found.kind, found.key) for found in (account, guest, nobody)] == [
            ("consumer", "7"), ("guest", "g@example.com"), ("anonymous", "1"),
        ]  # fmt: skip

    def test_a_line_whose_product_is_gone(self, read: Any):
        (line,) = one(read(woo_order(1, line_items=[woo_line(0, sku=None, name="Gone")]))).lines
        assert (line.product_key, line.sku, line.product_exists) == (None, None, False)

    def test_a_line_with_a_negative_amount_is_a_fee(self, read: Any):
        (item,) = read(woo_order(1, line_items=[woo_line(), woo_line(2, 1, "-3.00")]))
        assert (len(item.record.lines), item.record.fee_total) == (1, Decimal(-3))
        assert item.warnings == ["a line with a negative amount was taken as a fee"]

    def test_gaps(self, read: Any):
        (line,) = one(read(woo_order(1, line_items=[{"id": 1}]))).lines
        assert (line.name, line.quantity, line.unit_price, line.total_price) == ("Unnamed product", 1, None, None)

    @pytest.mark.parametrize(
        ("overrides", "expected"),
        [
            ({"id": 0}, "the record has no id"),
            ({"total": "a lot"}, "total is not a number: a lot"),
            ({"currency": "Taka"}, "currency is not an ISO 4217 code: TAKA"),
            ({"discount_total": "-1"}, "discount_total is negative: -1"),
            ({"date_created_gmt": "01/02/2025"}, "date_created is not an ISO 8601 date: 01/02/2025"),
        ],
    )
    def test_rejected(self, read: Any, overrides: dict[str, Any], expected: str):
        assert reason(read(woo_order(1) | overrides)).startswith(expected)


class TestRefund:
    def test_its_order_is_in_its_link(self, read: Any):
        found = one(read(woo_refund(5, 213, "9.00")))
        assert (found.key, found.order_key, found.amount) == ("5", "213", Decimal(9))

    def test_or_in_its_parent_id(self, read: Any):
        assert one(read(woo_refund(5, 1, _links={}, parent_id=213))).order_key == "213"

    def test_without_either(self, read: Any):
        assert reason(read(woo_refund(5, 1, _links={}))) == "the refund does not say which order it belongs to"
