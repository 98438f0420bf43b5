"""Fit our BG/NBD, with its standard errors: `fit_ours.py HISTORIES.npy ROUNDS`; frequency, recency, age."""

import json
import sys
import time

import numpy as np

from app.predictions.clv.bgnbd import BgNbd
from app.predictions.clv.fitting import fit
from app.predictions.clv.histories import Histories

frequency, recency, age = np.load(sys.argv[1]).T
seconds = []
for _ in range(int(sys.argv[2])):
    started = time.process_time()
    estimate = fit(BgNbd(), Histories(frequency, recency, age, np.ones(len(frequency))))
    seconds.append(time.process_time() - started)
print(json.dumps({"seconds": seconds, "parameters": estimate.parameters.tolist()}))
