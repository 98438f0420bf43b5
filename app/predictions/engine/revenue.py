"""Money and orders of one website in one currency, day by day."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from app.predictions.demand.revenue import DailyForecast, forecast_days
from app.predictions.engine import gathering
from app.predictions.engine.gathering import Market
from app.predictions.engine.progress import Progress
from app.predictions.engine.run import MONDAY_BEFORE_EPOCH, Run, save_model

HORIZON_DAYS = 90
DAYS_OF_HISTORY = 1_100
"""Three years: what was before tells little of the coming weeks."""


def predict(connection: psycopg.Connection[Any], run: Run, market: Market, progress: Progress) -> None:
    with progress.in_sql():
        found = gathering.read_sales(connection, market.number)
    until = found["day"] <= run.today
    days, amounts, orders = found["day"][until], found["amount"][until], found["orders"][until]
    if not days.size:
        return
    start = max(int(days[0]), run.today - DAYS_OF_HISTORY + 1)
    weekday = (start + MONDAY_BEFORE_EPOCH) % 7
    revenue = forecast_days(_spread(days, amounts, start, run.today), weekday, horizon=HORIZON_DAYS)
    counts = forecast_days(_spread(days, orders, start, run.today), weekday, horizon=HORIZON_DAYS)
    model_id = save_model(
        connection,
        run,
        "revenue",
        website=market.source_website,
        currency=market.currency,
        subjects=run.today - start + 1,
        status=revenue.status,
        notes=revenue.notes,
        parameters={"totals": {"revenue": revenue.totals, "orders": counts.totals}},
        scorecard={"revenue": revenue.scorecard, "orders": counts.scorecard},
        state={},
    )
    if revenue.status == counts.status == "ok":
        with progress.in_sql():
            _write(connection, model_id, run.as_of, [*_bounds(revenue), *_bounds(counts)])


def _spread(days: NDArray[Any], values: NDArray[Any], start: int, today: int) -> NDArray[np.float64]:
    """One value a day from `start` to `today`, zero on a day without a purchase."""
    spread = np.zeros(today - start + 1)
    known = days >= start
    spread[days[known] - start] = values[known]
    return spread


def _bounds(forecast: DailyForecast) -> list[NDArray[np.float64]]:
    """In the order of the table's columns."""
    columns = (forecast.mean, forecast.lower_80, forecast.upper_80, forecast.lower_95, forecast.upper_95)
    return [column for column in columns if column is not None]


def _write(connection: psycopg.Connection[Any], model_id: int, as_of: date, columns: list[NDArray[np.float64]]) -> None:
    rows = zip(*(column.tolist() for column in columns), strict=True)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO revenue_predictions VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [(model_id, as_of + timedelta(days=ahead), *row) for ahead, row in enumerate(rows, start=1)],
        )
