"""CSV that went through a spreadsheet: understood to the last cell, or refused with a sentence."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.ingest.formats import (
    FORMATS,
    find_format,
    shopify_csv,
    shopify_customers_csv,
    shopify_products_csv,
    woocommerce_products_csv,
)
from app.ingest.formats.base import Format, Options
from app.ingest.reading import SourceFile, UnreadableFile
from app.ingest.records import ConsumerRecord, Item, OrderRecord, Parsed, ProductRecord, Record, Rejected
from tests.ingest.conftest import LIMITS, SHARED, Ingest
from tests.ingest.payloads import (
    as_csv,
    shopify_customer_row,
    shopify_line,
    shopify_product_row,
    shopify_row,
    woo_product_row,
    wrap_lines,
    wrap_rows,
)

Write = Callable[[Any], Path]
Row = dict[str, str]

ORDERS = [
    shopify_row("#1001", Total="17.50", Notes='Leave it "here",\n\nplease; thanks\n', Id="5001"),
    shopify_line("#1001", Lineitem_name='Plate, 10" wide'),
    shopify_row("#1002", Email="", Billing_Name="Doe; Jane", Billing_Zip="'01234", Id="5002"),
    shopify_row("#1003", Notes="two\nlines", Lineitem_name="Mug | Blue\twide", Id="5003"),
]  # fmt: skip
CUSTOMERS = [
    shopify_customer_row(
        Customer_ID="'7001", Phone="'+49 30 1", Default_Address_Zip="'01234", Default_Address_City="Dresden"
    ),
    shopify_customer_row(Email="jo@example.com", Note='says "hi", twice'),
]
SHOPIFY_PRODUCTS = [
    shopify_product_row(Title="Mug", Option1_Name="Colour", Option1_Value="Blue", Variant_SKU="'0042",
                        Variant_Price="12.50", Variant_Barcode="'3212483", Published="TRUE",
                        Variant_Inventory_Tracker="shopify", Variant_Inventory_Qty="3")
    | {"Body (HTML)": '<p class="a">Enamel,\nwhite</p>'},
    shopify_product_row(Option1_Value="Red", Variant_Price="13.00"),
]  # fmt: skip
WOO_PRODUCTS = [
    woo_product_row(ID="7", Type="variable", SKU="tee", Name='Tee, 10" wide', Regular_price="20.00", Stock="4",
                    Description="cotton,\nblue; soft"),
    woo_product_row(ID="8", Type="variation", SKU="tee-red", Parent="tee", Regular_price="21.00"),
]  # fmt: skip

EXPORTS: list[tuple[Format, list[Row]]] = [
    (shopify_csv.FORMAT, ORDERS),
    (shopify_customers_csv.FORMAT, CUSTOMERS),
    (shopify_products_csv.FORMAT, SHOPIFY_PRODUCTS),
    (woocommerce_products_csv.FORMAT, WOO_PRODUCTS),
]
each_export = pytest.mark.parametrize(("format_", "rows"), EXPORTS, ids=[format_.name for format_, _ in EXPORTS])


def read(path: Path, **options: bool) -> list[Item]:
    """As an import would: recognise, then read to the end."""
    file = SourceFile(path, LIMITS)
    found, using = find_format(file, Options(**options))  # type: ignore[arg-type]
    return list(found.read(file, using))


def records(items: list[Item]) -> list[Record]:
    found = [item.record for item in items if isinstance(item, Parsed)]
    assert len(found) == len(items), items
    return found


def only_record(items: list[Item]) -> Any:
    (item,) = items
    assert isinstance(item, Parsed), item
    return item.record


def rejection(items: list[Item]) -> Rejected:
    (item,) = items
    assert isinstance(item, Rejected), item
    return item


def refusal(path: Path) -> str:
    with pytest.raises(UnreadableFile) as raised:
        read(path)
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


class TestWholeRowsInQuotationMarks:
    @each_export
    @pytest.mark.parametrize("behind", ["", ";;;", ",,,", "\t"])
    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_every_row(self, write: Write, format_: Format, rows: list[Row], behind: str, delimiter: str):
        plain = read(write(as_csv(*rows)))
        wrapped = read(write(wrap_rows(*rows, delimiter=delimiter, behind=behind)))
        assert wrapped == plain
        assert len(records(plain)) == len(rows) - (format_ is shopify_csv.FORMAT)

    @each_export
    @pytest.mark.parametrize("behind", ["", ";;;"])
    def test_cells_of_several_lines_that_were_torn_into_rows(
        self, write: Write, format_: Format, rows: list[Row], behind: str
    ):
        plain = as_csv(*rows)
        assert plain.count("\n") > len(rows) + 1 or format_ is shopify_customers_csv.FORMAT
        assert read(write(wrap_lines(plain, behind=behind))) == read(write(plain))

    def test_a_real_export(self, write: Write):
        path = SHARED / "shopify_orders_csv" / "orders_export_devstore_eur.csv"
        if not path.is_file():
            pytest.skip("the real files are not there (ECOMPREDICTOR_SHARED names their folder)")
        content = path.read_bytes().decode().replace("\r\n", "\n")
        plain = read(path)
        assert len(plain) == 19
        for behind in ("", ";;;", ",,"):
            assert read(write(wrap_lines(content, behind=behind))) == plain

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_in_other_encodings(self, write: Write, encoding: str):
        content = wrap_rows(*ORDERS, behind=";;").replace("\n", "\r\n")
        assert records(read(write(content.encode(encoding)))) == records(
            read(write(as_csv(*ORDERS).replace("\n", "\r\n")))
        )

    def test_rows_that_needed_no_quotation_marks(self, write: Write):
        """A spreadsheet quotes only cells with a quotation mark or its own delimiter in them."""
        header = wrap_lines('Name,Email,Created at,Total,Lineitem name,"Notes, more"')
        content = header + "#1,a@example.com,2025-01-01,5.00,Mug,\n" + wrap_lines('#2,,2025-01-01,6.00,"Cup, blue",x')
        first, second = records(read(write(content)))
        assert isinstance(first, OrderRecord)
        assert isinstance(second, OrderRecord)
        assert (first.order_number, first.total_amount, first.lines[0].name) == ("#1", Decimal(5), "Mug")
        assert (second.order_number, second.total_amount, second.lines[0].name) == ("#2", Decimal(6), "Cup, blue")

    def test_torn_cells_keep_their_lines(self, write: Write):
        notes = 'two, lines\n\n,\n  "quoted", indented\nthe end'
        content = as_csv({"sku": "A", "price": "1", "notes": notes}, {"sku": "B", "price": "2", "notes": ""})
        for behind in ("", ";;", "\t"):
            path = write(wrap_lines(content, behind=behind))
            assert [row["notes"] for _, row in SourceFile(path, LIMITS).rows()] == [notes, ""]
        # As a spreadsheet that writes semicolons does: lines without quotation marks stay as they are.
        bare = "".join(wrap_lines(line) if '"' in line else line + "\n" for line in content.splitlines())
        path = write('"sku,price,""notes"""\n' + bare.split("\n", 1)[1])
        assert [row["notes"] for _, row in SourceFile(path, LIMITS).rows()] == [notes, ""]

    def test_a_header_that_grew_a_delimiter(self, write: Write):
        sentence = refusal(write(f"{self.HEADER};\n#1,,2025-01-01,5.00,Mug;\n"))
        assert sentence.startswith("The header ends in 'Lineitem name;': a spreadsheet saved the file")

    HEADER = "Name,Email,Created at,Total,Lineitem name"

    @pytest.mark.parametrize(
        ("rows", "sentence"),
        [
            ('"#1,,2025-01-01,5.00"', "Row 2 has 4 cells, the header has 5."),
            ('"#1,,2025-01-01,5.00,Mug,blue"', "Row 2 has 6 cells, the header has 5."),
            ('"#1,,2025-01-01,5.00,Mug"\n#2,,2025-01-01,5.00', "Row 3 has 4 cells, the header has 5."),
            ('"#1,,2025-01-01,5.00,Mug"\n#2', "Row 3 has 1 cells, the header has 5."),
            ('"#1,,2025-01-01,5.00,Mug"\n#2,,2025-01-01,5.00,Mug,blue', "Row 3 has 6 cells, the header has 5."),
            ('"#1,,2025-01-01,5.00,""Mug"', "The file is not valid CSV in row 2: unexpected end of data."),
            ('"#1,,2025-01-01,5.00,""Mug"" blue"', "The file is not valid CSV in row 2: ',' expected after '\"'."),
        ],
    )
    def test_rows_that_do_not_fit(self, write: Write, rows: str, sentence: str):
        assert refusal(write(f'"{self.HEADER}"\n{rows}\n')) == sentence

    def test_a_row_with_cells_of_its_own_among_blank_ones(self, write: Write):
        sentence = refusal(write(f'"{self.HEADER}";;\n"#1,,2025-01-01,5.00,Mug";;\n#2,,2025-01-01;5.00,Mug;\n'))
        assert sentence == "Row 3 has 3 cells, while the header stands in a single one as a whole."

    def test_one_row_only(self, write: Write):
        content = f'{self.HEADER}\n#1,,2025-01-01,5.00,Mug\n"#2,,2025-01-01,6.00,""Cup, ""\n'
        assert "not valid CSV in row 3" in refusal(write(content))
        mended = f'{self.HEADER}\n#1,,2025-01-01,5.00,Mug\n"#2,,2025-01-01,6.00,""Cup, blue"""\n'
        first, second = records(read(write(mended)))
        assert isinstance(first, OrderRecord)
        assert isinstance(second, OrderRecord)
        assert (second.order_number, second.total_amount, second.lines[0].name) == ("#2", Decimal(6), "Cup, blue")

    @pytest.mark.parametrize("row", ['"#2,,2025-01-01,6.00"', '"#2,,2025-01-01,6.00,Mug,blue"', '"#2,,2025-01-01",,'])
    def test_one_row_that_cannot_be_taken_apart(self, write: Write, row: str):
        sentence = refusal(write(f"{self.HEADER}\n#1,,2025-01-01,5.00,Mug\n{row}\n"))
        assert sentence == "Row 3 stands in quotation marks as a whole, and does not hold the header's 5 cells."

    def test_a_first_cell_that_holds_the_delimiter(self, write: Write):
        """A row with all its cells is no wrapped one, though all but the first are blank."""
        path = write('product_name,sku,price\n"Mug, blue, large",,\n')
        assert [row for _, row in SourceFile(path, LIMITS).rows()] == [
            {"product_name": "Mug, blue, large", "sku": "", "price": ""}
        ]

    @pytest.mark.parametrize("behind", ["", ";;"])
    def test_with_a_header_given(self, write: Write, behind: str):
        content = wrap_lines('A,"Mug, blue",1\nB,Cup,2', behind=behind)
        file = SourceFile(write(content), LIMITS).laid_out(["sku", "name", "price"], None)
        assert list(file.rows()) == [
            (1, {"sku": "A", "name": "Mug, blue", "price": "1"}),
            (2, {"sku": "B", "name": "Cup", "price": "2"}),
        ]


