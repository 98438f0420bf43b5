"""Revenue by day: on shops that were simulated, and on days that can be worked out by hand."""

import json
import warnings
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from app.predictions.demand.revenue import DailyForecast, _Shop, forecast_days
from app.predictions.demand.simulate import WEEKDAYS, simulate_revenue

ARRAYS = ("mean", "lower_80", "upper_80", "lower_95", "upper_95")


def mean_of(forecast: DailyForecast) -> NDArray[np.float64]:
    assert forecast.mean is not None
    return forecast.mean


@pytest.mark.parametrize("days", [120, 365])
def test_intervals_hold_what_they_say(days: int):
    """80 shops of each age; totals of 7, 28 and 90 days each are a handful of chances."""
    totals_80: list[bool] = []
    totals_95: list[bool] = []
    days_80: list[np.floating] = []
    days_95: list[np.floating] = []
    for seed in range(80):
        values = simulate_revenue(days + 90, seed=seed)
        forecast, came = forecast_days(values[:days], 0), values[days:]
        for within, share in ((days_80, 80), (days_95, 95)):
            lower, upper = (getattr(forecast, f"{side}_{share}") for side in ("lower", "upper"))
            within.append(np.mean((came >= lower) & (came <= upper)))
        for total in (7, 28, 90):
            bounds, sold = forecast.totals[str(total)], came[:total].sum()
            totals_80.append(bounds["lower_80"] <= sold <= bounds["upper_80"])
            totals_95.append(bounds["lower_95"] <= sold <= bounds["upper_95"])
    assert 0.75 <= np.mean(days_80) <= 0.85
    assert 0.92 <= np.mean(days_95) <= 0.97
    assert 0.74 <= np.mean(totals_80) <= 0.88
    assert 0.90 <= np.mean(totals_95) <= 0.98


def test_weekdays_of_a_steady_shop():
    week = 100 * WEEKDAYS
    forecast = forecast_days(np.tile(week, 10), 2, horizon=10)
    assert mean_of(forecast) == pytest.approx(np.tile(week, 2)[:10])
    assert forecast.totals["7"]["mean"] == pytest.approx(week.sum())
    assert "28" not in forecast.totals


def test_the_level_renews_by_its_step():
    """A shop that doubles: a week later three tenths of the way are made up, as far as the weekdays say the same."""
    values = np.concatenate([np.full(350, 10.0), np.full(7, 20.0)])
    expected = 10 + 10 * (1 - 0.7)
    assert mean_of(forecast_days(values, 0, horizon=7)).mean() == pytest.approx(expected, rel=1e-3)
    assert mean_of(forecast_days(values, 0, horizon=7, level_step=0.5)).mean() == pytest.approx(15, rel=1e-3)


def test_closed_weekdays():
    values = simulate_revenue(200, seed=1, closed=(5, 6))
    forecast = forecast_days(values, 0, horizon=14)
    weekday = (200 + np.arange(14)) % 7
    for name in ARRAYS:
        assert not getattr(forecast, name)[weekday >= 5].any()
    assert (mean_of(forecast)[weekday < 5] > 0).all()


def test_a_weekday_that_has_closed():
    values = np.tile([1.0, 1, 1, 1, 1, 1, 5], 30)
    values[-8 * 7 :][6::7] = 0
    assert mean_of(forecast_days(values, 0, horizon=7)).tolist() == pytest.approx([1, 1, 1, 1, 1, 1, 0])


def test_a_season_is_used_where_it_helps():
    values = simulate_revenue(1090, seed=3, season=0.5)
    forecast = forecast_days(values[:1000], 0)
    without = forecast_days(values[:1000][-360:], 1000 - 360, horizon=90)
    assert forecast.scorecard["season"]["is_used"]
    assert not without.scorecard["season"]["is_used"]
    assert np.abs(mean_of(forecast) - values[1000:]).sum() < 0.8 * np.abs(mean_of(without) - values[1000:]).sum()


def test_the_scorecard_is_beside_a_naive_forecast():
    scorecard = forecast_days(simulate_revenue(365, seed=2), 0).scorecard
    ours, naive = scorecard["forecast"], scorecard["baselines"]["same_weekday_last_week"]
    assert (scorecard["days"], scorecard["origins"]) == (28, 7)
    for measure in ("mase_7", "wape_day", "error_of_total"):
        assert ours[measure] < 0.95 * naive[measure]
    assert 0.7 <= ours["coverage_80_of_days"] <= 0.9


def test_nothing_behind_an_origin_is_looked_at():
    values = simulate_revenue(300, seed=5)
    later = values.copy()
    later[200:] *= 9
    one, two = (_Shop(each, 0, 0.3).forecast(200, 90) for each in (values, later))
    for name in ("mean", "of_days", "of_sums"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


def test_deviations_of_sums_are_those_of_the_state_space_model():
    """Without weekdays: the sum of n days deviates by the root of the sum of (1 + step (n - j))^2."""
    flat = _Shop(np.random.default_rng(1).normal(100, 10, 3000), 0, 0.3)
    past, step = flat.forecast(3000, 20), 1 - 0.7 ** (1 / 7)
    expected = [np.sqrt(sum((1 + step * (n - j)) ** 2 for j in range(1, n + 1))) for n in range(1, 21)]
    assert past.of_sums / past.of_sums[0] == pytest.approx(expected, rel=0.05)
    assert past.of_days[0] == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize(
    ("values", "status", "note"),
    [
        ([], "too_short", "With 0 days of history there is no forecast: that takes 28."),
        ([5.0], "too_short", "With 1 days of history there is no forecast: that takes 28."),
        ([5.0] * 27, "too_short", "With 27 days of history there is no forecast: that takes 28."),
        ([0.0] * 100, "no_sales", "Nothing was sold."),
    ],
)
def test_there_is_no_forecast(values: list[float], status: str, note: str):
    forecast = forecast_days(np.array(values), 0)
    assert (forecast.status, forecast.notes) == (status, [note])
    assert all(getattr(forecast, name) is None for name in ARRAYS)


SHOPS = {
    "four weeks": np.full(28, 5.0),
    "one sale in the last": np.append(np.zeros(199), 5.0),
    "one sale in the first": np.append(5.0, np.zeros(199)),
    "one sale of a month": np.append(np.zeros(27), 5.0),
    "a sale a month": np.tile(np.append(np.zeros(29), 100.0), 12),
    "giants": np.tile([1e12, 0, 3e12], 80),
    "nine weeks": np.arange(63.0),
    "a lively year": np.random.default_rng(0).lognormal(0, 3, 365),
}


@pytest.mark.parametrize("horizon", [1, 28, 90])
@pytest.mark.parametrize("name", SHOPS)
def test_small_and_strange_shops(name: str, horizon: int):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        forecast = forecast_days(SHOPS[name], 4, horizon=horizon)
    values = [getattr(forecast, each) for each in ("lower_95", "lower_80", "upper_80", "upper_95")]
    assert all(each.shape == (horizon,) and np.isfinite(each).all() and (each >= 0).all() for each in values)
    assert all((lower <= upper).all() for lower, upper in pairwise(values))
    for bounds in forecast.totals.values():
        assert 0 <= bounds["lower_95"] <= bounds["lower_80"] <= bounds["upper_80"] <= bounds["upper_95"]
    json.dumps([forecast.scorecard, forecast.totals, forecast.notes], allow_nan=False)


def test_short_histories_say_so():
    notes = forecast_days(np.full(60, 5.0), 0).notes
    assert notes[0] == "Less than a year of history: the season cannot be seen."
    assert "intervals are those of theory alone" in notes[1]
