"""The fitted model of a scope: its predictor, what is to be said of it, and how it is stored."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from app.predictions.clv.boosting import Boosting
from app.predictions.clv.fallback import YEAR
from app.predictions.clv.fitting import Estimate
from app.predictions.clv.histories import Consumers
from app.predictions.clv.predictor import Choice, Prediction, Predictor
from app.predictions.clv.registry import FAMILIES
from app.predictions.clv.spend import SpendModel

VERSION = 1


@dataclass(frozen=True, eq=False)
class ScopeModel:
    """`predictor` is None where the model refuses. `span_weeks` is the history from the first purchase of all."""

    status: str
    notes: list[str]
    predictor: Predictor | None
    churn_visible: bool
    buyers: int
    repeaters: int
    span_weeks: float
    comparison: dict[str, Any] = field(default_factory=dict)
    """Out-of-sample scores of all candidates and baselines on the folds."""
    scorecard: dict[str, Any] = field(default_factory=dict)
    """Of what was chosen, on the folds."""

    def predict(self, consumers: Consumers, horizon_weeks: float, *, level: float = 0.8) -> Prediction:
        if self.predictor is None:
            return Prediction(*np.full((11, consumers.size), np.nan))
        return self.predictor.predict(consumers, horizon_weeks, level=level, churn_visible=self.churn_visible)

    def seasonality(self, horizon_weeks: float) -> str:
        """`unobserved` where no whole year has been seen beside a horizon, else `not modelled`."""
        return "unobserved" if self.span_weeks < YEAR + horizon_weeks else "not modelled"

    def seasonality_note(self, horizon_weeks: float) -> str:
        if abs(horizon_weeks % YEAR - YEAR / 2.0) > YEAR / 2.0 - 2.0 and horizon_weeks > 2.0:
            return "The horizon is whole years, over which high and low seasons average out."
        if self.seasonality(horizon_weeks) == "unobserved":
            return "There is no whole year of history beside the horizon: a high or low season ahead is not foreseen."
        return "Seasons are not modelled: expected orders are those of average weeks."

    def describe(self) -> dict[str, Any]:
        parts = self.predictor
        horizon = self.scorecard.get("horizon_weeks") or YEAR
        about: dict[str, Any] = {
            "status": self.status,
            "notes": self.notes,
            "buyers": self.buyers,
            "repeaters": self.repeaters,
            "span_weeks": self.span_weeks,
            "churn_visible": self.churn_visible,
            "seasonality": self.seasonality(horizon),
            "seasonality_note": self.seasonality_note(horizon),
            "comparison": self.comparison,
            "scorecard": self.scorecard,
        }
        if parts is None:
            return {**about, "chosen": None, "models": [], "spend": None, "boosting": None, "widening": None}
        choice = parts.choice
        return {
            **about,
            "chosen": {
                "orders": {"model": choice.orders, "boosted_share": choice.orders_boosted},
                "probability": {"model": choice.probability, "boosted_share": choice.probability_boosted},
            },
            "models": [_describe_estimate(estimate) for estimate in parts.estimates.values()],
            "spend": parts.spend.to_json(),
            "boosting": None if parts.boosting is None else {"horizon_weeks": parts.boosting.horizon},
            "widening": parts.widening,
        }

    def to_json(self) -> dict[str, Any]:
        """All that is needed to predict again, to the same numbers."""
        stored = {key: value for key, value in vars(self).items() if key != "predictor"}
        return {**stored, "version": VERSION, "predictor": _predictor_to_json(self.predictor)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ScopeModel":
        """Raises ValueError for a model stored in another version."""
        stored = dict(data)
        version = stored.pop("version", None)
        if version != VERSION:
            raise ValueError(f"This model was stored in version {version}; version {VERSION} is read here.")
        return cls(**{**stored, "predictor": _predictor_from_json(data["predictor"])})


def _describe_estimate(estimate: Estimate) -> dict[str, Any]:
    family = estimate.family
    return {
        "model": family.key,
        "title": family.title,
        "parameters": dict(zip(family.names, estimate.parameters.tolist(), strict=True)),
        "log_deviations": dict(zip(family.names, np.sqrt(np.diag(estimate.covariance)).tolist(), strict=True)),
        "log_likelihood": estimate.log_likelihood,
        "n": estimate.consumers,
        "converged": estimate.converged,
    }


def _predictor_to_json(predictor: Predictor | None) -> dict[str, Any] | None:
    if predictor is None:
        return None
    return {
        "estimates": {key: _estimate_to_json(estimate) for key, estimate in predictor.estimates.items()},
        "choice": asdict(predictor.choice),
        "spend": predictor.spend.to_json(),
        "boosting": None if predictor.boosting is None else predictor.boosting.to_json(),
        "widening": predictor.widening,
    }


def _predictor_from_json(data: dict[str, Any] | None) -> Predictor | None:
    if data is None:
        return None
    return Predictor(
        estimates={key: _estimate_from_json(key, each) for key, each in data["estimates"].items()},
        choice=Choice(**data["choice"]),
        spend=SpendModel.from_json(data["spend"]),
        boosting=None if data["boosting"] is None else Boosting.from_json(data["boosting"]),
        widening=data["widening"],
    )


def _estimate_to_json(estimate: Estimate) -> dict[str, Any]:
    return {
        "parameters": estimate.parameters.tolist(),
        "covariance": estimate.covariance.tolist(),
        "log_likelihood": estimate.log_likelihood,
        "consumers": estimate.consumers,
        "converged": estimate.converged,
    }


def _estimate_from_json(key: str, data: dict[str, Any]) -> Estimate:
    arrays = {name: np.array(data[name]) for name in ("parameters", "covariance")}
    return Estimate(FAMILIES[key], **{**data, **arrays})
