"""Intervals from what forecasts missed by: split-conformal prediction, pooled over products of a kind.

What a product missed by is divided by a scale of its own, which makes misses alike, and pooled with the others of its
bin. Where forecasts were made and judged alike, a new miss is as likely to be below a quantile of the old ones as the
quantile says (Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World; Lei et al. 2018, J. Am. Stat.
Assoc. 113; bins: Vovk 2012, Conditional validity of inductive conformal predictors). A season or a trend that the
forecast does not know breaks that; the scorecard's coverage tells by how much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.predictions.demand.classes import Status
from app.predictions.demand.misses import (
    BIN_NAMES,
    LEVELS,
    VOLUME_BINS,
    find_quantiles,
    find_theoretical_quantiles,
    grow_with,
)
from app.predictions.demand.smoothing import Floats

STOPPED_BIN = VOLUME_BINS
LEAST_RESIDUALS = 200
"""With fewer a bin takes the misses of all bins: so many are needed to tell the 0.995 quantile."""


@dataclass(frozen=True)
class Calibration:
    """`edges` between the volume bins; quantiles of scaled misses by bin, lead in weeks and level.

    Those in `sums` are of the units of all the weeks up to the lead, those in `weeks` of that week's alone. A quantile
    of units is what is expected + miss * scale * what that grows with, which is told by the average of these weeks.
    """

    edges: NDArray[np.float64]
    sums: NDArray[np.float64]  # (bins, horizon, levels)
    weeks: NDArray[np.float64]
    residuals: list[int]  # of each bin, at the first lead
    sources: list[str]

    def find_bins(self, mean: Floats, status: NDArray[np.int8]) -> NDArray[np.int8]:
        return assign_bins(self.edges, mean, status)

    def as_json(self) -> list[dict[str, Any]]:
        """The bins in order. `sum` and `week` are lists, of a week's lead 1, 2, …, of the quantiles at `levels`."""
        return [
            {
                "name": name,
                "above": float(self.edges[bin_ - 1]) if 0 < bin_ < VOLUME_BINS else None,
                "residuals": self.residuals[bin_],
                "source": self.sources[bin_],
                "levels": list(LEVELS),
                "sum": np.round(self.sums[bin_], 6).tolist(),
                "week": np.round(self.weeks[bin_], 6).tolist(),
            }
            for bin_, name in enumerate(BIN_NAMES)
        ]


def assign_bins(edges: NDArray[np.float64], mean: Floats, status: NDArray[np.int8]) -> NDArray[np.int8]:
    volume = np.searchsorted(edges, mean, side="right")
    return np.where(np.isin(status, (Status.OK, Status.NEW)), volume, STOPPED_BIN).astype(np.int8)


@dataclass(frozen=True)
class Sample:
    """What was forecast as of an origin, of n products, and what came in as many of the weeks after it as are known.

    `expected` (n, horizon) and `actual` (n, known weeks) are units a week.
    """

    expected: Floats
    actual: Floats
    volume: Floats  # the mean of the expected
    scale: Floats
    status: NDArray[np.int8]

    @property
    def is_alive(self) -> NDArray[np.bool_]:
        return np.isin(self.status, (Status.OK, Status.NEW))

    def pick(self, rows: NDArray[np.bool_]) -> "Sample":
        return Sample(self.expected[rows], self.actual[rows], self.volume[rows], self.scale[rows], self.status[rows])

    def misses(self) -> tuple[Floats, Floats]:
        """Of the sums of 1, 2, … weeks, and of each week: (known weeks, n)."""
        weeks = self.actual.shape[1]
        expected = self.expected[:, :weeks].T.copy()
        missed = self.actual.T - expected
        sums = np.cumsum(missed, axis=0) / (self.scale * grow_with(find_average(expected)))
        return sums, missed / (self.scale * grow_with(expected))


def find_average(expected: Floats) -> Floats:
    """Of the first 1, 2, … weeks: weeks are the first axis."""
    weeks = np.arange(1, len(expected) + 1, dtype=np.float32)
    return np.asarray(np.cumsum(expected, axis=0) / weeks[:, None], np.float32)


def calibrate(samples: Sequence[Sample], now: Sample, each_lead: int, *, first_lead: int = 1) -> Calibration:
    """From earlier origins, the latest first; of those that reach a lead the first `each_lead` are taken for it.

    A bin with too few misses takes those of all bins; where these are too few as well, it takes those that a negative
    binomial distribution would have of its products. Leads before `first_lead` are left out.
    """
    horizon = now.expected.shape[1]
    volumes = [sample.volume[sample.is_alive] for sample in (*samples[:each_lead], now)]
    edges = _find_edges(np.concatenate(volumes if samples else volumes[-1:]))
    bins = [assign_bins(edges, sample.volume, sample.status) for sample in samples]
    shape = (len(BIN_NAMES), horizon, len(LEVELS))
    found = Calibration(edges, np.zeros(shape), np.zeros(shape), [0] * len(BIN_NAMES), [""] * len(BIN_NAMES))
    misses = [sample.misses() for sample in samples]
    bins_now = assign_bins(edges, now.volume, now.status)
    find_theoretical = cache(partial(find_theoretical_quantiles, now.volume, now.scale, bins_now))
    for lead in range(first_lead - 1, horizon):
        reach = [index for index, sample in enumerate(samples) if sample.actual.shape[1] > lead][:each_lead]
        bin_of = np.concatenate([np.zeros(0, np.int8), *(bins[index] for index in reach)])
        counts = np.bincount(bin_of, minlength=len(BIN_NAMES))
        is_pooled = counts < LEAST_RESIDUALS
        if lead == first_lead - 1:
            pooled = "all bins" if bin_of.size >= LEAST_RESIDUALS else "negative binomial"
            found.residuals[:] = counts.tolist()
            found.sources[:] = [pooled if few else "own" for few in is_pooled]
        order = np.argsort(bin_of, kind="stable")
        for kind, (table, weeks) in enumerate(((found.sums, lead + 1), (found.weeks, 1))):
            if bin_of.size < LEAST_RESIDUALS:
                table[:, lead] = find_theoretical(weeks)
                continue
            every = np.concatenate([misses[index][kind][lead] for index in reach])
            by_bin = np.split(every[order], np.cumsum(counts)[:-1])
            table[:, lead] = [find_quantiles(every if few else own) for own, few in zip(by_bin, is_pooled, strict=True)]
    return found


def _find_edges(volumes: Floats) -> NDArray[np.float64]:
    shares = np.linspace(0, 1, VOLUME_BINS + 1)[1:-1]
    return np.quantile(volumes.astype(np.float64), shares) if volumes.size else np.zeros(VOLUME_BINS - 1)
