"""What following stores needs, made of the settings."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from app.runtime.shell import load_settings, run_on_database

if TYPE_CHECKING:
    from app.config import Settings
    from app.database import Database
    from app.sync.platforms import SyncContext
    from app.websites.vault import Vault

T = TypeVar("T")


def make_sync_context(settings: "Settings", database: "Database", vault: "Vault") -> "SyncContext":
    from app.connectors.client import HttpOptions
    from app.sync.platforms import SyncContext

    return SyncContext(
        database=database,
        vault=vault,
        default_currency=settings.default_currency,
        http=HttpOptions(allow_private=settings.allow_private_addresses),
    )


def run_on_stores(work: "Callable[[SyncContext], Awaitable[T]]") -> T:
    """`run_on_database` with what asking stores needs besides."""

    async def run(database: "Database") -> T:
        return await work(make_sync_context(load_settings(), database, database.info["vault"]))

    return run_on_database(run)
