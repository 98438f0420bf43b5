"""Maximum likelihood: known parameters are found, and nothing depends on order, units or grouping."""

import numpy as np
import pytest

from app.predictions.clv.fallback import explain, fit_candidates, status_of, weak_prior
from app.predictions.clv.family import Family
from app.predictions.clv.fitting import fit
from app.predictions.clv.histories import Histories, plan_folds
from app.predictions.clv.intervals import rate_uncertainty
from app.predictions.clv.registry import BG, CANDIDATES, MBG, NBD, PARETO
from tests.predictions.clv.conftest import DRAWN, draw


@pytest.fixture(scope="module")
def histories() -> Histories:
    consumers, _ = draw("pareto_nbd", buyers=3_000).consumers(60.0)
    return Histories(consumers.frequency, consumers.recency, consumers.age, np.ones(consumers.size))


class TestRecovery:
    @pytest.mark.parametrize("family", CANDIDATES, ids=lambda family: family.key)
    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_within_what_is_said_to_be_uncertain(self, family: Family, seed: int):
        consumers, _ = draw(family.key, buyers=20_000, seed=seed).consumers(104.0)
        estimate = fit(family, consumers.histories()[0])
        distance = np.log(estimate.parameters) - np.log(DRAWN[family.key])
        assert (np.abs(distance) < 4.0 * np.sqrt(np.diag(estimate.covariance))).all()
        assert (np.abs(distance) < 0.35).all()

    def test_the_uncertainty_is_that_of_repeated_shops(self):
        """20 shops of 2,000 buyers: their log parameters vary as each one's own covariance says."""
        logs, said = [], []
        for seed in range(20):
            consumers, _ = draw("mbg_nbd", buyers=2_000, seed=100 + seed).consumers(78.0)
            estimate = fit(MBG, consumers.histories()[0])
            logs.append(np.log(estimate.parameters))
            said.append(np.diag(estimate.covariance))
        ratio = np.std(logs, axis=0, ddof=1) / np.sqrt(np.median(said, axis=0))
        assert ((ratio > 0.55) & (ratio < 1.7)).all()

    def test_the_uncertainty_of_expected_orders(self, histories: Histories):
        """By principal points, beside 400 draws of the parameters."""
        estimate = fit(PARETO, histories)
        random = np.random.default_rng(1)
        draws = random.multivariate_normal(np.log(estimate.parameters), estimate.covariance, 400)
        means = [PARETO.expected(np.exp(each), histories, 26.0) for each in draws]
        varied = np.log(means).std(axis=0)
        assert rate_uncertainty(estimate, histories, 26.0) == pytest.approx(varied, rel=0.25, abs=0.005)


class TestInvariance:
    @pytest.mark.parametrize("family", [*CANDIDATES, NBD], ids=lambda family: family.key)
    def test_order_grouping_and_unit(self, family: Family, histories: Histories):
        found = fit(family, histories)
        shuffled = fit(family, histories.take(np.random.default_rng(2).permutation(histories.size)))
        np.testing.assert_array_equal(shuffled.parameters, found.parameters)
        grouped, places = histories.grouped()
        again = fit(family, grouped)
        np.testing.assert_array_equal(again.parameters, found.parameters)
        assert again.log_likelihood == found.log_likelihood
        assert (grouped.recency[places] == histories.recency).all()
        days = fit(family, histories.in_units_of(1.0 / 7.0))
        scale = np.array([7.0 if name in family.scales else 1.0 for name in family.names])
        assert days.parameters == pytest.approx(found.parameters * scale, rel=1e-6)
        assert days.log_likelihood == pytest.approx(
            found.log_likelihood - histories.repeat_purchases * np.log(7.0), rel=1e-9
        )

    def test_a_near_start_ends_at_the_same(self, histories: Histories):
        found = fit(PARETO, histories)
        near = fit(PARETO, histories, start=found.parameters * [1.3, 0.7, 1.5, 0.6])
        assert near.parameters == pytest.approx(found.parameters, rel=2e-3)
        assert near.log_likelihood == pytest.approx(found.log_likelihood, abs=1e-3)

    def test_many_histories_start_on_a_sample(self, monkeypatch: pytest.MonkeyPatch, histories: Histories):
        found = fit(BG, histories)
        monkeypatch.setattr("app.predictions.clv.fitting.ROUGH_GROUPS", 300)
        monkeypatch.setattr("app.predictions.clv.fitting.CURVATURE_GROUPS", 300)
        assert fit(BG, histories).parameters == pytest.approx(found.parameters, rel=5e-3)


class TestThin:
    def test_a_prior_holds_what_the_data_do_not(self):
        few = Histories(np.array([0.0]), np.array([0.0]), np.array([52.0]), np.array([3.0]))
        for family in (NBD, MBG):
            estimate = fit(family, few, prior=weak_prior(family))
            assert (np.abs(np.log(estimate.parameters)) < 6.0).all()

    @pytest.mark.parametrize("age", [0.0, 1 / 7, 52.0])
    @pytest.mark.parametrize("frequency", [0.0, 1.0, 30.0])
    def test_everybody_identical(self, frequency: float, age: float):
        frequency = frequency if age else 0.0
        alike = Histories(np.array([frequency]), np.array([age / 2]), np.array([age]), np.array([5_000.0]))
        for family in (*CANDIDATES, NBD):
            estimate = fit(family, alike)
            assert np.isfinite(estimate.parameters).all()
            assert np.isfinite(estimate.covariance).all()
            mean = family.alive(estimate.parameters, alike) * family.expected(estimate.parameters, alike, 26.0)
            assert (mean >= 0.0).all()

    def test_without_any_usable_fit_there_is_nbd(self, monkeypatch: pytest.MonkeyPatch, histories: Histories):
        def failing(family: Family, *arguments: object, **options: object) -> object:
            estimate = fit(family, *arguments, **options)  # type: ignore[arg-type]
            return estimate if "prior" in options else type(estimate)(**{**vars(estimate), "converged": False})

        monkeypatch.setattr("app.predictions.clv.fallback.fit", failing)
        estimates = fit_candidates(histories)
        assert list(estimates) == ["nbd"]
        assert status_of(histories, estimates) == "degenerate"
        assert "none of the models of churn" in explain("degenerate", histories, estimates)[0]


@pytest.mark.parametrize("span", [0.0, 3.0, 15.0, 16.0, 38.86, 52.0, 104.3, 400.0])
@pytest.mark.parametrize("horizon", [2.0, 4.0, 13.0, 52.0])
def test_folds_neither_overlap_nor_reach_beyond_the_history(span: float, horizon: float):
    folds = plan_folds(span, horizon)
    assert (not folds) == (min(horizon, span // 4) < 4.0)
    for (origin, length), (following, _) in zip(folds, [*folds, (span, 0.0)][1:], strict=True):
        assert origin >= span / 2 - 1e-9
        assert origin + length == pytest.approx(following)
