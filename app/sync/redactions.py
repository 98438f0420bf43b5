"""What a platform's privacy topics ask for: consumers to be forgotten, one by one or with their store."""

import logging
from collections.abc import Iterable

from sqlalchemy import delete

from app.ingest.loader import merging
from app.privacy.service import erase_consumer_of, erase_user, list_consumers_of
from app.sync.models import SweptRecord, SyncState
from app.sync.platforms import SyncContext
from app.websites.models import Reread
from app.websites.service import get_website

logger = logging.getLogger(__name__)


async def forget_customers(context: SyncContext, website: str, customer_ids: Iterable[str]) -> None:
    """Each in a transaction of its own; doing it again forgets what has come since.

    Raises Conflict while an import that is under way has records of one of them.
    """
    for customer_id in customer_ids:
        async with merging(context.database) as session:
            erased = await erase_consumer_of(session, website, customer_id)
        if erased is not None:
            logger.info("User %d was erased, as %s asked", erased["user_id"], website)


async def forget_store(context: SyncContext, website: str) -> None:
    """Its credentials, and the consumers who are known there and nowhere else; orders keep their money."""
    async with context.database.sessions.begin() as session:
        found = await get_website(session, website, for_update=True)
        found.platform = found.base_url = found.credentials = found.webhook_secrets = None
        found.schedule = found.reconcile_schedule = found.next_sync_at = found.next_reconcile_at = None
        for table in (Reread, SyncState, SweptRecord):
            await session.execute(delete(table).where(table.source_website == website))
    async with context.database.reads() as session:
        consumers = await list_consumers_of(session, website)
    for user_id in consumers:
        async with merging(context.database) as session:
            await erase_user(session, user_id)
    logger.info("%s is followed no longer, and %d consumers were erased, as it asked", website, len(consumers))
