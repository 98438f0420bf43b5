"""Orders of a generic file: their lines, what is no product among them, and what was given back."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property, partial
from hashlib import blake2b
from typing import Any

from app.ingest import values
from app.ingest.formats.base import SkipRecord, parse
from app.ingest.formats.generic.consumers import build_order_consumer
from app.ingest.formats.generic.rows import NO_SALE, RETURN, TAKEN, Entry, Reader, Row, is_blank
from app.ingest.mapping import CONSUMER_COLUMNS, LINE_COLUMNS
from app.ingest.records import Item, LineRecord, OrderRecord, Rejected, ReturnRecord, Skipped, identify_consumer
from app.ingest.values import BadRecord, Notes
from app.orders.models import OrderStatus
from app.websites.models import SourceKind

ZERO = Decimal(0)


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


@dataclass(frozen=True, slots=True)
class Line:
    """`tells_order_only` is a row without a line item."""

    place: str
    line: Row
    rule: str
    tells_order_only: bool


@dataclass
class Order:
    runs: list[list[Entry]]
    reader: Reader
    entries: list[Entry] = field(init=False)

    def __post_init__(self) -> None:
        self.entries = [entry for run in self.runs for entry in run]

    @property
    def place(self) -> str:
        spans = [(run[0].place, run[-1].place) for run in self.runs]
        return ", ".join(first if first == last else f"{first} to {last}" for first, last in spans)

    @property
    def raw(self) -> Any:
        given = [entry.given for entry in self.entries]
        return given if len(given) > 1 else given[0]

    def first(self, name: str) -> Any:
        """The first cell of that name that is not blank, else its default."""
        for entry in self.entries:
            if entry.row is not None and not is_blank(entry.row.get(name)):
                return entry.row[name]
        return self.reader.mapping.defaults.get(name)

    @property
    def shown_number(self) -> Any:
        return self.first("order_number") or self.first("order_id")

    def count_rows(self) -> int:
        given = [entry.row.get("lines") for entry in self.entries if entry.row is not None]
        return sum(len(lines) if isinstance(lines, list) else 1 for lines in given)

    @cached_property
    def lines(self) -> list[Line]:
        """Raises BadRecord where `lines` is no list of objects."""
        number = values.without_apostrophe(self.shown_number)
        found = []
        for entry in self.entries:
            row = entry.row or {}
            nested = row.get("lines")
            if isinstance(nested, list) and not all(isinstance(line, dict) for line in nested):
                raise BadRecord("lines must be a list of objects")
            for given in nested if isinstance(nested, list) else [row]:
                line = self.reader.fill(given, LINE_COLUMNS)
                tells_order_only = given is row and all(is_blank(given.get(name)) for name in LINE_COLUMNS)
                found.append(Line(entry.place, line, self.reader.find_rule(line, number), tells_order_only))
        return found


def parse_order(order: Order, *, books_returns: bool = False) -> Item | None:
    """With `books_returns` the order's returned lines are items of their own, of `parse_returns`, and not told of."""
    item = parse(order.place, "order", order.raw, lambda notes: _build_order(order, notes))
    if isinstance(item, Rejected):
        item.lines = {"rejected": order.count_rows()}
        return item
    rules = Counter(line.rule for line in order.lines if not (books_returns and line.rule == RETURN))
    if books_returns and isinstance(item, Skipped) and item.rule == RETURN:
        if not rules:
            return None
        item.rule = NO_SALE
    item.lines = rules
    return item


def _build_order(order: Order, notes: Notes) -> OrderRecord:
    first = order.first
    number = values.exported_key(order.shown_number, "order_number")
    if not number:
        raise BadRecord("order_number is blank")
    order_id = values.exported_key(first("order_id"), "order_id")
    lines = order.lines
    sold = [line for line in lines if line.rule == TAKEN and not line.tells_order_only]
    charges = _add_up_charges(lines)
    if not sold and not any(charges.values()):
        rules = {line.rule for line in lines} - {TAKEN}
        if rules:
            raise SkipRecord(RETURN if RETURN in rules else NO_SALE)
        if not values.text(first("total_amount")):
            raise BadRecord("the order has neither lines nor a total_amount")
    record = OrderRecord(
        kind=SourceKind.ORDER if order_id else SourceKind.ORDER_KEY,
        key=order_id or number,
        order_number=values.fitted(number, 100, "order number", notes),
        consumer=build_order_consumer(
            {name: first(name) for name in (*CONSUMER_COLUMNS, "placed_at")}, order_id or number, notes
        ),
        lines=[_build_line(line.line, notes) for line in sold],
        status=STATUSES.get(values.text(first("status")).lower()),
        source_status=values.text(first("status"))[:50] or None,
        placed_at=values.moment(first("placed_at"), "placed_at"),
        currency=values.currency(first("currency")),
        total_amount=values.money(first("total_amount"), "total_amount"),
        discount_total=_positive(first("discount_total"), "discount_total") + abs(charges["discount"]),
        shipping_total=_positive(first("shipping_total"), "shipping_total") + charges["shipping"],
        tax_total=_positive(first("tax_total"), "tax_total"),
        fee_total=(values.money(first("fee_total"), "fee_total") or ZERO) + charges["fee"],
        refunded_total=values.positive_money(first("refunded_total"), "refunded_total"),
        tax_included=values.exported_flag(first("tax_included"), "tax_included"),
        is_test=values.exported_flag(first("is_test"), "is_test"),
        updated_at=values.moment(first("updated_at"), "updated_at"),
    )
    _refuse_negative(record)
    return record


