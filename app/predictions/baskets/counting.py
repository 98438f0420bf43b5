"""Counts which products are bought together, kept up to date by what has changed.

Of each purchase the products are kept as they were counted, so that whatever becomes of the order later, exactly that
is taken out again. It goes in two steps, either of which may be killed at any moment: orders that have changed are
looked at chunk by chunk, and the baskets that come or go are noted; then all that is noted is folded into the counts at
once, since pairs lie all over their table, most pages of which would be written again for every chunk.

An order has changed where its `updated_at` says so or a line's does: a line may come to mean another product while
its order stays as it is. Transactions commit later than what they wrote says, so each refresh looks again at what is
younger than the oldest transaction that was open at the last one. No order is ever deleted, and none changes website.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import CursorResult, Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.orders.purchases import is_purchase
from app.utils.statements import typed

CHUNK_SIZE = 50_000
FOLD_SIZE = 1_000_000
"""Baskets. Their pairs are sorted on the disk, and are one transaction."""
MOST_PRODUCTS = 100
"""A larger basket is not counted: it tells little of any pair, and has ten thousand."""
MARGIN_SECONDS = 600
"""For clocks that differ, for what was dated before its transaction got a connection, and for those of another role."""
BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass
class Refreshed:
    orders_looked_at: int = 0
    baskets_changed: int = 0


async def refresh(database: Database, *, chunk_size: int = CHUNK_SIZE, fold_size: int = FOLD_SIZE) -> Refreshed:
    """Bring the counts to where the orders are that were committed before the call.

    Refreshes at the same time take turns, chunk by chunk. The next one goes on with what a killed one has left.
    """
    run = _Refresh(database, chunk_size, fold_size)
    async with _counting(database) as session:
        moments = await _execute(session, _MOMENTS, margin=MARGIN_SECONDS)
        await _execute(session, _START, beginning=BEGINNING, horizon=moments.horizon)
        seen = await _execute(session, _SEEN)
    await run.look_at_orders(seen.orders_seen_at, seen.orders_seen_id, moments.horizon)
    await run.look_at_lines(seen.lines_seen_at, seen.orders_seen_at)
    async with _counting(database) as session:
        await _fold(session)
        await _execute(session, _FINISH, started_at=moments.started_at, horizon=moments.horizon)
    return run.done


@dataclass
class _Refresh:
    database: Database
    chunk_size: int
    fold_size: int
    noted: int = 0
    done: Refreshed = field(default_factory=Refreshed)

    async def look_at_orders(self, after_at: datetime, after_id: int, horizon: datetime) -> None:
        """Those that changed later than (`after_at`, `after_id`); before `horizon` all are seen then, for good."""
        more = True
        while more:
            async with _counting(self.database) as session:
                found = {"after_at": after_at, "after_id": after_id}
                chunk = await self._look_at(session, _FIND_ORDERS, found)
                if chunk.last_id is not None:
                    after_at, after_id = chunk.last_at, chunk.last_id
                    seen_at, seen_id = (after_at, after_id) if after_at < horizon else (horizon, 0)
                    await _execute(session, _ADVANCE, seen_at=seen_at, seen_id=seen_id)
            more = self._add(chunk)

    async def look_at_lines(self, after: datetime, orders_seen_at: datetime) -> None:
        """Orders with lines that changed later than `after`, of those that are not found by themselves."""
        more, after_id = True, 0
        while more:
            async with _counting(self.database) as session:
                found = {"after_at": after, "after_id": after_id, "orders_seen_at": orders_seen_at}
                chunk = await self._look_at(session, _FIND_LINES, found)
                after_id = chunk.last_id
            more = self._add(chunk)

    async def _look_at(self, session: AsyncSession, find: str, found: dict[str, Any]) -> Row[Any]:
        await _execute(session, _FORGET_LAST_CHUNK)
        await _execute(session, find, chunk_size=self.chunk_size, **found)
        for statement in _COMPARE:
            await _execute(session, statement, most_products=MOST_PRODUCTS)
        chunk: Row[Any] = await _execute(session, _MEASURE)
        self.noted += chunk.changed
        if self.noted >= self.fold_size:
            await _fold(session)
            self.noted = 0
        return chunk

    def _add(self, chunk: Row[Any]) -> bool:
        """A chunk that is committed; whether there may be more."""
        self.done.orders_looked_at += chunk.looked_at
        self.done.baskets_changed += chunk.changed
        return bool(chunk.looked_at == self.chunk_size)


async def _fold(session: AsyncSession) -> None:
    for statement in _FOLD:
        await _execute(session, statement)


async def _execute(session: AsyncSession, statement: str, **parameters: Any) -> Any:
    """The only row of the answer, where there is one."""
    result = await session.execute(typed(statement, parameters), parameters)
    assert isinstance(result, CursorResult)
    return result.one() if result.returns_rows else None


@asynccontextmanager
async def _counting(database: Database) -> AsyncIterator[AsyncSession]:
    """A session with a transaction that counts, and in which nobody else does."""
    async with database.sessions.begin() as session:
        for setting in _SETTINGS:
            await _execute(session, setting)
        yield session


_SETTINGS = (
    "SELECT pg_advisory_xact_lock(hashtext('count baskets'))",
    "SET LOCAL work_mem = '64MB'",
    # A few rows are found by index; where that is thought dear, tables are read whole, again for every chunk.
    "SET LOCAL random_page_cost = 1.1",
    "SET LOCAL plan_cache_mode = force_custom_plan",
    "SET LOCAL jit = off",
)

_MOMENTS = """
    SELECT clock_timestamp() AS started_at,
        least(now(), min(xact_start)) - CAST(:margin AS integer) * interval '1 second' AS horizon
    FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
