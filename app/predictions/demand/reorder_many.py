"""The advice of `reorder`, for a whole shop at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.predictions.demand.reorder import MOST_DAYS, POWER, SMALLEST, interpolate

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class ManyAdvices:
    """As `Advice` has them, NaN for None; `stockout_days` are from the day of the forecast to the date."""

    lead_time_demand: Numbers
    safety_stock: Numbers
    reorder_point: Numbers
    reorder_quantity: Numbers
    days_of_cover: Numbers
    stockout_days: Numbers
    urgency: Numbers


def advise_all(
    *,
    weekly_mean: NDArray[np.floating],
    conformal: Sequence[Mapping[str, Any]],
    bins: NDArray[np.integer],
    scale: NDArray[np.floating],
    stock_on_hand: NDArray[np.floating],
    lead_time_days: float,
    service_level: float,
    review_period_days: float = 7,
) -> ManyAdvices:
    """`weekly_mean` (n, weeks), one week or more; `bins` and `scale` (n,); `stock_on_hand` NaN where it is unknown.

    `conformal` has the bins in order.
    """
    mean = weekly_mean.astype(np.float64)
    by_bin = np.array(
        [[interpolate(each["levels"], lead, service_level) for lead in each["sum"]] for each in conformal], np.float64
    )
    average = np.cumsum(mean, axis=1) / np.arange(1, mean.shape[1] + 1)
    growing = scale.astype(np.float64)[:, None] * (average + SMALLEST) ** POWER * by_bin[bins]
    by_week = np.maximum.accumulate(np.column_stack([np.zeros(len(mean)), growing]), axis=1)

    def find_safety(days: float) -> Numbers:
        weeks = days / 7
        whole = int(weeks)
        if whole >= mean.shape[1]:
            return np.asarray(by_week[:, -1] * sqrt(weeks / max(mean.shape[1], 1)))
        share = (sqrt(weeks) - sqrt(whole)) / (sqrt(whole + 1) - sqrt(whole))
        return np.asarray(by_week[:, whole] + share * (by_week[:, whole + 1] - by_week[:, whole]))

    protected = lead_time_days + review_period_days
    demand, safety = _sum_demand(mean, lead_time_days), find_safety(lead_time_days)
    point, up_to = demand + safety, _sum_demand(mean, protected) + find_safety(protected)
    stock = stock_on_hand.astype(np.float64)
    quantity = np.where((stock <= point) & (up_to > stock), np.ceil(up_to - stock), np.where(np.isnan(stock), stock, 0))
    cover = _count_days(mean, stock)
    above = stock - point
    pace = mean.mean(axis=1)
    never = -above * 7 > pace * MOST_DAYS
    late = np.where(never, -float(MOST_DAYS), above * 7 / np.where(never | (pace == 0), 1, pace))
    return ManyAdvices(
        lead_time_demand=demand,
        safety_stock=safety,
        reorder_point=point,
        reorder_quantity=quantity,
        days_of_cover=cover,
        stockout_days=np.where(cover <= 7 * mean.shape[1], np.ceil(cover), np.nan),
        urgency=np.where(above < 0, late, _count_days(mean, above)),
    )


def _sum_demand(mean: Numbers, days: float) -> Numbers:
    weeks = days / 7
    whole = min(int(weeks), mean.shape[1])
    return np.asarray(mean[:, :whole].sum(axis=1) + (weeks - whole) * mean[:, min(whole, mean.shape[1] - 1)])


def _count_days(mean: Numbers, units: Numbers) -> Numbers:
    """NaN for never, and for NaN."""
    weeks = mean.shape[1]
    ends = np.cumsum(mean, axis=1)
    left = np.maximum(units, 0)
    whole = (ends < left[:, None]).sum(axis=1)
    padded = np.column_stack([mean, mean[:, -1:]])
    before = np.column_stack([np.zeros(len(mean)), ends])
    rows = np.arange(len(mean))
    pace, rest = padded[rows, whole], left - before[rows, whole]
    days = np.where(rest > 0, 7 * whole + 7 * rest / np.where(pace > 0, pace, 1), 7.0 * whole)
    never = (rest > 0) & (rest * 7 > pace * (MOST_DAYS - 7 * whole)) & (whole == weeks)
    return np.where(never | np.isnan(units), np.nan, days)
