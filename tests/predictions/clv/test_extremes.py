"""Predictions of histories and parameters at the ends of what there can be: numbers, in order, without a warning."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.predictions.clv.counts import MOST, CountLaw, quantiles
from app.predictions.clv.family import Family
from app.predictions.clv.fitting import Estimate
from app.predictions.clv.gamma_gamma import GammaGamma
from app.predictions.clv.histories import Consumers
from app.predictions.clv.predictor import Choice, Prediction, Predictor
from app.predictions.clv.registry import BG, CANDIDATES, MBG, NBD, PARETO
from app.predictions.clv.spend import SpendModel
from tests.predictions.clv.conftest import DRAWN, SPEND

DAY, TEN_YEARS = 1 / 7, 522.0
NEVER, AT_ONCE = np.exp(-12.0), np.exp(12.0)
NOBODY_LEAVES = [
    (BG, (0.25, 4.4, NEVER, AT_ONCE)),
    (MBG, (0.25, 4.4, NEVER, AT_ONCE)),
    (PARETO, (0.6, 9.0, NEVER, AT_ONCE)),
]
ALL_LEAVE = [
    (BG, (0.25, 4.4, AT_ONCE, NEVER)),
    (MBG, (0.25, 4.4, AT_ONCE, NEVER)),
    (PARETO, (0.6, 9.0, AT_ONCE, NEVER)),
]
ORDINARY = [*((family, DRAWN[family.key]) for family in CANDIDATES), (NBD, (0.4, 9.0))]
ENDS = [*NOBODY_LEAVES, *ALL_LEAVE, *ORDINARY, (NBD, (AT_ONCE, AT_ONCE)), (NBD, (NEVER, NEVER))]


def corners() -> Consumers:
    grid = np.array(
        [
            (frequency, share * age, age)
            for frequency in (0, 1, 2, 100, 10_000)
            for share in (0.05, 0.99, 1.0)
            for age in (0.0, DAY, 4.0, 52.0, TEN_YEARS)
            if (age and frequency) or share == 1.0
        ]
    )
    frequency, recency, age = np.where((grid[:, 2] == 0.0)[:, None], 0.0, grid).T
    return shop(frequency, np.where(frequency > 0, recency, 0.0), age)


def shop(
    frequency: np.typing.NDArray[np.float64], recency: np.typing.NDArray[np.float64], age: np.typing.NDArray[np.float64]
) -> Consumers:
    size = len(frequency)
    return Consumers(frequency, recency, age, (frequency + 1.0) * 30.0, np.full(size, 30.0), np.zeros((size, 3)))


def predictor(
    family: Family, parameters: tuple[float, ...], *, deviation: float = 0.0, widening: float = 0.0
) -> Predictor:
    size = len(family.names)
    estimate = Estimate(family, np.array(parameters), np.eye(size) * deviation**2, 0.0, 1.0, True)
    spend = SpendModel(GammaGamma(*SPEND, 0.0, 1), False, 0.1)
    return Predictor({family.key: estimate}, Choice(family.key, family.key), spend, widening=widening)


def check(told: Prediction) -> None:
    for name, values in vars(told).items():
        assert np.isfinite(values).all() or name.startswith("next_order"), name
    for probability in (told.probability, told.probability_active):
        assert ((probability >= 0.0) & (probability <= 1.0)).all()
    assert ((told.orders_lower <= told.orders) & (told.orders <= told.orders_upper)).all()
    assert ((told.spend_lower <= told.spend) & (told.spend <= told.spend_upper)).all()
    assert (told.orders_lower >= 0.0).all()
    assert (told.spend_lower >= 0.0).all()
    dated = told.probability >= 0.5
    assert (np.isfinite(told.next_order_p50) == dated).all()
    assert (told.next_order_p10[dated] <= told.next_order_p50[dated]).all()
    assert (told.next_order_p50[dated] <= told.next_order_p90[dated]).all()


@pytest.mark.parametrize("uncertain", [False, True], ids=["certain", "uncertain"])
@pytest.mark.parametrize(("family", "parameters"), ENDS, ids=lambda each: getattr(each, "key", None))
def test_corners(family: Family, parameters: tuple[float, ...], uncertain: bool):
    asked = predictor(family, parameters, deviation=2.0 * uncertain, widening=1.2 * uncertain)
    consumers = corners()
    before: Prediction | None = None
    for horizon in (DAY, 13.0, TEN_YEARS):
        told = asked.predict(consumers, horizon, level=0.8, churn_visible=True)
        check(told)
        if before is not None:
            assert (told.orders >= before.orders * (1.0 - 1e-6)).all()
            assert (told.probability >= before.probability - 1e-9).all()
        before = told


@pytest.mark.parametrize(("family", "parameters"), NOBODY_LEAVES, ids=lambda each: getattr(each, "key", None))
def test_where_nobody_leaves_it_is_the_nbd(family: Family, parameters: tuple[float, ...]):
    consumers = corners()
    # A hundred purchases and then a silence of years is more than the rarest stop can be set against.
    consumers = consumers.take(np.flatnonzero(consumers.frequency <= 2))
    told, nbd = (
        each.predict(consumers, 13.0, level=0.95, churn_visible=True)
        for each in (predictor(family, parameters), predictor(NBD, parameters[:2]))
    )
    assert told.orders == pytest.approx(nbd.orders, rel=1e-3)
    assert told.probability == pytest.approx(nbd.probability, rel=1e-3)
    assert told.orders_upper == pytest.approx(nbd.orders_upper, abs=1.0)


@pytest.mark.parametrize(("family", "parameters"), ORDINARY, ids=lambda each: getattr(each, "key", None))
def test_a_single_consumer_is_told_what_all_are(family: Family, parameters: tuple[float, ...]):
    consumers, asked = corners(), predictor(family, parameters)
    together = asked.predict(consumers, 13.0, level=0.8, churn_visible=True)
    for row in (0, 7, consumers.size - 1):
        alone = asked.predict(consumers.take(np.array([row])), 13.0, level=0.8, churn_visible=True)
        for name, values in vars(together).items():
            np.testing.assert_allclose(getattr(alone, name), values[[row]], rtol=1e-12)


@pytest.mark.parametrize("size", [0, 500])
def test_nobody_and_many_who_are_alike(size: int):
    alike = shop(np.full(size, 3.0), np.full(size, 9.0), np.full(size, 20.0))
    told = predictor(PARETO, DRAWN["pareto_nbd"]).predict(alike, 13.0, level=0.8, churn_visible=True)
    assert all(len(np.unique(values)) == min(size, 1) for values in vars(told).values())


def test_a_stop_long_before_the_horizon():
    """Everybody stops at a rate of one a week, so that ten years ahead are no more than a few weeks."""
    asked = predictor(PARETO, (0.5, 5.0, AT_ONCE, AT_ONCE))
    consumers = shop(np.ones(1), np.full(1, 3.0), np.full(1, 3.0))
    weeks, years = (asked.levels(consumers, horizon).probability[0] for horizon in (40.0, TEN_YEARS))
    assert years == pytest.approx(weeks, rel=1e-6)
    # With rate gamma(1.5, 8), P(a purchase before the stop) is E[rate / (rate + 1)].
    rates = np.random.default_rng(1).gamma(1.5, 1.0 / 8.0, 400_000)
    alive = PARETO.alive(np.array([0.5, 5.0, AT_ONCE, AT_ONCE]), consumers.histories()[0])[0]
    assert years == pytest.approx(alive * np.mean(rates / (rates + 1.0)), rel=0.01)


def test_a_mixture_whose_largest_exposure_underflows():
    """P(NB = 0) of the one in fifty who buy for 2,000 weeks is 0 in floating point; a sum from it would not end."""
    law = CountLaw(
        shape=np.array([1e5]), rate=np.array([1e5]), exposure=np.array([[1.0, 2_000.0]]),
        weight=np.array([[0.99, 0.01]]), stops=np.zeros(1), stays=np.ones(1),
    )  # fmt: skip
    assert law.mean_without_stopping()[0] < 40.0
    assert law.exposure.max() > MOST
    median, high = quantiles(law, np.ones(1), (0.5, 0.998))[0]
    assert median == 1.0
    assert high == pytest.approx(2_000.0, rel=0.05)


history = st.tuples(
    st.one_of(st.integers(0, 20), st.integers(0, 10_000)), st.floats(0.0, 1.0), st.floats(0.0, TEN_YEARS)
)


@given(
    family=st.sampled_from([*CANDIDATES, NBD]),
    histories=st.lists(history, min_size=1, max_size=4),
    logs=st.tuples(*[st.floats(-5.0, 5.0)] * 4),
    horizon=st.floats(DAY, TEN_YEARS),
    widening=st.sampled_from([0.0, 0.35, 1.2]),
)  # fmt: skip
@settings(max_examples=120, deadline=None, derandomize=True)
def test_anything(
    family: Family, histories: list[tuple[int, float, float]], logs: tuple[float, ...], horizon: float, widening: float
):
    frequency, share, age = np.array(histories, dtype=np.float64).T
    frequency = np.where(age > 0.0, frequency, 0.0)
    consumers = shop(frequency, np.where(frequency > 0, share * age, 0.0), age)
    asked = predictor(family, tuple(np.exp(logs[: len(family.names)])), deviation=0.3, widening=widening)
    sooner, later = (asked.predict(consumers, each, level=0.8, churn_visible=True) for each in (horizon / 3.0, horizon))
    check(sooner)
    check(later)
    assert (later.orders >= sooner.orders * (1.0 - 5e-4)).all()
    assert (later.probability >= sooner.probability - 1e-6).all()
