"""The page of one consumer: who, on which websites, what they bought, and what is expected of them."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response
from starlette_admin.routing import route

from app.console.pages.page import Page, read_query, reading
from app.orders.models import Order
from app.orders.purchases import is_purchase
from app.predictions.consumers.schemas import ConsumerQuery
from app.predictions.consumers.service import get_consumer
from app.users.schemas import hide_placeholder
from app.users.service import get_user
from app.utils.errors import NotFound, ServiceUnavailable
from app.websites.models import SourceRecord

ORDERS_SHOWN = 20
HORIZONS = (30, 90, 180, 365, 730)

_BY_MONTH = text(
    f"""
    SELECT to_char(date_trunc('month', o.placed_at AT TIME ZONE 'UTC'), 'YYYY-MM') AS month, o.currency,
        count(*) AS orders, sum(o.total_amount - o.refunded_total) AS spent
    FROM orders o WHERE o.user_id = :user_id AND {is_purchase("o")} GROUP BY 1, 2 ORDER BY 1, 2
    """  # noqa: S608 — constants of ours
)


class ConsumerPage(Page):
    heading = "Consumer"
    menu_label = "Consumer"
    path = "/consumer"
    add_to_menu = False

    @route("/{user_id:int}")
    async def show(self, request: Request) -> Response:
        user_id = request.path_params["user_id"]
        query = read_query(ConsumerQuery, request)
        async with reading(request) as session:
            try:
                user = await get_user(session, user_id, with_addresses=True)
            except NotFound as error:
                return self.render(request, "missing.html", status_code=404, detail=error.detail)
            forecast, nothing = await _read_forecast(session, user_id, query)
            months = (await session.execute(_BY_MONTH, {"user_id": user_id})).all()
            context: dict[str, Any] = {
                "user": user,
                "email": hide_placeholder(user.email),
                "websites": await _list_websites(session, user_id),
                "orders": await _list_orders(session, user_id),
                "orders_in_all": await session.scalar(
                    select(func.count()).select_from(Order).where(Order.user_id == user_id)
                ),
                "months": months,
                "by_month": _draw_months(months),
            }
        return self.render(
            request, "consumer.html", forecast=forecast, nothing=nothing, query=query, horizons=HORIZONS, **context
        )


async def _read_forecast(
    session: AsyncSession, user_id: int, query: ConsumerQuery
) -> tuple[dict[str, Any] | None, str | None]:
    try:
        return await get_consumer(session, user_id, query), None
    except (NotFound, ServiceUnavailable) as error:
        return None, error.detail


async def _list_websites(session: AsyncSession, user_id: int) -> list[str]:
    names = select(SourceRecord.source_website).where(SourceRecord.user_id == user_id).distinct()
    return sorted(await session.scalars(names))


async def _list_orders(session: AsyncSession, user_id: int) -> list[Any]:
    columns = (
        Order.id, Order.order_number, Order.source_website, Order.placed_at, Order.status, Order.currency,
        Order.total_amount, Order.refunded_total,
    )  # fmt: skip
    newest = select(*columns).where(Order.user_id == user_id).order_by(Order.placed_at.desc(), Order.id.desc())
    return list((await session.execute(newest.limit(ORDERS_SHOWN))).all())


def _draw_months(months: Any) -> dict[str, Any]:
    """What was spent, a column a month, a colour a currency: they are never added up."""
    currencies = sorted({row.currency for row in months})
    names = list(_list_months(min(row.month for row in months), max(row.month for row in months))) if months else []
    spent = {(row.month, row.currency): float(row.spent) for row in months}
    return {
        "series": [
            {"name": currency, "data": [round(spent.get((month, currency), 0.0), 2) for month in names]}
            for currency in currencies
        ],
        "options": {"chart": {"type": "bar"}, "xaxis": {"categories": names}, "legend": {"showForSingleSeries": True}},
    }


def _list_months(first: str, last: str) -> Iterator[str]:
    """As "2026-11", those without a purchase between them too."""
    month = date.fromisoformat(f"{first}-01")
    while f"{month:%Y-%m}" <= last:
        yield f"{month:%Y-%m}"
        month = (month + timedelta(days=31)).replace(day=1)
