"""The list of orders: one statement a page, each filter on an index."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from app.orders.models import Order, OrderDetail, order_number_search
from app.orders.schemas import OrderQuery
from app.users.models import consumer_name_search
from app.utils.pagination import paginate
from app.utils.search import matches_words

SORTS = {
    "id": Order.id,
    "placed_at": Order.placed_at,
    "order_number": Order.order_number,
    "total_amount": Order.total_amount,
    "created_at": Order.created_at,
    "updated_at": Order.updated_at,
}


def _matches_number_or_consumer(q: str) -> ColumnElement[bool]:
    # A UNION, because an OR over two tables would use neither of the two search indexes.
    by_number = select(Order.id).where(matches_words(order_number_search, q))
    by_consumer = select(Order.id).join(Order.user).where(matches_words(consumer_name_search, q))
    return Order.id.in_(union(by_number, by_consumer))


def _has_product(product_id: int) -> ColumnElement[bool]:
    return select(OrderDetail.id).where(OrderDetail.order_id == Order.id, OrderDetail.product_id == product_id).exists()


FILTERS: Mapping[str, Callable[[Any], ColumnElement[bool]]] = {
    "q": _matches_number_or_consumer,
    "source_website": lambda website: Order.source_website == website,
    "status": Order.status.in_,
    "user_id": lambda user_id: Order.user_id == user_id,
    "product_id": _has_product,
    "order_number": lambda number: Order.order_number == number,
    "currency": lambda currency: Order.currency == currency,
    "amount_min": lambda amount: Order.total_amount >= amount,
    "amount_max": lambda amount: Order.total_amount <= amount,
    "created_from": lambda moment: Order.created_at >= moment,
    "created_to": lambda moment: Order.created_at <= moment,
    "placed_from": lambda moment: Order.placed_at >= moment,
    "placed_to": lambda moment: Order.placed_at <= moment,
    "updated_since": lambda moment: Order.updated_at >= moment,
}


async def list_orders(session: AsyncSession, request: OrderQuery) -> dict[str, Any]:
    query, after = request.resume()
    wanted = [matches(value) for name, matches in FILTERS.items() if (value := getattr(query, name)) is not None]
    statement: Select[*tuple[Any, ...]] = select(*Order.__table__.columns).where(*wanted)
    return await paginate(session, statement, query, sorts=SORTS, after=after)
