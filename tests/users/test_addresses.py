"""`/users/{user_id}/addresses`: each endpoint anonymous, unknown, invalid, and as it should be."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.users.models import User
from tests.builders import create_address, create_user, unique

UNKNOWN = 2**62


def url(user_id: int, address_id: int | None = None) -> str:
    addresses = f"/api/v1/users/{user_id}/addresses"
    return addresses if address_id is None else f"{addresses}/{address_id}"


def house(**overrides: Any) -> dict[str, Any]:
    return {"country": "Bangladesh", "city": "Dhaka", "address": "House 1, Road 2"} | overrides


async def defaults(api: httpx.AsyncClient, user: User) -> list[int]:
    return [address["id"] for address in (await api.get(url(user.id))).json() if address["is_default"]]


class TestCreateAddress:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.post(url(1), json=house())).status_code == 401

    async def test_unknown_user(self, api: httpx.AsyncClient):
        assert (await api.post(url(UNKNOWN), json=house())).status_code == 404

    @pytest.mark.parametrize("slash", ["", "/"])
    async def test_success(self, api: httpx.AsyncClient, session: AsyncSession, slash: str):
        user = await create_user(session)
        answer = await api.post(url(user.id) + slash, json=house(city=" Dhaka "))
        assert answer.status_code == 201
        address = answer.json()
        assert answer.headers["Location"] == url(user.id, address["id"])
        assert address | {"id": 0, "created_at": "", "updated_at": ""} == {
            "id": 0,
            "user_id": user.id,
            "country": "Bangladesh",
            "city": "Dhaka",
            "district": None,
            "address": "House 1, Road 2",
            "is_default": False,
            "created_at": "",
            "updated_at": "",
        }

    async def test_a_new_default_replaces_the_other(self, api: httpx.AsyncClient, session: AsyncSession):
        user, other = await create_user(session), await create_user(session)
        await create_address(session, user, is_default=True)
        kept = await create_address(session, other, is_default=True)
        created = (await api.post(url(user.id), json=house(is_default=True))).json()
        assert await defaults(api, user) == [created["id"]]
        assert await defaults(api, other) == [kept.id]

    @pytest.mark.parametrize(
        ("overrides", "field"),
        [
            ({"country": ""}, "country"),
            ({"country": "x" * 101}, "country"),
            ({"city": "  "}, "city"),
            ({"city": None}, "city"),
            ({"district": "x" * 101}, "district"),
            ({"address": ""}, "address"),
            ({"address": "x" * 10_001}, "address"),
            ({"is_default": None}, "is_default"),
            ({"postcode": "1212"}, "postcode"),
        ],
    )
    async def test_invalid(self, api: httpx.AsyncClient, overrides: dict[str, Any], field: str):
        answer = await api.post(url(1), json=house(**overrides))
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]


class TestListAddresses:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.get(url(1))).status_code == 401

    async def test_unknown_user(self, api: httpx.AsyncClient):
        assert (await api.get(url(UNKNOWN))).status_code == 404

    async def test_invalid_id(self, api: httpx.AsyncClient):
        answer = await api.get(url(0))
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "user_id"

    async def test_success(self, api: httpx.AsyncClient, session: AsyncSession, statements: list[str]):
        user = await create_user(session, is_active=False)
        created = [await create_address(session, user, is_default=number == 1) for number in range(3)]
        await create_address(session, await create_user(session))
        await api.get(url(user.id))  # the admin is looked up once and then cached
        statements.clear()
        answer = await api.get(f"{url(user.id)}/")
        assert answer.status_code == 200
        assert [address["id"] for address in answer.json()] == [address.id for address in created]
        assert len(statements) == 2  # the user and the addresses

    async def test_none(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session)
        assert (await api.get(url(user.id))).json() == []


class TestUpdateAddress:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.put(url(1, 1), json={})).status_code == 401

    async def test_unknown(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session)
        address = await create_address(session, user)
        assert (await api.put(url(user.id, UNKNOWN), json={})).status_code == 404
        assert (await api.put(url(UNKNOWN, address.id), json={})).status_code == 404

    async def test_of_another_user(self, api: httpx.AsyncClient, session: AsyncSession):
        address = await create_address(session, await create_user(session))
        stranger = await create_user(session)
        assert (await api.put(url(stranger.id, address.id), json={"city": "Sylhet"})).status_code == 404

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    async def test_changes_what_the_body_holds(self, api: httpx.AsyncClient, session: AsyncSession, method: str):
        user = await create_user(session)
        address = await create_address(session, user)
        changes = {"city": "Sylhet", "district": None}
        answer = await api.request(method, f"{url(user.id, address.id)}/", json=changes)
        assert answer.status_code == 200
        changed = answer.json()
        assert (changed["city"], changed["district"], changed["country"]) == ("Sylhet", None, "Bangladesh")
        assert changed["updated_at"] > changed["created_at"]

    async def test_an_empty_body_changes_nothing(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session)
        address = await create_address(session, user, is_default=True)
        before = (await api.get(url(user.id))).json()
        assert [(await api.put(url(user.id, address.id), json={})).json()] == before

    async def test_blanks_of_an_imported_address_may_be_put_back(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session)
        address = await create_address(session, user, country="", city="", address="")
        body = {"country": "", "city": "", "address": "", "district": "Gulshan"}
        answer = await api.put(url(user.id, address.id), json=body)
        assert answer.status_code == 200
        assert answer.json() | body == answer.json()

    @pytest.mark.parametrize(
        ("change", "field"), [({"city": "x" * 101}, "city"), ({"is_default": "perhaps"}, "is_default"), ({"a": 1}, "a")]
    )
    async def test_invalid(self, api: httpx.AsyncClient, change: dict[str, Any], field: str):
        answer = await api.put(url(1, 1), json=change)
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]

    @pytest.mark.parametrize("name", ["country", "city", "address", "is_default"])
    async def test_null_for_a_required_field(self, api: httpx.AsyncClient, name: str):
        answer = await api.put(url(1, 1), json={name: None})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [name]
        assert "cannot be null" in answer.json()["detail"]

    async def test_a_new_default_replaces_the_other(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session)
        first, second = await create_address(session, user, is_default=True), await create_address(session, user)
        for address in (second, first, first):
            answer = await api.put(url(user.id, address.id), json={"is_default": True})
            assert answer.json()["is_default"] is True
            assert await defaults(api, user) == [address.id]
        await api.put(url(user.id, first.id), json={"is_default": False})
        assert await defaults(api, user) == []


class TestDeleteAddress:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.delete(url(1, 1))).status_code == 401

    async def test_unknown(self, api: httpx.AsyncClient, session: AsyncSession):
        user, stranger = await create_user(session), await create_user(session)
        address = await create_address(session, user)
        for path in (url(user.id, UNKNOWN), url(UNKNOWN, address.id), url(stranger.id, address.id)):
            assert (await api.delete(path)).status_code == 404

    async def test_success(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session)
        address, default = await create_address(session, user), await create_address(session, user, is_default=True)
        answer = await api.delete(url(user.id, address.id))
        assert (answer.status_code, answer.content) == (204, b"")
        assert (await api.delete(url(user.id, address.id))).status_code == 404
        assert [left["id"] for left in (await api.get(url(user.id))).json()] == [default.id]

    async def test_the_newest_other_one_becomes_the_default(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session)
        default = await create_address(session, user, is_default=True)
        oldest, newest = await create_address(session, user), await create_address(session, user)
        for deleted, promoted in ((default, [newest.id]), (newest, [oldest.id]), (oldest, [])):
            assert (await api.delete(url(user.id, deleted.id))).status_code == 204
            assert await defaults(api, user) == promoted


async def test_of_ten_simultaneous_defaults_one_stays(live_api: httpx.AsyncClient):
    body = {"name": "Jane", "phone": "1", "email": f"{unique('jane')}@example.com", "source_website": "sailor"}
    user_id = (await live_api.post("/api/v1/users", json=body)).json()["id"]
    created = [(await live_api.post(url(user_id), json=house())).json()["id"] for _ in range(5)]
    changes = (live_api.put(url(user_id, address_id), json={"is_default": True}) for address_id in created)
    additions = (live_api.post(url(user_id), json=house(is_default=True)) for _ in range(5))
    answers = await asyncio.gather(*changes, *additions)
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201] * 5
    addresses = (await live_api.get(url(user_id))).json()
    assert len(addresses) == 10
    assert sum(address["is_default"] for address in addresses) == 1