class TestEncodings:
    @each_export
    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le-bom"])
    def test_understood(self, write: Write, format_: Format, rows: list[Row], encoding: str):
        content = as_csv(*rows)
        encoded = b"\xff\xfe" + content.encode("utf-16-le") if encoding == "utf-16-le-bom" else content.encode(encoding)
        file = SourceFile(write(encoded), LIMITS)
        assert format_.recognises(file, Options())
        assert list(format_.read(file, Options())) == read(write(content))

    async def test_latin_1_far_below_the_beginning_leaves_nothing(self, ingest: Ingest, session: AsyncSession):
        orders = [shopify_row(f"#{number}", Notes="x" * 5000, Id=str(number)) for number in range(2, 2100)]
        content = as_csv(*orders).encode() + as_csv(shopify_row("#1", Notes="Café", Id="1")).encode("latin-1")
        assert content.index(b"\xe9") > 10_000_000
        with pytest.raises(UnreadableFile, match=r'not UTF-8 \(byte 0xe9 after ".*Caf"\)'):
            await ingest(content)
        for table in ("imports", "import_records", "import_rejects"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0


class TestIdsAndNumbersThatASpreadsheetSaw:
    @pytest.mark.parametrize("mark", ["'{}", '="{}"'])
    def test_apostrophes(self, write: Write, mark: str):
        def marked(value: str) -> str:
            return mark.format(value)

        order = only_record(read(write(as_csv(shopify_row(
            marked("1001"), Id=marked("5001"), Billing_Phone=marked("030 1"), Billing_City="Dresden",
            Billing_Zip=marked("01234"), Lineitem_sku=marked("0042"),
        )))))  # fmt: skip
        assert (order.order_number, order.key, order.consumer.phone) == ("1001", "5001", "030 1")
        assert (order.consumer.addresses[0].address, order.lines[0].sku) == ("01234", "0042")

        customer = only_record(read(write(as_csv(shopify_customer_row(
            Customer_ID=marked("7001"), Phone=marked("030 1"), Default_Address_City="Dresden",
            Default_Address_Zip=marked("01234"),
        )))))  # fmt: skip
        assert (customer.key, customer.phone, customer.addresses[0].address) == ("7001", "030 1", "01234")

        variant = only_record(read(write(as_csv(shopify_product_row(
            Title="Mug", Variant_SKU=marked("0042"), Variant_Barcode=marked("0321"), Variant_Price="1.00",
        )))))  # fmt: skip
        assert (variant.sku, variant.barcode) == ("0042", "0321")

        product = only_record(read(write(as_csv(woo_product_row(
            ID=marked("7"), SKU=marked("0042"), Name="Tee", **{"GTIN, UPC, EAN, or ISBN": marked("0321")},
        )))))  # fmt: skip
        assert (product.key, product.sku, product.barcode) == ("7", "0042", "0321")

        variation = only_record(read(write(as_csv(woo_product_row(
            ID="8", Type="variation", Name="Tee - Red", Parent=marked("0042"),
        )))))  # fmt: skip
        assert variation.parent_key == "sku:0042"

    @pytest.mark.parametrize("rounded", ["4.55482E+12", "4,55482E+12", "'4.55482E+12"])
    def test_rounded_ids_are_refused(self, write: Write, rounded: str):
        for row, what in (
            (shopify_row(Id=rounded), "Id"),
            (shopify_customer_row(Customer_ID=rounded), "Customer ID"),
            (woo_product_row(ID=rounded, SKU="tee", Name="Tee"), "ID"),
            (woo_product_row(SKU=rounded, Name="Tee"), "SKU"),
            (woo_product_row(ID="8", Type="variation", Name="Tee - Red", Parent=rounded), "Parent"),
        ):
            refused = rejection(read(write(as_csv(row))))
            assert refused.reason.startswith(f"{what} is ")
            assert "a spreadsheet rounded it" in refused.reason
            assert rounded in refused.raw

    def test_ids_with_decimals_are_whole(self, write: Write):
        assert only_record(read(write(as_csv(shopify_row(Id="4554821468349.0"))))).key == "4554821468349"
        customer = only_record(read(write(as_csv(shopify_customer_row(Customer_ID="4554821468349.0")))))
        assert customer.key == "4554821468349"
        product = only_record(read(write(as_csv(woo_product_row(ID="799.0", Name="Tee")))))
        assert product.key == "799"
        variation = woo_product_row(ID="800", Type="variation", Name="Tee - Red", Parent="id:799.0")
        assert only_record(read(write(as_csv(variation)))).parent_key == "799"

    def test_rounded_phones_barcodes_and_skus_are_left_out(self, write: Write):
        (order,) = read(write(as_csv(shopify_row(Billing_Phone="4,91721E+11", Lineitem_sku="5.90123E+12"))))
        (customer,) = read(write(as_csv(shopify_customer_row(Phone="4.91721E+11"))))
        (variant,) = read(write(as_csv(shopify_product_row(
            Title="Mug", Variant_SKU="5.90123E+12", Variant_Barcode="5.90123E+12", Variant_Price="1.00",
        ))))  # fmt: skip
        (product,) = read(write(as_csv(woo_product_row(
            ID="7", SKU="5.90123E+12", Name="Tee", **{"GTIN, UPC, EAN, or ISBN": "5.90123E+12"},
        ))))  # fmt: skip
        phone, barcode, sku = (
            f"a {what} that a spreadsheet rounded was left out" for what in ("phone", "barcode", "SKU")
        )
        for item, noted in (
            (order, [sku, phone]),
            (customer, [phone]),
            (variant, [sku, barcode]),
            (product, [sku, barcode]),
        ):
            assert isinstance(item, Parsed)
            assert list(item.warnings) == noted
        for item in (variant, product):
            assert isinstance(item, Parsed)
            assert isinstance(item.record, ProductRecord)
            assert (item.record.sku, item.record.barcode) == (None, None)
        assert isinstance(order, Parsed)
        assert isinstance(order.record, OrderRecord)
        assert (order.record.consumer.phone, order.record.lines[0].sku) == ("", None)
        assert isinstance(customer, Parsed)
        assert isinstance(customer.record, ConsumerRecord)
        assert customer.record.phone == ""


def written_by_a_spreadsheet(row: Row) -> Row:
    """In a country that writes 1.234,50 and 31.12.2025; ISO dates without offset are what it made of them."""
    changed = {}
    for name, value in row.items():
        if name == "Created at" and value:
            changed[name] = datetime.fromisoformat(value).astimezone(UTC).strftime("%d/%m/%Y %H:%M")
        elif value and value.replace(".", "").isdigit() and "." in value:
            changed[name] = f"{Decimal(value):,}".translate(str.maketrans(",.", ".,"))
        else:
            changed[name] = value
    return changed


class TestDatesAndNumbers:
    @each_export
    def test_brought_back(self, write: Write, format_: Format, rows: list[Row]):
        mangled = [written_by_a_spreadsheet(row) for row in rows]
        found = read(write(as_csv(*mangled, delimiter=";")), dayfirst=True, decimal_comma=True)
        assert records(found) == records(read(write(as_csv(*rows))))
        if format_ is not shopify_customers_csv.FORMAT:  # where there are no numbers
            assert mangled != rows
            assert any(isinstance(item, Rejected) for item in read(write(as_csv(*mangled, delimiter=";"))))

    def test_thousands(self, write: Write):
        row = shopify_row(Total="1.234,50", Lineitem_price="1.234,50")
        assert only_record(read(write(as_csv(row)), decimal_comma=True)).total_amount == Decimal("1234.50")

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("03/04/2026", datetime(2026, 4, 3, tzinfo=UTC)),
            ("3.4.26 9:05", datetime(2026, 4, 3, 9, 5, tzinfo=UTC)),
            ("31-12-2025, 23:59:59", datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)),
            ("3/4/2026 09:05:00 +0200", datetime(2026, 4, 3, 7, 5, tzinfo=UTC)),
            ("2026-04-03 09:05:00 +0200", datetime(2026, 4, 3, 7, 5, tzinfo=UTC)),
        ],
    )
    def test_day_first(self, write: Write, given: str, expected: datetime):
        assert only_record(read(write(as_csv(shopify_row(Created_at=given))), dayfirst=True)).placed_at == expected

    @pytest.mark.parametrize("given", ["12/31/2025", "30.02.2025", "3/4/2026 9:05 PM"])
    def test_what_is_no_such_date_is_refused(self, write: Write, given: str):
        refused = rejection(read(write(as_csv(shopify_row(Created_at=given))), dayfirst=True))
        assert refused.reason.startswith("Created at is not an ISO 8601 date: ")

    def test_without_the_options_they_are_refused_and_the_raw_rows_stay(self, write: Write):
        rows = [shopify_row(Created_at="03/04/2026", Total="12,50"), shopify_line(Lineitem_price="5,00")]
        refused = rejection(read(write(as_csv(*rows))))
        assert "the option decimal_comma" in refused.reason
        assert json.loads(refused.raw) == rows
        with_comma = rejection(read(write(as_csv(*rows)), decimal_comma=True))
        assert "the option dayfirst" in with_comma.reason
        assert json.loads(with_comma.raw) == rows
        assert only_record(read(write(as_csv(*rows)), decimal_comma=True, dayfirst=True)).total_amount == Decimal(
            "12.50"
        )

    @pytest.mark.parametrize(("published", "is_active"), [("TRUE", True), ("FALSE", False)])
    def test_flags_in_capitals(self, write: Write, published: str, is_active: bool):
        row = shopify_product_row(Title="Mug", Variant_Price="1.00", Published=published)
        assert only_record(read(write(as_csv(row)))).is_active is is_active

    def test_flags_of_other_languages_are_refused(self, write: Write):
        row = shopify_product_row(Title="Mug", Variant_Price="1.00", Published="WAHR")
        assert rejection(read(write(as_csv(row)))).reason == "Published is neither true nor false: WAHR"


