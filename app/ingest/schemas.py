from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import UploadFile
from pydantic import Field, field_validator

from app.ingest.formats.base import Returns
from app.ingest.models import ImportOrigin, ImportStatus, RejectStatus
from app.utils.pagination import PageQuery
from app.utils.schemas import Id, ReadSchema, Schema, WebsiteName

Counts = dict[str, int]
FormatName = Literal[
    "shopify_orders_csv",
    "shopify_products_csv",
    "shopify_customers_csv",
    "shopify_bulk_jsonl",
    "shopify_json",
    "woocommerce_products_csv",
    "woocommerce_json",
    "generic",
]


class ImportOptions(Schema):
    source_website: WebsiteName
    format: FormatName | None = Field(None, description="recognised from the content where not given")
    mapping: str | None = Field(
        None,
        max_length=100_000,
        description="how to read a file of no known platform: a JSON object of our columns to the file's, a whole "
        "mapping as TOML or JSON, or the name of a shipped one",
        examples=['{"order_number": "Invoice"}'],
    )
    keep_mapping: bool = Field(False, description="read the website's later files with this mapping too")
    dayfirst: bool = Field(False, description="dates such as 03/04/2026 are the third of April")
    decimal_comma: bool = Field(False, description="numbers are written 1.234,50")
    returns: Returns = Field("skip", description="what to do with lines that are returns")
    dry_run: bool = Field(False, description="say what would change, and change nothing")

    @field_validator("format", "mapping", mode="before")
    @classmethod
    def _read_text(cls, value: object) -> object:
        """A form's fields are text; an empty one, as browsers send it, is none."""
        return value or None


class PushOptions(ImportOptions):
    mapping: str | None = Field(
        None,
        max_length=4_000,
        description="as in the form, and short enough for an address: better kept with the website",
    )


class ImportForm(ImportOptions):
    file: UploadFile = Field(description="CSV, JSON or NDJSON, plain or gzipped")


class Change(ReadSchema):
    """What an import would change of one row: each field with its value now and then."""

    place: str = Field(examples=["row 12"])
    kind: str = Field(examples=["product"])
    key: str = Field(description="the website's id, or what the record is known by without one")
    fields: dict[str, tuple[Any, Any]] = Field(examples=[{"price": ["9.00", "9.50"]}])


class SyncDetails(ReadSchema):
    """What a run over a store covered. Times are the store's own."""

    resource: str = Field(examples=["orders"])
    since: datetime | None = Field(None, description="changes after it were read; null: everything")
    up_to: datetime | None = Field(None, description="every change until then is here")
    began_at: datetime | None = None
    expected: int | None = Field(None, description="how many records the store says there are to read")
    requests: int | None = Field(None, description="made of the store, retries among them")
    listed: int | None = Field(None, description="of a sweep: records that the store has")
    missing: int | None = Field(None, description="of a sweep: records that were not here")
    vanished: int | None = Field(None, description="of a sweep: records of ours that the store has no longer")
    different: int | None = Field(None, description="of a sweep: orders that were not the same")


class ImportDetails(ReadSchema):
    kinds: dict[str, Counts] = Field(default_factory=dict, description="outcomes by the kind of record")
    skipped: Counts = Field(default_factory=dict, description="records left out, by the rule that says so")
    warnings: Counts = Field(default_factory=dict, description="what had to be mended, and how often")
    lines: Counts = Field(
        default_factory=dict,
        description="of a file of order lines: how many rows were taken, and how many each rule made something else of",
    )
    ignored_columns: list[str] = Field(default_factory=list, description="columns of the file that are not read")
    missing_columns: list[str] = Field(
        default_factory=list, description="columns that the file lacks, and without which something had to be assumed"
    )
    changes: list[Change] = Field(default_factory=list, description="of a dry run: the first 20 changes, by field")
    also_created: Counts = Field(
        default_factory=dict, description="consumers and products that only orders told of", examples=[{"products": 14}]
    )
    sync: SyncDetails | None = None


class ImportRead(ReadSchema):
    """The report. Every record read is created, updated, merged, unchanged, skipped or rejected."""

    id: int
    source_website: str
    origin: ImportOrigin = Field(
        description="where its records came from: a file, a run over a store, a day's webhooks, or what was read again"
    )
    file_name: str
    format: str = Field(examples=["shopify_orders_csv"])
    dry_run: bool
    status: ImportStatus
    read: Annotated[int, Field(validation_alias="records_read")]
    created: Annotated[int, Field(validation_alias="records_created")]
    updated: Annotated[int, Field(validation_alias="records_updated")]
    merged: Annotated[int, Field(validation_alias="records_merged")]
    unchanged: Annotated[int, Field(validation_alias="records_unchanged")]
    skipped: Annotated[int, Field(validation_alias="records_skipped")]
    rejected: Annotated[int, Field(validation_alias="records_rejected")]
    details: ImportDetails
    error: str | None
    retry_of: Annotated[int | None, Field(description="the import whose rejects this one tried again")]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RejectRead(ReadSchema):
    id: int
    import_id: int
    place: str = Field(examples=["row 12"])
    kind: str = Field(examples=["order"])
    reason: str = Field(examples=["Total is not a number: 12,50"])
    raw: str = Field(
        description="the record as it stood in the file: JSON of a row, of a list of rows or of a payload, or the text "
        "of a broken line; of what the database refused, JSON of our own record under staged_record"
    )
    status: RejectStatus
    retried_by: Annotated[int | None, Field(description="the import that tried it again")]
    settled_at: datetime | None
    created_at: datetime


class ReadAgain(Schema):
    """How to read rejects again where it is not as before."""

    mapping: str | None = Field(
        None,
        min_length=1,
        max_length=100_000,
        description="in place of the import's; only the generic format takes one",
        examples=['{"order_number": "Invoice"}'],
    )
    dayfirst: bool | None = Field(None, description="default: as before")
    decimal_comma: bool | None = Field(None, description="default: as before")


RejectIds = Annotated[
    list[Id] | None, Field(min_length=1, max_length=10_000, description="default: all that are open", examples=[[7]])
]


class RejectsRetry(ReadAgain):
    reject_ids: RejectIds = None


class RejectRetry(ReadAgain):
    raw: dict[str, Any] | list[dict[str, Any]] | str | None = Field(
        None,
        description="the corrected record: a row or payload, a list of rows, or either of them as text. default: as "
        "it was",
        examples=[{"Name": "#1001", "Total": "12.50"}],
    )


class RejectsDismissal(Schema):
    reject_ids: RejectIds = None


class ImportQuery(PageQuery):
    sort: Literal["id", "-id"] = "-id"
    source_website: WebsiteName | None = None
    origin: ImportOrigin | None = None
    status: ImportStatus | None = None


class RejectQuery(PageQuery):
    sort: Literal["id", "-id"] = "id"
    status: RejectStatus | None = None
