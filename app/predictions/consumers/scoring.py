"""One consumer over a horizon of choice, by the model of a run. Needs the extra `predict`."""

from datetime import date, timedelta
from math import ceil, isfinite
from typing import Any

import numpy as np

from app.predictions.clv.histories import Consumers
from app.predictions.clv.selection import ScopeModel
from app.predictions.models import ConsumerPrediction

DAYS_A_WEEK = 7.0


def predict_one(state: dict[str, Any], found: ConsumerPrediction, as_of: date, horizon_days: int) -> dict[str, Any]:
    """The predicted fields of `schemas.ConsumerForecast`; `state` is the model's. Raises ValueError for an old one."""
    model = ScopeModel.from_json({name: value for name, value in state.items() if name != "rfm"})
    prediction = model.predict(_history(found, as_of), horizon_days / DAYS_A_WEEK)
    told = {name: float(values[0]) for name, values in vars(prediction).items()}
    spend = {
        f"predicted_clv{bound}": told[f"spend{bound}"] if isfinite(told["spend"]) else None
        for bound in ("", "_lower", "_upper")
    }
    orders = {
        f"predicted_number_of_orders{bound}": _finite(told[f"orders{bound}"]) for bound in ("", "_lower", "_upper")
    }
    probability = _finite(told["probability"])
    dates = {name: _date_after(as_of, told[f"next_order_{name}"]) for name in ("p10", "p50", "p90")}
    return {
        **spend,
        **orders,
        "probability_order_in_horizon": probability,
        "churn_probability": None if probability is None else round(1.0 - probability, 4),
        "expected_date_of_next_order": dates if dates["p50"] else None,
    }


def _history(found: ConsumerPrediction, as_of: date) -> Consumers:
    """As the run read it."""
    recency, age = found.last_order_on - found.first_order_on, as_of - found.first_order_on
    return Consumers(
        frequency=np.array([found.purchase_days - 1.0]),
        recency=np.array([recency.days / DAYS_A_WEEK]),
        age=np.array([age.days / DAYS_A_WEEK]),
        amount=np.array([float(found.historic_clv)]),
        first_amount=np.array([float(found.first_amount)]),
        recent=np.array([found.recent], dtype=float),
    )


def _finite(value: float) -> float | None:
    return round(value, 4) if isfinite(value) else None


def _date_after(as_of: date, weeks: float) -> date | None:
    return as_of + timedelta(days=max(ceil(weeks * DAYS_A_WEEK), 1)) if isfinite(weeks) else None
