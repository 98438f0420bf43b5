"""Shopify's bulk files and GraphQL answers: the same records as its REST answers give."""

import gc
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.ingest.formats import find_format, grouping
from app.ingest.formats.base import Options
from app.ingest.formats.grouping import Groups
from app.ingest.reading import SourceFile, UnreadableFile
from app.ingest.records import Item, OrderRecord, Parsed, Record, Rejected, Skipped
from tests.ingest import test_shopify_json as rest
from tests.ingest.conftest import LIMITS, Ingest, Rows
from tests.ingest.payloads import Payload, as_csv, as_ndjson, shopify_row

Write = Callable[[Any], Path]
Query = Callable[..., Awaitable[Rows]]


def gid(type_: str, id: int) -> str:
    return f"gid://shopify/{type_}/{id}"


def bag(amount: str, currency: str = "EUR") -> Payload:
    presentment = {"amount": "999.0", "currencyCode": "USD"}
    return {"shopMoney": {"amount": amount, "currencyCode": currency}, "presentmentMoney": presentment}


# The same records as the REST payloads of `rest`.


def address(**overrides: Any) -> Payload:
    return {
        "address1": "1 Main St", "city": "Leipzig", "country": "Germany", "countryCodeV2": "DE", "zip": "04109",
        "phone": "5",
    } | overrides  # fmt: skip


def customer(id: int = 77, **overrides: Any) -> Payload:
    return {
        "id": gid("Customer", id),
        "firstName": "Jane",
        "lastName": "Doe",
        "defaultEmailAddress": {"emailAddress": "Jane@Example.com"},
        "defaultPhoneNumber": None,
        "updatedAt": "2025-03-01T15:00:00Z",
        "defaultAddress": address(),
    } | overrides


def order(id: int = 5001, **overrides: Any) -> Payload:
    return {
        "id": gid("Order", id),
        "name": "#1001",
        "email": "jane@example.com",
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
        "cancelledAt": None,
        "createdAt": "2025-03-01T15:00:00Z",
        "processedAt": "2025-03-01T15:00:00Z",
        "updatedAt": "2025-03-01T15:00:00Z",
        "currencyCode": "EUR",
        "taxesIncluded": False,
        "test": False,
        "totalPriceSet": bag("27.4"),
        "totalDiscountsSet": bag("2.5"),
        "totalTaxSet": bag("0.0"),
        "totalTipReceivedSet": bag("0.0"),
        "totalShippingPriceSet": bag("4.9"),
        "customer": {"id": gid("Customer", 77), "firstName": "Jane", "lastName": "Doe", "email": "Jane@Example.com"},
        "billingAddress": None,
        "shippingAddress": None,
        "refunds": [],
    } | overrides


def child(parent: Payload, node: Payload) -> Payload:
    return node | {"__parentId": parent["id"]}


def line(number: int = 1, **overrides: Any) -> Payload:
    return {
        "id": gid("LineItem", number),
        "title": "Mug",
        "variantTitle": "Blue",
        "sku": "MUG-B",
        "quantity": 2,
        "currentQuantity": 0,
        "variant": {"id": gid("ProductVariant", 100)},
        "product": {"id": gid("Product", 10)},
        "originalUnitPriceSet": bag("12.5"),
    } | overrides


def product(**overrides: Any) -> Payload:
    return {"id": gid("Product", 10), "title": "Mug", "handle": "mug", "status": "ACTIVE"} | overrides


def variant(number: int = 100, colour: str = "Blue", **overrides: Any) -> Payload:
    return {
        "id": gid("ProductVariant", number),
        "title": colour,
        "sku": "MUG-B",
        "price": "12.50",
        "barcode": "40063",
        "inventoryQuantity": 3,
        "inventoryItem": {"tracked": True},
        "selectedOptions": [{"name": "Colour", "value": colour}],
        "updatedAt": "2025-03-01T15:00:00Z",
    } | overrides


RED = variant(101, "Red", sku="", inventoryItem={"tracked": False})


