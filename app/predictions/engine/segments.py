"""The RFM grid of a scope: how many consumers stand where, what they were worth and are expected to be."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.predictions.clv.histories import Consumers, Vector
from app.predictions.clv.predictor import Prediction
from app.predictions.clv.segments import RfmBreaks, rfm_groups


def describe_segments(consumers: Consumers, prediction: Prediction, breaks: RfmBreaks) -> dict[str, Any]:
    """`groups`, and `cells` by the score of recency and the mean score of frequency and money, which make the group."""
    recency, frequency, monetary = breaks.scores(consumers)
    names = rfm_groups(consumers, breaks)
    scores = np.column_stack([recency * 2, frequency + monetary])
    _, groups = _grouped(names, names, consumers, prediction)
    at, cells = _grouped(scores, names, consumers, prediction)
    return {
        "groups": groups,
        "cells": [
            {"recency_score": int(place[0]) // 2, "fm_score": float(place[1]) / 2.0} | cell
            for place, cell in zip(at, cells, strict=True)
        ],
    }


def _grouped(
    keys: NDArray[Any], names: NDArray[np.str_], consumers: Consumers, prediction: Prediction
) -> tuple[NDArray[Any], list[dict[str, Any]]]:
    distinct, first, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    count = np.bincount(place)

    def total(values: Vector) -> Vector:
        return np.bincount(place, weights=values).astype(np.float64)

    columns = {
        "historic_clv": total(consumers.amount),
        "predicted_clv": total(prediction.spend),
        "predicted_number_of_orders": total(prediction.orders),
        "probability_order_in_horizon": total(prediction.probability) / count,
    }
    return distinct, [
        {"rfm_group": str(names[first[row]]), "consumers": int(count[row])}
        | {name: _plain(values[row]) for name, values in columns.items()}
        for row in range(len(distinct))
    ]


def _plain(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
