"""Forecasts of simulated shops beside what then came, their rules, and what holds for any shop at all."""

import json
import warnings
from dataclasses import fields, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.predictions.demand.classes import Status
from app.predictions.demand.conformal import STOPPED_BIN
from app.predictions.demand.forecasting import DemandForecast, _Past, forecast_demand
from app.predictions.demand.misses import POWER, SMALLEST
from app.predictions.demand.series import WeeklyUnits
from app.predictions.demand.simulate import SimulatedShop, simulate_shop

HORIZON = 13
QUANTILES = ("q025", "q10", "q50", "q90", "q975")


@cache
def shop(seed: int, products: int = 1200, weeks: int = 80, season: float = 0.0, drift: float = 0.03) -> SimulatedShop:
    return simulate_shop(products, weeks + HORIZON, seed=seed, season=season, drift=drift)


def make_series(units: Any, **also: Any) -> WeeklyUnits:
    table = np.array(units, np.float32)
    n = len(table)
    given_ = {"first_week": np.full(n, table.shape[1], np.int32), "is_sold": np.ones(n, np.bool_), "price": np.ones(n)}
    return WeeklyUnits(table, **(given_ | also))


def bounds_of_sums(forecast: DemandForecast, weeks: int) -> dict[float, NDArray[np.float64]]:
    """By level, as `advise` makes them."""
    expected = forecast.mean[:, :weeks].sum(axis=1, dtype=np.float64)
    deviation = forecast.scale * (expected / weeks + SMALLEST) ** POWER
    misses = np.array([each["sum"][weeks - 1] for each in forecast.conformal])[forecast.bin]
    levels = forecast.conformal[0]["levels"]
    return {level: np.maximum(expected + deviation * misses[:, at], 0) for at, level in enumerate(levels)}


class TestSimulated:
    """Forecast as of a week, and judged by the 13 weeks after it, of which nothing was known."""

    @pytest.mark.parametrize("weeks", [1, 4, 8, 13])
    def test_intervals_of_sums_hold_what_they_say(self, weeks: int):
        within_80, within_95, below = [], [], []
        for seed in (1, 2, 3):
            one = shop(seed)
            forecast = forecast_demand(one.weekly(80))
            came = one.weekly().units[:, 80:]
            sold = np.count_nonzero(one.weekly(80).units, axis=1) >= 2
            total, bounds = came[sold, :weeks].sum(axis=1), bounds_of_sums(forecast, weeks)
            within_80 += [(total >= bounds[0.1][sold]) & (total <= bounds[0.9][sold])]
            within_95 += [(total >= bounds[0.025][sold]) & (total <= bounds[0.975][sold])]
            below += [total <= bounds[0.95][sold]]
        assert 0.75 <= np.concatenate(within_80).mean() <= 0.85
        assert 0.92 <= np.concatenate(within_95).mean() <= 0.97
        assert 0.93 <= np.concatenate(below).mean() <= 0.97

    def test_intervals_of_weeks_hold_what_they_say(self):
        one = shop(1)
        forecast = forecast_demand(one.weekly(80))
        came = one.weekly().units[:, 80:]
        assert 0.75 <= np.mean((came >= forecast.q10) & (came <= forecast.q90)) <= 0.86
        assert 0.92 <= np.mean((came >= forecast.q025) & (came <= forecast.q975)) <= 0.97

    def test_the_scorecard_tells_the_same_beforehand(self):
        score = forecast_demand(shop(2).weekly(80)).scorecard
        assert (score["weeks"], score["origins"]) == (4, 4)
        assert 0.75 <= score["forecast"]["coverage_80"] <= 0.85
        assert 0.92 <= score["forecast"]["coverage_95"] <= 0.97

    def test_they_hold_through_a_season_that_is_used(self):
        one = simulate_shop(1200, 156 + HORIZON, seed=6, season=0.5)
        forecast = forecast_demand(one.weekly(156))
        assert forecast.scorecard["season"]["is_used"]
        came = one.weekly().units[:, 156:]
        sold = np.count_nonzero(one.weekly(156).units, axis=1) >= 2
        for weeks in (1, 4, 13):
            total, bounds = came[sold, :weeks].sum(axis=1), bounds_of_sums(forecast, weeks)
            assert 0.74 <= np.mean((total >= bounds[0.1][sold]) & (total <= bounds[0.9][sold])) <= 0.85
            assert 0.92 <= np.mean((total >= bounds[0.025][sold]) & (total <= bounds[0.975][sold])) <= 0.97

    def test_it_beats_naive_forecasts(self):
        for seed in (1, 2, 3):
            score = forecast_demand(shop(seed).weekly(80)).scorecard
            ours = score["forecast"]
            for name, naive in score["baselines"].items():
                for measure in ("wape_week", "wape_sum", "rmsse"):
                    assert ours[measure] < 0.9 * naive[measure], (seed, name, measure)
            assert ours["mase"] < 0.9 * score["baselines"]["last_week"]["mase"]
            assert abs(ours["bias"]) < 0.1

    def test_expectations_are_near_what_was_expected_to_come(self):
        """The rates are known here: not what came, which is chance, but what it comes from."""
        one = shop(3)
        rate = one.rate[:, 7 * 80 : 7 * 84].sum(axis=1)
        alive = one.rate[:, 7 * 80 - 1] > 0
        expected = forecast_demand(one.weekly(80)).mean[:, :4].sum(axis=1)
        last_week = 4 * one.weekly(80).units[:, -1]
        assert np.abs(expected - rate)[alive].sum() < 0.6 * np.abs(last_week - rate)[alive].sum()

    def test_few_products_pool_all_bins_and_fewest_take_a_distribution(self):
        few = forecast_demand(shop(4, products=100).weekly(80))
        assert "intervals are made from what all of them missed by" in few.notes[-1]
        assert {each["source"] for each in few.conformal} == {"all bins"}
        fewest = forecast_demand(shop(4, products=20).weekly(80))
        assert "Fewer than 200 past forecasts" in fewest.notes[-1]
        assert {each["source"] for each in fewest.conformal} == {"negative binomial"}

    def test_the_distribution_covers_too(self):
        """20 products at a time; a shop of ten weeks, without a backtest."""
        within, young = [], []
        for seed in range(5):
            one = shop(10 + seed, products=20)
            total, bounds = one.weekly().units[:, 80:84].sum(axis=1), bounds_of_sums(forecast_demand(one.weekly(80)), 4)
            within.append((total >= bounds[0.1]) & (total <= bounds[0.9]))
        one = shop(1)
        units = one.weekly().units[:, 79:93]
        known = make_series(units[:, :10])
        forecast = forecast_demand(known)
        sold = np.count_nonzero(known.units, axis=1) >= 2
        assert forecast.model_status == "no_backtest"
        assert "there is no backtest" in forecast.notes[-1]
        total, bounds = units[:, 10:].sum(axis=1), bounds_of_sums(forecast, 4)
        young.append(((total >= bounds[0.1]) & (total <= bounds[0.9]))[sold])
        assert 0.7 <= np.concatenate(within).mean() <= 0.95
        assert 0.7 <= np.concatenate(young).mean() <= 0.9


