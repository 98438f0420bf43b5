"""Where the kinds of demand part, and what is new or has stopped."""

import numpy as np
import pytest

from app.predictions.demand.classes import DEMAND_CLASSES, STATUSES, DemandClass, Status, classify, find_status


def classes_of(*weeks: list[float]) -> list[str]:
    units = np.array(weeks, np.float32)
    starts = np.where(units.any(axis=1), (units > 0).argmax(axis=1), units.shape[1]).astype(np.int32)
    return [DEMAND_CLASSES[each] for each in classify(units, starts)]


def test_classes():
    rare = [1.0, 0, 0]
    assert classes_of(
        [1.0, 1, 1, 1, 1, 1, 1, 1, 1],
        [1.0, 9, 1, 9, 1, 9, 1, 9, 1],
        rare * 3,
        [1.0, 0, 0, 9, 0, 0, 1, 0, 0],
        [0.0, 0, 0, 0, 0, 0, 0, 5, 0],
        [0.0] * 9,
    ) == ["smooth", "erratic", "intermittent", "lumpy", "unknown", "unknown"]


@pytest.mark.parametrize(
    ("sold", "weeks", "found"),
    [(100, 131, DemandClass.SMOOTH), (100, 132, DemandClass.INTERMITTENT), (100, 133, DemandClass.INTERMITTENT)],
)
def test_the_interval_between_sales_parts_at_1_32(sold: int, weeks: int, found: DemandClass):
    assert classes_of([1.0] * sold + [0.0] * (weeks - sold)) == [DEMAND_CLASSES[found]]


@pytest.mark.parametrize(("deviation", "found"), [(0.69, DemandClass.SMOOTH), (0.71, DemandClass.ERRATIC)])
def test_the_variation_of_sizes_parts_at_0_49(deviation: float, found: DemandClass):
    """Two sizes that deviate from 100 by the same: the squared coefficient of variation is the deviation's square."""
    low, high = 100 * (1 - deviation), 100 * (1 + deviation)
    assert classes_of([low, high] * 10) == [DEMAND_CLASSES[found]]


def test_weeks_before_the_first_sale_do_not_make_it_intermittent():
    assert classes_of([0.0] * 50 + [3.0] * 10) == ["smooth"]


def test_large_numbers_that_are_alike():
    assert classes_of([1e7, 1e7 + 1] * 20) == ["smooth"]


@pytest.mark.parametrize(
    ("weeks", "start", "sold", "silence", "status"),
    [
        (60, 60, 0, 0, "no_sales"),
        (60, -9, 0, 0, "stopped"),  # sold before the window, and not in the year of it
        (20, -9, 0, 0, "no_sales"),  # too short a window to say so
        (60, 53, 3, 0, "new"),
        (60, 52, 3, 0, "ok"),
        (60, -3, 3, 0, "ok"),
        (60, 0, 34, 25, "ok"),
        (60, 0, 34, 26, "stopped"),
        (60, 0, 5, 27, "stopped"),  # usually every 33 / 5 weeks
        (100, 0, 10, 28, "ok"),  # every 7.2 weeks: 28 is not yet four of them
        (100, 0, 10, 29, "stopped"),
        (60, 33, 1, 26, "stopped"),
    ],
)
def test_status(weeks: int, start: int, sold: int, silence: int, status: str):
    found = find_status(weeks, *(np.array([each], np.int32) for each in (start, sold, silence)))
    assert STATUSES[found[0]] == status


def test_names():
    assert DEMAND_CLASSES == ("smooth", "erratic", "intermittent", "lumpy", "unknown")
    assert STATUSES == ("ok", "new", "stopped", "no_sales")
    assert STATUSES[Status.STOPPED] == "stopped"
