"""CDNOW's buyers, known to 1997-09-30: what is said of the 39 weeks after it, beside what they did."""

from dataclasses import replace

import numpy as np
import pytest

from app.predictions.clv.backtest import NAIVE
from app.predictions.clv.boosting import boosting_installed
from app.predictions.clv.histories import Fold
from app.predictions.clv.model import ScopeModel
from app.predictions.clv.predictor import Choice, Predictor
from app.predictions.clv.registry import CANDIDATES
from app.predictions.clv.scorecard import (
    naive_orders,
    naive_spend,
    poisson_deviance,
    score_level,
    score_next_order,
    score_orders,
    score_probability,
    scorecard,
)
from app.predictions.clv.simulate import PurchaseLog
from tests.predictions.clv.conftest import CDNOW_AFTER, CDNOW_KNOWN, fit_shop, past_folds


@pytest.fixture(scope="module")
def fold(cdnow: PurchaseLog) -> Fold:
    return cdnow.fold(CDNOW_KNOWN, CDNOW_AFTER)


@pytest.fixture(scope="module")
def model(cdnow: PurchaseLog) -> ScopeModel:
    return fit_shop(cdnow, CDNOW_KNOWN, [])


@pytest.fixture(scope="module")
def blend(cdnow: PurchaseLog) -> ScopeModel:
    if not boosting_installed():
        pytest.skip("LightGBM is not installed")
    return fit_shop(cdnow, CDNOW_KNOWN, past_folds(cdnow, CDNOW_KNOWN, CDNOW_AFTER), with_boosting=True)


def predictor_of(model: ScopeModel) -> Predictor:
    assert model.predictor is not None
    return model.predictor


def test_the_log(fold: Fold):
    assert (fold.consumers.size, fold.actual_orders.sum(), (fold.actual_orders > 0).sum()) == (2357, 1882, 684)
    assert fold.consumers.frequency.sum() == 2457
    assert fold.actual_spend.sum() == pytest.approx(70_976.39)


def test_orders(model: ScopeModel, fold: Fold):
    scores = score_orders(model.predict(fold.consumers, CDNOW_AFTER).orders, fold.actual_orders)
    assert model.status == "ok"
    assert scores["rmse"] <= 1.61
    assert scores["mae"] <= 0.79
    assert scores["correlation"] >= 0.625
    assert abs(scores["total_error"]) <= 0.13
    assert scores["poisson_deviance"] <= 1.60
    naive = score_orders(naive_orders(fold.consumers, CDNOW_AFTER), fold.actual_orders)
    assert scores["rmse"] < 0.75 * naive["rmse"]
    assert scores["poisson_deviance"] < 0.3 * naive["poisson_deviance"]


def test_the_probability_of_an_order(model: ScopeModel, fold: Fold):
    happened = (fold.actual_orders > 0).astype(np.float64)
    scores = score_probability(model.predict(fold.consumers, CDNOW_AFTER).probability, happened)
    assert scores["auc"] >= 0.755
    assert scores["brier"] <= 0.162


def test_spend(model: ScopeModel, fold: Fold):
    scores = score_level(model.predict(fold.consumers, CDNOW_AFTER).spend, fold.actual_spend)
    assert scores["rmse"] <= 72.5
    assert abs(scores["total_error"]) <= 0.16
    naive = score_level(naive_spend(fold.consumers, CDNOW_AFTER), fold.actual_spend)
    assert scores["rmse"] < 0.4 * naive["rmse"]


def test_the_date_of_the_next_order(model: ScopeModel, fold: Fold):
    scores = score_next_order(predictor_of(model).waiting(fold.consumers, CDNOW_AFTER), fold.consumers, fold.next_order)
    assert scores["n"] == 491
    assert scores["mae"] <= 0.75 * scores["mae_last_plus_gap"]
    assert scores["mae"] < scores["mae_constant"]
    assert 0.75 <= scores["coverage_80"] <= 0.85


