"""Source websites: a name is known from the first record that carries it."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.websites.models import SourceRecord, Website


async def ensure_website(session: AsyncSession, name: str) -> None:
    await session.execute(insert(Website).values(name=name).on_conflict_do_nothing())


async def get_currency(session: AsyncSession, name: str) -> str | None:
    """The website's own currency, where it is known."""
    return await session.scalar(select(Website.currency).where(Website.name == name))


async def find_order_source(session: AsyncSession, order_id: int) -> str | None:
    """The website that an order is synced from, or None for one of our own."""
    return await session.scalar(select(SourceRecord.source_website).where(SourceRecord.order_id == order_id).limit(1))
