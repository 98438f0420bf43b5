"""Who is let in over which way, and in which words the others are refused."""

import secrets
import time
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fakestores.shop import Shop
from fakestores.woocommerce import create_app
from fakestores.woocommerce.auth import sign
from tests.fakestores.conftest import Connect

ORDERS = "/wp-json/wc/v3/orders"
KEYS = {"consumer_key": "ck_test", "consumer_secret": "cs_test"}


def oauth(home: str, *, secret: str = "cs_test", method: str = "HMAC-SHA256", **query: str) -> dict[str, str]:
    params = query | {
        "oauth_consumer_key": "ck_test",
        "oauth_nonce": secrets.token_hex(8),
        "oauth_signature_method": method,
        "oauth_timestamp": str(int(time.time())),
    }
    return params | {"oauth_signature": sign("GET", f"{home}{ORDERS}", list(params.items()), secret)}


def code(answer: httpx.Response) -> str:
    found: dict[str, Any] = answer.json()
    return str(found["code"]) if answer.status_code == 401 else str(answer.status_code)


async def test_over_tls_both_ways_of_sending_a_key_do(shop: Shop, connect: Connect):
    app = create_app(shop)
    assert (await connect(app).get(ORDERS)).status_code == 200
    assert (await connect(app, auth=None).get(ORDERS, params=KEYS)).status_code == 200


async def test_over_plain_http_a_right_key_is_refused_like_a_wrong_one(shop: Shop, connect: Connect):
    app = create_app(shop)
    for options in ({}, {"auth": None, "params": KEYS}, {"headers": {"X-Forwarded-Proto": "https"}}):
        woo = connect(app, "http://shop.example", **options)
        assert code(await woo.get(ORDERS)) == "woocommerce_rest_cannot_view"


async def test_plain_http_may_be_told_to_count_as_tls(shop: Shop, connect: Connect):
    woo = connect(create_app(shop, tls=True), "http://shop.example")
    assert (await woo.get(ORDERS)).status_code == 200


@pytest.mark.parametrize("options", [{"drops_authorization": True}, {"auth": "query"}])
async def test_a_host_that_drops_the_header(shop: Shop, connect: Connect, options: dict[str, Any]):
    app = create_app(shop, **options)
    assert code(await connect(app).get(ORDERS)) == "woocommerce_rest_cannot_view"
    assert (await connect(app, auth=None).get(ORDERS, params=KEYS)).status_code == 200


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256"])
async def test_oauth_over_plain_http(shop: Shop, connect: Connect, method: str):
    home = "http://shop.example"
    woo = connect(create_app(shop), home, auth=None)
    query = oauth(home, method=method, **{"status[0]": "any", "search": "a b+ü~"})
    assert (await woo.get(ORDERS, params=query)).status_code == 200
    replayed = await woo.get(ORDERS, params=query)
    assert replayed.json()["message"] == "Invalid nonce - nonce has already been used."


async def test_oauth_signs_the_configured_address(shop: Shop, connect: Connect):
    woo = connect(create_app(shop, home_url="http://other.example"), "http://shop.example", auth=None)
    wrong = await woo.get(ORDERS, params=oauth("http://shop.example"))
    assert wrong.json()["message"] == "Invalid signature - provided signature does not match."
    assert (await woo.get(ORDERS, params=oauth("http://other.example"))).status_code == 200


async def test_oauth_in_the_header(shop: Shop, connect: Connect):
    home = "http://shop.example"
    fields = ", ".join(f'{name}="{quote(value, safe="")}"' for name, value in oauth(home).items())
    woo = connect(create_app(shop), home, auth=None)
    answer = await woo.get(ORDERS, headers={"Authorization": f"OAuth {fields}"})
    assert answer.status_code == 200


async def test_a_wrong_secret_of_oauth(shop: Shop, connect: Connect):
    home = "http://shop.example"
    woo = connect(create_app(shop), home, auth=None)
    assert code(await woo.get(ORDERS, params=oauth(home, secret="no"))) == "woocommerce_rest_authentication_error"


async def test_a_key_that_may_only_read(shop: Shop, connect: Connect):
    woo = connect(create_app(shop, read_only_keys=["ck_test"]))
    assert (await woo.get(ORDERS)).status_code == 200
    answer = await woo.post(
        "/wp-json/wc/v3/webhooks", json={"topic": "order.created", "delivery_url": "https://x.example"}
    )
    assert answer.json()["message"] == "The API key provided does not have write permissions."
