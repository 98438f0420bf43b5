"""Distributions of orders as they are published: the model's shape, the blend's level, and what is uncertain."""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from app.predictions.clv.counts import CountLaw, quantiles
from app.predictions.clv.fitting import Estimate
from app.predictions.clv.histories import Histories, Index, Vector

RATE_NODES, _NODE_WEIGHTS = hermegauss(5)
RATE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()
LEAST = 1e-12
SURE = 0.05
"""An uncertainty of a rate below 5 % adds less than 0.3 % to the variance of a count, and is left out."""
MOST_UNCERTAIN = 2.0


@dataclass(frozen=True, eq=False)
class Cases:
    """`mean` and `probability` (of any purchase) are those to be published; `base_mean` is that of `law`."""

    law: CountLaw
    base_mean: Vector
    mean: Vector
    probability: Vector
    uncertainty: Vector
    """Coefficient of variation of the purchase rate, beside the gamma posterior of the consumer's own."""


@dataclass(frozen=True, eq=False)
class Counts:
    """P(X >= k) is `scale` times the law's for k >= 1, so that P(X >= 1) is the published probability."""

    law: CountLaw
    scale: Vector
    probability: Vector

    def take(self, rows: Index) -> "Counts":
        return Counts(self.law.take(rows), self.scale[rows], self.probability[rows])

    def cumulated(self, orders: Vector) -> Vector:
        """(n, 2): P(X < orders) and P(X <= orders)."""
        at_least = np.where(orders > 0, self.scale * self.law.survival(np.maximum(orders, 1.0)), 1.0)
        more = self.scale * self.law.survival(orders + 1.0)
        result: Vector = 1.0 - np.minimum(np.column_stack([at_least, more]), 1.0)
        return result


def counts_of(cases: Cases) -> Counts:
    """The model's law with its rate multiplied such that those who buy at all have the published mean.

    And by a lognormal of mean 1 for what is uncertain; P(X >= 1) is then set to what is published.
    """
    factor = _rate_factor(cases)
    uncertainty = np.where(cases.uncertainty < SURE, 0.0, cases.uncertainty)
    if uncertainty.any():
        deviation = np.sqrt(np.log1p(uncertainty**2))[:, None]
        law = cases.law.spread(factor[:, None] * np.exp(deviation * RATE_NODES - deviation**2 / 2.0), RATE_WEIGHTS)
    else:
        law = cases.law.spread(factor[:, None], np.ones(1))
    return Counts(law, cases.probability / np.maximum(law.any_purchase(), LEAST), cases.probability)


def order_quantiles(counts: Counts, levels: tuple[float, ...]) -> Vector:
    return quantiles(counts.law, counts.scale, levels)


def rate_uncertainty(estimate: Estimate, histories: Histories, horizon: float) -> Vector:
    """Coefficient of variation of a consumer's expected orders from the parameters' uncertainty.

    From the expectations one standard deviation to either side along each principal axis of that uncertainty, which is
    the delta method with finite steps. That of P(alive) is left out: mixed over, a probability is its mean.
    """
    total = np.zeros(histories.size)
    for above, below in estimate.principal_points():
        up = estimate.family.expected(above, histories, horizon)
        down = estimate.family.expected(below, histories, horizon)
        total += (np.log(np.maximum(up, LEAST)) - np.log(np.maximum(down, LEAST))) ** 2 / 4.0
    return np.minimum(np.sqrt(total), MOST_UNCERTAIN)


def _rate_factor(cases: Cases) -> Vector:
    """By how much to multiply the rate, so that the mean of those who buy becomes the published one.

    Found as if nobody stopped within the horizon, relative to the same for the model's own level, so that it is exactly
    1 where nothing was changed and close elsewhere.
    """
    shape, base = cases.law.shape, np.maximum(cases.base_mean, LEAST)

    def of_buyers(log_factor: Vector) -> Vector:
        """Log of the mean of those who buy."""
        mean = base * np.exp(log_factor)
        result: Vector = np.log(mean) - np.log(-np.expm1(-shape * np.log1p(mean / shape)))
        return result

    own = np.log(base) - np.log(np.maximum(cases.law.any_purchase(), LEAST))
    wanted = np.log(np.maximum(cases.mean / np.maximum(cases.probability, LEAST), 1.0))
    target = of_buyers(np.zeros(len(base))) + wanted - own
    low, high = np.full(len(base), -4.0), np.full(len(base), 4.0)
    for _ in range(24):
        middle = (low + high) / 2.0
        short = of_buyers(middle) < target
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.where(np.abs(wanted - own) < 1e-4, 1.0, np.exp((low + high) / 2.0))
