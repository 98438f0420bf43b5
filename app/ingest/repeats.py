"""Payloads that were read before, and whose records are still what they made: known by a hash, without reading them.

A shop that exports its orders every week exports nearly all of them again. What becomes of a payload depends on itself,
on how the file is read, and on the code that reads it; a hash of all three is kept with the link of its record, and is
gone from there as soon as the record comes otherwise.
"""

from collections.abc import Collection, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson
from sqlalchemy import LargeBinary, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app.ingest.formats.base import Format, Options
from app.websites.models import SourceRecord

HASH_BYTES = 16
_READERS = ("loader.py", "mapping.py", "reading.py", "records.py", "values.py")  # beside the formats

# One that was deleted, or that another record of its order has overridden, is not what its payload says.
_FIND = select(SourceRecord.payload_hash, SourceRecord.kind, SourceRecord.external_id, SourceRecord.content_hash).where(
    SourceRecord.source_website == bindparam("website"),
    SourceRecord.payload_hash == bindparam("hashes", type_=ARRAY(LargeBinary)).any_(),
    SourceRecord.deleted_at.is_(None),
    SourceRecord.said["overridden_by"].is_(None),
)


class Made(NamedTuple):
    kind: str
    key: str
    content_hash: bytes


class Repeats:
    """Of one website, and of files read in one way. Unless it `finds` them, hashes are made, and all is new."""

    def __init__(self, website: str, reading: bytes, *, finds: bool = True) -> None:
        self._website = website
        self._reading = reading
        self._finds = finds

    @classmethod
    def of(cls, website: str, format_: Format, options: Options, status_map: Mapping[str, str], *, finds: bool) -> Self:
        how = orjson.dumps([format_.name, options.as_json(), dict(status_map)], option=orjson.OPT_SORT_KEYS)
        return cls(website, blake2b(_CODE + how, digest_size=HASH_BYTES).digest(), finds=finds)

    def hash(self, raw: Any) -> bytes:
        return blake2b(orjson.dumps(raw), digest_size=HASH_BYTES, key=self._reading).digest()

    async def find(self, session: AsyncSession, hashes: Collection[bytes]) -> dict[bytes, Made]:
        """What those made that are repeated."""
        if not hashes or not self._finds:
            return {}
        rows = await session.execute(_FIND, {"website": self._website, "hashes": list(hashes)})
        return {row.payload_hash: Made(row.kind, row.external_id, row.content_hash) for row in rows}


def list_readers() -> list[Path]:
    """The files whose code may read a payload otherwise one day."""
    here = Path(__file__).parent
    beside = [*(here / name for name in _READERS), here.parent / "utils" / "schemas.py"]
    return sorted([*(here / "formats").rglob("*.py"), *beside])


def _hash_code() -> bytes:
    hashed = blake2b(digest_size=HASH_BYTES)
    for file in list_readers():
        hashed.update(file.read_bytes())
    return hashed.digest()


_CODE = _hash_code()  # of what is loaded, and not of what takes its place on the disk later
