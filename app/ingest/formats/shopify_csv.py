"""Shopify's order export: one row a line item, the order's own columns only on its first row.

Columns are found by name, since Shopify adds new ones over time; an export of seven columns is read like one of
seventy-nine. The file has no customer ids, so every consumer in it is a guest, known by e-mail.
Shopify's help page "Export orders" describes the columns.
"""

from collections.abc import Iterator
from decimal import Decimal

from app.ingest import values
from app.ingest.formats import spreadsheets
from app.ingest.formats.base import Format, Options, as_text, defer, lacks, require_columns
from app.ingest.reading import Source
from app.ingest.records import (
    AddressRecord,
    ConsumerRecord,
    Item,
    LineRecord,
    OrderRecord,
    Rejected,
    Unread,
    identify_consumer,
)
from app.ingest.values import BadRecord, Notes
from app.orders.models import OrderStatus
from app.websites.models import SourceKind

Row = dict[str, str]
NEEDED = {"Name", "Email", "Created at", "Total", "Lineitem name"}
TITLE = "Shopify order export"

NUMBERS = {
    "Total", "Discount Amount", "Shipping", "Taxes", "Duties", "Refunded Amount", "Lineitem price",
    "Lineitem quantity",
}  # fmt: skip
OTHERS = {
    "Name", "Id", "Email", "Phone", "Financial Status", "Fulfillment Status", "Cancelled at", "Currency",
    "Lineitem name", "Lineitem sku",
}  # fmt: skip
ADDRESS = ("Address1", "Address2", "Street", "City", "Zip", "Province", "Province Name", "Country")
SHIPPING, BILLING = ({cell: f"{whose} {cell}" for cell in ADDRESS} for whose in ("Shipping", "Billing"))
PHONES = ("Phone", "Billing Phone", "Shipping Phone")
PERSON = {"Name", "Phone", *ADDRESS}
DATES = {"Created at"}
COLUMNS = spreadsheets.Columns(
    names=NUMBERS | OTHERS | DATES | {f"{whose} {cell}" for whose in ("Billing", "Shipping") for cell in PERSON},
    dates=DATES,
    numbers=NUMBERS,
)


def recognises(file: Source, _: Options) -> bool:
    return not file.is_json and set(file.header()) >= NEEDED


def scan(file: Source, options: Options) -> Iterator[Item | Unread]:
    require_columns(file, NEEDED, TITLE)
    raw: list[Row] = []
    group: list[Row] = []
    first = last = 0
    for number, given, row in spreadsheets.tidied(file, COLUMNS, options):
        if group and not _continues(group[0], row):
            yield _take_group(first, last, raw, group)
            raw, group = [], []
        if not group:
            first = number
        raw.append(given)
        group.append(row)
        last = number
    if group:
        yield _take_group(first, last, raw, group)


def _continues(order: Row, row: Row) -> bool:
    """Tools that post-process exports fill the order's columns down; then its date repeats."""
    same_date = row["Created at"] in {"", order["Created at"]}
    return row["Name"] == order["Name"] and same_date and row.get("Id", "") in {"", order.get("Id", "")}


def _take_group(first: int, last: int, raw: list[Row], rows: list[Row]) -> Rejected | Unread:
    place = f"row {first}" if first == last else f"rows {first}-{last}"
    if not rows[0]["Created at"] and not rows[0]["Total"]:
        reason = f"these rows continue order {rows[0]['Name']}, whose first row does not stand above them"
        return Rejected(place, "order", reason, as_text(raw))
    return defer(place, "order", raw, lambda notes: _build_order(rows, notes))


