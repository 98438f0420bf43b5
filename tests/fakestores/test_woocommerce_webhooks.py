"""What a WooCommerce store sends, and what it keeps to itself."""

import base64
import hashlib
import hmac
import json
from random import Random
from typing import Any

import httpx
import pytest

from fakestores.deliveries import Delivery, delay, duplicate, send, shuffle
from fakestores.shop import Shop
from fakestores.webhooks import WooWebhooks
from fakestores.woocommerce import create_app
from fakestores.woocommerce.webhooks import TOPICS
from tests.fakestores.conftest import Connect

URL = "https://receiver.example/webhooks/woo?store=1"


@pytest.fixture
def webhooks(shop: Shop) -> WooWebhooks:
    webhooks = WooWebhooks(shop)
    for topic in TOPICS:
        webhooks.subscribe(topic, URL, "whsec-test")
    assert [delivery.topic for delivery in webhooks.take()] == ["ping"] * len(TOPICS)
    return webhooks


def told(deliveries: list[Delivery]) -> list[tuple[str, int]]:
    return [(delivery.topic, json.loads(delivery.body).get("id")) for delivery in deliveries]


def test_signatures(shop: Shop, webhooks: WooWebhooks):
    shop.add_product("জামদানি / শাড়ি")
    (delivery,) = webhooks.take()
    expected = base64.b64encode(hmac.new(b"whsec-test", delivery.body, hashlib.sha256).digest()).decode()
    assert delivery.headers["X-WC-Webhook-Signature"] == expected
    assert delivery.path == "/webhooks/woo?store=1"
    assert b"\\u099c" in delivery.body
    assert b"\\/" in delivery.body


def test_one_new_order_is_told_twice(shop: Shop, webhooks: WooWebhooks):
    order = shop.place_order([], email="g@example.net")
    assert told(webhooks.take()) == [("order.created", order.id), ("order.updated", order.id)]


def test_a_payload_is_of_the_time_it_is_sent(shop: Shop, webhooks: WooWebhooks):
    order = shop.place_order([], status="pending")
    shop.set_order_status(order.id, "completed")
    created, updated = webhooks.take()
    assert json.loads(created.body)["status"] == json.loads(updated.body)["status"] == "completed"
    assert webhooks.take() == []


def test_deliveries_of_one_second_share_their_id(shop: Shop, webhooks: WooWebhooks):
    orders = [shop.place_order([]).id for _ in range(3)]
    webhooks.take()
    for id in orders:
        shop.set_order_status(id, "completed")
    assert len({delivery.headers["X-WC-Webhook-Delivery-ID"] for delivery in webhooks.take()}) == 1
    shop.clock.advance(1)
    shop.set_order_status(orders[0], "refunded")
    assert len(webhooks.take()) == 1


def test_what_is_told_of_an_end(shop: Shop, webhooks: WooWebhooks):
    trashed, forced, queued = (shop.place_order([]).id for _ in range(3))
    customer, product = shop.add_customer("a@example.com"), shop.add_product("A")
    webhooks.take()
    shop.set_order_status(queued, "completed")
    shop.trash_order(trashed)
    shop.force_delete_order(forced)
    shop.force_delete_order(queued)
    shop.trash_product(product.id)
    shop.delete_customer(customer.id)
    deliveries = webhooks.take()
    assert told(deliveries) == [
        ("order.updated", None),
        ("order.deleted", trashed),
        ("product.deleted", product.id),
        ("customer.deleted", customer.id),
    ]
    error = {"code": "woocommerce_rest_shop_order_invalid_id", "message": "Invalid ID.", "data": {"status": 404}}
    assert json.loads(deliveries[0].body) == error
    assert deliveries[1].body == b'{"id":%d}' % trashed


def test_what_nobody_is_told(shop: Shop, webhooks: WooWebhooks):
    order = shop.place_order([], fees={"Service": "50"})
    refund = shop.refund_order(order.id, "10")
    webhooks.take()
    modified = order.modified_at
    shop.clock.advance(60)
    shop.delete_refund(order.id, refund.id)
    shop.view_order(order.id)
    shop.force_delete_order(order.id)
    assert webhooks.take() == []
    assert order.modified_at == modified


