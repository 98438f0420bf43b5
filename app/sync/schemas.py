from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from app.utils.schemas import Money, ReadSchema, Schema

ResourceName = Literal["customers", "products", "orders"]


class SyncRequest(Schema):
    resources: Annotated[
        list[ResourceName], Field(min_length=1, max_length=3, description="all of them where not given")
    ] = ["customers", "products", "orders"]  # noqa: RUF012 — Pydantic copies it
    mode: Literal["changes", "everything", "sweep"] = Field(
        "changes",
        description="what has changed since the last run, everything the store has, or a list of all it has to be "
        "compared with what is here, so that what differs is read again",
    )


class StoreTest(ReadSchema):
    """What came of asking the store. `problem` is a sentence that says what to do."""

    ok: bool
    problem: str | None = None
    name: str | None = Field(None, description="what the store calls itself")
    currency: str | None = None
    time_zone: str | None = None
    version: str | None = None
    notes: list[str] = Field(default_factory=list, description="what can be read less than wholly, and why")


class ResourceState(ReadSchema):
    """How far a resource has been read. `cursor` is the store's own time, up to which every change is here."""

    resource: ResourceName
    cursor: datetime | None
    is_running: bool
    import_id: int | None = Field(description="the last run, whose report is at /imports/{import_id}")
    succeeded_at: datetime | None
    error: str | None = Field(description="why the last run failed; null after a success")
    waiting: int = Field(description="records that will be read again")


class WebsiteStatus(ReadSchema):
    name: str
    resources: list[ResourceState]
    webhooks_pending: int
    last_webhook_at: datetime | None


class DayDifference(ReadSchema):
    day: date | None
    status: str | None = Field(description="the store's own word")
    currency: str | None
    store_orders: int
    our_orders: int
    store_total: Money
    our_total: Money


class ResourceCompleteness(ReadSchema):
    """By the last sweep, which listed everything that the store had at `checked_at`, the store's own time."""

    resource: ResourceName
    verdict: str = Field(examples=["complete up to 2026-09-03T10:15:00Z"])
    complete_up_to: datetime | None = Field(description="null while it is not, or is not known to be, complete")
    checked_at: datetime | None
    listed: int | None = Field(description="records of the store then")
    missing: int = Field(
        description="of those, how many were not here nor known as rejects, and have been read since or wait for it"
    )
    vanished: int = Field(description="records of ours that the store had no longer")
    different: int = Field(description="orders whose status, currency, total or refunds were not the same")
    waiting: int = Field(description="records that will be read again")
    still_missing: list[str] = Field(description="the store's ids that are not here; the first hundred")
    rejected: list[str] = Field(
        description="the store's ids that were read and could not be taken as they are, which the rejects of its "
        "imports explain; read again when the store lists them otherwise; the first hundred"
    )


class Completeness(ReadSchema):
    name: str
    verdict: str
    complete_up_to: datetime | None
    resources: list[ResourceCompleteness]
    days: list[DayDifference] = Field(description="where orders or money of a day, status and currency differ now")
