"""`/orders/{order_id}/details`: each endpoint anonymous, unknown, invalid, conflicting, and as it should be."""

from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.orders.models import Order
from tests.builders import create_order, create_product
from tests.orders.bodies import UNKNOWN, URL, add_up, sync_from

CLOSED = ("shipped", "delivered", "cancelled")


async def read(api: httpx.AsyncClient, order: Order) -> dict[str, Any]:
    """The order as the API shows it, whose total adds up."""
    shown: dict[str, Any] = (await api.get(f"{URL}/{order.id}")).json()
    assert Decimal(shown["total_amount"]) == add_up(shown)
    return shown


async def read_line_ids(api: httpx.AsyncClient, order: Order) -> list[int]:
    return [line["id"] for line in (await read(api, order))["details"]]


class TestCreateDetail:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.post(f"{URL}/1/details", json={"product_id": 1})).status_code == 401

    async def test_unknown(self, api: httpx.AsyncClient):
        assert (await api.post(f"{URL}/{UNKNOWN}/details", json={"product_id": 1})).status_code == 404

    @pytest.mark.parametrize("status", ["pending", "confirmed"])
    async def test_success(self, api: httpx.AsyncClient, session: AsyncSession, status: str):
        order = await create_order(session, status=status)
        cup = await create_product(session, product_name="Cup", price=Decimal("3.25"))
        answer = await api.post(f"{URL}/{order.id}/details", json={"product_id": cup.id, "quantity": 3})
        assert answer.status_code == 201
        line = answer.json()
        assert answer.headers["Location"] == f"{URL}/{order.id}/details/{line['id']}"
        assert line | {"id": 0, "created_at": "", "updated_at": ""} == {
            "id": 0,
            "order_id": order.id,
            "product_id": cup.id,
            "sku": cup.sku,
            "product_name": "Cup",
            "quantity": 3,
            "unit_price": "3.25",
            "total_price": "9.75",
            "created_at": "",
            "updated_at": "",
        }
        shown = await read(api, order)
        assert shown["total_amount"] == "22.25"
        assert shown["details"][-1] == line

    async def test_a_free_line_changes_the_order(self, api: httpx.AsyncClient, session: AsyncSession):
        order, gift = await create_order(session), await create_product(session)
        before = await read(api, order)
        body = {"product_id": gift.id, "unit_price": "0"}
        assert (await api.post(f"{URL}/{order.id}/details", json=body)).status_code == 201
        after = await read(api, order)
        assert after["total_amount"] == before["total_amount"]
        assert after["updated_at"] > before["updated_at"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "product_id"),
            ({"product_id": 0}, "product_id"),
            ({"product_id": UNKNOWN}, "product_id"),
            ({"product_id": 1, "quantity": 0}, "quantity"),
            ({"product_id": 1, "unit_price": "1.234"}, "unit_price"),
            ({"product_id": 1, "sku": "MUG"}, "sku"),
        ],
    )
    async def test_invalid(self, api: httpx.AsyncClient, session: AsyncSession, body: dict[str, Any], field: str):
        order = await create_order(session)
        answer = await api.post(f"{URL}/{order.id}/details", json=body)
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]

    async def test_an_inactive_product(self, api: httpx.AsyncClient, session: AsyncSession):
        order, gone = await create_order(session), await create_product(session, is_active=False)
        answer = await api.post(f"{URL}/{order.id}/details", json={"product_id": gone.id})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == ["product_id"]

    @pytest.mark.parametrize(
        ("quantity", "price", "field"),
        [(1_000_000_000, "10.00", "total_price"), (100, "99999999.99", "total_amount")],
    )
    async def test_overflow(self, api: httpx.AsyncClient, session: AsyncSession, quantity: int, price: str, field: str):
        order = await create_order(session)
        mug = await create_product(session)
        body = {"product_id": mug.id, "quantity": quantity, "unit_price": price}
        answer = await api.post(f"{URL}/{order.id}/details", json=body)
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert len(await read_line_ids(api, order)) == 1

    async def test_the_501st_line_conflicts(self, api: httpx.AsyncClient, session: AsyncSession):
        mug = await create_product(session)
        order = await create_order(session, lines=[(mug, 1)] * 499)
        statuses = [
            (await api.post(f"{URL}/{order.id}/details", json={"product_id": mug.id})).status_code for _ in range(2)
        ]
        assert statuses == [201, 409]

    @pytest.mark.parametrize("status", CLOSED)
    async def test_of_a_closed_order_conflicts(self, api: httpx.AsyncClient, session: AsyncSession, status: str):
        order, mug = await create_order(session, status=status), await create_product(session)
        answer = await api.post(f"{URL}/{order.id}/details", json={"product_id": mug.id})
        assert answer.status_code == 409
        assert "only while it is pending or confirmed" in answer.json()["detail"]

    async def test_of_a_synced_order_conflicts(self, api: httpx.AsyncClient, session: AsyncSession):
        order, mug = await create_order(session), await create_product(session)
        await sync_from(session, "rise", order)
        answer = await api.post(f"{URL}/{order.id}/details", json={"product_id": mug.id})
        assert answer.status_code == 409
        assert "synced from rise" in answer.json()["detail"]


