"""The measures on figures that can be checked by hand."""

import numpy as np
import pytest

from app.predictions.demand.scorecard import Coverage, Errors, measure_pinball


def test_errors():
    errors = Errors()
    naive = np.array([2.0, 1.0, 0.0], np.float32), np.array([4.0, 4.0, 0.0], np.float32)
    errors.add(np.array([[1.0, 3], [0, 0], [5, 5]]), np.array([[2.0, 2], [1, 1], [5, 5]]), naive, np.array([3, 1, 9]))
    assert errors.score() == {
        "wape_week": pytest.approx(4 / 14, abs=1e-6),
        "wape_sum": pytest.approx(2 / 14, abs=1e-6),
        "mase": pytest.approx((1 / 2 + 1 / 1) / 2),  # the third never differed from week to week
        "rmsse": pytest.approx((1 / 2 + 1 / 2) / 2),
        "rmsse_by_revenue": pytest.approx(0.5),
        "bias": pytest.approx(2 / 14, abs=1e-6),
    }


def test_nothing_to_score_is_none_and_never_nan():
    assert set(Errors().score().values()) == {None}
    assert set(Coverage((0.025, 0.1, 0.9, 0.975)).score().values()) == {None}
    errors = Errors()
    nothing = np.zeros((2, 4))
    errors.add(nothing, nothing, (np.zeros(2, np.float32), np.zeros(2, np.float32)), np.full(2, np.nan))
    assert set(errors.score().values()) == {None}


def test_pinball_loss_is_least_at_the_quantile():
    actual = np.arange(101.0)
    losses = [measure_pinball(actual, np.full(101, guess), 0.9).sum() for guess in actual]
    assert np.argmin(losses) == 90
    assert measure_pinball(np.array([10.0]), np.array([7.0]), 0.9)[0] == pytest.approx(2.7)
    assert measure_pinball(np.array([7.0]), np.array([10.0]), 0.9)[0] == pytest.approx(0.3)


def test_coverage():
    coverage = Coverage((0.025, 0.1, 0.9, 0.975))
    coverage.add(np.array([1.0, 5, 9, 20]), np.tile([0.0, 2, 9, 10], (4, 1)))
    score = coverage.score()
    assert (score["coverage_80"], score["coverage_95"]) == (0.5, 0.75)
