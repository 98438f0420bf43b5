from datetime import datetime
from typing import Annotated, Literal

from fastapi import UploadFile
from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, field_validator

from app.ingest.models import ImportStatus
from app.utils.pagination import PageQuery
from app.utils.schemas import Schema, WebsiteName

Counts = dict[str, int]
FormatName = Literal[
    "shopify_orders_csv",
    "shopify_products_csv",
    "shopify_customers_csv",
    "shopify_json",
    "woocommerce_products_csv",
    "woocommerce_json",
    "generic",
]
_mapping = TypeAdapter(dict[str, str])


class ImportForm(Schema):
    file: UploadFile = Field(description="CSV, JSON or NDJSON, plain or gzipped")
    source_website: WebsiteName
    format: FormatName | None = Field(None, description="recognised from the content where not given")
    mapping: dict[str, str] | None = Field(
        None,
        description="for the generic format: a JSON object, our column to the file's",
        examples=['{"order_number": "Invoice"}'],
    )
    dry_run: bool = Field(False, description="say what would change, and change nothing")

    @field_validator("format", "mapping", mode="before")
    @classmethod
    def _read_text(cls, value: object, info: ValidationInfo) -> object:
        """A form's fields are text; an empty one, as browsers send it, is none."""
        if value == "" or info.field_name == "format" or not isinstance(value, str):
            return value or None
        try:
            return _mapping.validate_json(value)
        except ValidationError:
            raise ValueError('must be a JSON object of column names, as {"order_number": "Invoice"}') from None


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
    read: Annotated[int, Field(validation_alias="records_read")]
    created: Annotated[int, Field(validation_alias="records_created")]
    updated: Annotated[int, Field(validation_alias="records_updated")]
    unchanged: Annotated[int, Field(validation_alias="records_unchanged")]
    skipped: Annotated[int, Field(validation_alias="records_skipped")]
    rejected: Annotated[int, Field(validation_alias="records_rejected")]
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
