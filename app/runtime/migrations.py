"""Alembic from inside the program: upgrade under a lock, and where a database stands."""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from alembic import command
from app.config import ConfigurationError

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


def knows_revision(revision: str) -> bool:
    return any(revision == script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


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


def find_revision(url: str) -> str | None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return current_revision(connection)


def require_head(url: str) -> None:
    """Raise ConfigurationError, with what to do about it, where the database is not at head."""
    found = find_revision(url)
    if found == head_revision():
        return
    if found is not None and not knows_revision(found):
        raise ConfigurationError(f"The database is at revision {found}, which a newer version of this program made.")
    where = "has no tables yet" if found is None else f"is at revision {found}, this program needs {head_revision()}"
    raise ConfigurationError(f"The database {where}. Run `ecompredictor migrate`.")
