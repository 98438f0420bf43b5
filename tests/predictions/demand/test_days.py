"""Weeks spread over days."""

from math import sqrt

import numpy as np
import pytest

from app.predictions.demand.days import find_profile, spread_over_days
from app.predictions.demand.forecasting import forecast_demand
from app.predictions.demand.simulate import WEEKDAYS, simulate_shop


def test_a_profile_is_what_the_weekdays_sold():
    week = [4.0, 2, 2, 2, 0, 0, 0]
    assert find_profile(week * 3, 0) == [0.4, 0.2, 0.2, 0.2, 0, 0, 0]
    assert find_profile([*week[3:], *week * 2, *week[:3]], 3) == [0.4, 0.2, 0.2, 0.2, 0, 0, 0]
    # A weekday that came once more has not sold more for it.
    assert find_profile([*week * 2, 4.0], 0) == [0.4, 0.2, 0.2, 0.2, 0, 0, 0]


def test_only_the_last_half_year_counts():
    assert find_profile([7.0, 0, 0, 0, 0, 0, 0] * 50 + [0.0, 7, 0, 0, 0, 0, 0] * 26, 0) == [0, 1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("days", [[], [5.0], [1.0] * 6, [0.0] * 70])
def test_days_that_show_no_profile(days: list[float]):
    assert find_profile(days, 2) == [1 / 7] * 7


def test_a_week_by_day():
    profile = [0.25, 0.25, 0.25, 0.25, 0, 0, 0]
    spread = spread_over_days([8.0, 4.0], {"q10": [0.0, 3.0], "q90": [20.0, 4.0]}, profile, 3)
    assert spread["mean"] == [2, 0, 0, 0, 2, 2, 2, 1, 0, 0, 0, 1, 1, 1]
    assert sum(spread["mean"][:7]) == 8
    assert spread["q90"][:2] == [2 + 12 * sqrt(0.25), 0]
    assert spread["q10"][:2] == [0, 0]
    assert spread["q10"][7] == 1 - 1 * sqrt(0.25)


def test_days_are_covered():
    """At least as often as they say: a day sells whole units, and mostly none."""
    shop = simulate_shop(600, 84, seed=4)
    forecast = forecast_demand(shop.weekly(80))
    daily = shop.units[:, : 7 * 80].sum(axis=0, dtype=np.float64).tolist()
    profile = find_profile(daily, 0)
    assert profile == pytest.approx(WEEKDAYS / 7, abs=0.02)
    came, within = shop.units[:, 7 * 80 :], []
    for row in range(600):
        quantiles = {"q10": forecast.q10[row].tolist(), "q90": forecast.q90[row].tolist()}
        spread = spread_over_days(forecast.mean[row].tolist(), quantiles, profile, 0)
        within.append((came[row] >= spread["q10"][:28]) & (came[row] <= spread["q90"][:28]))
    assert 0.78 <= np.mean(within) <= 0.97
