"""Online Retail 2009-10, a shop in whose 40 weeks no churn is visible, known to 2010-09-09 and 13 weeks ahead.

Prepared as in `conftest.retail`: 3,373 buyers, 4,505 days with orders in the 13 weeks, which end before Christmas.
"""

import numpy as np
import pytest

from app.predictions.clv.histories import Fold
from app.predictions.clv.model import ScopeModel
from app.predictions.clv.predictor import Prediction
from app.predictions.clv.scorecard import (
    naive_orders,
    score_next_order,
    score_orders,
    score_probability,
    scorecard,
)
from app.predictions.clv.simulate import PurchaseLog
from tests.predictions.clv.conftest import RETAIL_AFTER, RETAIL_KNOWN, fit_shop, past_folds


@pytest.fixture(scope="module")
def fold(retail: PurchaseLog) -> Fold:
    return retail.fold(RETAIL_KNOWN, RETAIL_AFTER)


@pytest.fixture(scope="module")
def model(retail: PurchaseLog) -> ScopeModel:
    folds = past_folds(retail, RETAIL_KNOWN, RETAIL_AFTER)
    return fit_shop(retail, RETAIL_KNOWN, folds, with_boosting=True)


@pytest.fixture(scope="module")
def told(model: ScopeModel, fold: Fold) -> Prediction:
    return model.predict(fold.consumers, RETAIL_AFTER)


def test_the_boundary_is_named(model: ScopeModel, told: Prediction):
    assert model.status == "boundary"
    assert not model.churn_visible
    assert "No churn is visible in these 40 weeks" in model.notes[0]
    assert np.isnan(told.probability_active).all()
    assert model.seasonality(RETAIL_AFTER) == "unobserved"
    assert "not foreseen" in model.describe()["seasonality_note"]


def test_everything_else_is_finite(told: Prediction):
    dates = {"next_order_p10", "next_order_p50", "next_order_p90"}
    for name, values in vars(told).items():
        if name != "probability_active" and name not in dates:
            assert np.isfinite(values).all(), name
    likely = told.probability >= 0.5
    assert all(np.isfinite(vars(told)[name][likely]).all() for name in dates)


def test_beside_the_naive_rate(told: Prediction, fold: Fold):
    """Closer where squares and deviance judge; all fall short of the weeks before Christmas by more than a fifth."""
    assert (fold.consumers.size, fold.actual_orders.sum()) == (3373, 4505)
    scores = score_orders(told.orders, fold.actual_orders)
    naive = score_orders(naive_orders(fold.consumers, RETAIL_AFTER), fold.actual_orders)
    assert scores["rmse"] < 0.96 * naive["rmse"]
    assert scores["poisson_deviance"] < 0.2 * naive["poisson_deviance"]
    assert scores["correlation"] > naive["correlation"]
    assert abs(scores["total_error"]) < abs(naive["total_error"])
    assert scores["total_error"] == pytest.approx(-0.2225, abs=0.01)
    happened = (fold.actual_orders > 0).astype(np.float64)
    probability = score_probability(told.probability, happened)
    rate = score_probability(1.0 - np.exp(-naive_orders(fold.consumers, RETAIL_AFTER)), happened)
    assert probability["auc"] >= 0.71
    assert probability["brier"] < rate["brier"]


def test_the_date_of_the_next_order(model: ScopeModel, fold: Fold):
    assert model.predictor is not None
    waiting = model.predictor.waiting(fold.consumers, RETAIL_AFTER)
    scores = score_next_order(waiting, fold.consumers, fold.next_order)
    assert scores["mae"] <= 0.75 * scores["mae_last_plus_gap"]
    assert scores["mae"] < scores["mae_constant"]


def test_intervals_hold_through_the_season(model: ScopeModel, fold: Fold):
    assert model.predictor is not None
    intervals = scorecard([(model.predictor, fold)])["intervals"]
    for of in ("orders", "spend"):
        assert 0.75 <= intervals[of]["coverage_80"] <= 0.85
        assert 0.92 <= intervals[of]["coverage_95"] <= 0.97
