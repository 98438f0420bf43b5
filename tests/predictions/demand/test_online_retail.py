"""A real shop, Online Retail II 2009-10, forecast from its own past, beside naive forecasts of the same series.

Prepared as follows: rows without a customer, with a quantity or price of zero or less, cancellations, and codes that
are no product are left out; a code is a product whatever its case. Weeks end with the last day of the file, so that
there are 53 whole ones. Scored is what sold in two weeks or more before each of four origins four weeks apart.
Other preparations of the same file give other figures (MASE 1.56 and RMSSE 1.18 in one with origins in the autumn), so
that the comparison with the last week's sales, on the same series, says more than the figures.
"""

import csv
import gzip
import os
from collections import defaultdict
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.predictions.demand.forecasting import DemandForecast, forecast_demand
from app.predictions.demand.revenue import forecast_days
from app.predictions.demand.series import WeeklyUnits

SHARED = Path(os.environ.get("ECOMPREDICTOR_SHARED") or Path(__file__).parents[4] / "shared") / "data"
RETAIL = SHARED / "online_retail_ii_2009_2010" / "online_retail_2009_2010.csv.gz"
pytestmark = pytest.mark.skipif(not RETAIL.is_file(), reason=f"{RETAIL.name} is not there (ECOMPREDICTOR_SHARED)")

CHARGES = ("POST", "DOT", "C2", "C3", "M", "ADJUST", "ADJUST2", "BANK CHARGES", "AMAZONFEE", "S")
NO_PRODUCT = {*CHARGES, "B", "D", "TEST001", "TEST002"}
FIRST_DAY, DAYS = date(2009, 12, 1), 374
TUESDAY = 1


@cache
def read_shop() -> tuple[WeeklyUnits, NDArray[np.float64], NDArray[np.float64]]:
    """Weekly units, and of every day the revenue and the number of orders."""
    units: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(DAYS))
    spent: dict[str, float] = defaultdict(float)
    revenue, invoices = np.zeros(DAYS), defaultdict(set)
    with gzip.open(RETAIL, "rt", encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for invoice, code, _, pieces, moment, cost, customer, _ in rows:
            product, quantity, price = code.strip().upper(), int(pieces), float(cost)
            if not customer or quantity <= 0 or price <= 0 or invoice[0] == "C" or product in NO_PRODUCT:
                continue
            day = (date.fromisoformat(moment[:10]) - FIRST_DAY).days
            units[product][day] += quantity
            spent[product] += quantity * price
            revenue[day] += quantity * price
            invoices[day].add(invoice)
    table = np.array([units[product] for product in sorted(units)])
    weekly = table[:, DAYS % 7 :].reshape(len(table), -1, 7).sum(axis=2).astype(np.float32)
    price_of = np.array([spent[product] for product in sorted(units)]) / table.sum(axis=1)
    first = np.where(weekly.any(axis=1), (weekly > 0).argmax(axis=1), weekly.shape[1]).astype(np.int32)
    orders = np.array([len(invoices[day]) for day in range(DAYS)], np.float64)
    return WeeklyUnits(weekly, first, np.ones(len(table), np.bool_), price_of), revenue, orders


@cache
def forecast() -> DemandForecast:
    return forecast_demand(read_shop()[0])


def test_what_was_read():
    series, revenue, orders = read_shop()
    assert series.units.shape == (4008, 53)
    assert revenue.sum() == pytest.approx(8_673_398.09, abs=0.01)
    assert forecast().scorecard["origins"] == 4
    assert forecast().scorecard["products"] == 3725
    assert orders[4 + 7 * np.arange(53)].sum() < 100  # closed on Saturdays, but for a few


def test_units_by_week():
    score = forecast().scorecard["forecast"]
    naive = forecast().scorecard["baselines"]["last_week"]
    zero = forecast().scorecard["baselines"]["zero"]
    assert score["wape_sum"] <= 0.54
    assert score["wape_week"] <= 0.74
    assert score["rmsse"] <= 0.76
    assert score["mase"] <= 1.14
    for measure, share in (("wape_sum", 0.71), ("rmsse", 0.9), ("mase", 0.88), ("rmsse_by_revenue", 0.82)):
        assert score[measure] <= share * naive[measure]
    assert score["mase"] < zero["mase"]
    assert abs(score["bias"]) < 0.17


def test_intervals_of_four_weeks():
    """Made at each origin from what was known at it."""
    score = forecast().scorecard["forecast"]
    assert 0.75 <= score["coverage_80"] <= 0.85
    assert 0.92 <= score["coverage_95"] <= 0.97
    assert score["pinball"] <= 0.153


@pytest.mark.parametrize("cut", [33, 37, 41, 45, 49])
def test_intervals_of_single_weeks_and_of_sums(cut: int):
    """Of a shop that ends there, by the four weeks after it; one origin is one autumn, and may be off by more."""
    series, _, _ = read_shop()
    known = WeeklyUnits(series.units[:, :cut], series.first_week, series.is_sold, series.price)
    made = forecast_demand(known, horizon=4)
    sold = np.count_nonzero(known.units, axis=1) >= 2
    came = series.units[:, cut : cut + 4]
    assert 0.70 <= np.mean((came >= made.q10)[sold] & (came <= made.q90)[sold]) <= 0.90
    assert 0.90 <= np.mean((came >= made.q025)[sold] & (came <= made.q975)[sold]) <= 0.98


def test_revenue_by_day():
    _, revenue, orders = read_shop()
    made = forecast_days(revenue, TUESDAY)
    score, naive = made.scorecard["forecast"], made.scorecard["baselines"]["same_weekday_last_week"]
    assert made.scorecard["origins"] == 7
    assert score["wape_day"] <= 0.31
    assert score["error_of_total"] <= 0.14
    assert score["mase_7"] <= 0.83
    assert score["wape_day"] < 0.85 * naive["wape_day"]
    assert score["error_of_total"] < 0.6 * naive["error_of_total"]
    assert 0.75 <= score["coverage_80_of_days"] <= 0.9
    assert 0.9 <= score["coverage_95_of_days"] <= 0.98
    assert forecast_days(orders, TUESDAY).scorecard["forecast"]["wape_day"] <= 0.25
