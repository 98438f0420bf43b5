"""How much a shop's data can carry, and what is done where it is little: weak priors, stated here."""

import numpy as np

from app.predictions.clv.family import Family
from app.predictions.clv.fitting import Estimate, Prior, fit
from app.predictions.clv.histories import Histories, Vector
from app.predictions.clv.registry import CANDIDATES, MBG, NBD

FEWEST_BUYERS = 10
"""Below it a single consumer is a tenth of all that is known; no number is given."""
FEWEST_WEEKS = 4.0
"""A shop younger than this has had no time for second purchases."""
FEW_BUYERS = 200
FEW_REPEATERS = 100
"""What the four parameters of a model with churn need. With 100 repeaters the mean rate is known to some 10 to 15 %,
and on subsamples of public logs the parameters of churn wander over an order of magnitude below that."""
ONE_TIME_SHARE = 0.05
"""Shops of which fewer than one buyer in twenty has ever come back sell once: churn and rarity look the same there."""
NO_CHURN_RATIO = 5.99
"""Twice the gain in log-likelihood over NBD that two more parameters reach by chance in one case of 20 (chi-square
with 2 degrees of freedom; on the boundary the true share is smaller). A lesser gain is no sign of churn."""
ALIKE_SHAPE = 50.0
"""Gamma shapes of the rates above this mean that they differ by less than 15 % between consumers."""

TOO_FEW, SMALL, ONE_TIME_ONLY, BOUNDARY, DEGENERATE, OK = (
    "too_few", "small", "one_time_only", "boundary", "degenerate", "ok",
)  # fmt: skip

YEAR = 52.0


def thinness(histories: Histories) -> str:
    """`too_few`, `one_time_only`, `small`, or `ok` where a model with churn can be fitted."""
    buyers, repeaters = histories.consumers, histories.repeaters
    if buyers < FEWEST_BUYERS or histories.span < FEWEST_WEEKS:
        return TOO_FEW
    if repeaters < FEW_REPEATERS and repeaters < ONE_TIME_SHARE * buyers:
        return ONE_TIME_ONLY
    if buyers < FEW_BUYERS or repeaters < FEW_REPEATERS:
        return SMALL
    return OK


def weak_prior(family: Family) -> Prior:
    """Of the mean rate: a repeat purchase a year, give or take a factor of 7. Of its shape: 0.5, a factor of e.

    Of churn, for MBG/NBD: beta(0.8, 2) with each parameter known to a factor of e, so that after a purchase about 3 in
    10 do not come back. The published fits of retail logs lie within these.
    """
    rows: list[list[float]] = [[1.0, 0.0], [1.0, -1.0]]
    means, deviations = [np.log(0.5), -np.log(YEAR)], [1.0, 2.0]
    if family.churn:
        rows = [[*row, 0.0, 0.0] for row in rows] + [[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
        means, deviations = [*means, np.log(0.8), np.log(2.0)], [*deviations, 1.0, 1.0]
    return Prior(np.array(rows), np.array(means), np.array(deviations))


def fit_candidates(
    histories: Histories, *, near: dict[str, Estimate] | None = None, with_covariance: bool = True
) -> dict[str, Estimate]:
    """By name, the fits that this shop's data can carry, always one at least. `near`: fits to start from."""
    kind = thinness(histories)
    if kind in (TOO_FEW, ONE_TIME_ONLY):
        return {NBD.key: fit(NBD, histories, prior=weak_prior(NBD), with_covariance=with_covariance)}
    if kind == SMALL:
        return {MBG.key: fit(MBG, histories, prior=weak_prior(MBG), with_covariance=with_covariance)}
    estimates = {}
    for family in (*CANDIDATES, NBD):
        start: Vector | None = near[family.key].parameters if near and family.key in near else None
        estimates[family.key] = fit(family, histories, start=start, with_covariance=with_covariance)
    usable = {key: estimate for key, estimate in estimates.items() if estimate.converged}
    if len(usable) > 1:
        return usable
    return {NBD.key: fit(NBD, histories, prior=weak_prior(NBD), with_covariance=with_covariance)}


def shows_churn(estimates: dict[str, Estimate]) -> bool:
    """Whether any model with churn explains the histories better than chance would let it."""
    if NBD.key not in estimates:
        return True
    without = estimates[NBD.key].log_likelihood
    with_churn = [each.log_likelihood for key, each in estimates.items() if key != NBD.key]
    return any(2.0 * (value - without) > NO_CHURN_RATIO for value in with_churn)


def status_of(histories: Histories, estimates: dict[str, Estimate]) -> str:
    kind = thinness(histories)
    if kind != OK:
        return kind
    if set(estimates) == {NBD.key}:
        return DEGENERATE
    return OK if shows_churn(estimates) and not rates_alike(estimates) else BOUNDARY


def rates_alike(estimates: dict[str, Estimate]) -> bool:
    return NBD.key in estimates and bool(estimates[NBD.key].parameters[0] > ALIKE_SHAPE)


def explain(status: str, histories: Histories, estimates: dict[str, Estimate]) -> list[str]:
    """Plain sentences for a merchant on what the status means."""
    buyers, repeaters = round(histories.consumers), round(histories.repeaters)
    weeks = round(histories.span)
    have = f"{repeaters} of {buyers} buyers have bought again in {weeks} weeks"
    if status == TOO_FEW:
        return [
            f"There is too little to predict from: {buyers} buyers in {weeks} weeks. "
            f"Predictions begin at {FEWEST_BUYERS} buyers and {FEWEST_WEEKS:.0f} weeks."
        ]
    if status == ONE_TIME_ONLY:
        return [
            f"Almost everybody buys once here: {have}. Expected orders rest on this share, on how long ago each "
            "consumer came and on how often they bought; whether a consumer has left for good cannot be told."
        ]
    if status == SMALL:
        return [
            f"The data are thin: {have}. The numbers lean on assumptions about shops in general, and their intervals "
            "are wide. Whether a consumer has left for good cannot be told."
        ]
    if status == DEGENERATE:
        return [
            "The purchase histories fit none of the models of churn. Expected orders are those of consumers who keep "
            "the rate at which they bought so far."
        ]
    notes = []
    if not shows_churn(estimates):
        notes.append(
            f"No churn is visible in these {weeks} weeks: consumers who all keep buying at their own rate explain the "
            "histories as well. That is not the same as no churn, so no probability of being active is given."
        )
    if rates_alike(estimates):
        notes.append("Consumers hardly differ in how often they buy, so that a history says little about its consumer.")
    return notes
