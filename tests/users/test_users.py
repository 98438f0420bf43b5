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

    async def test_a_placeholder_is_no_email(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session, email=PLACEHOLDER, phone="")
        found = (await api.get(f"{URL}/{user.id}")).json()
        assert (found["email"], found["phone"]) == (None, "")


class TestUpdateUser:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.put(f"{URL}/1", json={})).status_code == 401

    async def test_unknown(self, api: httpx.AsyncClient):
        assert (await api.put(f"{URL}/{2**62}", json={})).status_code == 404

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    async def test_changes_what_the_body_holds(self, api: httpx.AsyncClient, session: AsyncSession, method: str):
        user = await create_user(session)
        website = unique("site")
        changes = {"name": "Jane Roe", "email": "Roe@Example.com", "source_website": website}
        answer = await api.request(method, f"{URL}/{user.id}/", json=changes)
        assert answer.status_code == 200
        changed = answer.json()
        assert (changed["name"], changed["email"], changed["phone"]) == ("Jane Roe", "roe@example.com", user.phone)
        assert changed["source_website"] == website
        assert changed["updated_at"] > changed["created_at"]
        assert await session.get(Website, website)

    async def test_an_empty_body_changes_nothing(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session)
        before = (await api.get(f"{URL}/{user.id}")).json()
        assert before == (await api.put(f"{URL}/{user.id}", json={})).json() | {"addresses": []}

    @pytest.mark.parametrize("name", ["name", "phone", "type", "source_website", "is_active", "email"])
    async def test_null_for_a_required_field(self, api: httpx.AsyncClient, session: AsyncSession, name: str):
        user = await create_user(session)
        answer = await api.put(f"{URL}/{user.id}", json={name: None})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [name]

    @pytest.mark.parametrize(
        ("change", "field"), [({"name": ""}, "name"), ({"email": "jane"}, "email"), ({"age": 40}, "age")]
    )
    async def test_invalid(self, api: httpx.AsyncClient, session: AsyncSession, change: dict[str, Any], field: str):
        user = await create_user(session)
        answer = await api.put(f"{URL}/{user.id}", json=change)
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]

    async def test_conflict(self, api: httpx.AsyncClient, session: AsyncSession):
        taken, user = await create_user(session), await create_user(session)
        answer = await api.put(f"{URL}/{user.id}", json={"email": taken.email.upper()})
        assert answer.status_code == 409
        assert taken.email in answer.json()["detail"]

    async def test_putting_back_what_was_read_changes_nothing(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session, email=PLACEHOLDER, phone="")
        before = (await api.get(f"{URL}/{user.id}")).json()
        fields = ("name", "phone", "email", "type", "source_website", "is_active")
        answer = await api.put(f"{URL}/{user.id}", json={name: before[name] for name in fields})
        assert answer.status_code == 200
        assert answer.json() | {"addresses": []} == before
        assert await session.scalar(select(User.email).where(User.id == user.id)) == PLACEHOLDER

    async def test_an_email_replaces_a_placeholder(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session, email=PLACEHOLDER)
        answer = await api.put(f"{URL}/{user.id}", json={"email": "jane@example.com"})
        assert answer.json()["email"] == "jane@example.com"
        refused = await api.put(f"{URL}/{user.id}", json={"email": None})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "email"

    async def test_restores(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session, is_active=False)
        assert (await api.put(f"{URL}/{user.id}", json={"is_active": True})).json()["is_active"] is True


class TestDeleteUser:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.delete(f"{URL}/1")).status_code == 401

    async def test_unknown(self, api: httpx.AsyncClient):
        assert (await api.delete(f"{URL}/{2**62}")).status_code == 404

    async def test_deactivates_and_may_be_repeated(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session)
        for _ in range(2):
            answer = await api.delete(f"{URL}/{user.id}")
            assert (answer.status_code, answer.content) == (204, b"")
        assert (await api.get(f"{URL}/{user.id}")).json()["is_active"] is False


