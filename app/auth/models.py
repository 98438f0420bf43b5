"""Admins, who may use the API and the console, and the logins that are counted to throttle guessing."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, Identified
from app.utils.clock import utc_now


class AdminUser(Identified, Base):
    __tablename__ = "admin_users"

    username: Mapped[str] = mapped_column(String(100), unique=True)
    email: Mapped[str] = mapped_column(String(150), unique=True)
    hashed_password: Mapped[str] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.now())


class LoginAttempt(Identified, Base):
    """A login that has failed, or whose password is being verified just now.

    `account` is a hash of what was typed, since people type passwords into the wrong box.
    """

    __tablename__ = "login_attempts"

    account: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    has_failed: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    attempted_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.now())

    __table_args__ = (
        Index("ix_login_attempts_account", "account", "attempted_at"),
        Index("ix_login_attempts_address", "address", "attempted_at"),
        Index("ix_login_attempts_attempted_at", "attempted_at"),
    )


class EndedSession(Base):
    """A session of the console that was signed out of, kept as long as its cookie would be taken otherwise."""

    __tablename__ = "ended_sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
