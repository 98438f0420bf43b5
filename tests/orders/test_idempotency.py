"""`Idempotency-Key`: replays, conflicts, and how long and for whom a key lives."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.service import create_token
from app.orders import idempotency
from app.orders.models import IdempotencyKey, Order
from tests.builders import create_admin, create_product, create_user, unique
from tests.orders.bodies import URL, order_body


@pytest.fixture
async def body(session: AsyncSession) -> dict[str, Any]:
    return order_body(await create_user(session), (await create_product(session), 2))


@pytest.fixture
def key() -> dict[str, str]:
    return {"Idempotency-Key": unique("key")}


async def count_orders(session: AsyncSession, body: dict[str, Any]) -> int:
    return await session.scalar(select(func.count()).where(Order.user_id == body["user_id"])) or 0


async def make_older(session: AsyncSession, key: dict[str, str], age: timedelta) -> None:
    older = update(IdempotencyKey).where(IdempotencyKey.key == key["Idempotency-Key"])
    await session.execute(older.values(created_at=IdempotencyKey.created_at - age))


async def test_a_replay_gives_the_stored_answer(
    api: httpx.AsyncClient, session: AsyncSession, body: dict[str, Any], key: dict[str, str]
):
    first = await api.post(URL, json=body, headers=key)
    assert first.status_code == 201
    assert "Idempotency-Replayed" not in first.headers
    await api.delete(first.headers["Location"])  # the answer is that of then, not of now
    replay = await api.post(URL, json=body, headers=key)
    assert replay.status_code == 201
    assert replay.headers["Idempotency-Replayed"] == "true"
    assert replay.headers["Location"] == first.headers["Location"]
    assert replay.content == first.content
    assert await count_orders(session, body) == 1


async def test_the_same_body_may_be_written_otherwise(
    api: httpx.AsyncClient, body: dict[str, Any], key: dict[str, str]
):
    first = await api.post(URL, json=body | {"discount_total": "1.50", "currency": "USD"}, headers=key)
    again = {"currency": " usd ", "discount_total": 1.5, "status": "pending"} | dict(reversed(body.items()))
    replay = await api.post(URL, json=again, headers=key)
    assert replay.headers["Idempotency-Replayed"] == "true"
    assert replay.json() == first.json()


async def test_another_body_is_refused(
    api: httpx.AsyncClient, session: AsyncSession, body: dict[str, Any], key: dict[str, str]
):
    await api.post(URL, json=body, headers=key)
    answer = await api.post(URL, json=body | {"is_test": True}, headers=key)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["field"], error["location"]) == ("Idempotency-Key", "header")
    assert await count_orders(session, body) == 1


async def test_other_keys_and_no_key_make_other_orders(
    api: httpx.AsyncClient, session: AsyncSession, body: dict[str, Any]
):
    for headers in ({"Idempotency-Key": unique("a")}, {"Idempotency-Key": unique("b")}, {}, {}):
        assert (await api.post(URL, json=body, headers=headers)).status_code == 201
    assert await count_orders(session, body) == 4


async def test_a_key_belongs_to_its_admin(
    api: httpx.AsyncClient, app: FastAPI, session: AsyncSession, body: dict[str, Any], key: dict[str, str]
):
    await api.post(URL, json=body, headers=key)
    other = await create_admin(session)
    token = create_token(app.state.token_settings, other.id)
    answer = await api.post(URL, json=body, headers=key | {"Authorization": f"Bearer {token}"})
    assert answer.status_code == 201
    assert "Idempotency-Replayed" not in answer.headers
    assert await count_orders(session, body) == 2


async def test_a_failed_request_leaves_the_key_free(api: httpx.AsyncClient, body: dict[str, Any], key: dict[str, str]):
    bad = body | {"discount_total": "1000.00"}
    assert (await api.post(URL, json=bad, headers=key)).status_code == 422
    answer = await api.post(URL, json=body, headers=key)
    assert answer.status_code == 201
    assert "Idempotency-Replayed" not in answer.headers


async def test_a_key_lives_for_a_day(
    api: httpx.AsyncClient, session: AsyncSession, body: dict[str, Any], key: dict[str, str]
):
    first = await api.post(URL, json=body, headers=key)
    await make_older(session, key, timedelta(hours=23, minutes=59))
    assert (await api.post(URL, json=body, headers=key)).headers["Idempotency-Replayed"] == "true"
    await make_older(session, key, timedelta(minutes=2))
    other = body | {"is_test": True}
    second = await api.post(URL, json=other, headers=key)
    assert second.status_code == 201
    assert "Idempotency-Replayed" not in second.headers
    assert second.json()["id"] != first.json()["id"]
    replay = await api.post(URL, json=other, headers=key)
    assert replay.headers["Idempotency-Replayed"] == "true"
    assert replay.json() == second.json()


async def test_expired_answers_are_deleted(
    api: httpx.AsyncClient, session: AsyncSession, body: dict[str, Any], key: dict[str, str]
):
    kept = {"Idempotency-Key": unique("kept")}
    for headers in (key, kept):
        await api.post(URL, json=body, headers=headers)
    await make_older(session, key, timedelta(hours=24))
    await idempotency.delete_expired(session)
    left = set(await session.scalars(select(IdempotencyKey.key)))
    assert kept["Idempotency-Key"] in left
    assert key["Idempotency-Key"] not in left


@pytest.mark.parametrize("bad", [b"", b"x" * 256, b"caf\xc3\xa9", b"tab\tbed"])
async def test_an_invalid_key(api: httpx.AsyncClient, body: dict[str, Any], bad: bytes):
    answer = await api.post(URL, json=body, headers={b"Idempotency-Key": bad})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["field"], error["location"]) == ("Idempotency-Key", "header")


@pytest.mark.parametrize("good", ["x", "x" * 255, "~ any printable {ASCII} '\\\""])
async def test_a_valid_key(api: httpx.AsyncClient, body: dict[str, Any], good: str):
    for replayed in (None, "true"):
        answer = await api.post(URL, json=body, headers={"Idempotency-Key": good})
        assert answer.status_code == 201
        assert answer.headers.get("Idempotency-Replayed") == replayed
