"""What the time of the year does to a shop: one factor for all its products, from the same weeks of earlier years."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

YEAR = 52
MOST_YEARS = 3
BASE_WEEKS = 8
"""What a level of today is about, if it is not smoothed: a year ago these were the weeks to compare with."""
LEAST, MOST = 1 / 3, 3.0
SEASON_FROM = 2 * YEAR
"""Weeks of history from which a season is looked for."""
WORTH, HARM = 0.8, 1.02
"""What a season has to leave of the error of totals at most, as less may be chance, and may add to that of products."""


def find_factors(
    total: NDArray[np.float64], origin: int, horizon: int, first: int = 0, *, step: float | None = None
) -> NDArray[np.float64]:
    """What to multiply a level as of `origin` with, for each of the weeks after it; ones without a year to learn from.

    The mean of three weeks around the same week a year ago, over what the level was then, averaged over the years as
    ratios are. The level is that of the 8 weeks before, or the exponentially smoothed one where it is by a `step` that
    levels are told today. `total` is the units of all products a week, and only what is before `origin` is looked at;
    `first` is the week the shop's history begins with.
    """
    logs = []
    for year in range(1, MOST_YEARS + 1):
        then = origin - year * YEAR
        if then - BASE_WEEKS < first:
            break
        base = total[then - BASE_WEEKS : then].mean() if step is None else _smooth(total[first:then], step)
        weeks = np.array([total[max(then + week - 1, 0) : then + week + 2].mean() for week in range(horizon)])
        if base > 0:
            logs.append(np.log(np.clip(weeks / base, LEAST, MOST)))
    return np.exp(np.mean(logs, axis=0)) if logs else np.ones(horizon)


def _smooth(total: NDArray[np.float64], step: float) -> float:
    return float(np.average(total, weights=(1 - step) ** np.arange(len(total))[::-1]))


@dataclass(frozen=True)
class Season:
    """Whether the factors are used, and by what share of it the shop's total of four weeks was missed with and without.

    By the shop's total, since it is the shop that has the season: products one by one err so much more that it hardly
    shows in their errors, and absolute errors of rare sales are least where too little is forecast.
    """

    is_used: bool
    error_with: float | None
    error_without: float | None
    note: str

    def as_json(self) -> dict[str, bool | float | None]:
        return {"is_used": self.is_used, "error_with": self.error_with, "error_without": self.error_without}


def judge(
    actual: Sequence[NDArray[np.floating]],
    level: Sequence[NDArray[np.floating]],
    factors: Sequence[float],
    weeks: int,
) -> Season:
    """By the shop's own past: what came of each product, what was forecast without a season, and its factor, for each
    of some earlier origins.
    """
    if weeks < YEAR:
        return Season(False, None, None, "Less than a year of history: the season cannot be seen.")
    if weeks < SEASON_FROM:
        return Season(False, None, None, "Less than two years of history: no season is made out yet.")
    came = sum(float(each.sum()) for each in actual)
    if not came:
        return Season(False, None, None, "Too little was sold lately to make out a season.")
    seasonal = [each * factor for each, factor in zip(level, factors, strict=True)]
    off, on = _miss_totals(actual, level) / came, _miss_totals(actual, seasonal) / came
    is_used = on <= WORTH * off and _miss_each(actual, seasonal) <= HARM * _miss_each(actual, level)
    verdict = "is used" if is_used else "is not used"
    note = (
        f"The season of earlier years {verdict}: 4-week totals were missed by {on:.1%} with it and {off:.1%} without."
    )
    return Season(is_used, round(on, 6), round(off, 6), note)


def _miss_totals(actual: Sequence[NDArray[np.floating]], forecast: Sequence[NDArray[np.floating]]) -> float:
    return sum(abs(float(came.sum()) - float(said.sum())) for came, said in zip(actual, forecast, strict=True))


def _miss_each(actual: Sequence[NDArray[np.floating]], forecast: Sequence[NDArray[np.floating]]) -> float:
    return sum(float(np.abs(came - said).sum()) for came, said in zip(actual, forecast, strict=True))
