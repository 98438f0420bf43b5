"""Product exports of both platforms: variants, both generations of Shopify's header, and a second import."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.ingest.formats import find_format
from app.ingest.formats.base import Options
from app.ingest.reading import SourceFile
from app.ingest.records import Parsed, ProductRecord, Rejected
from tests.ingest.conftest import LIMITS, Ingest, Rows
from tests.ingest.payloads import as_csv, woo_line, woo_order

Query = Callable[..., Awaitable[Rows]]
PRODUCTS = """
    SELECT sku, product_name, price, variant, barcode, stock_quantity, is_active FROM products ORDER BY product_name
"""


def old_row(**overrides: str) -> dict[str, str]:
    return {
        "Handle": "mug", "Title": "", "Published": "", "Option1 Name": "", "Option1 Value": "", "Option2 Name": "",
        "Option2 Value": "", "Variant SKU": "", "Variant Inventory Tracker": "", "Variant Inventory Qty": "",
        "Variant Price": "", "Variant Barcode": "", "Image Src": "", "Status": "",
    } | {name.replace("_", " "): value for name, value in overrides.items()}  # fmt: skip


OLD = [
    old_row(Title="Enamel mug", Published="true", Option1_Name="Colour", Option1_Value="Blue", Variant_SKU="'MUG-B",
            Variant_Inventory_Tracker="shopify", Variant_Inventory_Qty="-2", Variant_Price="12.5",
            Variant_Barcode="'3212483", Status="active"),
    old_row(Option1_Value="Red", Variant_Price="13"),
    old_row(Image_Src="https://shop.example/mug.jpg"),
    old_row(Handle="towel", Title="Tea towel", Published="false", Option1_Name="Title", Option1_Value="Default Title",
            Variant_Price="13.50", Variant_Inventory_Qty="7"),
]  # fmt: skip
RENAMED = {
    "Handle": "URL handle", "Published": "Published on online store", "Option1 Name": "Option1 name",
    "Option1 Value": "Option1 value", "Option2 Name": "Option2 name", "Option2 Value": "Option2 value",
    "Variant SKU": "SKU", "Variant Inventory Tracker": "Inventory tracker", "Variant Inventory Qty":
    "Inventory quantity", "Variant Price": "Price", "Variant Barcode": "Barcode", "Image Src": "Product image URL",
}  # fmt: skip
NEW = [{RENAMED.get(name, name): value for name, value in row.items()} for row in OLD]


def read(path: Path) -> tuple[str, list[Any]]:
    file = SourceFile(path, LIMITS)
    found, _ = find_format(file, Options())
    return found.name, list(found.read(file, Options()))


def records(items: list[Any]) -> list[ProductRecord]:
    found = [item.record for item in items if isinstance(item, Parsed) and isinstance(item.record, ProductRecord)]
    assert len(found) == len(items)
    return found


class TestShopify:
    @pytest.mark.parametrize("rows", [OLD, NEW], ids=["old header", "new header"])
    def test_a_row_is_a_variant(self, write: Callable[[Any], Path], rows: list[dict[str, str]]):
        name, items = read(write(as_csv(*rows)))
        assert name == "shopify_products_csv"
        blue, red, towel = records(items)
        assert (blue.key, blue.name, blue.variant) == ("handle:mug|Blue", "Enamel mug - Blue", "Colour: Blue")
        assert (blue.sku, blue.barcode, blue.price) == ("MUG-B", "3212483", Decimal("12.50"))
        assert (blue.stock_quantity, blue.is_active) == (-2, True)
        assert (red.key, red.name, red.sku, red.fallback_sku) == ("handle:mug|Red", "Enamel mug - Red", None, "mug-red")
        assert (red.stock_quantity, red.is_active) == (None, True)
        assert (towel.key, towel.name, towel.variant) == ("handle:towel", "Tea towel", None)
        assert (towel.stock_quantity, towel.is_active) == (None, False)

    def test_a_bad_price_is_a_reject_of_that_variant(self, write: Callable[[Any], Path]):
        _, items = read(write(as_csv(OLD[0], old_row(Option1_Value="Red", Variant_Price="free"))))
        assert isinstance(items[0], Parsed)
        assert isinstance(items[1], Rejected)
        assert (items[1].place, items[1].reason) == ("row 3", "Variant Price is not a number: free")

    async def test_twice_changes_nothing(self, ingest: Ingest, query: Query):
        first = await ingest(as_csv(*OLD))
        before = await query(PRODUCTS)
        assert first.records_created == 3
        assert [row["sku"] for row in before] == ["MUG-B", "mug-red", "towel"]
        again = await ingest(as_csv(*NEW))
        assert again.records_unchanged == 3
        assert await query(PRODUCTS) == before


def woo_row(**overrides: str) -> dict[str, str]:
    return {
        "ID": "", "Type": "simple", "SKU": "", "Name": "", "Published": "1", "Stock": "", "Sale price": "",
        "Regular price": "", "Weight (lbs)": "", "Parent": "", "Attribute 1 name": "", "Attribute 1 value(s)": "",
    } | {name.replace("_", " "): value for name, value in overrides.items()}  # fmt: skip


class TestWooCommerce:
    def test_products_and_variations(self, write: Callable[[Any], Path]):
        rows = [
            woo_row(ID="7", Type="variable", SKU="tee", Name="Tee &amp; more"),
            woo_row(ID="8", Type="variation, virtual", SKU="tee-red", Name="Tee - Red", Sale_price="18",
                    Regular_price="20", Stock="4", Parent="id:7")
            | {"Attribute 1 name": "Colour", "Attribute 1 value(s)": "Red"},
            woo_row(ID="9", SKU="cap", Name="Cap", Regular_price="16", Published="-1"),
        ]  # fmt: skip
        name, items = read(write("\ufeff" + as_csv(*rows)))
        assert name == "woocommerce_products_csv"
        tee, red, cap = records(items)
        assert (tee.key, tee.name, tee.price, tee.variant) == ("7", "Tee & more", None, None)
        assert (red.name, red.price, red.stock_quantity, red.variant) == ("Tee - Red", Decimal(18), 4, "Colour: Red")
        assert (cap.price, cap.is_active) == (Decimal(16), False)

    async def test_a_file_without_ids_changes_what_one_with_ids_made(self, ingest: Ingest, query: Query):
        with_id = woo_row(ID="9", SKU="cap", Name="Cap", Regular_price="16")
        override = woo_row(SKU="cap", Name="Cap Override", Regular_price="116")
        assert (await ingest(as_csv(with_id))).records_created == 1
        assert (await ingest(as_csv(override))).records_updated == 1
        assert [(row["product_name"], row["price"]) for row in await query(PRODUCTS)] == [("Cap Override", 116)]
        # The first file says something else again, so it is no repetition of what is known.
        assert (await ingest(as_csv(with_id))).records_updated == 1
        assert [(row["product_name"], row["price"]) for row in await query(PRODUCTS)] == [("Cap", 16)]
        assert (await ingest(as_csv(with_id))).records_unchanged == 1

    async def test_a_file_without_ids_does_not_replace_what_the_store_itself_dated(self, ingest: Ingest, query: Query):
        line = woo_line(9, sku="cap", name="Cap")
        dated = {
            "id": 9, "name": "Cap", "type": "simple", "status": "publish", "sku": "cap", "price": "16",
            "variations": [], "attributes": [], "date_modified_gmt": "2025-01-01T08:00:00",
        }  # fmt: skip
        await ingest([dated])
        await ingest([woo_order(1, line_items=[line])])
        report = await ingest(as_csv(woo_row(SKU="cap", Name="Cap Override", Regular_price="116")))
        assert report.details["skipped"] == {"known_by_id": 1}
        assert [(row["product_name"], row["price"]) for row in await query(PRODUCTS)] == [("Cap", 16)]
