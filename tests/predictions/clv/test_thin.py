"""Shops of which little is known: what is said of them, and what is refused."""

import numpy as np
import pytest

from app.predictions.clv.histories import Vector
from app.predictions.clv.model import ScopeModel
from app.predictions.clv.selection import fit_scope
from tests.predictions.clv.conftest import buyers_of, draw


def fit_buyers(frequency: Vector, *, age: float = 52.0) -> ScopeModel:
    consumers = buyers_of(frequency, age=age)
    return fit_scope(consumers.histories()[0], consumers, [], seed=1, with_boosting=False)


def test_too_few():
    for model in (fit_buyers(np.r_[np.ones(5), np.zeros(4)]), fit_buyers(np.zeros(500), age=2.0)):
        assert (model.status, model.predictor) == ("too_few", None)
        assert "too little to predict from" in model.notes[0]
        told = model.predict(buyers_of(np.ones(3)), 52.0)
        assert all(np.isnan(values).all() for values in vars(told).values())
        assert ScopeModel.from_json(model.to_json()).describe() == model.describe()


def test_a_single_consumer():
    model = fit_buyers(np.zeros(1))
    assert (model.status, model.buyers, model.repeaters) == ("too_few", 1, 0)


def test_nobody_has_spent_anything():
    consumers = buyers_of(np.ones(300))
    consumers.amount[:] = 0.0
    assert fit_scope(consumers.histories()[0], consumers, [], seed=1, with_boosting=False).status == "too_few"


def test_37_buyers():
    consumers, _ = draw("mbg_nbd", buyers=37, seed=8).consumers(60.0)
    model = fit_scope(consumers.histories()[0], consumers, [], seed=1, with_boosting=False)
    assert (model.status, model.buyers) == ("small", 37)
    assert "The data are thin" in model.notes[0]
    told = model.predict(consumers, 52.0)
    assert np.isnan(told.probability_active).all()
    assert np.isfinite(told.spend).all()
    assert told.orders.mean() < 5.0
    assert (told.orders_upper - told.orders_lower).mean() > 1.0


def test_next_to_nobody_comes_back():
    """31 of 7,969 have: a wholesale gift shop's year."""
    consumers = buyers_of(np.r_[np.ones(31), np.zeros(7_938)])
    model = fit_scope(consumers.histories()[0], consumers, [], seed=1, with_boosting=True)
    assert (model.status, model.buyers, model.repeaters) == ("one_time_only", 7_969, 31)
    assert "31 of 7969 buyers have bought again in 52 weeks" in model.notes[0]
    told = model.predict(consumers, 52.0)
    # As many as in the year that was, and more of those who have been seen twice.
    assert told.orders.sum() == pytest.approx(31.0, rel=0.5)
    assert told.orders[:31].mean() > 2.0 * told.orders[31:].mean()
    assert (told.probability < 0.5).all()
    assert np.isnan(told.next_order_p50).all()


@pytest.mark.parametrize("frequency", [0.0, 1.0, 9.0])
def test_everybody_alike(frequency: float):
    """Nothing tells them apart, so that everybody is told the same."""
    consumers = buyers_of(np.full(400, frequency))
    told = fit_buyers(np.full(400, frequency)).predict(consumers, 26.0)
    assert np.isfinite(told.orders).all()
    assert np.isfinite(told.spend_upper).all()
    assert np.ptp(told.orders) == 0.0
    assert (told.orders_lower <= told.orders_upper).all()


def test_consumers_of_today():
    """Half the shop came on the as-of date."""
    consumers = buyers_of(np.r_[np.zeros(200), np.full(200, 2.0)])
    consumers.age[:200] = 0.0
    model = fit_scope(consumers.histories()[0], consumers, [], seed=1, with_boosting=False)
    told = model.predict(consumers, 13.0)
    assert np.isfinite(told.orders).all()
    assert (told.orders[:200] > 0.0).all()
