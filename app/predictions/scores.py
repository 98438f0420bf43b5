"""The few measures of a model's scorecard that say the most."""

from collections.abc import Iterator
from typing import NamedTuple

from app.predictions.models import ModelKind, PredictionModel


class Score(NamedTuple):
    measure: str
    forecast: float | None
    naive: float | None = None


# The naive forecast of each kind, and the measures that say the most.
_SCORES = {
    "demand": ("last_week", ("wape_sum", "mase", "rmsse", "bias", "coverage_80", "coverage_95")),
    "revenue": ("same_weekday_last_week", ("wape_day", "error_of_total", "mase_7", "bias", "coverage_80_of_days")),
}
# Of consumers: a part of the scorecard, what stands there beside it, and a measure.
_OF_CONSUMERS = (
    ("orders", "orders_naive", "rmse"),
    ("orders", "orders_naive", "mae"),
    ("orders", "orders_naive", "poisson_deviance"),
    ("orders", "orders_naive", "total_error"),
    ("probability", "probability_naive", "auc"),
    ("probability", "probability_naive", "brier"),
    ("spend", "spend_naive", "rmse"),
)


def list_scores(model: PredictionModel) -> Iterator[Score]:
    """Nothing where the history was too short for a backtest."""
    card = model.scorecard.get("revenue", {}) if model.kind == ModelKind.REVENUE else model.scorecard
    if not card.get("origins") and not card.get("folds"):
        return
    if model.kind == ModelKind.CONSUMERS:
        for part, naive, measure in _OF_CONSUMERS:
            yield Score(f"{part} {measure}", card[part][measure], card[naive][measure])
        for part in ("orders", "spend"):
            yield Score(f"{part} coverage_80", card["intervals"][part]["coverage_80"])
        return
    naive, measures = _SCORES[model.kind]
    for measure in measures:
        yield Score(measure, card["forecast"].get(measure), card["baselines"][naive].get(measure))
