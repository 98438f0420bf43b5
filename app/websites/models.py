"""Source websites, and what each of them said of our rows."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, Identified, Timestamped
from app.utils.clock import utc_now


class Platform(StrEnum):
    WOOCOMMERCE = "woocommerce"
    SHOPIFY = "shopify"


_NOTHING = text("'{}'")


class Website(Timestamped, Base):
    """A value of `source_website`. Its row appears with the first record that names it.

    With a `platform` it is a registered store, which is followed while it `is_active`. `credentials` and
    `webhook_secrets` are sealed (`websites.vault`). `schedule` and `reconcile_schedule` are cron lines in UTC.
    `mapping` tells how the website's own files are read (`ingest.mapping.Mapping`), `status_map` what its words for an
    order's status mean here, and `traits` what was learned of the store by asking it.
    """

    __tablename__ = "websites"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    platform: Mapped[str | None] = mapped_column(String(20))
    base_url: Mapped[str | None] = mapped_column(String(500))
    api_version: Mapped[str | None] = mapped_column(String(20))
    credentials: Mapped[bytes | None] = mapped_column(LargeBinary)
    webhook_secrets: Mapped[bytes | None] = mapped_column(LargeBinary)
    currency: Mapped[str | None] = mapped_column(String(3))
    time_zone: Mapped[str | None] = mapped_column(String(64))
    status_map: Mapped[dict[str, str]] = mapped_column(JSONB, default=dict, server_default=_NOTHING)
    traits: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=_NOTHING)
    mapping: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    is_active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    schedule: Mapped[str | None] = mapped_column(String(100))
    reconcile_schedule: Mapped[str | None] = mapped_column(String(100))
    next_sync_at: Mapped[datetime | None]
    next_reconcile_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(f"platform IN ({', '.join(repr(each.value) for each in Platform)})", name="platform_known"),
        CheckConstraint(
            "platform IS NULL OR (base_url IS NOT NULL AND credentials IS NOT NULL)", name="store_complete"
        ),
    )

    @property
    def is_followed(self) -> bool:
        """Whether what is here is kept in step with a store, which can be asked."""
        return self.platform is not None and self.is_active


class SourceKind(StrEnum):
    """What a website's record is, and so what its `external_id` is an id of."""

    CONSUMER = "consumer"  # an account; its id on the website
    GUEST = "guest"  # a consumer without an account; their e-mail
    ANONYMOUS = "anonymous"  # neither account nor e-mail; the order they placed
    OWN = "own"  # a consumer made here, on the website that was named; our own id
    PRODUCT = "product"  # a product or variation; its id on the website
    PRODUCT_KEY = "product_key"  # a product of a file without ids; its SKU, handle and options, or name
    ORDER = "order"  # its id on the website
    ORDER_KEY = "order_key"  # an order of a file without ids; its number
    REFUND = "refund"  # its id on the website; order_id is null until the order is known
    RETURN = "return"  # a returned line of a file; once it is booked it is a refund, `return:` before its key


class SourceRecord(Identified, Base):
    """(website, kind, external id) → our row.

    `said` holds what the website last said of the things that can also be set here or be told by several
    websites, so that a value set here holds until the website's own changes. `claimed_email` is that of an account.
    `payload_hash` is that of what was read last and made the content (`ingest.repeats`).
    """

    __tablename__ = "source_records"

    source_website: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(20))
    external_id: Mapped[str] = mapped_column(String(300))
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"))
    product_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("products.id"))
    order_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("orders.id"))
    claimed_email: Mapped[str | None] = mapped_column(String(150))
    content_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    payload_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    source_updated_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    said: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=_NOTHING)
    created_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.now())

    __table_args__ = (
        UniqueConstraint("source_website", "kind", "external_id", name="uq_source_records_external_id"),
        CheckConstraint("num_nonnulls(user_id, product_id, order_id) <= 1", name="one_row"),
        Index("ix_source_records_claimed_email", "claimed_email", postgresql_where=text("claimed_email IS NOT NULL")),
        Index("ix_source_records_payload_hash", "payload_hash", postgresql_where=text("payload_hash IS NOT NULL")),
        Index("ix_source_records_user_id", "user_id", postgresql_where=text("user_id IS NOT NULL")),
        Index("ix_source_records_product_id", "product_id", postgresql_where=text("product_id IS NOT NULL")),
        Index("ix_source_records_order_id", "order_id", postgresql_where=text("order_id IS NOT NULL")),
    )


class Reread(Base):
    """A record of a followed store that is to be read again: what came of it last could not be trusted.

    `external_id` is that of the order, the customer, or the product; for a variation it is the product's, of which
    all variations are read. `asked_at` tells a request that came while it was being read from the one that was.
    """

    __tablename__ = "rereads"

    source_website: Mapped[str] = mapped_column(
        String(100), ForeignKey("websites.name", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    external_id: Mapped[str] = mapped_column(String(300), primary_key=True)
    reason: Mapped[str] = mapped_column(String(20))
    asked_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.clock_timestamp())
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    not_before: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
