"""Reorder advice on figures that can be checked by hand, and the same for a whole shop."""

import subprocess
import sys
from datetime import date, timedelta
from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.predictions.demand import misses, reorder
from app.predictions.demand.forecasting import forecast_demand
from app.predictions.demand.reorder import advise
from app.predictions.demand.reorder_many import advise_all
from app.predictions.demand.simulate import simulate_shop

TODAY = date(2026, 11, 25)
NUMBERS = ("lead_time_demand", "safety_stock", "reorder_point", "reorder_quantity", "days_of_cover", "urgency")
# Of four weeks: the misses grow with the lead, and are lower in the last week by chance.
BIN = {"levels": [0.5, 0.9, 0.95], "sum": [[-1, 1, 2], [-1, 3, 4], [-1, 5, 6], [-1, 4, 5]]}


def ask(**given_: Any) -> reorder.Advice:
    usual: dict[str, Any] = {
        "weekly_mean": [14.0, 14.0, 7.0, 7.0],
        "conformal_of_bin": BIN,
        "scale": 0.5,
        "stock_on_hand": 30,
        "lead_time_days": 14,
        "service_level": 0.9,
        "as_of": TODAY,
    }
    return advise(**(usual | given_))


def safety(mean: float, miss: float, scale: float = 0.5) -> float:
    return float(scale * (mean + 0.1) ** 0.75 * miss)


class TestByHand:
    def test_all_of_it(self):
        advice = ask()
        two, three = safety(14, 3), safety(35 / 3, 5)
        assert advice.lead_time_demand == 28
        assert advice.safety_stock == pytest.approx(two)
        assert advice.reorder_point == pytest.approx(28 + two)
        # 30 are less than the reorder point: up to what lasts three weeks, in whole units.
        assert advice.reorder_quantity == np.ceil(35 + three - 30)
        # 28 in two weeks, and the last 2 at one a day.
        assert advice.days_of_cover == 16
        assert advice.stockout_date == date(2026, 12, 11)
        assert advice.urgency == pytest.approx((30 - (28 + two)) / 1.5)  # at 42 units in 28 days

    def test_enough_in_stock(self):
        advice = ask(stock_on_hand=40, lead_time_days=7)
        point = 14 + safety(14, 1)
        assert advice.reorder_point == pytest.approx(point)
        assert advice.reorder_quantity == 0
        assert advice.urgency == pytest.approx((40 - point) / 2)

    def test_without_a_stock(self):
        advice = ask(stock_on_hand=None)
        assert advice.reorder_point == ask().reorder_point
        assert {advice.reorder_quantity, advice.days_of_cover, advice.stockout_date, advice.urgency} == {None}

    def test_no_lead_time(self):
        advice = ask(lead_time_days=0, stock_on_hand=0)
        assert (advice.lead_time_demand, advice.safety_stock, advice.reorder_point) == (0, 0, 0)
        assert advice.reorder_quantity == np.ceil(14 + safety(14, 1))
        assert (advice.days_of_cover, advice.stockout_date) == (0, TODAY)

    def test_between_weeks(self):
        advice = ask(lead_time_days=10.5)
        share = (sqrt(1.5) - 1) / (sqrt(2) - 1)
        assert advice.lead_time_demand == 21
        assert advice.safety_stock == pytest.approx(safety(14, 1) + share * (safety(14, 3) - safety(14, 1)))
        assert ask(lead_time_days=3.5).safety_stock == pytest.approx(sqrt(0.5) * safety(14, 1))

    def test_between_levels_and_beyond_them(self):
        assert ask(service_level=0.925).safety_stock == pytest.approx(safety(14, 3.5))
        assert ask(service_level=0.999).safety_stock == ask(service_level=0.95).safety_stock
        assert ask(service_level=0.5).safety_stock == 0  # a miss below the expected asks for no safety

    def test_behind_the_weeks_that_were_forecast(self):
        advice = ask(lead_time_days=63, stock_on_hand=1000)
        assert advice.lead_time_demand == 42 + 5 * 7
        most = max(safety(14, 1), safety(14, 3), safety(35 / 3, 5), safety(10.5, 4))
        assert advice.safety_stock == pytest.approx(most * sqrt(9 / 4))
        assert advice.days_of_cover == 28 + (1000 - 42)
        assert advice.stockout_date is None

    def test_nothing_expected(self):
        advice = ask(weekly_mean=[0.0] * 4, scale=0, stock_on_hand=5)
        assert (advice.reorder_point, advice.reorder_quantity) == (0, 0)
        assert (advice.days_of_cover, advice.stockout_date, advice.urgency) == (None, None, None)

    def test_it_takes_longer_than_ten_years(self):
        assert ask(weekly_mean=[0.001] * 4, stock_on_hand=5, scale=0).days_of_cover is None

    def test_more_was_sold_than_there_was(self):
        advice = ask(stock_on_hand=-10)
        assert (advice.days_of_cover, advice.stockout_date) == (0, TODAY)
        assert advice.reorder_quantity == np.ceil(35 + safety(35 / 3, 5) + 10)
        urgency = advice.urgency
        assert urgency is not None
        assert urgency < (ask(stock_on_hand=0).urgency or 0) < 0

    def test_it_should_have_been_ordered_but_hardly_sells(self):
        """Days are counted at the pace of what sells; ten years are as late as it gets."""
        assert ask(weekly_mean=[0.0] * 4, stock_on_hand=0).urgency == -3650


