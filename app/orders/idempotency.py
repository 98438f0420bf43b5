"""`Idempotency-Key`: a `POST /orders` that is sent twice makes one order.

A key belongs to the admin who sent it and lives for a day. Its answer is stored in the transaction of the order, so
that neither exists without the other, and a request that fails leaves the key free.
"""

import hashlib
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.orders import queries, service
from app.orders.models import IdempotencyKey
from app.orders.schemas import OrderCreate, OrderWithDetails
from app.utils.clock import utc_now
from app.utils.errors import Conflict, Unprocessable

HEADER = "Idempotency-Key"
LIFETIME = timedelta(hours=24)


async def create_order_once(
    session: AsyncSession, data: OrderCreate, *, admin_id: int, key: str, default_currency: str
) -> tuple[int, bytes, bool]:
    """The id of the order that this key made, the order as JSON, and whether an earlier request made it.

    Raises Conflict while a request with the key is running, Unprocessable where the key came with another body.
    """
    if not await _lock_key(session, admin_id, key):
        raise Conflict(f"A request with this {HEADER} is still running; send it again in a moment.")
    # Of the validated body, so that neither the order of its fields nor `5.0` for `5.00` makes it another one.
    request_hash = hashlib.sha256(data.model_dump_json().encode()).hexdigest()
    stored = await _find_answer(session, admin_id, key)
    if stored is not None:
        if stored.request_hash != request_hash:
            raise Unprocessable(f"This {HEADER} came with another body before.", field=HEADER, location="header")
        return stored.order_id, OrderWithDetails.model_validate(stored.response).model_dump_json().encode(), True
    order_id = await service.create_order(session, data, default_currency=default_currency)
    written = await queries.read_order(await session.connection(), order_id)
    answer = OrderWithDetails.model_validate_json(written)  # a replay comes from it, and is the same to the byte
    await _store_answer(session, admin_id, key, request_hash, answer)
    return order_id, answer.model_dump_json().encode(), False


async def delete_expired(session: AsyncSession) -> None:
    await session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at <= utc_now() - LIFETIME))


async def _lock_key(session: AsyncSession, admin_id: int, key: str) -> bool:
    """Until the transaction ends; at once, without waiting for whoever holds it."""
    name = func.hashtextextended(f"orders:{admin_id}:{key}", 0)
    return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(name))))


async def _find_answer(session: AsyncSession, admin_id: int, key: str) -> IdempotencyKey | None:
    return await session.scalar(
        select(IdempotencyKey).where(
            IdempotencyKey.admin_id == admin_id,
            IdempotencyKey.key == key,
            IdempotencyKey.created_at > utc_now() - LIFETIME,
        )
    )


async def _store_answer(
    session: AsyncSession, admin_id: int, key: str, request_hash: str, answer: OrderWithDetails
) -> None:
    values = {
        "request_hash": request_hash,
        "order_id": answer.id,
        "response": answer.model_dump(mode="json"),
        "created_at": utc_now(),
    }
    stored = insert(IdempotencyKey).values(admin_id=admin_id, key=key, **values)
    # An expired answer of the same key may still be there.
    await session.execute(stored.on_conflict_do_update(constraint="pk_idempotency_keys", set_=values))
