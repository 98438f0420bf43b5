"""Buyers drawn from known parameters, and a log of purchases turned into what the models read."""

from dataclasses import dataclass

import numpy as np

from app.predictions.clv.histories import RECENT_WEEKS, Consumers, Fold, Index, Mask, Vector

DAY = 1.0 / 7.0
Generator = np.random.Generator


@dataclass(frozen=True, eq=False)
class PurchaseLog:
    """One entry a purchase, sorted by consumer and time; `time` is weeks from the start of the log."""

    consumer: Index
    time: Vector
    amount: Vector

    @classmethod
    def of(cls, consumer: Index, time: Vector, amount: Vector) -> "PurchaseLog":
        """Sorted; purchases of a consumer at the same time are one."""
        order = np.lexsort((time, consumer))
        consumer, time, amount = consumer[order], time[order], amount[order]
        new = np.ones(len(order), dtype=bool)
        new[1:] = (consumer[1:] != consumer[:-1]) | (time[1:] != time[:-1])
        starts = np.flatnonzero(new)
        return cls(consumer[starts], time[starts], np.add.reduceat(amount, starts) if len(starts) else amount)

    def by_day(self) -> "PurchaseLog":
        """With the purchases of a day as one, at its start."""
        return PurchaseLog.of(self.consumer, np.floor(self.time / DAY + 1e-9) / 7.0, self.amount)

    def until(self, time: float) -> "PurchaseLog":
        return self._where(self.time <= time)

    def consumers(self, origin: float) -> tuple[Consumers, Index]:
        """Everybody who had bought by then, as known then, and who they are."""
        log = self.until(origin)
        who, starts, counts = np.unique(log.consumer, return_index=True, return_counts=True)
        first, last = log.time[starts], log.time[starts + counts - 1]
        place = np.repeat(np.arange(len(who)), counts)
        recent = [np.bincount(place, weights=log.time > origin - weeks, minlength=len(who)) for weeks in RECENT_WEEKS]
        consumers = Consumers(
            frequency=counts.astype(np.float64) - 1.0,
            recency=last - first,
            age=origin - first,
            amount=np.bincount(place, weights=log.amount, minlength=len(who)).astype(np.float64),
            first_amount=log.amount[starts],
            recent=np.column_stack(recent),
        )
        return consumers, who

    def fold(self, origin: float, horizon: float) -> Fold:
        """What was known at `origin`, and the purchases in the `horizon` weeks after it."""
        consumers, who = self.consumers(origin)
        after = self._where((self.time > origin) & (self.time <= origin + horizon) & np.isin(self.consumer, who))
        place = np.searchsorted(who, after.consumer)
        next_order = np.full(len(who), np.inf)
        np.minimum.at(next_order, place, after.time - origin)
        return Fold(
            consumers=consumers,
            origin=origin,
            horizon=horizon,
            actual_orders=np.bincount(place, minlength=len(who)).astype(np.float64),
            actual_spend=np.bincount(place, weights=after.amount, minlength=len(who)).astype(np.float64),
            next_order=np.where(np.isinf(next_order), np.nan, next_order),
        )

    def _where(self, rows: Mask) -> "PurchaseLog":
        return PurchaseLog(self.consumer[rows], self.time[rows], self.amount[rows])


def simulate(
    model: str,
    parameters: tuple[float, ...],
    spend: tuple[float, float, float],
    *,
    buyers: int,
    arrivals: float,
    weeks: float,
    seed: int,
) -> PurchaseLog:
    """Buyers of one of the models by its key, whose first purchases come evenly over the first `arrivals` weeks.

    `parameters` are the model's, `spend` is p, q and gamma of Gamma-Gamma. The log ends after `weeks`.
    """
    random = np.random.default_rng(seed)
    first = random.uniform(0.0, arrivals, buyers)
    rate = random.gamma(parameters[0], 1.0 / parameters[1], buyers)
    stop = np.zeros(buyers)
    end = np.full(buyers, weeks)
    if model == "pareto_nbd":
        leaving = random.gamma(parameters[2], 1.0 / parameters[3], buyers)
        end = np.minimum(end, first + random.standard_exponential(buyers) / np.maximum(leaving, 1e-300))
    elif model in ("bg_nbd", "mbg_nbd"):
        stop = random.beta(parameters[2], parameters[3], buyers)
    elif model != "nbd":
        raise ValueError(f"There is no model {model!r} to draw from.")
    consumer, time = _purchases(random, first, rate, stop, end, stops_at_first=model == "mbg_nbd")
    p, q, gamma = spend
    level = random.gamma(q, 1.0 / gamma, buyers)
    amount = random.gamma(p, 1.0, len(consumer)) / level[consumer]
    return PurchaseLog.of(consumer, time, amount)


def _purchases(
    random: Generator, first: Vector, rate: Vector, stop: Vector, end: Vector, *, stops_at_first: bool
) -> tuple[Index, Vector]:
    """Everybody's next purchase in each turn, of those who go on."""
    going = np.arange(len(first))
    now = first.copy()
    consumers, times = [going], [first]
    may_stop = stops_at_first
    while len(going):
        if may_stop:
            going = going[random.random(len(going)) >= stop[going]]
        now[going] += random.standard_exponential(len(going)) / np.maximum(rate[going], 1e-300)
        going = going[now[going] <= end[going]]
        consumers.append(going)
        times.append(now[going].copy())
        may_stop = True
    return np.concatenate(consumers), np.concatenate(times)
