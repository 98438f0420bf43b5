"""Which database a process works on: the one of DATABASE_URL, or the embedded one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from app.config import Settings, get_settings, resolve_data_dir


@dataclass(frozen=True)
class RunningDatabase:
    url: str
    data_dir: Path
    is_embedded: bool
    notice: str | None
    """A line for the person who started the program, where the data are not where they would look."""


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
def connect_for_migration() -> Iterator[Connection]:
    with running_database(get_settings()) as database:
        engine = create_engine(database.url, poolclass=NullPool)
        with engine.connect() as connection:
            yield connection
