"""The format for a website of no known platform: CSV, or NDJSON with the same names, one canonical column each.

A file with `order_number` holds order lines, one a row; one with `product_name` or `sku` and a price holds
products; one with `email` or `customer_id` holds consumers. NDJSON may also give an order whole, with its `lines`
in a list, and may mix the three. A mapping tells of other names, of what is no sale, and of what the file leaves
unsaid. docs/importing.md lists every column and key.
"""

import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property, partial
from hashlib import blake2b
from http import HTTPStatus
from itertools import groupby
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from app.ingest import values
from app.ingest.formats.base import Format, Options, SkipRecord, as_text, parse, require_columns
from app.ingest.formats.spreadsheets import plain
from app.ingest.mapping import COLUMNS, CONSUMER_COLUMNS, LINE_COLUMNS, PLACEHOLDER, ROW, Mapping
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
    ReturnRecord,
    identify_consumer,
)
from app.ingest.values import BadRecord, Notes
from app.orders.models import OrderStatus
from app.websites.models import SourceKind

Row = dict[str, Any]
OrderKey = tuple[str, str]
ZERO = Decimal(0)
TITLE = "generic file"

DATES = ("placed_at", "updated_at")
NUMBERS = (
    "quantity", "unit_price", "total_price", "price", "stock_quantity", "total_amount", "discount_total",
    "shipping_total", "tax_total", "fee_total", "refunded_total",
)  # fmt: skip

# What becomes of a line that is neither part of the order's ledger (shipping, fee, discount) nor no_sale.
TAKEN, RETURN, NO_SALE = "taken", "return", "no_sale"

