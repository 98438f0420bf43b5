"""Asking a store over HTTP: connection reuse, time limits, retries, and errors in words."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
import orjson
import stamina

from app import __version__
from app.connectors.errors import StoreError, StoreRefused, StoreUnavailable
from app.connectors.guard import GuardedTransport, PrivateAddress
from app.connectors.pace import TokenBucket
from app.utils.clock import utc_now

logger = logging.getLogger(__name__)
T = TypeVar("T")

_PASSING = {408, 425, 429, 500, 502, 503, 504, 508, 520, 521, 522, 523, 524}
_NOTICE_BYTES = 64 * 1024  # how far into a body its JSON may begin
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Patience:
    """How long a store is waited for. `attempts` are of one request; the others are seconds."""

    attempts: int = 6
    wait_initial: float = 1.0
    wait_max: float = 60.0
    wait_jitter: float = 1.0
    longest_retry_after: float = 300.0
    connect: float = 10.0
    read: float = 60.0
    whole: float = 180.0
    """For one answer from its first byte asked to its last one read, however slowly it drips."""


@dataclass(frozen=True)
class HttpOptions:
    allow_private: bool = False
    patience: Patience = Patience()
    max_bytes: int = 64 * 1024 * 1024
    connections: int = 4


@dataclass
class Answer:
    status: int
    payload: Any
    headers: httpx.Headers
    at: datetime
    """The store's own clock when it answered; ours where it does not tell."""


class Passing(Exception):
    """What may be better a moment later; `retry_after` is when the store says that it will be."""

    def __init__(self, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


@dataclass
class StoreClient:
    """One store's HTTP client. Counts the `requests` it has made, retries among them."""

    http: httpx.AsyncClient
    options: HttpOptions
    bucket: TokenBucket
    host: str
    requests: int = field(default=0, init=False)

    async def ask(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None,
        cost: float = 1.0,
    ) -> Answer:
        """The store's answer in JSON, whatever its status, asked for until it is no passing failure.

        Raises StoreUnavailable when patience ends, StoreRefused for an address that may not be asked.
        """

        async def ask_once() -> Answer:
            await self.bucket.take(cost)
            self.requests += 1
            try:
                async with asyncio.timeout(self.options.patience.whole):
                    return await self._exchange(method, url, params, json, headers, auth)
            except PrivateAddress as error:
                raise StoreRefused(
                    f"{error}, which is not asked. Set ALLOW_PRIVATE_ADDRESSES=true where the store really is there."
                ) from None
            except TimeoutError:
                raise Passing(f"{self.host} took longer than {self.options.patience.whole:g} seconds") from None
            except httpx.TransportError as error:
                raise Passing(f"{self.host} {_describe(error)}") from None

        return await self.patiently(ask_once)

    async def patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What `attempt` returns, called again after each Passing failure, later and later."""
        patience = self.options.patience
        waited = 0.0

        def decide(error: Exception) -> bool | float:
            nonlocal waited
            if not isinstance(error, Passing):
                return False
            logger.info("%s; asking again", error)
            if error.retry_after is None:
                return True
            waited += error.retry_after
            return error.retry_after if waited <= patience.longest_retry_after else False

        try:
            async for retry in stamina.retry_context(
                on=decide,
                attempts=patience.attempts,
                timeout=None,
                wait_initial=patience.wait_initial,
                wait_max=patience.wait_max,
                wait_jitter=patience.wait_jitter,
            ):
                with retry:
                    return await attempt()
        except Passing as error:
            raise StoreUnavailable(f"{error}. It was asked up to {patience.attempts} times.") from None
        raise AssertionError("unreachable")

    async def _exchange(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None,
        json: Any,
        headers: Mapping[str, str] | None,
        auth: httpx.Auth | None,
    ) -> Answer:
        request = self.http.build_request(method, url, params=params, json=json, headers=headers)
        response = await self.http.send(request, auth=auth, stream=True)
        try:
            body = await self._read(response)
        finally:
            await response.aclose()
        status = response.status_code
        if response.is_redirect:
            target = response.headers.get("location", "another address")
            raise StoreError(
                f"{self.host} sends us on to {target}, where we do not follow: give the address that the store "
                "itself uses, as its browser window shows it."
            )
        if status in _PASSING and not _is_final(status, body):
            raise Passing(f"{self.host} answered {_words(status)}{_title_of(body)}", _retry_after(response))
        try:
            payload = read_json(body)
        except ValueError:
            if status == HTTPStatus.OK:
                raise Passing(f"{self.host} answered something that is no JSON{_title_of(body)}") from None
            payload = None
        return Answer(status, payload, response.headers, _date_of(response))

    async def _read(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > self.options.max_bytes:
                raise StoreError(
                    f"{self.host} answered more than {self.options.max_bytes // 1024 // 1024} MiB to one request."
                )
        return bytes(body)


@asynccontextmanager
async def open_client(
    base_url: str, options: HttpOptions, bucket: TokenBucket, *, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[StoreClient]:
    """`transport` takes the place of real connections."""
    patience = options.patience
    limits = httpx.Limits(max_connections=options.connections, max_keepalive_connections=options.connections)
    inner = transport or GuardedTransport(httpx.AsyncHTTPTransport(limits=limits), allow_private=options.allow_private)
    async with httpx.AsyncClient(
        base_url=base_url,
        transport=inner,
        timeout=httpx.Timeout(patience.read, connect=patience.connect, pool=patience.whole),
        headers={"User-Agent": f"ecomPredictor/{__version__}", "Accept": "application/json"},
        follow_redirects=False,
        trust_env=False,
    ) as http:
        yield StoreClient(http, options, bucket, http.base_url.host)


def read_json(body: bytes) -> Any:
    """JSON, behind a byte order mark or what PHP printed before it. Raises ValueError where there is none."""
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        for start in re.finditer(rb"[\[{]", body[:_NOTICE_BYTES]):
            try:
                return orjson.loads(body[start.start() :])
            except orjson.JSONDecodeError:
                continue
        raise ValueError("no JSON") from None


def _is_final(status: int, body: bytes) -> bool:
    """An error that the shop's own code explains, as WooCommerce does for what it could not do, comes again."""
    if status != HTTPStatus.INTERNAL_SERVER_ERROR:
        return False
    try:
        found = read_json(body)
    except ValueError:
        return False
    return isinstance(found, dict) and str(found.get("code", "")).startswith("woocommerce_rest")


def _retry_after(response: httpx.Response) -> float | None:
    given = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(given) - utc_now()).total_seconds())
    except (ValueError, TypeError):
        return None


def _date_of(response: httpx.Response) -> datetime:
    try:
        return parsedate_to_datetime(response.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError):
        return utc_now()


def _words(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _title_of(body: bytes) -> str:
    """Of the web page that came in place of data: it often says what is going on."""
    found = _TITLE.search(body[:_NOTICE_BYTES])
    title = " ".join(unescape(found[1].decode(errors="replace")).split()) if found else ""
    return f": a web page titled “{title[:100]}”" if title else ""


def _describe(error: httpx.TransportError) -> str:
    match error:
        case httpx.ConnectTimeout():
            return "did not take our connection in time"
        case httpx.TimeoutException():
            return "stopped answering in the middle"
        case httpx.ConnectError():
            reason = str(error)
            if "CERTIFICATE_VERIFY_FAILED" in reason:
                return f"shows a certificate that cannot be trusted ({reason.partition('(')[0].strip()})"
            return f"cannot be reached ({reason or 'no connection'})"
        case _:
            return "broke off in the middle of its answer"
