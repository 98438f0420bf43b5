"""WooCommerce's REST API v3: customers, products with their variations, orders with their refunds.

Lists are read in order of id, and each page begins with the last row of the one before: while we read, rows are
deleted and the others move up, and rows are changed and come into what was asked for. What does not begin with a row
that is known is read again from further back, so that none is passed over. There is no upper bound on the time of
change: a row that is changed while we read would leave what was asked for, and nobody would see it.

https://woocommerce.github.io/woocommerce-rest-api-docs/
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any

import httpx
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, SIGNATURE_TYPE_QUERY, Client

from app.connectors.base import Found, Listed, Listing, Page, Payload, Position, Raw, Resource, StoreInfo
from app.connectors.client import Answer, HttpOptions, StoreClient, open_client
from app.connectors.errors import StoreConfused, StoreError, StoreRefused, StoreUnavailable
from app.connectors.pace import TokenBucket

PAGE = 100  # the most that WooCommerce gives
REQUESTS_A_SECOND, BURST = 10.0, 20.0
CHILDREN_AT_A_TIME = 4
_API = "wp-json/wc/v3"
_UNFINISHED = {"checkout-draft", "auto-draft"}
_ALL: dict[Resource, Payload] = {
    "customers": {"role": "all"},
    "products": {"status": "any"},
    "orders": {"status": "any"},
}
_IN_GMT = {"dates_are_gmt": "true"}
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)  # before it no shop was on the web
FIRST_WINDOW, SMALLEST_WINDOW = timedelta(days=32), timedelta(days=1)
FEW_IN_WINDOW, MANY_IN_WINDOW = 1_000, 10_000
MOST_PAGES = 100_000
_LOOKS_BACK = timedelta(days=1)  # for customers who registered while their site's clock was elsewhere


_Rows = tuple[list[Payload], Answer, Position]
"""A page of a list, the answer it came with, and the position after it."""


class _OAuth(httpx.Auth):
    """OAuth 1.0a with one leg (RFC 5849), for sites without TLS: the secret signs, and does not travel."""

    def __init__(self, key: str, secret: str) -> None:
        self._client = Client(
            key, client_secret=secret, signature_method=SIGNATURE_HMAC_SHA256, signature_type=SIGNATURE_TYPE_QUERY
        )

    def auth_flow(self, request: httpx.Request) -> Any:
        signed, _, _ = self._client.sign(str(request.url), http_method="GET")
        request.url = httpx.URL(signed)
        yield request


class _QueryKeys(httpx.Auth):
    """For hosts that drop the Authorization header; over TLS only."""

    def __init__(self, key: str, secret: str) -> None:
        self._keys = {"consumer_key": key, "consumer_secret": secret}

    def auth_flow(self, request: httpx.Request) -> Any:
        request.url = request.url.copy_merge_params(self._keys)
        yield request


@dataclass
class WooCommerce:
    client: StoreClient
    key: str
    secret: str
    traits: dict[str, Any] = field(default_factory=dict)
    """`auth` "query" where the header does not arrive; `refunds_apart` where orders do not list their refunds."""

    @property
    def requests(self) -> int:
        return self.client.requests

    # What the store is

    async def describe(self) -> StoreInfo:
        index = await self._describe_site()
        setting = (await self._get("settings/general/woocommerce_currency")).payload
        currency = setting.get("value") if isinstance(setting, dict) else None
        for path in ("orders", "customers", "products"):
            await self._get(path, {"per_page": 1, "_fields": "id"})
        status = (await self._get("system_status", {"_fields": "environment.version"})).payload
        environment = status.get("environment") if isinstance(status, dict) else None
        return StoreInfo(
            name=str(index.get("name") or self.client.host),
            currency=str(currency) if currency else None,
            time_zone=_time_zone(index),
            version=str(environment["version"]) if isinstance(environment, dict) and "version" in environment else None,
            traits=self.traits,
        )

    async def _describe_site(self) -> Payload:
        """The index, which needs no key and tells whether this is WooCommerce at all."""
        answer = await self.client.ask("GET", "wp-json/")
        index = answer.payload
        if not isinstance(index, dict) or "namespaces" not in index:
            raise StoreConfused(
                f"{self.client.host} does not answer as WordPress does at /wp-json/ (status {answer.status}). Is this "
                "the store's address, and are its permalinks set to anything but “plain”?"
            )
        if "wc/v3" not in index["namespaces"]:
            raise StoreConfused(f"{self.client.host} is WordPress, but WooCommerce's REST API v3 is not there.")
        return index

    # Reading

    async def read(self, resource: Resource, since: datetime | None, position: Position | None) -> AsyncIterator[Page]:
        if resource == "customers":
            pages = self._walk(resource, _ALL[resource], position) if since is None else self._read_new_customers(since)
        elif since is not None:
            # UTC without a Z: with one, dates_are_gmt means something else. The bound itself is not included.
            pages = self._walk(resource, _ALL[resource] | {"modified_after": _gmt(since), **_IN_GMT}, position)
        elif resource == "orders":
            pages = self._walk_back(_ALL[resource], position)
        else:
            pages = self._walk(resource, _ALL[resource], position)
        async for rows, answer, after in pages:
            total = after.get("total", _total(answer))
            yield await self._complete(resource, rows, Page([], after, answer.at, total))

    async def _read_new_customers(self, since: datetime) -> AsyncIterator[_Rows]:
        """Newest first, as far back as they registered before: customers cannot be asked for by their changes."""
        order = {"orderby": "registered_date", "order": "desc"}
        for number in range(1, MOST_PAGES):
            answer = await self._get("customers", {**_ALL["customers"], **order, "per_page": PAGE, "page": number})
            rows = _rows(answer)
            yield rows, answer, {}
            if len(rows) < PAGE or _moment(rows[-1].get("date_created_gmt")) <= since - _LOOKS_BACK:
                return

    async def _complete(self, resource: Resource, rows: list[Payload], page: Page) -> Page:
        """With the variations of products, and the refunds that orders do not list."""
        if resource == "orders":
            await self._complete_refunds(rows)
        page.raws = [Raw(resource.removesuffix("s"), row) for row in rows]
        variable = [row for row in rows if row.get("type") == "variable"]
        for row, found in zip(
            variable, await _gather([self._read_variations(str(row["id"])) for row in variable]), strict=True
        ):
            page.raws += [Raw("variation", each) for each in found]
            page.children[str(row["id"])] = [str(each["id"]) for each in found]
        return page

    async def _read_variations(self, product_id: str) -> list[Payload]:
        path = f"products/{product_id}/variations"
        found = [row async for rows, _, _ in self._walk(path, {}, None) for row in rows]
        # Versions before 8 leave the parent to a link.
        return [{"parent_id": int(product_id), **row} for row in found]

    async def _complete_refunds(self, rows: list[Payload]) -> None:
        """Some versions list no refunds with their orders: one that is all refunded gives them away."""
        if not self.traits.get("refunds_apart"):
            suspect = next((row for row in rows if row.get("status") == "refunded" and not row.get("refunds")), None)
            if suspect is None or not await self._add_refunds(suspect):
                return
            self.traits["refunds_apart"] = True
        await _gather([self._add_refunds(row) for row in rows if not row.get("refunds")])

    async def _add_refunds(self, order: Payload) -> bool:
        """In the shape in which an order lists them."""
        path = f"orders/{order['id']}/refunds"
        found = [row async for rows, _, _ in self._walk(path, {}, None) for row in rows]
        order["refunds"] = [
            {"id": refund.get("id"), "reason": refund.get("reason", ""), "total": f"-{refund.get('amount', '0')}"}
            for refund in sorted(found, key=lambda each: int(each["id"]), reverse=True)
        ]
        return bool(found)

    async def _walk_back(self, parameters: Payload, position: Position | None) -> AsyncIterator[_Rows]:
        """Orders by windows of the time they were placed, which does not change, the newest window first.

        So the newest are here first, and no page lies deep in a list of millions: a store skips what is before it. The
        newest window has no end, for orders that are dated ahead.
        """
        is_newest = True
        if position is None:
            first = await self._get("orders", {**parameters, "orderby": "date", "order": "asc", "per_page": 1})
            rows = _rows(first)
            span, before, total = FIRST_WINDOW, first.at + _LOOKS_BACK, _total(first)
            oldest = _moment(rows[0].get("date_created_gmt")) if rows else before
            if not rows:
                yield [], first, {}
        elif "days" in position:
            span, before = timedelta(days=position["days"]), datetime.fromisoformat(position["before"])
            oldest, total, is_newest = datetime.fromisoformat(position["oldest"]), position["total"], position["newest"]
        if (position is not None and "days" not in position) or not _EARLIEST < oldest <= before:
            # Orders without a date stand in no window.
            async for page in self._walk("orders", parameters, position):
                yield page
            return
        while before > oldest:
            start = before - span
            window = {"after": _gmt(start - timedelta(seconds=1)), **_IN_GMT}
            if not is_newest:
                window["before"] = _gmt(before)
            mark = {
                "days": span.days,
                "before": before.isoformat(),
                "newest": is_newest,
                "oldest": oldest.isoformat(),
                "total": total,
            }
            seen = 0
            try:
                async for rows, answer, after in self._walk("orders", parameters | window, position):
                    seen += len(rows)
                    yield rows, answer, mark | after
            except StoreUnavailable:
                if span <= SMALLEST_WINDOW:
                    raise
                span, position = max(span / 2, SMALLEST_WINDOW), None
                continue
            before, position, is_newest = start, None, False
            if seen < FEW_IN_WINDOW:
                span *= 2
            elif seen > MANY_IN_WINDOW:
                span = max(span / 2, SMALLEST_WINDOW)

    async def _walk(self, path: str, parameters: Mapping[str, Any], position: Position | None) -> AsyncIterator[_Rows]:
        """A list by ascending id, each row once; see the head of this module."""
        last = int((position or {}).get("last_id", 0))
        offset = int((position or {}).get("offset", 0))
        step, seen = 1, None
        while True:
            start = max(offset - step, 0) if last else offset
            answer = await self._get(
                path, {**parameters, "orderby": "id", "order": "asc", "per_page": PAGE, "offset": start}
            )
            rows = _rows(answer)
            ids = [int(row["id"]) for row in rows]
            if ids != sorted(ids):
                raise StoreConfused(
                    f"{self.client.host} does not give its {path} in order of id, though it was asked to."
                )
            if last and start and (not ids or ids[0] > last):
                step *= 4
                continue
            new = [row for row in rows if int(row["id"]) > last]
            if ids and ids == seen:
                raise StoreConfused(
                    f"{self.client.host} gives the same page of {path} again and again: it does not heed which page it "
                    "is asked for. A cache or a plugin of the store may be the reason."
                )
            seen, step, offset = ids, 1, start + len(rows)
            if new:
                last = int(new[-1]["id"])
            yield new, answer, {"last_id": last, "offset": offset}
            if len(rows) < PAGE:
                return

    # Reading again

    async def read_again(self, resource: Resource, external_ids: Sequence[str]) -> Found:
        found = Found([], [])
        for answered in await _gather([self._read_one(resource, each) for each in external_ids]):
            found.raws += answered.raws
            found.gone += answered.gone
            found.children |= answered.children
            found.failed |= answered.failed
        return found

    async def _read_one(self, resource: Resource, external_id: str) -> Found:
        try:
            answer = await self._get(f"{resource}/{external_id}", missing_is_gone=True)
        except StoreConfused as error:
            return Found([], [], failed={external_id: str(error)})
        payload = answer.payload
        if answer.status == HTTPStatus.NOT_FOUND:
            return Found([], [external_id])
        if not isinstance(payload, dict):
            return Found([], [], failed={external_id: f"{self.client.host} answered no record"})
        if payload.get("status") == "trash":
            return Found([Raw("order", payload)] if resource == "orders" else [], [external_id])
        if resource == "orders" and not payload.get("refunds"):
            await self._add_refunds(payload)
        raws, children = [Raw(resource.removesuffix("s"), payload)], {}
        if payload.get("type") == "variable":
            variations = await self._read_variations(external_id)
            raws += [Raw("variation", each) for each in variations]
            children[external_id] = [str(each["id"]) for each in variations]
        return Found(raws, [], children)

    # Sweeping

    async def sweep(self, resource: Resource, position: Position | None) -> AsyncIterator[Listing]:
        if resource == "orders":
            fields = "id,status,total,currency,date_created_gmt"
            if not self.traits.get("refunds_apart"):
                fields += ",refunds"
            pages = self._walk_back(_ALL[resource] | {"_fields": fields}, position)
        else:
            fields = "id,variations" if resource == "products" else "id"
            pages = self._walk(resource, _ALL[resource] | {"_fields": fields}, position)
        async for rows, answer, after in pages:
            yield Listing([each for row in rows for each in _list(row)], after, answer.at, _total(answer))

    # Asking

    async def _get(
        self, path: str, parameters: Mapping[str, Any] | None = None, *, missing_is_gone: bool = False
    ) -> Answer:
        used_header = self.client.http.base_url.scheme == "https" and "auth" not in self.traits
        answer = await self._ask(path, parameters)
        # Also what is said to a right key whose header the host has dropped.
        if used_header and _code(answer) == "woocommerce_rest_cannot_view":
            self.traits["auth"] = "query"
            answer = await self._ask(path, parameters)
            if answer.status == HTTPStatus.UNAUTHORIZED:
                self.traits.pop("auth", None)
        if answer.status == HTTPStatus.OK or (missing_is_gone and _is_gone(answer)):
            return answer
        raise self._explain(path, answer)

    async def _ask(self, path: str, parameters: Mapping[str, Any] | None) -> Answer:
        auth: httpx.Auth
        if self.client.http.base_url.scheme == "http":
            auth = _OAuth(self.key, self.secret)
        elif self.traits.get("auth") == "query":
            auth = _QueryKeys(self.key, self.secret)
        else:
            auth = httpx.BasicAuth(self.key, self.secret)
        return await self.client.ask("GET", f"{_API}/{path}", params=parameters, auth=auth)

    def _explain(self, path: str, answer: Answer) -> StoreError:
        host, code, said = self.client.host, _code(answer), _message(answer)
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            if code == "woocommerce_rest_authentication_error":
                return StoreRefused(_explain_authentication(host, said))
            is_plain = self.client.http.base_url.scheme == "http"
            hint = " If the store can be reached by https, give that address." if is_plain else ""
            return StoreRefused(
                f"{host} refuses the consumer key for {path} ({said}). Make a key with read permission in WooCommerce "
                f"under Settings, Advanced, REST API, as a user who may see its customers.{hint}"
            )
        if code == "rest_no_route":
            return StoreConfused(f"{host} has no {_API}/{path}: WooCommerce is not active there, or too old.")
        return StoreConfused(f"{host} answered {answer.status} to {path}: {said or 'without a reason'}.")


def _explain_authentication(host: str, said: str) -> str:
    lowered = said.lower()
    if "consumer key is invalid" in lowered:
        return f"{host} does not know the consumer key ({said}). Make a new one under Settings, Advanced, REST API."
    if "signature" in lowered:
        return (
            f"{host} does not accept our signature ({said}): the consumer secret is wrong, or the site calls itself "
            "otherwise than the address that was given, which has to be the Site Address of its general settings."
        )
    return f"{host} knows the consumer key but not the secret with it ({said})."


@asynccontextmanager
async def open_woocommerce(
    base_url: str,
    credentials: Mapping[str, str],
    traits: Mapping[str, Any],
    options: HttpOptions,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[WooCommerce]:
    bucket = TokenBucket(REQUESTS_A_SECOND, BURST)
    async with open_client(base_url, options, bucket, transport=transport) as client:
        yield WooCommerce(client, credentials["consumer_key"], credentials["consumer_secret"], dict(traits))


async def _gather(readers: Sequence[Any]) -> list[Any]:
    """A few at a time, in their order."""
    turns = asyncio.Semaphore(CHILDREN_AT_A_TIME)

    async def wait_for(reader: Any) -> Any:
        async with turns:
            return await reader

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(wait_for(reader)) for reader in readers]
    except* StoreError as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _rows(answer: Answer) -> list[Payload]:
    rows = answer.payload
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and str(row.get("id", "")).isdigit() for row in rows
    ):
        raise StoreConfused("The store answered a list without ids, which is not WooCommerce's.")
    return rows


def _is_gone(answer: Answer) -> bool:
    """Only by WooCommerce's own word: without the plugin, or behind a broken host, everything is 404."""
    return answer.status == HTTPStatus.NOT_FOUND and _code(answer).endswith("_invalid_id")


