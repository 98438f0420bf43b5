"""The page of one product: what was sold, what will be, when to order it again, and what goes with it."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response
from starlette_admin.routing import route

from app.console.pages.page import Page, read_query, reading
from app.orders.purchases import is_purchase
from app.predictions.baskets.service import bought_together
from app.predictions.forecasts import get_forecast
from app.predictions.schemas import AdviceQuery
from app.predictions.scores import list_scores
from app.products.service import get_product
from app.utils.clock import utc_now
from app.utils.errors import NotFound

WEEKS_SHOWN = 52
TOGETHER_SHOWN = 8

_TOLD = ("week", "sold", "mean", "q10", "q90", "q025", "q975")
_SOLD = text(
    f"""
    SELECT floor((:until - (o.placed_at AT TIME ZONE z.zone)::date) / 7.0)::int AS back, sum(l.quantity)::int AS units
    FROM order_details l JOIN orders o ON o.id = l.order_id,
        (SELECT coalesce((SELECT n.name FROM websites w JOIN pg_timezone_names n ON n.name = w.time_zone
            WHERE w.name = :website), 'UTC') AS zone) z
    WHERE l.product_id = :product_id AND {is_purchase("o")}
        AND (o.placed_at AT TIME ZONE z.zone)::date BETWEEN :until - 7 * :weeks + 1 AND :until
    GROUP BY 1
    """  # noqa: S608 — constants of ours
)


class ProductPage(Page):
    heading = "Product"
    menu_label = "Product"
    path = "/product"
    add_to_menu = False

    @route("/{product_id:int}")
    async def show(self, request: Request) -> Response:
        product_id = request.path_params["product_id"]
        query = read_query(AdviceQuery, request)
        async with reading(request) as session:
            try:
                product = await get_product(session, product_id)
            except NotFound as error:
                return self.render(request, "missing.html", status_code=404, detail=error.detail)
            forecast, nothing = await _read_forecast(session, product_id, query)
            together = await bought_together(session, product_id, TOGETHER_SHOWN)
            until = forecast["run"].as_of if forecast else utc_now().date()
            values = {"until": until, "product_id": product_id, "website": product.source_website, "weeks": WEEKS_SHOWN}
            sold = {row.back: row.units for row in await session.execute(_SOLD, values)}
        weeks = _list_weeks(until, sold, forecast["weeks"] if forecast else [])
        return self.render(
            request,
            "product.html",
            product=product,
            forecast=forecast,
            nothing=nothing,
            scores=list(list_scores(forecast["model"])) if forecast else [],
            together=together,
            weeks_table=[[each.get(name) for name in _TOLD] for each in weeks],
            drawn=_draw(weeks),
            query=query,
        )


async def _read_forecast(
    session: AsyncSession, product_id: int, query: AdviceQuery
) -> tuple[dict[str, Any] | None, str | None]:
    try:
        return await get_forecast(session, product_id, query), None
    except NotFound as error:
        return None, error.detail


def _list_weeks(until: date, sold: dict[int, int], forecast: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Weeks by their first day: `sold` of those that are over, the forecast of those to come."""
    first = min(max(sold, default=0) + 1, WEEKS_SHOWN)
    past = [
        {"week": until - timedelta(days=7 * back + 6), "sold": sold.get(back, 0)} for back in range(first - 1, -1, -1)
    ]
    coming = [
        {
            "week": each["period_start"],
            **{name: round(each[name], 1) for name in ("mean", "q025", "q10", "q90", "q975")},
        }
        for each in forecast
    ]
    return past + coming


def _draw(weeks: list[dict[str, Any]]) -> dict[str, Any]:
    def line(name: str) -> list[dict[str, Any]]:
        return [{"x": str(each["week"]), "y": each.get(name)} for each in weeks]

    def band(low: str, high: str) -> list[dict[str, Any]]:
        return [{"x": str(each["week"]), "y": [each[low], each[high]]} for each in weeks if low in each]

    return {
        "series": [
            {"name": "95 %", "type": "rangeArea", "data": band("q025", "q975")},
            {"name": "80 %", "type": "rangeArea", "data": band("q10", "q90")},
            {"name": "Sold", "type": "line", "data": line("sold")},
            {"name": "Forecast", "type": "line", "data": line("mean")},
        ],
        "options": {
            "chart": {"type": "rangeArea"},
            "colors": ["#a8c7ec", "#6ea3de", "#475569", "#206bc4"],
            "fill": {"opacity": [0.35, 0.45, 1, 1]},
            "stroke": {"curve": "straight", "width": [0, 0, 2, 2]},
            "xaxis": {"type": "datetime"},
            "yaxis": {"min": 0, "decimalsInFloat": 0},
            "legend": {"show": True},
        },
    }