def test_the_intervals_hold_what_they_say(model: ScopeModel, fold: Fold):
    intervals = scorecard([(predictor_of(model), fold)])["intervals"]
    for of in ("orders", "spend"):
        assert 0.75 <= intervals[of]["coverage_80"] <= 0.85
        assert 0.92 <= intervals[of]["coverage_95"] <= 0.97
        assert intervals[of]["plain_80"] >= 0.8
        assert intervals[of]["plain_95"] >= 0.95


@pytest.mark.parametrize(
    ("key", "rmse", "mae", "total"),
    [("bg_nbd", 1.6080, 0.7855, 1653.4), ("mbg_nbd", 1.6072, 0.7648, 1576.7), ("pareto_nbd", 1.6028, 0.7545, 1665.5)],
)
def test_each_model_alone(model: ScopeModel, fold: Fold, key: str, rmse: float, mae: float, total: float):
    alone = replace(predictor_of(model), choice=Choice(key, key)).levels(fold.consumers, CDNOW_AFTER).mean
    scores = score_orders(alone, fold.actual_orders)
    assert (scores["rmse"], scores["mae"]) == pytest.approx((rmse, mae), abs=2e-4)
    assert scores["total_predicted"] == pytest.approx(total, abs=1.0)


class TestBlend:
    """Half of it boosted, as two folds of the nine weeks each before 1997-09-30 speak for."""

    def test_the_choice(self, blend: ScopeModel):
        assert blend.scorecard["horizon_weeks"] == 9.0
        assert predictor_of(blend).choice == Choice("pareto_nbd", "pareto_nbd", 0.5, 0.5)
        assert {*(family.key for family in CANDIDATES), NAIVE, "zero", "boosted"} < blend.comparison.keys()
        shares = [blend.comparison[name] for name in ("half_boosted", "not_boosted")]
        assert shares[0]["poisson_deviance"] < shares[1]["poisson_deviance"]
        assert shares[0]["brier"] < shares[1]["brier"]

    def test_orders(self, blend: ScopeModel, fold: Fold):
        """Better than the model of histories in what it was chosen by, at a horizon four times that of the folds.

        Not in mean absolute error, which is least for medians: most of these are 0.
        """
        told = blend.predict(fold.consumers, CDNOW_AFTER)
        scores = score_orders(told.orders, fold.actual_orders)
        assert scores["rmse"] <= 1.595
        assert scores["poisson_deviance"] <= 1.51
        assert scores["correlation"] >= 0.63
        assert abs(scores["total_error"]) <= 0.05
        assert scores["mae"] <= 0.80
        happened = (fold.actual_orders > 0).astype(np.float64)
        probability = score_probability(told.probability, happened)
        assert probability["auc"] >= 0.765
        assert probability["brier"] <= 0.1605

    def test_spend_and_intervals(self, blend: ScopeModel, fold: Fold):
        scores = score_level(blend.predict(fold.consumers, CDNOW_AFTER).spend, fold.actual_spend)
        assert scores["rmse"] <= 72.5
        assert abs(scores["total_error"]) <= 0.07
        intervals = scorecard([(predictor_of(blend), fold)])["intervals"]
        for of in ("orders", "spend"):
            assert 0.75 <= intervals[of]["coverage_80"] <= 0.85
            assert 0.92 <= intervals[of]["coverage_95"] <= 0.97


def test_folds_change_no_choice_without_boosting(cdnow: PurchaseLog, model: ScopeModel, fold: Fold):
    """The three models differ by chance on them, and Pareto/NBD is kept: it has the least error afterwards."""
    with_folds = fit_shop(cdnow, CDNOW_KNOWN, past_folds(cdnow, CDNOW_KNOWN, CDNOW_AFTER))
    assert predictor_of(with_folds).choice == predictor_of(model).choice == Choice("pareto_nbd", "pareto_nbd")
    losses = {
        family.key: poisson_deviance(
            replace(predictor_of(model), choice=Choice(family.key, family.key))
            .levels(fold.consumers, CDNOW_AFTER)
            .mean,
            fold.actual_orders,
        ).mean()
        for family in CANDIDATES
    }
    assert min(losses, key=lambda key: float(losses[key])) == "pareto_nbd"
