"""Sweeps: what a store lists is kept beside what we have, and what differs is read again.

A list of everything is the only thing that shows what a store has deleted without a word, and what it changed without
moving the date of the change.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.connectors.base import Listed
from app.database import driver_connection
from app.sync.models import SweptRecord
from app.utils.statements import typed
from app.websites.models import SourceKind

REJECTED = "rejected "
"""Before the kind of a row that is kept beside the sweep's own, of a record that was read and could not be taken: as it
was listed then."""


async def clear(session: AsyncSession, website: str, kind: SourceKind, *, with_rejects: bool = False) -> None:
    kinds = [kind, REJECTED + kind] if with_rejects else [kind]
    swept = delete(SweptRecord).where(SweptRecord.source_website == website, SweptRecord.kind.in_(kinds))
    await session.execute(swept)


async def keep(session: AsyncSession, website: str, kind: SourceKind, listed: Sequence[Listed]) -> None:
    """What was listed; of a record that is listed again, as it is now."""
    driver = await driver_connection(session)
    rows = {
        each.external_id: (
            website, str(kind), each.external_id, each.placed_at.date() if each.placed_at else None,
            _fitted(each.status, 50), _fitted(each.currency, 3), each.total, each.refunded,
        )
        for each in listed
    }  # fmt: skip
    async with driver.cursor() as cursor:
        await cursor.execute(
            "CREATE TEMP TABLE IF NOT EXISTS sweep_page (LIKE swept_records) ON COMMIT DROP; TRUNCATE sweep_page"
        )
        async with cursor.copy("COPY sweep_page FROM STDIN") as copy:
            for row in rows.values():
                await copy.write_row(row)
        await cursor.execute(
            """
            INSERT INTO swept_records SELECT * FROM sweep_page
            ON CONFLICT (source_website, kind, external_id) DO UPDATE SET placed_on = excluded.placed_on,
                status = excluded.status, currency = excluded.currency, total = excluded.total,
                refunded = excluded.refunded
            """
        )


def _fitted(text: str | None, length: int) -> str | None:
    """What is too long for a record of ours is different from it, cut or not."""
    return text[:length] if text else None


# What we hold of a website's records of one kind; one of ours that came while the store was listing may not be listed.
_HELD = """
    SELECT s.external_id, s.order_id, s.created_at
    FROM source_records s
    WHERE s.source_website = :website AND s.kind = :kind AND s.deleted_at IS NULL AND s.content_hash IS NOT NULL
"""
_DIFFERENT = """
    o.source_status IS DISTINCT FROM w.status OR o.currency IS DISTINCT FROM w.currency
    OR o.total_amount IS DISTINCT FROM w.total OR (w.refunded IS NOT NULL AND o.refunded_total <> w.refunded)
"""
_LISTED = "(w.placed_on, w.status, w.currency, w.total, w.refunded)"
_IS_HELD = "EXISTS (SELECT 1 FROM held WHERE held.external_id = w.external_id)"
_IS_DIFFERENT = f"""
    EXISTS (
        SELECT 1 FROM held JOIN orders o ON o.id = held.order_id
        WHERE held.external_id = w.external_id AND ({_DIFFERENT})
    )
"""

_COMPARE = f"""
    WITH held AS ({_HELD}), differing AS (
        SELECT w.external_id, 'missing' AS reason FROM swept_records w
        WHERE w.source_website = :website AND w.kind = :kind AND NOT {_IS_HELD}
        UNION ALL
        SELECT held.external_id, 'vanished' FROM held
        WHERE held.created_at < :since AND NOT EXISTS (
            SELECT 1 FROM swept_records w
            WHERE w.source_website = :website AND w.kind = :kind AND w.external_id = held.external_id
        )
        UNION ALL
        SELECT w.external_id, 'different' FROM swept_records w
        JOIN held ON held.external_id = w.external_id JOIN orders o ON o.id = held.order_id
        WHERE w.source_website = :website AND w.kind = :kind AND ({_DIFFERENT})
    ), rejected AS (
        SELECT known.external_id FROM swept_records known JOIN differing USING (external_id)
        JOIN swept_records w ON w.source_website = :website AND w.kind = :kind AND w.external_id = known.external_id
        WHERE known.source_website = :website AND known.kind = :rejected
        AND {_LISTED} IS NOT DISTINCT FROM {_LISTED.replace("w.", "known.")}
    ), forgotten AS (
        DELETE FROM swept_records known WHERE known.source_website = :website AND known.kind = :rejected
        AND NOT EXISTS (SELECT 1 FROM rejected WHERE rejected.external_id = known.external_id)
    ), unknown AS (
        SELECT external_id, reason FROM differing
        WHERE NOT EXISTS (SELECT 1 FROM rejected WHERE rejected.external_id = differing.external_id)
    ), asked AS (
        INSERT INTO rereads (source_website, kind, external_id, reason)
        SELECT :website, :kind, external_id, min(reason) FROM unknown GROUP BY external_id
        ON CONFLICT (source_website, kind, external_id) DO UPDATE SET
            asked_at = clock_timestamp(), not_before = NULL, attempts = 0, reason = excluded.reason
    )
    SELECT count(*) FILTER (WHERE reason = 'missing') AS missing,
        count(*) FILTER (WHERE reason = 'vanished') AS vanished,
        count(*) FILTER (WHERE reason = 'different') AS different,
        (SELECT count(*) FROM rejected) AS rejected,
        (SELECT count(*) FROM swept_records w WHERE w.source_website = :website AND w.kind = :kind) AS listed
    FROM unknown
