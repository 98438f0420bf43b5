"""What becomes of rejects: they are tried again, as they are or corrected, as an import of their own, or dismissed.

A retry takes its rejects, stages what can be read of them and keeps the rest as rejects of its own, in one
transaction; two retries at the same time never take the same reject. So a retry that is sent twice imports once.
"""

import json
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any, NamedTuple, Self

import orjson
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.ingest.formats import FORMATS, generic
from app.ingest.formats.base import Format, Options
from app.ingest.loader import STAGED_RECORD, Progress, no_progress, stage
from app.ingest.mapping import Mapping
from app.ingest.models import Import, ImportReject, RejectStatus
from app.ingest.reading import BadLine, UnreadableFile
from app.ingest.records import (
    ConsumerRecord,
    Item,
    OrderRecord,
    Parsed,
    ProductRecord,
    Record,
    RefundRecord,
    Rejected,
    ReturnRecord,
)
from app.ingest.schemas import RejectQuery
from app.ingest.service import get_import, note_staged
from app.utils.clock import utc_now
from app.utils.errors import Conflict, NotFound, Unprocessable
from app.utils.listing import Listing, read_page
from app.websites.models import SourceKind
from app.websites.service import get_status_map

BATCH = 1_000
# Rejects wait in memory up to here, and beyond in a file.
WAITING_BYTES = 16 * 1024 * 1024
RETRY = " (retry)"


@dataclass(frozen=True)
class OtherOptions:
    """What is to be read in another way than the import did; None is as before."""

    mapping: Mapping | None = None
    dayfirst: bool | None = None
    decimal_comma: bool | None = None

    def change(self, options: Options, format_name: str) -> Options:
        if self.mapping and format_name != generic.FORMAT.name:
            raise Unprocessable(
                f"Only the format generic takes a mapping, {format_name} finds its columns by itself.", field="mapping"
            )
        return replace(options, **{name: value for name, value in vars(self).items() if value is not None})


AS_BEFORE = OtherOptions()


# Looking


LISTING = Listing(
    rows=select(*ImportReject.__table__.columns),
    filters={
        "import_id": ImportReject.import_id == bindparam("import_id"),
        "status": ImportReject.status == bindparam("status"),
    },
    sorts={"id": ImportReject.id},
)


async def list_rejects(session: AsyncSession, import_id: int, request: RejectQuery) -> dict[str, Any]:
    await get_import(session, import_id)
    return await read_page(session, LISTING, request, import_id=import_id)


async def get_reject(session: AsyncSession, import_id: int, reject_id: int) -> ImportReject:
    found = await session.get(ImportReject, reject_id, populate_existing=True)
    if found is None or found.import_id != import_id:
        raise NotFound(f"Import {import_id} has no reject {reject_id}.")
    return found


# Settling


async def dismiss_rejects(session: AsyncSession, import_id: int, reject_ids: Collection[int] | None = None) -> int:
    """Dismiss these, or all that are open; how many were. One that is dismissed already stays so.

    Raises Conflict where one was retried, Unprocessable where the import has no such reject.
    """
    await get_import(session, import_id)
    dismissed = await _settle(session, import_id, reject_ids, status=RejectStatus.DISMISSED)
    if reject_ids is not None:
        await _check_settled(session, import_id, reject_ids, ImportReject.status == RejectStatus.DISMISSED)
    return dismissed


async def dismiss_reject(session: AsyncSession, import_id: int, reject_id: int) -> None:
    await get_reject(session, import_id, reject_id)
    await dismiss_rejects(session, import_id, [reject_id])


async def _settle(session: AsyncSession, import_id: int, reject_ids: Collection[int] | None, **values: Any) -> int:
    """Give the open ones among them their end; how many there were."""
    # Locked in one order: two who settle the same ones wait for each other, and the second finds them settled.
    is_open = [ImportReject.import_id == import_id, ImportReject.status == RejectStatus.OPEN]
    if reject_ids is not None:
        is_open.append(ImportReject.id.in_(reject_ids))
    taken = select(ImportReject.id).where(*is_open).order_by(ImportReject.id).with_for_update()
    settled: Any = await session.execute(
        update(ImportReject)
        .where(ImportReject.id.in_(taken))
        .values(settled_at=utc_now(), **values)
        .execution_options(synchronize_session=False)
    )
    return int(settled.rowcount)


