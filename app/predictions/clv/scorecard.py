"""How good predictions were: scores of what was predicted beside what came, as plain numbers for JSON."""

from typing import Any

import numpy as np
from scipy.stats import rankdata

from app.predictions.clv.histories import Consumers, Fold, Mask, Vector
from app.predictions.clv.predictor import Levels, Predictor

BINS = 10
INTERVAL_SAMPLE = 5_000
"""Consumers of a fold that the coverage of intervals is measured on: its standard error is then half a percent."""
LEAST = 1e-9


def poisson_deviance(predicted: Vector, actual: Vector) -> Vector:
    """Of each consumer; the mean over consumers is what is reported. A prediction of 0 counts as one in a billion."""
    mean = np.maximum(predicted, LEAST)
    result: Vector = 2.0 * (np.where(actual > 0, actual * np.log(np.maximum(actual, 1.0) / mean), 0.0) - actual + mean)
    return result


def squared_error(predicted: Vector, actual: Vector | Mask) -> Vector:
    """Of a probability it is the Brier score of each consumer."""
    result: Vector = (predicted - actual) ** 2
    return result


def score_level(predicted: Vector, actual: Vector) -> dict[str, Any]:
    """Of expected orders or spend."""
    error, total = predicted - actual, float(actual.sum())
    varies = len(actual) > 1 and np.ptp(predicted) > 0 and np.ptp(actual) > 0
    return {
        "mae": plain(np.abs(error).mean()),
        "rmse": plain(np.sqrt((error**2).mean())),
        "total_predicted": plain(predicted.sum()),
        "total_actual": total,
        "total_error": plain(predicted.sum() / total - 1.0) if total else None,
        "correlation": plain(np.corrcoef(predicted, actual)[0, 1]) if varies else None,
    }


def score_orders(predicted: Vector, actual: Vector) -> dict[str, Any]:
    return {**score_level(predicted, actual), "poisson_deviance": plain(poisson_deviance(predicted, actual).mean())}


def score_probability(predicted: Vector, happened: Vector) -> dict[str, Any]:
    safe = np.clip(predicted, LEAST, 1.0 - LEAST)
    log_loss = -(happened * np.log(safe) + (1.0 - happened) * np.log1p(-safe)).mean()
    return {
        "auc": area_under_curve(predicted, happened),
        "brier": plain(squared_error(predicted, happened).mean()),
        "log_loss": plain(log_loss),
        "mean_predicted": plain(predicted.mean()),
        "mean_actual": plain(happened.mean()),
    }


def area_under_curve(predicted: Vector, happened: Vector) -> float | None:
    """The probability that one who bought was given more than one who did not; None where either kind is missing."""
    positives = float(happened.sum())
    negatives = len(happened) - positives
    if not positives or not negatives:
        return None
    ranks = rankdata(predicted)[happened > 0].sum()
    return plain((ranks - positives * (positives + 1.0) / 2.0) / (positives * negatives))


def calibration_bins(predicted: Vector, happened: Vector) -> list[dict[str, Any]]:
    """Ten bins of equally many consumers, by predicted probability."""
    order = np.argsort(predicted, kind="stable")
    return [
        {"n": len(rows), "predicted": plain(predicted[rows].mean()), "actual": plain(happened[rows].mean())}
        for rows in np.array_split(order, BINS)
        if len(rows)
    ]


def central_coverage(cumulated: Vector, level: float) -> float:
    """Of central intervals, by the randomised PIT of Czado, Gneiting & Held (2009) in expectation over its draws.

    `cumulated` (n, 2) is P(less than what came) and P(not more than it): a discrete outcome spreads uniformly between
    them, so that a calibrated prediction is covered in exactly `level` of the cases, however coarse the counts.
    """
    low, high = cumulated[:, 0], cumulated[:, 1]
    least, most = (1.0 - level) / 2.0, (1.0 + level) / 2.0
    width = high - low
    inside = np.clip(np.minimum(high, most) - np.maximum(low, least), 0.0, None)
    point = ((low >= least) & (low <= most)).astype(np.float64)
    return float(np.where(width > 1e-12, inside / np.maximum(width, 1e-12), point).mean())


def pit_histogram(cumulated: Vector) -> list[float]:
    """Share of outcomes in each tenth of their predicted distributions: flat is calibrated."""
    edges = np.linspace(0.0, 1.0, BINS + 1)
    low, width = cumulated[:, :1], np.maximum(cumulated[:, 1:] - cumulated[:, :1], 1e-12)
    shares = np.diff(np.clip((edges - low) / width, 0.0, 1.0), axis=1).mean(axis=0)
    return [round(float(share), 4) for share in shares]


def score_next_order(quantiles: Vector, consumers: Consumers, actual: Vector) -> dict[str, Any]:
    """In weeks, over those who had bought more than once and did again; `quantiles` (n, 3) are p10, p50 and p90.

    Beside it the obvious rule, the last order plus the consumer's mean gap but not before the as-of date, and the best
    constant in hindsight.
    """
    known = (consumers.frequency > 0) & ~np.isnan(actual)
    if not known.any():
        return {"n": 0, "mae": None, "coverage_80": None, "mae_last_plus_gap": None, "mae_constant": None}
    came, quantiles = actual[known], quantiles[known]
    recency, age = consumers.recency[known], consumers.age[known]
    rule = np.maximum(recency / consumers.frequency[known] - (age - recency), 0.0)
    inside = (came >= quantiles[:, 0]) & (came <= quantiles[:, 2])
    return {
        "n": len(came),
        "mae": plain(np.abs(quantiles[:, 1] - came).mean()),
        "coverage_80": plain(inside.mean()),
        "mae_last_plus_gap": plain(np.abs(rule - came).mean()),
        "mae_constant": plain(np.abs(np.median(came) - came).mean()),
    }


