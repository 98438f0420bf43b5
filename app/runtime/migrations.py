"""Alembic from inside the program: upgrade under a lock, and where a database stands."""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from alembic import command

_ROOT = Path(__file__).resolve().parents[2]
_LOCK = 0x65636F6D  # any number that no other advisory lock of this database uses


def _config(connection: Connection | None = None) -> Config:
    config = Config(_ROOT / "alembic.ini")
    config.attributes["connection"] = connection
    return config


def head_revision() -> str:
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def current_revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate up. Several processes may start at once: the second waits for the first and finds nothing to do."""
    _migrate(url, revision, down=False)


def downgrade(url: str, revision: str) -> None:
    _migrate(url, revision, down=True)


def _migrate(url: str, revision: str, *, down: bool) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as lock, engine.connect() as connection:
        lock.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        if down:
            command.downgrade(_config(connection), revision)
        else:
            command.upgrade(_config(connection), revision)


def check(url: str) -> None:
    """Raise alembic.util.CommandError where the models and the migrations differ."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        command.check(_config(connection))


def is_at_head(url: str) -> bool:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return current_revision(connection) == head_revision()
