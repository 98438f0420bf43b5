"""The scores, by cases worked out by hand and by outcomes that come as predicted."""

import numpy as np
import pytest
from scipy.stats import poisson

from app.predictions.clv.scorecard import (
    area_under_curve,
    calibration_bins,
    central_coverage,
    naive_orders,
    pit_histogram,
    plain,
    poisson_deviance,
    score_level,
    score_next_order,
    score_orders,
    score_probability,
    scorecard,
)
from tests.predictions.clv.conftest import buyers_of


def test_deviance():
    assert poisson_deviance(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == pytest.approx([0.0, 0.0])
    assert poisson_deviance(np.array([0.5]), np.array([2.0]))[0] == pytest.approx(2 * (2 * np.log(4) - 1.5))
    assert np.isfinite(poisson_deviance(np.zeros(1), np.ones(1))).all()


def test_levels():
    scores = score_level(np.array([1.0, 3.0]), np.array([0.0, 2.0]))
    assert [scores[name] for name in ("mae", "rmse", "total_error", "correlation")] == pytest.approx([1.0] * 4)
    assert score_orders(np.zeros(2), np.zeros(2))["total_error"] is None
    assert score_level(np.ones(1), np.ones(1))["correlation"] is None


def test_area_under_curve():
    assert area_under_curve(np.array([0.1, 0.9, 0.5]), np.array([0.0, 1.0, 0.0])) == 1.0
    assert area_under_curve(np.array([0.5, 0.5]), np.array([0.0, 1.0])) == 0.5
    assert area_under_curve(np.array([0.5]), np.array([1.0])) is None


def test_probabilities_of_nought_and_one_have_a_loss():
    scores = score_probability(np.array([0.0, 1.0]), np.array([1.0, 1.0]))
    assert scores["log_loss"] == pytest.approx(-np.log(1e-9) / 2, rel=1e-3)
    assert scores["brier"] == 0.5


def test_bins_hold_everybody_once():
    bins = calibration_bins(np.linspace(0, 1, 95), np.zeros(95))
    assert sum(each["n"] for each in bins) == 95
    assert [each["predicted"] for each in bins] == sorted(each["predicted"] for each in bins)
    assert len(calibration_bins(np.zeros(3), np.zeros(3))) == 3


def test_coverage_of_counts_is_nominal_when_they_come_as_predicted():
    """Where most counts are 0 too, of which plain intervals would hold far more than they say."""
    random = np.random.default_rng(4)
    mean = random.gamma(0.3, 2.0, 200_000)
    came = random.poisson(mean)
    cumulated = np.column_stack([poisson.cdf(came - 1, mean), poisson.cdf(came, mean)])
    for level in (0.5, 0.8, 0.95):
        assert central_coverage(cumulated, level) == pytest.approx(level, abs=0.003)
    assert pit_histogram(cumulated) == pytest.approx([0.1] * 10, abs=0.003)


def test_coverage_of_a_continuous_outcome():
    cumulated = np.column_stack([[0.05, 0.2, 0.5, 0.99]] * 2)
    assert central_coverage(cumulated, 0.8) == 0.5
    assert sum(pit_histogram(cumulated)) == pytest.approx(1.0)


def test_next_order_beside_the_rule():
    consumers = buyers_of(np.array([4.0, 0.0, 2.0]), age=22.0)
    quantiles = np.array([[1.0, 4.0, 9.0]] * 3)
    scores = score_next_order(quantiles, consumers, np.array([6.0, 1.0, np.nan]))
    # One had a gap and returned: last purchase two weeks before, mean gap five, so the rule says three.
    assert scores == {"n": 1, "mae": 2.0, "coverage_80": 1.0, "mae_last_plus_gap": 3.0, "mae_constant": 0.0}
    assert score_next_order(quantiles, consumers, np.full(3, np.nan))["mae"] is None


def test_the_naive_rate():
    assert naive_orders(buyers_of(np.array([26.0, 0.0])), 13.0).tolist() == [6.5, 0.0]
    assert naive_orders(buyers_of(np.zeros(1), age=0.0), 13.0).tolist() == [0.0]


def test_nothing_to_score():
    assert scorecard([]) == {}
    assert plain(np.nan) is None
