"""Units of each product for the weeks to come: levels, a season where there is one, intervals, and a backtest.

The level is that of simple exponential smoothing; of what sells no more, that of TSB (Teunter, Syntetos & Babai 2011,
Eur. J. Oper. Res. 214). Nothing is random.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.predictions.demand.classes import Status, classify, find_status
from app.predictions.demand.conformal import LEAST_RESIDUALS, Calibration, Sample, calibrate
from app.predictions.demand.misses import LEVELS, VOLUME_BINS, find_scale, grow_with
from app.predictions.demand.scorecard import Coverage, Errors
from app.predictions.demand.seasonality import BASE_WEEKS, YEAR, Season, find_factors, judge
from app.predictions.demand.series import WeeklyUnits
from app.predictions.demand.smoothing import (
    MOST_OF_MEAN,
    PROBABILITY_STEP,
    SES_STEPS,
    SIZE_STEP,
    Floats,
    smooth,
)

STEP = 4
"""Weeks between the origins of the backtest, and weeks that it scores at each."""
LEAST_WEEKS = 8
"""Of the shop's history before an origin of the backtest."""
WEEKLY = {"q025": 0.025, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q975": 0.975}

PARAMETERS = {
    "method": "simple exponential smoothing, the mean of a product's own best step and the shop's; TSB once it stopped",
    "ses_steps": list(SES_STEPS),
    "tsb_steps": [SIZE_STEP, PROBABILITY_STEP],
    "most_of_mean": MOST_OF_MEAN,
}


@dataclass(frozen=True)
class DemandForecast:
    """Arrays have a row for each product; `mean` and the quantiles a column for each week to come, in units.

    `conformal` has the quantiles of what forecasts missed by, by bin: a product's are those of its `bin`, measured in
    its `scale`, which is 0 where it is not on sale or never sold. `model_status` is "ok", "no_backtest" where history
    is too short for one, or "no_sales".
    """

    mean: Floats
    q025: Floats
    q10: Floats
    q50: Floats
    q90: Floats
    q975: Floats
    demand_class: NDArray[np.int8]  # of DemandClass
    status: NDArray[np.int8]  # of Status
    scale: Floats
    bin: NDArray[np.int8]
    conformal: list[dict[str, Any]]
    model_status: str
    parameters: dict[str, Any]
    scorecard: dict[str, Any]
    notes: list[str]


def forecast_demand(series: WeeklyUnits, *, horizon: int = 13, origins: int = 4) -> DemandForecast:
    """For the `horizon` weeks after the last one; judged as of `origins` moments four weeks apart, where history goes
    back so far.
    """
    past = _Past(series, horizon, origins)
    now = past.sample(series.weeks, horizon)
    on_sale = series.is_sold & (now.status != Status.NO_SALES)
    now = Sample(
        expected=np.where(on_sale[:, None], now.expected, np.float32(0)),
        actual=now.actual,
        volume=np.where(on_sale, now.volume, np.float32(0)),
        scale=np.where(on_sale, now.scale, np.float32(0)),
        status=np.where(on_sale | (now.status == Status.NO_SALES), now.status, Status.STOPPED).astype(np.int8),
    )
    calibration = calibrate([past.sample(origin, horizon, only_sold=1) for origin in past.origins], now, origins)
    bins = calibration.find_bins(now.volume, now.status)
    scorecard = past.score(origins)
    return DemandForecast(
        mean=now.expected,
        **{name: _find_weekly_quantile(now, calibration, bins, level) for name, level in WEEKLY.items()},
        demand_class=classify(series.units, past.starts),
        status=now.status,
        scale=now.scale,
        bin=bins,
        conformal=calibration.as_json(),
        model_status="ok" if past.origins else "no_backtest" if past.first < series.weeks else "no_sales",
        parameters=PARAMETERS
        | {"shop_step": past.shop_step, "horizon_weeks": horizon, "season": past.season.as_json()},
        scorecard=scorecard,
        notes=past.notes(calibration),
    )


class _Past:
    """What would have been forecast, now and at earlier origins, from what was known then."""

    def __init__(self, series: WeeklyUnits, horizon: int, origins: int) -> None:
        self.series = series
        self.starts = series.starts()
        self.first = int(np.maximum(self.starts, 0).min(initial=series.weeks))
        # As many more as the longest lead needs to be known, and as the last that is scored needs to be calibrated.
        count = origins + max(origins, -(-horizon // STEP))
        every = (series.weeks - STEP * back for back in range(1, count + 1))
        self.origins = [origin for origin in every if origin - self.first >= LEAST_WEEKS]
        self._states = smooth(series.units, self.starts, [series.weeks, *self.origins])
        self.shop_step = float(self._states.shop_step[0])
        self.season = self._judge_season()

    def _find_factors(self, origin: int, horizon: int) -> NDArray[np.float64]:
        step = self._states.shop_step[[self.series.weeks, *self.origins].index(origin)]
        return find_factors(self._states.total, origin, horizon, self.first, step=step)

    def _judge_season(self) -> Season:
        seen = [index for index, origin in enumerate(self.origins, 1) if origin - YEAR - BASE_WEEKS >= self.first]
        came = [self.series.units[:, origin : origin + STEP].sum(axis=1) for origin in self.origins[: len(seen)]]
        levels = [STEP * self._states.level[index] for index in seen]
        factors = [float(self._find_factors(origin, STEP).mean()) for origin in self.origins[: len(seen)]]
        return judge(came, levels, factors, self.series.weeks - self.first)

    def sample(self, origin: int, horizon: int, *, only_sold: int = 0) -> Sample:
        """What is expected as of an origin, and what came, of the products that had sold in some weeks or more."""
        index = [self.series.weeks, *self.origins].index(origin)
        states = self._states
        rows = states.sold[index] >= only_sold
        sold, silence, tsb = states.sold[index][rows], states.silence[index][rows], states.tsb[index][rows]
        status = find_status(origin, self.starts[rows], sold, silence)
        factors = self._find_factors(origin, horizon) if self.season.is_used else np.ones(horizon)
        fading = (1 - PROBABILITY_STEP) ** np.arange(1, horizon + 1)
        stopped = status == Status.STOPPED
        level = np.where(stopped, tsb, states.level[index][rows])
        shape = np.where(stopped[:, None], fading.astype(np.float32), factors.astype(np.float32))
        volume = level * np.where(stopped, np.float32(fading.mean()), np.float32(factors.mean()))
        scale = find_scale(states.mean[index][rows], states.deviation[index][rows], states.age[index][rows])
        actual = self.series.units[rows, origin : origin + horizon]
        return Sample(level[:, None] * shape, actual, volume, scale, status)

    def score(self, count: int) -> dict[str, Any]:
        """Of what had sold in two weeks or more; coverage and pinball loss are of the sums of four weeks.

        An interval is judged by what came after its origin, and made from what was known at it.
        """
        scored = self.origins[:count]
        samples = [self.sample(origin, STEP, only_sold=1) for origin in self.origins]
        ours, last_week, nothing, last_year = (Errors() for _ in range(4))
        coverage = Coverage(LEVELS)
        for index, origin in enumerate(scored, 1):
            states, rows = self._states, self._states.sold[index] >= 2
            sample = samples[index - 1].pick(rows[states.sold[index] >= 1])
            naive = states.step_absolute[index][rows], states.step_squared[index][rows]
            before = self.series.units[rows, origin - STEP : origin]
            revenue = self.series.price[rows] * before.sum(axis=1)
            ours.add(sample.actual, sample.expected, naive, revenue)
            last_week.add(sample.actual, np.repeat(before[:, -1:], STEP, axis=1), naive, revenue)
            nothing.add(sample.actual, np.zeros_like(sample.actual), naive, revenue)
            if origin - YEAR >= self.first:
                year_ago = self.series.units[rows, origin - YEAR : origin - YEAR + STEP]
                last_year.add(sample.actual, year_ago, naive, revenue)
            if index < len(samples):
                quantiles = _find_sum_quantiles(sample, samples[index : index + count])
                coverage.add(sample.actual.sum(axis=1), quantiles)
        is_seasonal = bool(scored) and scored[-1] - YEAR >= self.first
        return {
            "weeks": STEP,
            "origins": len(scored),
            "products": int(np.count_nonzero(self._states.sold[1] >= 2)) if scored else 0,
            "forecast": ours.score() | coverage.score(),
            "baselines": {
                "last_week": last_week.score(),
                "zero": nothing.score(),
                # Only beside the same weeks.
                "last_year": last_year.score() if is_seasonal else None,
            },
            "season": self.season.as_json(),
        }

    def notes(self, calibration: Calibration) -> list[str]:
        weeks = self.series.weeks - self.first
        if weeks <= 0:
            return ["Nothing was ever sold."]
        notes = [self.season.note]
        if not self.origins:
            notes.append(
                f"With {weeks} weeks of history there is no backtest; that begins with {LEAST_WEEKS + STEP}, "
                "and intervals are those of a negative binomial distribution."
            )
        elif calibration.sources[0] == "negative binomial":
            notes.append(
                f"Fewer than {LEAST_RESIDUALS} past forecasts can be compared with what came: intervals are those of a "
                "negative binomial distribution."
            )
        elif "all bins" in calibration.sources[:VOLUME_BINS]:
            notes.append("Few products: intervals are made from what all of them missed by, whatever their volume.")
        return notes


def _find_sum_quantiles(now: Sample, earlier: Sequence[Sample]) -> NDArray[np.float64]:
    """Of the sum of four weeks, (n, levels), by what was missed earlier."""
    calibration = calibrate(earlier, now, len(earlier), first_lead=STEP)
    misses = calibration.sums[calibration.find_bins(now.volume, now.status), STEP - 1]
    expected = now.expected.sum(axis=1, dtype=np.float64)
    deviation = now.scale * grow_with(now.volume)
    return np.asarray(np.maximum(expected[:, None] + deviation[:, None] * misses, 0))


def _find_weekly_quantile(now: Sample, calibration: Calibration, bins: NDArray[np.int8], level: float) -> Floats:
    misses = calibration.weeks[:, :, LEVELS.index(level)].astype(np.float32)[bins]
    return np.asarray(np.maximum(now.expected + now.scale[:, None] * grow_with(now.expected) * misses, 0), np.float32)
