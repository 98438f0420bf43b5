"""What requests about orders carry, and what their answers must add up to."""

from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.orders.models import Order
from app.products.models import Product
from app.users.models import User
from app.websites.models import SourceKind, SourceRecord
from tests.builders import unique

URL = "/api/v1/orders"
UNKNOWN = 2**62


def order_body(user: User, *lines: tuple[Product, int], **overrides: Any) -> dict[str, Any]:
    details = [{"product_id": product.id, "quantity": quantity} for product, quantity in lines]
    return {"user_id": user.id, "source_website": "sailor", "details": details} | overrides


async def sync_from(session: AsyncSession, website: str, order: Order) -> None:
    """Make `order` one that a website sent."""
    session.add(
        SourceRecord(source_website=website, kind=SourceKind.ORDER, external_id=unique("external"), order_id=order.id)
    )
    await session.flush()


def add_up(order: dict[str, Any]) -> Decimal:
    """The total of an order that the API answered, computed from its parts."""
    lines = sum((Decimal(line["unit_price"]) * line["quantity"] for line in order["details"]), Decimal(0))
    tax = Decimal(0) if order["tax_included"] else Decimal(order["tax_total"])
    shipping, fees, discount = (Decimal(order[name]) for name in ("shipping_total", "fee_total", "discount_total"))
    return lines - discount + shipping + fees + tax
