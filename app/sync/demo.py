"""A demonstration: two fake stores with years of history, read into an empty database, and the server over them."""

import asyncio
import importlib.util
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import text

from app.auth.schemas import AdminCreate
from app.auth.service import register_admin
from app.config import ConfigurationError, Environment, Settings, resolve_secret_key
from app.database import Database
from app.predictions.baskets.counting import refresh as count_baskets
from app.predictions.commands import predict_now
from app.predictions.jobs import can_predict
from app.predictions.schemas import RunCreate
from app.reports.refreshing import refresh as refresh_reports
from app.runtime.databases import prepared_database
from app.runtime.server import address_of, listen, run_server
from app.sync.commands import sync_now
from app.sync.setup import make_sync_context
from app.websites.schemas import WebsiteCreate
from app.websites.service import register_website
from app.websites.vault import make_vault

ADMIN = "demo"
YEARS = 3.0
HAPPENINGS_A_MINUTE = 20
_FILLED = ("users", "products", "orders", "websites")
_ROOT = Path(__file__).parents[2]


def run_demo(settings: Settings, *, host: str, port: int, orders: int) -> None:
    """Until a signal ends it. Raises ConfigurationError where the database holds anything."""
    if settings.environment == Environment.PRODUCTION:
        raise ConfigurationError(
            "The demonstration fills a database with invented shops; it never does so in production."
        )
    if not all(importlib.util.find_spec(module) for module in ("fakestores", "graphql")):
        raise ConfigurationError("The fake stores are in the checkout alone: run `make demo` there.")
    settings = settings.model_copy(update={"allow_private_addresses": True})
    with listen(host, port) as listener, prepared_database(settings) as database, ExitStack() as stores:
        asyncio.run(_refuse_filled(database.url))
        address = address_of(listener)
        print("Inventing two shops …", flush=True)
        # A sixth as many consumers as orders; the second shop is a quarter of the first.
        sailor = stores.enter_context(_fake_store("shopify", orders, f"{address}/api/v1/webhooks/sailor"))
        rise = stores.enter_context(_fake_store("woocommerce", orders // 4, f"{address}/api/v1/webhooks/rise"))
        key = resolve_secret_key(settings, database.data_dir)
        password = asyncio.run(_fill(settings, database.url, key, {"sailor": sailor, "rise": rise}))
        print(
            f"Sailor (Shopify) is {sailor['url']}, Rise (WooCommerce) is {rise['url']}. Orders keep coming in.",
            f"API      {address}/api/v1",
            f"Docs     {address}/docs",
            f"Data     {database.place}",
            f"Console  {address}/console  as {ADMIN} with the password {password}",
            sep="\n",
            flush=True,
        )
        ready = settings.model_copy(update={"secret_key": SecretStr(key)})
        run_server(ready, database, listener, workers=1)


async def _refuse_filled(url: str) -> None:
    database = Database(url)
    async with database.reads() as session:
        filled = [table for table in _FILLED if await session.scalar(text(f"SELECT EXISTS (SELECT 1 FROM {table})"))]
    await database.dispose()
    if filled:
        raise ConfigurationError(
            f"The database holds {', '.join(filled)} already, and the demonstration mixes its own with nobody's. Give "
            "it another one: DATA_DIR=/tmp/demo make demo."
        )


@contextmanager
def _fake_store(platform: str, orders: int, webhooks: str) -> Iterator[dict[str, Any]]:
    """Its address and keys."""
    arguments = [
        *("--platform", platform, "--orders", str(orders), "--customers", str(max(1, orders // 6))),
        *("--years", str(YEARS), "--currency", "BDT", "--busy", str(HAPPENINGS_A_MINUTE), "--webhooks", webhooks),
    ]
    command = [sys.executable, "-m", "fakestores", *arguments]
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603 — our own
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise ConfigurationError(f"The fake {platform} store did not start.")
        yield json.loads(line)
    finally:
        process.terminate()
        process.wait(timeout=30)


async def _fill(settings: Settings, url: str, secret_key: str, stores: Mapping[str, Mapping[str, Any]]) -> str:
    """The password of the admin that it makes."""
    password = secrets.token_urlsafe(9)
    database = Database(url, pool_size=settings.database_pool_size)
    vault = database.info["vault"] = make_vault(settings, secret_key)
    sync = make_sync_context(settings, database, vault)
    async with database.sessions.begin() as session:
        admin = AdminCreate(username=ADMIN, email=f"{ADMIN}@example.com", password=SecretStr(password))
        await register_admin(session, admin)
        for name, store in stores.items():
            await register_website(session, vault, _describe(name, store))
    await sync_now(sync, list(stores), "changes")
    print("Counting what is bought together, and predicting …", flush=True)
    await count_baskets(database)
    await refresh_reports(database)
    if can_predict():
        await predict_now(database, RunCreate())
    await database.dispose()
    return password


def _describe(name: str, store: Mapping[str, Any]) -> WebsiteCreate:
    is_shopify = store["platform"] == "shopify"
    keys = ("client_id", "client_secret") if is_shopify else ("consumer_key", "consumer_secret")
    return WebsiteCreate.model_validate(
        {
            "name": name,
            "platform": store["platform"],
            "base_url": store["url"],
            "credentials": {key: store[key] for key in keys},
            "webhook_secret": store["client_secret"] if is_shopify else store["webhook_secret"],
            "schedule": "*/5 * * * *",
        }
    )