async def _check_settled(
    session: AsyncSession, import_id: int, reject_ids: Collection[int], as_asked: ColumnElement[bool]
) -> None:
    rows = (
        await session.execute(
            select(ImportReject.id, ImportReject.status, as_asked.label("is_as_asked")).where(
                ImportReject.import_id == import_id, ImportReject.id.in_(reject_ids)
            )
        )
    ).all()
    if missing := sorted(set(reject_ids) - {row.id for row in rows}):
        raise Unprocessable(f"Import {import_id} has no reject {_name(missing)}.", field="reject_ids")
    for row in rows:
        if not row.is_as_asked:
            raise Conflict(f"Reject {row.id} was {row.status} before; only an open one can be retried or dismissed.")


def _name(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids[:10])) + (f" and {len(ids) - 10} more" if len(ids) > 10 else "")


# Retrying


async def retry_rejects(
    session: AsyncSession,
    import_id: int,
    reject_ids: Collection[int] | None = None,
    *,
    other: OtherOptions = AS_BEFORE,
    progress: Progress = no_progress,
) -> Import:
    """Stage these rejects, or all that are open, as an import of their own, for the caller to have it merged.

    What cannot be taken again is an open reject of the new import. Raises Conflict where one is settled already, or
    none is open, Unprocessable where the import has no such reject.
    """
    started = await _start_retry(session, import_id, other)
    await _take(session, started, reject_ids)
    with tempfile.SpooledTemporaryFile(WAITING_BYTES) as file:
        await _copy_rejects(session, started, file)
        items = _read_all(file, _Reader.of(started))
        status_map = await get_status_map(session, started.source_website)
        staged = await stage(session, started.id, items, status_map=status_map, progress=progress)
    note_staged(started, staged)
    await session.flush()
    return started


async def retry_reject(
    session: AsyncSession,
    import_id: int,
    reject_id: int,
    raw: Any = None,
    *,
    other: OtherOptions = AS_BEFORE,
    record_bytes: int,
) -> Import:
    """Stage one reject, or `raw` in its place, as `retry_rejects` does.

    `raw` is of the shape of a reject's raw record, as JSON value or as text. Raises Unprocessable where it is no such
    record at all.
    """
    reject = await get_reject(session, import_id, reject_id)
    if raw is None:
        return await retry_rejects(session, import_id, [reject_id], other=other)
    started = await _start_retry(session, import_id, other)
    await _take(session, started, [reject_id])
    corrected = _Waiting(reject.place, reject.kind, _to_text(raw, record_bytes))
    try:
        items = list(_Reader.of(started).read(corrected))
    except UnreadableFile as error:
        raise Unprocessable(error.detail, field="raw") from None
    status_map = await get_status_map(session, started.source_website)
    note_staged(started, await stage(session, started.id, iter(items), status_map=status_map))
    await session.flush()
    return started


async def _take(session: AsyncSession, started: Import, reject_ids: Collection[int] | None) -> None:
    assert started.retry_of is not None
    taken = await _settle(session, started.retry_of, reject_ids, status=RejectStatus.RETRIED, retried_by=started.id)
    if reject_ids is not None:
        await _check_settled(session, started.retry_of, reject_ids, ImportReject.retried_by == started.id)
    elif not taken:
        raise Conflict(f"Import {started.retry_of} has no open rejects.")


async def _start_retry(session: AsyncSession, import_id: int, other: OtherOptions) -> Import:
    original = await get_import(session, import_id)
    if original.dry_run:
        raise Conflict(f"Import {import_id} was a dry run, so nothing was imported: mend the file and import it.")
    name = original.file_name.removesuffix(RETRY)
    options = other.change(Options.from_json(original.options), original.format)
    started = Import(
        source_website=original.source_website,
        file_name=name[: 255 - len(RETRY)] + RETRY,
        format=original.format,
        options=options.as_json(),
        retry_of=original.id,
    )
    session.add(started)
    await session.flush()
    return started


# Reading again


class _Waiting(NamedTuple):
    place: str
    kind: str
    raw: str


async def _copy_rejects(session: AsyncSession, started: Import, file: IO[bytes]) -> None:
    """A line each, from a cursor of the server's: however many there are, memory holds a batch."""
    rejects = (
        select(ImportReject.place, ImportReject.kind, ImportReject.raw)
        .where(ImportReject.import_id == started.retry_of, ImportReject.retried_by == started.id)
        .order_by(ImportReject.id)
        .execution_options(yield_per=BATCH)
    )
    async for batch in (await session.stream(rejects)).partitions():
        file.write(b"".join(orjson.dumps(tuple(row)) + b"\n" for row in batch))
    file.seek(0)


