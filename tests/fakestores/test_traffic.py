"""Life in a store goes on without breaking anything in it."""

from collections import Counter
from decimal import Decimal

import pytest

from fakestores.clock import Clock
from fakestores.generate import generate
from fakestores.shop import Shop
from fakestores.traffic import Traffic
from fakestores.webhooks import ShopifyWebhooks, WooWebhooks
from fakestores.woocommerce.payloads import View, build_order
from fakestores.woocommerce.webhooks import TOPICS
from tests.fakestores.conftest import NOON


def run(seed: int) -> tuple[Shop, Counter[str]]:
    shop = generate(1, orders=60, years=1, until=NOON, clock=Clock(NOON))
    traffic, happened = Traffic(shop, seed), Counter[str]()
    for _ in range(300):
        shop.clock.advance(30)
        happened[traffic.step()] += 1
    return shop, happened


def test_a_day_is_the_same_for_a_seed():
    (first, happened), (second, _) = run(4), run(4)
    assert repr(first.orders) == repr(second.orders)
    assert repr(first.orders) != repr(run(5)[0].orders)
    assert len(happened) == 7


def test_orders_still_add_up():
    shop, _ = run(4)
    view = View(shop, "https://shop.example")
    for order in shop.orders.values():
        row = build_order(view, order)
        lines = sum(Decimal(line["total"]) + Decimal(line["total_tax"]) for line in row["line_items"])
        others = [*row["shipping_lines"], *row["fee_lines"]]
        assert lines + sum(Decimal(each["total"]) + Decimal(each["total_tax"]) for each in others) == order.total
        assert order.refunded <= order.total


@pytest.mark.parametrize("kind", ["woocommerce", "shopify"])
def test_it_is_told_of(kind: str):
    shop = generate(1, orders=60, years=1, until=NOON, clock=Clock(NOON))
    hooks: WooWebhooks | ShopifyWebhooks = ShopifyWebhooks(shop) if kind == "shopify" else WooWebhooks(shop)
    if isinstance(hooks, ShopifyWebhooks):
        hooks.subscribe_all("https://receiver.example")
    else:
        for topic in TOPICS:
            hooks.subscribe(topic, "https://receiver.example")
    traffic = Traffic(shop, 2)
    for _ in range(200):
        traffic.step()
    assert len({delivery.topic for delivery in hooks.take()}) >= 5
