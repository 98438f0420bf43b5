"""WooCommerce's REST API v3 as JSON: customers, products, variations, orders, refunds.

A file may hold a bare list, one object, or `{"data": …}`; each value is taken for what its keys say it is.
Money is a string there, but `line_items[].price` is a number with noise and after discounts: `subtotal` is the
amount before them. Times named `*_gmt` are UTC without saying so.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from app.ingest import values
from app.ingest.formats.base import Format, Options, SkipRecord, parse
from app.ingest.formats.payloads import Payload, first_text, nested, objects
from app.ingest.reading import BadLine, Source
from app.ingest.records import (
    AddressRecord,
    ConsumerRecord,
    Item,
    LineRecord,
    OrderRecord,
    ProductRecord,
    Record,
    RefundRecord,
    identify_consumer,
)
from app.ingest.values import BadRecord, Notes
from app.orders.models import OrderStatus
from app.websites.models import SourceKind

ZERO = Decimal(0)

STATUSES = {
    "pending": OrderStatus.PENDING,
    "on-hold": OrderStatus.PENDING,
    "processing": OrderStatus.CONFIRMED,
    "completed": OrderStatus.DELIVERED,
    "cancelled": OrderStatus.CANCELLED,
    "failed": OrderStatus.CANCELLED,
    "trash": OrderStatus.CANCELLED,
}
UNFINISHED_CARTS = {"checkout-draft", "auto-draft"}


# The keys that only this kind has, in the order they are asked for.
_SIGNS = {
    "order": {"line_items", "billing"},
    "refund": {"amount", "reason"},
    "customer": {"username", "billing"},
    "product": {"variations", "type"},
    "variation": {"regular_price", "attributes"},
}


def find_kind(payload: Any) -> str | None:
    """What a payload is, from its keys; None for what is none of WooCommerce's records."""
    if not isinstance(payload, dict) or "id" not in payload:
        return None
    return next((kind for kind, keys in _SIGNS.items() if keys <= payload.keys()), None)


def recognises(file: Source, _: Options) -> bool:
    if not file.is_json:
        return False
    place, first = next(file.values(), ("", None))
    return any(find_kind(payload) is not None for _, payload in _unfolded(place, first))


def read(file: Source, _: Options) -> Iterator[Item]:
    for file_place, value in file.values():
        for place, payload in _unfolded(file_place, value):
            kind = find_kind(payload)
            yield parse_payload(place, kind, payload) if kind is not None else _reject(place, payload)