# Rows of orders that stand apart wait in memory up to here, and beyond in a file.
WAITING_BYTES = 16 * 1024 * 1024

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


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row or JSON value: its place, as the file has it, and with our names and plain values (None: no object)."""

    place: str
    given: Any
    row: Row | None
    kind: str | None

    @property
    def order_key(self) -> OrderKey | None:
        """Of one of possibly several rows of an order; an order that brings its `lines` along is a whole one."""
        if self.row is None or self.kind != "order" or isinstance(self.row.get("lines"), list):
            return None
        key = values.text(self.row.get("order_id")), values.text(self.row.get("order_number"))
        return key if any(key) else None


@dataclass(frozen=True)
class _Reader:
    """Reads rows by a mapping, and by what a spreadsheet made of dates and numbers."""

    mapping: Mapping
    dayfirst: bool
    decimal_comma: bool

    @classmethod
    def of(cls, options: Options) -> "_Reader":
        mapping = options.mapping or Mapping()
        return cls(mapping, options.dayfirst or mapping.dayfirst, options.decimal_comma or mapping.decimal_comma)

    def open(self, file: Source) -> Source:
        if self.mapping.header is None and self.mapping.delimiter is None:
            return file
        return file.laid_out(self.mapping.header, self.mapping.delimiter)

    def find_kind(self, names: Iterable[str]) -> str | None:
        """Of our names."""
        made = {"order_number"} if self.mapping.number_template else set()
        return find_kind({*names, *self.mapping.defaults, *made})

    def pair(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Our names beside the file's. Where one has a mapping, the file's own column of it is not read."""
        given, columns = list(names), self.mapping.columns
        own = [(name, name) for name in given if name not in columns]
        return own + [(name, column) for name, column in columns.items() if column in given]

    def find_kind_of(self, names: Iterable[str]) -> str | None:
        """Of the file's names."""
        return self.find_kind(ours for ours, _ in self.pair(names))

    def may_hold_orders(self, file: Source) -> bool:
        return file.is_json or self.find_kind_of(file.header()) == "order"

    def entries(self, file: Source) -> Iterator[_Entry]:
        if file.is_json:
            for place, value in file.values():
                yield self.entry(place, value)
            return
        pairs, kind = self.pair(file.header()), self.find_kind_of(file.header())
        for number, row in file.rows():
            yield self._read(f"row {number}", row, pairs, kind)

    def entry(self, place: str, given: Any) -> _Entry:
        if not isinstance(given, dict):
            return _Entry(place, given, None, None)
        return self._read(place, given, self.pair(given), self.find_kind_of(given))

    def _read(self, place: str, given: Row, pairs: list[tuple[str, str]], kind: str | None) -> _Entry:
        row = self._plain({ours: given[theirs] for ours, theirs in pairs})
        if isinstance(row.get("lines"), list):
            row["lines"] = [self._read_line(line) for line in row["lines"]]
        if self.mapping.number_template and _is_blank(row.get("order_number")):
            row["order_number"] = self._make_number(place, row)
        return _Entry(place, given, row, kind)

    def _read_line(self, line: Any) -> Any:
        return self._plain({ours: line[theirs] for ours, theirs in self.pair(line)}) if isinstance(line, dict) else line

    def _plain(self, row: Row) -> Row:
        return plain(row, dates=DATES, numbers=NUMBERS, dayfirst=self.dayfirst, decimal_comma=self.decimal_comma)

    def _make_number(self, place: str, row: Row) -> str:
        """Blank where a cell that it needs is blank, unless the row's number tells the orders apart all the same."""
        template = self.mapping.number_template or ""
        cells = {name: values.text(row.get(name)) for name in PLACEHOLDER.findall(template)}
        if ROW in cells:
            cells[ROW] = place.rsplit(" ", 1)[-1]
        elif not all(cells.values()):
            return ""
        return PLACEHOLDER.sub(lambda found: cells[found[1]], template)

    def fill(self, row: Row, columns: Container[str] = COLUMNS) -> Row:
        """The row with the defaults of these columns where it is blank."""
        blank = {
            name: value for name, value in self.mapping.defaults.items() if name in columns and _is_blank(row.get(name))
        }
        return row | blank if blank else row

    def find_rule(self, line: Row, number: str) -> str:
        """What becomes of a line of the order of this number.

        A discount with a negative quantity is no return: that is how some files write one.
        """
        rule = self.mapping.codes.find_rule(values.without_apostrophe(line.get("sku")))
        if self.mapping.return_prefix and (
            self.mapping.is_return(number) or (rule != "discount" and _is_taken_back(line.get("quantity")))
        ):
            return RETURN
        return rule or TAKEN


def _is_blank(value: Any) -> bool:
    if isinstance(value, str):
        return not value or not values.text(value)
    return value is None


def _is_taken_back(quantity: Any) -> bool:
    found = values.text(quantity)
    if not found or found[0] in "123456789":  # nearly always
        return False
    try:
        return (values.decimal(found, "quantity") or ZERO) <= 0
    except BadRecord:
        return False


def recognises(file: Source, options: Options) -> bool:
    reader = _Reader.of(options)
    file = reader.open(file)
    if file.is_json:
        _place, first = next(file.values(), ("", None))
        return isinstance(first, dict) and reader.find_kind_of(first) is not None
    return reader.find_kind_of(file.header()) is not None


def reads_column(name: str, options: Options) -> bool:
    columns = options.mapping.columns if options.mapping else {}
    return name in columns.values() or (name in COLUMNS and name not in columns)


def read(file: Source, options: Options) -> Iterator[Item]:
    reader = _Reader.of(options)
    file = reader.open(file)
    _check_columns(file, reader)
    for runs in _gather(file, reader):
        entry = runs[0][0]
        if entry.row is None:
            reason = str(entry.given) if isinstance(entry.given, BadLine) else "not an object"
            yield Rejected(entry.place, "unknown", reason, as_text(entry.given))
        elif entry.kind == "order":
            yield _parse_order(_Order(runs, reader))
        else:
            yield _parse_other(entry, reader)
    if options.returns == "refund" and reader.mapping.return_prefix:
        # Behind all orders: what is given back may have been bought anywhere in the file.
        for runs in _gather(file, reader):
            if runs[0][0].kind == "order":
                yield from _parse_returns(_Order(runs, reader))


