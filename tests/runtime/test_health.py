from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.auth.service import create_token
from app.config import Settings
from app.database import Database
from app.main import create_app
from app.runtime import migrations
from tests.conftest import new_database


async def get(app: FastAPI, path: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get(path, **options)


async def test_alive_and_ready(client: httpx.AsyncClient):
    alive = await client.get("/healthz")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "revision": migrations.head_revision()})


@pytest.fixture
def old_url(server_url: str) -> Iterator[str]:
    with new_database(server_url) as url:
        migrations.upgrade(url, "0001")
        yield url


async def test_not_ready_behind_head(settings: Settings, old_url: str):
    database = Database(old_url)
    app = create_app(settings, database)
    answer = await get(app, "/readyz")
    await database.dispose()
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert "0001" in answer.json()["detail"]


async def test_alive_but_not_ready_without_a_database(settings: Settings):
    app = create_app(settings, Database("postgresql+psycopg://user:secret@127.0.0.1:1/nowhere"))
    answer = await get(app, "/readyz")
    assert answer.status_code == 503
    assert "secret" not in answer.text
    assert (await get(app, "/healthz")).status_code == 200


async def test_a_request_without_a_database_is_told_to_try_again(settings: Settings):
    app = create_app(settings, Database("postgresql+psycopg://user:secret@127.0.0.1:1/nowhere"))
    token = create_token(app.state.token_settings, 1)
    answer = await get(app, "/api/v1/products", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "5"
    assert "secret" not in answer.text
