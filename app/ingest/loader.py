"""From records to rows in two steps: stage what was read, then merge it chunk by chunk.

Staging is one transaction: a file that turns out unreadable leaves nothing. Merging is one transaction a chunk,
together with the checkpoint, so that a killed import goes on where it stood. Merges take turns by an advisory lock:
two imports of overlapping records neither deadlock nor make a row twice.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from psycopg.errors import UniqueViolation
from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database, driver_connection
from app.ingest.formats.base import as_text
from app.ingest.merge.chunk import Chunk, ask_again, open_chunk, read_outcomes
from app.ingest.merge.consumers import merge_consumers
from app.ingest.merge.orders import merge_orders, merge_refunds
from app.ingest.merge.products import merge_product_records
from app.ingest.merge.references import merge_line_products
from app.ingest.merge.returns import merge_returns
from app.ingest.models import UNFINISHED, Import, ImportRecord, ImportReject, ImportStatus
from app.ingest.records import Item, OrderRecord, Parsed, Rejected, Repeated, Unread, encode
from app.ingest.rehearsal import Rehearsal
from app.ingest.repeats import Made, Repeats
from app.orders.models import OrderStatus
from app.privacy.masks import mask_erased
from app.utils.clock import utc_now
from app.websites.service import is_followed

logger = logging.getLogger(__name__)

BATCH = 1_000
DISTINCT_WARNINGS = 100
OTHER_WARNINGS = "other warnings"
# In the raw record of a reject, what stands around a record in our own shape, as opposed to one of the file's.
STAGED_RECORD = "staged_record"
# What a rule leaves out, as opposed to what is merged.
SKIPPED_OUTCOMES = {"superseded", "stale", "known_by_id", "return_without_purchase", "reread"}

Progress = Callable[[str, int, int], None]
"""Called with the step ("read" or "merged"), how many records are through it, and how many there are (0: unknown)."""


def no_progress(_step: str, _done: int, _of: int) -> None:
    """For callers nobody watches."""


# Staging


@dataclass
class Staged:
    records: int = 0
    rejected: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)

    def warn(self, warnings: Sequence[str]) -> None:
        """Some quote a word of the file, of which there may be any number: only so many are told apart."""
        for warning in warnings:
            known = warning in self.warnings or len(self.warnings) < DISTINCT_WARNINGS
            self.warnings[warning if known else OTHER_WARNINGS] += 1


StatusMap = Mapping[str, str]
"""What a website's own words for an order's status mean here, in lower case."""


async def stage(
    session: AsyncSession,
    import_id: int,
    items: Iterator[Item | Unread],
    *,
    status_map: StatusMap | None = None,
    repeats: Repeats | None = None,
    progress: Progress = no_progress,
) -> Staged:
    """Write the records of `items` to `import_records` in file order, and the rejects beside them.

    Parsing runs in a thread, a batch at a time, so that the event loop stays free and memory flat; the next batch is
    parsed while PostgreSQL takes this one. What `repeats` knows is not parsed, and only its place is kept.
    """
    staged = Staged()
    async with aclosing(_read_ahead(session, items, repeats)) as batches:
        async for batch in batches:
            await _stage_batch(session, import_id, batch, staged, status_map or {})
            progress("read", staged.records + staged.rejected + staged.skipped.total(), 0)
    return staged


async def _stage_batch(
    session: AsyncSession,
    import_id: int,
    batch: Sequence[Item | Repeated],
    staged: Staged,
    status_map: StatusMap,
    *,
    after: int = 0,
) -> None:
    rows: list[tuple[Any, ...]] = []
    rejects = []
    await mask_erased(session, import_id, [item for item in batch if isinstance(item, Parsed)])
    for item in batch:
        if isinstance(item, Repeated):
            staged.records += 1
            position = after + staged.records
            rows.append((import_id, position, item.kind, item.key, item.place, item.content_hash, None, None))
            continue
        staged.lines.update(item.lines or {})
        if isinstance(item, Parsed):
            staged.records += 1
            if isinstance(item.record, OrderRecord):
                _settle_status(item.record, status_map, staged)
            staged.warn(item.warnings)
            encoded, digest = encode(item.record)
            kind, key = str(item.record.kind), item.record.key
            position = after + staged.records
            rows.append((import_id, position, kind, key, item.place, digest, item.payload_hash, encoded.decode()))
        elif isinstance(item, Rejected):
            staged.rejected += 1
            rejects.append(
                {"import_id": import_id, "place": item.place, "kind": item.kind, "reason": item.reason, "raw": item.raw}
            )
        else:
            staged.skipped[item.rule] += 1
    await _copy(session, rows)
    if rejects:
        await session.execute(insert(ImportReject), rejects)


def _settle_status(record: OrderRecord, status_map: StatusMap, staged: Staged) -> None:
    """By the website's own map where it has the word, else as the format has it."""
    word = record.source_status or ""
    if mapped := status_map.get(word.lower()):
        record.status = OrderStatus(mapped)
    elif record.status is None:
        record.status = OrderStatus.PENDING
        staged.warn([f"status {word!r} is unknown and was taken as pending: the website's status_map can tell"])


