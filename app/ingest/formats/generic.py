"""The format for a website of no known platform: CSV, or NDJSON with the same names, one canonical column each.

A file with `order_number` holds order lines, one a row; one with `product_name` or `sku` and a price holds
products; one with `email` or `customer_id` holds consumers. NDJSON may also give an order whole, with its `lines`
in a list, and may mix the three. docs/importing.md lists every column.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from app.ingest import values
from app.ingest.formats.base import Format, Options, as_text, parse, require_columns
from app.ingest.mapping import CONSUMER_COLUMNS, LINE_COLUMNS
from app.ingest.reading import BadLine, Source, UnreadableFile
from app.ingest.records import (
    AddressRecord,
    ConsumerRecord,
    Item,
    LineRecord,
    OrderRecord,
    ProductRecord,
    Record,
    Rejected,
)
from app.ingest.values import BadRecord, Notes
from app.orders.models import OrderStatus
from app.websites.models import SourceKind

Row = dict[str, Any]
ZERO = Decimal(0)
TITLE = "generic file"

STATUSES = {
    "": OrderStatus.PENDING,
    "pending": OrderStatus.PENDING,
    "on-hold": OrderStatus.PENDING,
    "confirmed": OrderStatus.CONFIRMED,
    "paid": OrderStatus.CONFIRMED,
    "processing": OrderStatus.CONFIRMED,
    "shipped": OrderStatus.SHIPPED,
    "fulfilled": OrderStatus.SHIPPED,
    "delivered": OrderStatus.DELIVERED,
    "completed": OrderStatus.DELIVERED,
    "cancelled": OrderStatus.CANCELLED,
    "canceled": OrderStatus.CANCELLED,
    "failed": OrderStatus.CANCELLED,
    "refunded": OrderStatus.CANCELLED,
}


def find_kind(columns: Iterable[str]) -> str | None:
    names = set(columns)
    if "order_number" in names or ("order_id" in names and names & (LINE_COLUMNS | {"lines"})):
        return "order"
    if names & {"sku", "product_name", "product_id"} and names & {"price", "unit_price"}:
        return "product"
    if names & {"email", "customer_id"}:
        return "consumer"
    return None


def recognises(file: Source, options: Options) -> bool:
    if file.is_json:
        _place, first = next(file.values(), ("", None))
        return isinstance(first, dict) and find_kind(_renamed(first, options)) is not None
    return find_kind(_renamed(dict.fromkeys(file.header()), options)) is not None


def read(file: Source, options: Options) -> Iterator[Item]:
    _check_mapping(file, options)
    if not file.is_json:
        columns = _renamed(dict.fromkeys(file.header()), options)
        if find_kind(columns) is None:
            require_columns(file, {_columns(options).get("order_number", "order_number")}, TITLE)
    group: list[tuple[str, Row]] = []
    for place, given in _rows(file):
        row = _renamed(given, options) if isinstance(given, dict) else None
        joins = row is not None and _is_order_row(row)
        if group and not (row is not None and joins and _order_key(row) == _order_key(group[0][1])):
            yield _parse_order(group)
            group = []
        if row is None:
            reason = str(given) if isinstance(given, BadLine) else "not an object"
            yield Rejected(place, "unknown", reason, as_text(given))
        elif joins:
            group.append((place, row))
        elif find_kind(row) == "order":
            yield _parse_order([(place, row)])
        else:
            yield _parse_other(place, row)
    if group:
        yield _parse_order(group)


def _columns(options: Options) -> dict[str, str]:
    return options.mapping.columns if options.mapping else {}


def _check_mapping(file: Source, options: Options) -> None:
    header = None if file.is_json else set(file.header())
    absent = sorted(set(_columns(options).values()) - header) if header is not None else []
    if absent:
        faults = [f"the file has no column {name}" for name in absent]
        raise UnreadableFile(
            f"The mapping does not fit: {'; '.join(faults)}.", HTTPStatus.UNPROCESSABLE_ENTITY, field="mapping"
        )


def _is_order_row(row: Row) -> bool:
    """One of possibly several rows of an order; an order that brings its `lines` along is a whole one."""
    return find_kind(row) == "order" and not isinstance(row.get("lines"), list)


def _rows(file: Source) -> Iterator[tuple[str, Any]]:
    if file.is_json:
        yield from file.values()
    else:
        for number, row in file.rows():
            yield f"row {number}", row


def _renamed(row: Row, options: Options) -> Row:
    """Canonical names in place of the file's. Where a name has a mapping, the file's own column of it is not read."""
    columns = _columns(options)
    if not columns:
        return row
    renamed = {name: value for name, value in row.items() if name not in columns}
    return renamed | {name: row[column] for name, column in columns.items() if column in row}


def _order_key(row: Row) -> tuple[str, str]:
    return values.text(row.get("order_id")), values.text(row.get("order_number"))


def _parse_order(group: list[tuple[str, Row]]) -> Item:
    rows = [row for _, row in group]
    first, last = group[0][0], group[-1][0]
    place = first if first == last else f"{first} to {last}"
    return parse(place, "order", rows if len(rows) > 1 else rows[0], lambda notes: _build_order(rows, notes))


def _parse_other(place: str, row: Row) -> Item:
    def build(notes: Notes) -> Record:
        match find_kind(row):
            case "product":
                return _build_product(row, notes)
            case "consumer":
                return _build_consumer(row, notes)
        raise BadRecord("neither an order line, a product nor a consumer: none of their columns is there")

    return parse(place, "record", row, build)


def _build_order(rows: list[Row], notes: Notes) -> OrderRecord:
    def first(name: str) -> Any:
        return next((row[name] for row in rows if values.text(row.get(name)) or row.get(name) is True), None)

    number = values.key(first("order_number") or first("order_id"), "order_number")
    if not number:
        raise BadRecord("order_number is blank")
    order_id = values.key(first("order_id"), "order_id")
    given_lines = [line for row in rows for line in _given_lines(row)]
    if not given_lines and not values.text(first("total_amount")):
        raise BadRecord("the order has neither lines nor a total_amount")
    placed_at = values.moment(first("placed_at"), "placed_at")
    return OrderRecord(
        kind=SourceKind.ORDER if order_id else SourceKind.ORDER_KEY,
        key=order_id or number,
        order_number=values.fitted(number, 100, "order number", notes),
        consumer=_build_order_consumer(
            {name: first(name) for name in (*CONSUMER_COLUMNS, "placed_at")}, order_id or number, notes
        ),
        lines=[_build_line(line, notes) for line in given_lines],
        status=_map_status(first("status"), notes),
        source_status=values.text(first("status"))[:50] or None,
        placed_at=placed_at,
        currency=values.currency(first("currency")),
        total_amount=values.money(first("total_amount"), "total_amount"),
        discount_total=values.positive_money(first("discount_total"), "discount_total") or ZERO,
        shipping_total=values.positive_money(first("shipping_total"), "shipping_total") or ZERO,
        tax_total=values.positive_money(first("tax_total"), "tax_total") or ZERO,
        fee_total=values.money(first("fee_total"), "fee_total") or ZERO,
        refunded_total=values.positive_money(first("refunded_total"), "refunded_total"),
        tax_included=values.flag(first("tax_included")),
        is_test=values.flag(first("is_test")),
        is_partial=_is_order_row(rows[0]),
        updated_at=values.moment(first("updated_at"), "updated_at"),
    )


def _given_lines(row: Row) -> list[Row]:
    nested = row.get("lines")
    if isinstance(nested, list):
        if not all(isinstance(line, dict) for line in nested):
            raise BadRecord("lines must be a list of objects")
        return nested
    if any(values.text(row.get(name)) for name in ("product_id", "sku", "product_name")):
        return [row]
    if any(values.text(row.get(name)) for name in ("quantity", "unit_price", "total_price")):
        raise BadRecord("a line has neither product_id, sku nor product_name")
    return []


def _build_line(line: Row, notes: Notes) -> LineRecord:
    sku = values.sku(line.get("sku"), notes)
    name = values.text(line.get("product_name"))
    product_key = values.key(line.get("product_id"), "product_id") or None
    quantity = values.quantity(line.get("quantity"), "quantity", notes)
    unit_price = values.price(line.get("unit_price"), "unit_price")
    total = values.positive_money(line.get("total_price"), "total_price")
    if total is None and unit_price is not None:
        # Of the quantity as it stands: half a piece of cloth costs half.
        exact = values.decimal(line.get("quantity"), "quantity")
        total = values.money(unit_price * (quantity if exact is None else exact), "total_price")
    if unit_price is None and total is not None:
        unit_price = values.price(total / quantity, "unit_price")
    return LineRecord(
        product_key=product_key,
        sku=sku,
        name=values.fitted(name or sku or "Unnamed product", 255, "product name", notes),
        fallback_sku=values.made_up_sku(name or sku or "unnamed"),
        quantity=quantity,
        unit_price=unit_price,
        total_price=total,
    )


def _map_status(given: Any, notes: Notes) -> OrderStatus:
    word = values.text(given).lower()
    if word not in STATUSES:
        notes.append(f"status {word[:50]!r} is unknown and was taken as pending")
    return STATUSES.get(word, OrderStatus.PENDING)


def _build_order_consumer(row: Row, order_key: str, notes: Notes) -> ConsumerRecord:
    consumer = _consumer(row, notes, via_order=True)
    if consumer is not None:
        return consumer
    return ConsumerRecord(
        kind=SourceKind.ANONYMOUS,
        key=order_key,
        email=None,
        name=values.fitted(values.text(row.get("name")), 100, "name", notes),
        phone=_phone(row, notes),
        via="order",
        addresses=_addresses(row, notes),
    )


def _build_consumer(row: Row, notes: Notes) -> ConsumerRecord:
    consumer = _consumer(row, notes, via_order=False)
    if consumer is None:
        raise BadRecord("neither customer_id nor a usable email")
    return consumer


def _consumer(row: Row, notes: Notes, *, via_order: bool) -> ConsumerRecord | None:
    account = values.key(row.get("customer_id"), "customer_id")
    email = values.email(row.get("email"), notes)
    if not account and not email:
        return None
    return ConsumerRecord(
        kind=SourceKind.CONSUMER if account else SourceKind.GUEST,
        key=account or email or "",
        email=email,
        name=values.fitted(values.text(row.get("name")), 100, "name", notes),
        phone=_phone(row, notes),
        via="order" if via_order else "account",
        updated_at=values.moment(row.get("updated_at") or row.get("placed_at"), "updated_at"),
        addresses=_addresses(row, notes),
    )


def _phone(row: Row, notes: Notes) -> str:
    return values.fitted(values.without_apostrophe(row.get("phone")), 20, "phone", notes)


def _addresses(row: Row, notes: Notes) -> list[AddressRecord]:
    found = values.address(
        country=values.text(row.get("country")),
        city=values.text(row.get("city")),
        district=values.text(row.get("district")),
        street=values.text(row.get("address")),
        postcode="",
        notes=notes,
    )
    return [found] if found else []


def _build_product(row: Row, notes: Notes) -> ProductRecord:
    product_key = values.key(row.get("product_id"), "product_id")
    sku = values.own_sku(row.get("sku"), "sku")
    name = values.text(row.get("product_name"))
    if not product_key and not sku and not name:
        raise BadRecord("product_id, sku and product_name are all blank")
    active = row.get("is_active")
    return ProductRecord(
        kind=SourceKind.PRODUCT if product_key else SourceKind.PRODUCT_KEY,
        key=product_key or (f"sku:{sku}" if sku else f"name:{name}"),
        name=values.fitted(name or sku or f"Product {product_key}", 255, "product name", notes),
        sku=sku,
        fallback_sku=values.made_up_sku(name or sku or product_key),
        price=values.price(row.get("price") or row.get("unit_price"), "price"),
        barcode=values.fitted(values.without_apostrophe(row.get("barcode")), 100, "barcode", notes) or None,
        variant=values.text(row.get("variant")) or None,
        stock_quantity=values.stock(row.get("stock_quantity"), "stock_quantity", notes),
        is_active=active is not False and (not values.text(active) or values.flag(active)),
        updated_at=values.moment(row.get("updated_at"), "updated_at"),
    )


FORMAT = Format(
    "generic",
    TITLE,
    recognises,
    read,
    "order_number (orders), sku and price (products), or email (consumers)",
    rows_may_scatter=True,
)
