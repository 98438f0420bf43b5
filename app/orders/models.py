"""Orders and their lines."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Numeric,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base, Identified, Timestamped
from app.products.models import Product
from app.users.models import User
from app.utils.clock import utc_now
from app.utils.search import search_document


class OrderStatus(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


_ZERO = text("0")


class Order(Identified, Timestamped, Base):
    """`total_amount` = lines - discount + shipping + fee + tax (unless `tax_included`), or what the website says.

    `reconciles` tells whether the two agree.
    """

    __tablename__ = "orders"

    order_number: Mapped[str] = mapped_column(String(100))
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    total_amount: Mapped[Decimal] = mapped_column(Numeric(12, 2), default=Decimal(0), server_default=_ZERO)
    status: Mapped[str] = mapped_column(String(50), default=OrderStatus.PENDING, server_default="pending")
    source_website: Mapped[str] = mapped_column(String(100))
    placed_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.now())
    currency: Mapped[str] = mapped_column(String(3))
    discount_total: Mapped[Decimal] = mapped_column(Numeric(12, 2), default=Decimal(0), server_default=_ZERO)
    shipping_total: Mapped[Decimal] = mapped_column(Numeric(12, 2), default=Decimal(0), server_default=_ZERO)
    tax_total: Mapped[Decimal] = mapped_column(Numeric(12, 2), default=Decimal(0), server_default=_ZERO)
    fee_total: Mapped[Decimal] = mapped_column(Numeric(12, 2), default=Decimal(0), server_default=_ZERO)
    refunded_total: Mapped[Decimal] = mapped_column(Numeric(12, 2), default=Decimal(0), server_default=_ZERO)
    tax_included: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    reconciles: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    source_status: Mapped[str | None] = mapped_column(String(50))
    is_test: Mapped[bool] = mapped_column(default=False, server_default=text("false"))

    user: Mapped[User] = relationship(lazy="raise")
    details: Mapped[list["OrderDetail"]] = relationship(back_populates="order", lazy="raise", order_by="OrderDetail.id")

    __table_args__ = (
        # Any two Shopify stores both start at #1001.
        UniqueConstraint("source_website", "order_number", name="uq_orders_source_website_order_number"),
        CheckConstraint(f"status IN ({', '.join(repr(status.value) for status in OrderStatus)})", name="status_known"),
        CheckConstraint("discount_total >= 0", name="discount_not_negative"),
        CheckConstraint("shipping_total >= 0", name="shipping_not_negative"),
        CheckConstraint("tax_total >= 0", name="tax_not_negative"),
        CheckConstraint("refunded_total >= 0", name="refunded_not_negative"),
    )


class OrderDetail(Identified, Timestamped, Base):
    """One line. `unit_price` is a snapshot; `total_price` is before discounts on the order.

    `source_reference` is what a website's line called its product that it gave no id of ("sku:MUG", "name:Mug"), so
    that the line can follow when that turns out to mean another one. A line that is not `is_priced` came without a
    price, and has its product's as the product's first record told it.
    """

    __tablename__ = "order_details"

    order_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("orders.id"))
    product_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("products.id"))
    quantity: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    unit_price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    total_price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    source_reference: Mapped[str | None] = mapped_column(String(300))
    is_priced: Mapped[bool] = mapped_column(default=True, server_default=text("true"))

    order: Mapped[Order] = relationship(back_populates="details", lazy="raise")
    product: Mapped[Product] = relationship(lazy="raise")
    sku: AssociationProxy[str] = association_proxy("product", "sku")
    product_name: AssociationProxy[str] = association_proxy("product", "product_name")

    __table_args__ = (
        CheckConstraint("quantity >= 1", name="quantity_positive"),
        CheckConstraint("unit_price >= 0", name="unit_price_not_negative"),
        CheckConstraint("total_price >= 0", name="total_price_not_negative"),
        Index("ix_order_details_order_id", "order_id"),
        Index("ix_order_details_product_id", "product_id", "order_id"),
        Index("ix_order_details_unpriced", "product_id", postgresql_where=text("NOT is_priced")),
    )


class IdempotencyKey(Base):
    """The stored answer to a `POST /orders` that carried an `Idempotency-Key`, kept for a day."""

    __tablename__ = "idempotency_keys"

    admin_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("admin_users.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    order_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("orders.id"))
    response: Mapped[dict[str, object]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.now())

    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)


order_number_search = search_document(Order.order_number)

Index("ix_orders_number_search", order_number_search, postgresql_using="gin")
# Status last, so that a search by consumer and status need not visit the orders themselves.
Index("ix_orders_user_id", Order.user_id, Order.placed_at, Order.id, Order.status)
Index("ix_orders_source_website", Order.source_website, Order.placed_at, Order.id)
Index("ix_orders_status", Order.status, Order.placed_at, Order.id)
Index("ix_orders_currency", Order.currency, Order.placed_at, Order.id)
# An order is created here soon after it was placed: what was created long ago stands at the far end of this index, and
# is found there without visiting all the orders before it.
Index("ix_orders_placed_at", Order.placed_at, Order.id, Order.created_at)
Index("ix_orders_order_number", Order.order_number, Order.id)
Index("ix_orders_total_amount", Order.total_amount, Order.id)
Index("ix_orders_created_at", Order.created_at, Order.id)
Index("ix_orders_updated_at", Order.updated_at, Order.id)
