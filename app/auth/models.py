"""Admins, who may use the API, and the failed logins that throttle guessing."""

from datetime import datetime

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


class LoginFailure(Identified, Base):
    """One failed login. `account` is what was typed, hashed: people type passwords into the wrong box."""

    __tablename__ = "login_failures"

    account: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    failed_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.now())

    __table_args__ = (
        Index("ix_login_failures_account", "account", "failed_at"),
        Index("ix_login_failures_address", "address", "failed_at"),
        Index("ix_login_failures_failed_at", "failed_at"),
    )
