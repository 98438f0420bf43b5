"""The chunk at work: its records, and what becomes of each."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession

from app.utils.statements import typed

# Kinds that have a consumer inside, and kinds that are one.
ORDERS = "('order', 'order_key')"
CONSUMERS = "('consumer', 'guest', 'anonymous')"
PRODUCTS = "('product', 'product_key')"

# For the other links of a row that the record `n` has changed: what they left there is there no longer, so their
# records are no repetitions when they come again, unless `n` comes with them.
OVERRIDDEN_BY = """
    jsonb_build_object('overridden_by', jsonb_build_object(
        'kind', n.kind, 'key', n.key, 'hash', encode(n.content_hash, 'hex')
    ))
"""


@dataclass
class Chunk:
    """One transaction's share of an import: positions `after` < p <= `up_to`.

    A website that is followed is asked again where two of its answers contradict each other. What `is_trusted` was
    read from it for that reason, by id and just now: it counts, whatever was told before.
    """

    session: AsyncSession
    import_id: int
    website: str
    after: int
    up_to: int
    now: datetime
    default_currency: str
    is_followed: bool = False
    is_trusted: bool = False
    warnings: dict[str, int] = field(default_factory=dict)
    implied: dict[str, int] = field(default_factory=dict)
    """Rows that appeared without a record of their own: guests, and products first met in a line."""

    async def run(self, statement: str, **more: Any) -> CursorResult[Any]:
        parameters = {
            "import_id": self.import_id,
            "website": self.website,
            "after": self.after,
            "up_to": self.up_to,
            "now": self.now,
            "default_currency": self.default_currency,
            "is_followed": self.is_followed,
            "is_trusted": self.is_trusted,
            **more,
        }
        result = await self.session.execute(typed(statement, parameters), parameters)
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
        position bigint PRIMARY KEY, kind text, key text, content_hash bytea, payload_hash bytea, record jsonb,
        outcome text, is_touch boolean
    ) ON COMMIT DROP
    """,
)

