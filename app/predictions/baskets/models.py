"""How often products are bought together, as counted from the purchases.

Nothing here refers to other tables: what is counted stays countable whatever becomes of the rows it was counted from,
so that it can be taken out again exactly.
"""

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Identity, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.orders.models import OrderDetail


class CountedBasket(Base):
    """A purchase with its distinct products in ascending order, as it was counted; what is not counted has no row."""

    __tablename__ = "counted_baskets"

    order_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    website: Mapped[str] = mapped_column(String(100))
    products: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))


class BasketChange(Base):
    """A basket that came (`sign` 1) or went (-1) and is not in the counts yet."""

    __tablename__ = "basket_changes"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    website: Mapped[str] = mapped_column(String(100))
    products: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    sign: Mapped[int] = mapped_column(SmallInteger)


class BasketTotal(Base):
    __tablename__ = "basket_totals"

    website: Mapped[str] = mapped_column(String(100), primary_key=True)
    baskets: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("baskets > 0", name="baskets_positive"),)


class ProductCount(Base):
    """In how many baskets a product is."""

    __tablename__ = "product_counts"

    product_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    baskets: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("baskets > 0", name="baskets_positive"),)


class ProductPair(Base):
    """In how many baskets two products are. Each pair stands here twice, so that one range holds all of a product's."""

    __tablename__ = "product_pairs"

    product_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    other_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    baskets: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("baskets > 0", name="baskets_positive"),)


class BasketState(Base):
    """How far the orders and their lines were looked at, by when they changed, and as of when the counts are."""

    __tablename__ = "basket_state"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False, server_default=text("1"))
    orders_seen_at: Mapped[datetime]
    orders_seen_id: Mapped[int] = mapped_column(BigInteger)
    lines_seen_at: Mapped[datetime]
    counted_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("id = 1", name="one_state"),)


# A line may come to mean another product while its order stays as it is. Lines are written in the order of time, but
# for such changes: a summary of each stretch of the table finds them, and costs next to nothing to keep.
Index(
    "ix_order_details_updated_at",
    OrderDetail.updated_at,
    postgresql_using="brin",
    postgresql_with={"autosummarize": "on"},
)
