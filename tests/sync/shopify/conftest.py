"""A fake Shopify store, followed by a database that is rolled back."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.connectors.client import HttpOptions
from app.database import Database
from app.sync.intake import Intake
from app.sync.keys import Receivers
from app.sync.models import Webhook
from app.sync.platforms import SyncContext
from app.websites.schemas import WebsiteCreate
from app.websites.service import register_website
from app.websites.vault import Vault
from fakestores import shopify
from fakestores.deliveries import Delivery
from fakestores.faults import Faults
from fakestores.shop import Shop
from fakestores.shopify import Bucket
from fakestores.webhooks import ShopifyWebhooks
from tests.sync.conftest import IMPATIENT, SECRET_KEY, Followed

SECRET = "the secret of the app"
GRAPHQL = "/admin/api/2026-01/graphql.json"
TOKENS = "/admin/oauth/access_token"


class FollowedShopify(Followed):
    hooks: ShopifyWebhooks

    @property
    def api(self) -> Any:
        return self.context.transports[self.website].app.state.store  # type: ignore[attr-defined]


Follow = Callable[..., Awaitable[FollowedShopify]]


async def follow_shopify(
    database: Database,
    shop: Shop,
    website: str = "rise",
    *,
    faults: Faults | None = None,
    batch_size: int = 1_000,
    **behaviour: Any,
) -> FollowedShopify:
    """Register it, with webhooks at every topic; `behaviour` is what the fake store can be told to be like."""
    faults = faults or Faults()
    hooks = ShopifyWebhooks(shop, client_secret=SECRET)
    hooks.subscribe_all("https://here.example/api/v1/webhooks/rise")
    behaviour.setdefault("bucket", Bucket(size=1e9, restore_rate=1e9))
    app = shopify.create_app(
        shop, token=None, client=("id of the app", SECRET), faults=faults, webhooks=hooks, **behaviour
    )
    context = SyncContext(
        database=database,
        vault=Vault([SECRET_KEY]),
        batch_size=batch_size,
        http=HttpOptions(patience=IMPATIENT),
        transports={website: httpx.ASGITransport(app)},
    )
    data: dict[str, Any] = {
        "name": website,
        "platform": "shopify",
        "base_url": "https://rise.myshopify.com",
        "credentials": {"client_id": "id of the app", "client_secret": SECRET},
        "webhook_secret": SECRET,
    }
    async with context.database.sessions.begin() as session:
        await register_website(session, context.vault, WebsiteCreate.model_validate(data))
    followed = FollowedShopify(context, website, shop, faults)
    followed.hooks = hooks
    return followed


@pytest.fixture
def follow(test_database: Database) -> Follow:
    return partial(follow_shopify, test_database)


@pytest.fixture
def deliver(client: httpx.AsyncClient, app: Any, test_database: Database) -> Any:
    """Post deliveries of the store, and process them; their answers' statuses."""

    async def deliver(rise: FollowedShopify, *deliveries: Delivery) -> list[int]:
        app.state.receivers = Receivers(test_database, rise.context.vault, seconds=0)
        app.state.intake = Intake(test_database)
        statuses = []
        for each in deliveries:
            answer = await client.post("/api/v1/webhooks/rise", content=each.body, headers=dict(each.headers))
            statuses.append(answer.status_code)
        await rise.process_webhooks()
        return statuses

    return deliver


async def kept(session: AsyncSession) -> list[tuple[str, str, str | None]]:
    found = await session.scalars(select(Webhook).order_by(Webhook.id).execution_options(populate_existing=True))
    return [(each.topic, each.status, each.note) for each in found]


async def active_products(query: Any) -> dict[str, bool]:
    return {row["sku"]: row["is_active"] for row in await query("SELECT sku, is_active FROM products")}
