"""`/auth`: who may register, who gets in, whose token counts, and how often one may guess."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import bcrypt
import httpx
import jwt
import pytest
from fastapi import FastAPI
from pydantic import ValidationError
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth import dependencies
from app.auth.dependencies import AdminCache
from app.auth.models import AdminUser, LoginAttempt
from app.auth.schemas import AdminCreate
from app.auth.service import ADDRESS_ALLOWANCE, AT_ONCE_ALLOWANCE, TokenSettings, create_token
from app.config import Settings
from app.database import Database
from app.main import create_app
from app.utils.clock import utc_now
from tests.builders import create_admin, unique
from tests.conftest import SECRET_KEY

REGISTER, LOGIN, ME = "/api/v1/auth/register", "/api/v1/auth/login", "/api/v1/auth/me"
PASSWORD = "correct horse battery"
# Verified as fast as bcrypt allows; only registering pays for the real cost.
CHEAP_HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


def ada(**overrides: Any) -> dict[str, Any]:
    name = unique("ada")
    return {"username": name, "email": f"{name}@example.com", "password": PASSWORD} | overrides


@asynccontextmanager
async def client_of(app: FastAPI, address: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.fixture
async def member(session: AsyncSession) -> AdminUser:
    """An admin who can log in with PASSWORD."""
    return await create_admin(session, hashed_password=CHEAP_HASH)


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes that bcrypt was asked to verify; none of them matches."""
    hashes: list[bytes] = []

    def checkpw(_password: bytes, hashed: bytes) -> bool:
        hashes.append(hashed)
        return False

    monkeypatch.setattr(bcrypt, "checkpw", checkpw)
    return hashes


async def log_in(client: httpx.AsyncClient, username: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post(LOGIN, json={"username": username, "password": password})


class TestRegister:
    @pytest.mark.parametrize("slash", ["", "/"])
    async def test_success(self, client: httpx.AsyncClient, session: AsyncSession, slash: str):
        body = ada(username="ada", email="Ada@Example.com")
        answer = await client.post(REGISTER + slash, json=body)
        assert answer.status_code == 201
        assert answer.headers["Location"] == ME
        admin = answer.json()
        hashed = await session.scalar(select(AdminUser.hashed_password).where(AdminUser.id == admin["id"]))
        assert hashed
        assert hashed.startswith("$2b$12$")
        assert admin | {"id": 0, "created_at": ""} == {
            "id": 0,
            "username": "ada",
            "email": "ada@example.com",
            "is_active": True,
            "created_at": "",
        }

    @pytest.mark.parametrize("field", ["username", "email"])
    async def test_conflict(self, client: httpx.AsyncClient, member: AdminUser, field: str):
        taken = getattr(member, field)
        answer = await client.post(REGISTER, json=ada(**{field: taken}))
        assert answer.status_code == 409
        assert f"{field}: {taken}" in answer.json()["detail"]

    @pytest.mark.parametrize("password", ["1234567", "x" * 73, "é" * 37, "আ" * 25, None, 12345678, [PASSWORD]])
    async def test_passwords_that_bcrypt_or_people_cannot_keep(self, client: httpx.AsyncClient, password: Any):
        answer = await client.post(REGISTER, json=ada(password=password))
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == ["password"]

    async def test_a_refused_password_is_told_to_nobody(
        self, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ):
        password = "x7!" * 25
        for body in (ada(password=password), ada(password=password, colour="blue"), ada(password=[password])):
            answer = await client.post(REGISTER, json=body)
            assert answer.status_code == 422
            assert password not in answer.text
        assert password not in caplog.text

    @pytest.mark.parametrize("password", ["é" * 36, "আমার সোনার বাংলা", "  spaces stay  "])
    def test_passwords_are_kept_as_they_are(self, password: str):
        assert AdminCreate.model_validate(ada(password=password)).password.get_secret_value() == password

    def test_a_nul_character_is_refused(self):
        with pytest.raises(ValidationError, match="cannot hold a NUL character"):
            AdminCreate.model_validate(ada(password="eight\x00bytes"))

    @pytest.mark.parametrize(
        ("overrides", "field"),
        [
            ({"username": ""}, "username"),
            ({"username": "ada lovelace"}, "username"),
            ({"username": "ada@example.com"}, "username"),
            ({"username": "x" * 101}, "username"),
            ({"email": "ada"}, "email"),
            ({"email": f"ada@{'x' * 60}.{'x' * 60}.{'x' * 60}.com"}, "email"),
            ({"email": f"{'İ' * 60}@{'x' * 60}.com"}, "email"),
            ({"is_active": True}, "is_active"),
        ],
    )
    async def test_invalid(self, client: httpx.AsyncClient, overrides: dict[str, Any], field: str):
        answer = await client.post(REGISTER, json=ada(**overrides))
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]

    @pytest.mark.parametrize("field", ["username", "email", "password"])
    async def test_half_a_character_is_refused(self, client: httpx.AsyncClient, field: str):
        escaped = json.dumps(ada(**{field: "\ud83d" * 8}))
        answer = await client.post(REGISTER, content=escaped, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]


