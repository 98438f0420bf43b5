"""Maximum likelihood on weighted histories, and how uncertain it leaves the parameters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from app.predictions.clv.family import Family
from app.predictions.clv.histories import Histories, Vector

BOUND = 12.0
"""Logarithms of parameters, in units of the mean age, stay within +-12: a likelihood that still rises there is flat."""
ROUGH_GROUPS = 6_000
"""With more distinct histories than this, the several starts compete on a sample, and all data polish the winner."""
CURVATURE_GROUPS = 50_000
"""Distinct histories that the second derivatives are computed from; more change them by less than their use shows."""
FLATTEST = 2.0
"""Standard deviation of a log parameter that the data say nothing about: a factor of e^2 either way.

Without a limit, the flat directions of a fit on the boundary would be infinitely uncertain. Predictions hardly move
along them, so that its size matters little.
"""
STEP = 1e-4


@dataclass(frozen=True, eq=False)
class Prior:
    """Normal priors of log r + c log alpha and so on: `combinations` (m, p) of log parameters, in weeks."""

    combinations: Vector
    mean: Vector
    deviation: Vector

    def penalty(self, logs: Vector) -> tuple[float, Vector]:
        """Minus its log density but for a constant, and the gradient."""
        distance = (self.combinations @ logs - self.mean) / self.deviation
        return float(distance @ distance) / 2.0, self.combinations.T @ (distance / self.deviation)


@dataclass(frozen=True, eq=False)
class Estimate:
    """`covariance` is of the log parameters; `log_likelihood` is without the prior."""

    family: Family
    parameters: Vector
    covariance: Vector
    log_likelihood: float
    consumers: float
    converged: bool

    def principal_points(self) -> list[tuple[Vector, Vector]]:
        """Pairs of parameters one standard deviation to either side, along each axis of their uncertainty."""
        values, axes = np.linalg.eigh(self.covariance)
        logs = np.log(self.parameters)
        steps = [axis * np.sqrt(max(value, 0.0)) for value, axis in zip(values, axes.T, strict=True)]
        return [(np.exp(logs + step), np.exp(logs - step)) for step in steps]


def fit(
    family: Family,
    histories: Histories,
    *,
    prior: Prior | None = None,
    start: Vector | None = None,
    with_covariance: bool = True,
) -> Estimate:
    """`start` (natural parameters, weeks) replaces the family's own starts: the fast path where a fit is known nearby.

    Time is measured in mean ages while fitting, so that the result does not depend on its unit.
    """
    grouped, _ = histories.grouped()
    unit = max(float(grouped.weight @ grouped.age) / grouped.consumers, 1e-9)
    shift = np.array([np.log(unit) if name in family.scales else 0.0 for name in family.names])
    scaled = grouped.in_units_of(unit)
    rate = max(scaled.repeat_purchases, 0.5) / max(float(scaled.weight @ scaled.age), 1e-9)
    starts = [np.log(each) for each in family.starts(rate)] if start is None else [np.log(start) - shift]

    rough = _sample(scaled, ROUGH_GROUPS)
    if len(starts) > 1 and rough.size < scaled.size:
        starts = [_climb(family, rough, starts, prior, shift, tolerance=1e-9)[0]]
    # Of so many consumers the parameters' own error is far larger than what the last digits of a climb would add.
    tolerance = 1e-13 if rough.size == scaled.size else 1e-11
    logs, converged = _climb(family, scaled, starts, prior, shift, tolerance=tolerance)
    objective = _Objective(family, scaled, None, shift)
    log_likelihood = -objective(logs)[0] * scaled.consumers - scaled.repeat_purchases * np.log(unit)
    covariance = np.zeros((len(logs), len(logs)))
    if with_covariance:
        covariance = _covariance(_Objective(family, _sample(scaled, CURVATURE_GROUPS), prior, shift), logs, scaled)
    return Estimate(family, np.exp(logs + shift), covariance, log_likelihood, scaled.consumers, converged)


class _Objective:
    """Minus the mean log-likelihood of a consumer, and its gradient by the log parameters."""

    def __init__(self, family: Family, histories: Histories, prior: Prior | None, shift: Vector) -> None:
        self.family, self.histories, self.prior, self.shift = family, histories, prior, shift
        self.total = histories.consumers

    def __call__(self, logs: Vector) -> tuple[float, Vector]:
        values, slopes = self.family.log_likelihood(np.exp(logs), self.histories)
        weight = self.histories.weight
        value, slope = -float(weight @ values), -np.array([weight @ each for each in slopes])
        if self.prior is not None:
            penalty, push = self.prior.penalty(logs + self.shift)
            value, slope = value + penalty, slope + push
        return value / self.total, slope / self.total


def _climb(
    family: Family, histories: Histories, starts: Sequence[Vector], prior: Prior | None, shift: Vector, tolerance: float
) -> tuple[Vector, bool]:
    """The best of L-BFGS-B's ends from all starts, and whether it is a finite one."""
    objective = _Objective(family, histories, prior, shift)
    best, least = np.clip(starts[0], -BOUND, BOUND), np.inf
    for start in starts:
        result = minimize(
            objective,
            np.clip(start, -BOUND, BOUND),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-BOUND, BOUND)] * len(start),
            options={"maxiter": 500, "ftol": tolerance, "gtol": 1e-8, "maxls": 40},
        )
        if np.isfinite(result.fun) and result.fun < least - 1e-12:
            best, least = result.x, float(result.fun)
    return best, bool(np.isfinite(least))


def _sample(histories: Histories, most: int) -> Histories:
    """At most `most` of the distinct histories, spread evenly over a shuffle that is always the same."""
    if histories.size <= most:
        return histories
    rows = np.random.default_rng(0).permutation(histories.size)[:most]
    return histories.take(np.sort(rows))


def _covariance(objective: _Objective, logs: Vector, histories: Histories) -> Vector:
    """The inverse of the second derivatives, which are differences of the analytic first ones."""
    columns = []
    for place in range(len(logs)):
        step = np.zeros(len(logs))
        step[place] = STEP
        columns.append((objective(logs + step)[1] - objective(logs - step)[1]) / (2.0 * STEP))
    curvature = np.array(columns) * histories.consumers
    if not np.isfinite(curvature).all():
        return np.eye(len(logs)) * FLATTEST**2
    values, axes = np.linalg.eigh((curvature + curvature.T) / 2.0)
    covariance: Vector = (axes / np.maximum(values, FLATTEST**-2)) @ axes.T
    return covariance