class TestSeason:
    def test_it_is_used_where_it_helps(self):
        one = simulate_shop(400, 170, seed=5, season=0.6)
        with_season, level = forecast_demand(one.weekly(150)), one.weekly(150).units[:, -8:].sum() / 8
        assert with_season.scorecard["season"]["is_used"]
        assert with_season.notes[0].startswith("The season of earlier years is used: ")
        # Week 150 is the 46th of its year: the peak is ahead, and then the fall.
        weekly = with_season.mean.sum(axis=0)
        rate = one.rate[:, 7 * 150 : 7 * 163].sum(axis=0).reshape(13, 7).sum(axis=1)
        assert weekly[:4].mean() > 1.1 * level
        assert np.corrcoef(weekly, rate)[0, 1] > 0.9

    @pytest.mark.parametrize(
        ("weeks", "note"),
        [
            (40, "Less than a year of history: the season cannot be seen."),
            (80, "Less than two years of history: no season is made out yet."),
            (130, "The season of earlier years is not used: "),
        ],
    )
    def test_it_is_not_used_where_there_is_none(self, weeks: int, note: str):
        forecast = forecast_demand(simulate_shop(300, weeks, seed=8).weekly())
        assert forecast.notes[0].startswith(note)
        assert not forecast.scorecard["season"]["is_used"]


class TestRules:
    def test_what_is_not_on_sale_is_not_forecast(self):
        series = shop(1).weekly(80)
        off = np.arange(series.products) % 3 == 0
        forecast = forecast_demand(replace(series, is_sold=~off))
        assert not any(getattr(forecast, name)[off].any() for name in ("mean", *QUANTILES, "scale"))
        assert set(forecast.status[off]) <= {Status.STOPPED, Status.NO_SALES}

    def test_what_seems_to_have_stopped_fades(self):
        silent = [5.0] * 50 + [0.0] * 30
        forecast = forecast_demand(make_series([silent, [5.0] * 80]))
        assert forecast.status.tolist() == [Status.STOPPED, Status.OK]
        assert forecast.bin[0] == STOPPED_BIN
        assert forecast.mean[0, 1:] == pytest.approx(0.9 * forecast.mean[0, :-1])
        assert forecast.mean[0].sum() < 1.5

    def test_what_is_new_is_forecast_from_its_few_weeks_with_a_wide_interval(self):
        random = np.random.default_rng(1)
        old = random.poisson(4, (300, 60))
        new = np.zeros((1, 60))
        new[0, -2:] = 4
        forecast = forecast_demand(make_series(np.vstack([new, old])))
        assert forecast.status[0] == Status.NEW
        assert 2 < forecast.mean[0, 0] < 5
        assert forecast.scale[0] > 1.2 * np.median(forecast.scale[1:])

    def test_what_never_sold(self):
        forecast = forecast_demand(make_series([[0.0] * 30, [1.0] * 30]))
        assert forecast.status[0] == Status.NO_SALES
        assert not forecast.mean[0].any()
        assert forecast.scale[0] == 0

    def test_what_came_behind_an_origin_changes_nothing_at_it(self):
        series = shop(2).weekly(80)
        later = series.units.copy()
        later[:, 76:] *= 7
        one, two = (
            _Past(replace(series, units=units), HORIZON, 4).sample(76, HORIZON) for units in (series.units, later)
        )
        for name in ("expected", "volume", "scale", "status"):
            assert np.array_equal(getattr(one, name), getattr(two, name))


