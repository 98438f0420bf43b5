"""Consumers of a generic file: in rows of their own, and in the rows of their orders."""

from app.ingest import values
from app.ingest.formats.generic.rows import Row
from app.ingest.records import AddressRecord, ConsumerRecord
from app.ingest.values import BadRecord, Notes
from app.websites.models import SourceKind


def build_consumer(row: Row, notes: Notes) -> ConsumerRecord:
    consumer = _consumer(row, notes, via_order=False)
    if consumer is None:
        raise BadRecord("neither customer_id nor a usable email")
    return consumer


def _consumer(row: Row, notes: Notes, *, via_order: bool) -> ConsumerRecord | None:
    account = values.exported_key(row.get("customer_id"), "customer_id")
    email = values.email(row.get("email"), notes)
    if not account and not email:
        return None
    return ConsumerRecord(
        kind=SourceKind.CONSUMER if account else SourceKind.GUEST,
        key=account or email or "",
        email=email,
        name=values.fitted(values.text(row.get("name")), 100, "name", notes),
        phone=_phone(row, notes),
        via="order" if via_order else "account",
        updated_at=values.moment(row.get("updated_at"), "updated_at")
        or values.moment(row.get("placed_at"), "placed_at"),
        addresses=_addresses(row, notes),
    )


def _phone(row: Row, notes: Notes) -> str:
    return values.fitted(values.unrounded(row.get("phone"), "phone", notes), 20, "phone", notes)


def _addresses(row: Row, notes: Notes) -> list[AddressRecord]:
    found = values.address(
        country=values.text(row.get("country")),
        city=values.text(row.get("city")),
        district=values.text(row.get("district")),
        street=values.text(row.get("address")),
        postcode="",
        notes=notes,
    )
    return [found] if found else []


def build_order_consumer(row: Row, order_key: str, notes: Notes) -> ConsumerRecord:
    consumer = _consumer(row, notes, via_order=True)
    if consumer is not None:
        return consumer
    return ConsumerRecord(
        kind=SourceKind.ANONYMOUS,
        key=order_key,
        email=None,
        name=values.fitted(values.text(row.get("name")), 100, "name", notes),
        phone=_phone(row, notes),
        via="order",
        addresses=_addresses(row, notes),
    )
