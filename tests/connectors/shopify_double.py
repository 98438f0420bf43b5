"""A fake Shopify store and its connector, and what is read through it."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx

from app.connectors import shopify as connector
from app.connectors.base import Page, Position, Resource
from app.connectors.client import HttpOptions, Patience
from app.connectors.shopify import Shopify, open_shopify
from app.ingest.formats import shopify_graphql
from app.ingest.records import Item, OrderRecord, Parsed
from fakestores import shopify
from fakestores.faults import Faults
from fakestores.shop import Shop
from fakestores.shopify import Bucket
from tests.sync.conftest import BEGINNING, IMPATIENT

ADDRESS = "https://rise.myshopify.com/"
TOKEN = {"access_token": shopify.TOKEN}
CLIENT = {"client_id": "the client", "client_secret": "a secret"}
LONG_AGO = BEGINNING - timedelta(days=900)
RICH = 1e9


class Double:
    """A fake store and how it is opened."""

    def __init__(self, shop: Shop, **behaviour: Any) -> None:
        self.faults = behaviour.pop("faults", Faults())
        behaviour.setdefault("bucket", Bucket(size=RICH, restore_rate=RICH))
        self.app = shopify.create_app(shop, faults=self.faults, client=("the client", "a secret"), **behaviour)
        self.shop, self.store = shop, self.app.state.store
        self.transport = Recording(httpx.ASGITransport(self.app))

    @asynccontextmanager
    async def open(
        self, credentials: dict[str, str] = TOKEN, patience: Patience = IMPATIENT, **traits: Any
    ) -> AsyncIterator[Shopify]:
        options = HttpOptions(patience=patience)
        async with open_shopify(ADDRESS, credentials, traits, options, transport=self.transport) as store:
            yield store

    @property
    def asked(self) -> int:
        return sum(count for path, count in self.faults.requests.items() if path.endswith("graphql.json"))


class Recording(httpx.AsyncBaseTransport):
    """Keeps what was asked, and which answers were refused for want of points."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.requests: list[httpx.Request] = []
        self.throttled: list[bool] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        response = await self.inner.handle_async_request(request)
        await response.aread()
        self.throttled.append(b'"code":"THROTTLED"' in response.content)
        return httpx.Response(
            response.status_code,
            headers=[pair for pair in response.headers.raw if pair[0] != b"content-length"],
            content=response.content,
        )


def stock(shop: Shop, orders: int = 3, lines: int = 1) -> list[Any]:
    mug = shop.add_product("Enamel mug", "12.50", sku="MUG", stock=4000)
    shop.add_product(
        "Shirt",
        "20.00",
        variations=[{"options": {"Size": size}, "price": "20.00", "sku": f"SHIRT-{size}"} for size in "SL"],
    )
    jane = shop.add_customer("jane@example.com", "Jane", "Doe")
    placed = []
    for number in range(orders):
        shop.clock.advance(60)
        by: dict[str, Any] = {"customer": jane} if number % 2 == 0 else {"email": f"guest{number}@example.com"}
        placed.append(shop.place_order([(mug.id, 1 + number % 3)] * lines, **by))
    return placed


async def read(
    store: Shopify, resource: Resource, since: datetime | None = LONG_AGO, position: Position | None = None
) -> list[Page]:
    return [page async for page in store.read(resource, since, position)]


def ids(pages: Iterable[Page]) -> list[str]:
    return [connector._number(raw.payload["id"]) for page in pages for raw in page.raws]


def records(pages: Iterable[Page]) -> list[Any]:
    items: list[Item] = [
        item for page in pages for raw in page.raws for item in shopify_graphql.parse_node("x", raw.payload)
    ]
    assert all(isinstance(item, Parsed) for item in items), items
    return [item.record for item in items if isinstance(item, Parsed)]


def orders_of(pages: Iterable[Page]) -> dict[str, OrderRecord]:
    return {record.key: record for record in records(pages)}