def _positive(value: Any, what: str) -> Decimal:
    return values.positive_money(value, what) or ZERO


def _add_up_charges(lines: list[Line]) -> dict[str, Decimal]:
    """What the lines come to that are no products. The sign of a discount does not matter, of the others it does."""
    charges = {"shipping": ZERO, "fee": ZERO, "discount": ZERO}
    for line in lines:
        if line.rule in charges:
            charges[line.rule] += _find_amount(line.line) or ZERO
    return charges


def _refuse_negative(order: OrderRecord) -> None:
    if order.shipping_total < 0:
        raise BadRecord(f"the order's shipping would be negative: {order.shipping_total}")
    totals = [line.total_price for line in order.lines]
    if order.total_amount is not None or None in totals:
        return
    total = sum((total for total in totals if total), ZERO) - order.discount_total + order.shipping_total
    total += order.fee_total + (ZERO if order.tax_included else order.tax_total)
    if total < 0:
        raise BadRecord(f"the order's total would be negative: {total}")


def _find_amount(line: Row) -> Decimal | None:
    """Of the quantity and the price as they stand, and only then rounded: half a piece of cloth costs half."""
    total = values.decimal(line.get("total_price"), "total_price")
    price = values.decimal(line.get("unit_price"), "unit_price")
    if total is None and price is not None:
        quantity = values.decimal(line.get("quantity"), "quantity")
        total = price * (1 if quantity is None else quantity)
    return values.money(total, "total_price")


def _build_line(line: Row, notes: Notes) -> LineRecord:
    product_key, sku, name = _find_product(line, notes)
    if not (product_key or sku or name):
        raise BadRecord("a line has neither product_id, sku nor product_name")
    quantity = values.quantity(line.get("quantity"), "quantity", notes)
    unit_price = values.price(line.get("unit_price"), "unit_price")
    total = values.positive_money(line.get("total_price"), "total_price")
    if total is None and unit_price is not None:
        total = _find_amount(line)
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


def _find_product(line: Row, notes: Notes) -> tuple[str | None, str | None, str]:
    """Its id, SKU and name."""
    return (
        values.exported_key(line.get("product_id"), "product_id") or None,
        values.sku(values.unrounded(line.get("sku"), "SKU", notes), notes),
        values.text(line.get("product_name")),
    )


# Returns


def parse_returns(order: Order) -> Iterator[Item]:
    """The order's returned lines. Those that cannot be taken are one reject, with all its rows.

    Tried again, they are then the same lines of the same order. Those of a rejected order wait for it.
    """
    if isinstance(parse_order(order), Rejected):
        return
    rejected: Rejected | None = None
    times: Counter[str] = Counter()
    for line in order.lines:
        if line.rule != RETURN:
            continue
        product = _name_product(line.line)
        times[product] += 1
        mark = f"{product}:{times[product]}"
        item = parse(line.place, RETURN, order.raw, partial(_build_return, order, line.line, mark))
        if isinstance(item, Rejected):
            rejected = rejected or item
            rejected.lines = {"rejected": (rejected.lines or {}).get("rejected", 0) + 1}
        else:
            item.lines = {RETURN: 1}
            yield item
    if rejected:
        yield rejected


def _name_product(line: Row) -> str:
    """What tells the returns of an order apart, so that other lines may come and go."""
    words = [values.text(line.get(name)) for name in ("product_id", "sku", "product_name")]
    found = next((word for word in words if word), "")
    return found if len(found) <= 60 else blake2b(found.encode(), digest_size=16).hexdigest()


def _build_return(order: Order, line: Row, mark: str, notes: Notes) -> ReturnRecord:
    number = values.exported_key(order.shown_number, "order_number")
    order_key = values.exported_key(order.first("order_id"), "order_id") or number
    placed_at = values.moment(line.get("placed_at") or order.first("placed_at"), "placed_at")
    if placed_at is None:
        raise BadRecord("the return has no placed_at, so that nobody knows what was bought before it")
    amount = _find_amount(line)
    if amount is None:
        raise BadRecord("the return has neither unit_price nor total_price")
    email = values.email(order.first("email"), notes)
    account = values.exported_key(order.first("customer_id"), "customer_id")
    consumer_kind, consumer_key = identify_consumer(account, email, order_key)
    is_product = order.reader.mapping.codes.find_rule(values.without_apostrophe(line.get("sku"))) is None
    product_key, sku, name = _find_product(line, notes) if is_product else (None, None, "")
    return ReturnRecord(
        key=f"{order_key}:{mark}",
        placed_at=placed_at,
        consumer_kind=consumer_kind,
        consumer_key=consumer_key,
        email=email,
        product_key=product_key,
        sku=sku,
        name=values.fitted(name, 255, "product name", notes) or None,
        amount=abs(amount),
    )
