"""What goes wrong between a store and whoever reads it.

A plan is drawn from a seed, or written out request by request; an ASGI middleware carries it out. Faults come in
bounded bursts, so that a client that tries again always gets through.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from random import Random
from typing import Literal

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Kind = Literal[
    "too_many_requests", "error", "disconnect", "truncated", "notice", "slow", "wrong_total", "throttled",
]  # fmt: skip

KINDS: tuple[Kind, ...] = ("too_many_requests", "error", "disconnect", "truncated", "notice", "slow")
"""What a seeded plan draws from unless told otherwise."""

_STATUSES = (500, 502, 503, 508)
_NOTICE = "\ufeff<br />\n<b>Notice</b>:  Undefined index: page in <b>/var/www/html/wp-content/plugins/x.php</b><br />\n"


@dataclass(frozen=True, slots=True)
class Fault:
    kind: Kind
    status: int = 503
    retry_after: str | None = None
    seconds: float = 0.0
    shift: int = 0
    """What is added to the total that a list tells."""


def too_many_requests(retry_after: str | None = "1") -> Fault:
    return Fault("too_many_requests", 429, retry_after)


def error(status: int = 503, retry_after: str | None = None) -> Fault:
    """An answer of the host, with HTML in place of JSON."""
    return Fault("error", status, retry_after)


def disconnect() -> Fault:
    """The connection ends in the middle of the body."""
    return Fault("disconnect")


def truncated() -> Fault:
    """The first half of the body, told as if it were the whole."""
    return Fault("truncated")


def notice() -> Fault:
    """A byte order mark and a notice of PHP before the JSON."""
    return Fault("notice")


def slow(seconds: float) -> Fault:
    return Fault("slow", seconds=seconds)


def wrong_total(shift: int) -> Fault:
    return Fault("wrong_total", shift=shift)


def throttled() -> Fault:
    """GraphQL's way of saying 429: an answer of status 200."""
    return Fault("throttled", 200)


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that arrived, and what was done to it."""

    number: int
    method: str
    path: str
    query: str
    fault: Fault | None


Callback = Callable[[Seen], Awaitable[None] | None]


@dataclass(slots=True)
class Faults:
    """A plan of faults, and the account of what it met.

    `script` is worked off first, one entry a request that matches `only` (a pattern for the path); None lets it
    through. Then `rate` of the requests meet one of `kinds`, never more than `most_in_a_row` of them one after the
    other on one path. `on_request` is called before each request is served, to change the store meanwhile.
    """

    seed: int = 0
    rate: float = 0.0
    kinds: Sequence[Kind] = KINDS
    most_in_a_row: int = 2
    script: Iterable[Fault | None] = ()
    only: str = ""
    retry_after: str = "1"
    slow_seconds: float = 0.05
    on_request: Callback | None = None
    requests: Counter[str] = field(default_factory=Counter)
    """By path, without the query."""
    injected: Counter[str] = field(default_factory=Counter)
    """By kind."""
    log: list[Seen] = field(default_factory=list)
    _random: Random = field(init=False)
    _planned: list[Fault | None] = field(init=False)
    _row: Counter[str] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311 - a plan has to be repeatable
        self._planned = list(self.script)

    @property
    def total(self) -> int:
        """Of requests, faulty ones among them."""
        return len(self.log)

    def plan(self, *faults: Fault | None) -> None:
        """Add to the script."""
        self._planned += faults

    async def meet(self, method: str, path: str, query: str) -> Fault | None:
        """Count a request and say what becomes of it."""
        fault = self._choose(path)
        seen = Seen(len(self.log) + 1, method, path, query, fault)
        self.log.append(seen)
        self.requests[path] += 1
        if fault is not None:
            self.injected[fault.kind] += 1
        if self.on_request is not None:
            awaited = self.on_request(seen)
            if isawaitable(awaited):
                await awaited
        return fault

    def _choose(self, path: str) -> Fault | None:
        if self.only and not re.search(self.only, path):
            return None
        if self._planned:
            return self._planned.pop(0)
        is_hit = self.rate > 0 and self._random.random() < self.rate
        if not is_hit or self._row[path] >= self.most_in_a_row:
            self._row[path] = 0
            return None
        self._row[path] += 1
        return self._draw()

    def _draw(self) -> Fault:
        kind = self._random.choice(list(self.kinds))
        match kind:
            case "too_many_requests":
                return too_many_requests(self.retry_after)
            case "error":
                return error(self._random.choice(_STATUSES))
            case "slow":
                return slow(self.slow_seconds * self._random.random())
            case "wrong_total":
                return wrong_total(self._random.choice((-1, 1, 7)))
            case _:
                return Fault(kind)


class FaultMiddleware:
    """Carries out the plan around an application."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self.app = app
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        query = scope.get("query_string", b"").decode("latin-1")
        fault = await self.faults.meet(scope["method"], scope["path"], query)
        match fault:
            case None:
                await self.app(scope, receive, send)
            case Fault(kind="slow"):
                await asyncio.sleep(fault.seconds)
                await self.app(scope, receive, send)
            case Fault(kind="too_many_requests" | "error" | "throttled"):
                await _answer(fault, send)
            case _:
                await self._spoil(fault, scope, receive, send)

    async def _spoil(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it answer, and send on less or more than that."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        start, *parts = messages
        body = b"".join(part.get("body", b"") for part in parts)
        headers: list[tuple[bytes, bytes]] = [(name.lower(), value) for name, value in start["headers"]]
        match fault.kind:
            case "truncated":
                body = body[: len(body) // 2]
            case "notice":
                body = _NOTICE.encode() + body
            case "wrong_total":
                headers = [_shift_total(header, fault.shift) for header in headers]
        if fault.kind != "disconnect":
            headers = [header for header in headers if header[0] != b"content-length"]
            headers.append((b"content-length", str(len(body)).encode()))
        await send({**start, "headers": headers})
        if fault.kind == "disconnect":
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            # A server that is left here closes the connection; a client within the process gets what it then gets.
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        await send({"type": "http.response.body", "body": body})


def _shift_total(header: tuple[bytes, bytes], shift: int) -> tuple[bytes, bytes]:
    name, value = header
    return (name, str(max(0, int(value) + shift)).encode()) if name == b"x-wp-total" else header


async def _answer(fault: Fault, send: Send) -> None:
    if fault.kind == "throttled":
        body, kind = json.dumps(_THROTTLED).encode(), b"application/json; charset=utf-8"
    else:
        body, kind = _build_page(fault.status), b"text/html; charset=UTF-8"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if fault.retry_after is not None:
        headers.append((b"retry-after", fault.retry_after.encode()))
    await send({"type": "http.response.start", "status": fault.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _build_page(status: int) -> bytes:
    title = {
        429: "Too Many Requests",
        500: "Internal Server Error",
        502: "Bad Gateway",
        508: "Resource Limit Is Reached",
    }
    named = f"{status} {title.get(status, 'Service Unavailable')}"
    return f"<html>\r\n<head><title>{named}</title></head>\r\n<body><h1>{named}</h1></body>\r\n</html>\r\n".encode()


_THROTTLED = {
    "errors": [
        {
            "message": "Throttled",
            "extensions": {"code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits"},
        }
    ],
    "extensions": {
        "cost": {
            "requestedQueryCost": 752,
            "actualQueryCost": None,
            "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 300, "restoreRate": 100.0},
        }
    },
}
