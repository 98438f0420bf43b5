"""What PostgreSQL writes as JSON is what the answer's model would write."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Base
from app.orders.schemas import OrderRead, OrderWithDetails
from app.orders.service import get_order
from app.products.schemas import ProductRead
from app.users.schemas import UserRead
from tests.builders import create_order, create_product, create_user, unique

# Quotes, controls, a character beyond the basic plane, and what looks like the end of a moment.
ODD = 'Ünïcode "quoted" \\ back\tslash \u2028 😀 2026-01-01T00:00:00.000000Z'
WHOLE_SECOND = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TENTH = datetime(2026, 1, 2, 3, 4, 5, 100_000, tzinfo=UTC)
MICROSECOND = datetime(1999, 12, 31, 23, 59, 59, 1, tzinfo=UTC)


async def some_user(session: AsyncSession, website: str) -> Base:
    return await create_user(session, name=ODD[:100], source_website=website, created_at=WHOLE_SECOND, updated_at=TENTH)


async def user_without_email(session: AsyncSession, website: str) -> Base:
    return await create_user(session, email=f"guest-{website}@shop.invalid", source_website=website)


async def some_product(session: AsyncSession, website: str) -> Base:
    return await create_product(
        session, product_name=ODD, price=Decimal("0.10"), source_website=website, created_at=MICROSECOND
    )


async def some_order(session: AsyncSession, website: str) -> Base:
    return await create_order(
        session,
        order_number=ODD[:100],
        source_website=website,
        placed_at=WHOLE_SECOND,
        fee_total=Decimal("-5"),
        total_amount=Decimal("9999999999.99"),
        status="delivered",
        is_test=True,
    )


def written_by(model: type[BaseModel], row: Any) -> Any:
    return model.model_validate(row, from_attributes=True).model_dump(mode="json")


@pytest.mark.parametrize(
    ("path", "model", "create"),
    [
        ("users", UserRead, some_user),
        ("users", UserRead, user_without_email),
        ("products", ProductRead, some_product),
        ("orders", OrderRead, some_order),
    ],
)
async def test_an_item_of_a_list(
    api: httpx.AsyncClient,
    session: AsyncSession,
    path: str,
    model: type[BaseModel],
    create: Callable[[AsyncSession, str], Awaitable[Base]],
):
    website = unique("site")
    row = await create(session, website)
    await session.refresh(row)
    answer = await api.get(f"/api/v1/{path}", params={"source_website": website})
    assert answer.json()["items"] == [written_by(model, row)]


async def test_a_whole_order(api: httpx.AsyncClient, session: AsyncSession):
    products = [await create_product(session, product_name=ODD) for _ in range(3)]
    order = await create_order(session, lines=[(product, 2) for product in products], placed_at=TENTH)
    answer = await api.get(f"/api/v1/orders/{order.id}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == written_by(OrderWithDetails, await get_order(session, order.id))


async def test_an_order_without_lines(api: httpx.AsyncClient, session: AsyncSession):
    order = await create_order(session, lines=[])
    assert (await api.get(f"/api/v1/orders/{order.id}")).json()["details"] == []