class TestClosedRegistration:
    @pytest.fixture
    def closed(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"open_registration": False})

    async def test_only_the_first_admin_needs_no_token(self, closed: Settings, test_database: Database):
        async with client_of(create_app(closed, test_database)) as client:
            first = ada()
            assert (await client.post(REGISTER, json=first)).status_code == 201
            refused = await client.post(REGISTER, json=ada())
            assert refused.status_code == 401
            assert refused.headers["WWW-Authenticate"] == "Bearer"
            client.headers["Authorization"] = "Bearer x.y.z"
            assert (await client.post(REGISTER, json=ada())).status_code == 401
            token = (await log_in(client, first["username"])).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            assert (await client.post(REGISTER, json=ada())).status_code == 201

    async def test_two_cannot_both_be_first(self, closed: Settings, live_database: Database):
        async with live_database.sessions.begin() as session:
            await session.execute(delete(AdminUser))
        async with client_of(create_app(closed, live_database)) as client:
            answers = await asyncio.gather(*(client.post(REGISTER, json=ada()) for _ in range(2)))
        assert sorted(answer.status_code for answer in answers) == [201, 401]


class TestLogIn:
    @pytest.mark.parametrize("encoding", ["data", "json"])
    @pytest.mark.parametrize("by", ["username", "email"])
    async def test_success(self, client: httpx.AsyncClient, member: AdminUser, by: str, encoding: str):
        name = member.username if by == "username" else member.email.upper()
        body: dict[str, Any] = {encoding: {"username": name, "password": PASSWORD}}
        answer = await client.post(f"{LOGIN}/", **body)
        assert answer.status_code == 200
        token = answer.json()
        assert token | {"access_token": ""} == {"access_token": "", "token_type": "bearer", "expires_in": 3600}
        payload = jwt.decode(token["access_token"], SECRET_KEY, algorithms=["HS256"])
        assert payload == {"sub": str(member.id), "iat": payload["iat"], "exp": payload["iat"] + 3600}
        me = await client.get(ME, headers={"Authorization": f"Bearer {token['access_token']}"})
        assert me.json()["id"] == member.id

    async def test_the_form_of_the_docs_page(self, client: httpx.AsyncClient, member: AdminUser):
        form = {"grant_type": "password", "username": member.username, "password": PASSWORD, "scope": ""}
        answer = await client.post(LOGIN, data=form | {"client_id": "", "client_secret": ""})
        assert answer.status_code == 200

    async def test_wrong_credentials_are_told_apart_by_nothing(
        self, client: httpx.AsyncClient, session: AsyncSession, member: AdminUser
    ):
        gone = await create_admin(session, hashed_password=CHEAP_HASH, is_active=False)
        answers = [
            await log_in(client, member.username, "wrong horse battery"),
            await log_in(client, member.username, PASSWORD + " "),
            await log_in(client, member.username, "x" * 73),
            await log_in(client, gone.username),
            await log_in(client, unique("nobody")),
        ]
        for answer in answers:
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert len({answer.json()["detail"] for answer in answers}) == 1

    async def test_an_unknown_user_costs_a_verification_too(
        self, client: httpx.AsyncClient, session: AsyncSession, verified: list[bytes]
    ):
        stored = "$2b$12$" + CHEAP_HASH.removeprefix("$2b$04$")
        known = await create_admin(session, hashed_password=stored)
        gone = await create_admin(session, hashed_password=stored, is_active=False)
        for username in (known.username, gone.username, unique("nobody")):
            assert (await log_in(client, username)).status_code == 401
        assert [hashed[:7] for hashed in verified] == [b"$2b$12$"] * 3

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({"json": {"username": "ada"}}, ["password"]),
            ({"json": {"username": "", "password": PASSWORD}}, ["username"]),
            ({"json": {"username": "ada", "password": None}}, ["password"]),
            ({"json": {"username": "ada", "password": "x" * 1025}}, ["password"]),
            ({"json": {"username": "ada", "password": PASSWORD, "remember": True}}, ["remember"]),
            ({"json": [PASSWORD]}, [""]),
            ({"data": {"username": "ada"}}, ["password"]),
            ({"data": {"username": "ada", "password": PASSWORD, "grant_type": "code"}}, ["grant_type"]),
            ({"data": {"username": "a\x00da", "password": PASSWORD}}, ["username"]),
            ({"files": {"username": b"ada", "password": PASSWORD.encode()}}, ["username", "password"]),
            ({"content": b'{"username": "' + PASSWORD.encode(), "headers": {"Content-Type": "application/json"}}, [""]),
            ({"content": b'{"username": "\\ud800"}', "headers": {"Content-Type": "application/json"}}, [""]),
            ({"content": b"\xff", "headers": {"Content-Type": "application/json"}}, [""]),
            ({}, ["username", "password"]),
        ],
    )
    async def test_invalid(self, client: httpx.AsyncClient, body: dict[str, Any], fields: list[str]):
        answer = await client.post(LOGIN, **body)
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == fields
        assert PASSWORD not in answer.text