def _check_columns(file: Source, reader: _Reader) -> None:
    if file.is_json:
        return
    header = file.header()
    absent = sorted(set(reader.mapping.columns.values()) - set(header))
    if absent:
        faults = [f"the file has no column {name}" for name in absent]
        raise UnreadableFile(
            f"The mapping does not fit: {'; '.join(faults)}.", HTTPStatus.UNPROCESSABLE_ENTITY, field="mapping"
        )
    if reader.find_kind_of(header) is None:
        require_columns(file, {reader.mapping.columns.get("order_number", "order_number")}, TITLE)


# The rows of one order


def _gather(file: Source, reader: _Reader) -> Iterator[list[list[_Entry]]]:
    """What belongs together: the rows of an order, in the runs in which they stand; anything else alone.

    An order comes where its last row stands. Until then the rows of one that stands apart are kept aside, so that
    memory holds what stands together, and a number for each order.
    """
    left = _count_runs(reader.entries(file)) if reader.may_hold_orders(file) else {}
    with SpooledTemporaryFile(WAITING_BYTES) as aside:
        waiting: dict[OrderKey, list[int]] = {}
        for key, entries in groupby(reader.entries(file), key=lambda entry: entry.order_key):
            if key is None:
                yield from ([[entry]] for entry in entries)
                continue
            run = list(entries)
            if hash(key) not in left:
                yield [run]
                continue
            waiting.setdefault(key, []).append(_put_aside(aside, run))
            left[hash(key)] -= 1
            if left[hash(key)] == 0:
                yield _fetch(aside, waiting.pop(key), reader)
        # Two keys with one hash: only one of them came with the last row of both.
        for offsets in waiting.values():
            yield _fetch(aside, offsets, reader)


def _count_runs(entries: Iterable[_Entry]) -> dict[int, int]:
    """In how many places the rows of an order stand, by the hash of its key, where it is more than one."""
    seen: set[int] = set()
    runs: dict[int, int] = {}
    for key, _ in groupby(entry.order_key for entry in entries):
        if key is None:
            continue
        if hash(key) in seen:
            runs[hash(key)] = runs.get(hash(key), 1) + 1
        seen.add(hash(key))
    return runs


def _put_aside(aside: IO[bytes], run: list[_Entry]) -> int:
    offset = aside.seek(0, 2)
    aside.write(json.dumps([(entry.place, entry.given) for entry in run], default=str).encode() + b"\n")
    return offset


def _fetch(aside: IO[bytes], offsets: list[int], reader: _Reader) -> list[list[_Entry]]:
    runs = []
    for offset in offsets:
        aside.seek(offset)
        runs.append([reader.entry(place, given) for place, given in json.loads(aside.readline())])
    return runs


@dataclass(frozen=True, slots=True)
class _Line:
    """`is_blank` is a row without a line item: it only tells of its order."""

    place: str
    line: Row
    rule: str
    is_blank: bool


@dataclass
class _Order:
    runs: list[list[_Entry]]
    reader: _Reader
    entries: list[_Entry] = field(init=False)

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
            if entry.row is not None and not _is_blank(entry.row.get(name)):
                return entry.row[name]
        return self.reader.mapping.defaults.get(name)

    @property
    def shown_number(self) -> Any:
        return self.first("order_number") or self.first("order_id")

    def count_rows(self) -> int:
        given = [entry.row.get("lines") for entry in self.entries if entry.row is not None]
        return sum(len(lines) if isinstance(lines, list) else 1 for lines in given)

    @cached_property
    def lines(self) -> list[_Line]:
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
                is_blank = given is row and all(_is_blank(given.get(name)) for name in LINE_COLUMNS)
                found.append(_Line(entry.place, line, self.reader.find_rule(line, number), is_blank))
        return found


