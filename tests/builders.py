"""Plain builders: a row with sensible values, each of which a test may override."""

from decimal import Decimal
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import AdminUser
from app.orders.models import Order, OrderDetail
from app.products.models import Product
from app.users.models import User, UserAddress
from app.websites.service import link_own_user

T = TypeVar("T")


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid4().hex[:10]}"


async def _add(session: AsyncSession, row: T) -> T:
    session.add(row)
    await session.flush()
    return row


async def create_admin(session: AsyncSession, **overrides: Any) -> AdminUser:
    name = unique("admin")
    values = {"username": name, "email": f"{name}@example.com", "hashed_password": "$2b$unusable"}
    return await _add(session, AdminUser(**{**values, **overrides}))


async def create_user(session: AsyncSession, **overrides: Any) -> User:
    values = {
        "name": "Jane Doe",
        "phone": "+1 555 0100",
        "email": f"{unique('jane')}@example.com",
        "source_website": "sailor",
    }
    user = await _add(session, User(**{**values, **overrides}))
    await link_own_user(session, user.id, user.source_website)
    return user


async def create_address(session: AsyncSession, user: User, **overrides: Any) -> UserAddress:
    values = {"country": "Bangladesh", "city": "Dhaka", "district": "Gulshan", "address": "House 1, Road 2"}
    return await _add(session, UserAddress(**{"user_id": user.id, **values, **overrides}))


async def create_product(session: AsyncSession, **overrides: Any) -> Product:
    values = {
        "product_name": "Enamel mug",
        "price": Decimal("12.50"),
        "sku": unique("MUG"),
        "source_website": "sailor",
    }
    return await _add(session, Product(**{**values, **overrides}))


async def create_order(
    session: AsyncSession,
    *,
    user: User | None = None,
    lines: list[tuple[Product, int]] | None = None,
    **overrides: Any,
) -> Order:
    """An order whose total adds up: one mug, unless `lines` says otherwise."""
    user = user or await create_user(session)
    lines = lines if lines is not None else [(await create_product(session), 1)]
    total = sum((product.price * quantity for product, quantity in lines), Decimal(0))
    values = {
        "order_number": unique("ORDER"),
        "user_id": user.id,
        "source_website": "sailor",
        "currency": "USD",
        "total_amount": total,
        "status": "pending",
    }
    order = await _add(session, Order(**{**values, **overrides}))
    for product, quantity in lines:
        line = OrderDetail(
            order_id=order.id,
            product_id=product.id,
            quantity=quantity,
            unit_price=product.price,
            total_price=product.price * quantity,
        )
        await _add(session, line)
    return order
