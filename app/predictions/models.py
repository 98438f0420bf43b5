"""Prediction runs, the models they fitted, and what was predicted, kept per run.

`consumer_predictions` and `product_predictions` have a partition for each run, which the run fills before it
is attached, and which is dropped with it. So a run of a million consumers appears at once, and leaves nothing behind.
They refer to no other table: rows of users and products that are gone are left out where the lists are read.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Numeric,
    SmallInteger,
    String,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, Identified
from app.utils.clock import utc_now


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED = frozenset({RunStatus.QUEUED, RunStatus.RUNNING})


class ModelKind(StrEnum):
    CONSUMERS = "consumers"  # of one currency, on one website or on all of them
    DEMAND = "demand"  # of one website's products
    REVENUE = "revenue"  # of one website in one currency, day by day


_NOTHING, _NO_NOTES = text("'{}'"), text("'[]'")


class PredictionRun(Identified, Base):
    """What was predicted from everything up to the end of the day `as_of`.

    `source_website` is null for all of them. `versions` names the program's and its libraries'; with them, `as_of` and
    `seed` a run can be repeated. `timings` has seconds by stage, and how many of them the database took. `is_kept` is
    false once the consumers' and products' rows were dropped; models, revenue and outcomes stay.
    """

    __tablename__ = "prediction_runs"

    as_of: Mapped[date]
    source_website: Mapped[str | None] = mapped_column(String(100))
    horizon_days: Mapped[int]
    lead_time_days: Mapped[int]
    service_level: Mapped[float]
    seed: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(20), default=RunStatus.QUEUED, server_default="queued")
    stage: Mapped[str | None] = mapped_column(String(100))
    stages_done: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    stages: Mapped[int | None]
    versions: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=_NOTHING)
    timings: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=_NOTHING)
    is_kept: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(f"status IN ({', '.join(repr(each.value) for each in RunStatus)})", name="status_known"),
        CheckConstraint("horizon_days BETWEEN 1 AND 3650", name="horizon_sensible"),
        CheckConstraint("service_level > 0 AND service_level < 1", name="service_level_share"),
    )


class PredictionModel(Identified, Base):
    """What a run fitted on one part of the data, and how that did on the shop's own past.

    `parameters` and `scorecard` are for people, `state` is what predicts again; `subjects` is how many consumers or
    products it is about, or days for revenue.
    """

    __tablename__ = "prediction_models"

    run_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("prediction_runs.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    source_website: Mapped[str | None] = mapped_column(String(100))
    currency: Mapped[str | None] = mapped_column(String(3))
    subjects: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(30))
    notes: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default=_NO_NOTES)
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=_NOTHING)
    scorecard: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=_NOTHING)
    state: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=_NOTHING)

    __table_args__ = (
        CheckConstraint(f"kind IN ({', '.join(repr(each.value) for each in ModelKind)})", name="kind_known"),
        Index("ix_prediction_models_run_id", "run_id", "kind"),
    )


class ConsumerPrediction(Base):
    """Of a consumer, by one model. Bounds hold eight times in ten; days are of the website's calendar.

    `recent` counts the days with a purchase within the last 4, 13 and 26 weeks of the run's day. `value_at_risk` is
    the predicted spend times the probability that there will be none.
    """

    __tablename__ = "consumer_predictions"

    run_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    model_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    first_order_on: Mapped[date]
    last_order_on: Mapped[date]
    historic_number_of_orders: Mapped[int]
    purchase_days: Mapped[int]
    recent: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    historic_clv: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    first_amount: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    average_order_value: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    average_days_between_orders: Mapped[float | None] = mapped_column(Double)
    deviation_of_days_between_orders: Mapped[float | None] = mapped_column(Double)
    predicted_number_of_orders: Mapped[float | None] = mapped_column(Double)
    predicted_number_of_orders_lower: Mapped[float | None] = mapped_column(Double)
    predicted_number_of_orders_upper: Mapped[float | None] = mapped_column(Double)
    predicted_clv: Mapped[Decimal | None] = mapped_column(Numeric(14, 2))
    predicted_clv_lower: Mapped[Decimal | None] = mapped_column(Numeric(14, 2))
    predicted_clv_upper: Mapped[Decimal | None] = mapped_column(Numeric(14, 2))
    total_clv: Mapped[Decimal | None] = mapped_column(Numeric(14, 2))
    probability_order_in_horizon: Mapped[float | None] = mapped_column(Double)
    churn_probability: Mapped[float | None] = mapped_column(Double)
    value_at_risk: Mapped[Decimal | None] = mapped_column(Numeric(14, 2))
    next_order_p10: Mapped[date | None]
    next_order_p50: Mapped[date | None]
    next_order_p90: Mapped[date | None]
    rfm_group: Mapped[str] = mapped_column(String(20))
    rfm_scores: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    predicted_spend_tier: Mapped[str | None] = mapped_column(String(10))

    __table_args__ = ({"postgresql_partition_by": "LIST (run_id)"},)


class ProductPrediction(Base):
    """Of a product: units a week for the weeks after the run's day, and what that means for its stock.

    Weekly figures are arrays, one entry a week. `scale` and `bin` say which quantiles of the model's `state` are its.
    `urgency` is the days until the stock falls below the reorder point, negative where it has; null without a stock.
    """

    __tablename__ = "product_predictions"

    run_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    product_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    model_id: Mapped[int] = mapped_column(BigInteger)
    demand_class: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20))
    mean: Mapped[list[float]] = mapped_column(ARRAY(REAL))
    q025: Mapped[list[float]] = mapped_column(ARRAY(REAL))
    q10: Mapped[list[float]] = mapped_column(ARRAY(REAL))
    q50: Mapped[list[float]] = mapped_column(ARRAY(REAL))
    q90: Mapped[list[float]] = mapped_column(ARRAY(REAL))
    q975: Mapped[list[float]] = mapped_column(ARRAY(REAL))
    scale: Mapped[float] = mapped_column(Double)
    bin: Mapped[int] = mapped_column(SmallInteger)
    expected_units_28_days: Mapped[float] = mapped_column(Double)
    units_last_28_days: Mapped[float] = mapped_column(Double)
    stock_quantity: Mapped[int | None]
    reorder_point: Mapped[float] = mapped_column(Double)
    safety_stock: Mapped[float] = mapped_column(Double)
    reorder_quantity: Mapped[float | None] = mapped_column(Double)
    days_of_cover: Mapped[float | None] = mapped_column(Double)
    stockout_date: Mapped[date | None]
    urgency: Mapped[float | None] = mapped_column(Double)

    __table_args__ = ({"postgresql_partition_by": "LIST (run_id)"},)


class RevenuePrediction(Base):
    """Of one day: money in the model's currency and orders, each with what bounds it eight and 19 times in twenty."""

    __tablename__ = "revenue_predictions"

    model_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("prediction_models.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    day: Mapped[date] = mapped_column(primary_key=True)
    revenue: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    revenue_lower_80: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    revenue_upper_80: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    revenue_lower_95: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    revenue_upper_95: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    orders: Mapped[float] = mapped_column(Double)
    orders_lower_80: Mapped[float] = mapped_column(Double)
    orders_upper_80: Mapped[float] = mapped_column(Double)
    orders_lower_95: Mapped[float] = mapped_column(Double)
    orders_upper_95: Mapped[float] = mapped_column(Double)


class PredictionOutcome(Identified, Base):
    """What happened within `window_days` of a run's day, beside what a model of it had said."""

    __tablename__ = "prediction_outcomes"

    model_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("prediction_models.id", ondelete="CASCADE"))
    measure: Mapped[str] = mapped_column(String(30))
    window_days: Mapped[int]
    predicted: Mapped[float] = mapped_column(Double)
    predicted_lower: Mapped[float | None] = mapped_column(Double)
    predicted_upper: Mapped[float | None] = mapped_column(Double)
    actual: Mapped[float] = mapped_column(Double)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=_NOTHING)
    measured_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.now())

    __table_args__ = (Index("uq_prediction_outcomes_model", "model_id", "measure", "window_days", unique=True),)


