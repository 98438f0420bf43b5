"""Which database a process works on: the one of DATABASE_URL, or the embedded one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.pool import NullPool

from app.config import Settings, get_settings, resolve_data_dir
from app.runtime import migrations


@dataclass(frozen=True)
class RunningDatabase:
    url: str
    data_dir: Path
    is_embedded: bool
    notice: str | None
    """A line for the person who started the program, where the data are not where they would look."""

    @property
    def place(self) -> str:
        """Where the data are, for people: without the password."""
        if self.is_embedded:
            return f"{self.data_dir} (embedded PostgreSQL)"
        url = make_url(self.url)
        host = url.host or url.query.get("host") or "local socket"
        return f"{host}{f':{url.port}' if url.port else ''}/{url.database or url.username or ''}"


@contextmanager
def running_database(settings: Settings) -> Iterator[RunningDatabase]:
    """The database's address, good inside the `with`; the embedded server is started and left as needed."""
    data_dir, notice = resolve_data_dir(settings)
    if settings.database_url is not None:
        yield RunningDatabase(settings.database_url.get_secret_value(), data_dir, False, notice)
        return
    from app.runtime.embedded import EmbeddedPostgres

    with EmbeddedPostgres(data_dir) as server:
        yield RunningDatabase(server.url, data_dir, True, notice)


@contextmanager
def prepared_database(settings: Settings) -> Iterator[RunningDatabase]:
    """`running_database` with the tables this program needs.

    Only the embedded database is migrated by itself: what else uses an external one, and when it may be changed,
    its owner knows. There, not being at head raises ConfigurationError.
    """
    with running_database(settings) as database:
        if database.is_embedded:
            migrations.upgrade(database.url)
        else:
            migrations.require_head(database.url)
        yield database


@contextmanager
def connect_for_migration() -> Iterator[Connection]:
    with running_database(get_settings()) as database:
        engine = create_engine(database.url, poolclass=NullPool)
        with engine.connect() as connection:
            yield connection
