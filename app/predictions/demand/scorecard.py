"""How good forecasts were, as the literature measures it.

MASE: Hyndman & Koehler (2006), Int. J. Forecasting 22. RMSSE and its weighting by revenue: Makridakis, Spiliotis &
Assimakopoulos (2022), The M5 competition, Int. J. Forecasting 38. WAPE: Kolassa & Schütz (2007), Foresight 6.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.floating]
Score = dict[str, float | None]


def measure_pinball(actual: Numbers, quantile: Numbers, level: float) -> NDArray[np.float64]:
    """What a quantile misses by, weighed so that the true one misses least on average."""
    above = actual.astype(np.float64) - quantile
    return np.maximum(level * above, (level - 1) * above)


@dataclass
class Errors:
    """Adds up what forecasts of some weeks missed by, from origin to origin."""

    units: float = 0
    forecast: float = 0
    missed_weeks: float = 0
    missed_sums: float = 0
    scaled: list[NDArray[np.float64]] = field(default_factory=list)
    scaled_roots: list[NDArray[np.float64]] = field(default_factory=list)
    revenue: list[NDArray[np.float64]] = field(default_factory=list)

    def add(
        self,
        actual: Numbers,
        expected: Numbers,
        naive: tuple[Numbers, Numbers],
        revenue: NDArray[np.float64],
    ) -> None:
        """`actual` and `expected` are (n, weeks); `naive` is by how much the weeks before differed, each from the last:
        absolute and squared, on average. A product whose weeks never differed has no scaled error. `revenue` weighs.
        """
        missed = actual.astype(np.float64) - expected
        self.units += float(actual.sum(dtype=np.float64))
        self.forecast += float(expected.sum(dtype=np.float64))
        self.missed_weeks += float(np.abs(missed).sum())
        self.missed_sums += float(np.abs(missed.sum(axis=1)).sum())
        usable = naive[0] > 0
        self.scaled.append(np.abs(missed[usable]).mean(axis=1) / naive[0][usable])
        self.scaled_roots.append(np.sqrt((missed[usable] ** 2).mean(axis=1) / naive[1][usable]))
        self.revenue.append(np.nan_to_num(revenue[usable]))

    def score(self) -> Score:
        scaled, roots, revenue = (
            np.concatenate([np.zeros(0), *each]) for each in (self.scaled, self.scaled_roots, self.revenue)
        )
        return {
            "wape_week": _divide(self.missed_weeks, self.units),
            "wape_sum": _divide(self.missed_sums, self.units),
            "mase": _divide(float(scaled.sum()), scaled.size),
            "rmsse": _divide(float(roots.sum()), roots.size),
            "rmsse_by_revenue": _divide(float((roots * revenue).sum()), float(revenue.sum())),
            "bias": _divide(self.forecast - self.units, self.units),
        }


@dataclass
class Coverage:
    """Adds up how often what came was within the bounds, and the pinball loss of the quantiles."""

    levels: Sequence[float]
    count: int = 0
    within_80: int = 0
    within_95: int = 0
    units: float = 0
    pinball: float = 0

    def add(self, actual: Numbers, quantiles: Numbers) -> None:
        """`actual` (n,), `quantiles` (n, levels)."""
        at = {level: quantiles[:, index] for index, level in enumerate(self.levels)}
        self.count += len(actual)
        self.units += float(actual.sum(dtype=np.float64))
        self.within_80 += int(np.count_nonzero((actual >= at[0.1]) & (actual <= at[0.9])))
        self.within_95 += int(np.count_nonzero((actual >= at[0.025]) & (actual <= at[0.975])))
        self.pinball += float(np.mean([measure_pinball(actual, at[level], level).sum() for level in self.levels]))

    def score(self) -> Score:
        """The pinball loss is the mean over the levels, in units for each unit sold."""
        return {
            "coverage_80": _divide(self.within_80, self.count),
            "coverage_95": _divide(self.within_95, self.count),
            "pinball": _divide(self.pinball, self.units),
        }


def _divide(value: float, by: float) -> float | None:
    return round(value / by, 6) if by else None
