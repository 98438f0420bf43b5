from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.utils.schemas import Id, Money, ReadSchema, Schema

Limit = Annotated[int, Field(ge=1, le=100, description="how many products to suggest at most")]


class SuggestedProduct(ReadSchema):
    id: int
    sku: str
    product_name: str
    price: Money
    is_active: bool


class Suggestion(ReadSchema):
    """A product, and how often it was bought with `bought_with`."""

    product: SuggestedProduct
    score: float = Field(
        description="what the list is sorted by: confidence, shrunk where few baskets tell of it, times ln(lift); "
        "for a basket the root of the sum of squares over its products"
    )
    bought_with: int = Field(description="the product, of those asked about, that this one goes with best")
    baskets: int = Field(description="that hold both")
    support: float = Field(description="the share of the website's baskets that hold both")
    confidence: float = Field(description="the share of the baskets with `bought_with` that hold this product too")
    lift: float = Field(description="how many times as often both are bought together as they would be by chance")


class BoughtTogether(ReadSchema):
    product_id: int
    counted_at: datetime | None = Field(description="purchases until then are counted; null before the first count")
    baskets: int = Field(description="that hold the product")
    website_baskets: int = Field(description="all that were counted of its website")
    items: list[Suggestion]


class BasketQuery(Schema):
    product_ids: Annotated[list[Id], Field(min_length=1, max_length=100, examples=[[17, 4]])]
    limit: Limit = 10


class BasketSuggestions(ReadSchema):
    counted_at: datetime | None = Field(description="purchases until then are counted; null before the first count")
    items: list[Suggestion]
