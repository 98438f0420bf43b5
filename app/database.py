"""Engines, sessions and the declarative base. The session dependency owns the transaction, services never commit."""

import asyncio
import select
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, closing
from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from psycopg import AsyncConnection
from sqlalchemy import BigInteger, DateTime, Identity, MetaData, event, func
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection as SQLAlchemyConnection
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.utils.clock import utc_now
from app.utils.recent import Recent

ESTIMATE_SECONDS = 5.0
# What names no run may be answered by the one before for so long; pages of predictions tell which they are of.
ANSWERING_SECONDS = 1.0


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012 — SQLAlchemy reads it from the class


class Identified:
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, sort_order=-1)


class Timestamped:
    """`created_at` and `updated_at`, in UTC.

    Filled on the Python side as well: a server-side `onupdate` would leave the attribute unloaded after a flush,
    and reading it in an async response fails.
    """

    created_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.now(), sort_order=1)
    updated_at: Mapped[datetime] = mapped_column(
        default=utc_now, onupdate=utc_now, server_default=func.now(), sort_order=1
    )


async def driver_connection(session: AsyncSession) -> AsyncConnection[Any]:
    """psycopg's own connection inside the session's transaction, for COPY and for deferring jobs."""
    fairy = await (await session.connection()).get_raw_connection()
    return cast("AsyncConnection[Any]", fairy.driver_connection)


def _refuse_closed(driver: Any, *_: Any) -> None:
    """A connection in the pool is silent: what can be read from it is the end that the server made of it.

    The pool then opens others. A ping would tell the same, for a round trip a request.
    """
    poller = select.poll()
    poller.register(driver.driver_connection.fileno(), select.POLLIN)
    if poller.poll(0):
        raise DisconnectionError("the server closed the connection")


# A page is read sooner than other processes are started to help with it, and many are read at a time. Of what it joins
# it needs a few rows, which an index finds; to hash or to sort all of them first pays for whole tables only.
_FOR_PAGES = ("max_parallel_workers_per_gather = 0", "enable_hashjoin = off", "enable_mergejoin = off")


def _plan_for_pages(driver: Any, _record: Any) -> None:
    with closing(driver.cursor()) as cursor:
        cursor.execute("; ".join(f"SET {setting}" for setting in _FOR_PAGES))


class Database:
    """The engines of one process, with a session maker for writing and one for reading.

    `reads` runs in autocommit mode, on connections of its own that are always in it: a GET costs no BEGIN, no ROLLBACK
    and no switching. Each engine has at most `pool_size` connections, and opens none beyond it for a moment: opening
    one costs as much as several requests. `info` is what every session carries in its own: the process's "vault".
    Whoever merges holds `merge_turn` first: merges take turns, and those of one process shall not each wait with a
    connection while requests need one.
    """

    def __init__(self, url: str, *, pool_size: int = 10, **engine_options: Any) -> None:
        self.url = url
        options: dict[str, Any] = {
            "pool_size": pool_size,
            "max_overflow": 0,
            "connect_args": {"application_name": "ecompredictor", "connect_timeout": 10},
        } | engine_options
        self.engine = create_async_engine(url, **options)
        # Nothing is left open that would have to be rolled back when a connection goes back to its pool.
        self.reading_engine = create_async_engine(
            url, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, **options
        )
        event.listen(self.reading_engine.sync_engine.pool, "connect", _plan_for_pages)
        for engine in (self.engine, self.reading_engine):
            event.listen(engine.sync_engine.pool, "checkout", _refuse_closed)
        self.info: dict[str, Any] = {}
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False, info=self.info)
        self.reads = async_sessionmaker(self.reading_engine, expire_on_commit=False, info=self.info)
        # Totals of lists beyond what is counted, by list and filters; which run and model answers, by what is asked.
        self.estimates: Recent[int] = Recent(ESTIMATE_SECONDS)
        self.answering: Recent[dict[str, Any]] = Recent(ANSWERING_SECONDS)
        self.merge_turn = asyncio.Lock()

    def reading(self) -> AbstractAsyncContextManager[SQLAlchemyConnection]:
        """A connection for what is read without a session, which would take as long as the reading."""
        return self.reading_engine.connect()

    async def dispose(self) -> None:
        await self.engine.dispose()
        await self.reading_engine.dispose()


async def get_database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


DatabaseDep = Annotated[Database, Depends(get_database)]


async def get_session(database: DatabaseDep) -> AsyncIterator[AsyncSession]:
    async with database.sessions() as session, session.begin():
        yield session


async def get_read_session(database: DatabaseDep) -> AsyncIterator[AsyncSession]:
    async with database.reads() as session:
        yield session


# scope="function": commit before the response is sent. With the default scope the client has its 200 already
# when the commit fails.
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]
ReadSessionDep = Annotated[AsyncSession, Depends(get_read_session, scope="function")]
