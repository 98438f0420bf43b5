"""Which connector and which format a platform has. Another platform is another entry here."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from app.connectors.base import Connector, Raw, Resource
from app.connectors.client import HttpOptions
from app.connectors.shopify import open_shopify
from app.connectors.woocommerce import open_woocommerce
from app.database import Database
from app.ingest.formats import shopify_graphql, shopify_json, woocommerce_json
from app.ingest.records import Item
from app.sync import deliveries
from app.sync.deliveries import Meaning
from app.websites.models import Platform, SourceKind, Website
from app.websites.vault import Vault


class Open(Protocol):
    def __call__(
        self,
        base_url: str,
        credentials: Mapping[str, str],
        traits: Mapping[str, Any],
        options: HttpOptions,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> AbstractAsyncContextManager[Connector]: ...


@dataclass(frozen=True)
class StorePlatform:
    """`format` is the name under which rejects are read again.

    `unlisted` are the resources whose changes the store does not list: to find them, all of it has to be read.
    """

    format: str
    open: Open
    parse: Callable[[str, Raw], Iterator[Item]]
    topic_header: str
    signature_header: str
    read_delivery: Callable[[str, bytes], Meaning]
    is_ping: Callable[[Mapping[str, str], bytes], bool] = lambda _headers, _body: False
    unlisted: tuple[Resource, ...] = ()


def _parse_woocommerce(place: str, raw: Raw) -> Iterator[Item]:
    yield woocommerce_json.parse_payload(place, raw.kind, raw.payload)


def _parse_shopify(place: str, raw: Raw) -> Iterator[Item]:
    """Nodes of its GraphQL API, as they are read, or payloads of its webhooks, which are REST's."""
    payload = raw.payload
    if str(payload.get("id")).startswith("gid://"):
        yield from shopify_graphql.parse_node(place, payload)
    else:
        yield from shopify_json.parse_any(place, raw.kind, payload)


PLATFORMS: dict[Platform, StorePlatform] = {
    Platform.WOOCOMMERCE: StorePlatform(
        "woocommerce_json",
        open_woocommerce,
        _parse_woocommerce,
        topic_header="x-wc-webhook-topic",
        signature_header="x-wc-webhook-signature",
        read_delivery=deliveries.read_woocommerce,
        is_ping=deliveries.is_woocommerce_ping,
        unlisted=("customers",),
    ),
    Platform.SHOPIFY: StorePlatform(
        "shopify_bulk_jsonl",
        open_shopify,
        _parse_shopify,
        topic_header="x-shopify-topic",
        signature_header="x-shopify-hmac-sha256",
        read_delivery=deliveries.read_shopify,
    ),
}

KINDS: dict[Resource, SourceKind] = {
    "customers": SourceKind.CONSUMER,
    "products": SourceKind.PRODUCT,
    "orders": SourceKind.ORDER,
}
"""What the ids of a resource are ids of, in `source_records`."""


@dataclass(frozen=True)
class SyncContext:
    """What following stores needs of the process it runs in."""

    database: Database
    vault: Vault
    default_currency: str = "USD"
    batch_size: int = 1_000
    http: HttpOptions = field(default_factory=HttpOptions)
    transports: Mapping[str, httpx.AsyncBaseTransport] = field(default_factory=dict)
    """In place of real connections, by the name of the website."""


def platform_of(website: Website) -> StorePlatform:
    return PLATFORMS[Platform(str(website.platform))]


@asynccontextmanager
async def open_store(context: SyncContext, website: Website) -> AsyncIterator[Connector]:
    """Its connector, with the credentials unsealed. Raises ConfigurationError where no key opens them."""
    assert website.base_url is not None
    assert website.credentials is not None
    credentials = context.vault.unseal(website.credentials)
    transport = context.transports.get(website.name)
    traits = website.traits | ({"api_version": website.api_version} if website.api_version else {})
    opening = platform_of(website).open(website.base_url + "/", credentials, traits, context.http, transport=transport)
    async with opening as store:
        yield store


def learned_of(store: Connector) -> dict[str, Any]:
    """What it has found out, without what it was told."""
    return {name: value for name, value in store.traits.items() if name != "api_version"}


def parse_all(platform: StorePlatform, raws: list[Raw]) -> list[Item]:
    """Each has its kind and the store's own id for a place."""
    return [item for raw in raws for item in platform.parse(f"{raw.kind} {raw.payload.get('id', '?')}", raw)]
