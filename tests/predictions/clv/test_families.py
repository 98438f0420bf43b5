"""The models of histories: derivatives, identities between their formulas, buyers drawn from them, and extremes."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betainc, gammaln

from app.predictions.clv.betageometric import _expected_by_quadrature, expected_purchases
from app.predictions.clv.counts import Walk, quantiles
from app.predictions.clv.family import Family
from app.predictions.clv.fitting import fit
from app.predictions.clv.histories import Histories, Vector
from app.predictions.clv.registry import BG, CANDIDATES, MBG, NBD, PARETO
from app.predictions.clv.simulate import PurchaseLog
from tests.predictions.clv.conftest import CDNOW_KNOWN, DRAWN, SHARED, draw

PARAMETERS = {**DRAWN, "nbd": (0.4, 9.0)}
BOTH = [*CANDIDATES, NBD]


def parameters_of(family: Family) -> Vector:
    return np.array(PARAMETERS[family.key])


def one(frequency: float, recency: float, age: float) -> Histories:
    return Histories(np.array([frequency]), np.array([recency]), np.array([age]), np.ones(1))


@pytest.fixture(scope="module")
def some() -> Histories:
    """A thousand histories of an ordinary shop, and the corners."""
    consumers, _ = draw("pareto_nbd", buyers=1_000).consumers(60.0)
    corners = np.array([[0, 0, 0], [0, 0, 60], [3, 60, 60], [3, 1, 60], [60, 59, 60]], dtype=float).T
    return Histories(
        frequency=np.concatenate([consumers.frequency, corners[0]]),
        recency=np.concatenate([consumers.recency, corners[1]]),
        age=np.concatenate([consumers.age, corners[2]]),
        weight=np.ones(consumers.size + corners.shape[1]),
    )


@pytest.fixture(scope="module")
def histories(cdnow: PurchaseLog) -> Histories:
    return cdnow.consumers(CDNOW_KNOWN)[0].histories()[0]


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    path = SHARED / "REFERENCE.json"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there (ECOMPREDICTOR_SHARED)")
    found: dict[str, Any] = json.loads(path.read_text())["cdnow_sample"]
    return found


class TestPapers:
    """Fader & Hardie's CDNOW sample, known to 1997-09-30."""

    def test_bg_nbd(self, histories: Histories):
        estimate = fit(BG, histories)
        assert estimate.parameters == pytest.approx([0.2426, 4.4136, 0.7929, 2.4259], abs=5e-4)
        assert estimate.log_likelihood == pytest.approx(-9582.43, abs=0.01)

    def test_mbg_nbd(self, histories: Histories):
        estimate = fit(MBG, histories)
        assert estimate.parameters == pytest.approx([0.5248, 6.1830, 0.8914, 1.6140], rel=1e-3)
        assert estimate.log_likelihood == pytest.approx(-9582.13, abs=0.02)

    def test_pareto_nbd(self, histories: Histories):
        estimate = fit(PARETO, histories)
        assert estimate.parameters == pytest.approx([0.5533, 10.5776, 0.6062, 11.6679], rel=1e-3)
        assert estimate.log_likelihood == pytest.approx(-9594.97, abs=0.02)

    def test_customers_of_the_notes(self, reference: dict[str, Any]):
        bg = np.array(list(reference["bgnbd"]["params"].values()))
        pareto = np.array(list(reference["pnbd"]["params"].values()))
        usual, heavy = one(2, 30.43, 38.86), one(26, 30.857, 31)
        cases: list[tuple[str, Family, Vector, str, Histories, float]] = [
            ("bgnbd", BG, bg, "customer x=2 tx=30.43 T=38.86, t=39", usual, 39),
            ("bgnbd", BG, bg, "customer x=26 tx=30.857 T=31, t=52", heavy, 52),
            ("pnbd", PARETO, pareto, "customer x=26 tx=30.857 T=31, t=52", heavy, 52),
        ]
        for model, family, parameters, name, history, horizon in cases:
            expected = family.alive(parameters, history) * family.expected(parameters, history, horizon)
            assert expected[0] == pytest.approx(reference[model][name], rel=5e-4)
        assert BG.alive(bg, heavy)[0] == pytest.approx(reference["bgnbd"]["same customer p_alive"], abs=1e-5)
        assert PARETO.alive(pareto, heavy)[0] == pytest.approx(reference["pnbd"]["same customer p_alive"], abs=1e-5)

    def test_expected_by_frequency(self, histories: Histories, reference: dict[str, Any]):
        for family, name in ((BG, "bgnbd"), (PARETO, "pnbd")):
            parameters = fit(family, histories, with_covariance=False).parameters
            mean = family.alive(parameters, histories) * family.expected(parameters, histories, 39.0)
            group = np.minimum(histories.frequency, 7).astype(int)
            found = np.bincount(group, histories.weight * mean) / np.bincount(group, histories.weight)
            assert found == pytest.approx(reference[name]["cond_exp_by_cal_freq_0..6,7+"], abs=2e-3)

    def test_a_new_customer(self, reference: dict[str, Any]):
        """E[X(t)] and P(X(t) = k) of somebody who has just come: a history of no age."""
        bg = np.array(list(reference["bgnbd"]["params"].values()))
        new = one(0, 0, 0)
        for weeks, expected in reference["bgnbd"]["E_X(t)"].items():
            assert BG.expected(bg, new, float(weeks))[0] == pytest.approx(expected, abs=5e-4)
        printed = parameters_of(BG)
        none = 1.0 - BG.returning(printed, new, 39.0)[0]
        assert none == pytest.approx(reference["bgnbd"]["P(X(39)=0)"], abs=1e-6)
        law = BG.law(printed, new, 2.0)
        ten = law.survival(np.array([10.0])) - law.survival(np.array([11.0]))
        assert ten[0] == pytest.approx(reference["bgnbd"]["P(X(2)=10)"], rel=1e-4)


