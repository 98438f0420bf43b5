"""How new what is known of each website is: its last order, what last came of it, and whether all of it is here.

The verdict is that of `sync.completeness`, told from less: of which records are missing it asks only where the last
sweep found any, since none that was here then is missing now.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime

from sqlalchemy import RowMapping, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.connectors.base import RESOURCES, Resource
from app.reports.figures import Arrival, Freshness
from app.sync import sweeps
from app.sync.completeness import NEVER_CHECKED, describe_not_taken
from app.sync.models import SyncState
from app.sync.platforms import KINDS
from app.websites.models import Reread

# Of a day's webhooks there is one import, made with the first of them and ended anew by each: the last to have ended
# need not be the last that was made.
_WEBSITES = text(
    """
    SELECT w.name AS website, w.platform IS NOT NULL AS is_store, w.platform IS NOT NULL AND w.is_active AS is_followed,
        (SELECT max(placed_at) FROM orders o WHERE o.source_website = w.name) AS last_order_at,
        i.id AS import_id, i.origin, i.status, i.at, i.error
    FROM websites w LEFT JOIN LATERAL (
        SELECT id, origin, status, error, coalesce(finished_at, started_at, created_at) AS at
        FROM (
            SELECT * FROM imports i WHERE i.source_website = w.name AND NOT i.dry_run ORDER BY i.id DESC LIMIT 20
        ) latest ORDER BY coalesce(finished_at, started_at, created_at) DESC, id DESC LIMIT 1
    ) i ON true
    ORDER BY w.name
    """
)


async def list_freshness(session: AsyncSession) -> list[Freshness]:
    """Of every website, by name; as it is now, and not as of the last refresh."""
    websites = (await session.execute(_WEBSITES)).mappings().all()
    states = {(state.source_website, state.resource): state for state in await session.scalars(select(SyncState))}
    counts = select(Reread.source_website, Reread.kind, func.count()).group_by(Reread.source_website, Reread.kind)
    waiting = {(website, kind): count for website, kind, count in await session.execute(counts)}
    found = []
    for row in websites:
        name, verdicts = row["website"], {}
        for resource in RESOURCES if row["is_store"] else ():
            state, again = states.get((name, resource)), waiting.get((name, KINDS[resource]), 0)
            verdicts[resource] = await _judge(session, name, resource, state, again)
        verdict, complete_up_to = _conclude(verdicts)
        found.append(
            Freshness(
                website=name,
                is_followed=row["is_followed"],
                last_order_at=row["last_order_at"],
                last_arrival=_to_arrival(row),
                verdict=verdict,
                complete_up_to=complete_up_to,
            )
        )
    return found


async def _judge(
    session: AsyncSession, website: str, resource: Resource, state: SyncState | None, waiting: int
) -> str | datetime:
    """What is open, or up to when all is here."""
    if state is None or state.swept_at is None:
        return NEVER_CHECKED
    if waiting:
        return f"{waiting} records are being read again"
    kind = KINDS[resource]
    not_taken = set(await sweeps.list_rejects(session, website, kind, state.swept_at))
    if (state.found or {}).get("missing"):
        not_taken |= set(await sweeps.list_missing(session, website, kind))
    return describe_not_taken(len(not_taken)) if not_taken else state.swept_at


def _conclude(verdicts: Mapping[Resource, str | datetime]) -> tuple[str | None, datetime | None]:
    """A sentence, and up to when all is here; neither of what is no store."""
    open_ones = [f"{resource}: {verdict}" for resource, verdict in verdicts.items() if isinstance(verdict, str)]
    if open_ones:
        return "; ".join(open_ones), None
    complete = [verdict for verdict in verdicts.values() if isinstance(verdict, datetime)]
    if not complete:
        return None, None
    return f"complete up to {min(complete):%Y-%m-%dT%H:%M:%SZ}", min(complete)


def _to_arrival(row: RowMapping) -> Arrival | None:
    if row["import_id"] is None:
        return None
    return Arrival(**{field.name: row[field.name] for field in fields(Arrival)})