async def _read_ahead(
    session: AsyncSession, items: Iterator[Item | Unread], repeats: Repeats | None
) -> AsyncGenerator[list[Item | Repeated], None]:
    """Batches of what became of the items: while one is staged, the next is built and the one after it read."""

    def read() -> list[Item | Unread]:
        batch = list(islice(items, BATCH))
        for each in batch:
            if repeats and isinstance(each, Unread):
                each.payload_hash = repeats.hash(each.raw)
        return batch

    def build_and_read(
        batch: list[Item | Unread], known: dict[bytes, Made]
    ) -> tuple[list[Item | Repeated], list[Item | Unread]]:
        return [_build(item, known) for item in batch], read()

    def start(batch: list[Item | Unread], known: dict[bytes, Made]) -> asyncio.Task[Any]:
        return asyncio.create_task(asyncio.to_thread(build_and_read, batch, known))

    ahead = start([], {})
    try:
        while True:
            built, batch = await ahead
            if not built and not batch:
                return
            hashes = {item.payload_hash for item in batch if isinstance(item, Unread) and item.payload_hash}
            ahead = start(batch, await repeats.find(session, hashes) if repeats else {})
            if built:
                yield built
    finally:
        # Whoever gives up half way closes the file: not while a thread still reads in it.
        with suppress(Exception):
            await ahead


def _build(item: Item | Unread, known: Mapping[bytes, Made]) -> Item | Repeated:
    if not isinstance(item, Unread):
        return item
    if item.payload_hash and (made := known.get(item.payload_hash)):
        return Repeated(item.place, *made)
    built = item.build()
    if isinstance(built, Parsed):
        built.payload_hash = item.payload_hash
    return built


async def _copy(session: AsyncSession, rows: list[tuple[Any, ...]]) -> None:
    driver = await driver_connection(session)
    columns = "import_id, position, kind, key, place, content_hash, payload_hash, record"
    async with driver.cursor() as cursor, cursor.copy(f"COPY import_records ({columns}) FROM STDIN") as copy:
        for row in rows:
            await copy.write_row(row)


# Merging

# Plans of foreign-key checks are made while the tables are small, as scans of the whole parent, and kept: fresh
# statistics have them made again. Of the columns that are looked up by; the others take four times as long.
_ANALYZE_FILLED = """
    ANALYZE users (id, email), products (id, sku, product_name), orders (id, order_number),
        source_records (source_website, kind, external_id, user_id, product_id, order_id)
"""


@dataclass
class Tally:
    """What became of the records so far: outcomes by kind, warnings, and rows that appeared without a record."""

    outcomes: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    warnings: Counter[str] = field(default_factory=Counter)
    implied: Counter[str] = field(default_factory=Counter)
    refused: list[dict[str, Any]] = field(default_factory=list)
    """The rejects of what the database did not take."""

    def add_chunk(self, chunk: Chunk, outcomes: list[tuple[str, str, int]]) -> None:
        for kind, outcome, count in outcomes:
            self.outcomes[outcome] += count
            self.kinds.setdefault(kind, Counter())[outcome] += count
        self.warnings.update(chunk.warnings)
        self.implied.update(chunk.implied)

    def add(self, other: "Tally") -> None:
        self.outcomes.update(other.outcomes)
        self.warnings.update(other.warnings)
        self.implied.update(other.implied)
        self.refused += other.refused
        for kind, counts in other.kinds.items():
            self.kinds.setdefault(kind, Counter()).update(counts)


