"""Requests about one order at the same time, on a database that commits for real."""

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.database import Database
from app.orders import idempotency
from app.orders.schemas import OrderCreate
from app.products.models import Product
from app.users.models import User
from tests.builders import create_product, create_user, unique
from tests.orders.bodies import URL, add_up, order_body


@pytest.fixture
async def user(live_database: Database) -> User:
    async with live_database.sessions.begin() as session:
        return await create_user(session)


@pytest.fixture
async def mug(live_database: Database) -> Product:
    async with live_database.sessions.begin() as session:
        return await create_product(session, price=Decimal("12.50"))


async def create(live_api: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await live_api.post(URL, json=body)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def read(live_api: httpx.AsyncClient, order: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = (await live_api.get(f"{URL}/{order['id']}")).json()
    assert Decimal(shown["total_amount"]) == add_up(shown)
    return shown


async def test_twenty_new_lines(live_api: httpx.AsyncClient, user: User, mug: Product):
    order = await create(live_api, order_body(user, (mug, 1)))
    bodies = [{"product_id": mug.id, "quantity": quantity} for quantity in range(1, 21)]
    answers = await asyncio.gather(*(live_api.post(f"{URL}/{order['id']}/details", json=body) for body in bodies))
    assert [answer.status_code for answer in answers] == [201] * 20
    shown = await read(live_api, order)
    assert len(shown["details"]) == 21
    assert Decimal(shown["total_amount"]) == Decimal("12.50") * (1 + sum(range(1, 21)))


async def test_edits_of_every_kind(live_api: httpx.AsyncClient, user: User, mug: Product):
    order = await create(live_api, order_body(user, *[(mug, 1)] * 10))
    url = f"{URL}/{order['id']}"
    ids = [line["id"] for line in order["details"]]
    answers = await asyncio.gather(
        *(live_api.put(f"{url}/details/{line_id}", json={"quantity": 3}) for line_id in ids[:5]),
        *(live_api.delete(f"{url}/details/{line_id}") for line_id in ids[5:]),
        *(live_api.post(f"{url}/details", json={"product_id": mug.id}) for _ in range(5)),
        *(live_api.put(url, json={name: "2.00"}) for name in ("shipping_total", "tax_total", "discount_total")),
    )
    assert [answer.status_code for answer in answers] == [200] * 5 + [204] * 5 + [201] * 5 + [200] * 3
    shown = await read(live_api, order)
    assert Decimal(shown["total_amount"]) == Decimal("12.50") * 20 + 2


async def test_one_line_survives_when_all_are_removed(live_api: httpx.AsyncClient, user: User, mug: Product):
    order = await create(live_api, order_body(user, *[(mug, 1)] * 10))
    answers = await asyncio.gather(
        *(live_api.delete(f"{URL}/{order['id']}/details/{line['id']}") for line in order["details"])
    )
    assert Counter(answer.status_code for answer in answers) == {204: 9, 409: 1}
    assert len((await read(live_api, order))["details"]) == 1


async def test_no_line_enters_after_the_order_closed(live_api: httpx.AsyncClient, user: User, mug: Product):
    order = await create(live_api, order_body(user, (mug, 1)))
    url = f"{URL}/{order['id']}"
    answers = await asyncio.gather(
        *(live_api.post(f"{url}/details", json={"product_id": mug.id}) for _ in range(10)),
        live_api.put(url, json={"status": "shipped"}),
        *(live_api.post(f"{url}/details", json={"product_id": mug.id}) for _ in range(10)),
    )
    closed = answers[10].json()
    assert closed["status"] == "shipped"
    shown = await read(live_api, order)
    assert shown == closed
    assert len(shown["details"]) == 1 + sum(answer.status_code == 201 for answer in answers)


async def test_every_read_shows_a_total_that_adds_up(live_api: httpx.AsyncClient, user: User, mug: Product):
    order = await create(live_api, order_body(user, (mug, 1)))
    writes = (live_api.post(f"{URL}/{order['id']}/details", json={"product_id": mug.id}) for _ in range(20))
    await asyncio.gather(*writes, *(read(live_api, order) for _ in range(40)))


async def test_twenty_creates_of_one_number(live_api: httpx.AsyncClient, user: User, mug: Product):
    body = order_body(user, (mug, 1), order_number=unique("EP"), source_website=unique("site"))
    answers = await asyncio.gather(*(live_api.post(URL, json=body) for _ in range(20)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}


async def test_twenty_creates_with_one_idempotency_key(live_api: httpx.AsyncClient, user: User, mug: Product):
    body, key = order_body(user, (mug, 1)), {"Idempotency-Key": unique("key")}
    answers = await asyncio.gather(*(live_api.post(URL, json=body, headers=key) for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    created = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.content for answer in created}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in created) == 1
    page = (await live_api.get(URL, params={"user_id": user.id})).json()
    assert [item["id"] for item in page["items"]] == [created[0].json()["id"]]


async def test_a_key_whose_request_still_runs_conflicts(
    live_api: httpx.AsyncClient, live_database: Database, user: User, mug: Product
):
    body, key = order_body(user, (mug, 1)), unique("key")
    admin = (await live_api.get("/api/v1/auth/me")).json()
    async with live_database.sessions.begin() as session:
        data = OrderCreate.model_validate(body)
        order_id, _, _ = await idempotency.create_order_once(
            session, data, admin_id=admin["id"], key=key, default_currency="USD"
        )
        running = await live_api.post(URL, json=body, headers={"Idempotency-Key": key})
        assert running.status_code == 409
        assert "still running" in running.json()["detail"]
    replay = await live_api.post(URL, json=body, headers={"Idempotency-Key": key})
    assert replay.headers["Idempotency-Replayed"] == "true"
    assert replay.json()["id"] == order_id
