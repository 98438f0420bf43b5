"""Shopify's customer export, with and without the column `Customer ID`.

Ids and phones are written with a leading apostrophe. Without ids a customer is known by e-mail.
"""

from collections.abc import Iterator

from app.ingest import values
from app.ingest.formats import spreadsheets
from app.ingest.formats.base import Format, Options, parse, require_columns
from app.ingest.reading import Source
from app.ingest.records import ConsumerRecord, Item
from app.ingest.values import BadRecord, Notes
from app.websites.models import SourceKind

Row = dict[str, str]
TITLE = "Shopify customer export"
NEEDED = {"First Name", "Last Name", "Email", "Total Spent"}
# `Default Address City` in the newer header, `City` in the older.
NEWER = "Default Address "
ADDRESS = {"Address1", "Address2", "City", "Province", "Province Code", "Country", "Country Code", "Zip", "Phone"}
COLUMNS = spreadsheets.Columns(
    {"Customer ID", "First Name", "Last Name", "Email", *ADDRESS, *(f"{NEWER}{name}" for name in ADDRESS)}
)


def recognises(file: Source, _: Options) -> bool:
    return not file.is_json and set(file.header()) >= NEEDED


def read(file: Source, options: Options) -> Iterator[Item]:
    require_columns(file, NEEDED, TITLE)
    for number, given, row in spreadsheets.tidied(file, COLUMNS, options):
        yield _parse_customer(number, given, row)


def _parse_customer(number: int, given: Row, row: Row) -> Item:
    return parse(f"row {number}", "consumer", given, lambda notes: _build_customer(row, notes))


def _build_customer(row: Row, notes: Notes) -> ConsumerRecord:
    external_id = values.exported_key(row.get("Customer ID"), "Customer ID")
    email = values.email(row["Email"], notes)
    if not external_id and not email:
        raise BadRecord("neither a Customer ID nor a usable Email")

    def address_cell(name: str) -> str:
        return values.without_apostrophe(row.get(f"{NEWER}{name}") or row.get(name))

    address = values.address(
        country=address_cell("Country") or address_cell("Country Code"),
        city=address_cell("City"),
        district=address_cell("Province") or address_cell("Province Code"),
        street=values.joined([address_cell("Address1"), address_cell("Address2")]),
        postcode=address_cell("Zip"),
        notes=notes,
        is_default=True,
    )
    name = values.joined([values.text(row["First Name"]), values.text(row["Last Name"])], " ")
    phone = values.unrounded(row.get("Phone"), "phone", notes)
    phone = phone or values.unrounded(row.get(f"{NEWER}Phone"), "phone", notes)
    return ConsumerRecord(
        kind=SourceKind.CONSUMER if external_id else SourceKind.GUEST,
        key=external_id or email or "",
        email=email,
        name=values.fitted(name, 100, "name", notes),
        phone=values.fitted(phone, 20, "phone", notes),
        via="account",
        addresses=[address] if address else [],
    )


FORMAT = Format("shopify_customers_csv", TITLE, recognises, read, ", ".join(sorted(NEEDED)), COLUMNS.reads)