class TestListDetails:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.get(f"{URL}/1/details")).status_code == 401

    async def test_unknown(self, api: httpx.AsyncClient):
        assert (await api.get(f"{URL}/{UNKNOWN}/details")).status_code == 404

    async def test_invalid_id(self, api: httpx.AsyncClient):
        assert (await api.get(f"{URL}/x/details")).status_code == 422

    async def test_success(self, api: httpx.AsyncClient, session: AsyncSession, statements: list[str]):
        mug, cup = await create_product(session), await create_product(session)
        order = await create_order(session, lines=[(mug, 1), (cup, 2), (mug, 3)])
        await api.get(URL)  # the admin is looked up once and then cached
        statements.clear()
        answer = await api.get(f"{URL}/{order.id}/details/")
        assert answer.status_code == 200
        assert len(statements) == 1
        assert [(line["sku"], line["quantity"]) for line in answer.json()] == [(mug.sku, 1), (cup.sku, 2), (mug.sku, 3)]


class TestUpdateDetail:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.put(f"{URL}/1/details/1", json={})).status_code == 401

    async def test_unknown(self, api: httpx.AsyncClient, session: AsyncSession):
        order, other = await create_order(session), await create_order(session)
        [line_of_other] = await read_line_ids(api, other)
        for url in (f"{UNKNOWN}/details/{line_of_other}", f"{order.id}/details/{UNKNOWN}"):
            assert (await api.put(f"{URL}/{url}", json={"quantity": 2})).status_code == 404
        answer = await api.put(f"{URL}/{order.id}/details/{line_of_other}", json={"quantity": 2})
        assert answer.status_code == 404
        assert (await read(api, other))["details"][0]["quantity"] == 1

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    async def test_changes_line_and_total(self, api: httpx.AsyncClient, session: AsyncSession, method: str):
        mug, cup = await create_product(session), await create_product(session, price=Decimal(3))
        order = await create_order(session, lines=[(mug, 1), (cup, 1)])
        line_id, _ = await read_line_ids(api, order)
        url = f"{URL}/{order.id}/details/{line_id}"
        line = (await api.request(method, url, json={"quantity": 4})).json()
        assert (line["quantity"], line["unit_price"], line["total_price"]) == (4, "12.50", "50.00")
        assert (await read(api, order))["total_amount"] == "53.00"
        line = (await api.request(method, url, json={"unit_price": "10.01"})).json()
        assert (line["quantity"], line["unit_price"], line["total_price"]) == (4, "10.01", "40.04")
        shown = await read(api, order)
        assert shown["total_amount"] == "43.04"
        assert shown["details"][0] == line

    async def test_what_was_read_may_be_sent_back(self, api: httpx.AsyncClient, session: AsyncSession):
        order = await create_order(session, status="shipped")
        before = await read(api, order)
        [line] = before["details"]
        for body in ({}, {"quantity": line["quantity"], "unit_price": line["unit_price"]}):
            answer = await api.put(f"{URL}/{order.id}/details/{line['id']}", json=body)
            assert answer.status_code == 200
            assert answer.json() == line
        assert await read(api, order) == before

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"quantity": 0}, "quantity"),
            ({"quantity": 1_000_000_000}, "total_price"),
            ({"quantity": 10, "unit_price": "1000000000"}, "unit_price"),
            ({"quantity": 101, "unit_price": "99999999.99"}, "total_price"),
            ({"unit_price": "1.00"}, "total_amount"),
            ({"product_id": 1}, "product_id"),
        ],
    )
    async def test_invalid(self, api: httpx.AsyncClient, session: AsyncSession, body: dict[str, Any], field: str):
        order = await create_order(session)
        [line_id] = await read_line_ids(api, order)
        assert (await api.put(f"{URL}/{order.id}", json={"discount_total": "12.00"})).status_code == 200
        answer = await api.put(f"{URL}/{order.id}/details/{line_id}", json=body)
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert (await read(api, order))["total_amount"] == "0.50"

    async def test_null_is_refused(self, api: httpx.AsyncClient, session: AsyncSession):
        order = await create_order(session)
        [line_id] = await read_line_ids(api, order)
        answer = await api.put(f"{URL}/{order.id}/details/{line_id}", json={"quantity": None})
        assert answer.status_code == 422
        assert "quantity: cannot be null" in answer.json()["detail"]

    @pytest.mark.parametrize("status", CLOSED)
    async def test_of_a_closed_order_conflicts(self, api: httpx.AsyncClient, session: AsyncSession, status: str):
        order = await create_order(session, status=status)
        [line_id] = await read_line_ids(api, order)
        assert (await api.put(f"{URL}/{order.id}/details/{line_id}", json={"quantity": 2})).status_code == 409

    async def test_of_a_synced_order_conflicts(self, api: httpx.AsyncClient, session: AsyncSession):
        order = await create_order(session)
        [line_id] = await read_line_ids(api, order)
        await sync_from(session, "rise", order)
        answer = await api.put(f"{URL}/{order.id}/details/{line_id}", json={"quantity": 2})
        assert answer.status_code == 409
        assert "synced from rise" in answer.json()["detail"]


