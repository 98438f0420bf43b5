"""What a format is, and the turning of payloads into items with each failure kept to its own record."""

import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, Self

import orjson

from app.ingest.mapping import Mapping
from app.ingest.reading import BadLine, Source, UnreadableFile
from app.ingest.records import Item, Parsed, Record, Rejected, Skipped, Unread
from app.ingest.values import BadRecord, Notes


class SkipRecord(Exception):
    """This record is left out by a rule; the message names the rule."""


Returns = Literal["skip", "refund"]


@dataclass(frozen=True)
class Options:
    """How a file is to be read, where its content alone does not tell.

    Only the generic format takes a `mapping`. `dayfirst` and `decimal_comma` are what a spreadsheet made of dates and
    numbers. `returns` of a file that lists them as lines are left out, or booked as refunds of what was bought.
    """

    mapping: Mapping | None = None
    dayfirst: bool = False
    decimal_comma: bool = False
    returns: Returns = "skip"

    def as_json(self) -> dict[str, Any]:
        return {
            "mapping": self.mapping.model_dump(mode="json", exclude_defaults=True) if self.mapping else None,
            "dayfirst": self.dayfirst,
            "decimal_comma": self.decimal_comma,
            "returns": self.returns,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """The reverse of `as_json`."""
        mapping = kept.get("mapping")
        return cls(**kept | {"mapping": Mapping.model_validate(mapping) if mapping else None})


@dataclass(frozen=True)
class Format:
    name: str
    title: str
    recognises: Callable[[Source, Options], bool]
    scan: Callable[[Source, Options], Iterator[Item | Unread]]
    """What the file holds, in its order. Unread where nothing but the payload decides what it makes."""
    columns_needed: str
    """What the file must have, for the message to a person whose file was not recognised."""
    reads_column: Callable[[str, Options], bool] = lambda _name, _options: True
    """Whether a CSV column of that name is read; the others are named in the report, once."""
    find_missing: Callable[[Collection[str], Options], list[str]] = lambda _header, _options: []
    """The columns that a CSV file can do without, but whose absence a person should know of."""

    def read(self, source: Source, options: Options) -> Iterator[Item]:
        for item in self.scan(source, options):
            yield item.build() if isinstance(item, Unread) else item


def lacks(*wanted: str | tuple[str, ...]) -> Callable[[Collection[str], Options], list[str]]:
    """For `Format.find_missing`: each of these, or of several names for one column the first."""
    groups = [(names,) if isinstance(names, str) else names for names in wanted]
    return lambda header, _options: [names[0] for names in groups if not any(name in header for name in names)]


def parse(place: str, kind: str, raw: Any, build: Callable[[Notes], Record]) -> Item:
    """The record that `build` makes, or its rejection with the raw payload."""
    notes = Notes()
    try:
        return Parsed(place, build(notes), notes)
    except SkipRecord as rule:
        return Skipped(place, str(rule))
    except BadRecord as reason:
        return Rejected(place, kind, str(reason), as_text(raw))


def defer(place: str, kind: str, raw: Any, build: Callable[[Notes], Record]) -> Unread:
    """The same later, where it is not known already what comes of it."""
    return Unread(place, raw, lambda: parse(place, kind, raw, build))


# As JSON escapes it, and not behind a backslash that is itself escaped.
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def as_text(raw: Any) -> str:
    if isinstance(raw, BadLine):
        return raw.raw.replace("\x00", "")
    if isinstance(raw, str):
        return raw.replace("\x00", "")
    try:
        encoded = orjson.dumps(raw, default=str).decode()
    except TypeError:  # an integer of more than 64 bits, or nested deeper than that library goes
        encoded = json.dumps(raw, default=str, ensure_ascii=False)
    return _NUL.sub(r"\1", encoded)


def require_columns(file: Source, needed: set[str], title: str) -> None:
    missing = sorted(needed - set(file.header()))
    if missing:
        raise UnreadableFile(
            f"This is not a {title}: the header lacks {', '.join(missing)}.", HTTPStatus.UNPROCESSABLE_ENTITY
        )
