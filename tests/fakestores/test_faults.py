"""Faults on the road: what arrives of them, how many, and that a client that tries again gets through."""

import json
from typing import Any

import httpx
import pytest

from fakestores import faults
from fakestores.faults import Faults, Seen
from fakestores.shop import Shop
from fakestores.woocommerce import create_app
from tests.fakestores.conftest import Connect

ORDERS = "/wp-json/wc/v3/orders"


@pytest.fixture
def filled(shop: Shop) -> Shop:
    for _ in range(5):
        shop.place_order([], fees={"Service": "10"})
    return shop


async def test_a_script_is_worked_off_in_order(filled: Shop, connect: Connect):
    plan = Faults(script=[faults.too_many_requests("2"), None, faults.error(508)])
    woo = connect(create_app(filled, faults=plan))
    answers = [await woo.get(ORDERS) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [429, 200, 508, 200]
    assert answers[0].headers["retry-after"] == "2"
    assert "<html>" in answers[2].text
    assert plan.requests == {ORDERS: 4}
    assert plan.injected == {"too_many_requests": 1, "error": 1}


async def test_bodies_that_cannot_be_read(filled: Shop, connect: Connect):
    plan = Faults(script=[faults.truncated(), faults.notice()])
    woo = connect(create_app(filled, faults=plan))
    for _ in range(2):
        answer = await woo.get(ORDERS)
        assert answer.status_code == 200
        with pytest.raises(json.JSONDecodeError):
            json.loads(answer.content)
    assert (await woo.get(ORDERS)).json()


async def test_a_connection_that_ends(filled: Shop, connect: Connect):
    woo = connect(create_app(filled, faults=Faults(script=[faults.disconnect()])))
    with pytest.raises(httpx.RemoteProtocolError):
        await woo.get(ORDERS)
    assert (await woo.get(ORDERS)).status_code == 200


async def test_a_wrong_total(filled: Shop, connect: Connect):
    woo = connect(create_app(filled, faults=Faults(script=[faults.wrong_total(7)])))
    assert [(await woo.get(ORDERS)).headers["x-wp-total"] for _ in range(2)] == ["12", "5"]


async def test_a_script_may_be_for_some_paths_only(filled: Shop, connect: Connect):
    woo = connect(create_app(filled, faults=Faults(script=[faults.error()], only="/customers")))
    assert (await woo.get(ORDERS)).status_code == 200
    assert (await woo.get("/wp-json/wc/v3/customers")).status_code == 503


@pytest.mark.parametrize("seed", range(3))
async def test_bursts_are_bounded(filled: Shop, connect: Connect, seed: int):
    plan = Faults(seed=seed, rate=0.6, most_in_a_row=3, slow_seconds=0)
    woo = connect(create_app(filled, faults=plan))
    row = worst = good = 0
    for _ in range(120):
        try:
            answer = await woo.get(ORDERS, params={"_fields": "id"})
            ok = answer.status_code == 200 and bool(json.loads(answer.content))
        except (httpx.RemoteProtocolError, json.JSONDecodeError):
            ok = False
        row, good = (0, good + 1) if ok else (row + 1, good)
        worst = max(worst, row)
    assert 2 <= worst <= 3
    assert good > 30
    assert sum(plan.injected.values()) > 40
    assert plan.total == 120


async def test_a_seed_repeats_itself(filled: Shop, connect: Connect):
    async def run() -> list[str]:
        plan = Faults(seed=3, rate=0.5, kinds=("error", "too_many_requests"))
        woo = connect(create_app(filled, faults=plan))
        return [str((await woo.get(ORDERS)).status_code) for _ in range(30)]

    assert await run() == await run()


async def test_the_store_changes_between_pages(filled: Shop, connect: Connect):
    def change(seen: Seen) -> None:
        if "&page=2" in seen.query:
            filled.trash_order(next(iter(filled.orders)))

    woo = connect(create_app(filled, faults=Faults(on_request=change)))
    params: dict[str, Any] = {"per_page": 2, "orderby": "id", "order": "asc"}
    first = (await woo.get(ORDERS, params=params)).json()
    second = (await woo.get(ORDERS, params=params | {"page": 2})).json()
    ids = list(filled.orders)
    assert [row["id"] for row in first + second] == [ids[0], ids[1], ids[3], ids[4]]
