"""Buyers drawn from known parameters: what is predicted is what comes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from app.predictions.clv.fallback import YEAR
from app.predictions.clv.histories import Fold
from app.predictions.clv.model import ScopeModel
from app.predictions.clv.predictor import Choice, Prediction
from app.predictions.clv.scorecard import calibration_bins, poisson_deviance, score_intervals
from app.predictions.clv.simulate import PurchaseLog, simulate
from tests.predictions.clv.conftest import DRAWN, SPEND, draw, fit_shop, past_folds

KNOWN, AFTER = 52.0, 26.0


@pytest.fixture(scope="module", params=[*DRAWN])
def key(request: pytest.FixtureRequest) -> str:
    """Of the model that the buyers are drawn from."""
    drawn: str = request.param
    return drawn


@pytest.fixture(scope="module")
def log(key: str) -> PurchaseLog:
    return draw(key, buyers=6_000, arrivals=20.0, weeks=KNOWN + AFTER, seed=3).by_day()


@pytest.fixture(scope="module")
def chosen(log: PurchaseLog) -> ScopeModel:
    return fit_shop(log, KNOWN, past_folds(log, KNOWN, 13.0))


@pytest.fixture(scope="module")
def model(chosen: ScopeModel, key: str) -> ScopeModel:
    """With the model they are drawn from, whichever was chosen."""
    assert chosen.predictor is not None
    return replace(chosen, predictor=replace(chosen.predictor, choice=Choice(key, key)))


@pytest.fixture(scope="module")
def fold(log: PurchaseLog) -> Fold:
    return log.fold(KNOWN, AFTER)


@pytest.fixture(scope="module")
def told(model: ScopeModel, fold: Fold) -> Prediction:
    return model.predict(fold.consumers, AFTER)


def test_levels(model: ScopeModel, told: Prediction, fold: Fold):
    assert model.status == "ok"
    assert model.churn_visible
    assert told.orders.sum() == pytest.approx(fold.actual_orders.sum(), rel=0.08)
    assert told.spend.sum() == pytest.approx(fold.actual_spend.sum(), rel=0.1)
    assert told.probability.mean() == pytest.approx(np.mean(fold.actual_orders > 0), abs=0.02)


def test_another_choice_costs_little(chosen: ScopeModel, told: Prediction, fold: Fold):
    """Two folds of 13 weeks need not name the model; what they do choose is next to as good."""
    losses = [
        poisson_deviance(orders, fold.actual_orders).mean()
        for orders in (chosen.predict(fold.consumers, AFTER).orders, told.orders)
    ]
    assert losses[0] < 1.05 * losses[1]


def test_probabilities_are_calibrated(told: Prediction, fold: Fold):
    for each in calibration_bins(told.probability, (fold.actual_orders > 0).astype(np.float64)):
        error = np.sqrt(each["predicted"] * (1.0 - each["predicted"]) / each["n"])
        # Beside chance, two percent for the parameters, which are estimated.
        assert each["actual"] == pytest.approx(each["predicted"], abs=3.5 * error + 0.02)


def test_expected_orders_are_calibrated(told: Prediction, fold: Fold):
    tenths = np.array_split(np.argsort(told.orders, kind="stable"), 10)
    for rows in tenths[5:]:
        error = fold.actual_orders[rows].std() / np.sqrt(len(rows))
        assert fold.actual_orders[rows].mean() == pytest.approx(told.orders[rows].mean(), rel=0.1, abs=3.5 * error)


def test_intervals_hold_what_they_say(model: ScopeModel, fold: Fold):
    assert model.predictor is not None
    intervals = score_intervals([(model.predictor, fold)])
    for of in ("orders", "spend"):
        assert 0.75 <= intervals[of]["coverage_80"] <= 0.85
        assert 0.92 <= intervals[of]["coverage_95"] <= 0.97
        assert intervals[of]["pit"] == pytest.approx([0.1] * 10, abs=0.03)


def test_the_scorecard_of_the_past_agrees(chosen: ScopeModel):
    scores = chosen.scorecard
    assert scores["folds"] == 2
    assert scores["horizon_weeks"] == 13.0
    assert scores["orders"]["poisson_deviance"] < scores["orders_naive"]["poisson_deviance"]
    assert scores["probability"]["brier"] < scores["probability_naive"]["brier"]
    assert scores["next_order"]["mae"] < scores["next_order"]["mae_last_plus_gap"]


def test_what_is_kept_predicts_the_same(model: ScopeModel, fold: Fold, told: Prediction):
    again = ScopeModel.from_json(json.loads(json.dumps(model.to_json()))).predict(fold.consumers, AFTER)
    for name, values in vars(told).items():
        np.testing.assert_array_equal(getattr(again, name), values)


def test_a_model_of_another_version_is_refused(model: ScopeModel):
    with pytest.raises(ValueError, match="version 0"):
        ScopeModel.from_json(model.to_json() | {"version": 0})


def test_what_is_told_of_it(model: ScopeModel):
    about = model.describe()
    json.dumps(about, allow_nan=False)
    assert [each["model"] for each in about["models"]] == ["pareto_nbd", "mbg_nbd", "bg_nbd", "nbd"]
    assert about["chosen"]["orders"] == {"model": model.predictor.choice.orders, "boosted_share": 0.0}  # type: ignore[union-attr]
    assert about["seasonality"] == "unobserved"
    assert "average out" in model.seasonality_note(YEAR)
    assert model.seasonality(1 / 7) == "unobserved"


def test_churn_that_is_not_there_is_not_seen():
    """Purely gamma-Poisson buyers: the models with churn gain by chance only."""
    log = simulate("nbd", (0.6, 8.0), SPEND, buyers=3_000, arrivals=20.0, weeks=65.0, seed=4)
    model = fit_shop(log, 52.0, [])
    assert model.status == "boundary"
    fold = log.fold(52.0, 13.0)
    told = model.predict(fold.consumers, 13.0)
    assert np.isnan(told.probability_active).all()
    assert told.orders.sum() == pytest.approx(fold.actual_orders.sum(), rel=0.05)


def test_past_intervals_that_were_too_narrow_are_widened():
    """A shop whose buyers come three times as often in the last quarter as in any before."""
    calm = draw("mbg_nbd", buyers=3_000, weeks=39.0)
    rush = simulate("nbd", (0.3, 2.0), SPEND, buyers=3_000, arrivals=0.01, weeks=13.0, seed=6)
    mixed = PurchaseLog.of(
        np.concatenate([calm.consumer, rush.consumer]),
        np.concatenate([calm.time, rush.time + 39.0]),
        np.concatenate([calm.amount, rush.amount]),
    )
    model = fit_shop(mixed, 52.0, past_folds(mixed, 52.0, 13.0))
    assert model.predictor is not None
    assert model.predictor.widening > 0.0
    assert any("widened" in note for note in model.notes)
