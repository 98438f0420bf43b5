"""RFM groups and spend tiers, under the names that Shopify gives them.

Each consumer is scored 1 to 5 on recency, frequency and money by quintiles of the scope, 5 being best, and FM is the
mean of the last two, as Shopify documents it. Shopify describes its groups in words ("recent purchases, few orders, low
spend") and publishes no table; the one here follows those words.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.predictions.clv.histories import Consumers, Vector

Scores = NDArray[np.int64]

GROUPS = (
    "ACTIVE", "ALMOST_LOST", "AT_RISK", "CHAMPIONS", "DORMANT", "LOYAL", "NEEDS_ATTENTION", "NEW", "PREVIOUSLY_LOYAL",
    "PROMISING",
)  # fmt: skip
"""Of those who have bought; Shopify's eleventh, PROSPECTS, are those who have not."""
FIFTHS = (0.2, 0.4, 0.6, 0.8)

_TABLE: dict[int, tuple[tuple[float, str], ...]] = {
    5: ((4.0, "CHAMPIONS"), (2.5, "ACTIVE"), (1.0, "NEW")),
    4: ((4.0, "LOYAL"), (2.5, "ACTIVE"), (1.0, "PROMISING")),
    3: ((4.0, "LOYAL"), (2.5, "NEEDS_ATTENTION"), (1.0, "PROMISING")),
    2: ((4.5, "PREVIOUSLY_LOYAL"), (3.0, "AT_RISK"), (1.0, "ALMOST_LOST")),
    1: ((4.5, "PREVIOUSLY_LOYAL"), (3.0, "AT_RISK"), (1.0, "DORMANT")),
}
"""By recency score: the groups and the least FM of each, highest first."""

TIERS = ("HIGH", "MEDIUM", "LOW")
HIGH_SHARE, MEDIUM_SHARE = 0.2, 0.4
"""The fifth of consumers that most is expected of, the two fifths after them, and the rest."""


@dataclass(frozen=True)
class RfmBreaks:
    """Four values a score, between its fifths; kept, so that one consumer can be scored later.

    `recency` is in weeks since the last purchase. Equal values have equal scores, so that where most bought once the
    lowest score of frequency is theirs and some scores are nobody's.
    """

    recency: tuple[float, ...]
    frequency: tuple[float, ...]
    monetary: tuple[float, ...]

    def scores(self, consumers: Consumers) -> tuple[Scores, Scores, Scores]:
        since = consumers.age - consumers.recency
        return (
            5 - np.searchsorted(self.recency, since, side="left"),
            1 + np.searchsorted(self.frequency, consumers.frequency, side="left"),
            1 + np.searchsorted(self.monetary, consumers.amount, side="left"),
        )

    def to_json(self) -> dict[str, Any]:
        return {key: list(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "RfmBreaks":
        return cls(**{key: tuple(value) for key, value in data.items()})


def rfm_breaks(consumers: Consumers, weight: Vector | None = None) -> RfmBreaks:
    """`weight`: how many consumers each stands for, where they are a sample or grouped."""
    weight = np.ones(consumers.size) if weight is None else weight
    columns = (consumers.age - consumers.recency, consumers.frequency, consumers.amount)
    return RfmBreaks(*(weighted_quantiles(column, weight, FIFTHS) for column in columns))


def weighted_quantiles(values: Vector, weight: Vector, levels: tuple[float, ...]) -> tuple[float, ...]:
    """The least value that at least each level of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    places = np.searchsorted(reached, np.asarray(levels) * reached[-1] * (1.0 - 1e-12), side="left")
    return tuple(values[order][np.minimum(places, len(order) - 1)].tolist())


def rfm_group(recency: int, frequency: int, monetary: int) -> str:
    """Of scores 1 to 5."""
    mean = (frequency + monetary) / 2.0
    return next(name for least, name in _TABLE[recency] if mean >= least)


def rfm_groups(consumers: Consumers, breaks: RfmBreaks) -> NDArray[np.str_]:
    grid = np.array([[[rfm_group(r, f, m) for m in range(1, 6)] for f in range(1, 6)] for r in range(1, 6)])
    recency, frequency, monetary = breaks.scores(consumers)
    groups: NDArray[np.str_] = grid[recency - 1, frequency - 1, monetary - 1]
    return groups


def spend_cuts(spend: Vector) -> tuple[float, float]:
    """The expected spends above which a consumer is HIGH, and above which MEDIUM; NaN where nothing is expected."""
    known = np.sort(spend[np.isfinite(spend)])[::-1]
    if not len(known):
        return float("nan"), float("nan")
    places = [int(share * len(known)) for share in (HIGH_SHARE, HIGH_SHARE + MEDIUM_SHARE)]
    return float(known[places[0]]), float(known[places[1]])


def spend_tiers(spend: Vector, cuts: tuple[float, float]) -> NDArray[np.str_]:
    """HIGH, MEDIUM or LOW, and '' where no spend is predicted. Equal spends are of one tier, the lower one."""
    tiers = np.where(spend > cuts[0], TIERS[0], np.where(spend > cuts[1], TIERS[1], TIERS[2]))
    return np.where(np.isfinite(spend), tiers, "")
