"""Brings the reports to where the orders are, by what has changed.

An order is looked at where its `updated_at` says that it changed or a line's does, and all orders of a website are
whose time zone is another. Of those that are not as they were reported, the days that they were on and are on now are
added up anew, and the purchases of their consumers are put in order anew: nothing is ever added to what is there.

It is one transaction, of one snapshot: reports are of one moment all together, and a refresh that is killed has left
nothing. Transactions commit later than what they wrote says, so each refresh looks again at what is younger than the
oldest transaction that was open at the last one. No order is ever deleted: what a store deletes is cancelled here.
"""

# ruff: noqa: S608 — statements are put together from constants, and every value is bound

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.orders.purchases import is_purchase
from app.users.models import PLACEHOLDER_DOMAIN
from app.utils.statements import typed

MARGIN_SECONDS = 600
"""For clocks that differ, for what was dated before its transaction got a connection, and for those of another role."""
BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Refreshed:
    orders_changed: int
    days_changed: int
    as_of: datetime


async def refresh(database: Database) -> Refreshed:
    """Bring the reports to what was committed before the call. Refreshes at the same time take turns."""
    async with database.sessions.begin() as session:
        # Before the snapshot: what ends between the two is seen then, and looked at again.
        moments = await _execute(session, _MOMENTS, margin=MARGIN_SECONDS)
    async with database.sessions.begin() as session:
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        for setting in _SETTINGS:
            await _execute(session, setting)
        seen_at = (await _execute(session, _SEEN)).seen_at
        for statement in (*(_FIND_CHANGED if seen_at else _FIND_ALL), *_READ_CHANGED, *_REPORT):
            await _execute(session, statement, seen_at=seen_at or BEGINNING)
        if seen_at is None:
            await _execute(session, "ANALYZE reported_orders, sales_days, product_days")
        await _execute(session, _FINISH, horizon=moments.horizon, started_at=moments.started_at)
        changed = await _execute(session, _MEASURE)
    return Refreshed(changed.orders, changed.days, moments.started_at)


async def _execute(session: AsyncSession, statement: str, **parameters: Any) -> Any:
    """The only row of the answer, where there is one."""
    result = await session.execute(typed(statement, parameters), parameters)
    assert isinstance(result, CursorResult)
    return result.one() if result.returns_rows else None


_MOMENTS = """
    SELECT clock_timestamp() AS started_at,
        least(now(), min(xact_start)) - CAST(:margin AS integer) * interval '1 second' AS horizon
    FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
"""
# A lock of rows, or one taken by a function, would be waited for with a snapshot of the time before it was got.
_SETTINGS = (
    "LOCK TABLE report_state IN SHARE UPDATE EXCLUSIVE MODE",
    "SET LOCAL work_mem = '64MB'",
    # A few rows are found by index; where that is thought dear, tables are read whole, again for every refresh.
    "SET LOCAL random_page_cost = 1.1",
    "SET LOCAL plan_cache_mode = force_custom_plan",
    "SET LOCAL jit = off",
)
_SEEN = "SELECT max(seen_at) AS seen_at FROM report_state"

# What calls itself an offset would be read the wrong way round, and is no name.
_ZONES = """
    CREATE TEMP TABLE zones ON COMMIT DROP AS
    SELECT w.name AS website, coalesce(z.name, 'UTC') AS zone
    FROM websites w LEFT JOIN pg_timezone_names z ON z.name = w.time_zone
"""
_FIND_ALL = (_ZONES, "CREATE TEMP TABLE looked_at ON COMMIT DROP AS SELECT id AS order_id FROM orders")
_FIND_CHANGED = (
    _ZONES,
    """
    CREATE TEMP TABLE looked_at ON COMMIT DROP AS
    SELECT id AS order_id FROM orders WHERE updated_at >= :seen_at
    UNION SELECT order_id FROM order_details WHERE updated_at >= :seen_at
    UNION SELECT id FROM orders WHERE source_website = ANY(ARRAY(
        SELECT website FROM reported_websites r LEFT JOIN zones z USING (website)
        WHERE r.zone <> coalesce(z.zone, 'UTC')
    ))
    """,
)

