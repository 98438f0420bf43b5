"""Forecast weekly units with ours: `forecast_ours.py UNITS.npy WEEKS FORECAST.npy ROUNDS`.

`UNITS.npy` (origins, products, weeks) is NaN before a product's first sale and after the origin. What is written is the
forecast of a whole run; `seconds` are of the levels alone, and `seconds_of_runs` of that with backtest and intervals.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from app.predictions.demand.forecasting import forecast_demand
from app.predictions.demand.series import WeeklyUnits
from app.predictions.demand.smoothing import smooth

HORIZON = 13


def read_series() -> list[WeeklyUnits]:
    """A table for each origin, as a run has it."""
    series = []
    for units in np.load(sys.argv[1]):
        known = ~np.isnan(units)
        some = np.nan_to_num(units[:, known.any(axis=0)])
        first, count = known.argmax(axis=1).astype(np.int32), len(units)
        series.append(WeeklyUnits(some, first, np.ones(count, np.bool_), np.ones(count)))
    return series


def measure(work: Callable[[WeeklyUnits], Any], series: list[WeeklyUnits]) -> tuple[float, list[Any]]:
    started = time.process_time()
    found = [work(each) for each in series]
    return time.process_time() - started, found


every = read_series()
seconds, seconds_of_runs = [], []
for _ in range(int(sys.argv[4])):
    seconds.append(measure(lambda series: smooth(series.units, series.starts(), [series.weeks]), every)[0])
    took, forecasts = measure(lambda series: forecast_demand(series, horizon=HORIZON), every)
    seconds_of_runs.append(took)
np.save(sys.argv[3], np.array([forecast.mean[:, : int(sys.argv[2])] for forecast in forecasts]))
print(json.dumps({"seconds": seconds, "seconds_of_runs": seconds_of_runs}))
