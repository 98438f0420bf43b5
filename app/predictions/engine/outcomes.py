"""What happened beside what had been said: of every kept run, as soon as the days it spoke of are over.

They are over when a purchase of that time or later is known: a website may not have been read for weeks, or for good.
A run as of a day long past is measured at once. What is measured stays, whatever becomes of the run's rows.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from app.orders.purchases import is_purchase
from app.predictions.days import LAST_ENDED_DAY
from app.predictions.engine.run import Run, partition

DEMAND_DAYS = 28
REVENUE_DAYS = (7, 28, 90)


@dataclass(frozen=True)
class Said:
    """A model, and the window of it that is over."""

    model_id: int
    run_id: int
    as_of: date
    source_website: str | None
    currency: str | None
    window_days: int


_OVER = """
    SELECT m.id AS model_id, r.id AS run_id, r.as_of, m.source_website, m.currency, w.days AS window_days
    FROM prediction_models m JOIN prediction_runs r ON r.id = m.run_id,
        LATERAL unnest(CASE m.kind WHEN 'consumers' THEN ARRAY[r.horizon_days] ELSE %(windows)s::int[] END) AS w (days)
    WHERE m.kind = %(kind)s AND (r.id = %(run_id)s OR r.status = 'succeeded') AND r.is_kept
        AND r.as_of + w.days <= %(over)s
        AND EXISTS (SELECT 1 FROM markets k JOIN purchase_days d ON d.market = k.number
            WHERE (m.source_website IS NULL OR k.source_website = m.source_website)
                AND (m.currency IS NULL OR k.currency = m.currency)
                AND d.day >= r.as_of + w.days - DATE '1970-01-01')
        AND (m.source_website IS NOT NULL OR %(website)s::text IS NULL)
        AND NOT EXISTS (SELECT 1 FROM prediction_outcomes o WHERE o.model_id = m.id AND o.window_days = w.days)
    ORDER BY m.id, w.days
"""
# Ranks, ties sharing theirs, give the area under the ROC curve (Hanley & McNeil 1982).
_CONSUMERS = """
    WITH bought AS (
        SELECT d.user_id, count(DISTINCT d.day) AS orders, sum(d.amount) AS amount
        FROM purchase_days d JOIN markets k ON k.number = d.market
        WHERE (%(website)s::text IS NULL OR k.source_website = %(website)s) AND k.currency = %(currency)s
            AND d.day > %(day)s AND d.day <= %(day)s + %(window)s
        GROUP BY d.user_id
    ), said AS (
        SELECT p.*, coalesce(b.orders, 0)::float8 AS orders, coalesce(b.amount, 0) AS amount,
            (p.purchase_days - 1)::float8 / greatest(%(as_of)s - p.first_order_on, 1) * %(window)s AS naive,
            rank() OVER (ORDER BY p.probability_order_in_horizon)
                + (count(*) OVER (PARTITION BY p.probability_order_in_horizon) - 1) / 2.0 AS place
        FROM {partition} p LEFT JOIN bought b USING (user_id)
        WHERE p.model_id = %(model_id)s AND p.predicted_number_of_orders IS NOT NULL
    )
    SELECT count(*) AS consumers, sum(predicted_number_of_orders) AS predicted_orders, sum(orders) AS orders,
        sum(predicted_clv)::float8 AS predicted_spend, sum(amount) AS spend,
        sqrt(avg((predicted_number_of_orders - orders) ^ 2)) AS rmse,
        avg(abs(predicted_number_of_orders - orders)) AS mae,
        sqrt(avg((naive - orders) ^ 2)) AS naive_rmse, avg(abs(naive - orders)) AS naive_mae,
        sqrt(avg((predicted_clv::float8 - amount) ^ 2)) AS spend_rmse,
        avg((probability_order_in_horizon - (orders > 0)::int) ^ 2) AS brier,
        avg((orders > 0)::int) AS active_share, avg(probability_order_in_horizon) AS predicted_active_share,
        avg((orders BETWEEN predicted_number_of_orders_lower AND predicted_number_of_orders_upper)::int) AS coverage_80,
        (sum(place) FILTER (WHERE orders > 0) - count(*) FILTER (WHERE orders > 0)
            * (count(*) FILTER (WHERE orders > 0) + 1) / 2.0)::float8
            / nullif(count(*) FILTER (WHERE orders > 0) * count(*) FILTER (WHERE orders = 0), 0) AS auc
    FROM said