"""


def _of(website: str, kind: SourceKind, **more: Any) -> dict[str, Any]:
    return {"website": website, "kind": str(kind), "rejected": REJECTED + kind, **more}


async def compare(session: AsyncSession, website: str, kind: SourceKind, since: datetime) -> dict[str, Any]:
    """Ask for every record that differs again, but for rejects that are listed as they were.

    How many are missing, vanished, different, and known to be rejects, of how many listed.
    """
    await session.execute(text("ANALYZE swept_records"))
    parameters = _of(website, kind, since=since)
    return dict((await session.execute(typed(_COMPARE, parameters), parameters)).mappings().one())


_REMEMBER = f"""
    WITH held AS ({_HELD})
    INSERT INTO swept_records AS known
    SELECT w.source_website, :rejected, w.external_id, w.placed_on, w.status, w.currency, w.total, w.refunded
    FROM swept_records w
    WHERE w.source_website = :website AND w.kind = :kind AND w.external_id = ANY(:read)
    AND (w.external_id = ANY(:refused) OR NOT {_IS_HELD})
    ON CONFLICT (source_website, kind, external_id) DO UPDATE SET placed_on = excluded.placed_on,
        status = excluded.status, currency = excluded.currency, total = excluded.total, refunded = excluded.refunded
"""


async def remember_rejects(
    session: AsyncSession, website: str, kind: SourceKind, read: Sequence[str], refused: Sequence[str]
) -> None:
    """Of what was just read: what is not here all the same, and what could not be taken as it is now."""
    parameters = _of(website, kind, read=list(read), refused=list(refused))
    await session.execute(typed(_REMEMBER, parameters), parameters)


# Not known to be deleted since, nor taken since: of what has a later date the list tells nothing.
_REJECTS = f"""
    WITH held AS NOT MATERIALIZED ({_HELD})
    SELECT w.external_id FROM swept_records w
    WHERE w.source_website = :website AND w.kind = :rejected AND (NOT {_IS_HELD} OR {_IS_DIFFERENT})
    AND NOT EXISTS (
        SELECT 1 FROM source_records s WHERE s.source_website = :website AND s.kind = :kind
        AND s.external_id = w.external_id AND (s.deleted_at IS NOT NULL OR s.source_updated_at > :since)
    )
    ORDER BY length(w.external_id), w.external_id LIMIT :limit
"""


async def list_rejects(
    session: AsyncSession, website: str, kind: SourceKind, since: datetime, *, limit: int = 100
) -> list[str]:
    """The ids of what was read and could not be taken; the last sweep began at `since`."""
    parameters = _of(website, kind, since=since, limit=limit)
    return list(await session.scalars(typed(_REJECTS, parameters), parameters))


# Of the records that have come since the sweep, or have changed at the store since, the list tells nothing.
_DAYS = """
    SELECT day, status, currency, sum(listed) AS store_orders, sum(held) AS our_orders,
        coalesce(sum(total) FILTER (WHERE listed = 1), 0) AS store_total,
        coalesce(sum(total) FILTER (WHERE held = 1), 0) AS our_total
    FROM (
        SELECT w.placed_on AS day, w.status, w.currency, 1 AS listed, 0 AS held, w.total
        FROM swept_records w
        WHERE w.source_website = :website AND w.kind = :kind AND NOT EXISTS (
            SELECT 1 FROM source_records s WHERE s.source_website = :website AND s.kind = :kind
            AND s.external_id = w.external_id AND s.source_updated_at > :since
        )
        UNION ALL
        SELECT (o.placed_at AT TIME ZONE 'UTC')::date, o.source_status, o.currency, 0, 1, o.total_amount
        FROM source_records s JOIN orders o ON o.id = s.order_id
        WHERE s.source_website = :website AND s.kind = :kind AND s.deleted_at IS NULL AND s.content_hash IS NOT NULL
        AND (s.source_updated_at IS NULL OR s.source_updated_at <= :since)
    ) each_order
    GROUP BY day, status, currency
    HAVING sum(listed) <> sum(held)
        OR sum(total) FILTER (WHERE listed = 1) IS DISTINCT FROM sum(total) FILTER (WHERE held = 1)
    ORDER BY day DESC, status, currency LIMIT :limit
"""


async def compare_days(
    session: AsyncSession, website: str, since: datetime, *, limit: int = 100
) -> list[dict[str, Any]]:
    """The days, statuses and currencies whose orders or money differ, by the last sweep, which began at `since`."""
    parameters = {"website": website, "kind": "order", "since": since, "limit": limit}
    return [dict(row) for row in (await session.execute(typed(_DAYS, parameters), parameters)).mappings()]


_MISSING = f"""
    WITH held AS ({_HELD})
    SELECT w.external_id FROM swept_records w
    WHERE w.source_website = :website AND w.kind = :kind
    AND NOT EXISTS (SELECT 1 FROM held WHERE held.external_id = w.external_id)
    AND NOT EXISTS (
        SELECT 1 FROM source_records s WHERE s.source_website = :website AND s.kind = :kind
        AND s.external_id = w.external_id AND s.deleted_at IS NOT NULL
    )
    ORDER BY length(w.external_id), w.external_id LIMIT :limit
"""


async def list_missing(session: AsyncSession, website: str, kind: SourceKind, *, limit: int = 100) -> list[str]:
    """The ids that the last sweep listed and that are not here, nor known to be deleted since."""
    parameters = {"website": website, "kind": str(kind), "limit": limit}
    return list(await session.scalars(typed(_MISSING, parameters), parameters))
