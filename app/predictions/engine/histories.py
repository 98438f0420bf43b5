"""What a run reads of consumers: SQL makes their histories out of the days on which they bought.

A scope has temporary tables of its own, in place of the last one's: a row for each consumer and day, and one for each
consumer. Where somebody bought twice on a day, that is one purchase (Fader & Hardie 2005).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg

from app.predictions.clv.histories import Consumers, Fold, Histories
from app.predictions.engine.gathering import Market
from app.predictions.engine.transfer import Columns, read_columns
from app.users.models import PLACEHOLDER_DOMAIN

DAYS_A_WEEK = 7.0
SAMPLE = 100_000
"""Consumers whose past a model is judged on: more would take longer and say the same."""

# An order of nobody known has a consumer of its own, who cannot come back.
_KNOWN = f"NOT (u.email LIKE 'anonymous-%%' AND u.email LIKE '%%{PLACEHOLDER_DOMAIN}')"
_SCOPE_DAYS = f"""
    CREATE TEMP TABLE scope_days AS
    SELECT user_id, day, orders, amount, (day - lag(day) OVER (PARTITION BY user_id ORDER BY day))::float8 AS gap
    FROM (
        SELECT d.user_id, d.day, sum(d.orders)::int4 AS orders, sum(d.amount) AS amount
        FROM purchase_days d JOIN users u ON u.id = d.user_id
        WHERE d.market = ANY(%(markets)s::int[]) AND {_KNOWN}
        GROUP BY d.user_id, d.day
    ) days
"""
_AGGREGATES = """
    count(*) FILTER (WHERE day <= {day}) - 1 AS frequency,
    max(day) FILTER (WHERE day <= {day}) - min(day) AS recency,
    {day} - min(day) AS age,
    sum(amount) FILTER (WHERE day <= {day}) AS amount,
    sum(amount) FILTER (WHERE gap IS NULL) AS first_amount,
    count(*) FILTER (WHERE day <= {day} AND day > {day} - 28) AS recent_1,
    count(*) FILTER (WHERE day <= {day} AND day > {day} - 91) AS recent_2,
    count(*) FILTER (WHERE day <= {day} AND day > {day} - 182) AS recent_3
"""
_HISTORIES = f"""
    CREATE TEMP TABLE histories AS
    SELECT user_id, {_AGGREGATES.format(day="%(today)s")}, sum(orders) FILTER (WHERE day <= %(today)s) AS orders,
        coalesce(stddev_samp(gap) FILTER (WHERE day <= %(today)s), 'NaN') AS gap_deviation
    FROM scope_days GROUP BY user_id HAVING min(day) <= %(today)s
"""
_GROUPS = "SELECT frequency, recency, age, count(*) FROM histories GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
_CONSUMERS = """
    SELECT h.user_id, frequency, recency, age, amount, first_amount, recent_1, recent_2, recent_3, orders::int8,
        gap_deviation
    FROM histories h JOIN users u ON u.id = h.user_id AND u.is_active ORDER BY h.user_id
"""
_FOLD = f"""
    SELECT frequency, recency, age, amount, first_amount, recent_1, recent_2, recent_3, later_orders, later_amount,
        next_day
    FROM (
        SELECT user_id, {_AGGREGATES.format(day="%(origin)s")},
            count(*) FILTER (WHERE day > %(origin)s AND day <= %(end)s) AS later_orders,
            coalesce(sum(amount) FILTER (WHERE day > %(origin)s AND day <= %(end)s), 0) AS later_amount,
            coalesce(min(day) FILTER (WHERE day > %(origin)s AND day <= %(end)s) - %(origin)s, 0) AS next_day
        FROM scope_days
        WHERE %(share)s >= 1 OR (hashint8extended(user_id, %(seed)s) & 65535) < %(share)s * 65536
        GROUP BY user_id HAVING min(day) <= %(origin)s
    ) fold ORDER BY user_id
