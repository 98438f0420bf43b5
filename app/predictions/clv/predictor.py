"""From fitted parts to numbers: orders, spend, probabilities and their intervals of consumers, at any horizon."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from app.predictions.clv.boosting import Boosting, features_of
from app.predictions.clv.fitting import Estimate
from app.predictions.clv.histories import Consumers, Histories, Index, Vector, group_rows
from app.predictions.clv.intervals import Cases, Counts, counts_of, order_quantiles, rate_uncertainty
from app.predictions.clv.spend import SpendLaw, SpendModel, spend_law, spend_quantile

NEXT_ORDER_LEVELS = (0.1, 0.5, 0.9)
LIKELY_TO_RETURN = 0.5
"""A date of the next order is given to those more likely than not to order within the horizon."""
COARSE = 0.05
"""Boosting changes every consumer's level; for intervals the changes are rounded to steps of 5 %."""
BLOCK = 50_000
CASES = 10_000
LEAST = 1e-12
TELLS_APART = 0.02
"""Probabilities nearer to 0 or 1 are the same to boosting, which averages over leaves. What it makes of a purchase that
is all but certain within its own horizon would make one within a shorter horizon next to impossible."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Arrays (n,). Means lie within their intervals; those hold `level` of the outcomes at least.

    `probability` is that of a purchase within the horizon. `probability_active` is NaN where no churn can be seen. The
    quantiles of the next order are in weeks after the as-of date, given that it comes within the horizon, and NaN where
    that is less likely than not. Everything is NaN where the model refuses.
    """

    orders: Vector
    orders_lower: Vector
    orders_upper: Vector
    spend: Vector
    spend_lower: Vector
    spend_upper: Vector
    probability: Vector
    probability_active: Vector
    next_order_p10: Vector
    next_order_p50: Vector
    next_order_p90: Vector


@dataclass(frozen=True)
class Choice:
    """Which model predicts, by key, and the share of boosting in it: 0, a half or 1."""

    orders: str
    probability: str
    orders_boosted: float = 0.0
    probability_boosted: float = 0.0


@dataclass(frozen=True, eq=False)
class Levels:
    """Expected orders and the probability of any, of each consumer."""

    mean: Vector
    probability: Vector


@dataclass(frozen=True, eq=False)
class _Base:
    """What the models of histories say of each: `mean` is given that the consumer has not stopped."""

    alive: Vector
    mean: Vector
    probability: Vector


@dataclass(frozen=True, eq=False)
class _Block:
    """Distributions of distinct cases; `consumers` are those in them, `places` the case of each of those."""

    counts: Counts
    spend: SpendLaw
    consumers: Index
    places: Index


