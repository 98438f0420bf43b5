"""`/users`: each endpoint anonymous, unknown, invalid, conflicting, and as it should be."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.users.models import User
from app.websites.models import SourceKind, SourceRecord, Website
from tests.builders import create_address, create_user, unique

URL = "/api/v1/users"
PLACEHOLDER = "anonymous-1001@sailor.invalid"


def jane(**overrides: Any) -> dict[str, Any]:
    return {
        "name": "Jane Doe",
        "phone": "+1 555 0100",
        "email": f"{unique('jane')}@example.com",
        "source_website": "sailor",
    } | overrides


class TestCreateUser:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.post(URL, json=jane())).status_code == 401

    @pytest.mark.parametrize("url", [URL, f"{URL}/"])
    async def test_success(self, api: httpx.AsyncClient, session: AsyncSession, url: str):
        website = unique("site")
        body = jane(name="  Jane Doe ", email=" Jane.Doe@Example.COM ", source_website=f" {website.upper()} ")
        answer = await api.post(url, json=body)
        assert answer.status_code == 201
        user = answer.json()
        assert answer.headers["Location"] == f"{URL}/{user['id']}"
        assert user | {"id": 0, "created_at": "", "updated_at": ""} == {
            "id": 0,
            "name": "Jane Doe",
            "phone": "+1 555 0100",
            "email": "jane.doe@example.com",
            "type": "consumer",
            "source_website": website,
            "is_active": True,
            "created_at": "",
            "updated_at": "",
        }
        assert await session.get(Website, website)

    async def test_an_email_is_one_person_on_every_website(self, api: httpx.AsyncClient):
        assert (await api.post(URL, json=jane(email="jane@example.com"))).status_code == 201
        conflict = await api.post(URL, json=jane(email="JANE@example.com", source_website="rise"))
        assert conflict.status_code == 409
        assert conflict.headers["Content-Type"] == "application/problem+json"
        assert "jane@example.com" in conflict.json()["detail"]

    @pytest.mark.parametrize(
        ("overrides", "field"),
        [
            ({"name": "  "}, "name"),
            ({"name": "x" * 101}, "name"),
            ({"phone": ""}, "phone"),
            ({"phone": "1" * 21}, "phone"),
            ({"phone": 15550100}, "phone"),
            ({"email": "jane"}, "email"),
            ({"email": None}, "email"),
            ({"email": PLACEHOLDER}, "email"),
            ({"email": f"jane@{'x' * 60}.{'x' * 60}.{'x' * 60}.com"}, "email"),
            ({"email": f"{'İ' * 60}@{'x' * 60}.com"}, "email"),
            ({"type": ""}, "type"),
            ({"type": "x" * 51}, "type"),
            ({"source_website": "-sailor"}, "source_website"),
            ({"is_active": None}, "is_active"),
            ({"addresses": []}, "addresses"),
        ],
    )
    async def test_invalid(self, api: httpx.AsyncClient, overrides: dict[str, Any], field: str):
        answer = await api.post(URL, json=jane(**overrides))
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]

    async def test_every_offending_field_is_named(self, api: httpx.AsyncClient):
        answer = await api.post(URL, json={"name": "", "email": "jane@"})
        fields = {error["field"] for error in answer.json()["errors"]}
        assert fields == {"name", "phone", "email", "source_website"}

    async def test_a_nul_character_is_refused(self, api: httpx.AsyncClient):
        answer = await api.post(URL, json=jane(name="Jane\x00"))
        assert answer.status_code == 422
        assert "NUL" in answer.json()["detail"]


class TestGetUser:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.get(f"{URL}/1")).status_code == 401

    async def test_unknown(self, api: httpx.AsyncClient):
        answer = await api.get(f"{URL}/{2**62}")
        assert answer.status_code == 404
        assert answer.json()["title"] == "Not Found"

    @pytest.mark.parametrize("bad", ["0", "-1", "x", str(2**63), "1.5"])
    async def test_invalid_id(self, api: httpx.AsyncClient, bad: str):
        answer = await api.get(f"{URL}/{bad}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "user_id"

    async def test_success(self, api: httpx.AsyncClient, session: AsyncSession, statements: list[str]):
        user = await create_user(session)
        first, second = await create_address(session, user), await create_address(session, user, is_default=True)
        await create_address(session, await create_user(session))
        await api.get(f"{URL}/{user.id}")  # the admin is looked up once and then cached
        statements.clear()
        answer = await api.get(f"{URL}/{user.id}/")
        assert answer.status_code == 200
        assert answer.json()["email"] == user.email
        assert [address["id"] for address in answer.json()["addresses"]] == [first.id, second.id]
        assert [address["is_default"] for address in answer.json()["addresses"]] == [False, True]
        assert len(statements) == 2  # the user and the addresses

    async def test_finds_inactive_ones(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session, is_active=False)
        answer = await api.get(f"{URL}/{user.id}")
        assert answer.status_code == 200
        assert answer.json()["is_active"] is False
        assert answer.json()["addresses"] == []

    async def test_a_placeholder_is_nothing_to_search_for(api: httpx.AsyncClient, session: AsyncSession):
    guest = await create_user(session, name="Guest Nobody", email=f"{unique('anonymous')}@sailor.invalid")

    async def found(q: str) -> list[int]:
        return [user["id"] for user in (await api.get(URL, params={"q": q})).json()["items"]]

    assert await found("nobody") == [guest.id]
    assert await found("anonymous") == []