"""
_START = """
    INSERT INTO basket_state (id, orders_seen_at, orders_seen_id, lines_seen_at) VALUES (1, :beginning, 0, :horizon)
    ON CONFLICT DO NOTHING
"""
_SEEN = "SELECT orders_seen_at, orders_seen_id, lines_seen_at FROM basket_state"
_ADVANCE = """
    UPDATE basket_state SET orders_seen_at = :seen_at, orders_seen_id = :seen_id
    WHERE (orders_seen_at, orders_seen_id) < (:seen_at, :seen_id)
"""
_FINISH = """
    UPDATE basket_state SET orders_seen_at = greatest(orders_seen_at, :horizon),
        orders_seen_id = CASE WHEN orders_seen_at < :horizon THEN 0 ELSE orders_seen_id END,
        lines_seen_at = greatest(lines_seen_at, :horizon), counted_at = greatest(counted_at, :started_at)
"""

_FORGET_LAST_CHUNK = "DROP TABLE IF EXISTS looked_at, changed_baskets"
_FIND_ORDERS = """
    CREATE TEMP TABLE looked_at ON COMMIT DROP AS
    SELECT id AS order_id, updated_at FROM orders WHERE (updated_at, id) > (:after_at, :after_id)
    ORDER BY updated_at, id LIMIT :chunk_size
"""
_FIND_LINES = """
    CREATE TEMP TABLE looked_at ON COMMIT DROP AS
    SELECT DISTINCT d.order_id, CAST(NULL AS timestamptz) AS updated_at
    FROM order_details d JOIN orders o ON o.id = d.order_id
    WHERE d.updated_at > :after_at AND d.order_id > :after_id AND o.updated_at <= :orders_seen_at
    ORDER BY d.order_id LIMIT :chunk_size
