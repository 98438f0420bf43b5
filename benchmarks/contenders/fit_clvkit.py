"""Fit BG/NBD with clvkit: `fit_clvkit.py HISTORIES.npy ROUNDS`."""

import json
import sys
import time

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from clvkit import CustomerBase  # type: ignore[import-not-found]
from clvkit.clv import BGNBD  # type: ignore[import-not-found]

base = CustomerBase(
    pd.DataFrame(np.load(sys.argv[1]), columns=["frequency", "recency", "T"]),
    time_unit="W",
    collapse="D",
    observation_period_end=pd.Timestamp("2026-01-01"),
    has_monetary=False,
    on_negative="net",
)
seconds = []
for _ in range(int(sys.argv[2])):
    started = time.process_time()
    model = BGNBD().fit(base)
    seconds.append(time.process_time() - started)
print(json.dumps({"seconds": seconds, "parameters": [float(model.params_[name]) for name in ("r", "alpha", "a", "b")]}))
