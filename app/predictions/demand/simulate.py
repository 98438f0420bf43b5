"""Shops that never were, to try forecasts on: the same ones for the same seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.predictions.demand.series import WeeklyUnits

WEEKDAYS = np.array([1.2, 1.1, 1.0, 1.0, 1.1, 0.9, 0.7])
"""Monday first."""


@dataclass(frozen=True)
class SimulatedShop:
    """`units` (products, days), from a Monday; `rate` are the units a day that each product was expected to sell."""

    units: NDArray[np.int32]
    rate: NDArray[np.float64]
    price: NDArray[np.float64]

    def weekly(self, weeks: int | None = None) -> WeeklyUnits:
        """As of the end of some week, the last one otherwise."""
        known = self.units.shape[1] // 7 if weeks is None else weeks
        units = self.units[:, : 7 * known].reshape(len(self.units), known, 7).sum(axis=2).astype(np.float32)
        sold = units > 0
        first = np.where(sold.any(axis=1), sold.argmax(axis=1), known).astype(np.int32)
        return WeeklyUnits(units, first, np.ones(len(units), np.bool_), self.price)


def simulate_shop(
    products: int,
    weeks: int,
    *,
    seed: int,
    season: float = 0.0,
    drift: float = 0.03,
    new_share: float = 0.1,
    stopped_share: float = 0.05,
) -> SimulatedShop:
    """Negative binomial units: of each product a rate, log-normal over products, and a dispersion of its own.

    A rate follows the weekdays, a yearly season that is `season` above and below (with its peak in December, where day
    0 is the first of January), and a random walk by `drift` a week. Some products begin on the way, and some stop.
    """
    random = np.random.default_rng(seed)
    days = 7 * weeks
    level = random.lognormal(-1.5, 1.4, products)
    walk = np.cumsum(random.normal(0, drift, (products, weeks)), axis=1).repeat(7, axis=1)
    day = np.arange(days)
    shape = WEEKDAYS[day % 7] / WEEKDAYS.mean() * (1 + season * np.cos(2 * np.pi * (day / 364 - 0.95)))
    rate = level[:, None] * np.exp(walk) * shape
    begin = np.where(random.random(products) < new_share, random.integers(0, days, products), -1)
    end = np.where(random.random(products) < stopped_share, random.integers(0, days, products), days)
    rate[(day < begin[:, None]) | (day >= end[:, None])] = 0
    # A week's orders vary together, so that sizes are the same whatever the day.
    dispersion = random.gamma(2, 0.5, products)[:, None]
    lively = random.gamma(1 / np.maximum(dispersion, 0.05), np.maximum(dispersion, 0.05), (products, weeks))
    units = random.poisson(rate * lively.repeat(7, axis=1))
    return SimulatedShop(units.astype(np.int32), rate, random.lognormal(2.5, 0.8, products))


def simulate_revenue(
    days: int, *, seed: int, noise: float = 0.3, drift: float = 0.01, season: float = 0.0, closed: tuple[int, ...] = ()
) -> NDArray[np.float64]:
    """A shop's revenue a day, from a Monday: a level that walks, the weekdays, a yearly season, log-normal noise."""
    random = np.random.default_rng(seed)
    day = np.arange(days)
    level = 1000 * np.exp(np.cumsum(random.normal(0, drift, days)))
    shape = WEEKDAYS[day % 7] * (1 + season * np.cos(2 * np.pi * (day / 364 - 0.95)))
    values = level * shape * random.lognormal(-(noise**2) / 2, noise, days)
    values[np.isin(day % 7, closed)] = 0
    return values