"""
_PROSPECTS = f"""
    SELECT count(*) FROM users u
    WHERE u.is_active AND {_KNOWN} AND NOT EXISTS (SELECT 1 FROM scope_days d WHERE d.user_id = u.id)
        AND EXISTS (SELECT 1 FROM source_records l WHERE l.user_id = u.id
            AND l.source_website IN (SELECT source_website FROM markets WHERE number = ANY(%(markets)s::int[])))
"""
_HISTORY_TYPES = {
    "frequency": "int8", "recency": "int4", "age": "int4", "amount": "float8", "first_amount": "float8",
    "recent_1": "int8", "recent_2": "int8", "recent_3": "int8",
}  # fmt: skip


@dataclass(frozen=True)
class Scope:
    """Consumers of one currency: on one website, or on all of them together."""

    source_website: str | None
    currency: str
    markets: list[int]

    def __str__(self) -> str:
        return f"{self.source_website or 'all websites'} in {self.currency}"


def list_scopes(markets: list[Market], *, only_website: bool) -> list[Scope]:
    """Each website in each of its currencies, and all websites together where several sell in one currency."""
    scopes = [Scope(each.source_website, each.currency, [each.number]) for each in markets]
    for currency in sorted({each.currency for each in markets}):
        together = [each.number for each in markets if each.currency == currency]
        if len(together) > 1 and not only_website:
            scopes.append(Scope(None, currency, together))
    return scopes


def open_scope(connection: psycopg.Connection[Any], scope: Scope, today: int) -> None:
    connection.execute("DROP TABLE IF EXISTS scope_days, histories")
    # Bound here: what makes a table takes no parameters from afar.
    cursor = psycopg.ClientCursor(connection)
    cursor.execute(_SCOPE_DAYS, {"markets": scope.markets})
    cursor.execute(_HISTORIES, {"today": today})
    connection.execute("ANALYZE scope_days, histories")


def read_groups(connection: psycopg.Connection[Any]) -> Histories:
    types = {"frequency": "int8", "recency": "int4", "age": "int4", "count": "int8"}
    found = read_columns(connection, _GROUPS, types, {})
    return Histories(
        found["frequency"].astype(float),
        found["recency"] / DAYS_A_WEEK,
        found["age"] / DAYS_A_WEEK,
        found["count"].astype(float),
    )


def read_consumers(connection: psycopg.Connection[Any]) -> tuple[Consumers, Columns]:
    """Those who are active, and what the models do not read of them: `user_id`, `orders`, and days."""
    types = {"user_id": "int8", **_HISTORY_TYPES, "orders": "int8", "gap_deviation": "float8"}
    found = read_columns(connection, _CONSUMERS, types, {})
    return _to_consumers(found), found


def read_fold(
    connection: psycopg.Connection[Any], *, first_day: int, origin: int, horizon: int, share: float, seed: int
) -> Fold:
    """What was known of the consumers at the day `origin`, and what the `horizon` days after it brought."""
    types = {**_HISTORY_TYPES, "later_orders": "int8", "later_amount": "float8", "next_day": "int4"}
    parameters = {"origin": origin, "end": origin + horizon, "share": share, "seed": seed}
    found = read_columns(connection, _FOLD, types, parameters)
    waited = found["next_day"] / DAYS_A_WEEK
    return Fold(
        consumers=_to_consumers(found),
        origin=(origin - first_day) / DAYS_A_WEEK,
        horizon=horizon / DAYS_A_WEEK,
        actual_orders=found["later_orders"].astype(float),
        actual_spend=found["later_amount"],
        next_order=np.where(waited > 0, waited, np.nan),
    )


def count_prospects(connection: psycopg.Connection[Any], scope: Scope) -> int:
    """Consumers of the scope's websites who have not bought there in its currency."""
    row = connection.execute(_PROSPECTS, {"markets": scope.markets}).fetchone()
    assert row is not None
    return int(row[0])


def _to_consumers(found: Columns) -> Consumers:
    return Consumers(
        frequency=found["frequency"].astype(float),
        recency=found["recency"] / DAYS_A_WEEK,
        age=found["age"] / DAYS_A_WEEK,
        amount=found["amount"],
        first_amount=found["first_amount"],
        recent=np.column_stack([found["recent_1"], found["recent_2"], found["recent_3"]]).astype(float),
    )
