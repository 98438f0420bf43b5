"""The background side of imports."""

from procrastinate import JobContext, RetryStrategy
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database, driver_connection
from app.ingest.loader import merge_import
from app.runtime.jobs import queue


# Retries are for a database that went away or a server that was stopped; what is wrong with a record is a reject.
@queue.task(name="merge_import", pass_context=True, retry=RetryStrategy(max_attempts=20, linear_wait=3))
async def merge_import_job(context: JobContext, *, import_id: int, chunk_size: int, default_currency: str) -> None:
    database: Database = context.additional_context["database"]
    await merge_import(database, import_id, chunk_size=chunk_size, default_currency=default_currency)


async def defer_merge(session: AsyncSession, import_id: int, *, chunk_size: int, default_currency: str) -> None:
    """Queue the merge in the session's transaction."""
    await merge_import_job.configure(
        connection=await driver_connection(session), lock=f"import {import_id}"
    ).defer_async(import_id=import_id, chunk_size=chunk_size, default_currency=default_currency)
