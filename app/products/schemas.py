from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from app.predictions.product_filters import PredictedProductFilters
from app.utils.pagination import PageQuery
from app.utils.schemas import FromMoment, Money, Price, ReadSchema, Schema, ToMoment, UpdateSchema, WebsiteName

ProductName = Annotated[str, Field(min_length=1, max_length=255, examples=["Enamel mug"])]
Sku = Annotated[str, Field(min_length=1, max_length=100, examples=["MUG-BLUE"])]
Barcode = Annotated[str, Field(max_length=100, examples=["4006381333931"])]
Variant = Annotated[str, Field(max_length=10_000, examples=["Blue / 300 ml"])]
Stock = Annotated[int, Field(ge=-(2**31), lt=2**31, description="as the website tells; may be negative")]


class ProductCreate(Schema):
    product_name: ProductName
    price: Price
    sku: Sku
    source_website: WebsiteName
    barcode: Barcode | None = None
    variant: Variant | None = None
    stock_quantity: Stock | None = None
    is_active: bool = True


class ProductUpdate(UpdateSchema):
    not_null: ClassVar = frozenset({"product_name", "price", "sku", "source_website", "is_active"})

    product_name: ProductName | None = None
    price: Price | None = None
    sku: Sku | None = None
    source_website: WebsiteName | None = None
    barcode: Barcode | None = None
    variant: Variant | None = None
    stock_quantity: Stock | None = None
    is_active: bool | None = None


class ProductRead(ReadSchema):
    id: int
    product_name: str
    barcode: str | None
    price: Money
    sku: str
    variant: str | None
    source_website: str
    is_active: bool
    stock_quantity: int | None
    created_at: datetime
    updated_at: datetime


class ProductQuery(PredictedProductFilters, PageQuery):
    """What is predicted is the latest run's."""

    sort: Literal[
        "id", "-id", "product_name", "-product_name", "sku", "-sku", "price", "-price",
        "created_at", "-created_at", "updated_at", "-updated_at",
    ] = "-id"  # fmt: skip
    q: Annotated[str | None, Field(max_length=200, description="words that begin words of name, SKU or barcode")] = None
    source_website: WebsiteName | None = None
    is_active: Literal["true", "false", "any"] = "true"
    sku: Annotated[str | None, Field(max_length=100)] = None
    barcode: Annotated[str | None, Field(max_length=100)] = None
    price_min: Annotated[Decimal | None, Field(ge=0, max_digits=12, decimal_places=2)] = None
    price_max: Annotated[Decimal | None, Field(ge=0, max_digits=12, decimal_places=2)] = None
    created_from: FromMoment | None = None
    created_to: ToMoment | None = None
    updated_since: FromMoment | None = None
