"""Forecast weekly units with statsforecast: `forecast_statsforecast.py UNITS.npy WEEKS FORECAST.npy ROUNDS MODEL`.

`UNITS.npy` (origins, products, weeks) is NaN before a product's first sale and after the origin: as many series as both
make together.
"""

import json
import sys
import time

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from statsforecast import StatsForecast  # type: ignore[import-not-found]
from statsforecast.models import IMAPA, AutoETS  # type: ignore[import-not-found]

units, weeks, name = np.load(sys.argv[1]), int(sys.argv[2]), sys.argv[5]
model = {"IMAPA": IMAPA, "AutoETS": AutoETS}[name]
flat = units.reshape(-1, units.shape[2])
series, week = np.nonzero(~np.isnan(flat))
frame = pd.DataFrame({"unique_id": series, "ds": week, "y": flat[series, week]})
seconds = []
for _ in range(int(sys.argv[4])):
    started = time.process_time()
    found = StatsForecast(models=[model()], freq=1).forecast(df=frame, h=weeks)
    seconds.append(time.process_time() - started)
np.save(sys.argv[3], found[name].to_numpy().reshape(*units.shape[:2], weeks))
print(json.dumps({"seconds": seconds}))
