"""The chunk at work: its records, and what becomes of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CursorResult, DateTime, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

# Kinds that have a consumer inside, and kinds that are one.
ORDERS = "('order', 'order_key')"
CONSUMERS = "('consumer', 'guest', 'anonymous')"
PRODUCTS = "('product', 'product_key')"

_TYPES: dict[type, TypeEngine[Any]] = {int: BigInteger(), str: Text(), datetime: DateTime(timezone=True)}

# For the other links of a row that the record `n` has changed: what they left there is there no longer, so their
# records are no repetitions when they come again, unless `n` comes with them.
OVERRIDDEN_BY = """
    jsonb_build_object('overridden_by', jsonb_build_object(
        'kind', n.kind, 'key', n.key, 'hash', encode(n.content_hash, 'hex')
    ))
"""


@dataclass
class Chunk:
    """One transaction's share of an import: positions `after` < p <= `up_to`."""

    session: AsyncSession
    import_id: int
    website: str
    after: int
    up_to: int
    now: datetime
    default_currency: str
    warnings: dict[str, int] = field(default_factory=dict)
    implied: dict[str, int] = field(default_factory=dict)
    """Rows that appeared without a record of their own: guests, and products first met in a line."""

    async def run(self, statement: str, **more: Any) -> CursorResult[Any]:
        parameters: Mapping[str, Any] = {
            "import_id": self.import_id,
            "website": self.website,
            "after": self.after,
            "up_to": self.up_to,
            "now": self.now,
            "default_currency": self.default_currency,
            **more,
        }
        clause = text(statement)
        # Typed, since PostgreSQL would deduce one type here and another there.
        wanted = [bindparam(name, parameters[name], _TYPES[type(parameters[name])]) for name in clause._bindparams]
        result = await self.session.execute(clause.bindparams(*wanted))
        assert isinstance(result, CursorResult)
        return result

    async def run_all(self, *statements: str) -> None:
        for statement in statements:
            await self.run(statement)

    def warn(self, message: str, times: int = 1) -> None:
        if times:
            self.warnings[message] = self.warnings.get(message, 0) + times

    def imply(self, what: str, times: int) -> None:
        if times:
            self.implied[what] = self.implied.get(what, 0) + times


_TABLES = (
    # A chunk finds its few rows by index; where that is thought dear, tables are read whole, again for every chunk.
    "SET LOCAL random_page_cost = 1.1",
    "DROP TABLE IF EXISTS chunk, chunk_consumers, fresh_consumers, chunk_products, chunk_lines, chunk_orders, "
    "moved_consumers, renamed_products, chunk_references, moved_references, priced_lines, followers",
    """
    CREATE TEMP TABLE chunk (
        position bigint PRIMARY KEY, kind text, key text, content_hash bytea, record jsonb, outcome text
    ) ON COMMIT DROP
    """,
)

# What a website dated is not replaced by what has no date, such as an export without ids beside answers of its API.
# A record that stands again later in the file is superseded: the last in file order wins, and a file imported
# twice then finds every record as it left it. A refund that its order has dropped stays so when its own record is
# only repeated.
_FILL = """
    INSERT INTO chunk
    SELECT r.position, r.kind, r.key, r.content_hash, r.record,
        CASE
            WHEN EXISTS (
                SELECT 1 FROM import_records later
                WHERE later.import_id = r.import_id AND later.kind = r.kind AND later.key = r.key
                AND later.position > r.position
            ) THEN 'superseded'
            WHEN s.content_hash = r.content_hash AND (s.deleted_at IS NULL OR r.kind = 'refund') AND (
                s.said -> 'overridden_by' IS NULL OR EXISTS (
                    SELECT 1 FROM import_records other
                    WHERE other.import_id = r.import_id AND other.kind = s.said #>> '{overridden_by,kind}'
                    AND other.key = s.said #>> '{overridden_by,key}'
                    AND encode(other.content_hash, 'hex') = s.said #>> '{overridden_by,hash}'
                )
            ) THEN 'unchanged'
            WHEN s.content_hash IS NOT NULL
                AND s.source_updated_at > coalesce((r.record ->> 'updated_at')::timestamptz, '-infinity') THEN 'stale'
            WHEN r.kind = 'order_key' AND EXISTS (
                SELECT 1 FROM orders o JOIN source_records owner ON owner.order_id = o.id
                WHERE o.source_website = :website AND o.order_number = r.record ->> 'order_number'
                AND owner.kind = 'order' AND owner.content_hash IS NOT NULL AND owner.source_updated_at IS NOT NULL
            ) THEN 'known_by_id'
        END
    FROM import_records r
    LEFT JOIN source_records s ON s.source_website = :website AND s.kind = r.kind AND s.external_id = r.key
    WHERE r.import_id = :import_id AND r.position > :after AND r.position <= :up_to
"""

_TO_DO = "SELECT count(*) FROM chunk WHERE outcome IS NULL"
_OUTCOMES = "SELECT kind, outcome, count(*) AS records FROM chunk GROUP BY kind, outcome"


async def open_chunk(chunk: Chunk) -> int:
    """Lay the records out; how many of them have to be merged."""
    await chunk.run_all(*_TABLES, _FILL, "ANALYZE chunk (position, kind, key, outcome)")
    return int((await chunk.run(_TO_DO)).scalar_one())


async def read_outcomes(chunk: Chunk) -> list[tuple[str, str, int]]:
    """(kind, outcome, count); an outcome is created, updated, unchanged, superseded, stale or known_by_id."""
    found = (await chunk.run(_OUTCOMES)).all()
    return [(row.kind, row.outcome, row.records) for row in found]
