"""`python -m fakestores`: generated stores on this machine, with their addresses and keys on standard output.

Each store is told of in one line of JSON. With --busy its life goes on, and with --webhooks it tells of it: Shopify
all topics at once, WooCommerce what its API was asked for and all topics at the given address.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
from starlette.applications import Starlette

from fakestores import shopify, woocommerce
from fakestores.clock import Clock
from fakestores.deliveries import Delivery, send
from fakestores.faults import Faults
from fakestores.generate import generate
from fakestores.server import address_of, listen, serve
from fakestores.shop import Shop
from fakestores.shopify.bulk import BulkOperations
from fakestores.traffic import Traffic
from fakestores.webhooks import ShopifyWebhooks, WooWebhooks
from fakestores.woocommerce.webhooks import TOPICS

_FAULTS = {"none": 0.0, "light": 0.05, "heavy": 0.3}
_WEBHOOK_SECRET = "whsec-test"  # noqa: S105 - printed for whoever is to check the signatures


def main(arguments: Sequence[str] | None = None) -> None:
    asyncio.run(_run(_parse(arguments)))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m fakestores", description="Serve generated test stores on the loopback."
    )
    parser.add_argument("--platform", action="append", choices=("woocommerce", "shopify"), help="may be given twice")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--customers", type=int)
    parser.add_argument("--years", type=float, default=2.0)
    parser.add_argument("--currency", default="BDT")
    parser.add_argument("--time-zone", default="Asia/Dhaka")
    parser.add_argument("--port", type=int, default=0, help="of the first store; the others follow. 0 takes free ones")
    parser.add_argument("--storage", choices=("posts", "hpos"), default="hpos", help="of WooCommerce's orders")
    parser.add_argument("--faults", choices=tuple(_FAULTS), default="none")
    parser.add_argument("--busy", type=float, default=0.0, metavar="N", help="things that happen in a minute")
    parser.add_argument("--webhooks", metavar="URL", help="where all deliveries go")
    parser.add_argument("--seconds", type=float, help="stop by itself after so long")
    return parser.parse_args(arguments)


async def _run(options: argparse.Namespace) -> None:
    served = []
    hooks: list[WooWebhooks | ShopifyWebhooks] = []
    async with httpx.AsyncClient(timeout=5) as client:
        for number, platform in enumerate(options.platform or ["woocommerce"]):
            shop = _generate(options, options.seed + number, platform)
            listener = listen(options.port + number if options.port else 0)
            faults = Faults(seed=options.seed, rate=_FAULTS[options.faults]) if options.faults != "none" else None
            url = address_of(listener)
            build = _build_woocommerce if platform == "woocommerce" else _build_shopify
            app, webhooks, keys = build(shop, url, faults, options, client)
            served.append((app, listener))
            hooks.append(webhooks)
            _tell({"platform": platform, "url": url, "orders": len(shop.orders), **keys})
        life = [asyncio.create_task(_live(each, options, client)) for each in hooks]
        life += [asyncio.create_task(_write_files(app)) for app, _ in served if hasattr(app.state, "store")]
        await serve(served, seconds=options.seconds)
        for task in life:
            task.cancel()
        await asyncio.gather(*life, return_exceptions=True)


def _generate(options: argparse.Namespace, seed: int, platform: str) -> Shop:
    return generate(
        seed,
        orders=options.orders,
        customers=options.customers,
        years=options.years,
        currency=options.currency,
        time_zone=options.time_zone,
        until=datetime.now(UTC).replace(microsecond=0),
        clock=Clock(),
        first_id=4_500_000_000_001 if platform == "shopify" else 1,
    )


def _build_woocommerce(
    shop: Shop, url: str, faults: Faults | None, options: argparse.Namespace, client: httpx.AsyncClient
) -> tuple[Starlette, WooWebhooks, dict[str, Any]]:
    async def deliver(delivery: Delivery) -> None:
        await send([delivery], client)

    webhooks = WooWebhooks(shop, base_url=url)
    app = woocommerce.create_app(
        shop, faults=faults, tls=True, storage=options.storage, webhooks=webhooks, deliver=deliver
    )
    if options.webhooks:
        for topic in TOPICS:
            webhooks.subscribe(topic, options.webhooks, _WEBHOOK_SECRET)
    keys = {"consumer_key": woocommerce.KEY, "consumer_secret": woocommerce.SECRET, "webhook_secret": _WEBHOOK_SECRET}
    return app, webhooks, keys


def _build_shopify(
    shop: Shop, url: str, faults: Faults | None, options: argparse.Namespace, _: httpx.AsyncClient
) -> tuple[Starlette, ShopifyWebhooks, dict[str, Any]]:
    domain, client = url.removeprefix("http://"), ("client-id", "client-secret")
    webhooks = ShopifyWebhooks(shop, domain=domain, client_secret=client[1])
    app = shopify.create_app(shop, faults=faults, domain=domain, client=client, webhooks=webhooks)
    if options.webhooks:
        webhooks.subscribe_all(options.webhooks)
    return app, webhooks, {"access_token": shopify.TOKEN, "client_id": client[0], "client_secret": client[1]}


async def _live(
    webhooks: WooWebhooks | ShopifyWebhooks, options: argparse.Namespace, client: httpx.AsyncClient
) -> None:
    """Things happen, and are told of about a second later; nothing does until somebody is there to be told."""
    await _wait_for_receiver(options.webhooks, client)
    traffic, due = Traffic(webhooks.shop, options.seed), 0.0
    while True:
        due += options.busy / 60
        while due >= 1:
            traffic.step()
            due -= 1
        await send(webhooks.take(), client, report=webhooks.report)
        await asyncio.sleep(1)


async def _write_files(app: Starlette) -> None:
    """Bulk operations get on, with pauses for requests between."""
    bulk: BulkOperations = app.state.store.bulk
    while True:
        bulk.work(0.2)
        await asyncio.sleep(0.05)


async def _wait_for_receiver(url: str | None, client: httpx.AsyncClient) -> None:
    """Until it answers anything: deliveries that fail would soon switch the webhooks off."""
    while url is not None:
        try:
            await client.get(url, timeout=600)  # a server that is starting takes the request, and answers later
        except httpx.HTTPError:
            await asyncio.sleep(1)
        else:
            return


def _tell(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
