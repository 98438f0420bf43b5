"""Shopify's bulk operations: all of a resource, collected by the store itself into a file of one node a line.

A nested node names its parent and stands anywhere below it, so that the file is brought to disk and grouped there. A
reading that is broken off goes on with the same file; where there is none any longer, or none is to be had, `NoBulk`
says so, and the resource is read page by page.

https://shopify.dev/docs/api/usage/bulk-operations/queries
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import closing
from datetime import datetime, timedelta
from http import HTTPStatus
from itertools import islice
from typing import ParamSpec, TypeVar, cast

import httpx
import orjson

from app.connectors.base import Page, Payload, Position, Raw
from app.connectors.client import Passing
from app.connectors.errors import StoreError, StoreRefused
from app.connectors.shopify_api import Admin
from app.connectors.shopify_queries import CANCEL_BULK, LOOK_AT_BULK, START_BULK, Kind
from app.ingest.formats.grouping import Group, Groups
from app.ingest.formats.shopify_graphql import CHILDREN, PARENT
from app.ingest.reading import UnreadableFile

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

NODES = 250
"""To a page."""
LONGEST, LONGEST_STILL = timedelta(hours=6), timedelta(minutes=20)
"""How long an operation may take, and how long it may not get on."""
MOST_BYTES = 32 * 1024**3
LONGEST_LINE = 32 * 1024**2
LONGEST_DOWNLOAD = 4 * 3600.0
MOST_ORPHANS = 100_000
_BLOCK = 1024**2
_SMALL, _START = 5.0, 15.0  # points
_GROWS = 1.5
_RUNNING = {"CREATED", "RUNNING"}
_GID = re.compile(r"gid://shopify/BulkOperation/\d+")
_NUMBER = re.compile(r"gid://shopify/\w+/(\d+)")


class NoBulk(Exception):
    """There is no file; the message says why. `began_at` is when an operation for it began, where one did."""

    def __init__(self, reason: str, began_at: datetime | None = None) -> None:
        super().__init__(reason)
        self.began_at = began_at


async def read_bulk(admin: Admin, kind: Kind, position: Position) -> AsyncGenerator[Page, None]:
    """All of it, after the nodes that `position` says are done. Raises NoBulk."""
    if "bulk" in position:
        operation_id, done = str(position["bulk"]), int(position["done"])
        began_at = datetime.fromisoformat(position["began_at"])
    else:
        (operation_id, began_at), done = await _start(admin, kind), 0
    mark = {"bulk": operation_id, "began_at": began_at.isoformat()}
    if not done:
        # Whoever goes on with this reading then waits for the operation that is under way.
        yield Page([], mark | {"done": 0}, began_at)
    try:
        operation = await _wait(admin, operation_id, began_at)
        total = _count(operation, "rootObjectCount")
        if not operation.get("url"):
            if done or _count(operation, "objectCount"):
                raise NoBulk("its file is there no longer")
            return
        groups = await _download(admin, operation)
        with groups, closing(cast("Generator[Group]", iter(groups))) as nodes:
            await _in_thread(_skip, nodes, done)
            while found := await _in_thread(_take, nodes):
                done += len(found)
                yield Page([Raw(kind.raw, node) for node in found], mark | {"done": done}, began_at, total)
    except UnreadableFile as error:
        raise NoBulk(error.detail, began_at) from None
    except NoBulk as reason:
        raise NoBulk(str(reason), began_at) from None


# Operations


async def _start(admin: Admin, kind: Kind) -> tuple[str, datetime]:
    """The id of an operation that was started, or that we started before and forgot; and when it began."""
    query = kind.list_in_bulk()
    reply = await admin.ask(START_BULK, {"query": query}, cost=_START)
    started = reply.data.get("bulkOperationRunQuery") or {}
    if operation := started.get("bulkOperation"):
        return operation["id"], _moment(operation, reply.at)
    reason = " ".join(str(error.get("message")) for error in started.get("userErrors") or [])
    if running := _GID.search(reason):
        shown, at = await _look(admin, running[0])
        if _squeeze(shown.get("query")) == _squeeze(query) and shown.get("status") in _RUNNING:
            return running[0], _moment(shown, at)
    raise NoBulk(reason[:300] or "the store started none")


async def _look(admin: Admin, operation_id: str) -> tuple[Payload, datetime]:
    reply = await admin.ask(LOOK_AT_BULK, {"id": operation_id}, cost=_SMALL)
    return reply.data.get("node") or {}, reply.at


async def _wait(admin: Admin, operation_id: str, began_at: datetime) -> Payload:
    """The operation when it is done; one that takes too long is cancelled."""
    patience = admin.client.options.patience
    pause = patience.wait_initial
    objects, moved_at = -1, began_at
    while True:
        await asyncio.sleep(pause)
        pause = min(pause * _GROWS, patience.wait_max)
        operation, at = await _look(admin, operation_id)
        status = operation.get("status")
        if status == "COMPLETED":
            return operation
        if status not in _RUNNING:
            raise NoBulk(f"it ended as {status or 'unknown'} {operation.get('errorCode') or ''}".strip())
        count = _count(operation, "objectCount")
        if count != objects:
            objects, moved_at = count, max(at, moved_at)
        if at - began_at > LONGEST or at - moved_at > LONGEST_STILL:
            await admin.ask(CANCEL_BULK, {"id": operation_id}, cost=_START)
            raise NoBulk("it took too long")


# Files


async def _download(admin: Admin, operation: Payload) -> Groups:
    """Brought to disk, and asked for again where it breaks off."""
    url = httpx.URL(operation["url"])
    client = admin.client
    if url.scheme != "https" and client.http.base_url.scheme == "https":
        raise NoBulk("its file is not to be had by https")

    async def attempt() -> Groups:
        groups = Groups()
        try:
            client.requests += 1
            async with asyncio.timeout(LONGEST_DOWNLOAD):
                await _fill(admin, url, groups, _count(operation, "fileSize"))
        except (TimeoutError, httpx.TransportError):
            groups.__exit__(None, None, None)
            raise Passing(f"{url.host} did not give a file to its end") from None
        except BaseException:
            groups.__exit__(None, None, None)
            raise
        return groups

    try:
        return await client.patiently(attempt)
    except StoreRefused:
        raise
    except StoreError as error:
        raise NoBulk(str(error)) from None


async def _fill(admin: Admin, url: httpx.URL, groups: Groups, expected: int) -> None:
    filler = _Filler(groups)
    waiting, received = bytearray(), 0
    # The address is the secret: nothing of ours goes with it.
    async with admin.client.http.stream("GET", url, headers={"Accept": "*/*"}) as response:
        if (
            response.status_code in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}
            or response.is_server_error
        ):
            raise Passing(f"{url.host} answered {response.status_code} to the download of a file")
        if response.status_code != HTTPStatus.OK:
            raise NoBulk(f"{url.host} answered {response.status_code} to its download")
        async for part in response.aiter_bytes():
            waiting += part
            received += len(part)
            if received > MOST_BYTES or len(waiting) > LONGEST_LINE + _BLOCK:
                raise NoBulk("its file is larger than any that can be taken")
            if len(waiting) > _BLOCK and (end := waiting.rfind(b"\n")) >= 0:
                await _in_thread(filler.add, bytes(waiting[:end]))
                del waiting[: end + 1]
    if received < expected:
        raise Passing(f"{url.host} gave {received} bytes of a file of {expected}")
    await _in_thread(filler.add, bytes(waiting))
    await _in_thread(filler.finish)


class _Filler:
    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._orphans: list[Payload] = []

    def add(self, block: bytes) -> None:
        """Raises Passing for half a line."""
        for line in block.splitlines():
            if not line.strip():
                continue
            try:
                node = orjson.loads(line)
            except orjson.JSONDecodeError:
                raise Passing("a file of the store broke off in the middle of a line") from None
            if not isinstance(node, dict):
                raise NoBulk("its file has lines that are no nodes")
            self._put(node)

    def _put(self, node: Payload) -> None:
        parent_id = node.get(PARENT)
        if not parent_id:
            self._groups.add(str(node.get("id")), str(node.get("id")), node)
        elif not self._groups.add_child(str(parent_id), node):
            self._orphans.append(node)
            if len(self._orphans) > MOST_ORPHANS:
                raise NoBulk("its file has many nodes above those they belong to")

    def finish(self) -> None:
        """Those that stood above their parents."""
        for node in self._orphans:
            if not self._groups.add_child(str(node[PARENT]), node):
                raise NoBulk("its file has nodes that belong to nothing")


def _skip(nodes: Iterable[Group], count: int) -> None:
    for _ in islice(nodes, count):
        pass


def _take(nodes: Iterable[Group]) -> list[Payload]:
    """The next of them, each with its children in the order in which they were made, which is a page's order too."""
    return [
        parent | {CHILDREN: sorted(children, key=lambda child: _number(str(child.get("id"))))}
        for _, parent, children in islice(nodes, NODES)
    ]


async def _in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Also where nobody waits for it any longer it ends first: what it works on is closed afterwards."""
    working = asyncio.create_task(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise


def _count(operation: Payload, name: str) -> int:
    """Shopify writes them as texts."""
    try:
        return int(operation.get(name) or 0)
    except (TypeError, ValueError):
        return 0


def _moment(operation: Payload, otherwise: datetime) -> datetime:
    try:
        return datetime.fromisoformat(str(operation.get("createdAt")))
    except ValueError:
        return otherwise


def _number(gid: str) -> int:
    """Of an id such as gid://shopify/LineItem/1; 0 where it has none."""
    found = _NUMBER.match(gid)
    return int(found[1]) if found else 0


def _squeeze(query: object) -> str:
    return " ".join(str(query).split())