def _total(answer: Answer) -> int | None:
    given = answer.headers.get("x-wp-total", "")
    return int(given) if given.isdigit() else None


def _code(answer: Answer) -> str:
    return str(answer.payload.get("code", "")) if isinstance(answer.payload, dict) else ""


def _message(answer: Answer) -> str:
    return str(answer.payload.get("message", "")) if isinstance(answer.payload, dict) else ""


def _moment(given: Any) -> datetime:
    try:
        return datetime.fromisoformat(str(given)).replace(tzinfo=UTC)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)


def _gmt(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def _money(given: Any) -> Decimal | None:
    try:
        return Decimal(str(given))
    except InvalidOperation:
        return None


def _list(row: Payload) -> Iterator[Listed]:
    """A product, each of its variations, a customer, or an order that is more than a cart."""
    if row.get("status") in _UNFINISHED:
        return
    refunds, placed_at = row.get("refunds"), row.get("date_created_gmt")
    yield Listed(
        external_id=str(row["id"]),
        status=str(row["status"]) if "status" in row else None,
        currency=str(row["currency"]) if row.get("currency") else None,
        total=_money(row["total"]) if "total" in row else None,
        placed_at=_moment(placed_at) if placed_at else None,
        refunded=_sum_refunds(refunds) if isinstance(refunds, list) else None,
    )
    for variation_id in row.get("variations") or []:
        yield Listed(external_id=str(variation_id))


def _sum_refunds(refunds: list[Payload]) -> Decimal:
    return sum((abs(_money(refund.get("total")) or Decimal(0)) for refund in refunds), Decimal(0))


def _time_zone(index: Payload) -> str | None:
    """Its name, or its distance from UTC where the site was given no name."""
    if name := index.get("timezone_string"):
        return str(name)
    try:
        minutes = round(float(index["gmt_offset"]) * 60)
    except (KeyError, TypeError, ValueError):
        return None
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
