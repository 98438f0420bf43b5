"""The rules of orders: how a status moves, what a line costs, and a total that always adds up.

An order's lines and amounts change under a lock on its row, so that concurrent edits never lose an update.
"""

import base64
import secrets
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from app.orders.models import Order, OrderDetail, OrderStatus
from app.orders.schemas import MAX_DETAILS, DetailCreate, DetailUpdate, OrderCreate, OrderUpdate
from app.products.models import Product
from app.users.models import User
from app.utils.clock import utc_now
from app.utils.errors import Conflict, NotFound, Unprocessable, violates
from app.utils.schemas import MAX_TOTAL, UpdateSchema
from app.websites.service import ensure_website, find_order_source, get_currency

MOVES = {
    OrderStatus.PENDING: (OrderStatus.CONFIRMED, OrderStatus.SHIPPED, OrderStatus.DELIVERED, OrderStatus.CANCELLED),
    OrderStatus.CONFIRMED: (OrderStatus.SHIPPED, OrderStatus.DELIVERED, OrderStatus.CANCELLED),
    OrderStatus.SHIPPED: (OrderStatus.DELIVERED, OrderStatus.CANCELLED),
    OrderStatus.DELIVERED: (),
    OrderStatus.CANCELLED: (),
}
OPEN = (OrderStatus.PENDING, OrderStatus.CONFIRMED)


async def get_order(session: AsyncSession, order_id: int) -> Order:
    """An order with its consumer, its lines and their products, in one statement and so of one moment."""
    embedded = [
        joinedload(Order.user, innerjoin=True),
        joinedload(Order.details).joinedload(OrderDetail.product),
    ]
    order = await session.get(Order, order_id, options=embedded, populate_existing=True)
    if order is None:
        raise no_order(order_id)
    return order


async def create_order(session: AsyncSession, data: OrderCreate, *, default_currency: str) -> Order:
    user = await session.get(User, data.user_id)
    if user is None or not user.is_active:
        raise Unprocessable(f"There is no active user {data.user_id}.", field="user_id")
    products = await _load_products(session, data.details)
    lines = [_make_line(products, line, at=f"details.{index}.") for index, line in enumerate(data.details)]
    await ensure_website(session, data.source_website)
    order = Order(
        **data.model_dump(exclude={"details", "order_number", "placed_at", "currency"}),
        order_number=data.order_number or _make_order_number(),
        placed_at=data.placed_at or utc_now(),
        currency=data.currency or await get_currency(session, data.source_website) or default_currency,
        user=user,
        details=lines,
    )
    _settle(order, sum((line.total_price for line in lines), Decimal(0)))
    session.add(order)
    await _flush_new(session, order)
    return order


async def update_order(session: AsyncSession, order_id: int, data: OrderUpdate) -> Order:
    order = await _lock_order(session, order_id)
    changes = _differing(order, data)
    status = changes.pop("status", order.status)
    if changes:
        await _require_editable(session, order)
        _, lines_total = await _measure_lines(session, order)
        for name, value in changes.items():
            setattr(order, name, value)
        _settle(order, lines_total)
    _move(order, status)
    await session.flush()
    return await get_order(session, order_id)


async def cancel_order(session: AsyncSession, order_id: int) -> None:
    """What deleting an order means; doing it again changes nothing."""
    order = await _lock_order(session, order_id)
    _move(order, OrderStatus.CANCELLED)
    await session.flush()


async def list_details(session: AsyncSession, order_id: int) -> list[OrderDetail]:
    order = await get_order(session, order_id)
    return order.details


async def create_detail(session: AsyncSession, order_id: int, data: DetailCreate) -> OrderDetail:
    order = await _lock_order(session, order_id)
    await _require_editable(session, order)
    count, lines_total = await _measure_lines(session, order)
    if count >= MAX_DETAILS:
        raise Conflict(f"Order {order.order_number} has {count} lines, and an order has at most {MAX_DETAILS}.")
    detail = _make_line(await _load_products(session, [data]), data)
    detail.order_id = order.id
    session.add(detail)
    _resettle(order, lines_total + detail.total_price)
    await session.flush()
    return detail


async def update_detail(session: AsyncSession, order_id: int, detail_id: int, data: DetailUpdate) -> OrderDetail:
    order = await _lock_order(session, order_id)
    detail = await _get_detail(session, order, detail_id)
    changes = _differing(detail, data)
    if changes:
        await _require_editable(session, order)
        _, lines_total = await _measure_lines(session, order)
        before = detail.total_price
        for name, value in changes.items():
            setattr(detail, name, value)
        detail.total_price = _price_line(detail.unit_price, detail.quantity)
        _resettle(order, lines_total - before + detail.total_price)
        await session.flush()
    return detail