# What is reported of an order. `lines` tells whether those of a purchase are the same: the sum of what is left of their
# hashes where the other half makes room for it.
_FACTS = "currency, website, day, status, user_id, revenue, refunded, lines"


def _of(alias: str) -> str:
    return ", ".join(f"{alias}.{fact}" for fact in _FACTS.split(", "))


_IS_KNOWN = f"NOT (u.email LIKE 'anonymous-%' AND u.email LIKE '%{PLACEHOLDER_DOMAIN}')"
_SOLD = "{0}.currency, {0}.website, {0}.day, {0}.lines"
_CHAIN = "revenue IS NULL, user_id, currency"
_READ_CHANGED = (
    "ANALYZE zones, looked_at",
    f"""
    CREATE TEMP TABLE changed ON COMMIT DROP AS
    SELECT order_id, {_of("now")}, ({_SOLD.format("r")}) IS DISTINCT FROM ({_SOLD.format("now")}) AS is_resold FROM (
        SELECT o.id AS order_id, o.currency, o.source_website AS website,
            (o.placed_at AT TIME ZONE coalesce(z.zone, 'UTC'))::date AS day, o.status, o.user_id,
            CASE WHEN {is_purchase("o")} THEN o.total_amount - o.refunded_total END AS revenue,
            CASE WHEN o.is_test THEN 0 ELSE o.refunded_total END AS refunded,
            CASE WHEN {is_purchase("o")} THEN coalesce(d.lines, 0) END AS lines
        FROM looked_at l JOIN orders o ON o.id = l.order_id
        LEFT JOIN (
            SELECT order_id, sum(hash_record_extended((product_id, quantity, total_price), 0) >> 32)::bigint AS lines
            FROM looked_at JOIN order_details USING (order_id) GROUP BY order_id
        ) d ON d.order_id = o.id
        LEFT JOIN zones z ON z.website = o.source_website
    ) now LEFT JOIN reported_orders r USING (order_id)
    WHERE ({_of("r")}) IS DISTINCT FROM ({_of("now")})
    """,
    "ANALYZE changed",
    """
    CREATE TEMP TABLE stale_days ON COMMIT DROP AS
    SELECT currency, website, day, bool_or(is_resold) AS is_resold FROM (
        SELECT currency, website, day, is_resold FROM changed
        UNION ALL
        SELECT r.currency, r.website, r.day, c.is_resold FROM changed c JOIN reported_orders r USING (order_id)
    ) each_day GROUP BY currency, website, day
    """,
    # Most orders change nothing but their status, and their days' products stay as they are.
    "CREATE TEMP TABLE resold_days ON COMMIT DROP AS SELECT currency, website, day FROM stale_days WHERE is_resold",
    # Who is anonymous no longer, or has become so, has bought nothing by that.
    f"""
    CREATE TEMP TABLE stale_consumers ON COMMIT DROP AS
    SELECT user_id FROM changed
    UNION SELECT r.user_id FROM changed JOIN reported_orders r USING (order_id)
    UNION SELECT id FROM users u WHERE updated_at >= :seen_at
        AND EXISTS (SELECT 1 FROM reported_orders r WHERE r.user_id = u.id AND r.is_known <> ({_IS_KNOWN}))
    """,
    "ANALYZE stale_days, resold_days, stale_consumers",
    # All orders of these consumers: the changed ones as they are now, and the others as they are reported.
    f"""
    CREATE TEMP TABLE fresh_orders ON COMMIT DROP AS
    SELECT order_id, {_IS_KNOWN} AS is_known, {_of("c")},
        CASE WHEN revenue IS NOT NULL THEN first_value(day) OVER here END AS first_day,
        CASE WHEN revenue IS NOT NULL THEN lag(day) OVER here END AS previous_day,
        CASE WHEN revenue IS NOT NULL THEN first_value(day) OVER anywhere END AS first_day_anywhere,
        CASE WHEN revenue IS NOT NULL THEN lag(day) OVER anywhere END AS previous_day_anywhere
    FROM (
        SELECT order_id, {_FACTS} FROM changed
        UNION ALL
        SELECT order_id, {_FACTS} FROM reported_orders r JOIN stale_consumers USING (user_id)
        WHERE NOT EXISTS (SELECT 1 FROM changed c WHERE c.order_id = r.order_id)
    ) c JOIN users u ON u.id = c.user_id
    WINDOW here AS (PARTITION BY {_CHAIN}, website ORDER BY day, order_id),
        anywhere AS (PARTITION BY {_CHAIN} ORDER BY day, order_id)
    """,
)