def _parse_order(order: _Order) -> Item:
    item = parse(order.place, "order", order.raw, lambda notes: _build_order(order, notes))
    if isinstance(item, Rejected):
        item.lines = {"rejected": order.count_rows()}
    else:
        item.lines = Counter(line.rule for line in order.lines)
    return item


def _parse_other(entry: _Entry, reader: _Reader) -> Item:
    def build(notes: Notes) -> Record:
        row = reader.fill(entry.row or {})
        match entry.kind:
            case "product":
                return _build_product(row, notes)
            case "consumer":
                return _build_consumer(row, notes)
        raise BadRecord("neither an order line, a product nor a consumer: none of their columns is there")

    return parse(entry.place, "record", entry.given, build)


def _build_order(order: _Order, notes: Notes) -> OrderRecord:
    first = order.first
    number = values.exported_key(order.shown_number, "order_number")
    if not number:
        raise BadRecord("order_number is blank")
    order_id = values.exported_key(first("order_id"), "order_id")
    lines = order.lines
    sold = [line for line in lines if line.rule == TAKEN and not line.is_blank]
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
        consumer=_build_order_consumer(
            {name: first(name) for name in (*CONSUMER_COLUMNS, "placed_at")}, order_id or number, notes
        ),
        lines=[_build_line(line.line, notes) for line in sold],
        status=_map_status(first("status"), notes),
        source_status=values.text(first("status"))[:50] or None,
        placed_at=values.moment(first("placed_at"), "placed_at"),
        currency=values.currency(first("currency")),
        total_amount=values.money(first("total_amount"), "total_amount"),
        discount_total=_positive(first("discount_total"), "discount_total") + abs(charges["discount"]),
        shipping_total=_positive(first("shipping_total"), "shipping_total") + charges["shipping"],
        tax_total=_positive(first("tax_total"), "tax_total"),
        fee_total=(values.money(first("fee_total"), "fee_total") or ZERO) + charges["fee"],
        refunded_total=values.positive_money(first("refunded_total"), "refunded_total"),
        tax_included=values.flag(first("tax_included")),
        is_test=values.flag(first("is_test")),
        updated_at=values.moment(first("updated_at"), "updated_at"),
    )
    _refuse_negative(record)
    return record


def _positive(value: Any, what: str) -> Decimal:
    return values.positive_money(value, what) or ZERO


def _add_up_charges(lines: list[_Line]) -> dict[str, Decimal]:
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


def _parse_returns(order: _Order) -> Iterator[Item]:
    """The order's returned lines. Those that cannot be taken are one reject, with all its rows.

    Tried again, they are then the same lines of the same order. Those of a rejected order wait for it.
    """
    if isinstance(_parse_order(order), Rejected):
        return
    rejected: Item | None = None
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
        else:
            yield item
    if rejected:
        yield rejected


def _name_product(line: Row) -> str:
    """What tells the returns of an order apart, so that other lines may come and go."""
    words = [values.text(line.get(name)) for name in ("product_id", "sku", "product_name")]
    found = next((word for word in words if word), "")
    return found if len(found) <= 60 else blake2b(found.encode(), digest_size=16).hexdigest()


def _build_return(order: _Order, line: Row, mark: str, notes: Notes) -> ReturnRecord:
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
    account = values.exported_key(row.get("customer_id"), "customer_id")
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
    return values.fitted(values.unrounded(row.get("phone"), "phone", notes), 20, "phone", notes)


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
    product_key = values.exported_key(row.get("product_id"), "product_id")
    sku = values.own_sku(values.unrounded(row.get("sku"), "SKU", notes), "sku")
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
        barcode=values.fitted(values.unrounded(row.get("barcode"), "barcode", notes), 100, "barcode", notes) or None,
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
    reads_column,
)
