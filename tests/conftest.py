"""A real PostgreSQL, built by the migrations; each test in a transaction that is rolled back.

`api` is a client with a token, `client` one without, `session` writes what a test needs to stand in the tables.
`live_api` commits for real, on a database of its own: for tests of concurrency and of what survives.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker
from sqlalchemy.pool import NullPool

from app.auth.models import AdminUser
from app.auth.service import create_token
from app.config import Settings
from app.database import Database
from app.main import create_app
from app.runtime import migrations
from app.runtime.embedded import EmbeddedPostgres
from app.utils.recent import Recent
from app.websites.vault import Vault
from tests.builders import create_admin

SECRET_KEY = "a key that only the tests have, 32 bytes or more"


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A server to make databases on: TEST_DATABASE_URL, or an embedded one of our own."""
    external = os.environ.get("TEST_DATABASE_URL")
    if external:
        yield make_url(external).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        return
    folder = Path(tempfile.mkdtemp(prefix="ecompredictor-test-"))
    folder.chmod(0o755)
    try:
        with EmbeddedPostgres(folder / "data") as server:
            with administration(server.url) as execute:
                for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                    execute(f"ALTER SYSTEM SET {setting} = off")
                execute("SELECT pg_reload_conf()")
            yield server.url
    finally:
        shutil.rmtree(folder)


@contextmanager
def administration(url: str) -> Iterator[Any]:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield lambda statement: connection.execute(text(statement))


@contextmanager
def new_database(server_url: str, template: str | None = None) -> Iterator[str]:
    """The address of a new database on the server, dropped afterwards."""
    name = f"ecom_test_{uuid4().hex[:12]}"
    with administration(server_url) as execute:
        execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        try:
            yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
        finally:
            execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def database_url(server_url: str) -> Iterator[str]:
    with new_database(server_url) as url:
        migrations.upgrade(url)
        yield url


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        _env_file=None,
        data_dir=tmp_path_factory.mktemp("data"),
        database_url="postgresql://unused/unused",
        secret_key=SECRET_KEY,
        run_jobs=False,
        host="127.0.0.1",
        port=8000,
    )


@pytest.fixture(scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.dispose()


@pytest.fixture(scope="session")
def app(settings: Settings, database: Database) -> FastAPI:
    return create_app(settings, database)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    async with database.engine.connect() as connection:
        transaction = await connection.begin()
        yield connection
        await transaction.rollback()


class RolledBackDatabase(Database):
    """Sessions of one connection, whose commits are savepoints in a transaction that is rolled back."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.url = connection.engine.url.render_as_string(hide_password=False)
        self.engine = self.reading_engine = connection.engine
        self.info = {"vault": Vault([SECRET_KEY])}
        self.sessions = async_sessionmaker(
            connection, expire_on_commit=False, join_transaction_mode="create_savepoint", info=self.info
        )
        self.reads = self.sessions
        self.estimates = Recent(seconds=0)
        self.answering = Recent(seconds=0)
        self.merge_turn = asyncio.Lock()
        self._connection = connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        yield self._connection


@pytest.fixture
def test_database(connection: AsyncConnection) -> Database:
    return RolledBackDatabase(connection)


@pytest.fixture
async def session(test_database: Database) -> AsyncIterator[AsyncSession]:
    """For arranging and checking. Flushes are seen by requests; it shares no object with them."""
    async with test_database.sessions() as session:
        yield session


@pytest.fixture
async def client(app: FastAPI, test_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    before, app.state.database = app.state.database, test_database
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
    app.state.database = before


@pytest.fixture
async def admin(session: AsyncSession) -> AdminUser:
    return await create_admin(session)


@pytest.fixture
def api(client: httpx.AsyncClient, app: FastAPI, admin: AdminUser) -> httpx.AsyncClient:
    client.headers["Authorization"] = f"Bearer {create_token(app.state.token_settings, admin.id)}"
    return client


@pytest.fixture
def statements(database: Database) -> Iterator[list[str]]:
    """The SQL sent since the fixture, or since the list was last cleared."""
    sent: list[str] = []

    def record(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK TO")):
            sent.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", record)
    yield sent
    event.remove(database.engine.sync_engine, "before_cursor_execute", record)


@pytest.fixture(scope="module")
def live_database_url(server_url: str) -> Iterator[str]:
    with new_database(server_url) as url:
        migrations.upgrade(url)
        yield url


@pytest.fixture(scope="module")
async def live_database(live_database_url: str) -> AsyncIterator[Database]:
    database = Database(live_database_url, pool_size=20)
    yield database
    await database.dispose()


@pytest.fixture(scope="module")
async def live_api(settings: Settings, live_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings, live_database)
    async with live_database.sessions.begin() as session:
        admin = await create_admin(session)
    token = create_token(app.state.token_settings, admin.id)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://test",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        yield client
