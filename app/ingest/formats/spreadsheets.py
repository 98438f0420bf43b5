"""What a spreadsheet made of dates and numbers, brought back to what the rest of the program reads."""

import datetime
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from app.ingest.formats.base import Options
from app.ingest.reading import Source, UnreadableFile

_DAY_FIRST = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?:,?\s+(.+))?")
_COMMA_NUMBER = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+)?(,\d+)?")


@dataclass(frozen=True)
class Columns:
    """The columns of a CSV format that are read, and those among them that hold dates and numbers."""

    names: Collection[str]
    dates: Collection[str] = ()
    numbers: Collection[str] = ()
    also: Callable[[str], bool] = lambda _name: False
    """Whether a numbered column, of which there may be any number, is read too."""

    def reads(self, name: str, _options: Options) -> bool:
        return name in self.names or self.also(name)


def tidied(file: Source, columns: Columns, options: Options) -> Iterator[tuple[int, dict[str, str], dict[str, str]]]:
    """Each row with its number, as the file has it, and with plain dates and numbers.

    The plain row has the columns that are read and no others. Raises UnreadableFile where two of them have one name.
    """
    read = [name for name in file.header() if columns.reads(name, options)]
    refuse_twins(read)
    for number, given in file.rows():
        row = {name: given[name] for name in read}
        yield (
            number,
            given,
            plain(
                row,
                dates=columns.dates,
                numbers=columns.numbers,
                dayfirst=options.dayfirst,
                decimal_comma=options.decimal_comma,
            ),
        )


def refuse_twins(names: Collection[str]) -> None:
    """Raises UnreadableFile where a name stands twice among those of the columns that are read."""
    twins = [name for name, count in Counter(names).items() if count > 1]
    if twins:
        raise UnreadableFile(
            f"Two columns are called {twins[0]}; rename or remove the one that is not meant.",
            HTTPStatus.UNPROCESSABLE_ENTITY,
        )


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
    try:
        date = datetime.date(int(year if len(year) == 4 else "20" + year), int(month), int(day)).isoformat()
    except ValueError:
        return value
    if time is None:
        return date
    return f"{date} {time.zfill(len(time) + 1) if time[1:2] == ':' else time}"


def point_number(value: Any) -> Any:
    """`1.234,50` as `1234.50`."""
    if not isinstance(value, str) or not _COMMA_NUMBER.fullmatch(value.strip()):
        return value
    return value.strip().replace(".", "").replace(",", ".")
