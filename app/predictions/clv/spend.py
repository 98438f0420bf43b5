"""What is spent on future purchases: a random number of them, each of a Gamma-Gamma amount.

Given nu, a sum of k purchases is gamma(p k, nu). With nu ~ gamma(q', gamma') a posterior, S / (S + gamma') of k
purchases is therefore beta(p k, q'), so that P(S <= s) is a sum over k of incomplete beta functions. And S / gamma' has
one distribution for all consumers of a history, whatever they spent: its quantiles are found once for each.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.special import betainc, betaln
from scipy.stats import spearmanr

from app.predictions.clv.counts import CountLaw, Walk, quantiles
from app.predictions.clv.gamma_gamma import GammaGamma, fit_gamma_gamma, log_likelihood
from app.predictions.clv.histories import Consumers, Vector

FEW_SPENDERS = 50
"""Below so many repeaters all purchases are used, first ones too, and a prior holds p and q."""
PRIORS = ((float(np.log(4.0)), 0.7), (float(np.log(4.0)), 0.5))
"""Of log p and log q: amounts of a consumer vary by half, and consumers' means by about two thirds."""
LEAST_Q = 1.2
"""The mean over consumers exists for q > 1 only, and close to 1 it is made by a tail nobody has seen. Below this q is
set to 2, and the level is the shop's own mean purchase."""
HELD_Q = 2.0
CORRELATED = 0.3
"""Rank correlation of how often and how much from which the model's independence of the two is worth a note."""
ATOMS = 16
"""Equally likely counts that stand for a distribution of more counts than these."""
FIRM_SHAPE = 1.05


@dataclass(frozen=True)
class SpendModel:
    gamma_gamma: GammaGamma
    with_first: bool
    """Whether a consumer's first purchase counts among those that tell what they spend."""
    uncertainty: float
    """Coefficient of variation of the mean purchase from the parameters, and from the backtest's widening."""

    def seen(self, consumers: Consumers) -> tuple[Vector, Vector]:
        """Purchases and their amount that the posterior rests on."""
        return _seen(consumers, self.with_first)

    def per_purchase(self, consumers: Consumers) -> Vector:
        purchases, amount = self.seen(consumers)
        return self.gamma_gamma.expected(purchases, amount)

    def shape(self, frequency: Vector) -> Vector:
        """q', lowered for what is uncertain about the parameters: 1 / q' is the squared variation of nu."""
        model = self.gamma_gamma
        certain = model.q + model.p * (frequency + 1.0 if self.with_first else frequency)
        # The more purchases are seen, the less of the mean comes from the parameters.
        share = np.clip((model.q - 1.0) / (certain - 1.0), 0.0, 1.0)
        lowered = 1.0 / (1.0 / certain + (share * self.uncertainty) ** 2)
        result: Vector = np.maximum(lowered, np.minimum(certain, FIRM_SHAPE))
        return result

    def unit(self, consumers: Consumers) -> Vector:
        """gamma', such that the mean purchase is kept at that shape."""
        result: Vector = self.per_purchase(consumers) * (self.shape(consumers.frequency) - 1.0) / self.gamma_gamma.p
        return result

    def widened(self, uncertainty: float) -> "SpendModel":
        return replace(self, uncertainty=float(np.hypot(self.uncertainty, uncertainty)))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "SpendModel":
        return cls(GammaGamma(**data["gamma_gamma"]), data["with_first"], data["uncertainty"])


def fit_spend(consumers: Consumers) -> tuple[SpendModel, list[str]]:
    """The model of spend, and notes on what could not be fitted."""
    notes: list[str] = []
    repeat = (consumers.frequency > 0) & (consumers.amount > consumers.first_amount)
    with_first = int(repeat.sum()) < FEW_SPENDERS
    purchases, amount = _seen(consumers, with_first)
    usable = (purchases > 0) & (amount > 0)
    purchases, amount = purchases[usable], amount[usable]
    mean = float(amount.sum() / purchases.sum())
    if with_first:
        notes.append("Few consumers have bought again: what they spend is drawn towards the mean of all purchases.")
    prior = PRIORS if with_first else None
    model = fit_gamma_gamma(purchases, amount, prior=prior)
    if with_first or model.q < LEAST_Q:
        if model.q < LEAST_Q:
            notes.append(
                "A few very large orders dominate, and the mean of the fitted spend does not exist: spend is drawn "
                "towards the shop's own mean purchase."
            )
            model = fit_gamma_gamma(purchases, amount, least_q=HELD_Q, prior=prior)
        model = replace(model, gamma=mean * (model.q - 1.0) / model.p)
    if len(purchases) >= FEW_SPENDERS and np.ptp(purchases) > 0 and np.ptp(amount / purchases) > 0:
        correlation = float(spearmanr(purchases, amount / purchases).statistic)
        if abs(correlation) > CORRELATED:
            notes.append(
                f"Consumers who buy more often spend {'more' if correlation > 0 else 'less'} at a time "
                f"(rank correlation {correlation:.2f}); expected spend takes the two as independent."
            )
    return SpendModel(model, with_first, _uncertainty(model, purchases, amount)), notes