def _to_text(raw: Any, record_bytes: int) -> str:
    try:
        text = raw if isinstance(raw, str) else json.dumps(raw)
    except RecursionError:
        raise Unprocessable("raw is nested too deeply", field="raw") from None
    if len(text) > record_bytes:
        raise Unprocessable(f"raw is larger than {record_bytes} bytes (MAX_RECORD_BYTES)", field="raw")
    if "\\u0000" in text:
        raise Unprocessable("raw cannot hold a NUL character", field="raw")
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Unprocessable(f"raw is not JSON: {error}", field="raw") from None
    return text


def _read_all(file: IO[bytes], reader: "_Reader") -> Iterator[Item]:
    for line in file:
        waiting = _Waiting(*orjson.loads(line))
        try:
            yield from reader.read(waiting)
        except UnreadableFile as error:
            yield Rejected(waiting.place, waiting.kind, error.detail, waiting.raw)


@dataclass(frozen=True)
class _Reader:
    """Reads a raw record by itself, as the import's format does in its file."""

    format: Format
    options: Options

    @classmethod
    def of(cls, started: Import) -> "_Reader":
        return cls(FORMATS[started.format], Options.from_json(started.options))

    def read(self, waiting: _Waiting) -> Iterator[Item]:
        """Every item has the place of the reject. Raises UnreadableFile where it is no record of the format."""
        try:
            value = orjson.loads(waiting.raw)
        except orjson.JSONDecodeError as error:
            value = BadLine(f"not JSON: {error}", waiting.raw)
        if isinstance(value, dict) and value.keys() == {STAGED_RECORD}:
            yield Parsed(waiting.place, _rebuild(value[STAGED_RECORD]))
            return
        source = _JsonSource(waiting.place, value) if self._reads_json else _CsvSource(value)
        is_empty = True
        for item in self.format.read(source, self.options):
            is_empty = False
            yield replace(item, place=waiting.place)
        if is_empty:
            raise UnreadableFile("There is no record in it.")

    @property
    def _reads_json(self) -> bool:
        # The generic format reads a row and an object with the same names alike.
        return not self.format.name.endswith("_csv")


def _rebuild(staged: Any) -> Record:
    """A record that was staged and that the database refused: checked, since it may have been edited."""
    kind = staged.get("kind") if isinstance(staged, dict) else None
    if kind not in _RECORDS:
        raise UnreadableFile(f"{STAGED_RECORD} has no known kind.")
    try:
        record: Record = _RECORDS[kind].validate_python(staged)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UnreadableFile(f"{STAGED_RECORD} does not fit: {where}: {first['msg']}.") from None
    return record


_RECORDS: dict[Any, TypeAdapter[Any]] = {
    kind: TypeAdapter(record)
    for record, kinds in {
        ConsumerRecord: (SourceKind.CONSUMER, SourceKind.GUEST, SourceKind.ANONYMOUS),
        ProductRecord: (SourceKind.PRODUCT, SourceKind.PRODUCT_KEY),
        OrderRecord: (SourceKind.ORDER, SourceKind.ORDER_KEY),
        RefundRecord: (SourceKind.REFUND,),
        ReturnRecord: (SourceKind.RETURN,),
    }.items()
    for kind in kinds
}


@dataclass(frozen=True)
class _JsonSource:
    """One payload, or several in a list. The place is the file's: the generic format may number orders by it."""

    place: str
    value: Any
    is_json: bool = True

    def header(self) -> list[str]:
        return []

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        return iter(())

    def values(self) -> Iterator[tuple[str, Any]]:
        is_list = isinstance(self.value, list) and all(isinstance(each, dict) for each in self.value)
        for each in self.value if is_list else [self.value]:
            yield self.place, each

    def laid_out(self, _header: Sequence[str] | None, _delimiter: str | None) -> Self:
        return self


class _CsvSource:
    """Rows by column, already free of header and delimiter."""

    is_json = False

    def __init__(self, value: Any) -> None:
        given = value if isinstance(value, list) else [value]
        if not all(isinstance(row, dict) for row in given):
            raise UnreadableFile("The record must be the JSON of a row, column by column, or of a list of rows.")
        self._names = list(dict.fromkeys(name for row in given for name in row))
        self._rows = [{name: _cell(name, row.get(name)) for name in self._names} for row in given]

    def header(self) -> list[str]:
        return self._names

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        return enumerate(self._rows, start=2)

    def values(self) -> Iterator[tuple[str, Any]]:
        return iter(())

    def laid_out(self, _header: Sequence[str] | None, _delimiter: str | None) -> Self:
        return self


def _cell(name: str, value: Any) -> str:
    if isinstance(value, dict | list):
        raise UnreadableFile(f"{name} must be a text, as in a cell.")
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
