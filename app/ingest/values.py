"""Reading single values out of payloads: text, money, quantities, dates, e-mails.

Each function mends what may be mended and notes a warning; what may not raises BadRecord.
"""

import re
import unicodedata
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from hashlib import blake2b
from html import unescape
from typing import Any

from app.ingest.records import AddressRecord
from app.utils.schemas import CENT, MAX_PRICE, MAX_TOTAL

MAX_KEY = 200
MAX_INTEGER = 2**31 - 1


class BadRecord(Exception):
    """This record cannot be taken; the message is the reason."""


class Notes(list[str]):
    """The warnings of one record. Their wording names no value, so that equal ones can be counted."""


def text(value: Any) -> str:
    """Trimmed, without NUL; '' for None. Numbers become their digits."""
    if isinstance(value, str):  # nearly always, and fifty times a record
        return (value.replace("\x00", "") if "\x00" in value else value).strip()
    if value is None or isinstance(value, dict | list | bool):
        return ""
    return str(value)


def unescaped(value: Any) -> str:
    return text(unescape(text(value)))


def fitted(value: str, limit: int, what: str, notes: Notes) -> str:
    if len(value) <= limit:
        return value
    notes.append(f"{what} longer than {limit} characters was cut")
    return value[:limit].rstrip()


def key(value: Any, what: str) -> str:
    """An id or number that records are found by; too long a one is refused, since a cut one finds the wrong row."""
    found = text(value)
    if len(found) > MAX_KEY:
        raise BadRecord(f"{what} is longer than {MAX_KEY} characters")
    return found


_FORMULA = re.compile(r'="([^"]*)"')


def without_apostrophe(value: Any) -> str:
    """Exports write '94103 or ="94103", so that spreadsheets take it for text."""
    found = text(value)
    if not found.startswith(("'", "=")):  # nearly always
        return found
    formula = _FORMULA.fullmatch(found)
    return (formula[1] if formula else found.removeprefix("'")).strip()


# What a spreadsheet makes of a long number, 4.55482E+12 or 4,55482E+12; of most of its digits nothing is left.
_ROUNDED = re.compile(r"[+-]?\d([.,]\d*)?[eE]\+\d+")
_WHOLE = re.compile(r"(\d+)[.,]0+")
_LONG_WHOLE = re.compile(r"(\d{7,})[.,]0+")  # a shorter one may be a SKU


def exported_key(value: Any, what: str) -> str:
    """An id from a CSV file that a spreadsheet may have saved; one that it rounded is refused."""
    found = key(exact(value, what), what)
    whole = _WHOLE.fullmatch(found)
    return whole[1] if whole else found


def exact(value: Any, what: str) -> str:
    """Text from a CSV file that a record is known by, digit for digit."""
    found = without_apostrophe(value)
    if _ROUNDED.fullmatch(found):
        raise BadRecord(
            f"{what} is {found}: a spreadsheet rounded it. Export the file again and import it without saving it there"
        )
    return found


def unrounded(value: Any, what: str, notes: Notes) -> str:
    """A phone, barcode or SKU from a CSV file that a spreadsheet may have saved; one that it rounded is left out."""
    found = without_apostrophe(value)
    if not found:
        return found
    if _ROUNDED.fullmatch(found):
        notes.append(f"a {what} that a spreadsheet rounded was left out")
        return ""
    whole = _LONG_WHOLE.fullmatch(found)
    return whole[1] if whole else found


_EMAIL = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+\.[^\s@<>,;\".]+")


def email(value: Any, notes: Notes) -> str | None:
    """Trimmed and lower-cased; None where it cannot be one, which matches nobody."""
    found = text(value).lower()
    if not found:
        return None
    if len(found) > 150 or not _EMAIL.fullmatch(found) or found.endswith(".invalid"):
        notes.append("an unusable e-mail address was left out")
        return None
    local, _, domain = found.rpartition("@")
    if "xn--" in domain:  # the API writes such domains in their own letters, and an e-mail is one person
        with suppress(UnicodeError):
            domain = domain.encode("ascii").decode("idna")
    return f"{local}@{domain}"


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?")
# Three digits behind the comma may as well be thousands.
_COMMA_NUMBER = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+)?,(\d{1,2}|\d{4,})")
# 1,043.40 or € 43.40
_ADORNED = re.compile(r"\D{0,4}\d{1,3}(,?\d{3})*(\.\d+)?\D{0,4}")


@lru_cache(maxsize=50_000)  # the same prices, charges and dates stand in a file again and again
def _parse_number(found: str) -> Decimal:
    if not _NUMBER.fullmatch(found):
        raise InvalidOperation
    return Decimal(found)


@lru_cache(maxsize=50_000)
def _parse_cents(found: str, limit: Decimal) -> Decimal | None:
    """None beyond the limit."""
    number = _parse_number(found)
    return None if abs(number) > limit else number.quantize(CENT, ROUND_HALF_UP)


def decimal(value: Any, what: str) -> Decimal | None:
    """None for blank. Raises BadRecord for anything that is not a plain number with a decimal point."""
    found = text(value)
    if not found:
        return None
    try:
        return _parse_number(found)
    except InvalidOperation:
        raise _no_number(found, what) from None


def _no_number(found: str, what: str) -> BadRecord:
    hint = ""
    if _COMMA_NUMBER.fullmatch(found):
        hint = " (in a CSV file, the option decimal_comma reads it)"
    elif _ADORNED.fullmatch(found):
        hint = " (write it without thousands separators and signs, as 1043.40)"
    return BadRecord(f"{what} is not a number: {found[:40]}{hint}")


