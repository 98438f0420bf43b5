"""The format for a website of no known platform: CSV, or NDJSON with the same names, one canonical column each.

A file with `order_number` holds order lines, one a row; one with `product_name` or `sku` and a price holds
products; one with `email` or `customer_id` holds consumers. NDJSON may also give an order whole, with its `lines`
in a list, and may mix the three. A mapping tells of other names, of what is no sale, and of what the file leaves
unsaid. docs/importing.md lists every column and key.
"""

from collections.abc import Collection, Iterator
from http import HTTPStatus

from app.ingest import values
from app.ingest.formats.base import Format, Options, as_text, parse, require_columns
from app.ingest.formats.generic.consumers import build_consumer
from app.ingest.formats.generic.orders import Order, parse_order, parse_returns
from app.ingest.formats.generic.rows import Entry, Reader, Row, gather
from app.ingest.formats.spreadsheets import refuse_twins
from app.ingest.mapping import COLUMNS
from app.ingest.reading import BadLine, Source, UnreadableFile
from app.ingest.records import Item, Parsed, ProductRecord, Record, Rejected
from app.ingest.values import BadRecord, Notes
from app.websites.models import SourceKind

TITLE = "generic file"


def recognises(file: Source, options: Options) -> bool:
    reader = Reader.of(options)
    file = reader.open(file)
    if file.is_json:
        _place, first = next(file.values(), ("", None))
        return isinstance(first, dict) and reader.find_kind_of(first) is not None
    header = file.header()
    return set(reader.mapping.columns.values()) <= set(header) and reader.find_kind_of(header) is not None


def reads_column(name: str, options: Options) -> bool:
    return Reader.of(options).reads(name)


def find_missing(header: Collection[str], options: Options) -> list[str]:
    """Of a file of orders, what is filled in with now, 1 and the product's price."""
    reader = Reader.of(options)
    if reader.find_kind_of(header) != "order":
        return []
    given = {ours for ours, _ in reader.pair(header)} | reader.mapping.defaults.keys()
    prices = {"unit_price", "total_price"}
    missing = [name for name in ("placed_at", "quantity") if name not in given]
    return missing if given & prices else [*missing, "unit_price"]


def read(file: Source, options: Options) -> Iterator[Item]:
    reader = Reader.of(options)
    file = reader.open(file)
    _check_columns(file, reader)
    books_returns = options.returns == "refund" and bool(reader.mapping.return_prefix)
    for runs in gather(file, reader):
        entry = runs[0][0]
        if entry.row is None:
            reason = str(entry.given) if isinstance(entry.given, BadLine) else "not an object"
            yield Rejected(entry.place, "unknown", reason, as_text(entry.given))
        else:
            item = (
                parse_order(Order(runs, reader), books_returns=books_returns)
                if entry.kind == "order"
                else _parse_other(entry, reader)
            )
            if file.is_json and isinstance(item, Parsed):
                item.warnings = [*item.warnings, *_name_unread(runs)]
            if item is not None:
                yield item
    if books_returns:
        # Behind all orders: what is given back may have been bought anywhere in the file.
        for runs in gather(file, reader):
            if runs[0][0].kind == "order":
                yield from parse_returns(Order(runs, reader))


def _name_unread(runs: list[list[Entry]]) -> list[str]:
    """Keys of JSON that mean nothing here, which a CSV's header tells once for all."""
    rows = [entry.row for run in runs for entry in run if entry.row]
    lines = [line for row in rows if isinstance(row.get("lines"), list) for line in row["lines"]]
    keys = {key for row in (*rows, *lines) if isinstance(row, dict) for key in row}
    return [f"the key {key[:60]!r} is not read" for key in sorted(keys - COLUMNS)]


def _check_columns(file: Source, reader: Reader) -> None:
    if file.is_json:
        return
    header = file.header()
    refuse_twins([name for name in header if reader.reads(name)])
    absent = sorted(set(reader.mapping.columns.values()) - set(header))
    if absent:
        faults = [f"the file has no column {name}" for name in absent]
        raise UnreadableFile(
            f"The mapping does not fit: {'; '.join(faults)}.", HTTPStatus.UNPROCESSABLE_ENTITY, field="mapping"
        )
    if reader.find_kind_of(header) is None:
        require_columns(file, {reader.mapping.columns.get("order_number", "order_number")}, TITLE)


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
        is_active=active is not False and (not values.text(active) or values.exported_flag(active, "is_active")),
        updated_at=values.moment(row.get("updated_at"), "updated_at"),
    )


def _parse_other(entry: Entry, reader: Reader) -> Item:
    def build(notes: Notes) -> Record:
        row = reader.fill(entry.row or {})
        match entry.kind:
            case "product":
                return _build_product(row, notes)
            case "consumer":
                return build_consumer(row, notes)
        raise BadRecord("neither an order line, a product nor a consumer: none of their columns is there")

    return parse(entry.place, "record", entry.given, build)


FORMAT = Format(
    "generic",
    TITLE,
    recognises,
    read,
    "order_number (orders), sku and price (products), or email (consumers)",
    reads_column,
    find_missing,
)
