"""What products' forecasts miss by, made comparable, and what it would be where it cannot be seen."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from app.predictions.demand.smoothing import Counts, Floats

LEVELS = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995)
VOLUME_BINS = 5
BIN_NAMES = (*(f"volume {number}" for number in range(1, VOLUME_BINS + 1)), "stopped")
POWER, SMALLEST = 0.75, 0.1
"""Deviations grow with volume: with its root where orders are independent, in proportion where they come together
(Taylor 1961, Nature 189)."""
LEVEL_WEEKS = 10
"""A level is told from the last ten weeks or so: the smoothing forgets what was before."""
OWN_WEEKS = 13
"""How many weeks a product needs for its own variation to count as much as that of the others."""
TYPICAL, PROBABILITIES = 6, 200
"""Products of a bin for which a distribution is worked out, and at how many probabilities."""


def find_scale(past_mean: Floats, deviation: Floats, age: Counts) -> Floats:
    """How much a product varies for its volume: what its misses are measured in, with `grow_with`.

    In `age` weeks it had `past_mean` and `deviation`. Its own variation counts for more the longer it is known. A level
    told from few weeks is uncertain itself, which in the sum of four weeks makes up four times its share in one.
    """
    variation = deviation / grow_with(past_mean)
    usual = variation[(age >= min(OWN_WEEKS, age.max(initial=0))) & (deviation > 0)]
    usual_variation = float(np.median(usual)) if usual.size else 1.0
    weight = age / (age + OWN_WEEKS)
    # Never nothing: what has been constant so far may change.
    blend = weight * variation + (1.1 - weight) * usual_variation
    return np.asarray(blend * np.sqrt(1 + 4 / np.clip(age, 1, LEVEL_WEEKS)), np.float32)


def grow_with(mean: Floats) -> Floats:
    """What the deviation of a week's units is in proportion to, where `mean` are expected."""
    root = np.sqrt(mean + np.float32(SMALLEST))
    return np.asarray(root * np.sqrt(root), np.float32)  # POWER, four times as fast as raising to it


def find_quantiles(misses: Floats) -> NDArray[np.float64]:
    """At the ranks that a new miss is below as often as the level says: the i-th of n with i / (n + 1)."""
    return np.asarray(np.quantile(misses.astype(np.float64), LEVELS, method="weibull"))


def find_theoretical_quantiles(
    volume: Floats, scale: Floats, bins: NDArray[np.int8], weeks: int
) -> NDArray[np.float64]:
    """(bins, levels) of the misses of the sum of some weeks, as a negative binomial distribution has them.

    Of a few products of each bin, evenly chosen by volume; a bin without any has those of all bins.
    """
    order = np.lexsort((scale, volume))
    order = order[scale[order] > 0]
    found = []
    for bin_ in range(len(BIN_NAMES)):
        own = order[bins[order] == bin_]
        own = own if own.size else order
        some = own[np.linspace(0, own.size - 1, min(own.size, TYPICAL)).astype(np.int64)]
        found.append(find_quantiles(_spread(volume[some], scale[some], weeks)))
    return np.array(found)


def _spread(mean: Floats, scale: Floats, weeks: int) -> Floats:
    """As many misses as there are probabilities, for each of the products."""
    if not mean.size:
        return np.zeros(1, np.float32)
    deviation = (scale * grow_with(mean)).astype(np.float64)
    # A scale is what a week deviates by with the level's part for four weeks in it.
    variance = deviation**2 * weeks * (1 + weeks / LEVEL_WEEKS) / (1 + 4 / LEVEL_WEEKS)
    expected = np.maximum(mean.astype(np.float64), 1e-6) * weeks
    excess = np.maximum(variance - expected, expected * 1e-3)  # all but a Poisson distribution at least
    evenly = (np.arange(PROBABILITIES)[:, None] + 0.5) / PROBABILITIES
    units = stats.nbinom.ppf(evenly, expected**2 / excess, expected / (expected + excess))
    return np.asarray((units - expected) / deviation, np.float32).ravel()
