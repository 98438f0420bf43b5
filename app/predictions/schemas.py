from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from app.predictions.models import ModelKind
from app.predictions.product_filters import PredictedProductFilters
from app.utils.pagination import Page, PageQuery
from app.utils.schemas import CurrencyCode, Day, Id, Money, ReadSchema, Schema, WebsiteName

Days = Annotated[int, Field(ge=1, le=3650)]
LeadTime = Annotated[int, Field(ge=0, le=365, description="days from ordering a product to having it")]
ServiceLevel = Annotated[float, Field(gt=0, lt=1, description="how often a lead time passes without running out")]
RunId = Annotated[Id | None, Field(description="default: the latest run that has succeeded")]


class RunCreate(Schema):
    as_of: Annotated[
        Day | None, Field(description="predict from everything up to the end of this day; default: the last whole one")
    ] = None
    source_website: Annotated[WebsiteName | None, Field(description="default: all of them")] = None
    horizon_days: Days = 365
    lead_time_days: LeadTime = 14
    service_level: ServiceLevel = 0.95
    seed: Annotated[int | None, Field(ge=0, lt=2**31, description="default: one is drawn")] = None


class RunRead(ReadSchema):
    id: int
    as_of: date
    source_website: str | None
    horizon_days: int
    lead_time_days: int
    service_level: float
    seed: int
    status: str
    stage: Annotated[str | None, Field(description="what is being done")]
    stages_done: int
    stages: int | None
    versions: Annotated[dict[str, str], Field(description="of the program and of what it computes with")]
    timings: Annotated[dict[str, Any], Field(description="seconds by stage, and how much of them the database took")]
    is_kept: Annotated[bool, Field(description="false once its rows were dropped; models and outcomes stay")]
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RunQuery(PageQuery):
    sort: Literal["id", "-id"] = "-id"
    status: Literal["queued", "running", "succeeded", "failed", "cancelled"] | None = None
    source_website: WebsiteName | None = None


class ModelRead(ReadSchema):
    id: int
    kind: ModelKind
    source_website: str | None
    currency: str | None
    subjects: Annotated[int, Field(description="products, or days of revenue, that it is about")]
    status: str
    notes: Annotated[list[str], Field(description="what to know before believing a number")]
    parameters: dict[str, Any]
    scorecard: Annotated[
        dict[str, Any], Field(description="how it did on this shop's own past, beside naive forecasts")
    ]


class ModelsRead(ReadSchema):
    run: RunRead
    models: list[ModelRead]


class ModelsQuery(Schema):
    run_id: RunId = None
    source_website: WebsiteName | None = None
    kind: ModelKind | None = None


class RunReference(ReadSchema):
    id: int
    as_of: date
    lead_time_days: int
    service_level: float


class ProductForecastRead(ReadSchema):
    product_id: int
    sku: str
    product_name: str
    source_website: str
    demand_class: str
    status: str
    expected_units_28_days: float
    units_last_28_days: float
    stock_quantity: Annotated[int | None, Field(description="when the run read it; null where no website tells")]
    reorder_point: float
    safety_stock: float
    reorder_quantity: float | None
    days_of_cover: float | None
    stockout_date: date | None
    urgency: Annotated[float | None, Field(description="days until it has to be ordered, negative where late")]


class ProductForecastPage(Page[ProductForecastRead]):
    run: RunReference


class ProductForecastQuery(PredictedProductFilters, PageQuery):
    sort: Literal[
        "id", "-id", "urgency", "-urgency", "expected_units_28_days", "-expected_units_28_days",
        "days_of_cover", "-days_of_cover", "stockout_date", "-stockout_date", "reorder_quantity", "-reorder_quantity",
    ] = "urgency"  # fmt: skip
    run_id: RunId = None
    source_website: WebsiteName | None = None
    status: Literal["ok", "new", "stopped", "no_sales"] | None = None
    is_due: Literal["true", "false", "any"] = "any"


class WeekForecast(ReadSchema):
    period_start: date
    mean: float
    q025: float
    q10: float
    q50: float
    q90: float
    q975: float


class DayForecast(ReadSchema):
    day: date
    mean: float
    q10: float
    q50: float
    q90: float


class AdviceRead(ReadSchema):
    stock_on_hand: float | None
    lead_time_days: float
    service_level: float
    lead_time_demand: float
    safety_stock: float
    reorder_point: float
    reorder_quantity: float | None
    days_of_cover: float | None
    stockout_date: date | None
    urgency: float | None


class ProductForecast(ReadSchema):
    run: RunReference
    product_id: int
    sku: str
    product_name: str
    source_website: str
    demand_class: str
    status: str
    expected_units_28_days: float
    units_last_28_days: float
    weeks: list[WeekForecast]
    days: Annotated[list[DayForecast], Field(description="of the first four weeks, by the shop's usual week")]
    advice: AdviceRead
    model: ModelRead


class AdviceQuery(Schema):
    run_id: RunId = None
    stock: Annotated[float | None, Field(ge=0, le=1e12, description="default: the product's")] = None
    lead_time_days: Annotated[float | None, Field(ge=0, le=365, description="default: the run's")] = None
    service_level: ServiceLevel | None = None


class RevenueQuery(Schema):
    run_id: RunId = None
    source_website: WebsiteName | None = None
    currency: CurrencyCode | None = None
    days: Annotated[int, Field(ge=1, le=90)] = 28


class RevenueDay(ReadSchema):
    day: date
    revenue: Money
    revenue_lower_80: Money
    revenue_upper_80: Money
    revenue_lower_95: Money
    revenue_upper_95: Money
    orders: float
    orders_lower_80: float
    orders_upper_80: float
    orders_lower_95: float
    orders_upper_95: float


class RevenueForecast(ReadSchema):
    source_website: str | None
    currency: str | None
    status: str
    notes: list[str]
    totals: Annotated[dict[str, Any], Field(description="of 7, 28 and 90 days, whose bounds are not the days' sums")]
    scorecard: dict[str, Any]
    days: list[RevenueDay]


class RevenueRead(ReadSchema):
    run: RunReference
    forecasts: list[RevenueForecast]


class OutcomeQuery(Schema):
    run_id: RunId = None
    source_website: WebsiteName | None = None
    kind: ModelKind | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class OutcomeRead(ReadSchema):
    run_id: int
    as_of: date
    kind: ModelKind
    source_website: str | None
    currency: str | None
    measure: Annotated[str, Field(examples=["units"])]
    window_days: int
    predicted: float
    predicted_lower: Annotated[float | None, Field(description="of an interval that holds eight times in ten")]
    predicted_upper: float | None
    actual: float
    details: dict[str, Any]
    measured_at: datetime
