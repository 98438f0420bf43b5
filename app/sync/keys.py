"""The secrets of stores' webhooks, kept unsealed for seconds: a busy store delivers many a second."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from app.database import Database
from app.sync.platforms import StorePlatform, platform_of
from app.utils.errors import NotFound
from app.websites.models import Website
from app.websites.vault import Vault

SECONDS = 5.0


@dataclass(frozen=True)
class Receiver:
    """Who a delivery is for. Without `secrets` nothing that is signed can be believed."""

    platform: StorePlatform
    secrets: Sequence[str]


class Receivers:
    def __init__(self, database: Database, vault: Vault, seconds: float = SECONDS) -> None:
        self._database, self._vault, self._seconds = database, vault, seconds
        self._kept: dict[str, tuple[float, Receiver]] = {}

    async def find(self, name: str) -> Receiver:
        """Raises NotFound for what is no store, or is followed no longer."""
        expires, found = self._kept.get(name, (0.0, None))
        if found is None or expires < time.monotonic():
            found = await self._read(name)
            self._kept[name] = time.monotonic() + self._seconds, found
        return found

    async def _read(self, name: str) -> Receiver:
        async with self._database.reads() as session:
            website = await session.get(Website, name)
        if website is None or not website.is_followed:
            self._kept.pop(name, None)
            raise NotFound(f"No store {name} is followed here.")
        sealed = website.webhook_secrets
        return Receiver(platform_of(website), self._vault.unseal(sealed) if sealed else [])
