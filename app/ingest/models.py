"""Imports, the records they have staged, and the records that could not be taken."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, Identified
from app.utils.clock import utc_now


class ImportStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"  # what was merged until then stays


UNFINISHED = frozenset({ImportStatus.QUEUED, ImportStatus.RUNNING})


class ImportOrigin(StrEnum):
    FILE = "file"  # or records that were pushed
    SYNC = "sync"  # a run over a store's changes, or over all of it
    WEBHOOK = "webhook"  # what a store's webhooks brought on one day
    REREAD = "reread"  # what was read from a store again on one day


class RejectStatus(StrEnum):
    OPEN = "open"
    RETRIED = "retried"  # by another import, which took it or rejected it anew
    DISMISSED = "dismissed"


_NONE = text("0")
_NOTHING = text("'{}'")


def _one_of(column: str, values: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(each.value) for each in values)})"


class Import(Identified, Base):
    """The way of a file, or of what a store answered, into the tables.

    `merged_up_to` is the checkpoint: the last staged position that is in. `file_name` says what it is where there is
    no file. `options` are those the file was read with (`formats.base.Options`); `retry_of` is the import whose rejects
    this one tried again.
    """

    __tablename__ = "imports"

    source_website: Mapped[str] = mapped_column(String(100))
    origin: Mapped[str] = mapped_column(String(20), default=ImportOrigin.FILE, server_default="file")
    file_name: Mapped[str] = mapped_column(String(255))
    format: Mapped[str] = mapped_column(String(50))
    dry_run: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    options: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=_NOTHING)
    retry_of: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("imports.id", ondelete="SET NULL"))
    status: Mapped[str] = mapped_column(String(20), default=ImportStatus.QUEUED, server_default="queued")
    records_read: Mapped[int] = mapped_column(BigInteger, default=0, server_default=_NONE)
    records_created: Mapped[int] = mapped_column(BigInteger, default=0, server_default=_NONE)
    records_updated: Mapped[int] = mapped_column(BigInteger, default=0, server_default=_NONE)
    records_merged: Mapped[int] = mapped_column(BigInteger, default=0, server_default=_NONE)
    records_unchanged: Mapped[int] = mapped_column(BigInteger, default=0, server_default=_NONE)
    records_skipped: Mapped[int] = mapped_column(BigInteger, default=0, server_default=_NONE)
    records_rejected: Mapped[int] = mapped_column(BigInteger, default=0, server_default=_NONE)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=_NOTHING)
    error: Mapped[str | None] = mapped_column(Text)
    merged_up_to: Mapped[int] = mapped_column(BigInteger, default=0, server_default=_NONE)
    created_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(_one_of("status", ImportStatus), name="status_known"),
        CheckConstraint(_one_of("origin", ImportOrigin), name="origin_known"),
        Index("ix_imports_source_website", "source_website", "id"),
    )


class ImportRecord(Base):
    """A staged record: parsed and valid, not yet merged. An ordinary logged table, so it outlives a crash.

    Without `record` it is known to be what its row was made of, and only its place in the file counts.
    """

    __tablename__ = "import_records"

    import_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    key: Mapped[str] = mapped_column(Text)
    place: Mapped[str] = mapped_column(Text)
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    payload_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    record: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))

    __table_args__ = (Index("ix_import_records_key", "import_id", "kind", "key", "position"),)


class ImportReject(Identified, Base):
    """A record that could not be taken: where it stood, why, and the record itself. `retried_by` is an import."""

    __tablename__ = "import_rejects"

    import_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("imports.id", ondelete="CASCADE"))
    place: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text)
    raw: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(20), default=RejectStatus.OPEN, server_default="open")
    retried_by: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("imports.id", ondelete="SET NULL"))
    settled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.now())

    __table_args__ = (
        CheckConstraint(_one_of("status", RejectStatus), name="status_known"),
        Index("ix_import_rejects_import_id", "import_id", "id"),
    )
