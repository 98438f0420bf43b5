"""Source websites: a name is known from the first record that carries it."""

from typing import Any

from sqlalchemy import Select, bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.websites.models import SourceKind, SourceRecord, Website


async def ensure_website(session: AsyncSession, name: str) -> None:
    await session.execute(insert(Website).values(name=name).on_conflict_do_nothing())


async def get_mapping(session: AsyncSession, name: str) -> dict[str, Any] | None:
    """How the website's own files are read, where it was kept with an import."""
    return await session.scalar(select(Website.mapping).where(Website.name == name))


async def keep_mapping(session: AsyncSession, name: str, mapping: dict[str, Any] | None) -> None:
    await session.execute(update(Website).where(Website.name == name).values(mapping=mapping))


async def find_order_source(session: AsyncSession, order_id: int) -> str | None:
    """The website that an order is synced from, or None for one of our own."""
    return await session.scalar(select(SourceRecord.source_website).where(SourceRecord.order_id == order_id).limit(1))


def select_linked_users() -> Select[int | None]:
    """The ids of the consumers that are known on the website that is bound as `source_website`."""
    return select(SourceRecord.user_id).where(
        SourceRecord.source_website == bindparam("source_website"), SourceRecord.user_id.is_not(None)
    )


async def link_own_user(session: AsyncSession, user_id: int, name: str) -> None:
    """A consumer made here is known on the website that was named; later, where it is named anew, on that one."""
    link = insert(SourceRecord).values(
        source_website=name, kind=SourceKind.OWN, external_id=str(user_id), user_id=user_id
    )
    moved = delete(SourceRecord).where(SourceRecord.kind == SourceKind.OWN, SourceRecord.user_id == user_id)
    await session.execute(moved)
    await session.execute(link)
