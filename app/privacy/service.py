"""Telling a consumer all that is kept of them, and forgetting them.

Forgetting keeps what the shop has to keep: orders with their money and lines, of a consumer who has no name, phone,
e-mail or address any longer.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Text, cast, delete, exists, func, literal, or_, select, union_all, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.ingest.loader import take_merge_lock
from app.ingest.models import Import, ImportRecord, ImportReject, RejectStatus
from app.orders import queries
from app.orders.models import IdempotencyKey, Order
from app.predictions.consumers.service import select_predictions_of
from app.predictions.models import ConsumerPrediction
from app.privacy.masks import anonymous_email, get_erasure_key, hash_identity, of_account, of_email
from app.privacy.models import Erasure
from app.sync.models import Webhook
from app.users.models import User, UserAddress
from app.users.schemas import hide_placeholder
from app.users.service import get_user
from app.utils.clock import utc_now
from app.utils.errors import Conflict
from app.utils.statements import typed
from app.websites.models import SourceKind, SourceRecord

NAME = "Erased"
MOST_PAYLOADS = 10_000
_REASON = "erased with the consumer it was of"


async def export_user(session: AsyncSession, user_id: int) -> dict[str, Any]:
    """As `schemas.UserExport`. Raises NotFound."""
    user = await get_user(session, user_id, with_addresses=True)
    connection = await session.connection()
    order_ids = await session.scalars(select(Order.id).where(Order.user_id == user_id).order_by(Order.id))
    sources = await session.scalars(_links(user_id).order_by(SourceRecord.id))
    names = await _find_names(session, user)
    return {
        "exported_at": utc_now(),
        "user": user,
        "orders": [orjson.loads(await queries.read_order(connection, order_id)) for order_id in order_ids.all()],
        "sources": list(sources),
        "predictions": await select_predictions_of(session, user_id),
        "raw_payloads": await _find_payloads(session, names),
    }


async def erase_user(session: AsyncSession, user_id: int) -> dict[str, Any]:
    """As `schemas.ErasureRead`; doing it again forgets what has come since. Raises NotFound.

    Raises Conflict while an import that is under way still holds records of theirs.
    """
    await take_merge_lock(session)
    user = await get_user(session, user_id, for_update=True)
    names = await _find_names(session, user)
    await _refuse_while_imported(session, names)
    await _remember(session, user, names)
    now = utc_now()
    user.name, user.phone, user.email, user.is_active = NAME, "", anonymous_email(user_id), False
    await session.flush()
    await session.execute(delete(UserAddress).where(UserAddress.user_id == user_id))
    await session.execute(delete(ConsumerPrediction).where(ConsumerPrediction.user_id == user_id))
    await _forget_sources(session, user_id)
    return {
        "user_id": user_id,
        "erased_at": now,
        "orders_kept": await session.scalar(select(func.count()).where(Order.user_id == user_id)),
        "payloads_purged": await _purge_payloads(session, names),
    }


async def erase_consumer_of(session: AsyncSession, website: str, external_id: str) -> dict[str, Any] | None:
    """The consumer who has this account of the website; None where nobody is known by it."""
    user_id = await session.scalar(
        select(SourceRecord.user_id).where(
            SourceRecord.source_website == website,
            SourceRecord.kind == SourceKind.CONSUMER,
            SourceRecord.external_id == external_id,
        )
    )
    return await erase_user(session, user_id) if user_id is not None else None


async def list_consumers_of(session: AsyncSession, website: str) -> list[int]:
    """Those who are known on this website, were not erased, and are known on no other."""
    elsewhere = select(SourceRecord.user_id).where(
        SourceRecord.user_id.is_not(None), SourceRecord.source_website != website
    )
    here = select(SourceRecord.user_id).where(SourceRecord.source_website == website, SourceRecord.user_id.is_not(None))
    statement = (
        select(User.id)
        .where(User.id.in_(here), User.id.not_in(elsewhere), ~exists().where(Erasure.user_id == User.id))
        .order_by(User.id)
    )
    return list(await session.scalars(statement))


def _links(user_id: int) -> Any:
    return select(SourceRecord).where(SourceRecord.user_id == user_id)


async def _find_names(session: AsyncSession, user: User) -> list[str]:
    """Every e-mail that is theirs, in lower case."""
    found = {hide_placeholder(user.email)}
    for link in await session.scalars(_links(user.id)):
        found |= {hide_placeholder(each) for each in (link.claimed_email, link.said.get("email")) if each}
        if link.kind == SourceKind.GUEST:
            found.add(hide_placeholder(link.external_id))
    of_orders = select(SourceRecord.said["email"].astext).join(Order, Order.id == SourceRecord.order_id)
    found |= {hide_placeholder(each) for each in await session.scalars(of_orders.where(Order.user_id == user.id))}
    return sorted(each for each in found if each)


async def _refuse_while_imported(session: AsyncSession, names: Sequence[str]) -> None:
    if names and await session.scalar(select(exists().where(_mentions(cast(ImportRecord.record, Text), names)))):
        raise Conflict("An import that is under way has records of this consumer: try again when it has ended.")


async def _remember(session: AsyncSession, user: User, names: Sequence[str]) -> None:
    """By what their records would be known when they come again."""
    key = await get_erasure_key(session)
    accounts = await session.execute(
        select(SourceRecord.source_website, SourceRecord.external_id).where(
            SourceRecord.user_id == user.id, SourceRecord.kind == SourceKind.CONSUMER
        )
    )
    identities = [of_email(name) for name in names] + [of_account(*account) for account in accounts]
    if identities:
        rows = [{"hash": hash_identity(key, identity), "user_id": user.id} for identity in identities]
        await session.execute(insert(Erasure).values(rows).on_conflict_do_nothing())


# What a link said of them; the ids of accounts stay, since their orders are known by them. Of a guest the id is the
# e-mail: one link of each website takes the anonymous one, and the others lead nowhere any longer.
_FORGET = (
    """
    UPDATE source_records SET claimed_email = NULL, said = (
        said - ARRAY['email', 'email_from', 'name', 'name_from', 'phone', 'phone_from', 'addresses']
    ) || '{"email": "", "email_from": "", "name": "", "name_from": "", "phone": "", "phone_from": "", "addresses": {}}'
    WHERE user_id = :user_id AND kind <> 'own'
    """,
    """
    DELETE FROM source_records s WHERE s.user_id = :user_id AND s.kind = 'guest' AND EXISTS (
        SELECT 1 FROM source_records kept WHERE kept.user_id = s.user_id AND kept.kind = 'guest'
        AND kept.source_website = s.source_website AND kept.id < s.id
    )
    """,
    "UPDATE source_records SET external_id = :anonymous WHERE user_id = :user_id AND kind = 'guest'",
    """
    UPDATE source_records s SET payload_hash = NULL, content_hash = '',
        said = (s.said - 'email') || CASE WHEN s.said ->> 'consumer' LIKE 'guest:%'
        THEN jsonb_build_object('consumer', 'guest:' || :anonymous) ELSE '{}' END
    FROM orders o WHERE o.id = s.order_id AND o.user_id = :user_id AND s.kind IN ('order', 'order_key')
    """,
)


async def _forget_sources(session: AsyncSession, user_id: int) -> None:
    parameters = {"user_id": user_id, "anonymous": anonymous_email(user_id)}
    for statement in _FORGET:
        await session.execute(typed(statement, parameters), parameters)


def _mentions(column: Any, names: Sequence[str]) -> Any:
    return or_(*(func.lower(column).contains(name, autoescape=True) for name in names))


_BODY = func.encode(Webhook.body, "escape")  # text of any bytes, the letters as they are


async def _find_payloads(session: AsyncSession, names: Sequence[str]) -> list[dict[str, Any]]:
    if not names:
        return []
    rejects = (
        select(
            Import.source_website,
            literal("reject").label("what"),
            ImportReject.created_at.label("received_at"),
            ImportReject.raw,
        )
        .join(Import, Import.id == ImportReject.import_id)
        .where(_mentions(ImportReject.raw, names))
    )
    webhooks = select(Webhook.source_website, literal("webhook"), Webhook.received_at, _BODY).where(
        _mentions(_BODY, names)
    )
    found = await session.execute(union_all(rejects, webhooks).limit(MOST_PAYLOADS))
    return [dict(row) for row in found.mappings()]


async def _purge_payloads(session: AsyncSession, names: Sequence[str]) -> int:
    """Rejects stay in their counts, without what they held; webhooks and other copies go."""
    if not names:
        return 0
    emptied = await session.execute(
        update(ImportReject)
        .where(_mentions(ImportReject.raw, names))
        .values(raw="", reason=_REASON, status=RejectStatus.DISMISSED, settled_at=utc_now())
        .returning(ImportReject.id)
    )
    deleted = await session.execute(delete(Webhook).where(_mentions(_BODY, names)).returning(Webhook.id))
    await session.execute(delete(IdempotencyKey).where(_mentions(cast(IdempotencyKey.response, Text), names)))
    await session.execute(
        update(Import)
        .where(Import.dry_run, _mentions(cast(Import.details, Text), names))
        .values(details=Import.details.op("-")(literal("changes", Text)))
    )
    return len(emptied.all()) + len(deleted.all())


async def purge_payloads_before(session: AsyncSession, moment: datetime) -> None:
    """What nobody has settled by then is settled: a reject without its payload cannot be tried again."""
    await session.execute(delete(Webhook).where(Webhook.received_at < moment))
    old = (ImportReject.created_at < moment, ImportReject.raw != "")
    await session.execute(
        update(ImportReject)
        .where(*old, ImportReject.status == RejectStatus.OPEN)
        .values(raw="", status=RejectStatus.DISMISSED, settled_at=utc_now())
    )
    await session.execute(update(ImportReject).where(*old).values(raw=""))
