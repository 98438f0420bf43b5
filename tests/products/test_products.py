"""`/products`: each endpoint anonymous, unknown, invalid, conflicting, and as it should be."""

import asyncio
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from tests.builders import create_product, unique

URL = "/api/v1/products"


def mug(**overrides: Any) -> dict[str, Any]:
    return {
        "product_name": "Enamel mug",
        "price": "12.50",
        "sku": unique("MUG"),
        "source_website": "sailor",
    } | overrides


class TestCreateProduct:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.post(URL, json=mug())).status_code == 401

    async def test_success(self, api: httpx.AsyncClient):
        body = mug(sku="MUG-7", barcode="4006381333931", variant="Blue / 300 ml", source_website=" Sailor ")
        answer = await api.post(URL, json=body)
        assert answer.status_code == 201
        product = answer.json()
        assert answer.headers["Location"] == f"{URL}/{product['id']}"
        assert product | {"id": 0, "created_at": "", "updated_at": ""} == {
            "id": 0,
            "product_name": "Enamel mug",
            "barcode": "4006381333931",
            "price": "12.50",
            "sku": "MUG-7",
            "variant": "Blue / 300 ml",
            "source_website": "sailor",
            "is_active": True,
            "stock_quantity": None,
            "created_at": "",
            "updated_at": "",
        }

    async def test_the_same_sku_conflicts_only_within_its_website(self, api: httpx.AsyncClient):
        assert (await api.post(URL, json=mug(sku="MUG-1"))).status_code == 201
        conflict = await api.post(URL, json=mug(sku="MUG-1"))
        assert conflict.status_code == 409
        assert conflict.headers["Content-Type"] == "application/problem+json"
        assert "sku MUG-1" in conflict.json()["detail"]
        assert (await api.post(URL, json=mug(sku="MUG-1", source_website="rise"))).status_code == 201

    @pytest.mark.parametrize(
        ("overrides", "field"),
        [
            ({"price": "-1"}, "price"),
            ({"price": "1.234"}, "price"),
            ({"price": "123456789.00"}, "price"),
            ({"price": "NaN"}, "price"),
            ({"price": None}, "price"),
            ({"sku": ""}, "sku"),
            ({"sku": "x" * 101}, "sku"),
            ({"product_name": "   "}, "product_name"),
            ({"source_website": "-sailor"}, "source_website"),
            ({"stock_quantity": 2**31}, "stock_quantity"),
            ({"colour": "blue"}, "colour"),
        ],
    )
    async def test_invalid(self, api: httpx.AsyncClient, overrides: dict[str, Any], field: str):
        answer = await api.post(URL, json=mug(**overrides))
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]

    async def test_every_offending_field_is_named(self, api: httpx.AsyncClient):
        answer = await api.post(URL, json={"price": "free", "sku": ""})
        fields = {error["field"] for error in answer.json()["errors"]}
        assert fields == {"price", "sku", "product_name", "source_website"}

    async def test_a_nul_character_is_refused(self, api: httpx.AsyncClient):
        answer = await api.post(URL, json=mug(product_name="mug\x00"))
        assert answer.status_code == 422
        assert "NUL" in answer.json()["detail"]


class TestGetProduct:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.get(f"{URL}/1")).status_code == 401

    async def test_unknown(self, api: httpx.AsyncClient):
        answer = await api.get(f"{URL}/{2**62}")
        assert answer.status_code == 404
        assert answer.json()["title"] == "Not Found"

    @pytest.mark.parametrize("bad", ["0", "-1", "x", str(2**63), "1.5"])
    async def test_invalid_id(self, api: httpx.AsyncClient, bad: str):
        assert (await api.get(f"{URL}/{bad}")).status_code == 422

    async def test_finds_inactive_ones(self, api: httpx.AsyncClient, session: AsyncSession):
        product = await create_product(session, is_active=False)
        answer = await api.get(f"{URL}/{product.id}")
        assert answer.status_code == 200
        assert answer.json()["is_active"] is False


class TestUpdateProduct:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.put(f"{URL}/1", json={})).status_code == 401

    async def test_unknown(self, api: httpx.AsyncClient):
        assert (await api.put(f"{URL}/{2**62}", json={})).status_code == 404

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    async def test_changes_what_the_body_holds(self, api: httpx.AsyncClient, session: AsyncSession, method: str):
        product = await create_product(session, barcode="1234", variant="Blue")
        answer = await api.request(method, f"{URL}/{product.id}", json={"price": "9.99", "barcode": None})
        assert answer.status_code == 200
        changed = answer.json()
        assert (changed["price"], changed["barcode"], changed["variant"]) == ("9.99", None, "Blue")
        assert changed["updated_at"] > changed["created_at"]

    async def test_an_empty_body_changes_nothing(self, api: httpx.AsyncClient, session: AsyncSession):
        product = await create_product(session)
        before = (await api.get(f"{URL}/{product.id}")).json()
        assert (await api.put(f"{URL}/{product.id}", json={})).json() == before

    async def test_null_for_a_required_field(self, api: httpx.AsyncClient, session: AsyncSession):
        product = await create_product(session)
        answer = await api.put(f"{URL}/{product.id}", json={"sku": None})
        assert answer.status_code == 422
        assert "sku: cannot be null" in answer.json()["detail"]

    async def test_conflict(self, api: httpx.AsyncClient, session: AsyncSession):
        taken, product = await create_product(session), await create_product(session)
        answer = await api.put(f"{URL}/{product.id}", json={"sku": taken.sku})
        assert answer.status_code == 409

    async def test_restores(self, api: httpx.AsyncClient, session: AsyncSession):
        product = await create_product(session, is_active=False)
        assert (await api.put(f"{URL}/{product.id}", json={"is_active": True})).json()["is_active"] is True


