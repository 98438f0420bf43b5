"""BG/NBD: Fader, Hardie & Lee (2005), "Counting your customers" the easy way. Marketing Science 24(2)."""

import numpy as np
from scipy.special import expit, gammaln, psi

from app.predictions.clv.betageometric import BetaGeometric
from app.predictions.clv.histories import Histories, Vector


class BgNbd(BetaGeometric):
    key, title = "bg_nbd", "BG/NBD"

    def stays(self, parameters: Vector, histories: Histories) -> Vector:
        result: Vector = parameters[3] + histories.frequency
        return result

    def log_likelihood(self, parameters: Vector, histories: Histories) -> tuple[Vector, list[Vector]]:
        """Eq. 6, in logarithms: ln A1 + ln A2 + ln(A3 + [x > 0] A4)."""
        r, alpha, a, b = parameters
        x, at = histories.levels
        rx = r + x
        counted = gammaln(rx) - gammaln(r) + r * np.log(alpha)
        counted += gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        log_age, log_recency = np.log(alpha + histories.age), np.log(alpha + histories.recency)
        again = x > 0
        # ln(A4 / A3), minus infinity where nothing was bought again: such a consumer cannot have stopped.
        odds = np.full(len(x), -np.inf)
        odds[again] = np.log(a) - np.log(b + x[again] - 1.0)
        log_odds = odds[at] + rx[at] * (log_age - log_recency)
        stopped = expit(log_odds)
        value = counted[at] - rx[at] * log_age + np.logaddexp(0.0, log_odds)

        d_r = (psi(rx) - psi(r) + np.log(alpha))[at] - (1.0 - stopped) * log_age - stopped * log_recency
        mean_inverse = (1.0 - stopped) / (alpha + histories.age) + stopped / (alpha + histories.recency)
        d_alpha = r / alpha - rx[at] * mean_inverse
        d_a = (psi(a + b) - psi(a + b + x))[at] + stopped / a
        inverse = np.zeros(len(x))
        inverse[again] = 1.0 / (b + x[again] - 1.0)
        d_b = (psi(a + b) + psi(b + x) - psi(b) - psi(a + b + x))[at] - stopped * inverse[at]
        return value, [r * d_r, alpha * d_alpha, a * d_a, b * d_b]

    def alive(self, parameters: Vector, histories: Histories) -> Vector:
        """Fader & Hardie (2008), "Computing P(alive) using the BG/NBD model"; 1 after a single purchase."""
        r, alpha, a, b = parameters
        x = histories.frequency
        again = x > 0
        log_odds = np.full(histories.size, -np.inf)
        log_odds[again] = np.log(a) - np.log(b + x[again] - 1.0)
        log_odds += (r + x) * (np.log(alpha + histories.age) - np.log(alpha + histories.recency))
        result: Vector = expit(-log_odds)
        return result
