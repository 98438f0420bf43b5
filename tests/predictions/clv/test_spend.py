"""Gamma-Gamma, and what is spent on a random number of purchases."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.predictions.clv.counts import CountLaw
from app.predictions.clv.gamma_gamma import fit_gamma_gamma, log_likelihood
from app.predictions.clv.histories import Consumers, Vector
from app.predictions.clv.simulate import PurchaseLog, simulate
from app.predictions.clv.spend import HELD_Q, SpendModel, fit_spend, spend_law, spend_quantile
from tests.predictions.clv.conftest import CDNOW_KNOWN, SPEND, buyers_of


def counted(shape: float, rate: float, weeks: float) -> CountLaw:
    """Negative binomial counts of one consumer."""
    number = np.ones(1)
    return CountLaw(
        number * shape, number * rate, np.full((1, 1), weeks), np.ones((1, 1)), stops=np.zeros(1), stays=np.ones(1)
    )


def shop_of(spend: tuple[float, float, float], *, buyers: int = 6_000, seed: int = 2) -> Consumers:
    log = simulate("nbd", (1.0, 10.0), spend, buyers=buyers, arrivals=20.0, weeks=60.0, seed=seed)
    return log.consumers(60.0)[0]


class TestGammaGamma:
    def test_the_paper(self, cdnow: PurchaseLog):
        consumers, _ = cdnow.consumers(CDNOW_KNOWN)
        model, notes = fit_spend(consumers)
        found = model.gamma_gamma
        assert (found.p, found.q, found.gamma) == pytest.approx((6.25, 3.744, 15.444), rel=1e-3)
        assert found.log_likelihood == pytest.approx(-4055.92, abs=0.01)
        assert (found.consumers, notes) == (946, [])
        # The first ten, as in the note: the mean purchase that is expected of each.
        told = model.per_purchase(consumers)[:10]
        assert told == pytest.approx([24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17], abs=0.02)

    def test_derivatives(self):
        purchases, amount = np.array([1.0, 2.0, 40.0, 3.0]), np.array([20.0, 90.0, 800.0, 4.5])
        for logs in (np.log([6.0, 4.0, 15.0]), np.log([0.3, 1.2, 90.0])):
            _, slope = log_likelihood(np.exp(logs), purchases, amount)
            for place in range(3):
                step = np.eye(3)[place] * 1e-5
                above, _ = log_likelihood(np.exp(logs + step), purchases, amount)
                below, _ = log_likelihood(np.exp(logs - step), purchases, amount)
                assert slope[place] == pytest.approx((above - below) / 2e-5, rel=1e-6, abs=1e-6)

    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_known_parameters_are_found(self, seed: int):
        """p and gamma are told apart by little, so that the true ones are looked for by their likelihood."""
        consumers = shop_of(SPEND, buyers=20_000, seed=seed)
        model, _ = fit_spend(consumers)
        found = model.gamma_gamma
        purchases, amount = model.seen(consumers)
        again = purchases > 0
        true, _ = log_likelihood(np.array(SPEND), purchases[again], amount[again])
        # Chi-square with 3 degrees of freedom exceeds 16.3 once in a thousand.
        assert 0.0 <= 2.0 * (found.log_likelihood - true) < 16.3
        assert (found.p, found.q, found.gamma) == pytest.approx(SPEND, rel=0.2)
        assert found.mean == pytest.approx(SPEND[0] * SPEND[2] / (SPEND[1] - 1.0), rel=0.02)

    def test_the_unit_of_money_does_not_matter(self):
        consumers = shop_of(SPEND)
        cents = replace(consumers, amount=consumers.amount * 100, first_amount=consumers.first_amount * 100)
        told, in_cents = (fit_spend(each)[0].per_purchase(each) for each in (consumers, cents))
        assert in_cents == pytest.approx(told * 100, rel=1e-4)


class TestThinOrStrange:
    def test_few_repeaters_are_drawn_to_the_mean(self):
        consumers = buyers_of(np.r_[np.full(12, 2.0), np.zeros(25)])
        consumers.amount[:3] *= 20.0
        model, notes = fit_spend(consumers)
        mean = consumers.amount.sum() / (consumers.frequency + 1).sum()
        told = model.per_purchase(consumers)
        own = consumers.amount / (consumers.frequency + 1)
        assert model.with_first
        assert "drawn towards the mean" in notes[0]
        assert ((told - mean) * (own - mean) >= 0).all()
        assert (np.abs(told - mean) <= np.abs(own - mean) + 1e-9).all()

    def test_a_tail_without_a_mean(self):
        """Amounts of a q below 1: their mean grows with every order that is seen."""
        consumers = shop_of((4.0, 0.8, 20.0))
        model, notes = fit_spend(consumers)
        assert model.gamma_gamma.q == pytest.approx(HELD_Q)
        assert any("mean of the fitted spend does not exist" in note for note in notes)
        purchases, amount = model.seen(consumers)
        assert model.gamma_gamma.mean == pytest.approx(amount.sum() / purchases.sum())
        assert np.isfinite(model.per_purchase(consumers)).all()

    def test_frequency_and_amount_that_go_together(self):
        consumers = shop_of(SPEND)
        factor = 1.0 + consumers.frequency
        together = replace(consumers, amount=consumers.amount * factor, first_amount=consumers.first_amount * factor)
        assert not any("rank correlation" in note for note in fit_spend(consumers)[1])
        assert any("spend more at a time" in note for note in fit_spend(together)[1])

    @pytest.mark.parametrize("frequency", [np.zeros(300), np.full(300, 4.0)], ids=["one purchase", "five alike"])
    def test_everybody_alike(self, frequency: Vector):
        consumers = buyers_of(frequency)
        told = fit_spend(consumers)[0].per_purchase(consumers)
        assert told == pytest.approx(np.full(300, 30.0), rel=0.02)

    def test_refunds_beyond_the_first_purchase(self):
        """What is left of all purchases is less than the first of them was."""
        consumers = buyers_of(np.full(200, 2.0))
        consumers.amount[:50] = 10.0
        model, _ = fit_spend(consumers)
        assert np.isfinite(model.per_purchase(consumers)).all()
        assert (model.per_purchase(consumers) > 0.0).all()


class TestSums:
    def test_against_draws(self):
        """A count of mean 2.4, each purchase gamma(p, nu), nu gamma(7, 50)."""
        random = np.random.default_rng(3)
        counts = random.poisson(random.gamma(1.2, 1.0 / 10.0, 400_000) * 20.0)
        level = random.gamma(7.0, 1.0 / 50.0, len(counts))
        drawn = np.where(counts > 0, random.gamma(np.maximum(6.25 * counts, 1e-9), 1.0) / level, 0.0)
        law = counted(1.2, 10.0, 20.0)
        sums = spend_law(law, law.any_purchase(), 6.25, np.array([7.0]))
        for amount in (10.0, 60.0, 200.0, 500.0):
            assert sums.cumulative(np.array([amount / 50.0]))[0] == pytest.approx((drawn <= amount).mean(), abs=0.003)
        for wanted in (0.1, 0.5, 0.9, 0.975):
            assert spend_quantile(sums, wanted)[0] * 50.0 == pytest.approx(np.quantile(drawn, wanted), rel=0.015)

    @given(
        shape=st.floats(0.01, 5_000.0), rate=st.floats(0.01, 500.0), weeks=st.floats(1 / 7, 520.0),
        p=st.floats(0.05, 500.0), q=st.floats(1.05, 5_000.0),
    )  # fmt: skip
    @settings(max_examples=200, deadline=None, derandomize=True)
    def test_quantiles_are_inverse_and_in_order(self, shape: float, rate: float, weeks: float, p: float, q: float):
        law = counted(shape, rate, weeks)
        sums = spend_law(law, law.any_purchase(), p, np.array([q]))
        assert sums.share.sum() == pytest.approx(1.0)
        found = [spend_quantile(sums, level) for level in (0.1, 0.5, 0.9)]
        assert found[0] <= found[1] <= found[2]
        for level, ratio in zip((0.1, 0.5, 0.9), found, strict=True):
            if ratio[0] > 0.0:
                assert sums.cumulative(ratio)[0] == pytest.approx(level, abs=0.03)
            else:
                assert 1.0 - sums.probability[0] >= level - 1e-9

    def test_uncertain_parameters_widen_and_keep_the_mean(self):
        consumers = shop_of(SPEND)
        model, _ = fit_spend(consumers)
        wide = model.widened(0.5)
        assert (wide.shape(consumers.frequency) < model.shape(consumers.frequency)).all()
        kept = wide.gamma_gamma.p * wide.unit(consumers) / (wide.shape(consumers.frequency) - 1.0)
        assert kept == pytest.approx(model.per_purchase(consumers))
        assert SpendModel.from_json(wide.to_json()) == wide


def test_identical_amounts_are_no_error():
    found = fit_gamma_gamma(np.full(500, 3.0), np.full(500, 90.0))
    assert found.expected(np.array([0.0, 3.0]), np.array([0.0, 90.0])) == pytest.approx([30.0, 30.0], rel=1e-2)