def bulk(*nodes: Payload) -> str:
    """As Shopify writes it, with its slashes escaped."""
    return as_ndjson(*nodes).replace("/", "\\/")


def read(path: Path) -> list[Item]:
    file = SourceFile(path, LIMITS)
    found, options = find_format(file, Options())
    assert found.name == "shopify_bulk_jsonl"
    return list(found.read(file, options))


def read_records(path: Path) -> list[Any]:
    items = read(path)
    records = [item.record for item in items if isinstance(item, Parsed)]
    assert len(records) == len(items), items
    return records


# The same as by REST

CITIES = ("Leipzig", "Bonn", "Berlin")


@pytest.mark.parametrize(
    ("nodes", "payload"),
    [
        ([order(), child(order(), line())], rest.order(customer=rest.customer(default_address=None))),
        (
            [
                order(
                    displayFinancialStatus="PARTIALLY_REFUNDED",
                    displayFulfillmentStatus="FULFILLED",
                    fulfillments=[{"displayStatus": "DELIVERED", "status": "SUCCESS"}],
                    customer=None,
                    phone="+49 1",
                    shippingAddress=address(firstName="Jo", lastName="Roe", address2="2nd floor", province="Saxony"),
                    billingAddress=address(firstName="Jo", lastName="Roe", country=None),
                    refunds=[{"id": gid("Refund", 9), "totalRefundedSet": bag("5.0")}],
                    totalTipReceivedSet=bag("1.0"),
                    currentTotalDutiesSet=bag("2.0"),
                    originalTotalDutiesSet=bag("3.0"),
                    totalRefundedSet=bag("5.0"),
                    taxesIncluded=True,
                    test=True,
                ),
                child(order(), line(name="Mug - Blue, large", variant=None)),
                child(order(), line(2, title="Gift wrap", variantTitle=None, sku=None, variant=None, product=None)),
                child(order(), {"id": gid("ShippingLine", 4), "originalPriceSet": bag("4.9")}),
            ],
            rest.order(
                financial_status="partially_refunded",
                fulfillment_status="fulfilled",
                fulfillments=[{"shipment_status": "delivered"}],
                customer=None,
                phone="+49 1",
                shipping_address={
                    "first_name": "Jo", "last_name": "Roe", "address1": "1 Main St", "address2": "2nd floor",
                    "province": "Saxony", "city": "Leipzig", "country": "Germany", "zip": "04109", "phone": "5",
                },
                billing_address={
                    "first_name": "Jo", "last_name": "Roe", "address1": "1 Main St", "city": "Leipzig",
                    "country": None, "country_code": "DE", "zip": "04109", "phone": "5",
                },
                refunds=[{"id": 9, "transactions": [{"kind": "refund", "status": "success", "amount": "5.00"}]}],
                total_tip_received="1.00",
                current_total_duties_set={"shop_money": {"amount": "2.00"}},
                taxes_included=True,
                test=True,
                line_items=[
                    rest.line(name="Mug - Blue, large", variant_id=None),
                    rest.line(name="Gift wrap", sku=None, variant_id=None, product_id=None, product_exists=False),
                ],
            ),
        ),
        ([customer()], rest.customer()),
        (
            [
                customer(addresses=[address(), address(city="Bonn")]),
                child(customer(), address(id=gid("MailingAddress", 3) + "?model_name=CustomerAddress", city="Berlin")),
            ],
            rest.customer(addresses=[rest.customer()["default_address"] | {"city": city} for city in CITIES]),
        ),
        ([product(), child(product(), variant()), child(product(), RED)], rest.product()),
    ],
    ids=["order", "refunded order", "customer", "customer with addresses", "product"],
)  # fmt: skip
def test_records_are_those_of_the_rest_answer(write: Write, nodes: list[Payload], payload: Payload):
    records = read_records(write(bulk(*nodes)))
    assert records == rest.read(write([payload]))
    assert records


