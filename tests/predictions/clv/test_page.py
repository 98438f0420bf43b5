"""The worked example of docs/predictions.md says what the program computes."""

import re
from pathlib import Path

import numpy as np
import pytest

from app.predictions.clv.fitting import Estimate, fit
from app.predictions.clv.gamma_gamma import fit_gamma_gamma
from app.predictions.clv.histories import Histories, Vector
from app.predictions.clv.registry import BG, MBG, PARETO
from app.predictions.clv.simulate import PurchaseLog
from tests.predictions.clv.conftest import CDNOW_AFTER, CDNOW_KNOWN

PAGE = (Path(__file__).parents[3] / "docs" / "predictions.md").read_text()
ROW = re.compile(r"^\| (BG/NBD|MBG/NBD|Pareto/NBD|Gamma-Gamma) \| (.+?) \| (−[\d.]+) \|$", re.MULTILINE)
BOUGHT_TWICE = Histories(np.array([2.0]), np.array([30.43]), np.array([38.86]), np.array([1.0]))


@pytest.fixture(scope="module")
def page() -> dict[str, tuple[list[str], str]]:
    """The parameters and the log-likelihood of each model, as printed."""
    return {
        model: (re.findall(r"\d*\.\d+", parameters), loglik.replace("−", "-"))
        for model, parameters, loglik in ROW.findall(PAGE)
    }


@pytest.fixture(scope="module")
def fits(cdnow: PurchaseLog) -> dict[str, Estimate]:
    histories, _ = cdnow.consumers(CDNOW_KNOWN)[0].histories()
    return {"BG/NBD": fit(BG, histories), "MBG/NBD": fit(MBG, histories), "Pareto/NBD": fit(PARETO, histories)}


def test_the_table(page: dict[str, tuple[list[str], str]], fits: dict[str, Estimate], cdnow: PurchaseLog):
    assert page.keys() == {*fits, "Gamma-Gamma"}
    for model, estimate in fits.items():
        parameters, log_likelihood = page[model]
        assert [float(each) for each in parameters] == pytest.approx(estimate.parameters, abs=6e-5, rel=1e-5)
        assert float(log_likelihood) == pytest.approx(estimate.log_likelihood, abs=0.006)
    consumers, _ = cdnow.consumers(CDNOW_KNOWN)
    again = consumers.frequency > 0
    spend = fit_gamma_gamma(consumers.frequency[again], (consumers.amount - consumers.first_amount)[again])
    parameters, log_likelihood = page["Gamma-Gamma"]
    assert [float(each) for each in parameters] == pytest.approx([spend.p, spend.q, spend.gamma], abs=6e-5, rel=1e-5)
    assert float(log_likelihood) == pytest.approx(spend.log_likelihood, abs=0.006)
    mean = spend.expected(np.array([2.0]), np.array([70.0]))[0]
    orders = expect(fits["BG/NBD"], BOUGHT_TWICE, 39.0)[0]
    assert f"= {mean:.2f}, so that {mean * orders:.2f} are expected" in PAGE


def test_the_consumer(fits: dict[str, Estimate]):
    estimate = fits["BG/NBD"]
    orders = expect(estimate, BOUGHT_TWICE, 39.0)[0]
    chance = estimate.family.alive(estimate.parameters, BOUGHT_TWICE)
    chance = (chance * estimate.family.returning(estimate.parameters, BOUGHT_TWICE, 39.0))[0]
    assert f"which is {orders:.3f} for t = 39" in PAGE
    assert f"is {chance:.3f}".replace("0.", ".") in PAGE


def test_all_together(fits: dict[str, Estimate], cdnow: PurchaseLog):
    consumers, _ = cdnow.consumers(CDNOW_KNOWN)
    histories, places = consumers.histories()
    totals = {model: expect(estimate, histories, CDNOW_AFTER)[places].sum() for model, estimate in fits.items()}
    came = cdnow.fold(CDNOW_KNOWN, CDNOW_AFTER).actual_orders.sum()
    text = " ".join(PAGE.split())
    assert f"were expected to buy {totals['BG/NBD']:,.0f} times by BG/NBD" in text
    assert f"and {totals['Pareto/NBD']:,.0f} times by Pareto/NBD; they bought {came:,.0f} times" in text


def expect(estimate: Estimate, histories: Histories, weeks: float) -> Vector:
    family, parameters = estimate.family, estimate.parameters
    expected: Vector = family.alive(parameters, histories) * family.expected(parameters, histories, weeks)
    return expected
