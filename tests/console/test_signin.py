from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth import service
from app.auth.models import AdminUser, EndedSession
from app.auth.service import create_token
from app.console.signin import COOKIE, LONGEST, Session, Sessions
from app.utils.clock import utc_now
from tests.conftest import SECRET_KEY
from tests.console.conftest import PASSWORD, make_session, read_token, send, sign_in

PAGES = [
    "",
    "orders/list",
    "orders/detail/1",
    "consumers/create",
    "consumers/edit?pk=1",
    "admins/export.csv",
    "nothing",
]


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(SECRET_KEY, timedelta(hours=1))


def use(client: httpx.AsyncClient, cookie: str) -> None:
    client.cookies.clear()
    client.cookies.set(COOKIE, cookie, path="/console")


@pytest.mark.parametrize("path", PAGES)
async def test_a_visitor_sees_nothing_but_the_form(visitor: httpx.AsyncClient, path: str):
    answer = await visitor.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/login")


async def test_signing_in_leads_to_what_was_asked_for(visitor: httpx.AsyncClient, clerk: AdminUser):
    asked = await visitor.get("orders/list?status=pending")
    form = {"csrftoken": await read_token(visitor), "username": clerk.email.upper(), "password": PASSWORD}
    answer = await visitor.post(f"http://test{asked.headers['location']}", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/orders/list?status=pending")
    page = await visitor.get(f"http://test{answer.headers['location']}")
    assert page.status_code == 200
    assert clerk.username in page.text
    assert (await visitor.get("login")).headers["location"] == "/console/"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil"])
async def test_signing_in_never_leads_to_another_website(visitor: httpx.AsyncClient, clerk: AdminUser, elsewhere: str):
    answer = await sign_in(visitor, clerk.username, next_=elsewhere)
    assert answer.headers["location"] == "/console/"


async def test_the_cookie_is_for_the_console_alone(visitor: httpx.AsyncClient, clerk: AdminUser):
    visitor.base_url = httpx.URL("https://test/console/")
    cookie = (await sign_in(visitor, clerk.username)).headers["set-cookie"]
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/console"} <= set(cookie.split("; "))


@pytest.mark.parametrize("password", ["wrong", "", "\x00", "ü" * 60])
async def test_a_wrong_password_is_told(visitor: httpx.AsyncClient, clerk: AdminUser, password: str):
    answer = await sign_in(visitor, clerk.username, password)
    assert answer.status_code in {401, 422}
    assert 'role="alert"' in answer.text
    assert f'value="{clerk.username}"' in answer.text
    assert "www-authenticate" not in answer.headers
    assert (await visitor.get("")).status_code == 303


async def test_a_deactivated_admin_does_not_get_in(visitor: httpx.AsyncClient, clerk: AdminUser, session: AsyncSession):
    await service.set_admin_active(session, clerk.username, False)
    await session.flush()
    assert (await sign_in(visitor, clerk.username)).status_code == 401


async def test_guessing_is_throttled_together_with_the_api(visitor: httpx.AsyncClient, clerk: AdminUser):
    for _ in range(4):
        assert (await sign_in(visitor, clerk.username, "wrong")).status_code == 401
    told = await visitor.post("http://test/api/v1/auth/login", data={"username": clerk.username, "password": "wrong"})
    assert told.status_code == 401
    answer = await sign_in(visitor, clerk.username)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "Too many failed logins" in answer.text


async def test_signing_out(visitor: httpx.AsyncClient, clerk: AdminUser):
    await sign_in(visitor, clerk.username)
    assert COOKIE in visitor.cookies
    answer = await visitor.post("logout", data={"csrftoken": await read_token(visitor, "admins/list")})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")
    assert COOKIE not in visitor.cookies
    assert (await visitor.get("")).status_code == 303


async def test_a_copied_cookie_is_of_no_use_after_signing_out(
    visitor: httpx.AsyncClient, clerk: AdminUser, sessions: Sessions
):
    await sign_in(visitor, clerk.username)
    copied, elsewhere = visitor.cookies[COOKIE], make_session(clerk)
    begun = sessions.read(copied)
    assert begun is not None
    renewed = sessions.write(replace(begun, expires_at=begun.signed_in_at + LONGEST))
    await visitor.post("logout", data={"csrftoken": await read_token(visitor, "admins/list")})
    for cookie, status in ((copied, 303), (renewed, 303), (elsewhere, 200)):
        use(visitor, cookie)
        assert (await visitor.get("")).status_code == status


async def test_ended_sessions_are_forgotten_when_their_cookies_are_worth_nothing(
    visitor: httpx.AsyncClient, clerk: AdminUser, session: AsyncSession
):
    now = utc_now()
    gone, ending = (EndedSession(id=uuid4(), expires_at=now + time) for time in (-LONGEST, LONGEST))
    session.add_all([gone, ending])
    await session.commit()
    kept = {gone.id: False, ending.id: True}
    await sign_in(visitor, clerk.username)
    await visitor.post("logout", data={"csrftoken": await read_token(visitor, "admins/list")})
    ended = (await session.scalars(select(EndedSession.id))).all()
    assert {id: id in ended for id in kept} == kept
    assert len(ended) == 2


async def test_a_deactivated_admins_session_ends_at_once(
    console: httpx.AsyncClient, clerk: AdminUser, session: AsyncSession
):
    assert (await console.get("")).status_code == 200
    await service.set_admin_active(session, clerk.username, False)
    await session.commit()
    assert (await console.get("")).status_code == 303


async def test_another_password_ends_the_sessions(console: httpx.AsyncClient, clerk: AdminUser, session: AsyncSession):
    await service.set_password(session, clerk.username, SecretStr("another password"))
    await session.commit()
    assert (await console.get("")).status_code == 303


async def test_an_expired_session(visitor: httpx.AsyncClient, clerk: AdminUser):
    gone = Sessions(SECRET_KEY, timedelta(seconds=-1))
    use(visitor, gone.write(gone.begin(clerk)))
    answer = await visitor.get("orders/list")
    assert answer.status_code == 303
    # What was sent cannot be sent again afterwards.
    answer = await send(visitor, "consumers/detail/1/action/deactivate")
    assert answer.url.path == "/console/login"
    assert "next" not in answer.url.params


async def test_a_token_of_the_api_is_no_session(visitor: httpx.AsyncClient, app: FastAPI, clerk: AdminUser):
    use(visitor, create_token(app.state.token_settings, clerk.id))
    assert (await visitor.get("")).status_code == 303


async def test_a_session_is_no_token_of_the_api(console: httpx.AsyncClient):
    answer = await console.get(
        "http://test/api/v1/auth/me", headers={"Authorization": f"Bearer {console.cookies[COOKIE]}"}
    )
    assert answer.status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "a.b.c"])
