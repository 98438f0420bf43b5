"""Runs in processes of their own, which can be killed."""

import asyncio

from app.connectors.base import RESOURCES
from app.connectors.client import HttpOptions
from app.database import Database
from app.sync import rereads, runs, service
from app.sync.platforms import SyncContext
from app.websites.vault import Vault
from tests.sync.conftest import IMPATIENT, SECRET_KEY


def follow_once(url: str, website: str, batch_size: int) -> None:
    """One round over the store, going on where a killed one stood."""

    async def work() -> None:
        database = Database(url)
        context = SyncContext(
            database=database,
            vault=Vault([SECRET_KEY]),
            batch_size=batch_size,
            http=HttpOptions(allow_private=True, patience=IMPATIENT),
        )
        for resource in RESOURCES:
            async with database.sessions.begin() as session:
                ((job, _),) = await service.start_runs(session, website, "changes", (resource,))
            await runs.run(context, job.id)
        await rereads.reread_records(context, website)
        await database.dispose()

    asyncio.run(work())
