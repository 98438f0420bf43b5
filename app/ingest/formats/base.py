"""What a format is, and the turning of payloads into items with each failure kept to its own record."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from app.ingest.reading import BadLine, SourceFile, UnreadableFile
from app.ingest.records import Item, Parsed, Record, Rejected, Skipped
from app.ingest.values import BadRecord, Notes


class SkipRecord(Exception):
    """This record is left out by a rule; the message names the rule."""


@dataclass(frozen=True)
class Options:
    """`mapping` renames columns: canonical name → the file's. Only the generic format takes one."""

    mapping: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    name: str
    title: str
    recognises: Callable[[SourceFile, Options], bool]
    read: Callable[[SourceFile, Options], Iterator[Item]]
    columns_needed: str
    """What the file must have, for the message to a person whose file was not recognised."""
    rows_may_scatter: bool = False
    """Some orders of it are `is_partial`: their rows need not stand together."""


def parse(place: str, kind: str, raw: Any, build: Callable[[Notes], Record]) -> Item:
    """The record that `build` makes, or its rejection with the raw payload."""
    notes = Notes()
    try:
        return Parsed(place, build(notes), notes)
    except SkipRecord as rule:
        return Skipped(place, str(rule))
    except BadRecord as reason:
        return Rejected(place, kind, str(reason), as_text(raw))


def as_text(raw: Any) -> str:
    if isinstance(raw, BadLine):
        return raw.raw.replace("\x00", "")
    if isinstance(raw, str):
        return raw.replace("\x00", "")
    return orjson.dumps(raw, default=str).decode().replace("\\u0000", "")


def require_columns(file: SourceFile, needed: set[str], title: str) -> None:
    missing = sorted(needed - set(file.header()))
    if missing:
        raise UnreadableFile(
            f"This is not a {title}: the header lacks {', '.join(missing)}.", HTTPStatus.UNPROCESSABLE_ENTITY
        )
