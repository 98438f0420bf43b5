"""The methods on weeks that can be worked out by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from app.predictions.demand.series import WeeklyUnits
from app.predictions.demand.smoothing import SES_STEPS, States, smooth


def run(*weeks: Sequence[float], origins: list[int] | None = None) -> States:
    units = np.array(weeks, np.float32)
    n = len(units)
    series = WeeklyUnits(units, np.zeros(n, np.int32) + 99, np.ones(n, np.bool_), np.ones(n))
    return smooth(units, series.starts(), origins or [units.shape[1]])


def test_it_begins_with_the_mean_of_the_weeks_and_one_without_a_sale():
    states = run([6, 3])
    # 6 / 2 after a week, (6 + 3) / 3 after two, whatever the step: none is larger than a third, but 0.5.
    assert states.level[0, 0] == pytest.approx(3.0)
    assert states.tsb[0, 0] == pytest.approx((6 + (3 - 6) / 2) * (0.5 + (1 - 0.5) / 3))
    assert (states.age[0, 0], states.sold[0, 0], states.silence[0, 0]) == (2, 2, 0)


def level_by(step: float, weeks: Sequence[float]) -> float:
    level = 0.0
    for week, units in enumerate(weeks):
        level += max(step, 1 / (week + 2)) * (units - level)
    return level


def test_the_step_that_served_best():
    """A level that jumps wants the largest step, and steps are those of the papers once there are weeks enough."""
    weeks = [4.0] * 40 + [8.0] * 10
    states = run(weeks)
    assert states.shop_step.tolist() == [max(SES_STEPS)] == [0.5]
    assert states.level[0, 0] == pytest.approx(level_by(0.5, weeks), rel=1e-5)


def test_half_of_the_level_is_by_the_step_of_the_shop():
    jumping, others = [4.0] * 40 + [8.0] * 10, [5.0, 3.0] * 25
    states = run(jumping, *[others] * 20)
    # By the smallest step an even level is best told, by the second smallest hardly worse and the jump much better.
    assert states.shop_step.tolist() == [0.05]
    assert states.level[0, 0] == pytest.approx((level_by(0.5, jumping) + level_by(0.05, jumping)) / 2, rel=1e-5)
    assert states.level[0, 1:] == pytest.approx((level_by(0.03, others) + level_by(0.05, others)) / 2, rel=1e-5)


def test_weeks_before_the_first_sale_count_for_nothing():
    late, early = run([0, 0, 0, 5, 0, 2]), run([5, 0, 2])
    for name in ("level", "tsb", "mean", "deviation", "age", "sold", "silence", "step_absolute", "step_squared"):
        assert getattr(late, name) == pytest.approx(getattr(early, name))


def test_tsb_falls_while_nothing_is_sold():
    states = run([4] * 30 + [0] * 30, origins=[30, 31, 60])
    assert states.tsb[1, 0] == pytest.approx(0.9 * states.tsb[0, 0])
    assert states.tsb[2, 0] == pytest.approx(0.9**30 * states.tsb[0, 0], rel=1e-4)
    assert states.silence[:, 0].tolist() == [0, 1, 30]


def test_moments_and_steps():
    states = run([2, 4, 6])
    assert states.mean[0, 0] == 4
    assert states.deviation[0, 0] == pytest.approx(np.sqrt(8 / 3))
    assert (states.step_absolute[0, 0], states.step_squared[0, 0]) == (2, 4)


def test_a_window_that_begins_later_than_a_product():
    units = np.array([[9, 4, 6]], np.float32)
    before, within = (smooth(units, np.array([start], np.int32), [3]) for start in (-20, 0))
    for name in ("level", "mean", "deviation", "age", "step_absolute", "step_squared"):
        assert np.array_equal(getattr(before, name), getattr(within, name))
    assert within.step_absolute[0, 0] == pytest.approx(3.5)


def test_an_outlier_counts_for_eight_times_the_mean_of_what_was_before():
    with_outlier, capped = run([1, 2, 3, 1000, 2]), run([1, 2, 3, 16, 2])
    assert with_outlier.level == pytest.approx(capped.level)
    assert with_outlier.total.tolist() == [1, 2, 3, 16, 2]
    assert run([1, 2, 1000]).total.tolist() == [1, 2, 1000]  # two weeks do not say what is usual
    assert with_outlier.mean[0, 0] == pytest.approx(1008 / 5)  # what it varies by is not made smaller


def test_nothing_behind_an_origin_is_looked_at():
    random = np.random.default_rng(1)
    units = random.poisson(1.5, (50, 60)).astype(np.float32)
    other = units.copy()
    other[:, 40:] = random.poisson(30, (50, 20))
    starts = WeeklyUnits(units, np.full(50, -1, np.int32), np.ones(50, np.bool_), np.ones(50)).starts()
    one, two = smooth(units, starts, [40, 60]), smooth(other, starts, [40, 60])
    alone = smooth(units[:, :40], starts, [40])
    for name in ("level", "tsb", "mean", "deviation", "age", "sold", "silence"):
        assert np.array_equal(getattr(one, name)[0], getattr(two, name)[0])
        assert np.array_equal(getattr(one, name)[0], getattr(alone, name)[0])
    assert one.shop_step[0] == two.shop_step[0] == alone.shop_step[0]
    assert not np.array_equal(one.level[1], two.level[1])


def test_series_that_cannot_be():
    ones = np.ones(1, np.bool_), np.ones(1)
    first = np.zeros(1, np.int32)
    for units in ([[-1.0]], [[np.nan]], [[np.inf]]):
        with pytest.raises(ValueError, match="numbers from 0"):
            WeeklyUnits(np.array(units, np.float32), first, *ones)
    with pytest.raises(ValueError, match="table"):
        WeeklyUnits(np.zeros(3, np.float32), first, *ones)
    with pytest.raises(ValueError, match="one for each product"):
        WeeklyUnits(np.zeros((2, 3), np.float32), first, *ones)


def test_starts():
    units = np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    first = np.array([1, -5, 3, -2, 0], np.int32)
    series = WeeklyUnits(units, first, np.ones(5, np.bool_), np.ones(5))
    assert series.starts().tolist() == [1, -5, 3, -2, 0]