figures = st.floats(0, 1e4, allow_nan=False)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    weeks = draw(st.integers(1, 13))
    lists = st.lists(st.floats(-5, 80, allow_nan=False), min_size=3, max_size=3).map(sorted)
    return {
        "weekly_mean": draw(st.lists(figures, min_size=weeks, max_size=weeks)),
        "conformal_of_bin": {"levels": [0.5, 0.9, 0.99], "sum": draw(st.lists(lists, min_size=weeks, max_size=weeks))},
        "scale": draw(st.floats(0, 50)),
        "stock_on_hand": draw(st.integers(-50, 100_000)),
    }


@settings(max_examples=200, deadline=None)
@given(case=cases(), leads=st.tuples(st.floats(0, 120), st.floats(0, 120)), level=st.floats(0.01, 0.99))
def test_a_longer_lead_never_asks_for_less(case: dict[str, Any], leads: tuple[float, float], level: float):
    short, long_ = (ask(**case, lead_time_days=lead, service_level=level) for lead in sorted(leads))
    for name in ("lead_time_demand", "safety_stock", "reorder_point", "reorder_quantity"):
        # Sums of the same weeks in other parts may differ in the last digit.
        assert 0 <= getattr(short, name) <= getattr(long_, name) * (1 + 1e-9) + 1e-9
    assert short.days_of_cover == long_.days_of_cover


@settings(max_examples=200, deadline=None)
@given(case=cases(), lead=st.floats(0, 120), levels=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)))
def test_a_higher_service_level_never_asks_for_less(case: dict[str, Any], lead: float, levels: tuple[float, float]):
    low, high = (ask(**case, lead_time_days=lead, service_level=level) for level in sorted(levels))
    for name in ("safety_stock", "reorder_point", "reorder_quantity"):
        assert 0 <= getattr(low, name) <= getattr(high, name) * (1 + 1e-12)


@pytest.mark.parametrize("lead", [0, 3, 7, 30, 90, 200])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.93, 0.999])
def test_a_whole_shop_at_once_is_the_same(lead: float, level: float):
    series = simulate_shop(300, 60, seed=3).weekly()
    forecast = forecast_demand(series)
    random = np.random.default_rng(0)
    stock = random.integers(-3, 200, 300).astype(np.float64)
    stock[::7] = np.nan
    many = advise_all(
        weekly_mean=forecast.mean,
        conformal=forecast.conformal,
        bins=forecast.bin,
        scale=forecast.scale,
        stock_on_hand=stock,
        lead_time_days=lead,
        service_level=level,
    )
    for row in range(300):
        one = advise(
            weekly_mean=forecast.mean[row].tolist(),
            conformal_of_bin=forecast.conformal[forecast.bin[row]],
            scale=float(forecast.scale[row]),
            stock_on_hand=None if np.isnan(stock[row]) else float(stock[row]),
            lead_time_days=lead,
            service_level=level,
            as_of=TODAY,
        )
        for name in (
            "lead_time_demand",
            "safety_stock",
            "reorder_point",
            "reorder_quantity",
            "days_of_cover",
            "urgency",
        ):
            value = getattr(one, name)
            expected = np.nan if value is None else value
            assert getattr(many, name)[row] == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True), name
        days = many.stockout_days[row]
        assert one.stockout_date == (None if np.isnan(days) else TODAY + timedelta(days=int(days)))


def test_the_service_level_is_kept():
    """Of a shop's products, as many as it says sell no more within the lead time than the reorder point."""
    shop = simulate_shop(1500, 93, seed=9)
    forecast, came = forecast_demand(shop.weekly(80)), shop.units[:, 7 * 80 :]
    sold = np.count_nonzero(shop.weekly(80).units, axis=1) >= 2
    for lead in (3, 10, 21, 60, 90):
        for level in (0.8, 0.9, 0.95, 0.98):
            advice = advise_all(
                weekly_mean=forecast.mean,
                conformal=forecast.conformal,
                bins=forecast.bin,
                scale=forecast.scale,
                stock_on_hand=np.full(1500, np.nan),
                lead_time_days=lead,
                service_level=level,
            )
            kept = np.mean((came[:, :lead].sum(axis=1) <= advice.reorder_point)[sold])
            assert level - 0.04 < kept < level + 0.05, (lead, level)


def test_it_measures_as_the_misses_were_measured():
    assert (reorder.POWER, reorder.SMALLEST) == (misses.POWER, misses.SMALLEST)


@pytest.mark.parametrize("module", ["reorder", "days"])
def test_no_numpy_is_needed(module: str):
    code = f"import sys, app.predictions.demand.{module}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
