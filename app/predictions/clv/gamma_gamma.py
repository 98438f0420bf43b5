"""Gamma-Gamma model of spend: Fader & Hardie (2013), "The Gamma-Gamma model of monetary value".

What a consumer spends on a purchase day is gamma(p, nu), and nu is gamma(q, gamma) over consumers, independently of how
often they buy. After n purchases of S in all, nu is gamma(q + p n, gamma + S).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln, psi

from app.predictions.clv.histories import Vector

LOG_BOUNDS = ((-4.0, 9.0), (-4.0, 9.0), (-9.0, 14.0))


@dataclass(frozen=True)
class GammaGamma:
    p: float
    q: float
    gamma: float
    log_likelihood: float
    consumers: int

    @property
    def mean(self) -> float:
        """Of a purchase, over all consumers; infinite where q <= 1."""
        return self.p * self.gamma / (self.q - 1.0) if self.q > 1.0 else float("inf")

    def expected(self, purchases: Vector, amount: Vector) -> Vector:
        """The mean of a future purchase after `purchases` of `amount` in all (eq. 5)."""
        mean: Vector = self.p * (self.gamma + amount) / (self.p * purchases + self.q - 1.0)
        return mean


def log_likelihood(parameters: Vector, purchases: Vector, amount: Vector) -> tuple[float, Vector]:
    """Eq. 1a summed over consumers, and its gradient by the log parameters."""
    p, q, gamma = parameters
    n, at = np.unique(purchases, return_inverse=True)
    log_total, log_amount = np.log(gamma + amount), np.log(amount)
    by_count = gammaln(p * n + q) - gammaln(p * n) - gammaln(q) + q * np.log(gamma) + np.log(n)
    value = by_count[at] + (p * n)[at] * log_amount - log_amount - (p * n + q)[at] * log_total
    d_p = (n * (psi(p * n + q) - psi(p * n)))[at] + purchases * (log_amount - log_total)
    d_q = (psi(p * n + q) - psi(q) + np.log(gamma))[at] - log_total
    d_gamma = q / gamma - (p * n + q)[at] / (gamma + amount)
    return float(value.sum()), np.array([p * d_p.sum(), q * d_q.sum(), gamma * d_gamma.sum()])


def fit_gamma_gamma(
    purchases: Vector,
    amount: Vector,
    *,
    least_q: float = 0.0,
    prior: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> GammaGamma:
    """`prior`: mean and deviation of log p and of log q. Amounts are measured in their mean while fitting."""
    unit = float(amount.sum() / purchases.sum())
    scaled, total = amount / unit, len(amount)

    def objective(logs: Vector) -> tuple[float, Vector]:
        value, slope = log_likelihood(np.exp(logs), purchases, scaled)
        value, slope = -value, -slope
        for place, (mean, deviation) in enumerate(prior or ()):
            distance = (logs[place] - mean) / deviation
            value += distance**2 / 2.0
            slope[place] += distance / deviation
        return value / total, slope / total

    bounds = list(LOG_BOUNDS)
    if least_q > 0.0:
        bounds[1] = (np.log(least_q), bounds[1][1])
    results = [
        minimize(objective, np.log(start), jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13})
        for start in ((2.0, 3.0, 1.0), (6.0, 4.0, 0.5))
    ]
    best = min(results, key=lambda result: float(result.fun))
    p, q, gamma = np.exp(best.x)
    log_value, _ = log_likelihood(np.array([p, q, gamma * unit]), purchases, amount)
    return GammaGamma(float(p), float(q), float(gamma * unit), log_value, total)