class TestFormulas:
    @pytest.mark.parametrize("family", BOTH, ids=lambda family: family.key)
    def test_derivatives(self, family: Family, some: Histories):
        for factor in (1.0, 0.1, 8.0):
            logs = np.log(parameters_of(family) * factor)
            _, slopes = family.log_likelihood(np.exp(logs), some)
            for place, slope in enumerate(slopes):
                step = np.eye(len(logs))[place] * 1e-5
                above, _ = family.log_likelihood(np.exp(logs + step), some)
                below, _ = family.log_likelihood(np.exp(logs - step), some)
                assert slope == pytest.approx((above - below) / 2e-5, abs=1e-6, rel=1e-6)

    def test_the_pareto_integral(self, some: Histories):
        """Against a sum of 20,000 rectangles."""
        r, alpha, s, beta = parameters_of(PARETO)
        value, _ = PARETO.log_likelihood(parameters_of(PARETO), some)
        x, start, end = some.frequency[:, None], some.recency[:, None], some.age[:, None]
        middle = start + (end - start) * (np.arange(20_000) + 0.5) / 20_000
        integral = ((alpha + middle) ** -(r + x) * (beta + middle) ** -(s + 1.0)).mean(axis=1) * (end - start)[:, 0]
        going = (alpha + some.age) ** -(r + some.frequency) * (beta + some.age) ** -s
        expected = gammaln(r + some.frequency) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
        with np.errstate(divide="ignore"):
            expected += np.log(going + s * integral)
        rare = some.frequency < 50  # the powers underflow beyond
        assert value[rare] == pytest.approx(expected[rare], abs=1e-5)

    @pytest.mark.parametrize("family", BOTH, ids=lambda family: family.key)
    @pytest.mark.parametrize("horizon", [1 / 7, 13.0, 104.0])
    def test_one_distribution(self, family: Family, some: Histories, horizon: float):
        """Its mean, its zero and its tails are those of the closed forms."""
        parameters = parameters_of(family)
        law = family.law(parameters, some, horizon)
        walk = Walk(law)
        tails = [walk.step() for _ in range(2_000)]
        assert sum(tails) == pytest.approx(family.expected(parameters, some, horizon), rel=2e-3, abs=1e-9)
        assert tails[0] == pytest.approx(family.returning(parameters, some, horizon), rel=2e-3, abs=1e-12)
        assert law.any_purchase() == pytest.approx(tails[0], abs=1e-12)
        for k in (1, 2, 7, 40):
            assert law.survival(np.full(some.size, float(k))) == pytest.approx(tails[k - 1], abs=1e-9)

    @pytest.mark.parametrize("family", BOTH, ids=lambda family: family.key)
    def test_waiting_is_the_inverse_of_returning(self, family: Family, some: Histories):
        parameters = parameters_of(family)
        levels = (0.1, 0.5, 0.9)
        waiting = family.waiting(parameters, some, 39.0, levels)
        whole = family.returning(parameters, some, 39.0)
        for row in range(0, some.size, 97):
            history = some.take(np.array([row]))
            for level, time in zip(levels, waiting[row], strict=True):
                assert family.returning(parameters, history, time)[0] == pytest.approx(level * whole[row], rel=5e-3)

    @pytest.mark.parametrize("family", CANDIDATES, ids=lambda family: family.key)
    def test_those_who_are_drawn_do_what_is_said(self, family: Family):
        """100,000 buyers of the model itself: counts after week 52, of those with each history before it."""
        log = draw(family.key, buyers=100_000, weeks=91.0)
        fold = log.fold(52.0, 39.0)
        histories, places = fold.consumers.histories()
        parameters = parameters_of(family)
        alive = family.alive(parameters, histories)
        law = family.law(parameters, histories, 39.0)
        for frequency in (0, 1, 2, 5):
            chosen = fold.consumers.frequency == frequency
            at, actual = places[chosen], fold.actual_orders[chosen]
            for k in (1, 2, 3, 6):
                predicted = (alive * law.survival(np.full(histories.size, float(k))))[at]
                error = np.sqrt((predicted * (1 - predicted)).sum()) / len(at)
                assert (actual >= k).mean() == pytest.approx(predicted.mean(), abs=4.5 * error)

    def test_euler_and_quadrature_agree(self):
        rows = np.random.default_rng(5).uniform(size=(4, 400))
        shape, rate, stays = 0.05 + 30.0 * rows[0], 1.0 + 90.0 * rows[1], 0.2 + 40.0 * rows[2]
        for a in (0.01, 0.7, 0.9999, 1.0, 1.3, 4.0):
            mean = expected_purchases(shape, rate, a, stays, 26.0)
            assert mean == pytest.approx(_expected_by_quadrature(shape, rate, a, stays, 26.0), rel=2e-3)

    def test_quantiles_of_large_counts(self):
        """Found by halving, where no sum would end; against the negative binomial's own tail."""
        history = one(5_000, 50, 50)
        law = NBD.law(np.array([0.5, 0.5]), history, 520.0)
        found = quantiles(law, np.ones(1), (0.1, 0.9))[0]
        share = 520.0 / (50.5 + 520.0)
        for level, k in zip((0.1, 0.9), found, strict=True):
            assert betainc(k + 1.0, 5_000.5, share) <= 1.0 - level <= betainc(k, 5_000.5, share)


