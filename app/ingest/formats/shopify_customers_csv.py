"""Shopify's customer export, with and without the column `Customer ID`.

Ids and phones are written with a leading apostrophe. Without ids a customer is known by e-mail.
"""

from collections.abc import Iterator

from app.ingest import values
from app.ingest.formats.base import Format, Options, parse, require_columns
from app.ingest.reading import Source
from app.ingest.records import ConsumerRecord, Item
from app.ingest.values import BadRecord, Notes
from app.websites.models import SourceKind

Row = dict[str, str]
TITLE = "Shopify customer export"
NEEDED = {"First Name", "Last Name", "Email", "Total Spent"}


def recognises(file: Source, _: Options) -> bool:
    return not file.is_json and set(file.header()) >= NEEDED


def read(file: Source, _: Options) -> Iterator[Item]:
    require_columns(file, NEEDED, TITLE)
    for number, row in file.rows():
        yield _parse_customer(number, row)


def _parse_customer(number: int, row: Row) -> Item:
    return parse(f"row {number}", "consumer", row, lambda notes: _build_customer(row, notes))


def _build_customer(row: Row, notes: Notes) -> ConsumerRecord:
    external_id = values.key(values.without_apostrophe(row.get("Customer ID")), "Customer ID")
    email = values.email(row["Email"], notes)
    if not external_id and not email:
        raise BadRecord("neither a Customer ID nor a usable Email")

    def address_cell(name: str) -> str:
        """`Default Address City` in the newer header, `City` in the older."""
        return values.without_apostrophe(row.get(f"Default Address {name}") or row.get(name))

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
    phone = values.without_apostrophe(row.get("Phone")) or address_cell("Phone")
    return ConsumerRecord(
        kind=SourceKind.CONSUMER if external_id else SourceKind.GUEST,
        key=external_id or email or "",
        email=email,
        name=values.fitted(name, 100, "name", notes),
        phone=values.fitted(phone, 20, "phone", notes),
        via="account",
        addresses=[address] if address else [],
    )


FORMAT = Format("shopify_customers_csv", TITLE, recognises, read, ", ".join(sorted(NEEDED)))
