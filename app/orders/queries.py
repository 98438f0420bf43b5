"""What is read of orders: a page of them, or one with its lines, in one statement each."""

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import Database
from app.orders import service
from app.orders.models import Order, OrderDetail, order_number_search
from app.orders.schemas import DetailRead, OrderQuery, OrderRead, OrderUser, OrderWithDetails
from app.users.models import User, consumer_name_search
from app.utils.json_rows import json_object, json_text
from app.utils.listing import Listing, read_page_json
from app.utils.search import matches_words, to_words

_BY_NUMBER = matches_words(order_number_search)
_CONSUMERS = select(User.id).where(matches_words(consumer_name_search))
_LINES_OF_PRODUCT = select(OrderDetail.id).where(
    OrderDetail.order_id == Order.id, OrderDetail.product_id == bindparam("product_id")
)

LISTING = Listing(
    rows=select(json_text(json_object(OrderRead, Order))).select_from(Order),
    filters={
        "q": Order.user_id.in_(_CONSUMERS) | _BY_NUMBER,
        "source_website": Order.source_website == bindparam("source_website"),
        "status": Order.status.in_(bindparam("status", expanding=True)),
        "user_id": Order.user_id == bindparam("user_id"),
        "product_id": _LINES_OF_PRODUCT.exists(),
        "order_number": Order.order_number == bindparam("order_number"),
        "currency": Order.currency == bindparam("currency"),
        "amount_min": Order.total_amount >= bindparam("amount_min"),
        "amount_max": Order.total_amount <= bindparam("amount_max"),
        "created_from": Order.created_at >= bindparam("created_from"),
        "created_to": Order.created_at <= bindparam("created_to"),
        "placed_from": Order.placed_at >= bindparam("placed_from"),
        "placed_to": Order.placed_at <= bindparam("placed_to"),
        "updated_since": Order.updated_at >= bindparam("updated_since"),
    },
    sorts={
        "id": Order.id,
        "placed_at": Order.placed_at,
        "order_number": Order.order_number,
        "total_amount": Order.total_amount,
        "created_at": Order.created_at,
        "updated_at": Order.updated_at,
    },
    to_bound={"q": to_words},
    unpredictable=frozenset({"q", "product_id"}),
    # An OR over two tables would use neither of the two search indexes.
    alternatives={"q": (_BY_NUMBER, Order.user_id.in_(_CONSUMERS))},
)

_DETAIL_AS_JSON = json_object(DetailRead, OrderDetail, sku="products.sku", product_name="products.product_name")
_WHOLE_ORDER_AS_JSON = json_object(
    OrderWithDetails,
    Order,
    user=json_object(OrderUser, User),
    details=f"""(
        SELECT coalesce(json_agg({_DETAIL_AS_JSON} ORDER BY order_details.id), '[]')
        FROM order_details JOIN products ON products.id = order_details.product_id
        WHERE order_details.order_id = orders.id
    )""",  # noqa: S608 — names of columns and nothing else
)
_WHOLE_ORDER = select(json_text(_WHOLE_ORDER_AS_JSON)).join(Order.user).where(Order.id == bindparam("order_id"))


async def read_order(connection: AsyncConnection, order_id: int) -> bytes:
    """An order with its consumer and its lines, as JSON; one statement, and so of one moment. Raises NotFound."""
    found = await connection.scalar(_WHOLE_ORDER, {"order_id": order_id})
    if found is None:
        raise service.no_order(order_id)
    return str(found).encode()


async def list_orders(database: Database, request: OrderQuery) -> bytes:
    """A page of orders without their lines, as JSON."""
    return await read_page_json(database, LISTING, request)
