"""Keeps the counts of what is bought together up to date."""

from procrastinate import JobContext

from app.database import Database
from app.predictions.baskets.counting import refresh
from app.runtime.jobs import queue


@queue.periodic(cron="37 * * * *")
@queue.task(name="count_baskets", pass_context=True, queueing_lock="count baskets", lock="count baskets")
async def count_baskets(context: JobContext, timestamp: int) -> None:
    database: Database = context.additional_context["database"]
    await refresh(database)
