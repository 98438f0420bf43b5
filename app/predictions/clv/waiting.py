"""Exponential times whose rate has a gamma distribution: Lomax, or Pareto of the second kind."""

import numpy as np

from app.predictions.clv.histories import Vector


def lomax(time: float | Vector, shape: Vector, rate: Vector) -> Vector:
    """P(T <= time), the rate of T being gamma(shape, rate)."""
    result: Vector = -np.expm1(-shape * np.log1p(time / rate))
    return result


def lomax_quantile(reached: Vector, shape: Vector, rate: Vector) -> Vector:
    """The time by which `reached` of such times have come; large, not infinite, where `reached` is 1."""
    with_end = np.minimum(reached, 1.0 - 2.0**-53)
    result: Vector = rate * np.expm1(np.minimum(-np.log1p(-with_end) / shape, 600.0))
    return result


def lomax_waiting(shape: Vector, rate: Vector, horizon: float, levels: tuple[float, ...]) -> Vector:
    """(n, levels): quantiles of such times among those up to `horizon`."""
    shape, rate = shape[:, None], rate[:, None]
    times = lomax_quantile(np.asarray(levels) * lomax(horizon, shape, rate), shape, rate)
    result: Vector = np.minimum(times, horizon)
    return result