def test_everything_stored_is_json():
    forecast = forecast_demand(shop(1).weekly(80))
    for each in (forecast.conformal, forecast.scorecard, forecast.notes, forecast.parameters):
        assert json.loads(json.dumps(each, allow_nan=False)) == each


SMALL_SHOPS = [
    ("nothing at all", np.zeros((0, 0))),
    ("no products", np.zeros((0, 20))),
    ("no weeks", np.zeros((3, 0))),
    ("one week", np.array([[3.0], [0.0]])),
    ("nothing sold", np.zeros((4, 30))),
    ("one product", np.array([[1.0, 0, 2] * 10])),
    ("one sale", np.array([[0.0] * 19 + [1.0]])),
    ("always the same", np.full((3, 40), 2.0)),
    ("giants", np.array([[1e7, 0, 2e7, 1e7] * 10, [0, 0, 0, 1e7] * 10])),
    ("giants in a larger shop", np.vstack([np.full((1, 40), 1e7), np.tile([0.0, 1, 3, 0], (99, 10))])),
]


@pytest.mark.parametrize("horizon", [1, 4, 13])
@pytest.mark.parametrize(("name", "units"), SMALL_SHOPS, ids=[name for name, _ in SMALL_SHOPS])
def test_small_and_strange_shops(name: str, units: NDArray[np.float64], horizon: int):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        forecast = forecast_demand(make_series(units), horizon=horizon)
    check(forecast, len(units), horizon)
    json.dumps([forecast.scorecard, forecast.conformal], allow_nan=False)


def check(forecast: DemandForecast, products: int, horizon: int) -> None:
    for name in ("mean", *QUANTILES):
        values = getattr(forecast, name)
        assert values.shape == (products, horizon)
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    for lower, upper in pairwise(QUANTILES):
        assert (getattr(forecast, lower) <= getattr(forecast, upper)).all()
    assert np.isfinite(forecast.scale).all()
    for bin_ in forecast.conformal:
        for table in (bin_["sum"], bin_["week"]):
            assert np.shape(table) == (horizon, len(bin_["levels"]))
            assert (np.diff(table, axis=1) >= 0).all()


@st.composite
def shops(draw: st.DrawFn) -> NDArray[np.float64]:
    products, weeks = draw(st.integers(1, 60)), draw(st.integers(1, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rate = random.choice([0, 0.05, 0.5, 5, draw(st.sampled_from([50, 1e6]))], products)
    return random.poisson(rate[:, None] * random.gamma(0.5, 2, (products, weeks))).astype(np.float64)


@settings(max_examples=20, deadline=None)
@given(units=shops(), horizon=st.integers(1, 13), order=st.randoms(use_true_random=False))
def test_of_any_shop(units: NDArray[np.float64], horizon: int, order: Any):
    """Never negative, ordered, and the same whatever the order of the products."""
    series = make_series(units)
    forecast = forecast_demand(series, horizon=horizon)
    check(forecast, len(units), horizon)
    rows = list(range(len(units)))
    order.shuffle(rows)
    shuffled = forecast_demand(make_series(units[rows]), horizon=horizon)
    assert shuffled.conformal == forecast.conformal
    for each in fields(forecast):
        value = getattr(forecast, each.name)
        if isinstance(value, np.ndarray):
            assert np.array_equal(getattr(shuffled, each.name), value[rows]), each.name


def test_others_matter_through_what_is_pooled_alone():
    """A product's expectation is its own; its interval is made with those of all."""
    series = shop(1).weekly(80)
    half = replace(
        series,
        units=series.units[:600],
        first_week=series.first_week[:600],
        is_sold=series.is_sold[:600],
        price=series.price[:600],
    )
    all_, some = forecast_demand(series), forecast_demand(half)
    for name in ("mean", "status", "demand_class"):
        assert np.array_equal(getattr(all_, name)[:600], getattr(some, name))
    assert not np.array_equal(all_.q90[:600], some.q90)