"""

# An order and its lines are read in one statement, and so as of one moment.
_COMPARE = (
    "ANALYZE looked_at",
    f"""
    CREATE TEMP TABLE changed_baskets ON COMMIT DROP AS
    SELECT order_id, was.website AS old_website, was.products AS old, now.website, now.products
    FROM looked_at LEFT JOIN counted_baskets was USING (order_id) LEFT JOIN (
        SELECT o.id AS order_id, o.source_website AS website,
            array_agg(DISTINCT d.product_id ORDER BY d.product_id) AS products
        FROM looked_at l JOIN orders o ON o.id = l.order_id JOIN order_details d ON d.order_id = o.id
        WHERE {is_purchase("o")}
        GROUP BY o.id HAVING count(DISTINCT d.product_id) <= :most_products
    ) now USING (order_id)
    WHERE was.products IS DISTINCT FROM now.products
    """,
    "ANALYZE changed_baskets (order_id)",
    "DELETE FROM counted_baskets c USING changed_baskets n WHERE c.order_id = n.order_id AND n.products IS NULL",
    """
    INSERT INTO counted_baskets (order_id, website, products)
    SELECT order_id, website, products FROM changed_baskets WHERE products IS NOT NULL ORDER BY order_id
    ON CONFLICT (order_id) DO UPDATE SET products = excluded.products
    """,
    """
    INSERT INTO basket_changes (website, products, sign)
    SELECT old_website, old, -1 FROM changed_baskets WHERE old IS NOT NULL
    UNION ALL
    SELECT website, products, 1 FROM changed_baskets WHERE products IS NOT NULL
    """,
)
_MEASURE = """
    SELECT (SELECT count(*) FROM looked_at) AS looked_at, (SELECT count(*) FROM changed_baskets) AS changed,
        last.updated_at AS last_at, last.order_id AS last_id
    FROM (VALUES (true)) AS always (is_there)
    LEFT JOIN (SELECT * FROM looked_at ORDER BY updated_at DESC, order_id DESC LIMIT 1) last ON is_there
"""


# What comes to nothing has no row. More cannot go than came: the tables' constraints would refuse it.
_TAKE_OVER = """
    WHEN MATCHED AND t.baskets + c.baskets = 0 THEN DELETE
    WHEN MATCHED THEN UPDATE SET baskets = t.baskets + c.baskets
"""
_FOLD = (
    "ANALYZE basket_changes",
    f"""
    MERGE INTO basket_totals t USING (
        SELECT website, sum(sign) AS baskets FROM basket_changes GROUP BY website HAVING sum(sign) <> 0
    ) c ON t.website = c.website {_TAKE_OVER}
    WHEN NOT MATCHED THEN INSERT (website, baskets) VALUES (c.website, c.baskets)
    """,
    f"""
    MERGE INTO product_counts t USING (
        SELECT product_id, sum(sign) AS baskets FROM basket_changes, unnest(products) AS product_id
        GROUP BY product_id HAVING sum(sign) <> 0 ORDER BY product_id
    ) c ON t.product_id = c.product_id {_TAKE_OVER}
    WHEN NOT MATCHED THEN INSERT (product_id, baskets) VALUES (c.product_id, c.baskets)
    """,
    "DROP TABLE IF EXISTS changed_pairs",
    # In a table of its own, of which it is known how much it is: a few pairs are found by index, a million are not.
    """
    CREATE TEMP TABLE changed_pairs ON COMMIT DROP AS
    SELECT product_id, other_id, sum(sign) AS baskets
    FROM basket_changes, unnest(products) AS product_id, unnest(products) AS other_id
    WHERE product_id <> other_id
    GROUP BY product_id, other_id HAVING sum(sign) <> 0 ORDER BY product_id, other_id
    """,
    "ANALYZE changed_pairs",
    f"""
    MERGE INTO product_pairs t USING changed_pairs c
    ON t.product_id = c.product_id AND t.other_id = c.other_id {_TAKE_OVER}
    WHEN NOT MATCHED THEN INSERT (product_id, other_id, baskets) VALUES (c.product_id, c.other_id, c.baskets)
    """,
    "DELETE FROM basket_changes",
)
