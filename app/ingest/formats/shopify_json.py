"""Shopify's REST Admin API as JSON, which is also the shape of its webhooks: orders, customers, products, refunds.

Answers come in an envelope, `{"orders": […]}` or `{"order": {…}}`; bare lists and objects are taken as well. Money is a
string. A line's `price` is of one piece before discounts; what was refunded is the sum of successful refund
transactions, not of refunded lines.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.ingest import values
from app.ingest.formats.base import Format, Options, as_text, parse
from app.ingest.formats.payloads import Payload, first_text, nested, objects
from app.ingest.formats.shopify_csv import describe_status, map_status
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
    Rejected,
    identify_consumer,
)
from app.ingest.values import BadRecord, Notes
from app.orders.models import OrderStatus
from app.websites.models import SourceKind

ZERO = Decimal(0)
TITLE = "Shopify REST answer"
NO_OPTION = "Default Title"

# The keys that only this kind has, in the order they are asked for.
_SIGNS = {
    "order": {"financial_status", "total_price", "name"},
    "refund": {"order_id", "transactions", "refund_line_items"},
    "product": {"variants", "title", "handle"},
    "customer": {"first_name", "last_name", "orders_count"},
}


def find_kind(payload: Any) -> str | None:
    if not isinstance(payload, dict) or "id" not in payload:
        return None
    return next((kind for kind, keys in _SIGNS.items() if keys <= payload.keys()), None)


def recognises(file: Source, _: Options) -> bool:
    if not file.is_json:
        return False
    _place, first = next(file.values(), ("", None))
    return find_kind(first) is not None


def read(file: Source, _: Options) -> Iterator[Item]:
    for place, payload in file.values():
        kind = find_kind(payload)
        if kind is None:
            reason = str(payload) if isinstance(payload, BadLine) else "neither an order, customer, product nor refund"
            yield Rejected(place, "unknown", reason, as_text(payload))
        else:
            yield from parse_any(place, kind, payload)


def parse_any(place: str, kind: str, payload: Payload) -> Iterator[Item]:
    if kind == "product":
        yield from parse_product(place, payload)
    else:
        yield parse_payload(place, kind, payload)


def parse_payload(place: str, kind: str, payload: Payload) -> Item:
    return parse(place, kind, payload, lambda notes: _BUILDERS[kind](payload, notes))


def parse_product(place: str, product: Payload) -> Iterator[Item]:
    """One record a variant: that is what is bought."""
    for number, variant in enumerate(objects(product, "variants"), start=1):
        yield _parse_variant(f"{place}, variant {number}", product, variant)


def _parse_variant(place: str, product: Payload, variant: Payload) -> Item:
    raw = product | {"variants": [variant]}  # a variant alone is of no product, and could not be read again
    return parse(place, "product", raw, lambda notes: build_variant(product, variant, notes))


def _id(payload: Payload, name: str = "id") -> str | None:
    return values.key(payload.get(name), name) or None


def _required_id(payload: Payload, name: str = "id") -> str:
    found = _id(payload, name)
    if found is None:
        raise BadRecord(f"the record has no {name}")
    return found


def _full_name(person: Payload) -> str:
    return values.joined([values.text(person.get("first_name")), values.text(person.get("last_name"))], " ")


def _build_address(given: Payload, notes: Notes, *, is_default: bool = False) -> AddressRecord | None:
    return values.address(
        country=values.text(given.get("country")) or values.text(given.get("country_code")),
        city=values.text(given.get("city")),
        district=values.text(given.get("province")) or values.text(given.get("province_code")),
        street=values.joined([values.text(given.get("address1")), values.text(given.get("address2"))]),
        postcode=values.text(given.get("zip")),
        notes=notes,
        is_default=is_default,
    )


# Customers


def build_customer(payload: Payload, notes: Notes) -> ConsumerRecord:
    default = nested(payload, "default_address")
    given = [default, *objects(payload, "addresses")]
    addresses = [_build_address(each, notes, is_default=each is default or bool(each.get("default"))) for each in given]
    name = _full_name(payload) or values.text(default.get("name"))
    phone = first_text(payload.get("phone"), default.get("phone"))
    return ConsumerRecord(
        kind=SourceKind.CONSUMER,
        key=_required_id(payload),
        email=values.email(payload.get("email"), notes),
        name=values.fitted(name, 100, "name", notes),
        phone=values.fitted(phone, 20, "phone", notes),
        via="account",
        updated_at=values.moment(payload.get("updated_at"), "updated_at"),
        addresses=values.distinct([address for address in addresses if address]),
    )


# Products


def build_variant(product: Payload, variant: Payload, notes: Notes) -> ProductRecord:
    key = _required_id(variant)
    names = [values.text(option.get("name")) for option in objects(product, "options")] + ["", "", ""]
    chosen = [
        (name, option)
        for name, number in zip(names, (1, 2, 3), strict=False)
        if (option := values.text(variant.get(f"option{number}"))) and option != NO_OPTION
    ]
    options = [option for _, option in chosen]
    title = values.text(product.get("title")) or f"Product {key}"
    return ProductRecord(
        kind=SourceKind.PRODUCT,
        key=key,
        alias="|".join([f"handle:{values.text(product.get('handle'))}", *options]),
        name=values.fitted(f"{title} - {' / '.join(options)}" if options else title, 255, "product name", notes),
        sku=values.own_sku(variant.get("sku"), "sku"),
        fallback_sku=values.made_up_sku(values.text(product.get("handle")) or title, *options),
        price=values.price(variant.get("price"), "price"),
        barcode=values.fitted(values.text(variant.get("barcode")), 100, "barcode", notes) or None,
        variant=values.joined([f"{name}: {option}" if name else option for name, option in chosen]) or None,
        stock_quantity=_stock(variant, notes),
        # Payloads from before `status` was there tell by `published_at`.
        is_active=product["status"] == "active" if product.get("status") else bool(product.get("published_at")),
        group_key=_id(product),
        updated_at=_find_change(product, variant),
    )


def _find_change(product: Payload, variant: Payload) -> datetime | None:
    """The later of the two: a new title or status dates the product alone, and is in the record of the variant."""
    moments = [values.moment(each.get("updated_at"), "updated_at") for each in (variant, product)]
    return max((moment for moment in moments if moment), default=None)


def _stock(variant: Payload, notes: Notes) -> int | None:
    if not variant.get("inventory_management"):
        return None
    return values.stock(variant.get("inventory_quantity"), "inventory_quantity", notes)


# Orders


def build_order(payload: Payload, notes: Notes) -> OrderRecord:
    key = _required_id(payload)
    number = values.text(payload.get("name")) or key
    shipping = [
        values.money(line.get("price"), "shipping price") or ZERO for line in objects(payload, "shipping_lines")
    ]
    tip = values.money(payload.get("total_tip_received"), "total_tip_received") or ZERO
    duties = nested(nested(payload, "current_total_duties_set"), "shop_money").get("amount")
    return OrderRecord(
        kind=SourceKind.ORDER,
        key=key,
        order_number=values.key(number, "name")[:100],
        consumer=_build_order_consumer(payload, key, notes),
        lines=[_build_line(line, notes) for line in objects(payload, "line_items")],
        status=_find_status(payload),
        source_status=describe_status(**_status_words(payload)),
        placed_at=values.moment(payload.get("processed_at") or payload.get("created_at"), "processed_at"),
        currency=values.currency(payload.get("currency")),
        total_amount=values.money(payload.get("total_price"), "total_price"),
        discount_total=values.positive_money(payload.get("total_discounts"), "total_discounts") or ZERO,
        shipping_total=sum(shipping, ZERO),
        tax_total=values.positive_money(payload.get("total_tax"), "total_tax") or ZERO,
        fee_total=tip + (values.money(duties, "duties") or ZERO),
        refunds=[_build_embedded_refund(refund, key) for refund in objects(payload, "refunds")],
        tax_included=bool(payload.get("taxes_included")),
        is_test=bool(payload.get("test")),
        updated_at=values.moment(payload.get("updated_at"), "updated_at"),
    )


def _status_words(payload: Payload) -> dict[str, Any]:
    return {
        "financial": values.text(payload.get("financial_status")).lower(),
        "fulfillment": values.text(payload.get("fulfillment_status")).lower(),
        "cancelled": bool(payload.get("cancelled_at")),
    }


def _find_status(payload: Payload) -> OrderStatus:
    status = map_status(**_status_words(payload))
    shipments = objects(payload, "fulfillments")
    arrived = shipments and all(shipment.get("shipment_status") == "delivered" for shipment in shipments)
    return OrderStatus.DELIVERED if status == OrderStatus.SHIPPED and arrived else status


def _build_line(item: Payload, notes: Notes) -> LineRecord:
    name = values.text(item.get("name")) or values.text(item.get("title"))
    sku = values.sku(item.get("sku"), notes)
    quantity = values.quantity(item.get("quantity"), "quantity", notes)
    price = values.price(item.get("price"), "price")
    product_key = _id(item, "variant_id") or _id(item, "product_id")
    return LineRecord(
        product_key=product_key,
        sku=sku,
        name=values.fitted(name or sku or "Unnamed product", 255, "product name", notes),
        fallback_sku=values.made_up_sku(name or sku or "unnamed"),
        quantity=quantity,
        unit_price=price,
        total_price=None if price is None else price * quantity,
        product_exists=item.get("product_exists") is not False,
    )


def _build_order_consumer(payload: Payload, order_key: str, notes: Notes) -> ConsumerRecord:
    """The customer the order carries; else a guest, known by e-mail; else nobody we know."""
    customer, billing = nested(payload, "customer"), nested(payload, "billing_address")
    shipping = nested(payload, "shipping_address")
    account = _id(customer)
    email = values.email(customer.get("email") or payload.get("email") or payload.get("contact_email"), notes)
    kind, key = identify_consumer(account, email, order_key)
    name = _full_name(customer) or _full_name(billing) or _full_name(shipping)
    phone = first_text(*(each.get("phone") for each in (customer, payload, billing, shipping)))
    addresses = [_build_address(shipping, notes), _build_address(billing, notes)]
    return ConsumerRecord(
        kind=kind,
        key=key,
        email=email,
        name=values.fitted(name, 100, "name", notes),
        phone=values.fitted(phone, 20, "phone", notes),
        via="order",
        updated_at=values.moment(payload.get("updated_at"), "updated_at"),
        addresses=values.distinct([address for address in addresses if address]),
    )


# Refunds


def find_refunded(refund: Payload) -> Decimal:
    """Goods may come back without money, and money without goods: only the transactions tell."""
    paid = [
        values.money(transaction.get("amount"), "refund amount") or ZERO
        for transaction in objects(refund, "transactions")
        if transaction.get("kind") == "refund" and transaction.get("status", "success") == "success"
    ]
    return sum(paid, ZERO)


def _build_embedded_refund(refund: Payload, order_key: str) -> RefundRecord:
    return RefundRecord(key=_required_id(refund), order_key=order_key, amount=find_refunded(refund))


def _build_refund(payload: Payload, _: Notes) -> RefundRecord:
    record = _build_embedded_refund(payload, _required_id(payload, "order_id"))
    record.created_at = values.moment(payload.get("created_at"), "created_at")
    return record


_BUILDERS: dict[str, Callable[[Payload, Notes], Record]] = {
    "customer": build_customer,
    "order": build_order,
    "refund": _build_refund,
}

FORMAT = Format("shopify_json", TITLE, recognises, read, "orders, customers, products or refunds")
