"""The rows of a generic file with our names, by its mapping, and those of one order brought together."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson

from app.ingest import values
from app.ingest.formats.base import Options
from app.ingest.formats.grouping import Groups
from app.ingest.formats.spreadsheets import plain
from app.ingest.mapping import COLUMNS, CONSUMER_COLUMNS, LINE_COLUMNS, PLACEHOLDER, ROW, Mapping
from app.ingest.reading import Source
from app.ingest.values import BadRecord

Row = dict[str, Any]
OrderKey = tuple[str, str]

DATES = ("placed_at", "updated_at")
NUMBERS = (
    "quantity", "unit_price", "total_price", "price", "stock_quantity", "total_amount", "discount_total",
    "shipping_total", "tax_total", "fee_total", "refunded_total",
)  # fmt: skip

# What there is to say of a consumer; an id alone says nothing.
TELLING = CONSUMER_COLUMNS - {"customer_id", "updated_at"}

# What becomes of a line that is neither part of the order's ledger (shipping, fee, discount) nor no_sale.
TAKEN, RETURN, NO_SALE = "taken", "return", "no_sale"


def find_kind(columns: Iterable[str]) -> str | None:
    names = set(columns)
    if "order_number" in names or ("order_id" in names and names & (LINE_COLUMNS | {"lines"})):
        return "order"
    if names & {"sku", "product_name", "product_id"} and names & {"price", "unit_price"}:
        return "product"
    if "email" in names or ("customer_id" in names and names & TELLING):
        return "consumer"
    return None


@dataclass(frozen=True, slots=True)
class Entry:
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
class Reader:
    """Reads rows by a mapping, and by what a spreadsheet made of dates and numbers."""

    mapping: Mapping
    dayfirst: bool
    decimal_comma: bool

    @classmethod
    def of(cls, options: Options) -> "Reader":
        mapping = options.mapping or Mapping()
        return cls(mapping, options.dayfirst or mapping.dayfirst, options.decimal_comma or mapping.decimal_comma)

    def open(self, file: Source) -> Source:
        if self.mapping.header is None and self.mapping.delimiter is None:
            return file
        return file.laid_out(self.mapping.header, self.mapping.delimiter)

    def reads(self, name: str) -> bool:
        """Whether a column of the file is read."""
        columns = self.mapping.columns
        return name in columns.values() or (name in COLUMNS and name not in columns)

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

    def entries(self, file: Source) -> Iterator[Entry]:
        if file.is_json:
            for place, value in file.values():
                yield self.entry(place, value)
            return
        pairs, kind = self.pair(file.header()), self.find_kind_of(file.header())
        for number, row in file.rows():
            yield self._read(f"row {number}", row, pairs, kind)

    def entry(self, place: str, given: Any) -> Entry:
        if not isinstance(given, dict):
            return Entry(place, given, None, None)
        return self._read(place, given, self.pair(given), self.find_kind_of(given))

    def _read(self, place: str, given: Row, pairs: list[tuple[str, str]], kind: str | None) -> Entry:
        row = self._plain({ours: given[theirs] for ours, theirs in pairs})
        if isinstance(row.get("lines"), list):
            row["lines"] = [self._read_line(line) for line in row["lines"]]
        if self.mapping.number_template and is_blank(row.get("order_number")):
            row["order_number"] = self._make_number(place, row)
        return Entry(place, given, row, kind)

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
            name: value for name, value in self.mapping.defaults.items() if name in columns and is_blank(row.get(name))
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


def is_blank(value: Any) -> bool:
    if isinstance(value, str):
        return not value or not values.text(value)
    return value is None


def _is_taken_back(quantity: Any) -> bool:
    found = values.text(quantity)
    if not found or found[0] in "123456789":  # nearly always
        return False
    try:
        return (values.decimal(found, "quantity") or 0) <= 0
    except BadRecord:
        return False


# The rows of one order


def gather(file: Source, reader: Reader) -> Iterator[list[list[Entry]]]:
    """What belongs together: the rows of an order, in the runs in which they stand; anything else alone.

    Orders whose rows stand apart come last. They wait on disk, so that memory holds what stands together.
    """
    apart = _find_scattered(reader.entries(file)) if reader.may_hold_orders(file) else None
    with Groups() as groups:
        for key, entries in groupby(reader.entries(file), key=lambda entry: entry.order_key):
            if key is None:
                yield from ([[entry]] for entry in entries)
                continue
            run = list(entries)
            if apart is None or key not in apart:
                yield [run]
                continue
            packed, name = {"run": [(entry.place, entry.given) for entry in run]}, orjson.dumps(key).decode()
            if not groups.add_child(name, packed):
                groups.add(name, run[0].place, packed)
        for group in groups:
            yield [
                [reader.entry(place, given) for place, given in packed["run"]]
                for packed in (group.parent, *group.children)
            ]


class Marks:
    """A set that takes 8 MiB, whatever it holds; of some keys it says wrongly that they are in it."""

    _BITS = 1 << 26

    def __init__(self) -> None:
        self._bits = bytearray(self._BITS // 8)

    def add(self, key: OrderKey) -> None:
        byte, bit = divmod(hash(key) % self._BITS, 8)
        self._bits[byte] |= 1 << bit

    def __contains__(self, key: OrderKey) -> bool:
        byte, bit = divmod(hash(key) % self._BITS, 8)
        return bool(self._bits[byte] >> bit & 1)


def _find_scattered(entries: Iterable[Entry]) -> Marks | None:
    """The orders whose rows stand in more than one place, and a few others; None where there is no such order."""
    seen, again = Marks(), None
    for key, _ in groupby(entry.order_key for entry in entries):
        if key is None:
            continue
        if key in seen:
            again = again or Marks()
            again.add(key)
        seen.add(key)
    return again
