"""Logs to test on: the public ones where they are, and drawn ones everywhere."""

import csv
import gzip
import os
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from app.predictions.clv.histories import Consumers, Fold, Vector, plan_folds
from app.predictions.clv.model import ScopeModel
from app.predictions.clv.selection import fit_scope
from app.predictions.clv.simulate import PurchaseLog, simulate

SHARED = Path(os.environ.get("ECOMPREDICTOR_SHARED") or Path(__file__).parents[4] / "shared") / "data"
CDNOW_FILE = SHARED / "cdnow" / "CDNOW_sample.txt"
RETAIL_FILE = SHARED / "online_retail_ii_2009_2010" / "online_retail_2009_2010.csv.gz"

CDNOW_KNOWN, CDNOW_AFTER = (date(1997, 9, 30) - date(1997, 1, 1)).days / 7, 39.0
RETAIL_KNOWN, RETAIL_AFTER = (date(2010, 9, 9) - date(2009, 12, 1)).days / 7, 13.0

SPEND = (6.25, 3.74, 15.44)
DRAWN = {
    "bg_nbd": (0.243, 4.414, 0.793, 2.426),
    "mbg_nbd": (0.525, 6.183, 0.891, 1.614),
    "pareto_nbd": (0.553, 10.578, 0.606, 11.669),
}
"""What the models were estimated at on CDNOW."""


def draw(
    model: str, *, buyers: int = 4_000, arrivals: float = 26.0, weeks: float = 104.0, seed: int = 1
) -> PurchaseLog:
    return simulate(model, DRAWN[model], SPEND, buyers=buyers, arrivals=arrivals, weeks=weeks, seed=seed)


def buyers_of(frequency: Vector, *, age: float = 52.0, gap: float = 5.0) -> Consumers:
    """Each bought first `age` weeks ago and then every `gap` weeks, for 30 a time."""
    size = len(frequency)
    return Consumers(
        frequency=frequency,
        recency=np.minimum(frequency * gap, age),
        age=np.full(size, age),
        amount=(frequency + 1.0) * 30.0,
        first_amount=np.full(size, 30.0),
        recent=np.zeros((size, 3)),
    )


def past_folds(log: PurchaseLog, known: float, horizon: float) -> list[Fold]:
    """Those that the shop's history up to `known` allows."""
    span = float(log.consumers(known)[0].age.max())
    return [log.fold(known - span + origin, length) for origin, length in plan_folds(span, horizon)]


def fit_shop(log: PurchaseLog, known: float, folds: list[Fold], *, with_boosting: bool = False) -> ScopeModel:
    consumers, _ = log.consumers(known)
    return fit_scope(consumers.histories()[0], consumers, folds, seed=1, with_boosting=with_boosting)


@pytest.fixture(scope="session")
def cdnow() -> PurchaseLog:
    """Purchases of a day are one, as in the papers; weeks from 1997-01-01."""
    if not CDNOW_FILE.is_file():
        pytest.skip(f"{CDNOW_FILE.name} is not there (ECOMPREDICTOR_SHARED)")
    rows = [line.split() for line in CDNOW_FILE.read_text().splitlines()]
    start = date(1997, 1, 1).toordinal()
    weeks = np.array([(date.fromisoformat(row[2]).toordinal() - start) / 7 for row in rows])
    return PurchaseLog.of(np.array([int(row[1]) for row in rows]), weeks, np.array([float(row[4]) for row in rows]))


@pytest.fixture(scope="session")
def retail() -> PurchaseLog:
    """Rows without a customer, or without a positive quantity and price, are left out; purchases of a day are one."""
    if not RETAIL_FILE.is_file():
        pytest.skip(f"{RETAIL_FILE.name} is not there (ECOMPREDICTOR_SHARED)")
    start, days = date(2009, 12, 1).toordinal(), dict[str, float]()
    who, when, amounts = [], [], []
    with gzip.open(RETAIL_FILE, "rt", encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines)
        next(rows)
        for _, _, _, quantity, day, price, customer, _ in rows:
            if not customer or quantity.startswith("-") or float(price) <= 0.0:
                continue
            if day[:10] not in days:
                days[day[:10]] = (date.fromisoformat(day[:10]).toordinal() - start) / 7
            who.append(int(float(customer)))
            when.append(days[day[:10]])
            amounts.append(float(quantity) * float(price))
    return PurchaseLog.of(np.array(who), np.array(when), np.array(amounts))