def naive_orders(consumers: Consumers, horizon: float) -> Vector:
    """Everybody goes on at the rate of repeat purchases they had."""
    age = consumers.age
    result: Vector = np.where(age > 0, consumers.frequency / np.where(age > 0, age, 1.0) * horizon, 0.0)
    return result


def naive_spend(consumers: Consumers, horizon: float) -> Vector:
    """At that rate, with the mean basket they had."""
    result: Vector = naive_orders(consumers, horizon) * consumers.amount / (consumers.frequency + 1.0)
    return result


def scorecard(predictors: list[tuple[Predictor, Fold]]) -> dict[str, Any]:
    """Of predictors fitted at past origins, over the folds that followed; {} without any."""
    if not predictors:
        return {}
    levels = [predictor.levels(fold.consumers, fold.horizon) for predictor, fold in predictors]
    orders = np.concatenate([fold.actual_orders for _, fold in predictors])
    spend = np.concatenate([fold.actual_spend for _, fold in predictors])
    mean, probability = _joined(levels)
    per_purchase = np.concatenate([each.spend.per_purchase(fold.consumers) for each, fold in predictors])
    naive = np.concatenate([naive_orders(fold.consumers, fold.horizon) for _, fold in predictors])
    naive_amount = np.concatenate([naive_spend(fold.consumers, fold.horizon) for _, fold in predictors])
    happened = (orders > 0).astype(np.float64)
    waiting = [predictor.waiting(fold.consumers, fold.horizon) for predictor, fold in predictors]
    next_orders = [
        score_next_order(each, fold.consumers, fold.next_order)
        for each, (_, fold) in zip(waiting, predictors, strict=True)
    ]
    return {
        "folds": len(predictors),
        "horizon_weeks": predictors[-1][1].horizon,
        "n": len(orders),
        "orders": score_orders(mean, orders),
        "orders_naive": score_orders(naive, orders),
        "orders_zero": score_orders(np.zeros(len(orders)), orders),
        "probability": score_probability(probability, happened),
        "probability_naive": score_probability(1.0 - np.exp(-naive), happened),
        "calibration": calibration_bins(probability, happened),
        "spend": score_level(mean * per_purchase, spend),
        "spend_naive": score_level(naive_amount, spend),
        "intervals": score_intervals(predictors),
        "next_order": _pooled(next_orders),
    }


def score_intervals(predictors: list[tuple[Predictor, Fold]]) -> dict[str, Any]:
    """Coverage of the 80 and 95 % intervals of orders and spend.

    `coverage` is by the randomised PIT, of the predicted distributions; `plain` of the published intervals, which hold
    more than their level because a count cannot be cut where one would like.
    """
    of_orders, of_spend, plain_scores = [], [], []
    for predictor, whole in predictors:
        fold = sample_fold(whole, INTERVAL_SAMPLE)
        pair = predictor.cumulated(fold.consumers, fold.horizon, fold.actual_orders, fold.actual_spend)
        of_orders.append(pair[0])
        of_spend.append(pair[1])
        row = []
        for level in (0.8, 0.95):
            got = predictor.predict(fold.consumers, fold.horizon, level=level, churn_visible=True)
            row.append((fold.actual_orders >= got.orders_lower) & (fold.actual_orders <= got.orders_upper))
            row.append((fold.actual_spend >= got.spend_lower - 1e-6) & (fold.actual_spend <= got.spend_upper + 1e-6))
        plain_scores.append(np.column_stack(row))
    orders, spend, published = np.vstack(of_orders), np.vstack(of_spend), np.vstack(plain_scores).mean(axis=0)
    return {
        "n": len(orders),
        "orders": {
            "coverage_80": plain(central_coverage(orders, 0.8)),
            "coverage_95": plain(central_coverage(orders, 0.95)),
            "plain_80": plain(published[0]),
            "plain_95": plain(published[2]),
            "pit": pit_histogram(orders),
        },
        "spend": {
            "coverage_80": plain(central_coverage(spend, 0.8)),
            "coverage_95": plain(central_coverage(spend, 0.95)),
            "plain_80": plain(published[1]),
            "plain_95": plain(published[3]),
            "pit": pit_histogram(spend),
        },
    }


def sample_fold(fold: Fold, most: int) -> Fold:
    """At most `most` consumers, by a shuffle that is always the same."""
    n = fold.consumers.size
    if n <= most:
        return fold
    rows = np.sort(np.random.default_rng(0).permutation(n)[:most])
    return Fold(
        fold.consumers.take(rows),
        fold.origin,
        fold.horizon,
        fold.actual_orders[rows],
        fold.actual_spend[rows],
        fold.next_order[rows],
    )


def plain(value: Any) -> float | None:
    """For JSON: None for what is not a finite number."""
    number = float(value)
    return number if np.isfinite(number) else None


def _joined(levels: list[Levels]) -> tuple[Vector, Vector]:
    return np.concatenate([each.mean for each in levels]), np.concatenate([each.probability for each in levels])


def _pooled(scores: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over folds, each weighted with those who returned in it."""
    total = sum(score["n"] for score in scores)
    pooled: dict[str, Any] = {"n": total}
    for key in scores[0]:
        if key != "n":
            held = [(score["n"], score[key]) for score in scores if score[key] is not None]
            pooled[key] = plain(sum(n * value for n, value in held) / total) if held else None
    return pooled
