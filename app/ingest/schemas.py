from datetime import datetime
from typing import Literal

from pydantic import Field

from app.ingest.models import ImportStatus
from app.utils.pagination import PageQuery
from app.utils.schemas import Schema, WebsiteName

Counts = dict[str, int]


class ImportDetails(Schema):
    kinds: dict[str, Counts] = Field(default_factory=dict, description="outcomes by the kind of record")
    skipped: Counts = Field(default_factory=dict, description="records left out, by the rule that says so")
    warnings: Counts = Field(default_factory=dict, description="what had to be mended, and how often")
    also_created: Counts = Field(
        default_factory=dict, description="consumers and products that only orders told of", examples=[{"products": 14}]
    )


class ImportRead(Schema):
    """The report. Every record read is created, updated, unchanged, skipped or rejected."""

    id: int
    source_website: str
    file_name: str
    format: str = Field(examples=["shopify_orders_csv"])
    dry_run: bool
    status: ImportStatus
    records_read: int
    records_created: int
    records_updated: int
    records_unchanged: int
    records_skipped: int
    records_rejected: int
    details: ImportDetails
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RejectRead(Schema):
    id: int
    place: str = Field(examples=["row 12"])
    kind: str = Field(examples=["order"])
    reason: str = Field(examples=["Total is not a number: 12,50"])
    raw: str = Field(description="the record as it stood in the file")
    created_at: datetime


class ImportQuery(PageQuery):
    sort: Literal["id", "-id"] = "-id"
    source_website: WebsiteName | None = None
    status: ImportStatus | None = None


class RejectQuery(PageQuery):
    sort: Literal["id", "-id"] = "id"
