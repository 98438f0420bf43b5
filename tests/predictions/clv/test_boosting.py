"""Boosting: what LightGBM learns and NumPy applies, and the same without either."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from app.predictions.clv.backtest import fit_past, prefer
from app.predictions.clv.boosting import Boosting, Trees, boosting_installed, features_of, learn
from app.predictions.clv.histories import Fold
from app.predictions.clv.model import ScopeModel
from app.predictions.clv.simulate import PurchaseLog, simulate
from tests.predictions.clv.conftest import SPEND, fit_shop, past_folds

needs_lightgbm = pytest.mark.skipif(not boosting_installed(), reason="LightGBM is not installed")


@pytest.fixture(scope="module")
def log() -> PurchaseLog:
    """Two kinds of buyers that the models cannot tell apart at first: one spends more, and more often."""
    many = simulate("nbd", (0.5, 40.0), SPEND, buyers=2_500, arrivals=48.0, weeks=78.0, seed=5)
    few = simulate("nbd", (4.0, 30.0), (6.25, 3.74, 300.0), buyers=1_000, arrivals=48.0, weeks=78.0, seed=6)
    return PurchaseLog.of(
        np.concatenate([many.consumer, few.consumer + 2_500]),
        np.concatenate([many.time, few.time]),
        np.concatenate([many.amount, few.amount]),
    )


@pytest.fixture(scope="module")
def folds(log: PurchaseLog) -> list[Fold]:
    return past_folds(log, 52.0, 13.0)


@pytest.fixture(scope="module")
def model(log: PurchaseLog, folds: list[Fold]) -> ScopeModel:
    return fit_shop(log, 52.0, folds, with_boosting=True)


@pytest.fixture(scope="module")
def alone(log: PurchaseLog, folds: list[Fold]) -> ScopeModel:
    """Boosting was asked for, and LightGBM is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "lightgbm", None)
        assert not boosting_installed()
        return fit_shop(log, 52.0, folds, with_boosting=True)


@needs_lightgbm
class TestInstalled:
    def test_numpy_applies_what_lightgbm_learnt(self, folds: list[Fold]):
        import lightgbm

        from app.predictions.clv.boosting import ROUNDS, SETTINGS, _plain

        past = fit_past(folds)
        features = [each.predictor.features(each.fold.consumers, each.fold.horizon) for each in past]
        rows, target = np.hstack(features).T, np.concatenate([fold.actual_orders for fold in folds])
        settings = {**SETTINGS, "objective": "poisson", "seed": 1}
        booster = lightgbm.train(settings, lightgbm.Dataset(rows, target, params={"verbose": -1}), ROUNDS)
        trees = Trees([_plain(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]])
        assert trees(rows.T) == pytest.approx(booster.predict(rows, raw_score=True), abs=1e-9)

    def test_the_same_again(self, log: PurchaseLog, folds: list[Fold], model: ScopeModel):
        again = fit_shop(log, 52.0, folds, with_boosting=True)
        assert again.to_json() == model.to_json()

    def test_it_is_chosen_where_amounts_tell_what_histories_do_not(
        self, log: PurchaseLog, model: ScopeModel, alone: ScopeModel
    ):
        assert model.predictor is not None
        assert model.predictor.choice.orders_boosted > 0.0
        assert model.predictor.boosting is not None
        assert (
            model.comparison["half_boosted"]["poisson_deviance"] < model.comparison["not_boosted"]["poisson_deviance"]
        )
        fold = log.fold(52.0, 13.0)
        errors = [
            np.mean((each.predict(fold.consumers, 13.0).orders - fold.actual_orders) ** 2) for each in (model, alone)
        ]
        assert errors[0] < errors[1]

    def test_predictions_keep_their_order(self, log: PurchaseLog, model: ScopeModel):
        consumers, _ = log.consumers(52.0)
        before_orders, before_probability = np.zeros((2, consumers.size))
        for horizon in (1 / 7, 4.0, 13.0, 52.0, 521.0):
            told = model.predict(consumers, horizon)
            assert ((told.probability >= 0.0) & (told.probability <= 1.0)).all()
            assert (told.probability <= told.orders + 1e-12).all()
            assert (told.orders >= before_orders * (1.0 - 1e-9)).all()
            assert (told.probability >= before_probability - 1e-9).all()
            assert ((told.orders_lower <= told.orders) & (told.orders <= told.orders_upper)).all()
            assert ((told.spend_lower <= told.spend) & (told.spend <= told.spend_upper)).all()
            before_orders, before_probability = told.orders, told.probability

    def test_too_few_orders_teach_nothing(self, folds: list[Fold]):
        quiet = replace(folds[0], actual_orders=np.minimum(folds[0].actual_orders, 0.0))
        assert learn([quiet], [np.zeros((10, quiet.consumers.size))], seed=1) is None
        assert learn([], [], seed=1) is None

    def test_kept_it_predicts_the_same_without_lightgbm(
        self, log: PurchaseLog, model: ScopeModel, monkeypatch: pytest.MonkeyPatch
    ):
        stored = json.dumps(model.to_json())
        consumers, _ = log.consumers(52.0)
        told = model.predict(consumers, 13.0)
        monkeypatch.setitem(sys.modules, "lightgbm", None)
        again = ScopeModel.from_json(json.loads(stored)).predict(consumers, 13.0)
        np.testing.assert_array_equal(again.orders, told.orders)
        np.testing.assert_array_equal(again.spend_upper, told.spend_upper)


def test_absent_the_others_are_chosen_among(alone: ScopeModel):
    assert alone.status == "ok"
    assert alone.predictor is not None
    assert alone.predictor.boosting is None
    assert "pareto_nbd" in alone.comparison
    assert "boosted" not in alone.comparison


def test_trees():
    trees = Trees([[1, 0.5, -1.0, [0, 2.0, 1.0, 3.0]], 10.0])
    assert trees(np.array([[0.0, 0.0, 5.0], [0.5, 0.6, 0.6]])).tolist() == [9.0, 11.0, 13.0]
    assert Boosting.from_json(json.loads(json.dumps(Boosting(13.0, trees, trees).to_json()))).orders == trees


def test_features_have_a_row_each(folds: list[Fold]):
    size = folds[0].consumers.size
    features = features_of(folds[0].consumers, np.ones(size), np.ones(size))
    assert features.shape == (11, size)
    assert np.isfinite(features).all()


def test_a_gain_must_be_more_than_chance_and_more_than_a_trifle():
    random = np.random.default_rng(1)
    plain = random.gamma(1.0, 1.0, 50_000)
    assert prefer({"plain": plain, "same": plain}, 0.02) == "plain"
    assert prefer({"plain": plain, "trifle": plain * 0.99}, 0.02) == "plain"
    assert prefer({"plain": plain, "better": plain * 0.9}, 0.02) == "better"
    assert prefer({"plain": plain, "chance": plain + random.normal(-0.03, 40.0, len(plain))}, 0.02) == "plain"
