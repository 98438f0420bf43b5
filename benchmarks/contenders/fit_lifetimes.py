"""Fit BG/NBD with lifetimes, with its standard errors: `fit_lifetimes.py HISTORIES.npy ROUNDS`."""

import json
import sys
import time

import numpy as np
from lifetimes import BetaGeoFitter  # type: ignore[import-not-found]

frequency, recency, age = np.load(sys.argv[1]).T
seconds = []
for _ in range(int(sys.argv[2])):
    started = time.process_time()
    fitter = BetaGeoFitter().fit(frequency, recency, age)
    seconds.append(time.process_time() - started)
print(
    json.dumps({"seconds": seconds, "parameters": [float(fitter.params_[name]) for name in ("r", "alpha", "a", "b")]})
)