@pytest.mark.parametrize(
    "nested", [lambda nodes: {"nodes": nodes}, lambda nodes: {"edges": [{"node": n} for n in nodes]}]
)
@pytest.mark.parametrize("wrap", [lambda a: {"data": a, "extensions": {}}, lambda a: [{"data": a}], lambda a: [a]])
def test_answers(write: Write, nested: Callable[[list[Payload]], Payload], wrap: Callable[[Payload], Any]):
    answer = {
        "orders": nested([order(lineItems=nested([line()]) | {"pageInfo": {"hasNextPage": False}})]),
        "products": nested([product(variants=nested([variant(), RED]))]),
    }
    flat = bulk(order(), child(order(), line()), product(), child(product(), variant()), child(product(), RED))
    assert read_records(write(wrap(answer))) == read_records(write(flat))


@pytest.mark.parametrize(
    "answer",
    [
        {"data": {"order": order()}},
        {"data": {"node": order()}},
        {"orders": {"nodes": [order()]}},
        {"orders": {"edges": [{"node": order()}]}},
        [order()],
        order(),
    ],
)
def test_answers_of_one_node(write: Write, answer: Any):
    (record,) = read_records(write(answer))
    assert (record.key, record.lines) == ("5001", [])


@pytest.mark.parametrize("answer", [{"data": {"orders": {"edges": []}}}, {"data": {"products": {"nodes": []}}}])
def test_an_empty_answer(write: Write, answer: Any):
    assert read(write(answer)) == []


def test_an_answer_that_was_cut_off_is_not_taken_for_the_whole_order(write: Write):
    cut = order(lineItems={"nodes": [line()], "pageInfo": {"hasNextPage": True}})
    (item,) = read(write({"data": {"orders": {"nodes": [cut, order(5002)]}}}))[:1]
    assert isinstance(item, Rejected)
    assert "lineItems" in item.reason


def test_rest_answers_are_left_to_their_own_format(write: Write):
    whole = rest.order(admin_graphql_api_id=gid("Order", 5001))
    assert isinstance(rest.read(write({"orders": [whole]}))[0], OrderRecord)


# Where the children stand


FAMILIES = [
    [order(1), child(order(1), line(11)), child(order(1), line(12, quantity=1))],
    [order(2), child(order(2), line(21, sku="X")), child(order(2), {"originalPriceSet": bag("3.0")})],
    [order(3)],
    [product(), child(product(), variant()), child(product(), RED)],
    [customer(), child(customer(), {"address1": "2 Side St", "city": "Bonn", "country": "Germany"})],
]


@st.composite
def interleaved(draw: st.DrawFn) -> list[Payload]:
    """The families in any mixture that keeps each one's own order."""
    turns = draw(st.permutations([number for number, family in enumerate(FAMILIES) for _ in family]))
    waiting: list[Iterator[Payload]] = [iter(family) for family in FAMILIES]
    return [next(waiting[turn]) for turn in turns]


@given(nodes=interleaved())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_children_may_stand_anywhere_below_their_parent(write: Write, nodes: list[Payload]):
    def by_key(records: list[Any]) -> dict[tuple[str, str], Record]:
        return {(record.kind, record.key): record for record in records}

    mixed = read_records(write(bulk(*nodes)))
    plain = read_records(write(bulk(*(node for family in FAMILIES for node in family))))
    assert len(plain) == 6
    assert by_key(mixed) == by_key(plain)
    parents = [node["id"].rsplit("/", 1)[1] for node in nodes if "/Order/" in node.get("id", "")]
    assert [record.key for record in mixed if isinstance(record, OrderRecord)] == parents


def test_the_look_up_on_disk_finds_what_memory_forgot(monkeypatch: pytest.MonkeyPatch, write: Write):
    monkeypatch.setattr(grouping, "REMEMBERED_PARENTS", 2)
    monkeypatch.setattr(grouping, "WAITING_BYTES", 500)
    numbers = range(1, 60)
    orders = [order(number) for number in numbers]
    lines = [
        child(order(number), line(number, quantity=number)) for number in sorted(numbers, key=lambda n: n * 7 % 60)
    ]
    records = read_records(write(bulk(*orders, *lines)))
    assert [(record.key, [sold.quantity for sold in record.lines]) for record in records] == [
        (str(number), [number]) for number in numbers
    ]