history = st.tuples(
    st.one_of(st.integers(0, 20), st.integers(0, 10_000)),
    st.floats(0.0, 1.0),
    st.one_of(st.just(0.0), st.floats(0.01, 520.0)),
)
log_parameter = st.floats(-6.0, 6.0)


class TestExtremes:
    @pytest.mark.parametrize("family", BOTH, ids=lambda family: family.key)
    @given(st.lists(history, min_size=1, max_size=6), st.tuples(*[log_parameter] * 4), st.floats(1 / 7, 522.0))
    @settings(max_examples=150, deadline=None, derandomize=True)
    def test_numbers_stay_numbers(
        self, family: Family, rows: list[tuple[int, float, float]], logs: tuple[float, ...], horizon: float
    ):
        frequency = np.array([float(x) if age > 0 else 0.0 for x, _, age in rows])
        age = np.array([each[2] for each in rows])
        recency = np.where(frequency > 0, age * np.array([each[1] for each in rows]), 0.0)
        histories = Histories(frequency, recency, age, np.ones(len(rows)))
        parameters = np.exp(logs[: len(family.names)])
        value, slopes = family.log_likelihood(parameters, histories)
        assert np.isfinite(value).all()
        assert np.isfinite(slopes).all()
        alive = family.alive(parameters, histories)
        assert ((alive >= 0.0) & (alive <= 1.0)).all()
        sooner, mean = (family.expected(parameters, histories, each) for each in (horizon / 2.0, horizon))
        # Where 2F1 fails, which is long after the last are expected to have stopped, a quadrature stands in.
        assert (mean >= sooner * (1.0 - 5e-4)).all()
        assert (sooner >= 0.0).all()
        assert np.isfinite(mean).all()
        returning = family.returning(parameters, histories, horizon)
        assert ((returning >= 0.0) & (returning <= np.minimum(mean * (1.0 + 1e-6), 1.0))).all()
        waiting = family.waiting(parameters, histories, horizon, (0.1, 0.5, 0.9))
        assert (np.diff(waiting, axis=1) >= 0.0).all()
        assert ((waiting >= 0.0) & (waiting <= horizon)).all()
        bounds = quantiles(family.law(parameters, histories, horizon), alive, (0.1, 0.9))
        assert (bounds[:, 0] <= bounds[:, 1]).all()