class TestDeleteProduct:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.delete(f"{URL}/1")).status_code == 401

    async def test_unknown(self, api: httpx.AsyncClient):
        assert (await api.delete(f"{URL}/{2**62}")).status_code == 404

    async def test_deactivates_and_may_be_repeated(self, api: httpx.AsyncClient, session: AsyncSession):
        product = await create_product(session)
        for _ in range(2):
            answer = await api.delete(f"{URL}/{product.id}")
            assert (answer.status_code, answer.content) == (204, b"")
        assert (await api.get(f"{URL}/{product.id}")).json()["is_active"] is False


class TestListProducts:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.get(URL)).status_code == 401

    @pytest.mark.parametrize(
        "query",
        ["colour=blue", "sort=weight", "size=201", "size=0", "page=0", "price_min=x", "created_from=soon"],
    )
    async def test_invalid(self, api: httpx.AsyncClient, query: str):
        answer = await api.get(f"{URL}?{query}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == query.split("=", maxsplit=1)[0]

    async def test_success(self, api: httpx.AsyncClient, session: AsyncSession, statements: list[str]):
        website = unique("site")
        for number in range(3):
            await create_product(session, source_website=website, price=Decimal(number))
        await create_product(session, source_website=website, is_active=False)
        await api.get(URL)  # the admin is looked up once and then cached
        statements.clear()
        answer = await api.get(f"{URL}/?source_website={website}&sort=price&size=2")
        assert answer.status_code == 200
        page = answer.json()
        assert [item["price"] for item in page["items"]] == ["0.00", "1.00"]
        assert {name: page[name] for name in ("total", "total_is_estimate", "page", "size", "pages")} == {
            "total": 3,
            "total_is_estimate": False,
            "page": 1,
            "size": 2,
            "pages": 2,
        }
        assert page["next_cursor"]
        assert len(statements) == 2  # the page and the count

    async def test_the_total_without_any_filter(self, api: httpx.AsyncClient, session: AsyncSession):
        for _ in range(3):
            await create_product(session)
        page = (await api.get(URL, params={"is_active": "any", "size": 2})).json()
        assert page["total"] >= 3
        assert page["pages"] == -(-page["total"] // 2)
        assert (await api.get(URL, params={"is_active": "any", "size": 2, "count": "exact"})).json()["total"] == page[
            "total"
        ]

    @pytest.mark.parametrize("bad", ["20260903", "1700000000", "1e9", "0"])
    async def test_a_number_is_no_date(self, api: httpx.AsyncClient, bad: str):
        answer = await api.get(URL, params={"created_from": bad})
        assert answer.status_code == 422
        assert "ISO 8601" in answer.json()["detail"]

    async def test_filters(self, api: httpx.AsyncClient, session: AsyncSession):
        website = unique("site")
        cheap = await create_product(session, source_website=website, price=Decimal(5), sku="C-1", barcode="111")
        dear = await create_product(session, source_website=website, price=Decimal(50), sku="D-1")
        gone = await create_product(session, source_website=website, price=Decimal(500), is_active=False)

        async def found(**query: str) -> set[int]:
            answer = await api.get(URL, params={"source_website": website, **query})
            assert answer.status_code == 200, answer.text
            return {item["id"] for item in answer.json()["items"]}

        assert await found() == {cheap.id, dear.id}
        assert await found(is_active="false") == {gone.id}
        assert await found(is_active="any") == {cheap.id, dear.id, gone.id}
        assert await found(price_min="5.01") == {dear.id}
        assert await found(price_max="5.00") == {cheap.id}
        assert await found(sku="D-1") == {dear.id}
        assert await found(barcode="111") == {cheap.id}
        assert await found(q="ename MUG") == {cheap.id, dear.id}
        assert await found(q="d-1") == {dear.id}
        assert await found(q="?!") == set()
        today = cheap.created_at.date().isoformat()
        assert await found(created_from=today, created_to=today) == {cheap.id, dear.id}
        assert await found(created_to="2020-01-01") == set()
        assert await found(updated_since=today) == {cheap.id, dear.id}


async def test_one_of_twenty_simultaneous_creates_wins(live_api: httpx.AsyncClient):
    body = mug()
    answers = await asyncio.gather(*(live_api.post(URL, json=body) for _ in range(20)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] + [409] * 19