def test_an_order_told_of_twice_has_its_own_lines_each_time(write: Write):
    first, second = read_records(
        write(bulk(order(), child(order(), line()), order(name="#1"), child(order(), line(2, quantity=7))))
    )
    assert (first.order_number, [sold.quantity for sold in first.lines]) == ("#1001", [2])
    assert (second.order_number, [sold.quantity for sold in second.lines]) == ("#1", [7])


def test_an_order_among_those_of_a_customer(write: Write):
    bought = child(customer(), order())
    del bought["customer"]
    records = read_records(write(bulk(customer(), bought, child(order(), line()))))
    assert (records[1].consumer.kind, records[1].consumer.key, len(records[1].lines)) == ("consumer", "77", 1)


# What cannot be taken, or is left out


def test_what_is_no_record(write: Write):
    lines = [
        *bulk(order()).splitlines(),
        '{"id": "gid://shopify/Order/2",',
        *bulk(
            child(order(9), line()),
            child(product(id=gid("Product", 8)), variant()),
            {"id": gid("Collection", 1), "title": "All"},
            child({"id": gid("Collection", 1)}, {"id": gid("Metafield", 1), "key": "a"}),
            child(order(), {"id": gid("Metafield", 2), "key": "b"}),
            {"email": "jane@example.com"},
            product(),
        ).splitlines(),
        "7",
    ]
    items = read(write("\r\n".join(lines)))
    rejects = [(item.place, item.kind) for item in items if isinstance(item, Rejected)]
    assert rejects == [
        ("line 2", "unknown"), ("line 3", "order"), ("line 4", "product"), ("line 8", "unknown"),
        ("line 10", "unknown"),
    ]  # fmt: skip
    (broken, orphan, *_) = [item for item in items if isinstance(item, Rejected)]
    assert broken.raw == '{"id": "gid://shopify/Order/2",'
    assert "gid://shopify/Order/9, which does not stand above it" in orphan.reason
    skipped = [(item.place, item.rule) for item in items if isinstance(item, Skipped)]
    assert skipped == [("line 5", "not_imported"), ("line 9", "without_variants")]
    assert [(item.place, item.record.key) for item in items if isinstance(item, Parsed)] == [("line 1", "5001")]


@pytest.mark.parametrize(
    ("nodes", "field"),
    [
        ([order(totalTaxSet=bag("much")), child(order(), line()), child(order(), line(2))], "total_tax"),
        ([child(customer(), order(cancelledAt=None, createdAt="1 May", processedAt=None))], "processed_at"),
        ([product(), child(product(), RED), child(product(), variant(price="-1"))], "price"),
        ([product(variants={"edges": [{"node": RED}, {"node": variant(price="-1")}]})], "price"),
        ([customer(updatedAt="yesterday"), child(customer(), address(city="Bonn"))], "updated_at"),
    ],
)
def test_a_reject_can_be_read_again_by_itself(write: Write, nodes: list[Payload], field: str):
    (reject,) = [item for item in read(write(bulk(*nodes, order(5002)))) if isinstance(item, Rejected)]
    assert field in reject.reason
    (again,) = read(write(reject.raw))
    assert isinstance(again, Rejected)
    assert (again.kind, again.reason, json.loads(again.raw)) == (reject.kind, reject.reason, json.loads(reject.raw))
    mended = reject.raw
    for wrong, right in (("much", "0.00"), ("1 May", "2025-05-01"), ("-1", "12.50"), ("yesterday", "2025-05-01")):
        mended = mended.replace(f'"{wrong}"', f'"{right}"')
    (record,) = read_records(write(mended))
    if "Order" in nodes[0]["id"]:
        assert len(record.lines) == len(nodes) - 1
    if "Customer" in nodes[0]["id"]:
        assert [found.city for found in record.addresses] == ["Leipzig", "Bonn"]


