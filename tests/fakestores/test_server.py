"""Stores behind a real socket."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from fakestores import faults
from fakestores.faults import Faults
from fakestores.server import serving
from fakestores.shop import Shop
from fakestores.woocommerce import create_app

ORDERS = "/wp-json/wc/v3/orders"
KEYS = ("ck_test", "cs_test")


def test_a_store_in_a_thread(shop: Shop):
    shop.place_order([], fees={"Service": "10"})
    plan = Faults(script=[None, faults.disconnect(), faults.truncated(), None])
    with serving(create_app(shop, tls=True, faults=plan)) as address, httpx.Client(auth=KEYS) as client:
        answer = client.get(address + ORDERS)
        assert answer.json()[0]["total"] == "10.75"
        assert answer.headers.get_list("date") == ["Sun, 01 Mar 2026 06:00:00 GMT"]
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(address + ORDERS)
        assert len(client.get(address + ORDERS).content) == len(answer.content) // 2
        assert client.get(address + ORDERS).json() == answer.json()
    with pytest.raises(httpx.ConnectError):
        httpx.get(address + ORDERS)


def test_mutations_while_it_serves(shop: Shop):
    product = shop.add_product("Shirt", "10")
    stop = threading.Event()

    def mutate() -> None:
        while not stop.is_set():
            order = shop.place_order([(product.id, 1)])
            shop.edit_order(order.id, add=[(product.id, 2)])
            shop.refund_order(order.id, "1")
            time.sleep(0.001)

    with serving(create_app(shop, tls=True)) as address, httpx.Client(auth=KEYS) as client:
        thread = threading.Thread(target=mutate)
        thread.start()
        try:
            for _ in range(20):
                answer = client.get(address + ORDERS, params={"per_page": 50})
                # Never half an edit: whoever looks finds the lines and the refund of one moment.
                for row in answer.json():
                    lines = sum(float(line["total"]) + float(line["total_tax"]) for line in row["line_items"])
                    assert float(row["total"]) == pytest.approx(lines)
        finally:
            stop.set()
            thread.join()


def test_from_the_command_line():
    """Two stores, each told of in a line, that end when they are told to."""
    command = [
        sys.executable,
        "-m",
        "fakestores",
        "--platform",
        "woocommerce",
        "--platform",
        "shopify",
        "--orders",
        "40",
    ]
    more = ["--busy", "600", "--seconds", "30", "--faults", "none"]
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    process = subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True, cwd=root, env=environment)
    try:
        assert process.stdout is not None
        woo, shopify = (json.loads(process.stdout.readline()) for _ in range(2))
        keys = (woo["consumer_key"], woo["consumer_secret"])
        answer = httpx.get(woo["url"] + ORDERS, auth=keys, params={"per_page": 1})
        assert int(answer.headers["x-wp-total"]) >= 30
        asked = httpx.post(
            f"{shopify['url']}/admin/api/2026-01/graphql.json",
            json={"query": "{ shop { name } ordersCount { count } }"},
            headers={"X-Shopify-Access-Token": shopify["access_token"]},
        )
        assert asked.json()["data"]["ordersCount"]["count"] >= 30
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stdout is not None
        process.stdout.close()
