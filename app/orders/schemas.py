from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from app.orders.models import OrderStatus
from app.utils.pagination import PageQuery
from app.utils.schemas import (
    CurrencyCode,
    FromMoment,
    Id,
    Moment,
    Money,
    Price,
    ReadSchema,
    Schema,
    SignedTotal,
    ToMoment,
    Total,
    UpdateSchema,
    WebsiteName,
)

MAX_DETAILS = 500

OrderNumber = Annotated[str, Field(min_length=1, max_length=100, examples=["EP-J5QXK3TMEFWW2ZLD"])]
Quantity = Annotated[int, Field(ge=1, lt=2**31, examples=[2])]


class DetailCreate(Schema):
    product_id: Id
    quantity: Quantity = 1
    unit_price: Annotated[Price | None, Field(description="default: the product's price now")] = None


class DetailUpdate(UpdateSchema):
    not_null: ClassVar = frozenset({"quantity", "unit_price"})

    quantity: Quantity | None = None
    unit_price: Price | None = None


class DetailRead(ReadSchema):
    id: int
    order_id: int
    product_id: int
    sku: str
    product_name: str
    quantity: int
    unit_price: Money
    total_price: Money
    created_at: datetime
    updated_at: datetime


class OrderCreate(Schema):
    user_id: Id
    source_website: WebsiteName
    details: Annotated[list[DetailCreate], Field(min_length=1, max_length=MAX_DETAILS)]
    order_number: Annotated[OrderNumber | None, Field(description="default: a random one")] = None
    status: OrderStatus = OrderStatus.PENDING
    placed_at: Annotated[Moment | None, Field(description="when the consumer ordered; default: now")] = None
    currency: Annotated[CurrencyCode | None, Field(description="default: the website's")] = None
    discount_total: Total = Decimal(0)
    shipping_total: Total = Decimal(0)
    tax_total: Total = Decimal(0)
    fee_total: Annotated[SignedTotal, Field(description="fees, tips and duties; of either sign")] = Decimal(0)
    tax_included: Annotated[bool, Field(description="whether the lines' prices hold the tax already")] = False
    is_test: bool = False


class OrderUpdate(UpdateSchema):
    not_null: ClassVar = frozenset({"status", "discount_total", "shipping_total", "tax_total", "fee_total"})

    status: OrderStatus | None = None
    discount_total: Total | None = None
    shipping_total: Total | None = None
    tax_total: Total | None = None
    fee_total: SignedTotal | None = None


class OrderRead(ReadSchema):
    id: int
    order_number: str
    user_id: int
    total_amount: Money
    status: OrderStatus
    source_website: str
    placed_at: datetime
    currency: str
    discount_total: Money
    shipping_total: Money
    tax_total: Money
    fee_total: Money
    refunded_total: Money
    tax_included: bool
    reconciles: Annotated[bool, Field(description="whether the website's total is what its parts add up to")]
    source_status: Annotated[str | None, Field(description="the website's own word for the status")]
    is_test: bool
    created_at: datetime
    updated_at: datetime


class OrderUser(ReadSchema):
    id: int
    name: str


class OrderWithDetails(OrderRead):
    user: OrderUser
    details: list[DetailRead]


class OrderQuery(PageQuery):
    sort: Literal[
        "id", "-id", "placed_at", "-placed_at", "order_number", "-order_number", "total_amount", "-total_amount",
        "created_at", "-created_at", "updated_at", "-updated_at",
    ] = "-placed_at"  # fmt: skip
    q: Annotated[
        str | None, Field(max_length=200, description="words that begin words of the number or the consumer's name")
    ] = None
    source_website: WebsiteName | None = None
    status: Annotated[list[OrderStatus] | None, Field(description="any of these")] = None
    user_id: Id | None = None
    product_id: Annotated[Id | None, Field(description="orders with a line of this product")] = None
    order_number: Annotated[str | None, Field(max_length=100)] = None
    currency: CurrencyCode | None = None
    amount_min: SignedTotal | None = None
    amount_max: SignedTotal | None = None
    created_from: FromMoment | None = None
    created_to: ToMoment | None = None
    placed_from: FromMoment | None = None
    placed_to: ToMoment | None = None
    updated_since: FromMoment | None = None
