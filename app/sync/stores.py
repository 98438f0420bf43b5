"""Asking a store whether it can be read."""

from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.config import ConfigurationError
from app.connectors.base import StoreInfo
from app.connectors.client import Patience
from app.connectors.errors import StoreError
from app.sync.platforms import SyncContext, learned_of, open_store
from app.websites.models import Website
from app.websites.service import get_store, get_website

# Somebody waits for the answer.
_WHILE_WAITED_FOR = Patience(attempts=3, wait_initial=0.5, wait_max=1.0, longest_retry_after=5.0, read=15.0, whole=30.0)


async def note_told(session: AsyncSession, name: str, told: StoreInfo, learned: dict[str, Any]) -> None:
    """Keep what a store tells of itself, and what its connector wants to know again."""
    website = await get_website(session, name, for_update=True)
    website.currency = told.currency or website.currency
    website.time_zone = told.time_zone or website.time_zone or "UTC"
    website.traits = website.traits | learned


_NOTES = {
    "recent_orders_only": "Only the orders of the last 60 days can be seen: give the app the scope read_all_orders.",
    "hides_personal_data": "Names, e-mails and addresses are kept back: ask for access to protected customer data in "
    "the app's settings, and read everything once more when it is there.",
}


async def check_store(context: SyncContext, name: str) -> dict[str, Any]:
    """As `schemas.StoreTest`; what the store tells of itself is kept. Raises NotFound, or Conflict where it is none."""
    async with context.database.reads() as session:
        website: Website = await get_store(session, name)
    hurried = replace(context, http=replace(context.http, patience=_WHILE_WAITED_FOR))
    try:
        async with open_store(hurried, website) as store:
            told = await store.describe()
    except (StoreError, ConfigurationError) as error:
        return {"ok": False, "problem": str(error)}
    async with context.database.sessions.begin() as session:
        await note_told(session, name, told, learned_of(store))
    return {
        "ok": True,
        "name": told.name,
        "currency": told.currency,
        "time_zone": told.time_zone,
        "version": told.version,
        "notes": [sentence for trait, sentence in _NOTES.items() if told.traits.get(trait)],
    }