class TestRawRecords:
    """The raw of a reject is read again by itself, mended or not."""

    @staticmethod
    def again(write: Write, refused: Rejected, **mended: str) -> list[Item]:
        raw = json.loads(refused.raw)
        rows = raw if isinstance(raw, list) else [raw]
        rows[-1] = rows[-1] | mended
        return read(write(as_csv(*rows)))

    @pytest.mark.parametrize(
        ("rows", "mended"),
        [
            ([ORDERS[0], ORDERS[1] | {"Lineitem price": "5,00"}], {"Lineitem price": "5.00"}),
            ([CUSTOMERS[1] | {"Email": "jo"}], {"Email": "jo@example.com"}),
            ([SHOPIFY_PRODUCTS[0] | {"Variant Price": "free"}], {"Variant Price": "12.50"}),
            ([SHOPIFY_PRODUCTS[0], SHOPIFY_PRODUCTS[1] | {"Variant Price": "free"}], {"Variant Price": "13.00"}),
            ([WOO_PRODUCTS[1] | {"Regular price": "free"}], {"Regular price": "21.00"}),
        ],
    )
    def test_it_holds_all_that_the_record_needs(self, write: Write, rows: list[Row], mended: Row):
        *before, refused = read(write(as_csv(*rows)))
        assert isinstance(refused, Rejected)
        assert rejection(self.again(write, refused)).reason == refused.reason
        *_, expected = records(read(write(as_csv(*rows[:-1], rows[-1] | mended))))
        assert only_record(self.again(write, refused, **mended)) == expected
        assert all(isinstance(item, Parsed) for item in before)

    @pytest.mark.parametrize("newer", [False, True])
    def test_a_variant_has_its_products_row_with_it(self, write: Write, newer: bool):
        rows = [
            *SHOPIFY_PRODUCTS,
            shopify_product_row(Image_Src="https://shop.example/mug.jpg"),
            shopify_product_row(Option1_Value="Green", Variant_Price="14,00", Variant_SKU="MUG-G"),
        ]
        if newer:
            names = shopify_products_csv.RENAMED
            rows = [{names.get(name, name): cell for name, cell in row.items()} for row in rows]
        *others, refused = read(write(as_csv(*rows)))
        assert len(records(others)) == 2
        assert isinstance(refused, Rejected)
        assert len(json.loads(refused.raw)) == 2
        assert json.loads(refused.raw)[1] == rows[-1]
        green = only_record(self.again(write, refused, **{"Price" if newer else "Variant Price": "14.00"}))
        assert (green.key, green.name, green.variant) == ("handle:mug|Green", "Mug - Green", "Colour: Green")

    def test_rows_that_lack_their_beginning(self, write: Write):
        refused = rejection(read(write(as_csv(ORDERS[1], delimiter=";"))))
        assert json.loads(refused.raw) == [ORDERS[1]]


