"""The rules of orders: how a status moves, what a line costs, and a total that always adds up.

An order's lines and amounts change under a lock on its row, so that concurrent edits never lose an update.
"""

import base64
import secrets
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, BigInteger, any_, bindparam, func, insert, select
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
from app.websites.models import Website
from app.websites.service import ensure_website, find_order_source

MOVES = {
    OrderStatus.PENDING: (OrderStatus.CONFIRMED, OrderStatus.SHIPPED, OrderStatus.DELIVERED, OrderStatus.CANCELLED),
    OrderStatus.CONFIRMED: (OrderStatus.SHIPPED, OrderStatus.DELIVERED, OrderStatus.CANCELLED),
    OrderStatus.SHIPPED: (OrderStatus.DELIVERED, OrderStatus.CANCELLED),
    OrderStatus.DELIVERED: (),
    OrderStatus.CANCELLED: (),
}
OPEN = (OrderStatus.PENDING, OrderStatus.CONFIRMED)

# An order is created by a few statements that are built once, since this is what a website does all day: through
# mapped objects it took three times as long.
_BUYER = (
    select(User.id, Website.name.label("website"), Website.currency)
    .outerjoin(Website, Website.name == bindparam("source_website"))
    .where(User.id == bindparam("user_id"), User.is_active)
)
_PRODUCTS = select(Product.id, Product.price).where(
    Product.id == any_(bindparam("product_ids", type_=ARRAY(BigInteger))), Product.is_active
)
_INSERT = insert(Order).returning(Order.id)
_INSERT_LINES = insert(OrderDetail)


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


async def create_order(session: AsyncSession, data: OrderCreate, *, default_currency: str) -> int:
    """The new order's id."""
    connection = await session.connection()
    buyer = (
        await connection.execute(_BUYER, {"user_id": data.user_id, "source_website": data.source_website})
    ).one_or_none()
    if buyer is None:
        raise Unprocessable(f"There is no active user {data.user_id}.", field="user_id")
    if buyer.website is None:
        await ensure_website(session, data.source_website)
    wanted = {line.product_id for line in data.details}
    products = {row.id: row.price for row in await connection.execute(_PRODUCTS, {"product_ids": list(wanted)})}
    lines = [_price(products, line, at=f"details.{index}.") for index, line in enumerate(data.details)]
    number = data.order_number or _make_order_number()
    values = data.model_dump(exclude={"details", "order_number", "placed_at", "currency"}) | {
        "order_number": number,
        "placed_at": data.placed_at or utc_now(),
        "currency": data.currency or buyer.currency or default_currency,
        "total_amount": _total(data, sum((line["total_price"] for line in lines), Decimal(0))),
    }
    try:
        order_id = (await connection.execute(_INSERT, values)).scalar_one()
    except IntegrityError as error:
        if violates(error, "uq_orders_source_website_order_number"):
            raise Conflict(f"An order with the number {number} exists on {data.source_website} already.") from None
        raise
    await connection.execute(_INSERT_LINES, [line | {"order_id": order_id} for line in lines])
    return int(order_id)


async def update_order(session: AsyncSession, order_id: int, data: OrderUpdate) -> Order:
    order = await _lock_order(session, order_id)
    changes = _differing(order, data)
    status = changes.pop("status", order.status)
    if changes:
        await _require_editable(session, order)
        _, lines_total = await _measure_lines(session, order)
        for name, value in changes.items():
            setattr(order, name, value)
        order.total_amount = _total(order, lines_total)
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
    product = await session.scalar(select(Product).where(Product.id == data.product_id, Product.is_active))
    prices = {product.id: product.price} if product else {}
    detail = OrderDetail(order_id=order.id, product=product, **_price(prices, data))
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


def _price(prices: Mapping[int, Decimal], data: DetailCreate, *, at: str = "") -> dict[str, Any]:
    """A line of an order, with what its product costs now; `at` is where it stands in the body."""
    price = prices.get(data.product_id)
    if price is None:
        raise Unprocessable(f"There is no active product {data.product_id}.", field=f"{at}product_id")
    unit_price = price if data.unit_price is None else data.unit_price
    return {
        "product_id": data.product_id,
        "quantity": data.quantity,
        "unit_price": unit_price,
        "total_price": _price_line(unit_price, data.quantity, at=at),
    }


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


def _total(order: Order | OrderCreate, lines_total: Decimal) -> Decimal:
    """What lines and amounts add up to. Raises Unprocessable where no order can have that total."""
    total = lines_total - order.discount_total + order.shipping_total + order.fee_total
    if not order.tax_included:
        total += order.tax_total
    if not 0 <= total <= MAX_TOTAL:
        raise Unprocessable(
            f"The order's total would be {total:.2f}, and it can be from 0.00 to {MAX_TOTAL}.", field="total_amount"
        )
    return total


def _resettle(order: Order, lines_total: Decimal) -> None:
    """Settle an order whose lines change."""
    order.total_amount = _total(order, lines_total)
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
