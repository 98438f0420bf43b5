"""What the commands share. Heavy parts are imported inside, so that `--help` answers at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from app.config import Settings
    from app.database import Database

T = TypeVar("T")
M = TypeVar("M", bound="BaseModel")


def explain(error: Exception) -> str | None:
    """A sentence for what a person can do something about; None for our own mistakes, which keep their traceback."""
    from subprocess import CalledProcessError

    from alembic.util import CommandError
    from psycopg import OperationalError
    from sqlalchemy.exc import OperationalError as WrappedOperationalError

    from app.config import ConfigurationError
    from app.utils.errors import AppError

    if isinstance(error, WrappedOperationalError) and isinstance(error.orig, Exception):
        error = error.orig
    match error:
        case ConfigurationError() | CommandError():
            return str(error)
        case AppError():
            return error.detail
        case OperationalError():
            return f"The database does not answer: {str(error).splitlines()[0]}"
        case CalledProcessError():
            return f"{error.cmd} failed: {(error.output or '').strip()}"
        case OSError():
            return f"{error.strerror}: {error.filename}" if error.filename else str(error)
    return None


def load_settings() -> "Settings":
    from pydantic import ValidationError

    from app.config import ConfigurationError, get_settings

    try:
        return get_settings()
    except ValidationError as error:
        raise ConfigurationError(describe(error, str.upper)) from None
    except UnicodeDecodeError:
        raise ConfigurationError("The file .env is not UTF-8 text.") from None


def validate(model: type[M], **values: Any) -> M:
    from pydantic import ValidationError

    from app.config import ConfigurationError

    try:
        return model(**values)
    except ValidationError as error:
        raise ConfigurationError(describe(error, str)) from None


def describe(error: "ValidationError", name_of: Callable[[str], str]) -> str:
    """One line a field, and never its value: that may be a password."""
    return "\n".join(
        ": ".join([*(name_of(str(name)) for name in details["loc"]), details["msg"].removeprefix("Value error, ")])
        for details in error.errors()
    )


def run_on_database(work: "Callable[[Database], Awaitable[T]]") -> T:
    """What `work` returns, run on the settings' database, which is started where needed and at head."""
    from app.config import resolve_secret_key
    from app.database import Database
    from app.runtime.databases import prepared_database
    from app.runtime.memory import spare_garbage_collector
    from app.websites.vault import make_vault

    async def run(url: str, secret_key: str) -> T:
        database = Database(url, pool_size=settings.database_pool_size)
        database.info["vault"] = make_vault(settings, secret_key)
        try:
            return await work(database)
        finally:
            await database.dispose()

    settings = load_settings()
    with prepared_database(settings) as running:
        spare_garbage_collector()
        return asyncio.run(run(running.url, resolve_secret_key(settings, running.data_dir)))