async def merge_import(
    database: Database,
    import_id: int,
    *,
    chunk_size: int,
    default_currency: str,
    progress: Progress = no_progress,
) -> None:
    """Merge the staged records of an import from its checkpoint on; a finished one is left alone.

    Several processes may work at one import: each takes the next chunk in turn. A dry run merges everything in one
    transaction and rolls it back, keeping the counts.
    """
    async with database.sessions.begin() as session:
        job = await session.get(Import, import_id, with_for_update=True)
        if job is None or job.status not in UNFINISHED:
            return
        job.status = ImportStatus.RUNNING
        job.started_at = job.started_at or utc_now()
        last = await session.scalar(select(func.max(ImportRecord.position)).where(ImportRecord.import_id == import_id))
        if last and last > chunk_size:
            # Staging was empty a moment ago, for all that PostgreSQL knows: it would look through all of it for each
            # record of a chunk. Of the columns that are looked up by; the records themselves are wide.
            await session.execute(text("ANALYZE import_records (import_id, kind, key, position)"))
        followed = await is_followed(session, job.source_website)
    merge = _Merge(import_id, job.source_website, chunk_size, default_currency, last or 0, is_followed=followed)
    try:
        if job.dry_run:
            await _rehearse(database, merge, progress)
        else:
            more = True
            while more:
                async with merging(database) as session:
                    more = await merge.run_next_chunk(session)
                progress("merged", merge.position, merge.last)
    except OperationalError:
        raise  # the database went away: the import is still running, and its job tries again from the checkpoint
    except Exception as error:
        logger.exception("Import %d failed after record %d", import_id, merge.position)
        async with database.sessions.begin() as session:
            failed = await session.get_one(Import, import_id)
            failed.status, failed.finished_at = ImportStatus.FAILED, utc_now()
            failed.error = (
                f"The merge stopped after record {merge.position}: {type(error).__name__}. The log tells more."
            )
        raise


async def _rehearse(database: Database, merge: "_Merge", progress: Progress) -> None:
    tally = Tally()
    rehearsal = Rehearsal(database)
    merge.watch = rehearsal.note_changes
    async with database.merge_turn, database.sessions() as session:
        while merge.position < merge.last and await _is_running(database, merge.import_id):
            tally.add(await merge.run_chunk(session))
            progress("merged", merge.position, merge.last)
        await session.rollback()
    async with database.sessions.begin() as session:
        job = await session.get_one(Import, merge.import_id, with_for_update=True)
        if job.status == ImportStatus.RUNNING:
            _note(job, tally)
            job.details = job.details | {"changes": rehearsal.changes}
            if tally.refused:
                await session.execute(insert(ImportReject), tally.refused)
            await _finish(session, job)


async def _is_running(database: Database, import_id: int) -> bool:
    async with database.reads() as session:
        return await session.scalar(select(Import.status).where(Import.id == import_id)) == ImportStatus.RUNNING


@dataclass
class _Merge:
    import_id: int
    website: str
    chunk_size: int
    default_currency: str
    last: int
    position: int = 0
    chunks: int = 0
    is_followed: bool = False
    is_trusted: bool = False
    fills_tables: bool = True
    """Whether there may be so much of it that PostgreSQL has to look at the tables anew."""
    watch: Callable[[Chunk], Awaitable[None]] | None = None
    """Called with what has been merged, while its temporary tables are there."""

    async def run_next_chunk(self, session: AsyncSession) -> bool:
        """Merge the chunk after the checkpoint and move it, in the caller's transaction; whether there is more."""
        job = await session.get_one(Import, self.import_id, with_for_update=True)
        if job.status != ImportStatus.RUNNING:
            return False  # another process has merged the last chunk
        self.position = job.merged_up_to
        if self.position < self.last:
            _note(job, await self.run_chunk(session))
            job.merged_up_to = self.position
        if self.position < self.last:
            return True
        await _finish(session, job)
        return False

    async def run_chunk(self, session: AsyncSession) -> Tally:
        await take_merge_lock(session)
        up_to = min(self.position + self.chunk_size, self.last)
        tally = Tally()
        await self._merge_range(session, tally, self.position, up_to)
        has_written = tally.outcomes.keys() & {"created", "updated", "merged"}
        if has_written and self.fills_tables and self.chunks & (self.chunks - 1) == 0:
            await session.execute(text(_ANALYZE_FILLED))
        self.position, self.chunks = up_to, self.chunks + 1
        return tally

    async def _merge_range(
        self, session: AsyncSession, tally: Tally, after: int, up_to: int, *, is_again: bool = False
    ) -> None:
        """Records are checked before they are staged; what the database refuses all the same is found by halving.

        A row that somebody else has entered between the look for it and its making is found at the second time.
        """
        chunk = Chunk(
            session,
            self.import_id,
            self.website,
            after,
            up_to,
            utc_now(),
            self.default_currency,
            self.is_followed,
            self.is_trusted,
        )
        try:
            async with session.begin_nested():
                if await open_chunk(chunk):
                    await merge_consumers(chunk)
                    await merge_product_records(chunk)
                    await merge_line_products(chunk)
                    await merge_orders(chunk)
                    await merge_refunds(chunk)
                    await merge_returns(chunk)
                await ask_again(chunk)
                tally.add_chunk(chunk, await read_outcomes(chunk))
            if self.watch:
                await self.watch(chunk)
        except (DataError, IntegrityError) as error:
            if not is_again and isinstance(error.orig, UniqueViolation):
                await self._merge_range(session, tally, after, up_to, is_again=True)
                return
            if up_to - after == 1:
                tally.refused.append(await self._reject(session, up_to, error))
                return
            middle = (after + up_to) // 2
            await self._merge_range(session, tally, after, middle)
            await self._merge_range(session, tally, middle, up_to)

    async def _reject(self, session: AsyncSession, position: int, error: DataError | IntegrityError) -> dict[str, Any]:
        logger.warning("Import %d: record %d was refused by the database", self.import_id, position, exc_info=error)
        record = await session.get_one(ImportRecord, (self.import_id, position))
        diagnostics = getattr(error.orig, "diag", None)
        reject = {
            "import_id": self.import_id,
            "place": record.place,
            "kind": record.kind,
            "reason": getattr(diagnostics, "message_primary", None) or "refused by the database",
            "raw": as_text({STAGED_RECORD: record.record}),
        }
        await session.execute(insert(ImportReject), [reject])
        return reject