class TestDeleteDetail:
    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await client.delete(f"{URL}/1/details/1")).status_code == 401

    async def test_unknown(self, api: httpx.AsyncClient, session: AsyncSession):
        order, other = await create_order(session), await create_order(session)
        [line_of_other] = await read_line_ids(api, other)
        for url in (f"{UNKNOWN}/details/1", f"{order.id}/details/{UNKNOWN}", f"{order.id}/details/{line_of_other}"):
            assert (await api.delete(f"{URL}/{url}")).status_code == 404

    async def test_invalid_id(self, api: httpx.AsyncClient):
        answer = await api.delete(f"{URL}/0/details/x")
        assert answer.status_code == 422
        assert {error["field"] for error in answer.json()["errors"]} == {"order_id", "detail_id"}

    async def test_removes_all_but_the_last(self, api: httpx.AsyncClient, session: AsyncSession):
        mug, cup = await create_product(session), await create_product(session, price=Decimal(3))
        order = await create_order(session, lines=[(mug, 1), (cup, 1)])
        first, last = await read_line_ids(api, order)
        answer = await api.delete(f"{URL}/{order.id}/details/{first}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert (await read(api, order))["total_amount"] == "3.00"
        assert (await api.delete(f"{URL}/{order.id}/details/{first}")).status_code == 404
        conflict = await api.delete(f"{URL}/{order.id}/details/{last}")
        assert conflict.status_code == 409
        assert "at least one line" in conflict.json()["detail"]
        assert await read_line_ids(api, order) == [last]

    async def test_a_negative_total_conflicts(self, api: httpx.AsyncClient, session: AsyncSession):
        mug = await create_product(session, price=Decimal(10))
        order = await create_order(session, lines=[(mug, 1), (mug, 1)])
        await api.put(f"{URL}/{order.id}", json={"discount_total": "15.00"})
        line_id, _ = await read_line_ids(api, order)
        answer = await api.delete(f"{URL}/{order.id}/details/{line_id}")
        assert answer.status_code == 409
        assert "total would be -5.00" in answer.json()["detail"]
        assert (await read(api, order))["total_amount"] == "5.00"

    @pytest.mark.parametrize("status", CLOSED)
    async def test_of_a_closed_order_conflicts(self, api: httpx.AsyncClient, session: AsyncSession, status: str):
        mug = await create_product(session)
        order = await create_order(session, lines=[(mug, 1), (mug, 1)], status=status)
        line_id, _ = await read_line_ids(api, order)
        assert (await api.delete(f"{URL}/{order.id}/details/{line_id}")).status_code == 409

    async def test_of_a_synced_order_conflicts(self, api: httpx.AsyncClient, session: AsyncSession):
        mug = await create_product(session)
        order = await create_order(session, lines=[(mug, 1), (mug, 1)])
        await sync_from(session, "rise", order)
        line_id, _ = await read_line_ids(api, order)
        answer = await api.delete(f"{URL}/{order.id}/details/{line_id}")
        assert answer.status_code == 409
        assert "synced from rise" in answer.json()["detail"]
