"""What will be asked of one website's products, week by week, and when to order them again."""

from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from app.predictions.demand.classes import DEMAND_CLASSES, STATUSES
from app.predictions.demand.days import find_profile
from app.predictions.demand.forecasting import DemandForecast, forecast_demand
from app.predictions.demand.reorder_many import advise_all
from app.predictions.demand.series import WeeklyUnits
from app.predictions.engine import gathering
from app.predictions.engine.progress import Progress
from app.predictions.engine.run import MONDAY_BEFORE_EPOCH, Run, partition, save_model
from app.predictions.engine.transfer import Columns, write_columns

HORIZON_WEEKS = 13
QUANTILES = ("q025", "q10", "q50", "q90", "q975")
ADVICE = ("reorder_point", "safety_stock", "reorder_quantity", "days_of_cover", "urgency")

_STAGED = """
    CREATE TEMP TABLE forecast (
        product_id int8, demand_class int2, status int2, mean real[], q025 real[], q10 real[], q50 real[], q90 real[],
        q975 real[], scale float8, bin int2, next_28 float8, last_28 float8, stock float8, reorder_point float8,
        safety_stock float8, reorder_quantity float8, days_of_cover float8, stockout_day float8, urgency float8
    )
"""
_INSERT = """
    INSERT INTO {partition}
    SELECT {run_id}, product_id, {model_id}, ({classes}::text[])[demand_class + 1], ({statuses}::text[])[status + 1],
        mean, q025, q10, q50, q90, q975, scale, bin, next_28, last_28, nullif(stock, 'NaN')::int4,
        reorder_point, safety_stock, nullif(reorder_quantity, 'NaN'), nullif(days_of_cover, 'NaN'),
        DATE '1970-01-01' + nullif(stockout_day, 'NaN')::int4, nullif(urgency, 'NaN')
    FROM forecast
"""


def predict(connection: psycopg.Connection[Any], run: Run, website: str, progress: Progress) -> None:
    with progress.in_sql():
        products = gathering.read_products(connection, website)
        sold = gathering.read_sold_weeks(connection, website)
        days = gathering.read_sold_days(connection, website)
    if not products["id"].size:
        return
    series = _series(products, sold)
    forecast = forecast_demand(series, horizon=HORIZON_WEEKS)
    model_id = save_model(
        connection,
        run,
        "demand",
        website=website,
        currency=None,
        subjects=len(products["id"]),
        status=forecast.model_status,
        notes=forecast.notes,
        parameters=forecast.parameters,
        scorecard=forecast.scorecard,
        state={"conformal": forecast.conformal, "weekdays": _weekdays(run.today, days)},
    )
    columns = _columns(run, products, series, forecast)
    with progress.in_sql():
        _write(connection, run, model_id, columns)


def _series(products: Columns, sold: Columns) -> WeeklyUnits:
    """Of as many weeks as anything was sold in, WEEKS_OF_DEMAND at most; the last column is the last week."""
    past = sold["back"] >= 0
    back, units = sold["back"][past], sold["units"][past]
    rows = np.searchsorted(products["id"], sold["product_id"][past])
    weeks = int(back.max(initial=0)) + 1
    matrix = np.zeros((len(products["id"]), weeks), np.float32)
    matrix[rows, weeks - 1 - back] = units
    first = np.where(products["first"] >= 0, weeks - 1 - products["first"], weeks)
    return WeeklyUnits(
        units=matrix,
        first_week=first.astype(np.int32),
        is_sold=products["is_active"] == 1,
        price=products["price"],
    )


def _weekdays(today: int, days: Columns) -> list[float]:
    """Shares of the week's units, Monday first."""
    units = np.zeros(364)
    units[days["day"] - today + 363] = days["units"]
    return find_profile(units.tolist(), (today - 363 + MONDAY_BEFORE_EPOCH) % 7)


def _columns(
    run: Run, products: Columns, series: WeeklyUnits, forecast: DemandForecast
) -> list[tuple[str, str, NDArray[Any]]]:
    advice = advise_all(
        weekly_mean=forecast.mean,
        conformal=forecast.conformal,
        bins=forecast.bin,
        scale=forecast.scale,
        stock_on_hand=products["stock"],
        lead_time_days=run.lead_time_days,
        service_level=run.service_level,
    )
    return [
        ("product_id", "int8", products["id"]),
        ("demand_class", "int2", forecast.demand_class),
        ("status", "int2", forecast.status),
        ("mean", "real[]", forecast.mean),
        *((name, "real[]", getattr(forecast, name)) for name in QUANTILES),
        ("scale", "float8", forecast.scale),
        ("bin", "int2", forecast.bin),
        ("next_28", "float8", forecast.mean[:, :4].sum(axis=1)),
        ("last_28", "float8", series.units[:, -4:].sum(axis=1)),
        ("stock", "float8", products["stock"]),
        *((name, "float8", getattr(advice, name)) for name in ADVICE),
        ("stockout_day", "float8", run.today + advice.stockout_days),
    ]


def _write(
    connection: psycopg.Connection[Any], run: Run, model_id: int, columns: list[tuple[str, str, NDArray[Any]]]
) -> None:
    connection.execute("DROP TABLE IF EXISTS forecast")
    connection.execute(_STAGED)
    write_columns(connection, "forecast", columns)
    connection.execute(
        sql.SQL(_INSERT).format(
            partition=sql.Identifier(partition("product_predictions", run.id)),
            run_id=sql.Literal(run.id),
            model_id=sql.Literal(model_id),
            classes=sql.Literal(list(DEMAND_CLASSES)),
            statuses=sql.Literal(list(STATUSES)),
        )
    )
