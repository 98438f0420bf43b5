"""Shopify's product export, both generations of its header: one row a variant, further rows for images.

Variants have no ids there: a variant is known by its handle and option values, which stay as long as the variant does.
Its name is written as Shopify writes it in an order line, "Title - Option / Option".
"""

from collections.abc import Iterator

from app.ingest import values
from app.ingest.formats.base import Format, Options, parse, require_columns
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
OLD_HEADER = {"Handle", "Title", "Variant Price"}
NEW_HEADER = {"URL handle", "Title", "Price"}
NO_OPTION = "Default Title"


def recognises(file: Source, _: Options) -> bool:
    if file.is_json:
        return False
    header = set(file.header())
    return header >= OLD_HEADER or header >= NEW_HEADER


def read(file: Source, _: Options) -> Iterator[Item]:
    if not set(file.header()) >= NEW_HEADER:
        require_columns(file, OLD_HEADER, TITLE)
    product: Row = {}
    for number, given in file.rows():
        row = _with_old_names(given)
        if row["Title"] or row["Handle"] != product.get("Handle"):
            product = row
        if _is_variant(row):
            yield _parse_variant(number, product, row)


def _with_old_names(row: Row) -> Row:
    return row | {old: row[new] for old, new in RENAMED.items() if new in row}


def _is_variant(row: Row) -> bool:
    """A row without option, price and SKU only adds an image to its product."""
    return any(values.text(row.get(name)) for name in ("Option1 Value", "Variant Price", "Variant SKU"))


def _parse_variant(number: int, product: Row, row: Row) -> Item:
    return parse(f"row {number}", "product", row, lambda notes: _build_variant(product, row, notes))


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
        sku=values.own_sku(values.without_apostrophe(row.get("Variant SKU")), "Variant SKU"),
        fallback_sku=values.made_up_sku(handle, *options),
        price=values.price(row.get("Variant Price"), "Variant Price"),
        barcode=values.fitted(values.without_apostrophe(row.get("Variant Barcode")), 100, "barcode", notes) or None,
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
    return status == "active" if status else values.flag(product.get("Published", "true"))


FORMAT = Format("shopify_products_csv", TITLE, recognises, read, "Handle (or URL handle), Title and a price")
