"""Keeps the reports up to date."""

from procrastinate import JobContext

from app.database import Database
from app.reports.refreshing import refresh
from app.runtime.jobs import queue


@queue.periodic(cron="*/10 * * * *")
@queue.task(name="refresh_reports", pass_context=True, queueing_lock="refresh reports", lock="refresh reports")
async def refresh_reports(context: JobContext, timestamp: int) -> None:
    database: Database = context.additional_context["database"]
    await refresh(database)