for _column in (
    ProductPrediction.urgency,
    ProductPrediction.expected_units_28_days,
    ProductPrediction.days_of_cover,
    ProductPrediction.stockout_date,
    ProductPrediction.reorder_quantity,
    ProductPrediction.demand_class,
    ProductPrediction.status,
):
    Index(f"ix_product_predictions_{_column.key}", ProductPrediction.run_id, _column, ProductPrediction.product_id)
# By model, so that a list of one model's consumers walks in any order. `user_id` last, as every order ends in it.
for _sorted in (
    ConsumerPrediction.historic_clv,
    ConsumerPrediction.historic_number_of_orders,
    ConsumerPrediction.average_order_value,
    ConsumerPrediction.average_days_between_orders,
    ConsumerPrediction.predicted_number_of_orders,
    ConsumerPrediction.predicted_clv,
    ConsumerPrediction.total_clv,
    ConsumerPrediction.probability_order_in_horizon,
    ConsumerPrediction.churn_probability,
    ConsumerPrediction.value_at_risk,
    ConsumerPrediction.next_order_p50,
    ConsumerPrediction.last_order_on,
    ConsumerPrediction.rfm_group,
    ConsumerPrediction.predicted_spend_tier,
):
    Index(f"ix_consumer_predictions_{_sorted.key}", ConsumerPrediction.model_id, _sorted, ConsumerPrediction.user_id)
Index("ix_consumer_predictions_user_id", ConsumerPrediction.user_id)
