"""Reports on a database that commits, where one clock tells all times."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from app.database import Database
from app.orders.models import Order
from app.products.models import Product
from app.reports import refreshing
from app.users.models import User
from app.websites.vault import Vault
from tests.builders import create_order, create_product, create_user
from tests.conftest import SECRET_KEY

TABLES = "reported_orders, sales_days, product_days, reported_websites, report_state"
NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)


async def execute(database: Database, statement: str, **parameters: Any) -> None:
    async with database.sessions.begin() as session:
        await session.execute(text(statement), parameters)


async def empty(database: Database) -> None:
    """Forget all reports, and every order with what belongs to it."""
    await execute(database, f"TRUNCATE {TABLES}, websites, users, products, orders, imports CASCADE")


@pytest.fixture
async def database(live_database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setattr(refreshing, "MARGIN_SECONDS", 0)
    live_database.info["vault"] = Vault([SECRET_KEY])
    await empty(live_database)
    return live_database


@pytest.fixture
async def user(database: Database) -> User:
    async with database.sessions.begin() as session:
        return await create_user(session)


@pytest.fixture
async def products(database: Database, user: User) -> list[Product]:
    async with database.sessions.begin() as session:
        return [await create_product(session, price=Decimal(price)) for price in (5, 10, 20)]


Sell = Callable[..., Awaitable[Order]]


@pytest.fixture
def sell(database: Database, user: User, products: list[Product]) -> Sell:
    """`await sell(0, 1, status=…)`: an order with a line for each, by the number of the product."""

    async def sell(*numbers: int, **overrides: Any) -> Order:
        values: dict[str, Any] = {"status": "shipped", "user": user, "placed_at": NOON} | overrides
        async with database.sessions.begin() as session:
            return await create_order(session, lines=[(products[number], 1) for number in numbers], **values)

    return sell
