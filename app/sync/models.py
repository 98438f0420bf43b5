"""How far each store has been read, what its webhooks brought, and what a sweep found different."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, Numeric, String, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, Identified
from app.utils.clock import utc_now


class SyncState(Base):
    """How far one resource of a store has been read: "customers", "products" or "orders".

    `cursor` is the store's own time, up to which every change is in; `read_fully_at` is ours. `plan` and `position` are
    of a run that has not ended: what it reads, and where it stands. `import_id` is the last run. `swept_at` is the
    store's time at which the last sweep began that was ended, and `found` what differed then.
    """

    __tablename__ = "sync_states"

    source_website: Mapped[str] = mapped_column(
        String(100), ForeignKey("websites.name", ondelete="CASCADE"), primary_key=True
    )
    resource: Mapped[str] = mapped_column(String(20), primary_key=True)
    cursor: Mapped[datetime | None]
    read_fully_at: Mapped[datetime | None]
    plan: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    position: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    import_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("imports.id", ondelete="SET NULL"))
    succeeded_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
    swept_at: Mapped[datetime | None]
    found: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class WebhookStatus(StrEnum):
    PENDING = "pending"
    DONE = "done"
    IGNORED = "ignored"
    FAILED = "failed"


class Webhook(Identified, Base):
    """A delivery as it came, stored before anything is done about it.

    While one is pending an equal one is not stored again. Delivery ids are no use: a store gives several deliveries of
    one second the same.
    """

    __tablename__ = "webhooks"

    source_website: Mapped[str] = mapped_column(String(100), ForeignKey("websites.name", ondelete="CASCADE"))
    topic: Mapped[str] = mapped_column(String(100))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[str] = mapped_column(String(20), default=WebhookStatus.PENDING, server_default="pending")
    note: Mapped[str | None] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.now())
    processed_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(f"status IN ({', '.join(repr(each.value) for each in WebhookStatus)})", name="status_known"),
        Index(
            "uq_webhooks_pending",
            "source_website",
            "topic",
            "body_hash",
            unique=True,
            postgresql_where=text("status = 'pending'"),
        ),
        Index("ix_webhooks_pending", "source_website", "id", postgresql_where=text("status = 'pending'")),
        Index("ix_webhooks_received_at", "received_at"),
    )


class SweptRecord(Base):
    """One row of a sweep: a record as the store lists it, compared with ours when all are listed.

    Kept until the next sweep. Of customers and products the id is all that counts. Under a kind of its own
    (`sweeps.REJECTED`) stands a row as it was listed when its record was read and could not be taken.
    """

    __tablename__ = "swept_records"

    source_website: Mapped[str] = mapped_column(
        String(100), ForeignKey("websites.name", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    external_id: Mapped[str] = mapped_column(String(300), primary_key=True)
    placed_on: Mapped[date | None]
    status: Mapped[str | None] = mapped_column(String(50))
    currency: Mapped[str | None] = mapped_column(String(3))
    total: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    refunded: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
