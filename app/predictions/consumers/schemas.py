from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from app.predictions.schemas import Days, ModelRead, RunId
from app.utils.pagination import Page, PageQuery
from app.utils.schemas import CurrencyCode, Day, Id, Money, ReadSchema, Schema, WebsiteName

# Shopify's names; see `clv.segments`, which cannot be read without NumPy.
Group = Literal[
    "ACTIVE", "ALMOST_LOST", "AT_RISK", "CHAMPIONS", "DORMANT", "LOYAL", "NEEDS_ATTENTION", "NEW", "PREVIOUSLY_LOYAL",
    "PROMISING",
]  # fmt: skip
AT_RISK: tuple[Group, ...] = ("AT_RISK", "ALMOST_LOST", "NEEDS_ATTENTION", "PREVIOUSLY_LOYAL")
Tier = Literal["HIGH", "MEDIUM", "LOW"]
Amount = Annotated[Decimal | None, Field(max_digits=14, decimal_places=2)]
Count = Annotated[int | None, Field(ge=0, le=2**31 - 1)]
Number = Annotated[float | None, Field(ge=0, le=1e9)]
Probability = Annotated[float | None, Field(ge=0, le=1)]
ScopeWebsite = Annotated[
    WebsiteName | None, Field(description="default: all of them together, where there are several")
]
ScopeCurrency = Annotated[CurrencyCode | None, Field(description="default: the one that most consumers paid in")]


class PredictedFilters(Schema):
    """What consumers can be chosen by, of everything that is predicted of them. Bounds are within."""

    rfm_group: Group | None = None
    predicted_spend_tier: Tier | None = None
    predicted_clv_min: Amount = None
    predicted_clv_max: Amount = None
    total_clv_min: Amount = None
    total_clv_max: Amount = None
    historic_clv_min: Amount = None
    historic_clv_max: Amount = None
    average_order_value_min: Amount = None
    average_order_value_max: Amount = None
    value_at_risk_min: Amount = None
    value_at_risk_max: Amount = None
    historic_number_of_orders_min: Count = None
    historic_number_of_orders_max: Count = None
    predicted_number_of_orders_min: Number = None
    predicted_number_of_orders_max: Number = None
    average_days_between_orders_min: Number = None
    average_days_between_orders_max: Number = None
    probability_order_in_horizon_min: Probability = None
    probability_order_in_horizon_max: Probability = None
    churn_probability_min: Probability = None
    churn_probability_max: Probability = None
    next_order_from: Annotated[Day | None, Field(description="of the median of expected_date_of_next_order")] = None
    next_order_to: Day | None = None
    last_order_from: Day | None = None
    last_order_to: Day | None = None

    def predicted_filters(self) -> set[str]:
        """Those that are given."""
        return {name for name in PredictedFilters.model_fields if getattr(self, name) is not None}


class ConsumerForecastQuery(PredictedFilters, PageQuery):
    sort: Literal[
        "id", "-id", "predicted_clv", "-predicted_clv", "total_clv", "-total_clv", "historic_clv", "-historic_clv",
        "average_order_value", "-average_order_value", "value_at_risk", "-value_at_risk",
        "historic_number_of_orders", "-historic_number_of_orders",
        "predicted_number_of_orders", "-predicted_number_of_orders",
        "average_days_between_orders", "-average_days_between_orders",
        "probability_order_in_horizon", "-probability_order_in_horizon", "churn_probability", "-churn_probability",
        "expected_date_of_next_order", "-expected_date_of_next_order", "last_order_on", "-last_order_on",
        "rfm_group", "-rfm_group", "predicted_spend_tier", "-predicted_spend_tier",
    ] = "-predicted_clv"  # fmt: skip
    run_id: RunId = None
    model_id: Annotated[Id | None, Field(description="default: the run's of the website and currency")] = None
    source_website: ScopeWebsite = None
    currency: ScopeCurrency = None


class NextOrder(ReadSchema):
    p10: date
    p50: date
    p90: date