class TestThrottling:
    @staticmethod
    async def exhaust(client: httpx.AsyncClient, username: str, attempts: int) -> None:
        for _ in range(attempts):
            assert (await log_in(client, username, "wrong horse battery")).status_code == 401

    async def test_too_many_failures(
        self, client: httpx.AsyncClient, app: FastAPI, session: AsyncSession, settings: Settings, member: AdminUser
    ):
        await self.exhaust(client, member.username, settings.login_attempts)
        for name in (member.username, member.email):
            answer = await log_in(client, name)
            assert answer.status_code == 429
            assert 0 < int(answer.headers["Retry-After"]) <= settings.login_window_seconds
        async with client_of(app, "192.0.2.7") as elsewhere:
            assert (await log_in(elsewhere, member.username)).status_code == 200
        colleague = await create_admin(session, hashed_password=CHEAP_HASH)
        assert (await log_in(client, colleague.username)).status_code == 200
        assert (await log_in(client, member.username)).status_code == 429

    async def test_the_window_passes(
        self, client: httpx.AsyncClient, session: AsyncSession, settings: Settings, member: AdminUser
    ):
        await self.exhaust(client, member.username, settings.login_attempts)
        window = timedelta(seconds=settings.login_window_seconds)
        await session.execute(update(LoginAttempt).values(attempted_at=LoginAttempt.attempted_at - window))
        assert (await log_in(client, member.username)).status_code == 200

    async def test_success_forgets_the_failures(self, client: httpx.AsyncClient, settings: Settings, member: AdminUser):
        for _ in range(2):
            await self.exhaust(client, member.username, settings.login_attempts - 1)
            assert (await log_in(client, member.username)).status_code == 200

    async def test_unknown_accounts_are_throttled_too(
        self, client: httpx.AsyncClient, settings: Settings, verified: list[bytes]
    ):
        nobody = unique("nobody")
        await self.exhaust(client, nobody, settings.login_attempts)
        assert (await log_in(client, nobody.upper())).status_code == 429
        assert len(verified) == settings.login_attempts

    async def test_one_address_cannot_try_account_after_account(
        self, client: httpx.AsyncClient, session: AsyncSession, settings: Settings, member: AdminUser
    ):
        failures = settings.login_attempts * ADDRESS_ALLOWANCE
        session.add_all(LoginAttempt(account=f"{number}", address="127.0.0.1") for number in range(failures))
        await session.flush()
        assert (await log_in(client, member.username)).status_code == 429

    async def test_what_was_typed_is_not_kept(
        self, client: httpx.AsyncClient, session: AsyncSession, verified: list[bytes]
    ):
        await log_in(client, PASSWORD)
        kept = (await session.execute(select(LoginAttempt.account, LoginAttempt.address))).one()
        assert PASSWORD not in kept.account
        assert kept.address == "127.0.0.1"

    async def test_a_hundred_simultaneous_guesses(
        self, settings: Settings, live_database: Database, verified: list[bytes]
    ):
        async with live_database.sessions.begin() as session:
            username = (await create_admin(session, hashed_password=CHEAP_HASH)).username
        async with client_of(create_app(settings, live_database)) as client:
            answers = await asyncio.gather(*(log_in(client, username, f"guess {n}") for n in range(100)))
        statuses = Counter(answer.status_code for answer in answers)
        assert statuses[401] + statuses[429] == 100
        assert settings.login_attempts <= statuses[401] <= settings.login_attempts * AT_ONCE_ALLOWANCE
        assert len(verified) == statuses[401]

    async def test_a_client_with_several_workers(self, settings: Settings, live_database: Database):
        async with live_database.sessions.begin() as session:
            username = (await create_admin(session, hashed_password=CHEAP_HASH)).username
        async with client_of(create_app(settings, live_database)) as client:
            answers = await asyncio.gather(*(log_in(client, username, PASSWORD) for _ in range(15)))
        assert {answer.status_code for answer in answers} == {200}


