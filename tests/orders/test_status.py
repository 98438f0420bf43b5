"""How the status of an order moves: all 25 pairs, and what stands in the way."""

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.orders.models import OrderStatus
from tests.builders import create_order
from tests.orders.bodies import URL, sync_from

LEGAL = {
    "pending": {"confirmed", "shipped", "delivered", "cancelled"},
    "confirmed": {"shipped", "delivered", "cancelled"},
    "shipped": {"delivered", "cancelled"},
    "delivered": set(),
    "cancelled": set(),
}


@pytest.mark.parametrize("wanted", [status.value for status in OrderStatus])
@pytest.mark.parametrize("present", [status.value for status in OrderStatus])
async def test_every_move(api: httpx.AsyncClient, session: AsyncSession, present: str, wanted: str):
    order = await create_order(session, status=present)
    answer = await api.put(f"{URL}/{order.id}", json={"status": wanted})
    if wanted == present or wanted in LEGAL[present]:
        assert answer.status_code == 200
        assert answer.json()["status"] == wanted
        return
    assert answer.status_code == 409
    detail = answer.json()["detail"]
    for legal in LEGAL[present]:
        assert legal in detail
    assert ("final" in detail) is (not LEGAL[present])
    assert (await api.get(f"{URL}/{order.id}")).json()["status"] == present


async def test_patch_moves_too(api: httpx.AsyncClient, session: AsyncSession):
    order = await create_order(session)
    answer = await api.patch(f"{URL}/{order.id}", json={"status": "confirmed"})
    assert answer.json()["status"] == "confirmed"
    assert answer.json()["updated_at"] > answer.json()["created_at"]


async def test_the_status_of_a_synced_order_may_be_set(api: httpx.AsyncClient, session: AsyncSession):
    order = await create_order(session)
    await sync_from(session, "rise", order)
    assert (await api.put(f"{URL}/{order.id}", json={"status": "shipped"})).status_code == 200
    assert (await api.delete(f"{URL}/{order.id}")).status_code == 204


async def test_amounts_may_change_with_the_move_that_closes_the_order(api: httpx.AsyncClient, session: AsyncSession):
    order = await create_order(session)
    answer = await api.put(f"{URL}/{order.id}", json={"status": "shipped", "shipping_total": "4.00"})
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["total_amount"]) == ("shipped", "16.50")


async def test_an_illegal_move_leaves_the_amounts(api: httpx.AsyncClient, session: AsyncSession):
    order = await create_order(session, status="confirmed")
    answer = await api.put(f"{URL}/{order.id}", json={"status": "pending", "shipping_total": "4.00"})
    assert answer.status_code == 409
    assert (await api.get(f"{URL}/{order.id}")).json()["shipping_total"] == "0.00"