async def test_a_file_of_them(ingest: Ingest):
    nodes = [order(), child(order(), line()), child(order(9), line()), {"id": gid("Location", 1)}, product()]
    report = await ingest(bulk(*nodes))
    assert (report.format, report.records_read, report.records_created) == ("shopify_bulk_jsonl", 4, 1)
    assert (report.records_rejected, report.records_skipped) == (1, 2)
    assert report.details["skipped"] == {"not_imported": 1, "without_variants": 1}


# Fields that a query left out


@pytest.mark.parametrize(
    ("overrides", "status", "word"),
    [
        ({"displayFulfillmentStatus": "PARTIALLY_FULFILLED", "displayFinancialStatus": "PENDING"}, "confirmed",
         "pending, partial"),
        ({"displayFulfillmentStatus": "RESTOCKED", "displayFinancialStatus": "REFUNDED"}, "cancelled",
         "refunded, restocked"),
        ({"displayFulfillmentStatus": "ON_HOLD"}, "confirmed", "paid"),
        ({"displayFinancialStatus": "EXPIRED"}, "pending", "expired"),
        ({"displayFinancialStatus": None, "displayFulfillmentStatus": None}, "pending", None),
        ({"cancelledAt": "2025-03-02T00:00:00Z"}, "cancelled", "cancelled, paid"),
        ({"displayFulfillmentStatus": "FULFILLED", "fulfillments": [{"displayStatus": "IN_TRANSIT"}]}, "shipped",
         "paid, fulfilled"),
    ],
)  # fmt: skip
def test_statuses(write: Write, overrides: Payload, status: str, word: str | None):
    (item,) = read(write(bulk(order(**overrides))))
    assert isinstance(item, Parsed)
    assert (item.record.status, item.record.source_status, list(item.warnings)) == (status, word, [])  # type: ignore[union-attr]


def test_an_unknown_status_is_told_of(write: Write):
    (item,) = read(write(bulk(order(displayFulfillmentStatus="TELEPORTED"))))
    assert isinstance(item, Parsed)
    assert isinstance(item.record, OrderRecord)
    assert (item.record.status, item.record.source_status) == ("confirmed", "paid, teleported")
    assert list(item.warnings) == ["an unknown fulfilment status was taken as not fulfilled"]


@pytest.mark.parametrize(
    ("overrides", "total", "refunded", "refunds"),
    [
        ({"refunds": None, "totalRefundedSet": bag("5.0")}, "27.40", Decimal("5.00"), 0),
        ({"refunds": [{"id": gid("Refund", 1)}], "totalRefundedSet": bag("5.0")}, "27.40", Decimal("5.00"), 0),
        ({"refunds": [], "totalRefundedSet": bag("5.0")}, "27.40", Decimal("5.00"), 0),
        ({"refunds": [], "totalRefundedSet": bag("0.0")}, "27.40", None, 0),
        ({"refunds": None}, "27.40", None, 0),
        ({"totalPriceSet": None, "currentTotalPriceSet": bag("22.4"), "refunds": None}, "22.40", None, 0),
        (
            {"totalPriceSet": None, "currentTotalPriceSet": bag("22.4"), "refunds": None,
             "totalRefundedSet": bag("5.0")},
            "27.40", Decimal("5.00"), 0,
        ),
        (
            {"totalPriceSet": None, "currentTotalPriceSet": bag("22.4"), "refunds": [
                {"id": gid("Refund", 1), "totalRefundedSet": bag("5.0")}]},
            "27.40", None, 1,
        ),
        (
            {"refunds": [{"id": gid("Refund", 1), "totalRefundedSet": bag("9.0"), "transactions": {"nodes": [
                {"kind": "REFUND", "status": "SUCCESS", "amountSet": bag("5.0")},
                {"kind": "REFUND", "status": "FAILURE", "amountSet": bag("4.0")}]}}]},
            "27.40", None, 1,
        ),
    ],
)  # fmt: skip
def test_refunds(write: Write, overrides: Payload, total: str, refunded: Decimal | None, refunds: int):
    (record,) = read_records(write(bulk(order(**overrides))))
    assert (record.total_amount, record.refunded_total) == (Decimal(total), refunded)
    assert [refund.amount for refund in record.refunds] == [Decimal("5.00")] * refunds


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ({"originalUnitPriceSet": bag("12.5"), "discountedUnitPriceSet": bag("10.0")}, ("12.50", "25.00")),
        ({"originalTotalSet": bag("25.0"), "discountedUnitPriceSet": bag("10.0")}, ("12.50", "25.00")),
        ({"discountedUnitPriceSet": bag("10.0")}, ("10.00", "20.00")),
    ],
)
def test_line_prices(write: Write, prices: Payload, expected: tuple[str, str]):
    bare = line()
    del bare["originalUnitPriceSet"], bare["id"]
    (record,) = read_records(write(bulk(order(), child(order(), bare | prices))))
    (sold,) = record.lines
    assert (sold.unit_price, sold.total_price) == tuple(map(Decimal, expected))


