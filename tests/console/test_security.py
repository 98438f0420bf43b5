import re
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import AdminUser
from app.config import Settings
from app.console.signin import COOKIE, Session, Sessions
from app.database import Database
from app.main import create_app
from app.utils.clock import utc_now
from tests.builders import create_user
from tests.conftest import SECRET_KEY
from tests.console.conftest import read_token


@pytest.mark.parametrize("path", ["login", "", "orders/list", "static/shell.css", "nothing/list", "orders/detail/0"])
async def test_every_answer_is_protected(console: httpx.AsyncClient, path: str):
    headers = (await console.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == ("no-cache" if path.startswith("static") else "no-store")


async def test_a_nonce_is_of_one_answer(console: httpx.AsyncClient):
    nonces = set()
    for _ in range(3):
        page = await console.get("")
        found = re.search(r"'nonce-([\w-]+)'", page.headers["content-security-policy"])
        assert found is not None
        assert f'data-csp-nonce="{found[1]}"' in page.text
        nonces.add(found[1])
    assert len(nonces) == 3


async def test_pages_hold_no_script_and_no_address_of_elsewhere(console: httpx.AsyncClient):
    for path in ("login", "", "orders/list", "consumers/create", "websites/list"):
        text = (await console.get(path, follow_redirects=True)).text
        assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
        assert re.findall(r"\bon\w+=\"", text) == []
        assert set(re.findall(r"(?:src|href)=\"(https?://[^/\"]+)", text)) <= {"http://test"}


async def test_a_form_without_its_token_changes_nothing(console: httpx.AsyncClient, session: AsyncSession):
    user = await create_user(session)
    answer = await console.post(f"consumers/detail/{user.id}/action/deactivate")
    assert answer.status_code == 403
    answer = await console.post(f"consumers/detail/{user.id}/action/deactivate", data={"csrftoken": "forged"})
    assert answer.status_code == 403
    await session.refresh(user)
    assert user.is_active


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_a_form_of_another_website_changes_nothing(
    console: httpx.AsyncClient, session: AsyncSession, headers: dict[str, str]
):
    user = await create_user(session)
    form = {"csrftoken": await read_token(console, "admins/list")}
    answer = await console.post(f"consumers/detail/{user.id}/action/deactivate", data=form, headers=headers)
    assert answer.status_code == 403
    await session.refresh(user)
    assert user.is_active


async def test_nobody_is_signed_in_by_another_website(visitor: httpx.AsyncClient, clerk: AdminUser):
    form = {"csrftoken": await read_token(visitor), "username": clerk.username, "password": "any"}
    assert (await visitor.post("login", data=form, headers={"Origin": "https://evil.example"})).status_code == 403


@pytest.mark.parametrize("path", ["_api/consumers/import", "_api/consumers/action?name=delete", "_api/x/row-action"])
async def test_ways_of_the_library_past_our_services_are_closed(console: httpx.AsyncClient, path: str):
    form = {"csrftoken": await read_token(console, "admins/list")}
    assert (await console.post(path, data=form)).status_code in {404, 405}


async def test_what_is_missing_is_a_sentence(console: httpx.AsyncClient):
    for path in ("orders/detail/999999999", "orders/detail/x", "nothing/list", "nothing", "websites/detail/nowhere"):
        answer = await console.get(path)
        assert answer.status_code == 404
        assert "There is no" in answer.text


async def test_the_address_without_its_last_slash(visitor: httpx.AsyncClient):
    answer = await visitor.get("http://test/console")
    assert answer.headers["location"] == "/console/"


@pytest.fixture
def app_without_a_database(settings: Settings) -> FastAPI:
    return create_app(settings, Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing"))


async def test_without_a_database_a_person_is_told_to_try_again(app_without_a_database: FastAPI):
    sessions, now = Sessions(SECRET_KEY, timedelta(hours=1)), utc_now()
    cookie = sessions.write(Session(uuid4(), 1, "mark", now, now + timedelta(hours=1)))
    transport = httpx.ASGITransport(app_without_a_database, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test/console/", cookies={COOKIE: cookie}
    ) as client:
        answer = await client.get("orders/list")
    assert answer.status_code == 503
    assert "try again" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