@asynccontextmanager
async def merging(database: Database) -> AsyncIterator[AsyncSession]:
    """A session with a transaction that merges, and in which nobody else does."""
    async with database.merge_turn, database.sessions.begin() as session:
        await take_merge_lock(session)
        yield session


async def take_merge_lock(session: AsyncSession) -> None:
    """Until the transaction ends nobody else merges."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('merge records'))"))


async def take_batch(
    session: AsyncSession,
    job: Import,
    items: Sequence[Item],
    *,
    default_currency: str,
    status_map: StatusMap,
    is_trusted: bool = False,
    fills_tables: bool = False,
) -> None:
    """Stage and merge what a followed store answered, as the next records of `job`, in the caller's transaction.

    `fills_tables` where it is a part of all that the store has.
    """
    staged = Staged()
    after = job.merged_up_to
    await _stage_batch(session, job.id, items, staged, status_map, after=after)
    job.records_read += len(items)
    job.records_rejected += staged.rejected
    job.records_skipped += staged.skipped.total()
    job.details = merge_counts(job.details, {"skipped": dict(staged.skipped), "warnings": dict(staged.warnings)})
    if staged.records:
        last = after + staged.records
        merge = _Merge(
            job.id,
            job.source_website,
            staged.records,
            default_currency,
            last,
            after,
            is_followed=True,
            is_trusted=is_trusted,
            chunks=after // BATCH,
            fills_tables=fills_tables,
        )
        _note(job, await merge.run_chunk(session))
        job.merged_up_to = last
        await session.execute(delete(ImportRecord).where(ImportRecord.import_id == job.id))


async def _finish(session: AsyncSession, job: Import) -> None:
    job.status, job.finished_at = ImportStatus.SUCCEEDED, utc_now()
    await session.execute(delete(ImportRecord).where(ImportRecord.import_id == job.id))


def _note(job: Import, tally: Tally) -> None:
    """Add a chunk's counts to its import."""
    job.records_created += tally.outcomes["created"]
    job.records_updated += tally.outcomes["updated"]
    job.records_merged += tally.outcomes["merged"]
    job.records_unchanged += tally.outcomes["unchanged"]
    job.records_skipped += sum(tally.outcomes[rule] for rule in SKIPPED_OUTCOMES)
    job.records_rejected += len(tally.refused)
    details = job.details
    for kind, counts in tally.kinds.items():
        details = merge_counts(details, {"kinds": {kind: dict(counts)}})
    skipped = {rule: count for rule, count in tally.outcomes.items() if rule in SKIPPED_OUTCOMES}
    job.details = merge_counts(
        details, {"skipped": skipped, "warnings": dict(tally.warnings), "also_created": dict(tally.implied)}
    )


def merge_counts(ours: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """The sum of two trees of counts."""
    merged = dict(ours)
    for name, value in more.items():
        merged[name] = (
            merge_counts(merged.get(name, {}), value) if isinstance(value, dict) else merged.get(name, 0) + value
        )
    return merged