def test_bare_nodes(write: Write):
    bare = [{"id": gid("Order", 1)}, {"id": gid("Customer", 2)}, {"id": gid("ProductVariant", 3)}]
    bought, person, sold = read_records(write(bulk(*bare)))
    assert (bought.order_number, bought.lines, bought.total_amount, bought.status) == ("1", [], None, "pending")
    assert (person.key, person.email, person.name) == ("2", None, "")
    assert (sold.key, sold.name, sold.is_active, sold.alias, sold.stock_quantity) == (
        "3",
        "Product 3",
        True,
        None,
        None,
    )


def test_other_names_for_the_same(write: Write):
    whole = {"id": gid("Customer", 7), "displayName": "Jane Doe", "phone": "5", "email": "j@example.com"}
    nameless = {"id": gid("Customer", 8), "displayName": "j@example.com", "defaultPhoneNumber": {"phoneNumber": "6"}}
    records = read_records(
        write(
            bulk(
                whole,
                nameless,
                order(customer=whole, shippingAddress={"name": "Jo Roe"}),
                variant(sku=None, inventoryItem={"sku": "IN-STOCK"}, product=product(status="DRAFT")),
                variant(101, selectedOptions=None, title="Blue / Small", product=product(publishedAt=None)),
            )
        )
    )
    assert [(record.name, record.phone) for record in records[:2]] == [("Jane Doe", "5"), ("", "6")]
    assert (records[2].consumer.key, records[2].consumer.name) == ("7", "Jane Doe")
    draft, small = records[3:]
    assert (draft.sku, draft.is_active, draft.stock_quantity) == ("IN-STOCK", False, 3)
    assert (small.name, small.alias, small.is_active) == ("Mug - Blue / Small", "handle:mug|Blue|Small", True)


def test_money_of_another_currency_is_refused(write: Write):
    (item,) = read(write(bulk(order(totalPriceSet={"presentmentMoney": {"amount": "1.0", "currencyCode": "USD"}}))))
    assert isinstance(item, Rejected)
    assert "totalPriceSet has no shopMoney" in item.reason


def test_the_currency_of_the_total_serves(write: Write):
    (record,) = read_records(write(bulk(order(currencyCode=None, totalPriceSet=bag("1.0", "BDT")))))
    assert record.currency == "BDT"


# Through the database


COUNTS = """
    SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM products) AS products,
        (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM order_details) AS lines
"""


async def test_bulk_then_rest_then_export_duplicate_nothing(ingest: Ingest, query: Query):
    nodes = [product(), customer(), order(), child(order(), line()), child(product(), variant()), child(product(), RED)]
    assert (await ingest(bulk(*nodes))).records_created == 4
    answers = [rest.product(), rest.customer(), rest.order()]
    report = await ingest(answers)
    assert (report.records_created, report.records_updated) == (0, 0)
    export = as_csv(shopify_row(Id="5001", Lineitem_quantity="2", Lineitem_price="12.50", Total="27.40"))
    assert (await ingest(export)).records_created == 0
    assert await query(COUNTS) == [{"users": 1, "products": 2, "orders": 1, "lines": 1}]
    assert (await ingest(bulk(*nodes))).records_created == 0
    assert await query(COUNTS) == [{"users": 1, "products": 2, "orders": 1, "lines": 1}]