"""
_REVENUE = """
    SELECT count(*) AS days, sum(p.revenue)::float8 AS predicted_revenue, coalesce(sum(a.amount), 0) AS revenue,
        sum(p.orders) AS predicted_orders, coalesce(sum(a.orders), 0)::float8 AS orders,
        sum(abs(p.revenue::float8 - coalesce(a.amount, 0))) / nullif(sum(a.amount), 0) AS wape,
        avg((coalesce(a.amount, 0) BETWEEN p.revenue_lower_80 AND p.revenue_upper_80)::int) AS coverage_80,
        avg((coalesce(a.amount, 0) BETWEEN p.revenue_lower_95 AND p.revenue_upper_95)::int) AS coverage_95
    FROM revenue_predictions p LEFT JOIN (
        SELECT DATE '1970-01-01' + d.day AS day, sum(d.amount) AS amount, sum(d.orders) AS orders
        FROM purchase_days d JOIN markets k ON k.number = d.market
        WHERE k.source_website = %(website)s AND k.currency = %(currency)s GROUP BY 1
    ) a USING (day)
    WHERE p.model_id = %(model_id)s AND p.day <= %(as_of)s + %(window)s
"""
_DEMAND = f"""
    WITH sold AS (
        SELECT l.product_id, sum(l.quantity)::float8 AS units
        FROM orders o JOIN markets m USING (source_website, currency) JOIN order_details l ON l.order_id = o.id
        WHERE {is_purchase("o")}
            AND (o.placed_at AT TIME ZONE m.zone)::date > %(as_of)s
            AND (o.placed_at AT TIME ZONE m.zone)::date <= %(as_of)s + %(window)s
        GROUP BY 1
    )
    SELECT count(*) AS products, sum(p.expected_units_28_days) AS predicted_units,
        coalesce(sum(s.units), 0) AS units,
        sum(abs(p.expected_units_28_days - coalesce(s.units, 0))) / nullif(sum(s.units), 0) AS wape,
        sum(abs(p.units_last_28_days - coalesce(s.units, 0))) / nullif(sum(s.units), 0) AS naive_wape
    FROM {{partition}} p LEFT JOIN sold s USING (product_id)
    WHERE p.model_id = %(model_id)s
"""
# measure → what was said and what happened, by their names in the statement's answer
_MEASURES = {
    "consumers": {"orders": ("predicted_orders", "orders"), "spend": ("predicted_spend", "spend")},
    "revenue": {"revenue": ("predicted_revenue", "revenue"), "orders": ("predicted_orders", "orders")},
    "demand": {"units": ("predicted_units", "units")},
}
_STATEMENTS = {
    "consumers": (_CONSUMERS, "consumer_predictions"),
    "revenue": (_REVENUE, None),
    "demand": (_DEMAND, "product_predictions"),
}


def measure(connection: psycopg.Connection[Any], run: Run) -> None:
    """Of this run and of those before it. Reads the tables that `gathering` made."""
    row = connection.execute(LAST_ENDED_DAY).fetchone()
    assert row is not None
    for kind in _STATEMENTS:
        for said in _list_over(connection, run, kind, row[0]):
            _measure(connection, kind, said)


def _list_over(connection: psycopg.Connection[Any], run: Run, kind: str, over: date) -> list[Said]:
    windows = [DEMAND_DAYS] if kind == "demand" else list(REVENUE_DAYS)
    parameters = {
        "kind": kind, "run_id": run.id, "over": over, "website": run.source_website, "windows": windows
    }  # fmt: skip
    with connection.cursor(row_factory=dict_row) as cursor:
        return [Said(**found) for found in cursor.execute(_OVER, parameters)]


def _measure(connection: psycopg.Connection[Any], kind: str, said: Said) -> None:
    statement, table = _STATEMENTS[kind]
    query = sql.SQL(statement).format(partition=sql.Identifier(partition(table, said.run_id))) if table else statement
    parameters = {
        "model_id": said.model_id,
        "website": said.source_website,
        "currency": said.currency,
        "as_of": said.as_of,
        "day": (said.as_of - date(1970, 1, 1)).days,
        "window": said.window_days,
    }
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(query, parameters).fetchone()
    assert found is not None
    details = {name: float(value) if value is not None else None for name, value in found.items()}
    for measure_, (predicted, actual) in _MEASURES[kind].items():
        if details[predicted] is None:
            continue  # nothing was said
        connection.execute(
            """
            INSERT INTO prediction_outcomes (model_id, measure, window_days, predicted, actual, details)
            VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
            """,
            (said.model_id, measure_, said.window_days, details[predicted], details[actual], Jsonb(details)),
        )
