"""What BG/NBD and MBG/NBD share: how a consumer who has not stopped goes on.

Their posterior given the history is the same but for one number: the rate is gamma(r + x, alpha + T) and the
probability to stop after a purchase is beta(a, stays), where `stays` is b + x for BG/NBD and b + x + 1 for MBG/NBD,
in which a consumer may stop right after the first purchase too.
"""

from abc import abstractmethod

import numpy as np
from scipy.special import betaincinv, hyp2f1

from app.predictions.clv.counts import CountLaw
from app.predictions.clv.family import Family
from app.predictions.clv.histories import Histories, Vector
from app.predictions.clv.waiting import lomax, lomax_waiting

NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(48)


class BetaGeometric(Family):
    names = ("r", "alpha", "a", "b")
    scales = ("alpha",)

    @abstractmethod
    def stays(self, parameters: Vector, histories: Histories) -> Vector:
        """The second parameter of the beta posterior."""

    def starts(self, rate: float) -> list[tuple[float, ...]]:
        return [(0.5, 0.5 / rate, 0.8, 2.5), (1.0, 1.0 / rate, 0.05, 1.0), (0.25, 0.1 / rate, 2.0, 4.0)]

    def law(self, parameters: Vector, histories: Histories, horizon: float) -> CountLaw:
        r, alpha, a, _ = parameters
        n = histories.size
        return CountLaw(
            shape=r + histories.frequency,
            rate=alpha + histories.age,
            exposure=np.full((n, 1), horizon),
            weight=np.ones((n, 1)),
            stops=np.full(n, a),
            stays=self.stays(parameters, histories),
        )

    def expected(self, parameters: Vector, histories: Histories, horizon: float) -> Vector:
        r, alpha, a, _ = parameters
        x, stays = histories.frequency, self.stays(parameters, histories)
        return expected_purchases(r + x, alpha + histories.age, a, stays, horizon)

    def returning(self, parameters: Vector, histories: Histories, horizon: float) -> Vector:
        r, alpha, _, _ = parameters
        return lomax(horizon, r + histories.frequency, alpha + histories.age)

    def waiting(self, parameters: Vector, histories: Histories, horizon: float, levels: tuple[float, ...]) -> Vector:
        r, alpha, _, _ = parameters
        return lomax_waiting(r + histories.frequency, alpha + histories.age, horizon, levels)


def expected_purchases(shape: Vector, rate: Vector, a: float, stays: Vector, horizon: float) -> Vector:
    """Eq. 10 of Fader, Hardie & Lee (2005) without P(alive), after Euler's transformation of its 2F1.

    As printed, the 2F1 grows like (1 - z)^-shape and overflows; transformed, it stays near 1 and that factor cancels:
    (a + stays - 1) / (a - 1) * [1 - (1 - z)^(a - 1) 2F1(a + stays - 1 - shape, a - 1; a + stays - 1; z)].
    """
    z = horizon / (rate + horizon)
    total = a + stays - 1.0
    least, most = lomax(horizon, shape, rate), shape * horizon / rate
    with np.errstate(all="ignore"):
        series = hyp2f1(total - shape, a - 1.0, total, z)
        mean: Vector = total / (a - 1.0) * (1.0 - np.exp((a - 1.0) * np.log1p(-z)) * series)
    # A mean below P(X > 0), or above what it would be without stopping, is a failed 2F1; at a = 1 it is 0 / 0.
    slack = 1e-9 * most
    poor = ~((mean >= least - slack) & (mean <= most + slack)) | (abs(a - 1.0) < 1e-5)
    if poor.any():
        rows = np.flatnonzero(poor)
        mean[rows] = _expected_by_quadrature(shape[rows], rate[rows], a, stays[rows], horizon)
    return np.clip(mean, least, most)


def _expected_by_quadrature(shape: Vector, rate: Vector, a: float, stays: Vector, horizon: float) -> Vector:
    """The same mean as that of [1 - (1 + p h / rate)^-shape] / p over the quantiles of p's posterior."""
    mean = np.zeros(len(shape))
    for node, weight in zip(NODES, NODE_WEIGHTS, strict=True):
        p = np.maximum(betaincinv(a, stays, (node + 1.0) / 2.0), 1e-300)
        mean += weight / 2.0 * -np.expm1(-shape * np.log1p(p * horizon / rate)) / p
    return mean