# What a website dated is not replaced by what has no date, such as an export without ids beside answers of its API.
# A record that stands again later in the file is superseded: the last in file order wins, and a file imported
# twice then finds every record as it left it. A refund that its order has dropped stays so when its own record is
# only repeated. What was deleted stays so, until the website dates it later than anything it said before. Of a store
# that can be asked, what contradicts that it was deleted, or what is of the same second and not the same, is not taken
# but read again.
# What was known to be unchanged when it was read, and has changed since, is older than that change.
# A touch is the same content with a later date, as of an order that somebody has looked at: its link takes the date,
# since what comes with an older one is stale from now on, and its row is left alone.
_IS_SAME = """
    s.content_hash = r.content_hash AND (s.deleted_at IS NULL OR r.kind = 'refund') AND (
        s.said -> 'overridden_by' IS NULL OR EXISTS (
            SELECT 1 FROM import_records other
            WHERE other.import_id = r.import_id AND other.kind = s.said #>> '{overridden_by,kind}'
            AND other.key = s.said #>> '{overridden_by,key}'
            AND encode(other.content_hash, 'hex') = s.said #>> '{overridden_by,hash}'
        )
    )
"""
_IS_LATER = """
    coalesce((r.record ->> 'updated_at')::timestamptz > coalesce(s.source_updated_at, '-infinity'), false)
"""
# A variant that nobody knew, of a product whose deletion was told first: a tombstone that was never a record itself.
_IS_OF_BURIED = """
    s.content_hash IS NULL AND r.record ->> 'group_key' IS NOT NULL AND EXISTS (
        SELECT 1 FROM source_records buried
        WHERE buried.source_website = :website AND buried.kind = r.kind
        AND buried.external_id = r.record ->> 'group_key' AND buried.deleted_at IS NOT NULL
        AND buried.content_hash IS NULL
    )
"""
_FILL = f"""
    INSERT INTO chunk
    SELECT r.position, r.kind, r.key, r.content_hash, r.payload_hash, r.record,
        CASE
            WHEN EXISTS (
                SELECT 1 FROM import_records later
                WHERE later.import_id = r.import_id AND later.kind = r.kind AND later.key = r.key
                AND later.position > r.position
            ) THEN 'superseded'
            WHEN {_IS_SAME} AND NOT {_IS_LATER} THEN 'unchanged'
            WHEN :is_followed AND NOT :is_trusted AND r.kind IN ('order', 'product', 'consumer') AND (
                s.deleted_at IS NOT NULL OR (
                    s.content_hash <> r.content_hash AND s.source_updated_at = (r.record ->> 'updated_at')::timestamptz
                ) OR {_IS_OF_BURIED}
            ) THEN 'reread'
            WHEN r.record IS NULL THEN 'stale'
            WHEN NOT :is_trusted AND s.deleted_at IS NOT NULL AND r.kind <> 'refund' AND coalesce(
                (r.record ->> 'updated_at')::timestamptz <= coalesce(s.source_updated_at, 'infinity'), true
            ) THEN 'stale'
            WHEN NOT :is_trusted AND s.content_hash IS NOT NULL
                AND s.source_updated_at > coalesce((r.record ->> 'updated_at')::timestamptz, '-infinity') THEN 'stale'
            WHEN r.kind = 'order_key' AND EXISTS (
                SELECT 1 FROM orders o JOIN source_records owner ON owner.order_id = o.id
                WHERE o.source_website = :website AND o.order_number = r.record ->> 'order_number'
                AND owner.kind = 'order' AND owner.content_hash IS NOT NULL AND owner.source_updated_at IS NOT NULL
            ) THEN 'known_by_id'
        END,
        ({_IS_SAME}) IS TRUE
    FROM import_records r
    LEFT JOIN source_records s ON s.source_website = :website AND s.kind = r.kind AND s.external_id = r.key
    WHERE r.import_id = :import_id AND r.position > :after AND r.position <= :up_to
"""

# What was read anew, and came to the same.
_REMEMBER = """
    UPDATE source_records s SET payload_hash = c.payload_hash
    FROM chunk c
    WHERE c.outcome = 'unchanged' AND c.payload_hash IS NOT NULL AND s.source_website = :website AND s.kind = c.kind
    AND s.external_id = c.key AND s.content_hash = c.content_hash AND s.payload_hash IS DISTINCT FROM c.payload_hash
"""

_TO_DO = "SELECT count(*) FROM chunk WHERE outcome IS NULL"
_OUTCOMES = "SELECT kind, outcome, count(*) AS records FROM chunk GROUP BY kind, outcome"


async def open_chunk(chunk: Chunk) -> int:
    """Lay the records out; how many of them have to be merged."""
    await chunk.run_all(*_TABLES, _FILL, "ANALYZE chunk (position, kind, key, outcome)", _REMEMBER)
    return int((await chunk.run(_TO_DO)).scalar_one())


async def read_outcomes(chunk: Chunk) -> list[tuple[str, str, int]]:
    """(kind, outcome, count); an outcome is created, updated, unchanged, superseded, stale, reread or known_by_id."""
    found = (await chunk.run(_OUTCOMES)).all()
    return [(row.kind, row.outcome, row.records) for row in found]


# A variation or variant is read with its product. A consumer is a customer of the store.
_ASK_AGAIN = """
    INSERT INTO rereads (source_website, kind, external_id, reason)
    SELECT DISTINCT :website, kind, coalesce(record ->> 'parent_key', record ->> 'group_key', key), 'contradiction'
    FROM chunk WHERE outcome = 'reread'
    ON CONFLICT (source_website, kind, external_id) DO UPDATE SET
        asked_at = clock_timestamp(), not_before = NULL, attempts = 0
"""


async def ask_again(chunk: Chunk) -> None:
    """Note what its store has to be asked for again."""
    if chunk.is_followed:
        await chunk.run(_ASK_AGAIN)
