"""Purchase histories as arrays: what every model of this package reads."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

RECENT_WEEKS = (4.0, 13.0, 26.0)
"""The columns of `Consumers.recent`."""


@dataclass(frozen=True, eq=False)
class Histories:
    """Sufficient statistics of purchase histories, each shared by `weight` consumers.

    `frequency` counts the purchase days after the first, `recency` is the weeks from the first to the last and `age`
    the weeks from the first to the as-of date (x, t_x and T in the papers).
    """

    frequency: Vector
    recency: Vector
    age: Vector
    weight: Vector

    @cached_property
    def levels(self) -> tuple[Vector, Index]:
        """The distinct frequencies, and each history's place among them.

        There are few of them, so that gamma functions of the frequency are computed once for each.
        """
        values, places = np.unique(self.frequency, return_inverse=True)
        return values, places

    @property
    def size(self) -> int:
        return len(self.frequency)

    @property
    def consumers(self) -> float:
        return float(self.weight.sum())

    @property
    def repeaters(self) -> float:
        return float(self.weight[self.frequency > 0].sum())

    @property
    def repeat_purchases(self) -> float:
        return float(self.weight @ self.frequency)

    @property
    def span(self) -> float:
        """Weeks from the first purchase of all to the as-of date."""
        return float(self.age.max()) if self.size else 0.0

    def take(self, rows: Index) -> "Histories":
        return Histories(self.frequency[rows], self.recency[rows], self.age[rows], self.weight[rows])

    def grouped(self) -> tuple["Histories", Index]:
        """Equal histories as one, in a canonical order, and for each of ours its place among them."""
        order, new, places = group_rows(self.frequency, self.recency, self.age)
        weight = np.bincount(places, weights=self.weight, minlength=int(new.sum())).astype(np.float64)
        first = order[new]
        return Histories(self.frequency[first], self.recency[first], self.age[first], weight), places

    def in_units_of(self, weeks: float) -> "Histories":
        return Histories(self.frequency, self.recency / weeks, self.age / weeks, self.weight)


@dataclass(frozen=True, eq=False)
class Consumers:
    """One entry a consumer, as of a date.

    `amount` is what was spent on all purchase days, net of refunds and above 0; `first_amount` on the first of them.
    `recent` (n, 3) counts the purchase days of the last 4, 13 and 26 weeks.
    """

    frequency: Vector
    recency: Vector
    age: Vector
    amount: Vector
    first_amount: Vector
    recent: Vector
    gap_deviation: Vector | None = field(default=None)
    """Standard deviation of the days between purchases; NaN where there are fewer than two gaps. Read by no model."""

    @property
    def size(self) -> int:
        return len(self.frequency)

    def take(self, rows: Index | slice) -> "Consumers":
        deviation = None if self.gap_deviation is None else self.gap_deviation[rows]
        return Consumers(
            self.frequency[rows],
            self.recency[rows],
            self.age[rows],
            self.amount[rows],
            self.first_amount[rows],
            self.recent[rows],
            deviation,
        )

    def histories(self) -> tuple[Histories, Index]:
        """The distinct histories, and each consumer's place among them."""
        return Histories(self.frequency, self.recency, self.age, np.ones(self.size)).grouped()


@dataclass(frozen=True, eq=False)
class Fold:
    """What was known at a past origin, and what followed within `horizon` weeks.

    `origin` is in weeks on any axis that all folds of a shop share: a model that learns from one fold is judged on
    another only where the first one's horizon had passed at the second one's origin. `actual_orders` counts purchase
    days, `next_order` is the weeks until the next purchase, NaN where none followed.
    """

    consumers: Consumers
    origin: float
    horizon: float
    actual_orders: Vector
    actual_spend: Vector
    next_order: Vector


def plan_folds(span: float, horizon: float, *, most: int = 4) -> list[tuple[float, float]]:
    """(origin, horizon) of the folds that a shop of `span` weeks allows, oldest first; weeks from its first purchase.

    The folds do not overlap, so that each may learn from those before it. A horizon is at most a quarter of the span:
    the oldest half of it is then always known before the first origin, or the first fold would say how a new shop
    fares. None where that leaves less than four weeks, in which nothing can be judged.
    """
    length = float(min(horizon, np.floor(span / 4)))
    if length < 4.0:
        return []
    folds = int(min(most, np.floor(span / 2 / length)))
    return [(span - length * back, length) for back in range(folds, 0, -1)]


def group_rows(*columns: Vector) -> tuple[Index, Mask, Index]:
    """The sorting order, where in it a new group starts, and each row's group."""
    order = np.lexsort(columns[::-1]).astype(np.intp)
    new = np.zeros(len(order), dtype=bool)
    new[:1] = True
    for column in columns:
        sorted_column = column[order]
        new[1:] |= sorted_column[1:] != sorted_column[:-1]
    places = np.empty(len(order), dtype=np.intp)
    places[order] = np.cumsum(new) - 1
    return order, new, places
