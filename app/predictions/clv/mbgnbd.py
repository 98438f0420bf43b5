"""MBG/NBD: Batislam, Denizel & Filiztekin (2007), Empirical validation and comparison of models for customer base
analysis. International Journal of Research in Marketing 24(3). As BG/NBD, but one may stop after the first purchase.
"""

import numpy as np
from scipy.special import expit, gammaln, psi

from app.predictions.clv.betageometric import BetaGeometric
from app.predictions.clv.histories import Histories, Vector


class MbgNbd(BetaGeometric):
    key, title = "mbg_nbd", "MBG/NBD"

    def stays(self, parameters: Vector, histories: Histories) -> Vector:
        result: Vector = parameters[3] + histories.frequency + 1.0
        return result

    def log_likelihood(self, parameters: Vector, histories: Histories) -> tuple[Vector, list[Vector]]:
        r, alpha, a, b = parameters
        x, at = histories.levels
        rx = r + x
        counted = gammaln(rx) - gammaln(r) + r * np.log(alpha) + np.log(b + x) - np.log(a + b + x)
        counted += gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        log_age, log_recency = np.log(alpha + histories.age), np.log(alpha + histories.recency)
        log_odds = (np.log(a) - np.log(b + x))[at] + rx[at] * (log_age - log_recency)
        stopped = expit(log_odds)
        value = counted[at] - rx[at] * log_age + np.logaddexp(0.0, log_odds)

        d_r = (psi(rx) - psi(r) + np.log(alpha))[at] - (1.0 - stopped) * log_age - stopped * log_recency
        mean_inverse = (1.0 - stopped) / (alpha + histories.age) + stopped / (alpha + histories.recency)
        d_alpha = r / alpha - rx[at] * mean_inverse
        beta = psi(a + b) - psi(a + b + x) - 1.0 / (a + b + x)
        d_a = beta[at] + stopped / a
        d_b = (beta + psi(b + x) - psi(b))[at] + (1.0 - stopped) / (b + x)[at]
        return value, [r * d_r, alpha * d_alpha, a * d_a, b * d_b]

    def alive(self, parameters: Vector, histories: Histories) -> Vector:
        r, alpha, a, b = parameters
        x = histories.frequency
        log_odds = np.log(a) - np.log(b + x)
        log_odds += (r + x) * (np.log(alpha + histories.age) - np.log(alpha + histories.recency))
        result: Vector = expit(-log_odds)
        return result