class TestColumnsThatAreRead:
    @each_export
    def test_they_are_all_that_a_record_is_made_of(self, write: Write, format_: Format, rows: list[Row]):
        extra = {"Colour of the box": "red", "Name of the cat": "Tom"}
        header = SourceFile(write(as_csv(*rows)), LIMITS).header()
        names = [name for name in header if format_.reads_column(name, Options())]
        needed = set(header) & {"Total Spent"}  # by which a customer export is known
        only = [{name: row[name] for name in row if name in names or name in needed} for row in rows]
        full = [row | extra for row in rows]
        assert records(read(write(as_csv(*only)))) == records(read(write(as_csv(*full))))
        assert not any(format_.reads_column(name, Options()) for name in extra)
        assert set(names) < set(header)

    def test_each_of_them_matters(self, write: Write):
        """What is said to be read, and was not, would be missing among the ignored columns."""
        for format_, rows in EXPORTS:
            first = rows[0]
            for name in [name for name in first if format_.reads_column(name, Options()) and first[name]]:
                found = [
                    list(format_.read(SourceFile(write(as_csv(*changed)), LIMITS), Options()))
                    for changed in (rows, [row | {name: "7"} for row in rows], [row | {name: ""} for row in rows])
                ]
                assert not found[0] == found[1] == found[2], (format_.name, name)

    def test_columns_of_files_with_another_header(self):
        def read_of(format_: Format, *names: str) -> list[bool]:
            return [format_.reads_column(name, Options()) for name in names]

        assert read_of(woocommerce_products_csv.FORMAT, "Attribute 12 name", "Attribute 12 value(s)") == [True, True]
        assert read_of(woocommerce_products_csv.FORMAT, "Attribute 12 visible", "Weight (lbs)") == [False, False]
        assert read_of(shopify_products_csv.FORMAT, "SKU", "Price", "URL handle") == [True, True, True]
        assert read_of(shopify_customers_csv.FORMAT, "City", "Default Address City", "Total Spent") == [
            True,
            True,
            False,
        ]
        assert read_of(shopify_csv.FORMAT, "Shipping Province Name", "Vendor") == [True, False]

    @each_export
    def test_two_columns_of_one_name(self, write: Write, format_: Format, rows: list[Row]):
        names = list(dict.fromkeys(name for row in rows for name in row))
        read_twice = next(name for name in names if format_.reads_column(name, Options()))
        unread = next(name for name in names if not format_.reads_column(name, Options()))

        def with_twin(name: str) -> Path:
            out = io.StringIO()
            csv.writer(out).writerows([[*names, f" {name} "], *([*row.values(), "other"] for row in filled)])
            return write(out.getvalue())

        filled = [dict.fromkeys(names, "") | row for row in rows]
        assert refusal(with_twin(read_twice)) == (
            f"Two columns are called {read_twice}; rename or remove the one that is not meant."
        )
        assert records(read(with_twin(unread))) == records(read(write(as_csv(*rows))))


def test_every_csv_format_of_a_platform_is_here():
    assert {name for name in FORMATS if name.endswith("_csv")} == {format_.name for format_, _ in EXPORTS}


class TestCutOff:
    @pytest.mark.parametrize("end", ["1,TEA,2", "1,TEA,", "1,T", '1,"T'])
    def test_in_its_last_row(self, write: Write, end: str):
        file = SourceFile(write(f"order_number,sku,quantity,unit_price\n1,MUG,1,5.00\n{end}"), LIMITS)
        with pytest.raises(UnreadableFile, match=r"cut off in row 3|not valid CSV in row 3"):
            list(file.rows())

    @pytest.mark.parametrize("end", ["1,TEA\n", "1,TEA\r\n", "1,TEA,1,2.00", "1,TEA,,", "\n"])
    def test_or_whole(self, write: Write, end: str):
        list(SourceFile(write(f"order_number,sku,quantity,unit_price\n1,MUG,1,5.00\n{end}"), LIMITS).rows())