@dataclass(frozen=True, eq=False)
class Predictor:
    """`widening` is the coefficient of variation of rates, `spend.uncertainty` of spend, that a backtest asked for."""

    estimates: dict[str, Estimate]
    choice: Choice
    spend: SpendModel
    boosting: Boosting | None = None
    widening: float = 0.0

    def predict(self, consumers: Consumers, horizon: float, *, level: float, churn_visible: bool) -> Prediction:
        n = consumers.size
        histories, places = consumers.histories()
        base = self._base(histories, horizon)
        published = self._publish(consumers, base, places)
        levels = ((1.0 - level) / 2.0, (1.0 + level) / 2.0)
        bounds = np.zeros((n, 4))
        for block in self._distributions(histories, places, base, published, horizon):
            spent = [spend_quantile(block.spend, each) for each in levels]
            found = np.column_stack([order_quantiles(block.counts, levels), *spent])
            bounds[block.consumers] = found[block.places]
        mean, unit = published.mean, self.spend.unit(consumers)
        spend = mean * self.spend.per_purchase(consumers)
        waiting = self._waiting(histories, horizon)[places]
        waiting[published.probability < LIKELY_TO_RETURN] = np.nan
        return Prediction(
            orders=mean,
            orders_lower=np.minimum(bounds[:, 0], np.floor(mean)),
            orders_upper=np.maximum(bounds[:, 1], np.ceil(mean)),
            spend=spend,
            spend_lower=np.minimum(bounds[:, 2] * unit, spend),
            spend_upper=np.maximum(bounds[:, 3] * unit, spend),
            probability=published.probability,
            probability_active=base.alive[places] if churn_visible else np.full(n, np.nan),
            next_order_p10=waiting[:, 0],
            next_order_p50=waiting[:, 1],
            next_order_p90=waiting[:, 2],
        )

    def levels(self, consumers: Consumers, horizon: float) -> Levels:
        """Without intervals, at a fraction of the cost."""
        histories, places = consumers.histories()
        return self._publish(consumers, self._base(histories, horizon), places)

    def waiting(self, consumers: Consumers, horizon: float) -> Vector:
        """(n, 3): quantiles of the weeks to the next order given that it comes within the horizon, for everybody."""
        histories, places = consumers.histories()
        return self._waiting(histories, horizon)[places]

    def features(self, consumers: Consumers, horizon: float) -> Vector:
        """What boosting reads."""
        histories, places = consumers.histories()
        base = self._base(histories, horizon)
        return features_of(consumers, (base.alive * base.mean)[places], base.alive[places])

    def cumulated(self, consumers: Consumers, horizon: float, orders: Vector, spend: Vector) -> tuple[Vector, Vector]:
        """(n, 2) for orders and for spend: the predicted P(less than what came) and P(not more than it)."""
        histories, places = consumers.histories()
        base = self._base(histories, horizon)
        published = self._publish(consumers, base, places)
        of_orders, of_spend = np.zeros((consumers.size, 2)), np.zeros((consumers.size, 2))
        ratio = spend / self.spend.unit(consumers)
        for block in self._distributions(histories, places, base, published, horizon):
            for start in range(0, len(block.consumers), CASES):
                who, at = block.consumers[start : start + CASES], block.places[start : start + CASES]
                of_orders[who] = block.counts.take(at).cumulated(orders[who])
                bought = spend[who] > 0
                law = block.spend.take(at)
                reached = law.cumulative(np.where(bought, ratio[who], 1.0))
                of_spend[who, 0] = np.where(bought, reached, 0.0)
                of_spend[who, 1] = np.where(bought, reached, 1.0 - law.probability)
        return of_orders, of_spend

    def _base(self, histories: Histories, horizon: float) -> _Base:
        orders, other = self.estimates[self.choice.orders], self.estimates[self.choice.probability]
        base = _Base(*np.zeros((3, histories.size)))
        for rows in _blocks(histories.size):
            block = histories.take(rows)
            base.alive[rows] = orders.family.alive(orders.parameters, block)
            base.mean[rows] = orders.family.expected(orders.parameters, block, horizon)
            alive = base.alive[rows] if other is orders else other.family.alive(other.parameters, block)
            base.probability[rows] = alive * other.family.returning(other.parameters, block, horizon)
        return base

    def _publish(self, consumers: Consumers, base: _Base, places: Index) -> Levels:
        mean, probability = (base.alive * base.mean)[places], base.probability[places]
        if self.boosting is not None:
            factor, log_odds = self._boosted(consumers, self.boosting)
            mean, probability = mean * factor, expit(_log_odds(probability) + log_odds)
        return Levels(mean, np.minimum(probability, mean))

    def _boosted(self, consumers: Consumers, boosting: Boosting) -> tuple[Vector, Vector]:
        """What boosting makes of each consumer at the horizon that it learnt, and which is kept at every other.

        The factor of expected orders, and what is added to the log odds of any.
        """
        histories, places = consumers.histories()
        base = self._base(histories, boosting.horizon)
        mean, probability = (base.alive * base.mean)[places], base.probability[places]
        features = features_of(consumers, mean, base.alive[places])
        share = self.choice.orders_boosted
        ratio = np.exp(boosting.orders(features)) / np.maximum(mean, 1e-9)
        factor = 1.0 - share + share * np.clip(ratio, 0.02, 50.0)
        share = self.choice.probability_boosted
        blend = (1.0 - share) * probability + share * expit(boosting.probability(features))
        return factor, _log_odds(blend, TELLS_APART) - _log_odds(probability, TELLS_APART)

    def _waiting(self, histories: Histories, horizon: float) -> Vector:
        estimate = self.estimates[self.choice.orders]
        found = np.zeros((histories.size, len(NEXT_ORDER_LEVELS)))
        for rows in _blocks(histories.size):
            block = histories.take(rows)
            found[rows] = estimate.family.waiting(estimate.parameters, block, horizon, NEXT_ORDER_LEVELS)
        return found

    def _distributions(
        self, histories: Histories, places: Index, base: _Base, published: Levels, horizon: float
    ) -> Iterator[_Block]:
        """Of all consumers, a block of distinct cases at a time: a history, and what boosting made of its level."""
        estimate = self.estimates[self.choice.orders]
        model_mean = base.alive * base.mean
        steps = [
            np.round(np.log(np.maximum(new, LEAST) / np.maximum(old[places], LEAST)) / COARSE)
            for new, old in ((published.mean, model_mean), (published.probability, base.probability))
        ]
        order, new, at = group_rows(places.astype(np.float64), *steps)
        first, starts = order[new], np.append(np.flatnonzero(new), len(order))
        for start in range(0, len(first), CASES):
            sample = first[start : start + CASES]
            history = places[sample]
            mean = model_mean[history] * np.exp(steps[0][sample] * COARSE)
            probability = base.probability[history] * np.exp(steps[1][sample] * COARSE)
            block = histories.take(history)
            counts = counts_of(
                Cases(
                    law=estimate.family.law(estimate.parameters, block, horizon),
                    base_mean=base.mean[history],
                    mean=mean,
                    probability=np.minimum(np.minimum(probability, mean), 1.0),
                    uncertainty=np.hypot(rate_uncertainty(estimate, block, horizon), self.widening),
                )
            )
            law = spend_law(counts.law, counts.probability, self.spend.gamma_gamma.p, self.spend.shape(block.frequency))
            members = order[starts[start] : starts[min(start + CASES, len(first))]]
            yield _Block(counts, law, members, at[members] - start)


def _log_odds(probability: Vector, least: float = LEAST) -> Vector:
    safe = np.clip(probability, least, 1.0 - least)
    result: Vector = np.log(safe) - np.log1p(-safe)
    return result


def _blocks(size: int) -> Iterator[Index]:
    for start in range(0, size, BLOCK):
        yield np.arange(start, min(start + BLOCK, size))