def _build_order(rows: list[Row], notes: Notes) -> OrderRecord:
    order = rows[0]
    number = values.exported_key(order["Name"], "Name")
    if not number:
        raise BadRecord("the order has no Name")
    external_id = values.exported_key(order.get("Id"), "Id")
    lines = [line for row in rows if (line := _build_line(row, notes))]
    placed_at = values.moment(order["Created at"], "Created at")
    cancelled = bool(values.text(order.get("Cancelled at")))
    financial = values.text(order.get("Financial Status")).lower()
    fulfillment = values.text(order.get("Fulfillment Status")).lower()

    subtotal = sum((line.total_price or Decimal(0) for line in lines), Decimal(0))
    discount = values.positive_money(order.get("Discount Amount"), "Discount Amount") or Decimal(0)
    shipping = values.positive_money(order.get("Shipping"), "Shipping") or Decimal(0)
    tax = values.positive_money(order.get("Taxes"), "Taxes") or Decimal(0)
    duties = values.money(order.get("Duties"), "Duties") or Decimal(0)
    total = values.money(order["Total"], "Total")
    return OrderRecord(
        kind=SourceKind.ORDER if external_id else SourceKind.ORDER_KEY,
        key=external_id or number,
        order_number=values.fitted(number, 100, "order number", notes),
        consumer=_build_consumer(order, external_id or number, notes),
        lines=lines,
        status=map_status(financial=financial, fulfillment=fulfillment, cancelled=cancelled),
        source_status=describe_status(financial=financial, fulfillment=fulfillment, cancelled=cancelled),
        placed_at=placed_at,
        currency=values.currency(order.get("Currency")),
        total_amount=total,
        discount_total=discount,
        shipping_total=shipping,
        tax_total=tax,
        fee_total=duties,
        refunded_total=values.positive_money(order.get("Refunded Amount"), "Refunded Amount"),
        # The export does not say whether prices hold the tax; the total does.
        tax_included=tax > 0 and total == subtotal - discount + shipping + duties,
    )


def map_status(*, financial: str, fulfillment: str, cancelled: bool) -> OrderStatus:
    """Our status for Shopify's three: the first rule that fits."""
    if cancelled or financial == "voided":
        return OrderStatus.CANCELLED
    if fulfillment == "fulfilled":
        return OrderStatus.SHIPPED
    if fulfillment == "partial":
        return OrderStatus.CONFIRMED
    if financial == "refunded":
        return OrderStatus.CANCELLED
    if financial in {"paid", "partially_refunded", "authorized", "partially_paid"}:
        return OrderStatus.CONFIRMED
    return OrderStatus.PENDING


def describe_status(*, financial: str, fulfillment: str, cancelled: bool) -> str | None:
    """Shopify's own words, as "cancelled, refunded, fulfilled"."""
    words = values.joined(["cancelled" if cancelled else "", financial, fulfillment])
    return words[:50] or None


def _build_line(row: Row, notes: Notes) -> LineRecord | None:
    name = values.text(row["Lineitem name"])
    sku = values.unrounded(row.get("Lineitem sku"), "SKU", notes)
    price = values.price(row.get("Lineitem price"), "Lineitem price")
    if not name and not sku and price is None:
        return None
    quantity = values.quantity(row.get("Lineitem quantity"), "Lineitem quantity", notes)
    return LineRecord(
        product_key=None,
        sku=values.sku(sku, notes),
        name=values.fitted(name or sku or "Unnamed product", 255, "product name", notes),
        fallback_sku=values.made_up_sku(name or sku),
        quantity=quantity,
        unit_price=price,
        total_price=None if price is None else price * quantity,
    )


def _build_consumer(order: Row, order_key: str, notes: Notes) -> ConsumerRecord:
    email = values.email(order["Email"], notes)
    kind, key = identify_consumer(None, email, order_key)
    name = values.text(order.get("Billing Name")) or values.text(order.get("Shipping Name"))
    phones = (values.unrounded(order.get(column), "phone", notes) for column in PHONES)
    shipping, billing = ({cell: order.get(name) for cell, name in names.items()} for names in (SHIPPING, BILLING))
    # Nearly always the same.
    addresses = [_build_address(cells, notes) for cells in ([shipping] if billing == shipping else [shipping, billing])]
    return ConsumerRecord(
        kind=kind,
        key=key,
        email=email,
        name=values.fitted(name, 100, "name", notes),
        phone=values.fitted(next(filter(None, phones), ""), 20, "phone", notes),
        via="order",
        updated_at=values.moment(order["Created at"], "Created at"),
        addresses=values.distinct([address for address in addresses if address]),
    )


def _build_address(given: dict[str, str | None], notes: Notes) -> AddressRecord | None:
    cells = {name: values.text(cell) for name, cell in given.items()}
    street = values.joined([cells["Address1"], cells["Address2"]]) or cells["Street"]
    return values.address(
        country=cells["Country"],
        city=cells["City"],
        district=cells["Province Name"] or cells["Province"],
        street=street,
        postcode=values.without_apostrophe(cells["Zip"]),
        notes=notes,
    )


FORMAT = Format(
    "shopify_orders_csv",
    TITLE,
    recognises,
    scan,
    ", ".join(sorted(NEEDED)),
    COLUMNS.reads,
    lacks("Financial Status", "Fulfillment Status", "Currency", "Lineitem quantity", "Lineitem price"),
)