def money(value: Any, what: str, *, limit: Decimal = MAX_TOTAL) -> Decimal | None:
    """Rounded half up to cents; None for blank."""
    found = text(value)
    if not found:
        return None
    try:
        cents = _parse_cents(found, limit)
    except InvalidOperation:
        raise _no_number(found, what) from None
    if cents is None:
        raise BadRecord(f"{what} is out of range: {found[:40]}")
    return cents


def positive_money(value: Any, what: str, *, limit: Decimal = MAX_TOTAL) -> Decimal | None:
    found = money(value, what, limit=limit)
    if found is not None and found < 0:
        raise BadRecord(f"{what} is negative: {text(value)[:40]}")
    return found


def stock(value: Any, what: str, notes: Notes) -> int | None:
    """Whole pieces; some plugins count parts of them."""
    found = decimal(value, what)
    if found is None:
        return None
    if abs(found) > MAX_INTEGER:
        raise BadRecord(f"{what} is out of range: {text(value)[:40]}")
    if found != found.to_integral_value():
        notes.append("a stock quantity was rounded down to whole pieces")
    return int(found.to_integral_value(ROUND_FLOOR))


_SLASHED_DATE = re.compile(r"\d{1,2}([./-])\d{1,2}\1(\d{4}|\d{2})(\D.*)?")


@lru_cache(maxsize=10_000)
def _parse_moment(found: str) -> datetime:
    without_blank = re.sub(r"\s+(?=[+-]\d{2}:?\d{2}$)", "", found)
    parsed = datetime.fromisoformat(without_blank.replace(" UTC", "Z"))
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def moment(value: Any, what: str) -> datetime | None:
    """ISO 8601, or Shopify's `2025-05-11 09:55:16 -0400`; without an offset it is UTC. None for blank."""
    found = text(value)
    if not found:
        return None
    try:
        return _parse_moment(found)
    except (ValueError, OverflowError):
        hint = " (in a CSV file, the option dayfirst reads day/month/year)" if _SLASHED_DATE.fullmatch(found) else ""
        raise BadRecord(f"{what} is not an ISO 8601 date: {found[:40]}{hint}") from None


def flag(value: Any) -> bool:
    return text(value).lower() in {"true", "yes", "1", "y"} or value is True


def exported_flag(value: Any, what: str) -> bool:
    """From a CSV file that a spreadsheet may have saved, which writes TRUE, and in other languages other words."""
    if not flag(value) and text(value).lower() not in {"false", "no", "0", "n", ""}:
        raise BadRecord(f"{what} is neither true nor false: {text(value)[:40]}")
    return flag(value)


def currency(value: Any) -> str | None:
    found = text(value).upper()
    if not found:
        return None
    if not re.fullmatch(r"[A-Z]{3}", found):
        raise BadRecord(f"currency is not an ISO 4217 code: {found[:40]}")
    return found


def joined(parts: list[str], separator: str = ", ") -> str:
    return separator.join(part for part in parts if part)


@lru_cache(maxsize=50_000)
def made_up_sku(*parts: str) -> str:
    """A SKU from handle and options, or from a name: readable, and the same at every import."""
    whole = "-".join(part for part in parts if part)
    ascii_only = unicodedata.normalize("NFKD", whole).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_only.lower()).strip("-")
    if len(slug) >= 3 and len(slug) <= 80 and ascii_only == whole:
        return slug
    # A cut or transliterated slug may stand for several names; a digest tells them apart.
    digest = blake2b(whole.encode(), digest_size=5).hexdigest()
    return f"{slug[:80].rstrip('-')}-{digest}".lstrip("-")


def price(value: Any, what: str) -> Decimal | None:
    return positive_money(value, what, limit=MAX_PRICE)


def sku(value: Any, notes: Notes) -> str | None:
    """A line's SKU; one that fits no column is left out, and the name finds the product."""
    found = text(value)
    if len(found) > 100:
        notes.append("a SKU longer than 100 characters was left out")
        return None
    return found or None


def own_sku(value: Any, what: str) -> str | None:
    """The SKU of a product's own record. It is a key, and so never cut: too long a one is refused."""
    found = text(value)
    if len(found) > 100:
        raise BadRecord(f"{what} is longer than 100 characters")
    return found or None


def quantity(value: Any, what: str, notes: Notes) -> int:
    """At least 1: a missing quantity is 1, and so is 0, or a part of one. A negative one is a return, and no sale."""
    found = decimal(value, what)
    if found is None:
        return 1
    if found < 0:
        raise BadRecord(f"{what} is negative: a return is not taken as a sale")
    if found < 1 or found != found.to_integral_value():
        notes.append("a quantity that is no positive whole number was taken as a whole one")
        found = max(Decimal(1), found.to_integral_value(ROUND_HALF_UP))
    if found > MAX_INTEGER:
        raise BadRecord(f"{what} is out of range: {text(value)[:40]}")
    return int(found)


def address(
    *, country: str, city: str, district: str, street: str, postcode: str, notes: Notes, is_default: bool = False
) -> AddressRecord | None:
    """None without street, city and country; a partly blank one holds ''. The postcode ends the street's line."""
    if not (country or city or street):
        return None
    return AddressRecord(
        country=fitted(country, 100, "country", notes),
        city=fitted(city, 100, "city", notes),
        district=fitted(district, 100, "district", notes) or None,
        address=joined([street, postcode]),
        is_default=is_default,
    )


def distinct(addresses: list[AddressRecord]) -> list[AddressRecord]:
    seen: list[AddressRecord] = []
    for found in addresses:
        if not any(replace(found, is_default=other.is_default) == other for other in seen):
            seen.append(found)
    return seen