class TestListUsers:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.get(URL)).status_code == 401

    @pytest.mark.parametrize(
        "query", ["name=Jane", "sort=phone", "size=201", "page=0", "is_active=yes", "created_from=soon"]
    )
    async def test_invalid(self, api: httpx.AsyncClient, query: str):
        answer = await api.get(f"{URL}?{query}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == query.split("=", maxsplit=1)[0]

    async def test_success(self, api: httpx.AsyncClient, session: AsyncSession, statements: list[str]):
        website = unique("site")
        for name in ("Cleo", "Anna", "Bela"):
            await create_user(session, source_website=website, name=name)
        await create_user(session, source_website=website, is_active=False)
        await api.get(URL)  # the admin is looked up once and then cached
        statements.clear()
        answer = await api.get(f"{URL}/?source_website={website}&sort=name&size=2")
        assert answer.status_code == 200
        page = answer.json()
        assert [item["name"] for item in page["items"]] == ["Anna", "Bela"]
        assert {name: page[name] for name in ("total", "total_is_estimate", "page", "size", "pages")} == {
            "total": 3,
            "total_is_estimate": False,
            "page": 1,
            "size": 2,
            "pages": 2,
        }
        assert len(statements) == 2  # the page and the count
        rest = (await api.get(URL, params={"cursor": page["next_cursor"]})).json()
        assert [item["name"] for item in rest["items"]] == ["Cleo"]
        assert rest["next_cursor"] is None

    @pytest.mark.parametrize("sort", ["id", "name", "email", "created_at", "updated_at"])
    async def test_sorts(self, api: httpx.AsyncClient, session: AsyncSession, sort: str):
        website = unique("site")
        for name in ("Cleo", "Anna", "Bela"):
            await create_user(session, source_website=website, name=name, email=f"{unique(name.lower())}@example.com")

        async def pages(order: str) -> list[Any]:
            """One row at a time, by cursor."""
            values, params = [], {"source_website": website, "sort": order, "size": "1"}
            while params:
                page = (await api.get(URL, params=params)).json()
                values += [item[sort] for item in page["items"]]
                params = {"cursor": page["next_cursor"], "size": "1"} if page["next_cursor"] else {}
            return values

        ascending = await pages(sort)
        assert len(ascending) == 3
        assert ascending == sorted(ascending)
        assert await pages(f"-{sort}") == ascending[::-1]

    async def test_a_placeholder_is_no_email(self, api: httpx.AsyncClient, session: AsyncSession):
        website = unique("site")
        await create_user(session, source_website=website, email=PLACEHOLDER)
        page = (await api.get(URL, params={"source_website": website})).json()
        assert [item["email"] for item in page["items"]] == [None]

    async def test_filters(self, api: httpx.AsyncClient, session: AsyncSession):
        website = unique("site")
        member = await create_user(session, source_website=website, name="Jane Doe", email="jane@shop.example")
        guest = await create_user(session, source_website=website, name="Omar Ali", type="guest", phone="01711-1")
        gone = await create_user(session, source_website=website, is_active=False)

        async def found(**query: str) -> set[int]:
            answer = await api.get(URL, params={"source_website": website, **query})
            assert answer.status_code == 200, answer.text
            return {item["id"] for item in answer.json()["items"]}

        assert await found() == {member.id, guest.id}
        assert await found(is_active="false") == {gone.id}
        assert await found(is_active="any") == {member.id, guest.id, gone.id}
        assert await found(type="guest") == {guest.id}
        assert await found(email=" Jane@Shop.Example") == {member.id}
        assert await found(email="jane@shop") == set()
        assert await found(phone="01711-1") == {guest.id}
        assert await found(q="doe jan") == {member.id}
        assert await found(q="shop.exa") == {member.id}
        assert await found(q="01711") == {guest.id}
        assert await found(q="?!") == set()
        today = member.created_at.date().isoformat()
        assert await found(created_from=today, created_to=today) == {member.id, guest.id}
        assert await found(created_to="2020-01-01") == set()
        assert await found(updated_since=today) == {member.id, guest.id}
        assert await found(updated_since="2999-01-01") == set()

    async def test_by_address(self, api: httpx.AsyncClient, session: AsyncSession):
        city = unique("Dhaka")
        resident, traveller = await create_user(session), await create_user(session)
        await create_address(session, resident, country="Bangladesh", city=city)
        await create_address(session, resident, country="Bangladesh", city=city, address="House 2")
        await create_address(session, traveller, country="Bangladesh", city="Sylhet")
        await create_address(session, traveller, country="India", city=city)

        async def found(**query: str) -> list[int]:
            items = (await api.get(URL, params={"sort": "id", **query})).json()["items"]
            return [item["id"] for item in items]

        assert await found(city=city) == [resident.id, traveller.id]
        assert await found(city=city, country="Bangladesh") == [resident.id]
        assert traveller.id in await found(country="India")
        assert await found(city=city.upper()) == []

    async def test_a_website_knows_whom_it_told_us_of(self, api: httpx.AsyncClient, session: AsyncSession):
        first, second = unique("site"), unique("site")
        shared = await create_user(session, source_website=first)
        single = await create_user(session, source_website=second)
        for website, kind in ((first, SourceKind.CONSUMER), (second, SourceKind.CONSUMER), (second, SourceKind.GUEST)):
            session.add(SourceRecord(source_website=website, kind=kind, external_id="7", user_id=shared.id))
        await session.flush()

        async def found(website: str) -> list[int]:
            page = (await api.get(URL, params={"source_website": website, "sort": "id"})).json()
            assert page["total"] == len(page["items"])
            return [item["id"] for item in page["items"]]

        assert await found(first) == [shared.id]
        assert await found(second) == [shared.id, single.id]


async def test_one_of_twenty_simultaneous_creates_wins(live_api: httpx.AsyncClient):
    body = jane()
    answers = await asyncio.gather(*(live_api.post(URL, json=body) for _ in range(20)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] + [409] * 19


async def test_a_placeholder_is_nothing_to_search_for(api: httpx.AsyncClient, session: AsyncSession):
    guest = await create_user(session, name="Guest Nobody", email=f"{unique('anonymous')}@sailor.invalid")

    async def found(q: str) -> list[int]:
        return [user["id"] for user in (await api.get(URL, params={"q": q})).json()["items"]]

    assert await found("nobody") == [guest.id]
    assert await found("anonymous") == []
