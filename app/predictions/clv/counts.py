"""The distribution of a consumer's future purchases, and its quantiles.

Given that a consumer has not stopped by the as-of date, all our models are of one form. The purchases of an exposure t
are negative binomial (a Poisson process whose rate has a gamma posterior of shape r and rate alpha), and either the
exposure is cut short at an unknown time (Pareto/NBD: a mixture over exposures), or after each purchase the consumer
stops with a probability that has a beta(a, b) posterior (BG/NBD and MBG/NBD). So

    P(X >= k) = E[(1 - p)^(k - 1)] * sum_j weight_j * P(NB(r, alpha, t_j) >= k),

which is eq. 8 of Fader, Hardie & Lee (2005) summed from k on, and eq. 28 of Fader & Hardie (2014, "Deriving the
conditional PMF of the Pareto/NBD model") with its integral by quadrature.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, gammaln

from app.predictions.clv.histories import Index, Mask, Vector

FEW = 40.0
"""Means up to which probabilities are summed one count after the other; above it quantiles are searched for.

The recursion takes a step for each count, and where counts are scaled up to those of buyers alone, so are the steps.
"""
MOST = 600.0
"""The mean of any one exposure up to which they are summed: the recursion starts at its P(NB = 0), above e^-mean, and
would never end from one that has underflowed."""
ROW_BLOCK = 2**20
"""Numbers held at once by a recursion."""


@dataclass(frozen=True, eq=False)
class CountLaw:
    """Rows (n,) of such distributions; `exposure` and `weight` are (n, nodes), and p = 0 is `stops` 0, `stays` 1."""

    shape: Vector
    rate: Vector
    exposure: Vector
    weight: Vector
    stops: Vector
    stays: Vector

    @property
    def size(self) -> int:
        return len(self.shape)

    def take(self, rows: Index | slice) -> "CountLaw":
        return CountLaw(
            self.shape[rows],
            self.rate[rows],
            self.exposure[rows],
            self.weight[rows],
            self.stops[rows],
            self.stays[rows],
        )

    def spread(self, factors: Vector, weights: Vector) -> "CountLaw":
        """With the purchase rate multiplied by one of `factors` (n, m), of probabilities `weights` (m,)."""
        exposure = (self.exposure[:, :, None] * factors[:, None, :]).reshape(self.size, -1)
        weight = (self.weight[:, :, None] * weights[None, None, :]).reshape(self.size, -1)
        return CountLaw(self.shape, self.rate, exposure, weight, self.stops, self.stays)

    def survival(self, k: Vector) -> Vector:
        """P(X >= k) for one k >= 1 a row, however large."""
        scaled = self.exposure / self.rate[:, None]
        tail = betainc(np.maximum(k, 1.0)[:, None], self.shape[:, None], scaled / (1.0 + scaled))
        result: Vector = _stay(self.stops, self.stays, k - 1.0) * (self.weight * tail).sum(axis=1)
        return result

    def any_purchase(self) -> Vector:
        """P(X >= 1)."""
        scaled = self.exposure / self.rate[:, None]
        result: Vector = (self.weight * -np.expm1(-self.shape[:, None] * np.log1p(scaled))).sum(axis=1)
        return result

    def mean_without_stopping(self) -> Vector:
        """At least the mean: what it would be if no purchase were the last."""
        mean: Vector = self.shape / self.rate * (self.weight * self.exposure).sum(axis=1)
        return mean


def _stay(stops: Vector, stays: Vector, purchases: Vector) -> Vector:
    """E[(1 - p)^purchases], p ~ beta(stops, stays)."""
    log = gammaln(stays + purchases) - gammaln(stays) + gammaln(stops + stays) - gammaln(stops + stays + purchases)
    result: Vector = np.exp(np.minimum(log, 0.0))
    return result


def quantiles(law: CountLaw, scale: Vector, levels: tuple[float, ...]) -> Vector:
    """(n, levels): the smallest k with P(X <= k) >= level, where P(X >= k) is `scale` times the law's, k >= 1.

    `scale` is what turns "given that they have not stopped" into a probability, about P(alive).
    """
    found = np.zeros((law.size, len(levels)))
    largest = law.shape / law.rate * law.exposure.max(axis=1)
    many = (law.mean_without_stopping() * np.maximum(scale, 1.0) > FEW) | (largest > MOST)
    if many.any():
        rows = np.flatnonzero(many)
        for column, level in enumerate(levels):
            found[rows, column] = _search(law.take(rows), scale[rows], 1.0 - level)
    rows = np.flatnonzero(~many)
    step = max(1, ROW_BLOCK // max(law.exposure.shape[1], 1))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        found[block] = _count_up(law.take(block), scale[block], levels)
    return found


class Walk:
    """P(X >= 1), P(X >= 2) and so on of a law, one after the other. For means that are not large: see FEW."""

    def __init__(self, law: CountLaw) -> None:
        scaled = law.exposure / law.rate[:, None]
        self._share = scaled / (1.0 + scaled)
        self._mass = np.exp(-law.shape[:, None] * np.log1p(scaled)) * law.weight
        self._tail = law.weight.sum(axis=1)
        self._stay = np.ones(law.size)
        self._shape, self._stops, self._stays = law.shape, law.stops, law.stays
        self._count = 0

    def step(self) -> Vector:
        """P(X >= k), where this is the k-th call."""
        k = self._count
        self._tail = np.maximum(self._tail - self._mass.sum(axis=1), 0.0)
        if k:
            self._stay = self._stay * (self._stays + k - 1) / (self._stops + self._stays + k - 1)
        self._mass *= self._share * ((self._shape + k) / (k + 1.0))[:, None]
        self._count += 1
        result: Vector = self._stay * self._tail
        return result

    def keep(self, rows: Mask) -> None:
        for name in ("_share", "_mass", "_tail", "_stay", "_shape", "_stops", "_stays"):
            setattr(self, name, getattr(self, name)[rows])


def _count_up(law: CountLaw, scale: Vector, levels: tuple[float, ...]) -> Vector:
    """Quantiles by walking up from 0; rows that are done are dropped once they are half of those left."""
    found = np.zeros((law.size, len(levels)))
    limits = 1.0 - np.asarray(levels) + 1e-12
    rows, walk, count = np.arange(law.size), Walk(law), 0
    while len(rows):
        count += 1
        above = (scale[rows] * walk.step())[:, None] > limits
        found[rows] += above
        going: Mask = np.any(above, axis=1)
        if 2 * np.count_nonzero(going) <= len(rows):
            walk.keep(going)
            rows = rows[going]
    return found


def _search(law: CountLaw, scale: Vector, limit: float) -> Vector:
    """The smallest k >= 0 with scale * P(X >= k + 1) <= limit, by doubling and halving."""
    low = np.zeros(law.size)
    high = np.maximum(np.ceil(law.mean_without_stopping()), 1.0)
    while (above := scale * law.survival(high + 1.0) > limit).any():
        low = np.where(above, high, low)
        high = np.where(above, high * 2.0, high)
    low -= 1.0
    while (open_ := high - low > 1.0).any():
        middle = np.maximum(np.floor((low + high) / 2.0), 0.0)
        above = scale * law.survival(middle + 1.0) > limit
        low = np.where(open_ & above, middle, low)
        high = np.where(open_ & ~above, middle, high)
    return high
