"""Shopify's product export, both generations of its header: one row a variant, further rows for images.

Variants have no ids there: a variant is known by its handle and option values, which stay as long as the variant does.
Its name is written as Shopify writes it in an order line, "Title - Option / Option".
"""

from collections.abc import Iterator

from app.ingest import values
from app.ingest.formats import spreadsheets
from app.ingest.formats.base import Format, Options, lacks, parse, require_columns
from app.ingest.reading import Source
from app.ingest.records import Item, ProductRecord
from app.ingest.values import BadRecord, Notes
from app.websites.models import SourceKind

Row = dict[str, str]
TITLE = "Shopify product export"

# The newer header's names, by the older one's, which the code reads.
RENAMED = {
    "Handle": "URL handle",
    "Published": "Published on online store",
    "Variant SKU": "SKU",
    "Variant Barcode": "Barcode",
    "Variant Price": "Price",
    "Variant Inventory Tracker": "Inventory tracker",
    "Variant Inventory Qty": "Inventory quantity",
    **{f"Option{n} Name": f"Option{n} name" for n in (1, 2, 3)},
    **{f"Option{n} Value": f"Option{n} value" for n in (1, 2, 3)},
}
NUMBERS = {"Variant Price", "Variant Inventory Qty"}
READ = {*RENAMED, "Title", "Status"}
COLUMNS = spreadsheets.Columns(
    names=READ | set(RENAMED.values()),
    numbers=NUMBERS | {RENAMED[name] for name in NUMBERS},
)
# A row without any of them only adds an image to its product.
VARIANT = {"Option1 Value", "Variant Price", "Variant SKU"}
OLD_HEADER = {"Handle", "Title", "Variant Price"}
NEW_HEADER = {"URL handle", "Title", "Price"}
NO_OPTION = "Default Title"


def recognises(file: Source, _: Options) -> bool:
    if file.is_json:
        return False
    header = set(file.header())
    return header >= OLD_HEADER or header >= NEW_HEADER


def read(file: Source, options: Options) -> Iterator[Item]:
    if not set(file.header()) >= NEW_HEADER:
        require_columns(file, OLD_HEADER, TITLE)
    product: Row = {}
    product_given: Row = {}
    for number, given, plain in spreadsheets.tidied(file, COLUMNS, options):
        row = _with_old_names(plain)
        if row["Title"] or row["Handle"] != product.get("Handle"):
            product, product_given = row, given
        if _is_variant(row):
            raw = given if row is product else [_without_variant(product_given), given]
            yield _parse_variant(number, raw, product, row)


def _with_old_names(row: Row) -> Row:
    return row | {old: row[new] for old, new in RENAMED.items() if new in row}


def _is_variant(row: Row) -> bool:
    return any(values.text(row.get(name)) for name in VARIANT)


def _without_variant(given: Row) -> Row:
    """What a product's first row says of the product; read again, it is no variant."""
    return given | {name: "" for old in VARIANT for name in (old, RENAMED[old]) if name in given}


def _parse_variant(number: int, raw: Row | list[Row], product: Row, row: Row) -> Item:
    return parse(f"row {number}", "product", raw, lambda notes: _build_variant(product, row, notes))


def _build_variant(product: Row, row: Row, notes: Notes) -> ProductRecord:
    handle = values.key(row["Handle"], "Handle")
    if not handle:
        raise BadRecord("Handle is blank")
    chosen = [
        (values.text(product.get(f"Option{n} Name")), option)
        for n in (1, 2, 3)
        if (option := values.text(row.get(f"Option{n} Value"))) and option != NO_OPTION
    ]
    options = [option for _, option in chosen]
    title = values.text(product.get("Title")) or handle
    name = f"{title} - {' / '.join(options)}" if options else title
    variant = values.joined([f"{name}: {option}" if name else option for name, option in chosen])
    return ProductRecord(
        kind=SourceKind.PRODUCT_KEY,
        key=values.key("|".join([f"handle:{handle}", *options]), "Handle with its options"),
        name=values.fitted(name, 255, "product name", notes),
        sku=values.own_sku(values.unrounded(row.get("Variant SKU"), "SKU", notes), "Variant SKU"),
        fallback_sku=values.made_up_sku(handle, *options),
        price=values.price(row.get("Variant Price"), "Variant Price"),
        barcode=values.fitted(values.unrounded(row.get("Variant Barcode"), "barcode", notes), 100, "barcode", notes)
        or None,
        variant=variant or None,
        stock_quantity=_stock(row, notes),
        is_active=_is_active(product),
    )


def _stock(row: Row, notes: Notes) -> int | None:
    """Where Shopify, or somebody, keeps count of it."""
    if not values.text(row.get("Variant Inventory Tracker")):
        return None
    return values.stock(row.get("Variant Inventory Qty"), "Variant Inventory Qty", notes)


def _is_active(product: Row) -> bool:
    """By `Status`; exports from before it was there have only `Published`."""
    status = values.text(product.get("Status")).lower()
    return status == "active" if status else values.exported_flag(product.get("Published", "true"), "Published")


FORMAT = Format(
    "shopify_products_csv",
    TITLE,
    recognises,
    read,
    "Handle (or URL handle), Title and a price",
    COLUMNS.reads,
    lacks(("Status", "Published", RENAMED["Published"]), ("Variant SKU", RENAMED["Variant SKU"])),
)
