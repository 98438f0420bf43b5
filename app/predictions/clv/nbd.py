"""NBD: Ehrenberg (1959). A rate for each consumer and no stopping: what is left where stopping cannot be seen."""

import numpy as np
from scipy.special import gammaln, psi

from app.predictions.clv.counts import CountLaw
from app.predictions.clv.family import Family
from app.predictions.clv.histories import Histories, Vector
from app.predictions.clv.waiting import lomax, lomax_waiting


class Nbd(Family):
    """A gamma(r, alpha) prior of the rates, estimated from all consumers: empirical Bayes by age and frequency."""

    key, title = "nbd", "NBD (gamma-Poisson)"
    names = ("r", "alpha")
    scales = ("alpha",)
    churn = False

    def starts(self, rate: float) -> list[tuple[float, ...]]:
        return [(0.5, 0.5 / rate), (5.0, 5.0 / rate)]

    def log_likelihood(self, parameters: Vector, histories: Histories) -> tuple[Vector, list[Vector]]:
        r, alpha = parameters
        x, at = histories.levels
        log_age = np.log(alpha + histories.age)
        rx = (r + x)[at]
        value = (gammaln(r + x) - gammaln(r) + r * np.log(alpha))[at] - rx * log_age
        d_r = (psi(r + x) - psi(r) + np.log(alpha))[at] - log_age
        d_alpha = r / alpha - rx / (alpha + histories.age)
        return value, [r * d_r, alpha * d_alpha]

    def alive(self, parameters: Vector, histories: Histories) -> Vector:
        return np.ones(histories.size)

    def law(self, parameters: Vector, histories: Histories, horizon: float) -> CountLaw:
        r, alpha = parameters
        n = histories.size
        exposure, weight = np.full((n, 1), horizon), np.ones((n, 1))
        return CountLaw(
            r + histories.frequency, alpha + histories.age, exposure, weight, stops=np.zeros(n), stays=np.ones(n)
        )

    def expected(self, parameters: Vector, histories: Histories, horizon: float) -> Vector:
        r, alpha = parameters
        mean: Vector = (r + histories.frequency) / (alpha + histories.age) * horizon
        return mean

    def returning(self, parameters: Vector, histories: Histories, horizon: float) -> Vector:
        r, alpha = parameters
        return lomax(horizon, r + histories.frequency, alpha + histories.age)

    def waiting(self, parameters: Vector, histories: Histories, horizon: float, levels: tuple[float, ...]) -> Vector:
        r, alpha = parameters
        return lomax_waiting(r + histories.frequency, alpha + histories.age, horizon, levels)
