"""The orders' housekeeping."""

from procrastinate import JobContext

from app.database import Database
from app.orders.idempotency import delete_expired
from app.runtime.jobs import queue


@queue.periodic(cron="17 * * * *")
@queue.task(name="delete_expired_idempotency_keys", pass_context=True, queueing_lock="delete idempotency keys")
async def delete_expired_keys(context: JobContext, timestamp: int) -> None:
    database: Database = context.additional_context["database"]
    async with database.sessions.begin() as session:
        await delete_expired(session)
