"""What following stores needs, made of the settings."""

from app.config import Settings
from app.connectors.client import HttpOptions
from app.database import Database
from app.sync.platforms import SyncContext
from app.websites.vault import Vault


def make_vault(settings: Settings, secret_key: str) -> Vault:
    return Vault([secret_key, *(key.get_secret_value() for key in settings.previous_secret_keys)])


def make_sync_context(settings: Settings, database: Database, vault: Vault) -> SyncContext:
    return SyncContext(
        database=database,
        vault=vault,
        default_currency=settings.default_currency,
        http=HttpOptions(allow_private=settings.allow_private_addresses),
    )
