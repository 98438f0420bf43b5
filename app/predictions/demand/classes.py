"""What kind of demand a product has, and whether it has enough of it, or any more."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from app.predictions.demand.smoothing import CHUNK, Counts, Floats

ADI_CUT, CV2_CUT = 1.32, 0.49
"""Syntetos, Boylan & Croston (2005), On the categorization of demand patterns, J. Opl. Res. Soc. 56."""
NEW_WEEKS = 8
STOPPED_WEEKS, STOPPED_INTERVALS = 26, 4
"""Stopped is what has not sold for half a year and for four of its usual intervals between weeks with a sale."""


class DemandClass(IntEnum):
    """Whether a week without a sale is rare, and whether the weeks that sell are alike."""

    SMOOTH = 0
    ERRATIC = 1
    INTERMITTENT = 2
    LUMPY = 3
    UNKNOWN = 4  # fewer than two weeks with a sale


class Status(IntEnum):
    OK = 0
    NEW = 1  # on sale for fewer than NEW_WEEKS
    STOPPED = 2  # not on sale, or silent for so long that it seems so
    NO_SALES = 3  # none ever


DEMAND_CLASSES = tuple(each.name.lower() for each in DemandClass)
STATUSES = tuple(each.name.lower() for each in Status)


def classify(units: Floats, starts: Counts) -> NDArray[np.int8]:
    """By the average interval between weeks with a sale (ADI) and the squared coefficient of variation of their units.

    `units` (n, weeks); the interval is counted from the first sale to the end of the window.
    """
    sold = np.count_nonzero(units, axis=1)
    at_least_one = np.maximum(sold, 1)
    interval = (units.shape[1] - np.maximum(starts, 0)) / at_least_one
    mean = units.sum(axis=1, dtype=np.float64) / at_least_one
    squares = np.zeros(len(units))
    for first in range(0, len(units), CHUNK):
        part = slice(first, first + CHUNK)
        deviations = np.where(units[part] > 0, units[part] - mean[part, None], 0)
        squares[part] = (deviations * deviations).sum(axis=1)
    variation = squares / at_least_one / np.where(sold, mean, 1) ** 2
    classes = 2 * (interval >= ADI_CUT) + (variation >= CV2_CUT)
    return np.where(sold < 2, DemandClass.UNKNOWN, classes).astype(np.int8)


def find_status(weeks: int, starts: Counts, sold: Counts, silence: Counts) -> NDArray[np.int8]:
    """As of a moment at which `weeks` are known: weeks with a sale, and weeks since the last one."""
    usual = (weeks - np.maximum(starts, 0) - silence) / np.maximum(sold, 1)
    stopped = (silence >= STOPPED_WEEKS) & (silence >= STOPPED_INTERVALS * usual)
    status = np.where(weeks - starts < NEW_WEEKS, Status.NEW, np.where(stopped, Status.STOPPED, Status.OK))
    # Nothing in a window of half a year or more, and something before it.
    only_before = (starts < 0) & (weeks >= STOPPED_WEEKS)
    return np.where(sold > 0, status, np.where(only_before, Status.STOPPED, Status.NO_SALES)).astype(np.int8)
