"""What a website has no longer: its record keeps a tombstone, and our row says so.

An order is cancelled, a product no longer active, with all its variations or variants; a consumer stays who they are.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.utils.statements import typed

DELETED = "deleted"
"""The `source_status` of an order that its website has no longer."""

# Also where nothing is known of it yet: its creation may still be on its way to us.
_BURY = """
    INSERT INTO source_records AS s (source_website, kind, external_id, deleted_at, created_at)
    SELECT :website, :kind, unnest(:ids), :now, :now
    ON CONFLICT (source_website, kind, external_id) DO UPDATE SET deleted_at = excluded.deleted_at
    WHERE s.deleted_at IS NULL
"""
_PRODUCT = "coalesce(s.said ->> 'parent', s.said ->> 'group')"
_BURY_VARIATIONS = f"""
    UPDATE source_records s SET deleted_at = :now
    WHERE s.source_website = :website AND s.kind = 'product' AND {_PRODUCT} = ANY(:ids) AND s.deleted_at IS NULL
"""
_CANCEL_ORDERS = f"""
    WITH gone AS (
        UPDATE source_records s SET said = s.said || jsonb_build_object('status', 'cancelled')
        WHERE s.source_website = :website AND s.kind = 'order' AND s.external_id = ANY(:ids) AND s.deleted_at = :now
        RETURNING s.order_id
    )
    UPDATE orders o SET status = 'cancelled', source_status = '{DELETED}', updated_at = :now
    FROM gone WHERE o.id = gone.order_id
"""
_DEACTIVATE_PRODUCTS = f"""
    WITH gone AS (
        UPDATE source_records s SET said = s.said || jsonb_build_object('is_active', false)
        WHERE s.source_website = :website AND s.kind = 'product' AND s.deleted_at = :now
        AND (s.external_id = ANY(:ids) OR {_PRODUCT} = ANY(:ids))
        RETURNING s.product_id
    )
    UPDATE products p SET is_active = false, updated_at = :now
    FROM gone WHERE p.id = gone.product_id AND p.is_active
"""
_STATEMENTS = {
    "consumer": (_BURY,),
    "order": (_BURY, _CANCEL_ORDERS),
    "product": (_BURY, _BURY_VARIATIONS, _DEACTIVATE_PRODUCTS),
}


async def bury(session: AsyncSession, website: str, kind: str, external_ids: Sequence[str], now: datetime) -> None:
    """Set tombstones for records of kind order, product or consumer, in the caller's transaction.

    Needs the merge lock. Doing it again writes nothing.
    """
    if external_ids:
        parameters = {"website": website, "kind": kind, "ids": list(external_ids), "now": now}
        for statement in _STATEMENTS[kind]:
            await session.execute(typed(statement, parameters), parameters)
