"""What products can be chosen by, of what is predicted of them."""

from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, bindparam, select

from app.predictions.models import ProductPrediction
from app.products.models import Product
from app.utils.schemas import Day, Schema

Number = Annotated[float | None, Field(ge=0, le=1e12)]
DaysLeft = Annotated[float | None, Field(ge=-3650, le=3650, description="days until it has to be ordered")]


class PredictedProductFilters(Schema):
    """Bounds are within."""

    demand_class: Literal["smooth", "erratic", "intermittent", "lumpy", "unknown"] | None = None
    expected_units_28_days_min: Number = None
    expected_units_28_days_max: Number = None
    days_of_cover_min: Number = None
    days_of_cover_max: Number = None
    reorder_quantity_min: Number = None
    reorder_quantity_max: Number = None
    urgency_min: DaysLeft = None
    urgency_max: DaysLeft = None
    stockout_from: Day | None = None
    stockout_to: Day | None = None

    def predicted_filters(self) -> set[str]:
        """Those that are given."""
        return {name for name in PredictedProductFilters.model_fields if getattr(self, name) is not None}


_RANGES = {
    name: getattr(ProductPrediction, name)
    for name in ("expected_units_28_days", "days_of_cover", "reorder_quantity", "urgency")
}
FILTERS: dict[str, ColumnElement[bool]] = {
    "demand_class": ProductPrediction.demand_class == bindparam("demand_class"),
    **{f"{name}_min": column >= bindparam(f"{name}_min") for name, column in _RANGES.items()},
    **{f"{name}_max": column <= bindparam(f"{name}_max") for name, column in _RANGES.items()},
    "stockout_from": ProductPrediction.stockout_date >= bindparam("stockout_from"),
    "stockout_to": ProductPrediction.stockout_date <= bindparam("stockout_to"),
}
PRODUCT_FILTERS: dict[str, ColumnElement[bool]] = {
    name: Product.id.in_(
        select(ProductPrediction.product_id).where(
            ProductPrediction.run_id == bindparam("prediction_run_id"), condition
        )
    )
    for name, condition in FILTERS.items()
}
"""The same on products, of the run that is bound beside them."""