def _unfolded(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The records of a list within the list, or of a batch answer; what a batch deleted is not among them."""
    if isinstance(value, dict) and "id" not in value and value.keys() & {"create", "update", "delete"}:
        value = [*objects(value, "create"), *objects(value, "update")]
    if not isinstance(value, list):
        yield place, value
        return
    for number, inner in enumerate(value, start=1):
        yield from _unfolded(f"{place}.{number}", inner)


def parse_payload(place: str, kind: str, payload: Payload) -> Item:
    return parse(place, kind, payload, lambda notes: _BUILDERS[kind](payload, notes))


def _reject(place: str, payload: Any) -> Item:
    if isinstance(payload, dict) and "code" in payload and "message" in payload:
        reason = f"an error of the store, not a record: {values.text(payload['message'])[:200]}"
    elif isinstance(payload, BadLine):
        reason = str(payload)
    else:
        reason = "neither an order, customer, product, variation nor refund of WooCommerce"
    return parse(place, "unknown", payload, lambda _: _refuse(reason))


def _refuse(reason: str) -> Record:
    raise BadRecord(reason)


def _id(payload: Payload, name: str = "id") -> str | None:
    """WooCommerce writes 0 for "none"."""
    found = values.key(payload.get(name), name)
    return None if found in {"", "0"} else found


def _required_id(payload: Payload) -> str:
    found = _id(payload)
    if found is None:
        raise BadRecord("the record has no id")
    return found


def _moment(payload: Payload, name: str) -> Any:
    return values.moment(payload.get(f"{name}_gmt") or payload.get(name), name)


def _parent_from_link(payload: Payload) -> str | None:
    """`_links.up` ends in the parent's id: …/orders/213."""
    links = objects(nested(payload, "_links"), "up")
    last = values.text(links[0].get("href")).rstrip("/").rsplit("/", 1)[-1] if links else ""
    return last if last.isdigit() else None


# Customers


def _build_customer(payload: Payload, notes: Notes) -> ConsumerRecord:
    billing, shipping = nested(payload, "billing"), nested(payload, "shipping")
    email = values.email(payload.get("email"), notes) or values.email(billing.get("email"), notes)
    name = _full_name(payload) or _full_name(billing) or _full_name(shipping)
    addresses = [_build_address(billing, notes, is_default=True), _build_address(shipping, notes)]
    return ConsumerRecord(
        kind=SourceKind.CONSUMER,
        key=_required_id(payload),
        email=email,
        name=values.fitted(name, 100, "name", notes),
        phone=_phone(billing, shipping, notes),
        via="account",
        updated_at=_moment(payload, "date_modified") or _moment(payload, "date_created"),
        addresses=values.distinct([address for address in addresses if address]),
    )


def _full_name(person: Payload) -> str:
    return values.joined([values.unescaped(person.get("first_name")), values.unescaped(person.get("last_name"))], " ")


def _phone(billing: Payload, shipping: Payload, notes: Notes) -> str:
    return values.fitted(first_text(billing.get("phone"), shipping.get("phone")), 20, "phone", notes)


def _build_address(given: Payload, notes: Notes, *, is_default: bool = False) -> AddressRecord | None:
    street = values.joined([values.unescaped(given.get("address_1")), values.unescaped(given.get("address_2"))])
    return values.address(
        country=values.text(given.get("country")),
        city=values.unescaped(given.get("city")),
        district=values.text(given.get("state")),
        street=street,
        postcode=values.text(given.get("postcode")),
        notes=notes,
        is_default=is_default,
    )


# Products


def _build_product(payload: Payload, notes: Notes) -> ProductRecord:
    name = values.unescaped(payload.get("name"))
    key = _required_id(payload)
    # A webhook brings a variation under the products' topic, with its type and its parent's id.
    if payload.get("type") == "variation":
        return _build_variation(payload, notes)
    slug = values.text(payload.get("slug"))
    return ProductRecord(
        kind=SourceKind.PRODUCT,
        key=key,
        name=values.fitted(name or f"Product {key}", 255, "product name", notes),
        sku=values.own_sku(payload.get("sku"), "sku"),
        fallback_sku=values.made_up_sku(slug or name or key),
        price=_price(payload),
        barcode=_barcode(payload, notes),
        stock_quantity=_stock(payload, notes),
        is_active=payload.get("status") == "publish",
        updated_at=_moment(payload, "date_modified"),
    )


def _build_variation(payload: Payload, notes: Notes) -> ProductRecord:
    key = _required_id(payload)
    parent = _id(payload, "parent_id") or _parent_from_link(payload)
    if parent is None:
        raise BadRecord("the variation does not say which product it belongs to")
    chosen = [(values.unescaped(item.get("name")), values.unescaped(item.get("option"))) for item in
              objects(payload, "attributes")]  # fmt: skip
    options = values.joined([option for _, option in chosen])
    variant = values.joined([f"{name}: {option}" for name, option in chosen if option])
    return ProductRecord(
        kind=SourceKind.PRODUCT,
        key=key,
        name=values.fitted(options or f"Variation {key}", 255, "product name", notes),
        own_name=False,
        parent_key=parent,
        sku=values.own_sku(payload.get("sku"), "sku"),
        fallback_sku=values.made_up_sku(parent, options or key),
        price=_price(payload),
        barcode=_barcode(payload, notes),
        variant=variant or None,
        stock_quantity=_stock(payload, notes),
        is_active=payload.get("status", "publish") == "publish",
        updated_at=_moment(payload, "date_modified"),
    )


def _price(payload: Payload) -> Decimal | None:
    found = values.price(payload.get("price"), "price")
    return values.price(payload.get("regular_price"), "regular_price") if found is None else found


def _barcode(payload: Payload, notes: Notes) -> str | None:
    return values.fitted(values.text(payload.get("global_unique_id")), 100, "barcode", notes) or None


def _stock(payload: Payload, notes: Notes) -> int | None:
    """Only where the product or variation manages its own: `manage_stock` may also be "parent"."""
    if payload.get("manage_stock") is not True:
        return None
    return values.stock(payload.get("stock_quantity"), "stock_quantity", notes)


# Orders


def _build_order(payload: Payload, notes: Notes) -> OrderRecord:
    source_status = values.text(payload.get("status")).removeprefix("wc-")
    if source_status in UNFINISHED_CARTS:
        raise SkipRecord("unfinished_cart")
    key = _required_id(payload)
    lines, line_fees = _build_lines(payload, notes)
    fees = [values.money(fee.get("total"), "fee total") or ZERO for fee in objects(payload, "fee_lines")]
    refunds = [_build_embedded_refund(refund, key) for refund in objects(payload, "refunds")]
    number = values.text(payload.get("number")) or key
    return OrderRecord(
        kind=SourceKind.ORDER,
        key=key,
        order_number=values.key(number, "number")[:100],
        consumer=_build_order_consumer(payload, key, notes),
        lines=lines,
        status=_map_status(payload, source_status),
        source_status=source_status[:50] or None,
        placed_at=_moment(payload, "date_created"),
        currency=values.currency(payload.get("currency")),
        total_amount=values.money(payload.get("total"), "total"),
        discount_total=values.positive_money(payload.get("discount_total"), "discount_total") or ZERO,
        shipping_total=values.positive_money(payload.get("shipping_total"), "shipping_total") or ZERO,
        tax_total=values.positive_money(payload.get("total_tax"), "total_tax") or ZERO,
        fee_total=sum(fees, line_fees),
        refunds=refunds,
        # REST gives every amount without tax, whatever `prices_include_tax` says of the shop's labels.
        tax_included=False,
        updated_at=_moment(payload, "date_modified"),
    )


def _map_status(payload: Payload, status: str) -> OrderStatus | None:
    if status == "refunded":
        was_completed = bool(payload.get("date_completed_gmt") or payload.get("date_completed"))
        return OrderStatus.DELIVERED if was_completed else OrderStatus.CANCELLED
    return STATUSES.get(status)


def _build_lines(payload: Payload, notes: Notes) -> tuple[list[LineRecord], Decimal]:
    """The lines, and what lines with a negative amount come to: a line cannot be negative, a fee can."""
    lines: list[LineRecord] = []
    fees = ZERO
    for item in objects(payload, "line_items"):
        subtotal = values.money(item.get("subtotal"), "subtotal")
        if subtotal is not None and subtotal < 0:
            notes.append("a line with a negative amount was taken as a fee")
            fees += subtotal
            continue
        lines.append(_build_line(item, subtotal, notes))
    return lines, fees


def _build_line(item: Payload, subtotal: Decimal | None, notes: Notes) -> LineRecord:
    product_key = _id(item, "variation_id") or _id(item, "product_id")
    name = values.unescaped(item.get("name"))
    sku = values.sku(item.get("sku"), notes)
    quantity = values.quantity(item.get("quantity"), "quantity", notes)
    unit_price = values.price(item.get("price"), "price")
    if subtotal is not None:
        unit_price = values.price(subtotal / quantity, "price")
    return LineRecord(
        product_key=product_key,
        sku=sku,
        name=values.fitted(name or sku or "Unnamed product", 255, "product name", notes),
        fallback_sku=values.made_up_sku(name or sku or "unnamed"),
        quantity=quantity,
        unit_price=unit_price,
        total_price=subtotal if subtotal is not None or unit_price is None else unit_price * quantity,
        product_exists=product_key is not None,
    )


def _build_order_consumer(payload: Payload, order_key: str, notes: Notes) -> ConsumerRecord:
    """The account the order names, whatever its billing e-mail; else a guest, known by it; else nobody we know."""
    billing, shipping = nested(payload, "billing"), nested(payload, "shipping")
    account = _id(payload, "customer_id")
    email = values.email(billing.get("email"), notes)
    addresses = [_build_address(shipping, notes), _build_address(billing, notes)]
    kind, key = identify_consumer(account, email, order_key)
    return ConsumerRecord(
        kind=kind,
        key=key,
        email=email,
        name=values.fitted(_full_name(billing) or _full_name(shipping), 100, "name", notes),
        phone=_phone(billing, shipping, notes),
        via="order",
        updated_at=_moment(payload, "date_modified") or _moment(payload, "date_created"),
        addresses=values.distinct([address for address in addresses if address]),
    )


# Refunds


def _build_embedded_refund(refund: Payload, order_key: str) -> RefundRecord:
    amount = values.money(refund.get("total"), "refund total") or ZERO
    return RefundRecord(key=_required_id(refund), order_key=order_key, amount=abs(amount))


def _build_refund(payload: Payload, _: Notes) -> RefundRecord:
    order_key = _parent_from_link(payload) or _id(payload, "parent_id")
    if order_key is None:
        raise BadRecord("the refund does not say which order it belongs to")
    amount = values.money(payload.get("amount"), "amount") or ZERO
    created_at = _moment(payload, "date_created")
    return RefundRecord(key=_required_id(payload), order_key=order_key, amount=abs(amount), created_at=created_at)


_BUILDERS: dict[str, Callable[[Payload, Notes], Record]] = {
    "customer": _build_customer,
    "product": _build_product,
    "variation": _build_variation,
    "order": _build_order,
    "refund": _build_refund,
}

FORMAT = Format(
    "woocommerce_json",
    "WooCommerce REST answer",
    recognises,
    read,
    "orders, customers, products, variations or refunds",
)