def _write(table: str, fresh: str, keys: str, values: str) -> str:
    """What is there already as it is to be is not written again."""
    changes = ", ".join(f"{column} = excluded.{column}" for column in values.split(", "))
    return f"""
        INSERT INTO {table} AS t ({keys}, {values}) SELECT {keys}, {values} FROM {fresh} ORDER BY {keys}
        ON CONFLICT ({keys}) DO UPDATE SET {changes} WHERE t IS DISTINCT FROM excluded
    """


def _add_up(table: str, days: str, keys: str, sums: dict[str, str], lines: str = "") -> tuple[str, ...]:
    """These days of a table become what their orders add up to, or the lines that are joined to them."""
    orders = f"{days} JOIN reported_orders r USING (currency, website, day) {lines}"
    figures = ", ".join(f"{sum_} AS {name}" for name, sum_ in sums.items())
    matches = " AND ".join(f"f.{key} = t.{key}" for key in keys.split(", "))
    return (
        f"CREATE TEMP TABLE fresh_{table} ON COMMIT DROP AS SELECT {keys}, {figures} FROM {orders} GROUP BY {keys}",
        f"ANALYZE fresh_{table}",
        f"""
        DELETE FROM {table} t USING {days} s
        WHERE t.currency = s.currency AND t.website = s.website AND t.day = s.day
        AND NOT EXISTS (SELECT 1 FROM fresh_{table} f WHERE {matches})
        """,
        _write(table, f"fresh_{table}", keys, ", ".join(sums)),
    )


_REPORT = (
    _write(
        "reported_orders",
        "fresh_orders",
        "order_id",
        f"{_FACTS}, is_known, first_day, previous_day, first_day_anywhere, previous_day_anywhere",
    ),
    *_add_up(
        "sales_days",
        "stale_days",
        "currency, website, day, status",
        {
            "orders": "count(*)",
            "purchases": "count(revenue)",
            "revenue": "coalesce(sum(revenue), 0)",
            "refunded": "sum(refunded)",
        },
    ),
    *_add_up(
        "product_days",
        "resold_days",
        "currency, website, day, product_id",
        {"units": "sum(d.quantity)", "revenue": "sum(d.total_price)"},
        lines="JOIN order_details d ON d.order_id = r.order_id AND r.revenue IS NOT NULL",
    ),
    """
    INSERT INTO reported_websites AS t (website, zone)
    SELECT website, coalesce(z.zone, 'UTC')
    FROM (SELECT website FROM stale_days UNION SELECT website FROM reported_websites) w
    LEFT JOIN zones z USING (website)
    ON CONFLICT (website) DO UPDATE SET zone = excluded.zone WHERE t.zone <> excluded.zone
    """,
)
_FINISH = """
    INSERT INTO report_state AS t (id, seen_at, refreshed_at) VALUES (1, :horizon, :started_at)
    ON CONFLICT (id) DO UPDATE SET seen_at = greatest(t.seen_at, excluded.seen_at),
        refreshed_at = greatest(t.refreshed_at, excluded.refreshed_at)
"""
_MEASURE = "SELECT (SELECT count(*) FROM changed) AS orders, (SELECT count(*) FROM stale_days) AS days"