async def test_the_later_of_two_in_a_file_wins(ingest: Ingest, query: Query):
    report = await ingest(
        bulk(order(), child(order(), line()), order(totalPriceSet=bag("9.0")), child(order(), line()))
    )
    assert report.details["skipped"] == {"superseded": 1}
    assert await query("SELECT total_amount FROM orders") == [{"total_amount": Decimal("9.00")}]


async def test_a_refunded_total_without_refunds(ingest: Ingest, query: Query):
    await ingest(bulk(order(refunds=None, totalRefundedSet=bag("5.0")), child(order(), line())))
    assert await query("SELECT refunded_total, reconciles FROM orders") == [
        {"refunded_total": Decimal("5.00"), "reconciles": True}
    ]


# The groups on disk


def open_databases() -> list[str]:
    """Temporary files of SQLite's that this process holds; they are unlinked as soon as they are made."""
    found = []
    for each in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(each)
        except FileNotFoundError:  # the folder's own
            continue
        if "etilqs" in target:
            found.append(target)
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc to see open files in")


@needs_proc
@pytest.mark.parametrize("end", ["exhausted", "closed", "forgotten", "failed"])
def test_nothing_is_left_on_disk(write: Write, monkeypatch: pytest.MonkeyPatch, end: str):
    monkeypatch.setattr(grouping, "_SCHEMA", grouping._SCHEMA.replace(f"-{grouping.CACHE_KIB}", "-64"))
    orders = [order(number, note="x" * 1000) for number in range(2000)]
    if end == "failed":
        monkeypatch.setattr(grouping, "MAX_GROUP_BYTES", 4_000)
        orders[9]["note"] = "x" * 3_000
        orders[10:10] = [child(order(9), line(2))] * 3
    file = SourceFile(write(bulk(*orders)), LIMITS)
    items = find_format(file, Options())[0].read(file, Options())
    next(items)
    (database,) = open_databases()
    assert database.endswith("(deleted)")
    if end == "exhausted":
        assert len(list(items)) == 1999
    elif end == "closed":
        items.close()  # type: ignore[attr-defined]
    elif end == "failed":
        with pytest.raises(UnreadableFile, match="The record of line 10 and all that belongs to it is larger than"):
            list(items)
    del items
    gc.collect()
    assert open_databases() == []


def test_batches_are_read_in_whatever_thread_is_free(write: Write):
    file = SourceFile(write(bulk(order(), order(5002))), LIMITS)
    items = find_format(file, Options())[0].read(file, Options())
    for _ in range(2):
        with ThreadPoolExecutor(1) as thread:
            assert isinstance(thread.submit(next, items).result(), Parsed)


def test_a_query_of_few_fields(write: Write):
    first = {
        "id": gid("Order", 6280604516516), "name": "HCDEV#2611", "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED", "cancelledAt": None, "updatedAt": "2024-08-13T11:12:01Z",
        "currencyCode": "USD", "currentTotalPriceSet": bag("73.0", "USD"), "customer": None,
    }  # fmt: skip
    sold = {"id": gid("LineItem", 16015145861284), "sku": "WH09-XS-Green", "quantity": 1, "variant": None}
    (record,) = read_records(write(bulk(first, child(first, sold))))
    assert (record.key, record.currency, record.total_amount) == ("6280604516516", "USD", Decimal("73.00"))
    (bought,) = record.lines
    assert (bought.product_key, bought.sku, bought.name, bought.unit_price) == (
        None, "WH09-XS-Green", "WH09-XS-Green", None,
    )  # fmt: skip


def test_numbers_and_depths_that_json_has_no_room_for(write: Write):
    (record,) = read_records(write([order(note=10**30)]))
    assert record.key == "5001"
    deep: Payload = {}
    for _ in range(2000):
        deep = {"inner": deep}
    with Groups() as groups, pytest.raises(UnreadableFile, match="nested too deeply"):
        groups.add("1", "line 1", deep)
