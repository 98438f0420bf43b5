"""What lists of consumers show of what was predicted, and what they filter and sort by."""

from typing import Any

from sqlalchemy import ColumnElement, bindparam, select

from app.predictions.consumers.schemas import ConsumerForecastRead
from app.predictions.models import ConsumerPrediction, PredictionRun
from app.users.models import PLACEHOLDER_DOMAIN, User
from app.utils.csv_export import csv_columns
from app.utils.json_rows import json_object, json_text
from app.utils.listing import Listing

_RANGES = {
    name: getattr(ConsumerPrediction, name)
    for name in (
        "predicted_clv", "total_clv", "historic_clv", "average_order_value", "value_at_risk",
        "historic_number_of_orders", "predicted_number_of_orders", "average_days_between_orders",
        "probability_order_in_horizon", "churn_probability",
    )
}  # fmt: skip
_DATES = {"next_order": ConsumerPrediction.next_order_p50, "last_order": ConsumerPrediction.last_order_on}

FILTERS: dict[str, ColumnElement[bool]] = {
    **{name: getattr(ConsumerPrediction, name) == bindparam(name) for name in ("rfm_group", "predicted_spend_tier")},
    **{f"{name}_min": column >= bindparam(f"{name}_min") for name, column in _RANGES.items()},
    **{f"{name}_max": column <= bindparam(f"{name}_max") for name, column in _RANGES.items()},
    **{f"{name}_from": column >= bindparam(f"{name}_from") for name, column in _DATES.items()},
    **{f"{name}_to": column <= bindparam(f"{name}_to") for name, column in _DATES.items()},
}
"""By the names of `schemas.PredictedFilters`."""

_SORTS: dict[str, Any] = {
    "id": ConsumerPrediction.user_id,
    **_RANGES,
    "expected_date_of_next_order": ConsumerPrediction.next_order_p50,
    "last_order_on": ConsumerPrediction.last_order_on,
    "rfm_group": ConsumerPrediction.rfm_group,
    "predicted_spend_tier": ConsumerPrediction.predicted_spend_tier,
}
_KNOWN_OF_ALL = {"id", "historic_clv", "average_order_value", "historic_number_of_orders", "last_order_on", "rfm_group"}

_P = "consumer_predictions"
REASON = f"""
    CASE {_P}.purchase_days WHEN 1 THEN 'bought once, '
    WHEN 2 THEN format('bought twice, %s days apart, last ', round({_P}.average_days_between_orders::numeric))
    ELSE format('usually buys every %s ± %s days, last bought ', round({_P}.average_days_between_orders::numeric),
        round({_P}.deviation_of_days_between_orders::numeric)) END
    || format('%s days ago', prediction_runs.as_of - {_P}.last_order_on)
"""
"""Of a run's day. The deviation is that of the days between purchases, of a sample."""
NEXT_ORDER = f"""
    CASE WHEN {_P}.next_order_p50 IS NOT NULL THEN json_build_object(
        'p10', {_P}.next_order_p10, 'p50', {_P}.next_order_p50, 'p90', {_P}.next_order_p90) END
"""
SHOWN_EMAIL = f"CASE WHEN users.email NOT LIKE '%{PLACEHOLDER_DOMAIN}' THEN users.email END"
EXPRESSIONS = {
    "name": "users.name",
    "email": SHOWN_EMAIL,
    "total_clv_lower": f"({_P}.historic_clv + {_P}.predicted_clv_lower)::text",
    "total_clv_upper": f"({_P}.historic_clv + {_P}.predicted_clv_upper)::text",
    "expected_date_of_next_order": NEXT_ORDER,
    "reason": REASON,
}

LISTING = Listing(
    rows=select(json_text(json_object(ConsumerForecastRead, ConsumerPrediction, **EXPRESSIONS)))
    .select_from(ConsumerPrediction)
    .join(User, User.id == ConsumerPrediction.user_id)
    .join(PredictionRun, PredictionRun.id == ConsumerPrediction.run_id),
    filters={
        "run_id": ConsumerPrediction.run_id == bindparam("run_id"),
        "model_id": ConsumerPrediction.model_id == bindparam("model_id"),
        **FILTERS,
    },
    sorts=_SORTS,
    choices={
        "sort": {
            sort: column.is_not(None)
            for name, column in _SORTS.items()
            if name not in _KNOWN_OF_ALL
            for sort in (name, f"-{name}")
        }
    },
    unpredictable=frozenset(FILTERS),
    always=frozenset({"run_id", "model_id"}),
)

_FIELDS = [name for name in ConsumerForecastRead.model_fields if name != "expected_date_of_next_order"]
CSV_COLUMNS = csv_columns(
    ConsumerPrediction,
    [*_FIELDS, "next_order_p10", "next_order_p50", "next_order_p90"],
    text=("name", "email"),
    expressions=EXPRESSIONS,
)

USER_FILTERS: dict[str, ColumnElement[bool]] = {
    name: User.id.in_(
        select(ConsumerPrediction.user_id).where(
            ConsumerPrediction.run_id == bindparam("prediction_run_id"),
            ConsumerPrediction.model_id == bindparam("prediction_model_id"),
            condition,
        )
    )
    for name, condition in FILTERS.items()
}
"""The same on users, of the run and model that are bound beside them."""
