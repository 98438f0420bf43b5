"""Merges beside requests that write the same rows at the same moment, on connections of their own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.ingest.models import Import
from tests.builders import create_order, create_product, create_user, unique
from tests.ingest.conftest import Rows, merge, read_import, stage
from tests.ingest.payloads import as_ndjson, woo_line, woo_order, woo_product

SECONDS = 30.0
IS_WAITED_FOR = text(
    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
)

Write = Callable[[AsyncSession], Awaitable[Any]]
Race = Callable[[Any, Write], Awaitable[Import]]
Query = Callable[..., Awaitable[Rows]]


@pytest.fixture
def website() -> str:
    return unique("shop")


@pytest.fixture
def race(live_database: Database, write: Callable[[Any], Path], website: str) -> Race:
    """Merge content while another transaction has written what it is about to write, and commits only now."""

    async def race(content: Any, by_hand: Write) -> Import:
        job = await stage(live_database, write(content), website)
        async with overtaking(live_database, by_hand) as session:
            merging = asyncio.create_task(merge(live_database, job.id))
            async with asyncio.timeout(SECONDS):
                while not await session.scalar(IS_WAITED_FOR):
                    assert not merging.done(), "it has not met what is written by hand"
                    await asyncio.sleep(0.02)
        await asyncio.wait_for(merging, SECONDS)
        return await read_import(live_database, job.id)

    return race


@asynccontextmanager
async def overtaking(database: Database, by_hand: Write) -> AsyncIterator[AsyncSession]:
    async with database.sessions.begin() as session:
        await by_hand(session)
        yield session


@pytest.fixture
def query(live_database: Database, website: str) -> Query:
    async def query(statement: str) -> Rows:
        async with live_database.sessions() as session:
            found = await session.execute(text(statement), {"website": website})
            return [dict(row) for row in found.mappings()]

    return query


LINES = """
    SELECT o.id, o.total_amount, o.status, u.email, p.sku, d.quantity, d.total_price
    FROM orders o JOIN users u ON u.id = o.user_id LEFT JOIN order_details d ON d.order_id = o.id
    LEFT JOIN products p ON p.id = d.product_id
    WHERE o.source_website = :website ORDER BY d.id
"""


@pytest.mark.parametrize("others", [0, 5])
async def test_an_order_that_is_entered_by_hand(race: Race, query: Query, website: str, others: int):
    """It is the same order, and shows what the website says of it."""
    email = f"{website}@example.com"
    order = woo_order(1, number="A-1", email=email, status="completed", line_items=[woo_line(1, sku="TEA", quantity=2)])
    entered: list[int] = []

    async def enter(session: AsyncSession) -> None:
        user = await create_user(session, source_website=website)
        products = [(await create_product(session, source_website=website, sku="HAND"), 1)]
        found = await create_order(session, user=user, lines=products, source_website=website, order_number="A-1")
        entered.append(found.id)

    job = await race([order, *(woo_order(number, email=email) for number in range(2, 2 + others))], enter)

    rows = [row for row in await query(LINES) if row["id"] == entered[0]]
    assert [(row["sku"], row["quantity"], row["email"], row["status"]) for row in rows] == [
        ("TEA", 2, email, "delivered")
    ]
    assert (job.records_created, job.records_merged, job.records_rejected) == (others, 1, 0)


async def test_a_product_that_is_entered_by_hand(race: Race, query: Query, website: str):
    async def enter(session: AsyncSession) -> None:
        await create_product(session, source_website=website, sku="TEA", product_name="By hand")

    job = await race([woo_product(1, sku="TEA", name="Tea", price="3.00")], enter)

    assert await query("SELECT product_name, price FROM products WHERE source_website = :website") == [
        {"product_name": "Tea", "price": Decimal("3.00")}
    ]
    assert (job.records_created, job.records_merged, job.records_rejected) == (0, 1, 0)


async def test_a_product_that_only_an_order_names(race: Race, query: Query, website: str):
    async def enter(session: AsyncSession) -> None:
        await create_product(session, source_website=website, sku="TEA", product_name="By hand")

    order = {"order_number": "1", "email": f"{website}@example.com", "placed_at": "2025-01-01",
             "lines": [{"sku": "TEA", "unit_price": "3.00"}]}  # fmt: skip

    job = await race(as_ndjson(order), enter)

    assert [(row["sku"], row["total_price"]) for row in await query(LINES)] == [("TEA", Decimal("3.00"))]
    assert (job.records_created, job.records_rejected) == (1, 0)


async def test_a_consumer_who_is_entered_by_hand(race: Race, query: Query, website: str):
    email = f"{website}@example.com"

    async def enter(session: AsyncSession) -> None:
        await create_user(session, source_website=website, email=email, name="By hand")

    job = await race([woo_order(1, email=email, line_items=[woo_line(1, sku="TEA")])], enter)

    assert [(row["email"], row["sku"]) for row in await query(LINES)] == [(email, "TEA")]
    assert (job.records_created, job.records_rejected) == (1, 0)
