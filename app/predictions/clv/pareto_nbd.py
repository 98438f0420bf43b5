"""Pareto/NBD: Schmittlein, Morrison & Colombo (1987), Counting your customers. Management Science 33(1).

Consumers buy at a rate that is gamma(r, alpha) and stop at a rate that is gamma(s, beta). With y the time at which
they stopped, the likelihood of Fader & Hardie (2005, "A note on deriving the Pareto/NBD model") is

    G(r + x) / G(r) alpha^r beta^s { (alpha+T)^-(r+x) (beta+T)^-s + s I(tx, T) },
    I(t0, t1) = integral from t0 to t1 of (alpha+y)^-(r+x) (beta+y)^-(s+1) dy,

whose integral they write as a difference of 2F1s. Quadrature keeps the precision which that difference loses, and
its derivatives by the parameters are integrals of the same kind.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, gammaln, psi

from app.predictions.clv.counts import CountLaw
from app.predictions.clv.family import Family
from app.predictions.clv.histories import Histories, Vector
from app.predictions.clv.waiting import lomax, lomax_quantile

NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(20)
STOP_NODES, STOP_WEIGHTS = np.polynomial.legendre.leggauss(10)
NEGLIGIBLE = 40.0
"""Integrands are cut off where they have fallen by e^-40."""
GRID = 33
"""Points at which the distribution of the time to the next purchase is computed, and inverted between them."""


@dataclass(frozen=True, eq=False)
class Integral:
    """ln I(t0, t1), and means under its integrand: of ln(alpha+y), 1/(alpha+y), ln(beta+y) and 1/(beta+y)."""

    log: Vector
    log_alpha: Vector
    inverse_alpha: Vector
    log_beta: Vector
    inverse_beta: Vector


class ParetoNbd(Family):
    key, title = "pareto_nbd", "Pareto/NBD"
    names = ("r", "alpha", "s", "beta")
    scales = ("alpha", "beta")

    def starts(self, rate: float) -> list[tuple[float, ...]]:
        return [(0.5, 0.5 / rate, 0.6, 0.5), (1.0, 1.0 / rate, 0.05, 1.0), (0.25, 0.1 / rate, 2.0, 2.0)]

    def log_likelihood(self, parameters: Vector, histories: Histories) -> tuple[Vector, list[Vector]]:
        r, alpha, s, beta = parameters
        x, at = histories.levels
        counted = (gammaln(r + x) - gammaln(r))[at] + r * np.log(alpha) + s * np.log(beta)
        rx = (r + x)[at]
        log_alpha, log_beta = np.log(alpha + histories.age), np.log(beta + histories.age)
        going = -rx * log_alpha - s * log_beta
        stop = integrate(parameters, histories.frequency, histories.recency, histories.age)
        log_odds = np.log(s) + stop.log - going
        stopped = expit(log_odds)
        value = counted + going + np.logaddexp(0.0, log_odds)

        going_share = 1.0 - stopped
        d_r = (psi(r + x) - psi(r) + np.log(alpha))[at] - going_share * log_alpha - stopped * stop.log_alpha
        d_alpha = r / alpha - rx * (going_share / (alpha + histories.age) + stopped * stop.inverse_alpha)
        d_s = np.log(beta) - going_share * log_beta + stopped * (1.0 / s - stop.log_beta)
        d_beta = s / beta - going_share * s / (beta + histories.age) - stopped * (s + 1.0) * stop.inverse_beta
        return value, [r * d_r, alpha * d_alpha, s * d_s, beta * d_beta]

    def alive(self, parameters: Vector, histories: Histories) -> Vector:
        r, alpha, s, beta = parameters
        stop = integrate(parameters, histories.frequency, histories.recency, histories.age)
        log_odds = np.log(s) + stop.log
        log_odds += (r + histories.frequency) * np.log(alpha + histories.age) + s * np.log(beta + histories.age)
        result: Vector = expit(-log_odds)
        return result

    def law(self, parameters: Vector, histories: Histories, horizon: float) -> CountLaw:
        """Exposures are the times to stopping: the horizon with P(not within it), else by their quantiles."""
        r, alpha, s, beta = parameters
        n = histories.size
        later = beta + histories.age
        within = lomax(horizon, np.full(n, s), later)
        reached = within[:, None] * (STOP_NODES + 1.0) / 2.0
        times = np.minimum(lomax_quantile(reached, np.full((n, 1), s), later[:, None]), horizon)
        return CountLaw(
            shape=r + histories.frequency,
            rate=alpha + histories.age,
            exposure=np.column_stack([times, np.full(n, horizon)]),
            weight=np.column_stack([within[:, None] * STOP_WEIGHTS / 2.0, 1.0 - within]),
            stops=np.zeros(n),
            stays=np.ones(n),
        )

    def expected(self, parameters: Vector, histories: Histories, horizon: float) -> Vector:
        """Eq. 41 of Fader & Hardie (2005) without P(alive), written so that s = 1 is no special case."""
        r, alpha, s, beta = parameters
        later = beta + histories.age
        log = np.log1p(horizon / later)
        exposure = later * log * _relative_exponential((1.0 - s) * log)
        mean: Vector = (r + histories.frequency) / (alpha + histories.age) * np.minimum(exposure, horizon)
        return mean

    def returning(self, parameters: Vector, histories: Histories, horizon: float) -> Vector:
        """The integral of E[rate e^-(rate + stopping rate) y] over (0, horizon), in quantiles of the purchase time."""
        r, alpha, s, beta = parameters
        shape, rate, later = r + histories.frequency, alpha + histories.age, beta + histories.age
        end = _all_stopped(s, later, horizon)
        reached = lomax(end, shape, rate)
        total = np.zeros(histories.size)
        for node, weight in zip(NODES, NODE_WEIGHTS, strict=True):
            time = np.minimum(lomax_quantile(reached * (node + 1.0) / 2.0, shape, rate), end)
            total += weight / 2.0 * np.exp(-s * np.log1p(time / later))
        return reached * np.minimum(total, 1.0)

    def waiting(self, parameters: Vector, histories: Histories, horizon: float, levels: tuple[float, ...]) -> Vector:
        """By the same integral cumulated over a grid, whose points are dense early where most purchases are."""
        r, alpha, s, beta = parameters
        shape, rate = (r + histories.frequency)[:, None], (alpha + histories.age)[:, None]
        later = (beta + histories.age)[:, None]
        end = _all_stopped(s, later, horizon)
        reached = lomax(end, shape, rate) * np.linspace(0.0, 1.0, GRID)
        time = np.minimum(lomax_quantile(reached, shape, rate), end)
        density = np.exp(-s * np.log1p(time / later))
        pieces = np.diff(reached, axis=1) * (density[:, 1:] + density[:, :-1]) / 2.0
        cumulated = np.concatenate([np.zeros((histories.size, 1)), np.cumsum(pieces, axis=1)], axis=1)
        return np.column_stack([_inverse(cumulated, time, level) for level in levels])


def integrate(parameters: Vector, frequency: Vector, start: Vector, end: Vector) -> Integral:
    """I(start, end), by Gauss-Legendre in ln(m + y) with m the smaller of alpha and beta.

    That variable resolves the integrand over all scales of y, and its pole stays at a distance.
    """
    r, alpha, s, beta = parameters
    power, stop_power = r + frequency, s + 1.0
    from_alpha, from_beta, least = alpha + start, beta + start, min(alpha, beta) + start
    # Where either factor alone has become negligible; exp(300) is far beyond any age.
    reach = np.minimum(
        from_alpha * np.expm1(np.minimum(NEGLIGIBLE / power, 300.0)),
        from_beta * np.expm1(min(NEGLIGIBLE / stop_power, 300.0)),
    )
    width = np.log1p(np.minimum(end - start, reach) / least)
    total, sum_alpha, sum_inverse_alpha = np.zeros((3, len(start)))
    sum_beta, sum_inverse_beta = np.zeros((2, len(start)))
    for node, node_weight in zip((NODES + 1.0) / 2.0, NODE_WEIGHTS / 2.0, strict=True):
        passed = least * np.expm1(width * node)
        log_alpha, log_beta = np.log1p(passed / from_alpha), np.log1p(passed / from_beta)
        mass = node_weight * (least + passed) * np.exp(-power * log_alpha - stop_power * log_beta)
        total += mass
        sum_alpha += mass * log_alpha
        sum_beta += mass * log_beta
        sum_inverse_alpha += mass / (from_alpha + passed)
        sum_inverse_beta += mass / (from_beta + passed)
    log_total = np.log(np.maximum(total * width, 1e-300)) - power * np.log(from_alpha) - stop_power * np.log(from_beta)
    return Integral(
        log=np.where(width > 0.0, log_total, -np.inf),
        log_alpha=np.log(from_alpha) + sum_alpha / total,
        inverse_alpha=sum_inverse_alpha / total,
        log_beta=np.log(from_beta) + sum_beta / total,
        inverse_beta=sum_inverse_beta / total,
    )


def _all_stopped(s: float, later: Vector, horizon: float) -> Vector:
    """When next to nobody is left, or the horizon: beyond it there is nothing to integrate."""
    end: Vector = np.minimum(horizon, later * np.expm1(min(NEGLIGIBLE / s, 300.0)))
    return end


def _relative_exponential(values: Vector) -> Vector:
    """(e^v - 1) / v, which is 1 at 0."""
    near = np.abs(values) < 1e-12
    safe = np.where(near, 1.0, values)
    result: Vector = np.where(near, 1.0, np.expm1(np.minimum(safe, 700.0)) / safe)
    return result


def _inverse(cumulated: Vector, time: Vector, level: float) -> Vector:
    """Where each row's `cumulated` reaches `level` of its last value, by a line between the grid's points."""
    target = level * cumulated[:, -1]
    after = np.clip((cumulated < target[:, None]).sum(axis=1), 1, cumulated.shape[1] - 1)
    rows = np.arange(len(after))
    low, high = cumulated[rows, after - 1], cumulated[rows, after]
    rise = np.maximum(high - low, 1e-300)
    share = np.clip((target - low) / rise, 0.0, 1.0)
    result: Vector = time[rows, after - 1] + share * (time[rows, after] - time[rows, after - 1])
    return result
