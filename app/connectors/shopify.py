"""Shopify's Admin API: customers, products with their variants, orders with their lines and refunds.

What has changed is read by the time of the change, in pages by cursor: what is changed meanwhile comes once more at the
end, so that a reading is over where it meets what was changed after it began. All of a resource is a bulk operation's,
where there can be one. Orders and products are whole, however many lines or variants they have, or they are not given.

https://shopify.dev/docs/api/admin-graphql
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx

from app.connectors.base import RESOURCES, Found, Listed, Listing, Page, Payload, Position, Raw, Resource, StoreInfo
from app.connectors.client import HttpOptions, open_client
from app.connectors.errors import StoreConfused, StoreRefused
from app.connectors.shopify_api import Admin, Reply, TooCostly, name_missing_scopes, share_bucket
from app.connectors.shopify_bulk import NoBulk, read_bulk
from app.connectors.shopify_queries import (
    KINDS,
    OLDEST_ORDER,
    PROBE,
    PRODUCTS_OF_VARIANTS,
    SHOP,
    Kind,
)
from app.ingest.formats import shopify_graphql
from app.ingest.records import OrderRecord, Parsed

logger = logging.getLogger(__name__)

API_VERSION = "2026-01"
FAR = 10_000
"""After so many rows a list is begun anew from where it stands: beyond 25,000 Shopify goes with no cursor."""
_SMALL = 20.0  # points


@dataclass
class Shopify:
    admin: Admin
    traits: dict[str, Any] = field(default_factory=dict)
    """`api_version` where it is not ours; `pages`: how many of a resource fit into a query, where fewer than usual;
    `recent_orders_only` and `hides_personal_data` where the app may not see all."""
    _oldest_shown: int = 0
    """The id of an order, before which none are shown to us."""

    @property
    def requests(self) -> int:
        return self.admin.client.requests

    @property
    def _host(self) -> str:
        return self.admin.client.host

    # What the store is

    async def describe(self) -> StoreInfo:
        reply = await self.admin.ask(SHOP, cost=_SMALL)
        scopes = _list_scopes(reply)
        missing = [f"read_{each}" for each in RESOURCES if not scopes & {f"read_{each}", f"write_{each}"}]
        if scopes and missing:
            raise StoreRefused(name_missing_scopes(self._host, missing))
        await self.admin.ask(PROBE, cost=_SMALL)
        self._note("recent_orders_only", bool(scopes) and "read_all_orders" not in scopes)
        self._note("hides_personal_data", self.admin.hides_personal_data)
        shop = reply.data.get("shop") or {}
        return StoreInfo(
            name=str(shop.get("name") or self._host),
            currency=shop.get("currencyCode"),
            time_zone=shop.get("ianaTimezone"),
            version=reply.version or self.admin.version,
            traits=self.traits,
        )

    def _note(self, name: str, holds: bool) -> None:
        if holds or name in self.traits:
            self.traits[name] = holds

    # Reading

    async def read(self, resource: Resource, since: datetime | None, position: Position | None) -> AsyncIterator[Page]:
        kind, position = KINDS[resource], position or {}
        if since is None and "until" not in position:
            try:
                async with aclosing(read_bulk(self.admin, kind, position)) as pages:
                    async for page in pages:
                        yield _with_children(kind, page)
                return
            except NoBulk as reason:
                logger.info("%s gives no %s in bulk (%s): they are read page by page", self._host, resource, reason)
                position = {"until": reason.began_at.isoformat()} if reason.began_at else {}
        async with aclosing(self._read_pages(kind, since, position)) as pages:
            async for page in pages:
                yield _with_children(kind, page)

    async def _read_pages(self, kind: Kind, since: datetime | None, position: Position) -> AsyncGenerator[Page, None]:
        """By the time of the last change, until the time at which the first page was asked for."""
        start = datetime.fromisoformat(position["from"]) if position.get("from") else since
        until = datetime.fromisoformat(position["until"]) if position.get("until") else None
        total: int | None = position.get("total")
        counted = since is None and total is None
        cursor, seen = None, 0
        while True:
            query = kind.list_pages(counted=counted)
            reply = await self._list(kind, query, {"after": cursor, "query": _changed_since(start)})
            nodes, info = _open_list(reply)
            total, counted = _find_total(reply) if counted else total, False
            until = until or reply.at
            last = _moment(nodes[-1].get("updatedAt")) if nodes else start
            mark = {"from": last.isoformat() if last else None, "until": until.isoformat(), "total": total}
            whole = await self._complete(kind, nodes)
            yield Page([Raw(kind.raw, node) for node in whole], mark, reply.at, total)
            if not info.get("hasNextPage") or (last and last > until):
                return
            self._check_progress(kind, nodes, cursor, info)
            cursor, seen = info["endCursor"], seen + len(nodes)
            if seen >= FAR and last and (start is None or last > start):
                start, cursor, seen = last, None, 0

    def _check_progress(self, kind: Kind, nodes: list[Payload], cursor: str | None, info: Payload) -> None:
        if not nodes or not info.get("endCursor") or info["endCursor"] == cursor:
            raise StoreConfused(f"{self._host} gives the same page of {kind.resource} again and again.")

    async def _list(self, kind: Kind, query: str, variables: Payload) -> Reply:
        while True:
            try:
                return await self.admin.ask(query, {"first": self._page_of(kind), **variables})
            except TooCostly as error:
                self._shrink(kind, error)

    def _page_of(self, kind: Kind) -> int:
        return min(kind.page, int(self.traits.get("pages", {}).get(kind.resource, kind.page)))

    def _shrink(self, kind: Kind, error: TooCostly) -> None:
        """What a field costs is for Shopify to say: ask for as many as it lets us."""
        size = self._page_of(kind)
        if size == 1:
            raise error
        fits = max(1, min(size - 1, int(size * error.most / max(error.cost, 1.0) * 0.9)))
        self.traits["pages"] = {**self.traits.get("pages", {}), kind.resource: fits}

    async def _complete(self, kind: Kind, nodes: Sequence[Payload]) -> list[Payload]:
        """With all that is nested in them; without those that are gone before they were whole."""
        return [node for node in nodes if await self._drain(kind, node)]

    async def _drain(self, kind: Kind, node: Payload) -> bool:
        for name in kind.nested:
            connection = node.get(name) or {}
            info = connection.get("pageInfo") or {}
            while info.get("hasNextPage"):
                variables = {"id": node["id"], "after": info.get("endCursor")}
                found = (await self.admin.ask(kind.get_nested(name), variables)).data.get("node")
                if not found:
                    return False
                more, after = found[name], info.get("endCursor")
                connection["nodes"] += more["nodes"]
                connection["pageInfo"] = info = more["pageInfo"]
                if info.get("hasNextPage") and info.get("endCursor") in {after, None}:
                    raise StoreConfused(f"{self._host} gives the same page of {name} again and again.")
        return True

    # Reading again

    async def read_again(self, resource: Resource, external_ids: Sequence[str]) -> Found:
        kind = KINDS[resource]
        ids = list(dict.fromkeys(each for each in external_ids if each.isdigit()))
        if resource == "orders":
            ids = [each for each in ids if int(each) >= self._oldest_shown]
        found = await self._get_all(kind, ids)
        if resource == "products" and found.gone:
            found = await self._find_as_variants(kind, found)
        if resource == "orders" and found.gone:
            found.gone = await self._drop_hidden(found.gone)
        found.gone += [each for each in external_ids if not each.isdigit()]
        for raw in found.raws:
            found.children |= _list_children(raw)
        return found

    async def _get_all(self, kind: Kind, ids: Sequence[str]) -> Found:
        found, place = Found([], []), 0
        while place < len(ids):
            some = ids[place : place + self._page_of(kind)]
            try:
                answered = await self._get(kind, some)
            except TooCostly as error:
                self._shrink(kind, error)
                continue
            found.raws += answered.raws
            found.gone += answered.gone
            found.failed |= answered.failed
            place += len(some)
        return found

    async def _get(self, kind: Kind, ids: Sequence[str]) -> Found:
        """One that the store cannot give does not keep the others away."""
        try:
            reply = await self.admin.ask(kind.get_nodes(), {"ids": [_gid(kind.type, each) for each in ids]})
            nodes = reply.data["nodes"]
            whole = [node if node and await self._drain(kind, node) else None for node in nodes]
        except TooCostly:
            raise
        except StoreConfused as error:
            if len(ids) == 1:
                return Found([], [], failed={ids[0]: str(error)})
            middle = len(ids) // 2
            first, second = await self._get(kind, ids[:middle]), await self._get(kind, ids[middle:])
            return Found(first.raws + second.raws, first.gone + second.gone, failed=first.failed | second.failed)
        return Found(
            [Raw(kind.raw, node) for node in whole if node],
            [each for each, node in zip(ids, whole, strict=True) if not node],
        )

    async def _find_as_variants(self, kind: Kind, found: Found) -> Found:
        """What is no product may be a variant, of which the whole product is read."""
        reply = await self.admin.ask(
            PRODUCTS_OF_VARIANTS, {"ids": [_gid("ProductVariant", each) for each in found.gone]}
        )
        owners = {
            each: _number(node["product"]["id"])
            for each, node in zip(found.gone, reply.data["nodes"], strict=True)
            if node and node.get("product")
        }
        known = {_number(raw.payload["id"]) for raw in found.raws}
        more = await self._get_all(kind, list(dict.fromkeys(owner for owner in owners.values() if owner not in known)))
        gone = [each for each in found.gone if each not in owners or owners[each] in more.gone]
        failed = {each: more.failed[owner] for each, owner in owners.items() if owner in more.failed}
        return replace(found, raws=found.raws + more.raws, gone=gone, failed=found.failed | failed)

    async def _drop_hidden(self, gone: list[str]) -> list[str]:
        """Only those that are gone: without the scope for all orders, old ones are not shown, and may well be there.

        Ids grow with time, so that what is older than the oldest one shown is hidden by its age.
        """
        reply = await self.admin.ask(OLDEST_ORDER, cost=_SMALL)
        scopes = _list_scopes(reply)
        if not scopes or "read_all_orders" in scopes:
            return gone
        shown = (reply.data.get("orders") or {}).get("nodes") or []
        self._oldest_shown = int(_number(shown[0]["id"])) if shown else 1 + max(map(int, gone))
        return [each for each in gone if int(each) >= self._oldest_shown]

    # Sweeping

    async def sweep(self, resource: Resource, position: Position | None) -> AsyncIterator[Listing]:
        """By ascending id. Of a product its variants are listed, which are what is kept of it."""
        kind, last = KINDS[resource], int((position or {}).get("last", 0))
        start, cursor, seen = last, None, 0
        while True:
            after = f"id:>{start}" if start else None
            reply = await self.admin.ask(kind.sweep(), {"first": kind.sweep_page, "after": cursor, "query": after})
            nodes, info = _open_list(reply)
            ids = [int(_number(node["id"])) for node in nodes]
            if ids != sorted(ids) or (ids and ids[0] <= last):
                raise StoreConfused(f"{self._host} does not list its {kind.swept} in order of id, as it was asked to.")
            last = ids[-1] if ids else last
            yield Listing([_list_one(resource, node) for node in nodes], {"last": last}, reply.at)
            if not info.get("hasNextPage"):
                return
            self._check_progress(kind, nodes, cursor, info)
            cursor, seen = info["endCursor"], seen + len(nodes)
            if seen >= FAR:
                start, cursor, seen = last, None, 0


@asynccontextmanager
async def open_shopify(
    base_url: str,
    credentials: Mapping[str, str],
    traits: Mapping[str, Any],
    options: HttpOptions,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[Shopify]:
    bucket = share_bucket(base_url, transport)
    async with open_client(base_url, options, bucket, transport=transport) as client:
        version = str(traits.get("api_version") or API_VERSION)
        yield Shopify(Admin(client, bucket, dict(credentials), version), dict(traits))


def _gid(type_: str, number: str) -> str:
    return f"gid://shopify/{type_}/{number}"


def _number(gid: str) -> str:
    """What stands at the end of it, which is the id in REST and in exports."""
    return gid.partition("?")[0].rpartition("/")[2]


def _moment(given: Any) -> datetime:
    try:
        return datetime.fromisoformat(str(given)).astimezone(UTC)
    except ValueError:
        raise StoreConfused(f"Shopify dates a change as “{str(given)[:40]}”, which is no time.") from None


def _changed_since(moment: datetime | None) -> str | None:
    return f"updated_at:>='{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'" if moment else None


def _open_list(reply: Reply) -> tuple[list[Payload], Payload]:
    """The nodes of a page, and whether and where there are more."""
    listed = reply.data.get("listed")
    if not isinstance(listed, dict) or not isinstance(listed.get("nodes"), list):
        raise StoreConfused("Shopify answered a list without nodes.")
    return [node for node in listed["nodes"] if node], listed.get("pageInfo") or {}


def _find_total(reply: Reply) -> int | None:
    found = reply.data.get("counted") or {}
    return int(found["count"]) if found.get("precision") == "EXACT" else None


def _list_scopes(reply: Reply) -> set[str]:
    """Empty where the app may not even know its own."""
    installation = reply.data.get("currentAppInstallation") or {}
    return {str(scope.get("handle")) for scope in installation.get("accessScopes") or []}


def _with_children(kind: Kind, page: Page) -> Page:
    if kind.resource == "products":
        for raw in page.raws:
            page.children |= _list_children(raw)
    return page


def _list_children(raw: Raw) -> dict[str, list[str]]:
    """By the product's id, the ids of its variants: all it has."""
    if raw.kind != "product":
        return {}
    connection = raw.payload.get("variants") or {}
    nodes = [*(connection.get("nodes") or []), *raw.payload.get(shopify_graphql.CHILDREN, [])]
    found = [_number(node["id"]) for node in nodes]
    return {_number(raw.payload["id"]): found} if found else {}


def _list_one(resource: Resource, node: Payload) -> Listed:
    """An order's in the words and amounts that its record has, which its format makes of the same fields."""
    external_id = _number(node["id"])
    if resource == "orders":
        for item in shopify_graphql.parse_node("sweep", node):
            if isinstance(item, Parsed) and isinstance(item.record, OrderRecord):
                order = item.record
                return Listed(
                    external_id,
                    order.source_status,
                    order.currency,
                    order.total_amount,
                    order.placed_at,
                    order.refunded_total,
                )
    return Listed(external_id)
