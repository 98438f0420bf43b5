"""Following an import while it is merged."""

import asyncio
from collections.abc import AsyncIterator

from app.database import Database
from app.ingest.models import UNFINISHED, Import
from app.ingest.service import get_import

SECONDS_BETWEEN_LOOKS = 0.5


async def follow_import(database: Database, import_id: int) -> AsyncIterator[tuple[Import, bool]]:
    """The import each time that it has changed, and whether it has ended, which is the last."""
    before = None
    while True:
        async with database.reads() as session:
            job = await get_import(session, import_id)
        has_ended = job.status not in UNFINISHED
        now = (job.status, job.records_read, job.merged_up_to, job.details)
        if has_ended or now != before:
            yield job, has_ended
        if has_ended:
            return
        before = now
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
