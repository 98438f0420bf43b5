from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette_admin import row_action
from starlette_admin.flash import flash

from app.console.fields import Flag, Moment, Money, Number, Reference, Status, Text
from app.console.listing import Filter, Kind
from app.console.table import TableView, writing
from app.database import Database
from app.orders import queries, service
from app.orders.models import Order, OrderStatus
from app.orders.schemas import OrderQuery, OrderRead, OrderUpdate, OrderWithDetails
from app.users.models import User
from app.utils.csv_export import csv_columns


class OrderRow(OrderRead):
    consumer: str


class WholeOrder(OrderWithDetails):
    @property
    def consumer(self) -> str:
        return self.user.name


class Orders(TableView):
    key = "orders"
    menu_label = "Orders"
    display_name = "order"
    icon = "fa fa-cart-shopping"
    about = "With their lines. A status moves forward; lines and amounts are changed by the API."
    detail_template = "tables/order.html"
    row_actions = ("move",)
    query = OrderQuery
    filters = (
        Filter("source_website", "Website", Kind.WEBSITE),
        Filter("status", "Status", Kind.SEVERAL, tuple(OrderStatus)),
        Filter("order_number", "Number"),
        Filter("currency", "Currency"),
        Filter("amount_min", "Total from", Kind.NUMBER),
        Filter("amount_max", "Total to", Kind.NUMBER),
        Filter("placed_from", "Placed from", Kind.DAY),
        Filter("placed_to", "Placed to", Kind.DAY),
        Filter("user_id", "Consumer's id", Kind.NUMBER),
        Filter("product_id", "Product's id", Kind.NUMBER),
    )
    fields = (
        Number("id", label="Id", is_number=False),
        Text("order_number", label="Number"),
        Reference("user_id", label="Consumer", table="consumers", named_by="consumer"),
        Status("status"),
        Moment("placed_at", label="Placed"),
        Text("source_website", label="Website"),
        Money("total_amount", label="Total", currency="currency"),
        Money("discount_total", label="Discount", currency="currency"),
        Money("shipping_total", label="Shipping", currency="currency"),
        Money("tax_total", label="Tax", currency="currency"),
        Flag("tax_included", label="Prices hold the tax"),
        Money("fee_total", label="Fees", currency="currency"),
        Money("refunded_total", label="Refunded", currency="currency"),
        Text("source_status", label="Website's status"),
        Flag("reconciles", label="Website's total adds up"),
        Flag("is_test", label="Test order"),
        Moment("created_at", label="Created"),
        Moment("updated_at", label="Changed"),
    )
    columns = ("order_number", "user_id", "status", "placed_at", "source_website", "total_amount")
    listing = queries.LISTING
    csv_columns = csv_columns(Order, list(OrderRead.model_fields), text=("order_number", "source_status"))

    async def read_page(self, database: Database, query: OrderQuery) -> tuple[Mapping[str, Any], Sequence[OrderRow]]:
        page = orjson.loads(await queries.list_orders(database, query))
        buyers = select(User.id, User.name).where(User.id.in_({item["user_id"] for item in page["items"]}))
        async with database.reads() as session:
            names = {row.id: row.name for row in await session.execute(buyers)}
        return page, [OrderRow(**item, consumer=names[item["user_id"]]) for item in page["items"]]

    async def find(self, session: AsyncSession, row_id: int) -> WholeOrder:
        return WholeOrder.model_validate(await service.get_order(session, row_id))

    def name_of(self, row: OrderRead) -> str:
        return f"Order {row.order_number}"

    async def read_more(self, request: Request, session: AsyncSession, row: Any) -> dict[str, Any]:
        return {"moves": service.MOVES[row.status]}

    @row_action("move", "Move")
    async def move(self, request: Request, pk: str) -> None:
        form = await request.form()
        body = OrderUpdate.model_validate({"status": form.get("status")})
        async with writing(request) as session:
            order = await service.update_order(session, int(pk), body)
        flash(request, f"Order {order.order_number} is {order.status} now.", "success")
