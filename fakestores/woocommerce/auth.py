"""Who may read: Basic or keys in the query over TLS, one-legged OAuth 1.0a over plain HTTP."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from starlette.requests import Request

from fakestores.woocommerce.errors import Refused, cannot_view, not_authentic

_HASHES = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}
_OAUTH = ("oauth_consumer_key", "oauth_timestamp", "oauth_nonce", "oauth_signature", "oauth_signature_method")
_TOLERANCE_SECONDS = 15 * 60


@dataclass(slots=True)
class Guard:
    keys: Mapping[str, str]
    read_only: frozenset[str] = frozenset()
    drops_authorization: bool = False
    """As hosts do whose server does not hand the header to PHP."""
    _nonces: set[tuple[str, str]] = field(default_factory=set, init=False)

    def authenticate(self, request: Request, *, is_tls: bool, home_url: str) -> None:
        """Raises Refused, in the very words that the store has for each way of being wrong."""
        key = self._check_basic(request) if is_tls else None
        if key is None:
            key = self._check_oauth(request, home_url)
        if key is None:
            raise cannot_view()
        if request.method not in {"GET", "HEAD", "OPTIONS"} and key in self.read_only:
            raise not_authentic("The API key provided does not have write permissions.")

    def _check_basic(self, request: Request) -> str | None:
        """The key, or None where none or an unknown one was sent."""
        key, secret = request.query_params.get("consumer_key"), request.query_params.get("consumer_secret")
        if not key or not secret:
            key, secret = self._read_header(request)
        if key not in self.keys:
            return None
        if not hmac.compare_digest(self.keys[key].encode(), secret.encode()):
            raise not_authentic("Consumer secret is invalid.")
        return key

    def _read_header(self, request: Request) -> tuple[str, str]:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if self.drops_authorization or scheme.lower() != "basic":
            return "", ""
        try:
            key, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return key, secret

    def _check_oauth(self, request: Request, home_url: str) -> str | None:
        sent = {name: request.query_params[name] for name in _OAUTH if name in request.query_params}
        if not sent and not self.drops_authorization:
            sent = _read_oauth_header(request.headers.get("authorization", ""))
        if not sent:
            return None
        if missing := [name for name in _OAUTH if name not in sent]:
            code = "woocommerce_rest_authentication_missing_parameter"
            raise Refused(401, code, f"Missing OAuth parameter {', '.join(missing)}")
        key = sent["oauth_consumer_key"]
        if key not in self.keys:
            raise not_authentic("Consumer key is invalid.")
        if sent["oauth_signature_method"] not in _HASHES:
            raise not_authentic("Invalid signature - signature method is invalid.")
        expected = sign(request.method, home_url + request.url.path, _signed_items(request, sent), self.keys[key])
        if not hmac.compare_digest(expected, sent["oauth_signature"]):
            raise not_authentic("Invalid signature - provided signature does not match.")
        self._check_freshness(sent)
        return key

    def _check_freshness(self, sent: Mapping[str, str]) -> None:
        # Of the real clock, which the client signs with, wherever the store's own stands.
        stamp = sent["oauth_timestamp"]
        if not stamp.isdigit() or abs(int(stamp) - time.time()) > _TOLERANCE_SECONDS:
            raise not_authentic("Invalid timestamp.")
        nonce = (sent["oauth_consumer_key"], sent["oauth_nonce"])
        if nonce in self._nonces:
            raise not_authentic("Invalid nonce - nonce has already been used.")
        self._nonces.add(nonce)


def _read_oauth_header(header: str) -> dict[str, str]:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "oauth":
        return {}
    pairs = (part.strip().partition("=") for part in rest.split(","))
    return {name: unquote(value.strip('"')) for name, _, value in pairs if name in _OAUTH}


def _signed_items(request: Request, sent: Mapping[str, str]) -> list[tuple[str, str]]:
    items = request.query_params.multi_items()
    items += [(name, value) for name, value in sent.items() if name not in request.query_params]
    return [(name, value) for name, value in items if name != "oauth_signature"]


def sign(method: str, url: str, items: list[tuple[str, str]], secret: str) -> str:
    """The signature of RFC 5849 with no token secret; `items` name the method among the rest."""
    hashed = _HASHES[dict(items)["oauth_signature_method"]]
    encoded = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in items)
    joined = "&".join(f"{name}={value}" for name, value in encoded)
    base = "&".join(quote(part, safe="~") for part in (method, url, joined))
    digest = hmac.new(f"{secret}&".encode(), base.encode(), hashed).digest()
    return base64.b64encode(digest).decode()
