"""Who was erased: by keyed hashes, from which nobody can be named, but by which they are known again."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.utils.clock import utc_now


class Erasure(Base):
    """One e-mail or account of somebody who was erased: its HMAC under the erasure key."""

    __tablename__ = "erasures"

    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    erased_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.now())

    __table_args__ = (Index("ix_erasures_user_id", "user_id"),)


class ErasureKey(Base):
    """The one key of the hashes, sealed: a copy of the database alone does not tell whose they are."""

    __tablename__ = "erasure_keys"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False, server_default=text("1"))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (CheckConstraint("id = 1", name="one_key"),)
