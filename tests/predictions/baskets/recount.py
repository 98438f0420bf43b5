"""What the counts have to be, by reading every order and counting its pairs one by one."""

from collections import Counter
from collections.abc import Iterable
from itertools import permutations
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database

_PURCHASES = """
    SELECT o.id, o.source_website, d.product_id FROM orders o JOIN order_details d ON d.order_id = o.id
    WHERE o.status NOT IN ('pending', 'cancelled') AND NOT o.is_test AND o.total_amount - o.refunded_total > 0
"""
_TABLES = {
    "baskets": "SELECT order_id, website, products FROM counted_baskets",
    "totals": "SELECT website, baskets FROM basket_totals",
    "products": "SELECT product_id, baskets FROM product_counts",
    "pairs": "SELECT product_id, other_id, baskets FROM product_pairs",
    "waiting": "SELECT id FROM basket_changes",
}

Rows = dict[str, list[tuple[Any, ...]]]


async def recount(session: AsyncSession) -> Rows:
    baskets: dict[tuple[int, str], set[int]] = {}
    for order_id, website, product_id in await session.execute(text(_PURCHASES)):
        baskets.setdefault((order_id, website), set()).add(product_id)
    counted = {key: sorted(products) for key, products in baskets.items() if len(products) <= 100}
    return {
        "baskets": sorted((*key, basket) for key, basket in counted.items()),
        **add_up((website, basket, 1) for (_, website), basket in counted.items()),
        "waiting": [],
    }


async def read_counts(session: AsyncSession) -> Rows:
    return {
        name: sorted(tuple(row) for row in await session.execute(text(statement)))
        for name, statement in _TABLES.items()
    }


def add_up(baskets: Iterable[tuple[str, list[int], int]]) -> Rows:
    """Of baskets (website, products, how many times)."""
    totals: Counter[str] = Counter()
    products: Counter[int] = Counter()
    pairs: Counter[tuple[int, int]] = Counter()
    for website, basket, times in baskets:
        totals[website] += times
        for product in basket:
            products[product] += times
        for pair in permutations(basket, 2):
            pairs[pair] += times
    return {
        "totals": sorted((key, count) for key, count in totals.items() if count),
        "products": sorted((key, count) for key, count in products.items() if count),
        "pairs": sorted((*key, count) for key, count in pairs.items() if count),
    }


async def assert_behind_only(database: Database) -> None:
    """The counts are those of the kept baskets, but for the changes that wait."""
    async with database.sessions() as session:
        counts = await read_counts(session)
        waiting = await session.execute(text("SELECT website, products, -sign FROM basket_changes"))
        baskets = [(website, products, 1) for _, website, products in counts["baskets"]]
        expected = add_up([*baskets, *((row[0], row[1], row[2]) for row in waiting)])
        assert {name: counts[name] for name in expected} == expected


async def assert_exact(database: Database) -> Rows:
    async with database.sessions() as session:
        counts = await read_counts(session)
        assert counts == await recount(session)
    return counts