class TestMe:
    async def test_anonymous(self, client: httpx.AsyncClient):
        answer = await client.get(ME)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.headers["Content-Type"] == "application/problem+json"

    async def test_success(self, api: httpx.AsyncClient, admin: AdminUser, statements: list[str]):
        answer = await api.get(f"{ME}/")
        assert answer.status_code == 200
        assert answer.json() | {"created_at": ""} == {
            "id": admin.id,
            "username": admin.username,
            "email": admin.email,
            "is_active": True,
            "created_at": "",
        }
        statements.clear()
        assert (await api.get(ME)).json() == answer.json()
        assert statements == []  # within the cache's seconds


def signed(key: str = SECRET_KEY, algorithm: str = "HS256", **claims: Any) -> str:
    """A token of admin 1, valid unless told otherwise; a claim of None is left out."""
    now = utc_now()
    payload = {"sub": "1", "iat": now, "exp": now + timedelta(hours=1)} | claims
    return jwt.encode({name: value for name, value in payload.items() if value is not None}, key, algorithm)


class TestTokens:
    @pytest.mark.parametrize(
        "authorization",
        [
            "",
            "Bearer",
            "Bearer ",
            "Basic YWRhOng=",
            f"Token {signed()}",
            signed(),
            "Bearer x",
            "Bearer x.y.z",
            "Bearer ÿ",
        ],
    )
    async def test_malformed(self, client: httpx.AsyncClient, authorization: str):
        answer = await client.get(ME, headers=[(b"Authorization", authorization.encode("latin-1"))])
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize(
        "forged",
        [
            {"exp": utc_now() - timedelta(seconds=1)},
            {"exp": None},
            {"exp": "soon"},
            {"iat": None},
            {"sub": None},
            {"sub": "ada"},
            {"sub": ""},
            {"sub": "1.0"},
            {"sub": "0"},
            {"sub": "-1"},
            {"sub": str(2**63)},
            {"sub": "9" * 5000},
            {"key": "a key that somebody else has, 32 bytes or more"},
            {"algorithm": "HS384"},
            {"algorithm": "none", "key": ""},
        ],
    )
    async def test_forged(self, client: httpx.AsyncClient, admin: AdminUser, forged: dict[str, Any]):
        token = signed(**{"sub": str(admin.id)} | forged)
        answer = await client.get(ME, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    async def test_expired_ones_say_so(self, client: httpx.AsyncClient, app: FastAPI, admin: AdminUser):
        tokens: TokenSettings = app.state.token_settings
        expired = create_token(TokenSettings(tokens.secret_key, tokens.algorithm, timedelta(seconds=-1)), admin.id)
        answer = await client.get(ME, headers={"Authorization": f"Bearer {expired}"})
        assert "expired" in answer.json()["detail"]

    async def test_another_machines_clock_may_run_ahead(self, client: httpx.AsyncClient, admin: AdminUser):
        token = signed(sub=str(admin.id), iat=utc_now() + timedelta(seconds=5))
        answer = await client.get(ME, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200

    async def test_unknown_admin(self, client: httpx.AsyncClient):
        answer = await client.get(ME, headers={"Authorization": f"Bearer {signed(sub=str(2**62))}"})
        assert answer.status_code == 401

    async def test_deactivated_admin(
        self, api: httpx.AsyncClient, app: FastAPI, session: AsyncSession, admin: AdminUser
    ):
        assert (await api.get(ME)).status_code == 200
        admin.is_active = False
        await session.flush()
        app.state.admin_cache = AdminCache()
        assert (await api.get(ME)).status_code == 401

    async def test_a_deactivated_admin_is_out_within_seconds(
        self, api: httpx.AsyncClient, session: AsyncSession, admin: AdminUser, monkeypatch: pytest.MonkeyPatch
    ):
        assert dependencies.ADMIN_CACHE_SECONDS <= 5
        monkeypatch.setattr(dependencies, "ADMIN_CACHE_SECONDS", 0.2)
        assert (await api.get(ME)).status_code == 200
        admin.is_active = False
        await session.flush()
        assert (await api.get(ME)).status_code == 200
        await asyncio.sleep(0.25)
        assert (await api.get(ME)).status_code == 401
