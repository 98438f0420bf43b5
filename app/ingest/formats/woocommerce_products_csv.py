"""WooCommerce's product export: one row a product or variation.

The header is translated with the site's language and its units vary ("Weight (lbs)"), so only English headers are
recognised; the columns read here carry no unit. `Parent` is `id:799`, or the parent's SKU.
"""

import re
from collections.abc import Iterator
from itertools import count

from app.ingest import values
from app.ingest.formats import spreadsheets
from app.ingest.formats.base import Format, Options, lacks, parse, require_columns
from app.ingest.reading import Source
from app.ingest.records import Item, ProductRecord
from app.ingest.values import BadRecord, Notes
from app.websites.models import SourceKind

Row = dict[str, str]
TITLE = "WooCommerce product export"
NEEDED = {"Type", "SKU", "Name", "Published", "Regular price"}
NUMBERS = {"Sale price", "Regular price", "Stock"}
BARCODE = "GTIN, UPC, EAN, or ISBN"
ATTRIBUTE_NAME, ATTRIBUTE_VALUE = "Attribute {} name", "Attribute {} value(s)"
_ATTRIBUTE = re.compile(r"Attribute \d+ (name|value\(s\))")
COLUMNS = spreadsheets.Columns(
    names={"ID", "Type", "SKU", "Name", "Published", "Parent", BARCODE, *NUMBERS},
    numbers=NUMBERS,
    also=lambda name: _ATTRIBUTE.fullmatch(name) is not None,
)


def recognises(file: Source, _: Options) -> bool:
    return not file.is_json and set(file.header()) >= NEEDED


def read(file: Source, options: Options) -> Iterator[Item]:
    require_columns(file, NEEDED, TITLE)
    for number, given, row in spreadsheets.tidied(file, COLUMNS, options):
        yield _parse_product(number, given, row)


def _parse_product(number: int, given: Row, row: Row) -> Item:
    return parse(f"row {number}", "product", given, lambda notes: _build_product(row, notes))


def _build_product(row: Row, notes: Notes) -> ProductRecord:
    external_id = values.exported_key(row.get("ID"), "ID")
    sku = _sku(row, external_id, notes)
    name = values.unescaped(row["Name"])
    if not external_id and not sku and not name:
        raise BadRecord("ID, SKU and Name are all blank")
    is_variation = "variation" in _types(row)
    parent_key = _parent_key(row) if is_variation else None
    chosen = _chosen(row) if is_variation else []
    options = values.joined([option for _, option in chosen])
    variant = values.joined([f"{attribute}: {option}" for attribute, option in chosen])
    price = values.price(row.get("Sale price"), "Sale price")
    if price is None:
        price = values.price(row["Regular price"], "Regular price")
    own_name = bool(name) or parent_key is None
    shown = name or (f"Product {external_id or sku}" if own_name else options or f"Variation {external_id or sku}")
    parts = [name or sku or external_id] if own_name else [(parent_key or "").removeprefix("sku:"), shown]
    return ProductRecord(
        kind=SourceKind.PRODUCT if external_id else SourceKind.PRODUCT_KEY,
        key=external_id or _key(sku, name, parent_key, options),
        name=values.fitted(shown, 255, "product name", notes),
        own_name=own_name,
        parent_key=parent_key,
        sku=sku,
        fallback_sku=values.made_up_sku(*parts),
        price=price,
        barcode=values.fitted(values.unrounded(row.get(BARCODE), "barcode", notes), 100, "barcode", notes) or None,
        variant=variant or None,
        stock_quantity=values.stock(row.get("Stock"), "Stock", notes),
        # 1 published, 0 private, -1 draft.
        is_active=_is_published(row),
    )


def _key(sku: str | None, name: str, parent_key: str | None, options: str) -> str:
    """Of a file without ids. A variation may show its parent's SKU, and is not its parent."""
    if sku is None:
        return f"name:{name}"
    return values.key(f"sku:{sku}|{options}", "SKU with options") if parent_key == f"sku:{sku}" else f"sku:{sku}"


def _sku(row: Row, external_id: str, notes: Notes) -> str | None:
    """Without an ID the SKU is the identity, and a rounded one is refused as an ID is."""
    if external_id:
        return values.own_sku(values.unrounded(row["SKU"], "SKU", notes), "SKU")
    return values.own_sku(values.exact(row["SKU"], "SKU"), "SKU")


def _parent_key(row: Row) -> str | None:
    """The parent's key as its own record has it: `id:799` there, else its SKU."""
    parent = values.without_apostrophe(row.get("Parent"))
    if parent.lower().startswith("id:"):
        return values.exported_key(parent[3:], "Parent") or None
    return f"sku:{values.exact(parent, 'Parent')}" if parent else None


def _types(row: Row) -> list[str]:
    """A product may be several things at once: "simple, downloadable, virtual"."""
    return [kind.strip().lower() for kind in row["Type"].split(",")]


def _chosen(row: Row) -> list[tuple[str, str]]:
    """What a variation is of its parent's attributes, by their names."""
    chosen: list[tuple[str, str]] = []
    for number in count(1):
        if ATTRIBUTE_NAME.format(number) not in row:
            break
        name = values.unescaped(row[ATTRIBUTE_NAME.format(number)])
        option = values.unescaped(row.get(ATTRIBUTE_VALUE.format(number)))
        if name and option:
            chosen.append((name, option))
    return chosen


def _is_published(row: Row) -> bool:
    """1 published, 0 private, -1 draft; a spreadsheet may have written TRUE."""
    return values.text(row["Published"]) != "-1" and values.exported_flag(row["Published"], "Published")


FORMAT = Format(
    "woocommerce_products_csv",
    TITLE,
    recognises,
    read,
    ", ".join(sorted(NEEDED)),
    COLUMNS.reads,
    lacks("ID", "Sale price"),
)
