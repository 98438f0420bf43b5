"""A shop's revenue, or its orders, by day: a level, an index of the weekdays, and a season where one has been seen.

The level is simple exponential smoothing of what the days come to without their weekday. Intervals are those of its
state space form (Hyndman, Koehler, Ord & Snyder 2008, Forecasting with Exponential Smoothing, ch. 6, with errors in
proportion to the level), stretched by what earlier forecasts of this shop missed by in their own terms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from app.predictions.demand.scorecard import Coverage, Errors
from app.predictions.demand.seasonality import BASE_WEEKS, YEAR, Season, find_factors, judge

Days = NDArray[np.float64]

LEAST_DAYS = 28
INDEX_WEEKS = 26
CLOSED_WEEKS = 8
"""A weekday on which nothing was sold for so long is closed."""
FIRST_ORIGIN, BETWEEN_ORIGINS = 56, 7
YEAR_AND_BASE = 7 * (YEAR + BASE_WEEKS)
SCORED_ORIGINS, SCORED_DAYS = 7, 28
TOTALS = (7, 28, 90)
BOUNDS = {"lower_95": 0.025, "lower_80": 0.1, "upper_80": 0.9, "upper_95": 0.975}
TRUSTED_MONTHS = 10
"""Stretches of four weeks of past forecasts for which what they missed by counts as much as theory does."""


@dataclass(frozen=True)
class DailyForecast:
    """Days begin with the one after the last. Arrays (horizon,) are None where `status` is not "ok".

    `totals` has for the first 7, 28 and 90 days `mean` and bounds of their own: those of days do not add up.
    """

    status: str  # ok, too_short, no_sales
    mean: Days | None
    lower_80: Days | None
    upper_80: Days | None
    lower_95: Days | None
    upper_95: Days | None
    totals: dict[str, dict[str, float]]
    scorecard: dict[str, Any]
    notes: list[str]


def forecast_days(
    values: NDArray[np.floating], first_weekday: int, *, horizon: int = 90, level_step: float = 0.3
) -> DailyForecast:
    """`values` a day, without gaps, from a day whose weekday is `first_weekday`, 0 for Monday.

    `level_step` is how much of the level a week renews; days renew it in even parts.
    """
    shop = _Shop(values.astype(np.float64), first_weekday, level_step)
    days = len(values)
    if days < LEAST_DAYS:
        note = f"With {days} days of history there is no forecast: that takes {LEAST_DAYS}."
        return DailyForecast("too_short", None, None, None, None, None, {}, {}, [note])
    if not shop.values.any():
        return DailyForecast("no_sales", None, None, None, None, None, {}, {}, ["Nothing was sold."])
    season = _judge_season(shop)
    # Those that knew no season yet missed by more.
    first = YEAR_AND_BASE if season.is_used else FIRST_ORIGIN
    origins = range(days - BETWEEN_ORIGINS, first - 1, -BETWEEN_ORIGINS)
    longest = max(horizon, SCORED_DAYS)
    past = [shop.forecast(origin, longest, season) for origin in origins]
    now = shop.forecast(days, horizon, season)
    of_days, of_sums = _calibrate(past, days)
    bounds = {name: now.bound_days(of_days, level) for name, level in BOUNDS.items()}
    return DailyForecast(
        status="ok",
        mean=now.mean,
        lower_80=bounds["lower_80"],
        upper_80=bounds["upper_80"],
        lower_95=bounds["lower_95"],
        upper_95=bounds["upper_95"],
        totals={
            str(total): {"mean": float(now.mean[:total].sum())}
            | {name: now.bound_sum(of_sums, level, total) for name, level in BOUNDS.items()}
            for total in TOTALS
            if total <= horizon
        },
        scorecard=_score(shop, past) | {"season": season.as_json()},
        notes=_write_notes(shop, season, len(past)),
    )


@dataclass(frozen=True)
class _Forecast:
    """As of an origin; deviations are those of theory, of each day and of the sum of the days up to it."""

    origin: int
    mean: Days
    of_days: Days
    of_sums: Days
    actual: Days  # as far as it is known

    def bound_days(self, misses: "_Misses", level: float) -> Days:
        return np.asarray(np.maximum(self.mean + misses.find(level) * self.of_days, 0))

    def bound_sum(self, misses: "_Misses", level: float, days: int) -> float:
        return max(0.0, float(self.mean[:days].sum() + misses.find(level) * self.of_sums[days - 1]))


@dataclass(frozen=True)
class _Misses:
    """What was missed by, in deviations; `trust` is how much they count against the normal distribution."""

    values: Days
    trust: float

    def find(self, level: float) -> float:
        theory = float(stats.norm.ppf(level))
        if not self.values.size:
            return theory
        return self.trust * float(np.quantile(self.values, level)) + (1 - self.trust) * theory


class _Shop:
    def __init__(self, values: Days, first_weekday: int, level_step: float) -> None:
        self.values = values
        self.weekdays = (first_weekday + np.arange(len(values))) % 7
        self.level_step = level_step

    def forecast(self, origin: int, horizon: int, season: Season | None = None) -> _Forecast:
        """From the days before `origin` alone."""
        index, level, spread, step = self._fit(origin)
        weekdays = (self.weekdays[0] + origin + np.arange(horizon)) % 7
        factors = self.find_factors(origin, horizon) if season and season.is_used else np.ones(horizon)
        shares = index[weekdays] * factors
        # What a day j surprises by counts in the sum of n days with its share s_j, and through the level in the days
        # after it: the sum over j of (s_j + step (S_n - S_j))^2, with S the running sum of s, multiplied out.
        sums, days = np.cumsum(shares), np.arange(1, horizon + 1)
        later = days * sums**2 - 2 * sums * np.cumsum(sums) + np.cumsum(sums**2)
        squares = np.cumsum(shares**2) + 2 * step * (sums**2 - np.cumsum(shares * sums)) + step**2 * later
        drift = 1 + step**2 * (days - 1)
        return _Forecast(
            origin=origin,
            mean=level * shares,
            of_days=level * spread * shares * np.sqrt(drift),
            of_sums=level * spread * np.sqrt(np.maximum(squares, 0)),
            actual=self.values[origin : origin + horizon],
        )

    def _fit(self, origin: int) -> tuple[Days, float, float, float]:
        """The weekdays' index, the level, what a day deviates by in levels, and the step of a day."""
        values, weekdays = self.values[:origin], self.weekdays[:origin]
        recent = slice(max(0, origin - 7 * INDEX_WEEKS), origin)
        index = _mean_by_weekday(values[recent], weekdays[recent])
        last = slice(max(0, origin - 7 * CLOSED_WEEKS), origin)
        index[_mean_by_weekday(values[last], weekdays[last]) == 0] = 0
        is_open = index > 0
        if not is_open.any():
            return index, 0.0, 0.0, 0.0
        index /= index.mean()
        step = 1 - (1 - self.level_step) ** (1 / is_open.sum())
        total = weight = missed = size = 0.0
        for day, (value, share) in enumerate(zip(values.tolist(), index[weekdays].tolist(), strict=True)):
            if share == 0:
                continue
            if weight and day >= recent.start:
                expected = share * total / weight
                missed += (value - expected) ** 2
                size += expected**2
            total = (1 - step) * total + value / share
            weight = (1 - step) * weight + 1
        return index, total / weight, float(np.sqrt(missed / size)) if size else 0.0, float(step)

    def find_factors(self, origin: int, horizon: int) -> Days:
        """Of the season, by day: those of its weeks, which end with the last day before `origin`."""
        weeks = origin // 7
        total = self.values[origin - 7 * weeks : origin].reshape(weeks, 7).sum(axis=1)
        return np.repeat(find_factors(total, weeks, -(-horizon // 7)), 7)[:horizon]


def _mean_by_weekday(values: Days, weekdays: NDArray[np.int_]) -> Days:
    days = np.bincount(weekdays, minlength=7)
    return np.asarray(np.bincount(weekdays, weights=values, minlength=7) / np.maximum(days, 1))


def _judge_season(shop: _Shop) -> Season:
    """By the four-week sums of as many origins as have a year to learn from."""
    days = len(shop.values)
    origins = range(days - SCORED_DAYS, YEAR_AND_BASE - 1, -SCORED_DAYS)
    past = [shop.forecast(origin, SCORED_DAYS) for origin in origins]
    return judge(
        [each.actual.sum(keepdims=True) for each in past],
        [each.mean.sum(keepdims=True) for each in past],
        [float(shop.find_factors(origin, SCORED_DAYS).mean()) for origin in origins],
        days // 7,
    )


def _calibrate(past: Sequence[_Forecast], known: int) -> tuple[_Misses, _Misses]:
    """What days, and sums of days, were missed by in earlier forecasts, as far as that was known on day `known`."""
    of_days, of_sums = [np.zeros(0)], [np.zeros(0)]
    for each in past:
        seen = min(known - each.origin, len(each.mean))
        missed = each.actual[:seen] - each.mean[:seen]
        is_open = each.of_days[:seen] > 0
        of_days.append(missed[is_open] / each.of_days[:seen][is_open])
        reached = np.array([total for total in TOTALS if total <= seen], np.int_) - 1
        sums = np.cumsum(missed)[reached]
        of_sums.append(sums[each.of_sums[reached] > 0] / each.of_sums[reached][each.of_sums[reached] > 0])
    months = len(past) * BETWEEN_ORIGINS / SCORED_DAYS
    trust = months / (months + TRUSTED_MONTHS)
    return _Misses(np.concatenate(of_days), trust), _Misses(np.concatenate(of_sums), trust)


def _score(shop: _Shop, past: Sequence[_Forecast]) -> dict[str, Any]:
    """As of up to 7 moments four weeks apart, 28 days each, beside the same weekdays of the last week."""
    days = len(shop.values)
    scored = [each for each in past if (days - each.origin) % SCORED_DAYS == 0][:SCORED_ORIGINS]
    ours, naive = Errors(), Errors()
    of_days, of_totals = Coverage(tuple(BOUNDS.values())), Coverage(tuple(BOUNDS.values()))
    missed_totals: dict[str, list[float]] = {"forecast": [], "naive": []}
    for each in scored:
        actual, mean = each.actual[:SCORED_DAYS], each.mean[:SCORED_DAYS]
        last_week = np.tile(shop.values[each.origin - 7 : each.origin], SCORED_DAYS // 7)
        before = shop.values[: each.origin]
        steps = np.abs(before[7:] - before[:-7])
        scale = np.array([steps.mean()]), np.array([(steps**2).mean()])
        ours.add(actual[None], mean[None], scale, np.ones(1))
        naive.add(actual[None], last_week[None], scale, np.ones(1))
        total = actual.sum()
        if total > 0:
            missed_totals["forecast"].append(abs(mean.sum() - total) / total)
            missed_totals["naive"].append(abs(last_week.sum() - total) / total)
        misses = _calibrate([other for other in past if other.origin < each.origin], each.origin)
        of_days.add(
            actual, np.column_stack([each.bound_days(misses[0], level)[:SCORED_DAYS] for level in BOUNDS.values()])
        )
        bounds = [each.bound_sum(misses[1], level, SCORED_DAYS) for level in BOUNDS.values()]
        of_totals.add(np.array([total]), np.array([bounds]))
    return {
        "days": SCORED_DAYS,
        "origins": len(scored),
        "forecast": _pick(ours, missed_totals["forecast"])
        | {f"{name}_of_days": of_days.score()[name] for name in ("coverage_80", "coverage_95")}
        | {f"{name}_of_total": of_totals.score()[name] for name in ("coverage_80", "coverage_95")},
        "baselines": {"same_weekday_last_week": _pick(naive, missed_totals["naive"])},
    }


def _pick(errors: Errors, missed_totals: Sequence[float]) -> dict[str, float | None]:
    score = errors.score()
    return {
        "mase_7": score["mase"],
        "wape_day": score["wape_week"],
        "error_of_total": round(float(np.mean(missed_totals)), 6) if missed_totals else None,
        "bias": score["bias"],
    }


def _write_notes(shop: _Shop, season: Season, origins: int) -> list[str]:
    notes = [season.note]
    if origins < SCORED_DAYS // BETWEEN_ORIGINS:
        notes.append("Too little history for a backtest: intervals are those of theory alone.")
    return notes
