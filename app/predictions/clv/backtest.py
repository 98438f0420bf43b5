"""What could have been predicted at past origins, and which candidate would have been best.

Expected orders are judged by Poisson deviance, which is the likelihood's own measure of a count's mean: it asks for the
right level where few purchases are expected as much as where many are, while squared error hears the few heaviest
buyers alone. Probabilities are judged by their Brier score.

A candidate replaces a simpler one only where it is better by more than chance (two standard errors of the difference
over consumers) and by more than a trifle: of many consumers any difference is significant, and the folds are often
shorter than the horizons that are asked for later. Simpler are, in this order: Pareto/NBD, MBG/NBD, BG/NBD, then half
boosting, then boosting alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.predictions.clv.boosting import Boosting, learn
from app.predictions.clv.fallback import TOO_FEW, fit_candidates, thinness
from app.predictions.clv.histories import Fold, Vector
from app.predictions.clv.predictor import Choice, Predictor
from app.predictions.clv.scorecard import (
    INTERVAL_SAMPLE,
    central_coverage,
    naive_orders,
    plain,
    poisson_deviance,
    sample_fold,
    squared_error,
)
from app.predictions.clv.spend import fit_spend

SHARES = (0.5, 1.0)
"""Of boosting. Fixed rather than estimated: an even mixture of two unlike forecasts is hard to better, and a few folds
cannot tell a half from a third."""
WIDENINGS = (0.0, 0.2, 0.35, 0.5, 0.7, 0.9, 1.2)
"""Coefficients of variation to try, from none to a level known to a factor of three."""
NOMINAL, ENOUGH, TRIFLE = 0.8, 0.775, 0.005
"""Past 80 % intervals that held 77.5 % are left alone: the next weeks will not repeat the last to a percent or two."""
ERRORS = 2.0
MATERIAL = {"poisson_deviance": 0.02, "brier": 0.01}
"""Shares of the simpler candidate's loss that a gain must exceed. Most of a Brier score is chance that no model takes
away, so that a gain of 1 % of it is as much."""
LEARNT_FROM = 100_000
"""Consumers that boosting learns from, of all folds together: its small trees do not get better with more."""
NAIVE, ZERO = "naive_rate", "zero"

Scores = dict[str, dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Past:
    """A fold, and what could be fitted at its origin."""

    fold: Fold
    predictor: Predictor

    def with_choice(self, choice: Choice) -> "Past":
        return replace(self, predictor=replace(self.predictor, choice=choice))

    def without_boosting(self) -> "Past":
        return replace(self, predictor=replace(self.predictor, boosting=None))


def fit_past(folds: Sequence[Fold]) -> list[Past]:
    """Oldest first, each fit starting from the one before. Folds of which too little was known are left out."""
    past: list[Past] = []
    for fold in sorted(folds, key=lambda each: each.origin):
        histories, _ = fold.consumers.histories()
        if fold.consumers.size == 0 or thinness(histories) == TOO_FEW:
            continue
        near = past[-1].predictor.estimates if past else None
        estimates = fit_candidates(histories, near=near)
        key = next(iter(estimates))
        spend, _ = fit_spend(fold.consumers)
        past.append(Past(fold, Predictor(estimates, Choice(key, key), spend)))
    return past


def knowing(past: list[Past], keys: Sequence[str]) -> list[Past]:
    """The folds at whose origins all these models could be fitted."""
    return [each for each in past if all(key in each.predictor.estimates for key in keys)]


def choose_family(past: list[Past], keys: Sequence[str]) -> tuple[Choice, Scores]:
    """Of `keys`, most preferred first; the first without folds to tell."""
    past = knowing(past, keys)
    if not past:
        return Choice(keys[0], keys[0]), {}
    candidates = {key: [each.with_choice(Choice(key, key)) for each in past] for key in keys}
    deviance, brier = _losses(candidates)
    scores = _mean_losses(deviance, brier) | _baselines(past)
    return Choice(prefer(deviance, MATERIAL["poisson_deviance"]), prefer(brier, MATERIAL["brier"])), scores


def choose_boosting(past: list[Past], choice: Choice, seed: int) -> tuple[Choice, Boosting | None, list[Past], Scores]:
    """The choice with boosting in it where that is better, what is learnt from all folds, and the folds as judged."""
    past = [each.with_choice(choice) for each in knowing(past, (choice.orders, choice.probability))]
    taught = _taught(past, seed)
    if not taught:
        return choice, None, past, {}
    candidates = {_boosted_name(0.0): [each.without_boosting() for each in taught]} | {
        _boosted_name(share): [
            each.with_choice(replace(choice, orders_boosted=share, probability_boosted=share)) for each in taught
        ]
        for share in SHARES
    }
    deviance, brier = _losses(candidates)
    scores = _mean_losses(deviance, brier)
    shares = {_boosted_name(share): share for share in (0.0, *SHARES)}
    chosen = replace(
        choice,
        orders_boosted=shares[prefer(deviance, MATERIAL["poisson_deviance"])],
        probability_boosted=shares[prefer(brier, MATERIAL["brier"])],
    )
    boosting = _learn_from(past, past[-1].fold.horizon, seed)
    if boosting is None or not (chosen.orders_boosted or chosen.probability_boosted):
        return choice, None, past, scores
    return chosen, boosting, [each.with_choice(chosen) for each in taught], scores


def widen(past: list[Past]) -> tuple[float, float]:
    """What to add to the variation of rates and of spend so that 80 % intervals would have held ENOUGH on the folds.

    The least of WIDENINGS with which they would; where none does, the least that comes within half a percent of the
    best. Coverage is by the randomised PIT. Intervals that were too wide are left as they are.
    """
    if not past:
        return 0.0, 0.0
    samples = [replace(each, fold=sample_fold(each.fold, INTERVAL_SAMPLE)) for each in past]

    def least(cover: Callable[[float], float]) -> float:
        reached: dict[float, float] = {}
        for widening in WIDENINGS:
            reached[widening] = cover(widening)
            if reached[widening] >= ENOUGH:
                return widening
        best = max(reached.values())
        return next(widening for widening, value in reached.items() if value >= best - TRIFLE)

    rate = least(lambda widening: _coverage(samples, widening, 0.0)[0])
    return rate, least(lambda widening: _coverage(samples, rate, widening)[1])


def widened(past: list[Past], rate: float, spend: float) -> list[Past]:
    return [
        replace(
            each,
            predictor=replace(each.predictor, widening=rate, spend=each.predictor.spend.widened(spend)),
        )
        for each in past
    ]


def prefer(losses: dict[str, Vector], material: float) -> str:
    """The first, unless a later one is better than chance and by more than this share of the loss."""
    names = iter(losses)
    best = next(names)
    for name in names:
        gain = losses[best] - losses[name]
        if gain.mean() > max(ERRORS * gain.std() / np.sqrt(len(gain)), material * losses[best].mean()):
            best = name
    return best


def _mean_losses(deviance: dict[str, Vector], brier: dict[str, Vector]) -> Scores:
    return {
        name: {"poisson_deviance": plain(losses.mean()), "brier": plain(brier[name].mean()), "n": len(losses)}
        for name, losses in deviance.items()
    }


def _losses(candidates: dict[str, list[Past]]) -> tuple[dict[str, Vector], dict[str, Vector]]:
    deviance, brier = {}, {}
    for name, past in candidates.items():
        levels = [each.predictor.levels(each.fold.consumers, each.fold.horizon) for each in past]
        orders = [each.fold.actual_orders for each in past]
        pairs = list(zip(levels, orders, strict=True))
        deviance[name] = np.concatenate([poisson_deviance(level.mean, actual) for level, actual in pairs])
        brier[name] = np.concatenate([squared_error(level.probability, actual > 0) for level, actual in pairs])
    return deviance, brier


def _baselines(past: list[Past]) -> Scores:
    actual = np.concatenate([each.fold.actual_orders for each in past])
    naive = np.concatenate([naive_orders(each.fold.consumers, each.fold.horizon) for each in past])
    return {
        name: {
            "poisson_deviance": plain(poisson_deviance(predicted, actual).mean()),
            "brier": plain(squared_error(1.0 - np.exp(-predicted), actual > 0).mean()),
            "n": len(actual),
        }
        for name, predicted in ((NAIVE, naive), (ZERO, np.zeros(len(actual))))
    }


def _taught(past: list[Past], seed: int) -> list[Past]:
    """Folds with what boosting learnt from those that had passed before each."""
    taught = []
    for each in past:
        before = [other for other in past if other.fold.origin + other.fold.horizon <= each.fold.origin + 1e-6]
        boosting = _learn_from(before, each.fold.horizon, seed)
        if boosting is not None:
            taught.append(replace(each, predictor=replace(each.predictor, boosting=boosting)))
    return taught


def _learn_from(past: list[Past], horizon: float, seed: int) -> Boosting | None:
    alike = [each for each in past if abs(each.fold.horizon - horizon) < 1e-6]
    folds = [sample_fold(each.fold, LEARNT_FROM // len(alike)) for each in alike]
    features = [each.predictor.features(fold.consumers, horizon) for each, fold in zip(alike, folds, strict=True)]
    return learn(folds, features, seed)


def _coverage(past: list[Past], rate: float, spend: float) -> tuple[float, float]:
    orders, amounts = [], []
    for each in widened(past, rate, spend):
        fold = each.fold
        pair = each.predictor.cumulated(fold.consumers, fold.horizon, fold.actual_orders, fold.actual_spend)
        orders.append(pair[0])
        amounts.append(pair[1])
    return central_coverage(np.vstack(orders), NOMINAL), central_coverage(np.vstack(amounts), NOMINAL)


def _boosted_name(share: float) -> str:
    return {0.0: "not_boosted", 0.5: "half_boosted", 1.0: "boosted"}[share]