async def delete_detail(session: AsyncSession, order_id: int, detail_id: int) -> None:
    order = await _lock_order(session, order_id)
    detail = await _get_detail(session, order, detail_id)
    await _require_editable(session, order)
    count, lines_total = await _measure_lines(session, order)
    if count == 1:
        raise Conflict(f"An order has at least one line; cancel order {order.order_number} instead.")
    try:
        _resettle(order, lines_total - detail.total_price)
    except Unprocessable as error:  # there is no body that could hold the mistake
        raise Conflict(error.detail) from None
    await session.delete(detail)
    await session.flush()


def no_order(order_id: int) -> NotFound:
    return NotFound(f"There is no order {order_id}.")


async def _lock_order(session: AsyncSession, order_id: int) -> Order:
    order = await session.get(Order, order_id, with_for_update=True)
    if order is None:
        raise no_order(order_id)
    return order


async def _require_editable(session: AsyncSession, order: Order) -> None:
    website = await find_order_source(session, order.id)
    if website is not None:
        raise Conflict(f"Order {order.order_number} is synced from {website}; its lines and amounts change there only.")
    if order.status not in OPEN:
        raise Conflict(
            f"Order {order.order_number} is {order.status}; "
            f"its lines and amounts change only while it is {' or '.join(OPEN)}."
        )


async def _get_detail(session: AsyncSession, order: Order, detail_id: int) -> OrderDetail:
    detail = await session.scalar(
        select(OrderDetail)
        .where(OrderDetail.id == detail_id, OrderDetail.order_id == order.id)
        .options(joinedload(OrderDetail.product, innerjoin=True))
    )
    if detail is None:
        raise NotFound(f"Order {order.id} has no line {detail_id}.")
    return detail


async def _load_products(session: AsyncSession, lines: Sequence[DetailCreate]) -> dict[int, Product]:
    wanted = {line.product_id for line in lines}
    products = await session.scalars(select(Product).where(Product.id.in_(wanted), Product.is_active))
    return {product.id: product for product in products}


def _make_line(products: dict[int, Product], data: DetailCreate, *, at: str = "") -> OrderDetail:
    """A line that is in no order yet; `at` is where it stands in the body."""
    product = products.get(data.product_id)
    if product is None:
        raise Unprocessable(f"There is no active product {data.product_id}.", field=f"{at}product_id")
    unit_price = product.price if data.unit_price is None else data.unit_price
    return OrderDetail(
        product=product,
        quantity=data.quantity,
        unit_price=unit_price,
        total_price=_price_line(unit_price, data.quantity, at=at),
    )


def _price_line(unit_price: Decimal, quantity: int, *, at: str = "") -> Decimal:
    price = unit_price * quantity
    if price > MAX_TOTAL:
        raise Unprocessable(
            f"The line would cost {price:.2f}, and the most it can is {MAX_TOTAL}.", field=f"{at}total_price"
        )
    return price


async def _measure_lines(session: AsyncSession, order: Order) -> tuple[int, Decimal]:
    """How many lines the order has, and what they add up to."""
    total = func.coalesce(func.sum(OrderDetail.total_price), Decimal(0))
    lines = await session.execute(select(func.count(), total).where(OrderDetail.order_id == order.id))
    return lines.one()


def _settle(order: Order, lines_total: Decimal) -> None:
    """Set the total to what lines and amounts add up to."""
    total = lines_total - order.discount_total + order.shipping_total + order.fee_total
    if not order.tax_included:
        total += order.tax_total
    if not 0 <= total <= MAX_TOTAL:
        raise Unprocessable(
            f"The order's total would be {total:.2f}, and it can be from 0.00 to {MAX_TOTAL}.", field="total_amount"
        )
    order.total_amount = total


def _resettle(order: Order, lines_total: Decimal) -> None:
    """Settle an order whose lines change."""
    _settle(order, lines_total)
    # A line that costs nothing changes the order too, and whoever asks for `updated_since` wants to know.
    order.updated_at = utc_now()


def _differing(row: Order | OrderDetail, data: UpdateSchema) -> dict[str, Any]:
    """What `data` would change, so that a client may send back everything that it read."""
    return {name: value for name, value in data.changes().items() if value != getattr(row, name)}


def _move(order: Order, status: str) -> None:
    """Set a status that the present one may become; the present one itself is no move."""
    if status == order.status:
        return
    legal = MOVES[OrderStatus(order.status)]
    if status not in legal:
        outlook = f"it can become {' or '.join(legal)}" if legal else "that is final"
        raise Conflict(f"Order {order.order_number} is {order.status}; {outlook}, so it cannot become {status}.")
    order.status = status


def _make_order_number() -> str:
    return f"EP-{base64.b32encode(secrets.token_bytes(10)).decode()}"


async def _flush_new(session: AsyncSession, order: Order) -> None:
    number, website = order.order_number, order.source_website
    try:
        await session.flush()
    except IntegrityError as error:
        if violates(error, "uq_orders_source_website_order_number"):
            raise Conflict(f"An order with the number {number} exists on {website} already.") from None
        raise
