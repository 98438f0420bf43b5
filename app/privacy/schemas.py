from datetime import date, datetime
from typing import Any

from pydantic import Field

from app.orders.schemas import OrderWithDetails
from app.predictions.consumers.schemas import ConsumerForecastRead
from app.users.schemas import UserWithAddresses
from app.utils.schemas import ReadSchema


class SourceExport(ReadSchema):
    """What one website said of the consumer."""

    source_website: str
    kind: str = Field(examples=["consumer"])
    external_id: str
    claimed_email: str | None
    said: dict[str, Any]
    source_updated_at: datetime | None
    deleted_at: datetime | None


class PredictionExport(ConsumerForecastRead):
    run_id: int
    as_of: date
    source_website: str | None
    currency: str


class RawExport(ReadSchema):
    """A payload that names the consumer, as it came: of a reject or of a webhook."""

    source_website: str
    what: str = Field(examples=["reject", "webhook"])
    received_at: datetime
    raw: str


class UserExport(ReadSchema):
    """Everything that is kept of one consumer."""

    exported_at: datetime
    user: UserWithAddresses
    orders: list[OrderWithDetails]
    sources: list[SourceExport]
    predictions: list[PredictionExport] = Field(description="what each kept run has said of them")
    raw_payloads: list[RawExport]


class ErasureRead(ReadSchema):
    user_id: int
    erased_at: datetime
    orders_kept: int = Field(description="their money stays, and nobody's name is with it")
    payloads_purged: int = Field(description="rejects and webhooks that named the consumer")