class ConsumerForecastRead(ReadSchema):
    """Bounds hold eight times in ten. What the model refuses to say is null; so is the date of an unlikely order."""

    user_id: int
    name: str
    email: str | None
    rfm_group: str
    predicted_spend_tier: Annotated[str | None, Field(description="HIGH: the fifth that most is expected of")]
    first_order_on: date
    last_order_on: date
    historic_number_of_orders: int
    historic_clv: Money
    average_order_value: Money
    average_days_between_orders: float | None
    predicted_number_of_orders: Annotated[float | None, Field(description="days with a purchase, within the horizon")]
    predicted_number_of_orders_lower: float | None
    predicted_number_of_orders_upper: float | None
    predicted_clv: Annotated[Money | None, Field(description="spend within the horizon")]
    predicted_clv_lower: Money | None
    predicted_clv_upper: Money | None
    total_clv: Annotated[Money | None, Field(description="historic and predicted")]
    total_clv_lower: Money | None
    total_clv_upper: Money | None
    probability_order_in_horizon: float | None
    churn_probability: Annotated[float | None, Field(description="that there is no order within the horizon")]
    value_at_risk: Annotated[Money | None, Field(description="predicted_clv times churn_probability")]
    expected_date_of_next_order: NextOrder | None
    reason: Annotated[str, Field(examples=["usually buys every 34 ± 9 days, last bought 71 days ago"])]


class ScopeReference(ReadSchema):
    """Whose consumers these are, and by which model."""

    run_id: int
    as_of: date
    horizon_days: int
    model_id: int
    source_website: Annotated[str | None, Field(description="null: all together")]
    currency: str
    status: str


class ConsumerForecastPage(Page[ConsumerForecastRead]):
    scope: ScopeReference


class ConsumerQuery(Schema):
    run_id: RunId = None
    source_website: ScopeWebsite = None
    currency: ScopeCurrency = None
    horizon_days: Annotated[Days | None, Field(description="default: the run's")] = None


class ConsumerForecast(ReadSchema):
    """As in the list, over a horizon of choice. A consumer who has not bought is of the group PROSPECTS."""

    scope: ScopeReference
    user_id: int
    name: str
    email: str | None
    rfm_group: str | None
    predicted_spend_tier: Annotated[str | None, Field(description="over the run's horizon")]
    first_order_on: date | None
    last_order_on: date | None
    historic_number_of_orders: int | None
    historic_clv: Money | None
    average_order_value: Money | None
    average_days_between_orders: float | None
    horizon_days: int
    predicted_number_of_orders: float | None
    predicted_number_of_orders_lower: float | None
    predicted_number_of_orders_upper: float | None
    predicted_clv: Money | None
    predicted_clv_lower: Money | None
    predicted_clv_upper: Money | None
    total_clv: Money | None
    total_clv_lower: Money | None
    total_clv_upper: Money | None
    probability_order_in_horizon: float | None
    churn_probability: float | None
    value_at_risk: Money | None
    expected_date_of_next_order: NextOrder | None
    reason: str
    model: ModelRead | None


class ScopeQuery(Schema):
    run_id: RunId = None
    source_website: ScopeWebsite = None
    currency: ScopeCurrency = None


class SegmentsRead(ReadSchema):
    scope: ScopeReference
    prospects: Annotated[int, Field(description="consumers of these websites who have not bought in this currency")]
    groups: Annotated[list[dict[str, Any]], Field(description="counts and value of each RFM group")]
    cells: Annotated[list[dict[str, Any]], Field(description="by the scores, 1 to 5, that make the groups")]


class ActionsQuery(ScopeQuery):
    rfm_group: Annotated[
        list[Group] | None, Field(description=f"default: those at risk, {', '.join(AT_RISK)}", max_length=10)
    ] = None
    odds_ratio: Annotated[
        float, Field(gt=1, le=10, description="what reaching a consumer is taken to do to the odds of an order")
    ] = 1.2
    limit: Annotated[int, Field(ge=1, le=1000)] = 50


class ActionRead(ConsumerForecastRead):
    expected_value_recovered: Annotated[
        Money, Field(description="of predicted_clv, if the odds of an order rise by odds_ratio")
    ]


class ActionsRead(ReadSchema):
    scope: ScopeReference
    odds_ratio: float
    consumers: list[ActionRead]
