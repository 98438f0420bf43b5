"""WooCommerce's product export: one row a product or variation.

The header is translated with the site's language and its units vary ("Weight (lbs)"), so only English headers are
recognised; the columns read here carry no unit. `Parent` is `id:799`, or the parent's SKU.
"""

from collections.abc import Iterator
from itertools import count

from app.ingest import values
from app.ingest.formats.base import Format, Options, parse, require_columns
from app.ingest.reading import Source
from app.ingest.records import Item, ProductRecord
from app.ingest.values import BadRecord, Notes
from app.websites.models import SourceKind

Row = dict[str, str]
TITLE = "WooCommerce product export"
NEEDED = {"Type", "SKU", "Name", "Published", "Regular price"}


def recognises(file: Source, _: Options) -> bool:
    return not file.is_json and set(file.header()) >= NEEDED


def read(file: Source, _: Options) -> Iterator[Item]:
    require_columns(file, NEEDED, TITLE)
    for number, row in file.rows():
        yield _parse_product(number, row)


def _parse_product(number: int, row: Row) -> Item:
    return parse(f"row {number}", "product", row, lambda notes: _build_product(row, notes))


def _build_product(row: Row, notes: Notes) -> ProductRecord:
    external_id = values.key(row.get("ID"), "ID")
    sku = values.own_sku(row["SKU"], "SKU")
    name = values.unescaped(row["Name"])
    if not external_id and not sku and not name:
        raise BadRecord("ID, SKU and Name are all blank")
    is_variation = "variation" in _types(row)
    price = values.price(row.get("Sale price"), "Sale price")
    if price is None:
        price = values.price(row["Regular price"], "Regular price")
    return ProductRecord(
        kind=SourceKind.PRODUCT if external_id else SourceKind.PRODUCT_KEY,
        key=external_id or (f"sku:{sku}" if sku else f"name:{name}"),
        name=values.fitted(name or f"Product {external_id or sku}", 255, "product name", notes),
        sku=sku,
        fallback_sku=values.made_up_sku(name or sku or external_id),
        price=price,
        barcode=values.fitted(values.text(row.get("GTIN, UPC, EAN, or ISBN")), 100, "barcode", notes) or None,
        variant=_variant(row) if is_variation else None,
        stock_quantity=values.stock(row.get("Stock"), "Stock", notes),
        # 1 published, 0 private, -1 draft.
        is_active=values.text(row["Published"]) == "1",
    )


def _types(row: Row) -> list[str]:
    """A product may be several things at once: "simple, downloadable, virtual"."""
    return [kind.strip().lower() for kind in row["Type"].split(",")]


def _variant(row: Row) -> str | None:
    chosen: list[str] = []
    for number in count(1):
        name = values.unescaped(row.get(f"Attribute {number} name"))
        if f"Attribute {number} name" not in row:
            break
        option = values.unescaped(row.get(f"Attribute {number} value(s)"))
        if name and option:
            chosen.append(f"{name}: {option}")
    return values.joined(chosen) or None


FORMAT = Format("woocommerce_products_csv", TITLE, recognises, read, ", ".join(sorted(NEEDED)))
