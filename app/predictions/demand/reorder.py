"""When to order how much again. Plain Python on plain floats: the API answers with it without NumPy.

A stock is looked at every day. Its product is ordered when the stock falls to the reorder point, and then up to a level
that also lasts until the next occasion to order (Silver, Pyke & Thomas 2017, Inventory and Production Management in
Supply Chains, ch. 6: the continuous-review order-up-to policy; safety stock from the errors of the forecast over the
lead time, as Trapero, Cardós & Kourentzes 2019, Omega 84, show that it has to be):

    reorder point = expected demand over the lead time + safety stock
    safety stock  = quantile of the misses of the lead time's sum at the service level, at least 0
    order up to   = the same for lead time + review period

The service level is the probability that a lead time passes without running out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, sqrt
from typing import Any

# As the misses were measured: see `conformal`, which cannot be read without NumPy.
POWER, SMALLEST = 0.75, 0.1
MOST_DAYS = 3650
"""What takes longer than ten years is not worth a date."""


@dataclass(frozen=True)
class Advice:
    """In units and days. What needs the stock is None where that is unknown.

    `days_of_cover` is None too where nothing is expected to sell, and is continued at the last week's pace behind the
    weeks that were forecast; `stockout_date` is None there. `urgency` is the days until the stock falls below the
    reorder point, negative the days since when it should have been ordered, and None where it never falls.
    """

    lead_time_demand: float
    safety_stock: float
    reorder_point: float
    reorder_quantity: float | None
    days_of_cover: float | None
    stockout_date: date | None
    urgency: float | None


def advise(
    *,
    weekly_mean: Sequence[float],
    conformal_of_bin: Mapping[str, Any],
    scale: float,
    stock_on_hand: float | None,
    lead_time_days: float,
    service_level: float,
    review_period_days: float = 7,
    as_of: date,
) -> Advice:
    """`conformal_of_bin` has `levels`, and as `sum` the quantiles at them of the scaled misses of 1, 2, … weeks' sums.

    Above the highest level, safety is what that asks for. Behind the last week, demand goes on at its pace, and
    misses grow as the root of time.
    """
    misses = [interpolate(conformal_of_bin["levels"], each, service_level) for each in conformal_of_bin["sum"]]
    demand = sum_demand(weekly_mean, lead_time_days)
    safety = find_safety(weekly_mean, misses, scale, lead_time_days)
    point = demand + safety
    if stock_on_hand is None:
        return Advice(demand, safety, point, None, None, None, None)
    protected = lead_time_days + review_period_days
    up_to = sum_demand(weekly_mean, protected) + find_safety(weekly_mean, misses, scale, protected)
    cover = count_days(weekly_mean, stock_on_hand)
    is_forecast = cover is not None and cover <= 7 * len(weekly_mean)
    is_due = stock_on_hand <= point and stock_on_hand < up_to
    return Advice(
        lead_time_demand=demand,
        safety_stock=safety,
        reorder_point=point,
        reorder_quantity=float(ceil(up_to - stock_on_hand)) if is_due else 0.0,
        days_of_cover=cover,
        stockout_date=as_of + timedelta(days=ceil(cover)) if cover is not None and is_forecast else None,
        urgency=_find_urgency(weekly_mean, stock_on_hand - point),
    )


def sum_demand(weekly_mean: Sequence[float], days: float) -> float:
    """What is expected within some days, each of which has a seventh of its week."""
    weeks = days / 7
    whole = min(int(weeks), len(weekly_mean))
    rest = weekly_mean[min(whole, len(weekly_mean) - 1)] if weekly_mean else 0.0
    return sum(weekly_mean[:whole]) + (weeks - whole) * rest


def find_safety(weekly_mean: Sequence[float], misses: Sequence[float], scale: float, days: float) -> float:
    """What may be sold beyond the expected within some days; never negative, and never less for more days.

    `misses` are those of the sums of 1, 2, … weeks. Between weeks it grows as the root of time does: the misses of
    single days are hardly related.
    """
    by_week, total = [0.0], 0.0
    for week, (mean, miss) in enumerate(zip(weekly_mean, misses, strict=True), 1):
        total += mean
        by_week.append(max(by_week[-1], scale * (total / week + SMALLEST) ** POWER * miss))
    weeks = days / 7
    whole = int(weeks)
    if whole >= len(misses):
        return by_week[-1] * sqrt(weeks / max(len(misses), 1))
    share = (sqrt(weeks) - sqrt(whole)) / (sqrt(whole + 1) - sqrt(whole))
    return by_week[whole] + share * (by_week[whole + 1] - by_week[whole])


def interpolate(at: Sequence[float], values: Sequence[float], where: float) -> float:
    """Along straight lines between the points, and flat outside of them; `at` rises."""
    if where <= at[0]:
        return values[0]
    for index in range(1, len(at)):
        if where <= at[index]:
            share = (where - at[index - 1]) / (at[index] - at[index - 1])
            return values[index - 1] + share * (values[index] - values[index - 1])
    return values[-1]


def count_days(weekly_mean: Sequence[float], units: float) -> float | None:
    """Until so many units are expected to be sold; None where that takes ten years or for ever."""
    if units <= 0:
        return 0.0
    sold = 0.0
    for week, mean in enumerate(weekly_mean):
        if sold + mean >= units:
            return 7 * week + 7 * (units - sold) / mean
        sold += mean
    days, pace = 7 * len(weekly_mean), weekly_mean[-1] if weekly_mean else 0.0
    return days + 7 * (units - sold) / pace if (units - sold) * 7 <= pace * (MOST_DAYS - days) else None


def _find_urgency(weekly_mean: Sequence[float], above: float) -> float | None:
    """`above` is what there is more than the reorder point."""
    if above >= 0:
        return count_days(weekly_mean, above)
    pace = sum(weekly_mean) / len(weekly_mean) if weekly_mean else 0.0
    late = -above * 7
    return -late / pace if late <= pace * MOST_DAYS else -float(MOST_DAYS)
