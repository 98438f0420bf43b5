"""Bringing together records that stand apart in a file larger than memory: parents, and children that name them.

They wait in a temporary SQLite database. Its file has no name that others see, and is gone with its process, however
that ends. SQLite writes it to the folder SQLITE_TMPDIR, else TMPDIR, else /var/tmp or /tmp.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from types import TracebackType
from typing import NamedTuple, Self

import orjson

from app.ingest.formats.payloads import Payload
from app.ingest.reading import UnreadableFile

CACHE_KIB = 16 * 1024
WAITING_BYTES = 1 * 1024 * 1024  # that are written at once
REMEMBERED_PARENTS = 20_000  # whose children need no look-up: most stand near to them
# A file is read one group at a time, so this much of it is in memory at once.
MAX_GROUP_BYTES = 32 * 1024 * 1024

_SCHEMA = f"""
    PRAGMA journal_mode = OFF;
    PRAGMA page_size = 16384;
    PRAGMA cache_size = -{CACHE_KIB};
    CREATE TABLE parents (position INTEGER PRIMARY KEY, id TEXT NOT NULL, place TEXT NOT NULL, node BLOB NOT NULL);
    CREATE INDEX parents_by_id ON parents (id);
    CREATE TABLE children (position INTEGER PRIMARY KEY, node BLOB NOT NULL);
    BEGIN;
"""
# A child's position is its parent's, and behind these bits its own: both tables are read from front to back.
_CHILD_BITS = 32


class Group(NamedTuple):
    place: str
    parent: Payload
    children: list[Payload]


class Groups:
    """Parents in the order they were added, each with its own children in theirs; memory holds one group."""

    def __init__(self) -> None:
        # The loader takes each batch of records in whatever thread is free, one after another.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(_SCHEMA)
        self._added = 0
        self._parents: list[tuple[int, str, str, bytes]] = []
        self._children: list[tuple[int, bytes]] = []
        self._waiting_bytes = 0
        self._positions: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, id: str, place: str, parent: Payload) -> None:
        self._added += 1
        packed = _pack(parent)
        self._parents.append((self._added, id, place, packed))
        self._positions.pop(id, None)
        self._positions[id] = self._added
        self._count(packed)

    def add_child(self, parent_id: str, child: Payload) -> bool:
        """To the last parent of that id so far; whether there is one."""
        parent = self._positions.get(parent_id) or self._find_parent(parent_id)
        if parent is None:
            return False
        self._added += 1
        packed = _pack(child)
        self._children.append((parent << _CHILD_BITS | self._added, packed))
        self._count(packed)
        return True

    def __iter__(self) -> Iterator[Group]:
        self._write()
        with (
            closing(self._database.execute("SELECT position, place, node FROM parents ORDER BY position")) as parents,
            closing(self._database.execute("SELECT position, node FROM children ORDER BY position")) as children,
        ):
            child = children.fetchone()
            for position, place, node in parents:
                found: list[Payload] = []
                size = len(node)
                while child is not None and child[0] >> _CHILD_BITS == position:
                    size += len(child[1])
                    if size > MAX_GROUP_BYTES:
                        raise UnreadableFile(
                            f"The record of {place} and all that belongs to it is larger than {MAX_GROUP_BYTES} bytes.",
                            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        )
                    found.append(orjson.loads(child[1]))
                    child = children.fetchone()
                yield Group(place, orjson.loads(node), found)

    def _find_parent(self, id: str) -> int | None:
        """Of those no longer remembered, all of which are written."""
        (position,) = self._database.execute("SELECT max(position) FROM parents WHERE id = ?", (id,)).fetchone()
        return position  # type: ignore[no-any-return]

    def _count(self, packed: bytes) -> None:
        self._waiting_bytes += len(packed)
        if self._waiting_bytes > WAITING_BYTES:
            self._write()

    def _write(self) -> None:
        self._children.sort()  # neighbours on disk are written together
        self._database.executemany("INSERT INTO parents VALUES (?, ?, ?, ?)", self._parents)
        self._database.executemany("INSERT INTO children VALUES (?, ?)", self._children)
        self._parents, self._children, self._waiting_bytes = [], [], 0
        for id in list(self._positions)[:-REMEMBERED_PARENTS]:
            del self._positions[id]


def _pack(node: Payload) -> bytes:
    try:
        return orjson.dumps(node, default=str)
    except TypeError:
        pass  # an integer of more than 64 bits, or nested deeper than that library goes
    try:
        return json.dumps(node, default=str).encode()
    except RecursionError:
        raise UnreadableFile("A record of the file is nested too deeply.") from None