async def test_a_cookie_that_is_none(visitor: httpx.AsyncClient, cookie: str):
    use(visitor, cookie)
    assert (await visitor.get("")).status_code == 303


async def test_a_session_in_use_lasts_longer(visitor: httpx.AsyncClient, clerk: AdminUser, sessions: Sessions):
    now = utc_now()
    mark = sessions.mark(clerk.hashed_password)
    use(visitor, sessions.write(Session(uuid4(), clerk.id, mark, now, now + timedelta(minutes=50))))
    assert COOKIE not in (await visitor.get("")).headers.get("set-cookie", "")
    use(visitor, sessions.write(Session(uuid4(), clerk.id, mark, now, now + timedelta(minutes=5))))
    renewed = sessions.read((await visitor.get("")).cookies[COOKIE])
    assert renewed is not None
    assert renewed.expires_at > now + timedelta(minutes=59)


def test_no_session_lasts_longer_than_half_a_day(sessions: Sessions):
    now = utc_now()
    old = Session(uuid4(), 1, "mark", now - LONGEST + timedelta(minutes=30), now + timedelta(minutes=10))
    renewed = sessions.renew(old)
    assert renewed is not None
    assert renewed.expires_at == old.signed_in_at + LONGEST
    assert sessions.renew(renewed) is None
