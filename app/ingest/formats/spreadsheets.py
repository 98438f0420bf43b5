"""What a spreadsheet made of dates and numbers, brought back to what the rest of the program reads."""

import re
from collections.abc import Collection
from typing import Any

_DAY_FIRST = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?:,?\s+(.+))?")
_COMMA_NUMBER = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+)?(,\d+)?")


def plain(
    row: dict[str, Any], *, dates: Collection[str], numbers: Collection[str], dayfirst: bool, decimal_comma: bool
) -> dict[str, Any]:
    """The row with ISO dates and decimal points in the named columns, as far as the two options say.

    What does not look like such a date or number stays, for the reader of the single value to refuse.
    """
    if not dayfirst and not decimal_comma:
        return row
    changed = dict(row)
    if dayfirst:
        changed |= {name: iso_date(row[name]) for name in dates if name in row}
    if decimal_comma:
        changed |= {name: point_number(row[name]) for name in numbers if name in row}
    return changed


def iso_date(value: Any) -> Any:
    """`3/4/2026 9:05` as `2026-04-03 09:05`; of two digits the year is in this century."""
    found = _DAY_FIRST.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return value
    day, _, month, year, time = found.groups()
    date = f"{year if len(year) == 4 else '20' + year}-{int(month):02d}-{int(day):02d}"
    if time is None:
        return date
    return f"{date} {time.zfill(len(time) + 1) if time[1:2] == ':' else time}"


def point_number(value: Any) -> Any:
    """`1.234,50` as `1234.50`."""
    if not isinstance(value, str) or not _COMMA_NUMBER.fullmatch(value.strip()):
        return value
    return value.strip().replace(".", "").replace(",", ".")
