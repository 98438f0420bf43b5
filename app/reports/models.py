"""What reports are read from: each order with the day it is reported on, and what the days add up to.

All of it is derived from orders, by `refreshing`. Nothing here refers to other tables: a row tells what was reported,
whatever has become of the order since, so that a refresh knows which days and consumers an order is to leave.
"""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import BigInteger, CheckConstraint, Index, Numeric, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class ReportedOrder(Base):
    """An order as it was at the last refresh. `day` is one of its website's own calendar.

    `revenue` is null unless it is a purchase, and so is all that follows from the consumer's other purchases in its
    currency: the day of their first one, and that of the one before this, null where there is none; each of those on
    this website, and on any. `is_known` is false of an anonymous consumer, who cannot come back. `refunded` is 0 of a
    test. `lines` is a hash of what was sold, of a purchase.
    """

    __tablename__ = "reported_orders"

    order_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(String(3))
    website: Mapped[str] = mapped_column(String(100))
    day: Mapped[date]
    status: Mapped[str] = mapped_column(String(50))
    user_id: Mapped[int] = mapped_column(BigInteger)
    is_known: Mapped[bool]
    revenue: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    refunded: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    lines: Mapped[int | None] = mapped_column(BigInteger)
    first_day: Mapped[date | None]
    previous_day: Mapped[date | None]
    first_day_anywhere: Mapped[date | None]
    previous_day_anywhere: Mapped[date | None]


class SalesDay(Base):
    """The orders of a day and status; `revenue` is that of the purchases among them."""

    __tablename__ = "sales_days"

    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    website: Mapped[str] = mapped_column(String(100), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(String(50), primary_key=True)
    orders: Mapped[int] = mapped_column(BigInteger)
    purchases: Mapped[int] = mapped_column(BigInteger)
    revenue: Mapped[Decimal] = mapped_column(Numeric(16, 2))
    refunded: Mapped[Decimal] = mapped_column(Numeric(16, 2))


class ProductDay(Base):
    """What a day's purchases held of a product; `revenue` is that of the lines."""

    __tablename__ = "product_days"

    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    website: Mapped[str] = mapped_column(String(100), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    units: Mapped[int] = mapped_column(BigInteger)
    revenue: Mapped[Decimal] = mapped_column(Numeric(16, 2))


class ReportedWebsite(Base):
    """A website that has orders, with the time zone that its days were reported by."""

    __tablename__ = "reported_websites"

    website: Mapped[str] = mapped_column(String(100), primary_key=True)
    zone: Mapped[str] = mapped_column(String(64))


class ReportState(Base):
    """Up to when all changes are in, and as of when the reports are."""

    __tablename__ = "report_state"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False, server_default=text("1"))
    seen_at: Mapped[datetime]
    refreshed_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("id = 1", name="one_state"),)


Index("ix_reported_orders_user_id", ReportedOrder.user_id)
# Of the purchases of a period all that says whose first ones they are, so that the orders need not be visited.
Index(
    "ix_reported_orders_day",
    ReportedOrder.currency,
    ReportedOrder.website,
    ReportedOrder.day,
    postgresql_include=["first_day", "previous_day", "previous_day_anywhere", "is_known"],
)


def is_first_of_month(first: str, previous: str) -> str:
    """The condition on purchases that leaves one of each known consumer and month; what a cohort is counted by."""
    return (
        f"(is_known AND {first} IS NOT NULL"
        f" AND ({previous} IS NULL OR {previous} < date_trunc('month', day::timestamp)))"
    )


def _index_cohorts(name: str, *columns: str, previous: str) -> None:
    Index(
        name,
        *(getattr(ReportedOrder, column) for column in columns),
        postgresql_include=["day", previous],
        postgresql_where=text(is_first_of_month(columns[-1], previous)),
    )


_index_cohorts("ix_reported_orders_first_day", "currency", "website", "first_day", previous="previous_day")
_index_cohorts(
    "ix_reported_orders_first_day_anywhere", "currency", "first_day_anywhere", previous="previous_day_anywhere"
)