def test_stock_and_variations_come_as_updates_of_products(shop: Shop, webhooks: WooWebhooks):
    counted = shop.add_product("Pencil", stock=5)
    shirt = shop.add_product("Shirt", variations=[{"options": {"Size": "L"}}])
    webhooks.take()
    shop.place_order([(counted.id, 2)])
    assert ("product.updated", counted.id) in told(webhooks.take())
    shop.update_variation(shirt.variations[0].id, price="9")
    own, parent = webhooks.take()
    assert (json.loads(own.body)["type"], json.loads(own.body)["parent_id"]) == ("variation", shirt.id)
    assert json.loads(parent.body)["id"] == shirt.id


def test_the_seventh_failure_in_a_row_disables(shop: Shop, webhooks: WooWebhooks):
    order = shop.place_order([])
    webhooks.take()
    for failures in range(1, 8):
        shop.clock.advance(1)
        shop.set_order_status(order.id, "completed")
        (delivery,) = webhooks.take()
        webhooks.report(delivery, 500)
        status = webhooks.subscriptions[delivery.subscription_id].status
        assert status == ("active" if failures < 7 else "disabled")
    shop.set_order_status(order.id, "completed")
    assert webhooks.take() == []


def test_a_success_forgives(shop: Shop, webhooks: WooWebhooks):
    order = shop.place_order([])
    webhooks.take()
    for status in (500,) * 6 + (200,) + (0,) * 6:
        shop.set_order_status(order.id, "completed")
        webhooks.report(webhooks.take()[0], status)
    assert all(subscription.status == "active" for subscription in webhooks.subscriptions.values())


async def test_registration_sends_a_ping_while_it_runs(shop: Shop, connect: Connect):
    arrived: list[Delivery] = []

    async def deliver(delivery: Delivery) -> None:
        arrived.append(delivery)

    woo = connect(create_app(shop, deliver=deliver))
    wanted = {"topic": "order.updated", "delivery_url": URL, "secret": "s"}
    created = (await woo.post("/wp-json/wc/v3/webhooks", json=wanted)).json()
    assert arrived[0].body == b"webhook_id=%d" % created["id"]
    assert not any(name.startswith("X-WC") for name in arrived[0].headers)
    path = f"/wp-json/wc/v3/webhooks/{created['id']}"
    assert (await woo.put(path, json={"status": "paused"})).json()["status"] == "paused"
    assert (await woo.put(path, json={"status": "active"})).json()["status"] == "active"
    assert len(arrived) == 1
    assert (await woo.delete(path, params={"force": "true"})).status_code == 200
    assert (await woo.get("/wp-json/wc/v3/webhooks")).json() == []
    refused = await woo.post("/wp-json/wc/v3/webhooks", json=wanted | {"topic": "order.eaten"})
    assert refused.status_code == 400


def test_the_road_may_repeat_reorder_and_hold_back(shop: Shop, webhooks: WooWebhooks):
    for _ in range(20):
        shop.add_customer("a@example.com")
    due = webhooks.take()
    random = Random(7)
    doubled = duplicate(due, random, 0.5)
    assert len(doubled) > len(due)
    assert set(map(id, doubled)) == set(map(id, due))
    assert duplicate(due, Random(7), 0.5) == doubled
    assert sorted(map(id, shuffle(due, random))) == sorted(map(id, due))
    now, later = delay(due, random)
    assert sorted(map(id, now + later)) == sorted(map(id, due))


async def test_sending(shop: Shop, webhooks: WooWebhooks):
    arrived: list[httpx.Request] = []

    def receive(request: httpx.Request) -> httpx.Response:
        arrived.append(request)
        return httpx.Response(500 if len(arrived) == 1 else 200)

    shop.add_customer("a@example.com")
    shop.add_customer("b@example.com")
    due = webhooks.take()
    reported: list[tuple[Delivery, Any]] = []
    async with httpx.AsyncClient(transport=httpx.MockTransport(receive)) as client:
        statuses = await send(due, client, report=lambda *args: reported.append(args))
    assert statuses == [500, 200]
    assert [request.content for request in arrived] == [delivery.body for delivery in due]
    assert arrived[0].headers["x-wc-webhook-topic"] == "customer.created"
    assert str(arrived[0].url) == URL
    assert [status for _, status in reported] == [500, 200]