def _seen(consumers: Consumers, with_first: bool) -> tuple[Vector, Vector]:
    if with_first:
        return consumers.frequency + 1.0, consumers.amount
    return consumers.frequency, np.maximum(consumers.amount - consumers.first_amount, 0.0)


def _uncertainty(model: GammaGamma, purchases: Vector, amount: Vector) -> float:
    """Relative standard error of the mean purchase, by differences of the gradient (log parameters)."""
    logs, step = np.log([model.p, model.q, model.gamma]), 1e-4
    rows = []
    for place in range(3):
        shift = np.eye(3)[place] * step
        up = log_likelihood(np.exp(logs + shift), purchases, amount)[1]
        down = log_likelihood(np.exp(logs - shift), purchases, amount)[1]
        rows.append((up - down) / (2.0 * step))
    curvature = -np.array(rows)
    values, axes = np.linalg.eigh((curvature + curvature.T) / 2.0)
    # log mean = log p + log gamma - log(q - 1)
    slope = np.array([1.0, -model.q / max(model.q - 1.0, 0.05), 1.0])
    along = axes.T @ slope
    return float(min(np.sqrt((along**2 / np.maximum(values, 1.0)).sum()), 1.0))


@dataclass(frozen=True, eq=False)
class SpendLaw:
    """Of S / gamma': `count` (n, atoms) purchases with `share` given at least one, which has `probability`."""

    probability: Vector
    count: Vector
    share: Vector
    p: float
    shape: Vector

    def take(self, rows: Any) -> "SpendLaw":
        return SpendLaw(self.probability[rows], self.count[rows], self.share[rows], self.p, self.shape[rows])

    def cumulative(self, ratio: Vector) -> Vector:
        """P(S / gamma' <= ratio), for ratios above 0."""
        inside = betainc(self.p * self.count, self.shape[:, None], (ratio / (1.0 + ratio))[:, None])
        result: Vector = 1.0 - self.probability + self.probability * (self.share * inside).sum(axis=1)
        return result

    def log_density(self, ratio: Vector) -> Vector:
        """Of ln(S / gamma'), not its logarithm."""
        powers, shape = self.p * self.count, self.shape[:, None]
        below, above = -np.log1p(1.0 / ratio)[:, None], -np.log1p(ratio)[:, None]
        density = np.exp(powers * below + shape * above - betaln(powers, shape))
        result: Vector = self.probability * (self.share * density).sum(axis=1)
        return result


def spend_law(law: CountLaw, probability: Vector, p: float, shape: Vector) -> SpendLaw:
    """`probability` of any purchase, and beyond that the counts of `law`."""
    walk = Walk(law)
    tails = [np.maximum(walk.step(), 1e-300)]
    for _ in range(ATOMS):
        tails.append(walk.step())
    tail = np.minimum(np.column_stack(tails) / tails[0][:, None], 1.0)
    count = np.broadcast_to(np.arange(1.0, ATOMS + 1.0), (law.size, ATOMS)).copy()
    share = tail[:, :-1] - tail[:, 1:]
    # What is beyond the last atom is put on it, or where it is more than a trifle, atoms are quantiles instead.
    share[:, -1] += tail[:, -1]
    many = np.flatnonzero((tail[:, -1] > 0.005) | (tails[0] <= 1e-300))
    if len(many):
        sub = law.take(many)
        first = np.maximum(sub.survival(np.ones(len(many))), 1e-300)
        levels = tuple((np.arange(ATOMS) + 0.5) / ATOMS)
        count[many] = np.maximum(quantiles(sub, 1.0 / first, levels), 1.0)
        share[many] = 1.0 / ATOMS
    return SpendLaw(probability, count, share, p, shape)


def spend_quantile(law: SpendLaw, level: float) -> Vector:
    """Of S / gamma', by Newton's method within a bracket, to a thousandth."""
    found = np.zeros(len(law.probability))
    rows = np.flatnonzero(law.probability > 1.0 - level)
    law = law.take(rows)
    mean_count = (law.count * law.share).sum(axis=1)
    guess = np.log(law.p * mean_count / law.shape)
    low, high = guess - 3.0, guess + 3.0
    while (short := law.cumulative(np.exp(high)) < level).any():
        high = np.where(short, high + 4.0, high)
    while (beyond := law.cumulative(np.exp(low)) > level).any():
        low = np.where(beyond, low - 8.0, low)
    for _ in range(60):
        if not len(rows):
            break
        ratio = np.exp(guess)
        miss = law.cumulative(ratio) - level
        low, high = np.where(miss < 0.0, guess, low), np.where(miss >= 0.0, guess, high)
        step = miss / np.maximum(law.log_density(ratio), 1e-12)
        ahead = guess - step
        inside = (ahead > low) & (ahead < high)
        following = np.where(inside, ahead, (low + high) / 2.0)
        found[rows] = np.exp(following)
        going = np.abs(following - guess) > 1e-3
        if going.all():
            guess = following
            continue
        rows, law = rows[going], law.take(going)
        guess, low, high = following[going], low[going], high[going]
    return found
