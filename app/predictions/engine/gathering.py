"""What a run reads: SQL aggregates the orders, and nothing but sums and counts comes into this process.

Everything is put into temporary tables first, within one snapshot, so that all parts of a run are about the same
orders. A day is one of the website's own calendar, counted from 1970-01-01.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from app.orders.purchases import is_purchase
from app.predictions.engine.transfer import Columns, read_columns

WEEKS_OF_DEMAND = 156

# Days of a website's own calendar. What calls itself an offset would be read the wrong way round.
_MARKETS = """
    CREATE TEMP TABLE markets AS
    SELECT (row_number() OVER (ORDER BY o.source_website, o.currency))::int2 AS number, o.source_website, o.currency,
        coalesce((SELECT name FROM pg_timezone_names WHERE name = w.time_zone LIMIT 1), 'UTC') AS zone
    FROM (SELECT DISTINCT source_website, currency FROM orders) o LEFT JOIN websites w ON w.name = o.source_website
    WHERE %(website)s::text IS NULL OR o.source_website = %(website)s
"""
_DAY = "((o.placed_at AT TIME ZONE m.zone)::date - DATE '1970-01-01')"
_PURCHASE_DAYS = f"""
    CREATE TEMP TABLE purchase_days AS
    SELECT m.number AS market, o.user_id, {_DAY} AS day, count(*)::int4 AS orders,
        sum(o.total_amount - o.refunded_total)::float8 AS amount
    FROM orders o JOIN markets m USING (source_website, currency)
    WHERE {is_purchase("o")}
    GROUP BY 1, 2, 3
"""
_SOLD_WEEKS = f"""
    CREATE TEMP TABLE sold_weeks AS
    SELECT l.product_id, floor((%(today)s - {_DAY}) / 7.0)::int4 AS back,
        sum(l.quantity)::float8 AS units
    FROM orders o JOIN markets m USING (source_website, currency) JOIN order_details l ON l.order_id = o.id
    WHERE {is_purchase("o")}
    GROUP BY 1, 2
"""
# Lines are many and products are few: what is left of an order's line does not matter here.
_SOLD_DAYS = f"""
    CREATE TEMP TABLE sold_days AS
    SELECT m.source_website, {_DAY} AS day, sum(l.quantity)::float8 AS units
    FROM orders o JOIN markets m USING (source_website, currency) JOIN order_details l ON l.order_id = o.id
    WHERE {is_purchase("o")} AND {_DAY} BETWEEN %(today)s - 363 AND %(today)s
    GROUP BY 1, 2
"""


@dataclass(frozen=True)
class Market:
    """One website in one of its currencies."""

    number: int
    source_website: str
    currency: str


def gather(connection: psycopg.Connection[Any], website: str | None, today: int) -> None:
    """Make the temporary tables, of one snapshot."""
    connection.execute("SET work_mem = '128MB'")
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        for statement in (_MARKETS, _PURCHASE_DAYS, _SOLD_WEEKS, _SOLD_DAYS):
            # Bound here: what makes a table takes no parameters from afar.
            psycopg.ClientCursor(connection).execute(statement, {"website": website, "today": today})
    connection.execute("ANALYZE markets, purchase_days, sold_weeks, sold_days")


def list_markets(connection: psycopg.Connection[Any]) -> list[Market]:
    rows = connection.execute("SELECT number, source_website, currency FROM markets ORDER BY number")
    return [Market(*row) for row in rows]


def list_websites(connection: psycopg.Connection[Any]) -> Sequence[str]:
    return [row[0] for row in connection.execute("SELECT DISTINCT source_website FROM markets ORDER BY 1")]


def read_products(connection: psycopg.Connection[Any], website: str) -> Columns:
    """`id`, `is_active`, `price`, `stock` (NaN where not told), and `first`: weeks since the first sale, or -1."""
    query = """
        SELECT p.id, p.is_active::int4, p.price::float8, coalesce(p.stock_quantity::float8, 'NaN'),
            coalesce((SELECT max(back) FROM sold_weeks s WHERE s.product_id = p.id AND s.back >= 0), -1)
        FROM products p WHERE p.source_website = %(website)s ORDER BY p.id
    """
    types = {"id": "int8", "is_active": "int4", "price": "float8", "stock": "float8", "first": "int4"}
    connection.execute("CREATE INDEX IF NOT EXISTS sold_weeks_product ON sold_weeks (product_id)")
    return read_columns(connection, query, types, {"website": website})


def read_sold_weeks(connection: psycopg.Connection[Any], website: str) -> Columns:
    """`product_id`, `back` (whole weeks before the as-of day, negative after it), `units`."""
    query = """
        SELECT s.product_id, s.back, s.units FROM sold_weeks s JOIN products p ON p.id = s.product_id
        WHERE p.source_website = %(website)s AND s.back < %(weeks)s
    """
    types = {"product_id": "int8", "back": "int4", "units": "float8"}
    return read_columns(connection, query, types, {"website": website, "weeks": WEEKS_OF_DEMAND})


def read_sold_days(connection: psycopg.Connection[Any], website: str) -> Columns:
    """`day`, `units` of all the website's products, of the year before the as-of day."""
    query = "SELECT day, units FROM sold_days WHERE source_website = %(website)s ORDER BY day"
    return read_columns(connection, query, {"day": "int4", "units": "float8"}, {"website": website})


def read_sales(connection: psycopg.Connection[Any], market: int) -> Columns:
    """`day`, `amount`, `orders` of one website in one currency, every day with a purchase."""
    query = """
        SELECT day, sum(amount), sum(orders) FROM purchase_days WHERE market = %(market)s GROUP BY day ORDER BY day
    """
    return read_columns(connection, query, {"day": "int4", "amount": "float8", "orders": "int8"}, {"market": market})
