"""Sealing what only this program may read: stores' keys and the secrets of their webhooks."""

import base64
from collections.abc import Sequence
from typing import Any

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.config import ConfigurationError, Settings

_PURPOSE = b"ecompredictor: credentials of stores"


class Vault:
    """Seals with the first of the secret keys, opens with any of them.

    Each gives a Fernet key by HKDF-SHA256 (RFC 5869), so that what signs tokens is not what encrypts.
    """

    def __init__(self, secret_keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(_derive(key)) for key in secret_keys])

    def seal(self, value: Any) -> bytes:
        return self._fernet.encrypt(orjson.dumps(value))

    def unseal(self, sealed: bytes) -> Any:
        """Raises ConfigurationError where none of the keys opens it."""
        try:
            return orjson.loads(self._fernet.decrypt(sealed))
        except InvalidToken:
            raise ConfigurationError(
                "The store's credentials were sealed with another SECRET_KEY. Set that one as PREVIOUS_SECRET_KEYS, "
                "or give the credentials anew."
            ) from None

    def reseal(self, sealed: bytes) -> bytes:
        """The same under the first key; raises as `unseal`."""
        return self.seal(self.unseal(sealed))


def make_vault(settings: Settings, secret_key: str) -> Vault:
    """Of the key in use, which may be one that was made, and those before it."""
    return Vault([secret_key, *(key.get_secret_value() for key in settings.previous_secret_keys)])


def _derive(secret_key: str) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE)
    return base64.urlsafe_b64encode(kdf.derive(secret_key.encode()))
