"""The first page: what was sold, to whom, and how new all of it is."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response
from starlette_admin.routing import route

from app.console.pages.page import Page, read_query, reading
from app.reports import service
from app.reports.figures import Cohort, Market, Period, Scope, StatusDay, Summary, WebsiteDay
from app.reports.freshness import list_freshness
from app.utils.clock import utc_now
from app.utils.schemas import CurrencyCode, Day, Schema, WebsiteName

DAYS = (7, 30, 90, 365)
BEST_SHOWN = 10
HEATS = 5
"""Shades of a cohort's cell, the darkest from HEAT_FULL of it on."""
HEAT_FULL = 0.5


class OverviewQuery(Schema):
    currency: CurrencyCode | None = None
    source_website: WebsiteName | None = None
    first: Day | None = None
    last: Day | None = None


class Stat(NamedTuple):
    """A figure beside that of the period before; `change` is None where there was none to compare with."""

    label: str
    value: str
    before: str
    change: float | None
    key: str


class OverviewPage(Page):
    heading = "Overview"
    menu_label = "Overview"
    icon = "fa fa-house"
    path = "/"

    @route("")
    async def index(self, request: Request) -> Response:
        query = read_query(OverviewQuery, request)
        async with reading(request) as session:
            markets = await service.list_markets(session)
            context: dict[str, Any] = {"markets": markets, "freshness": await list_freshness(session)}
            scope = _choose_scope(query, markets)
            if scope is not None:
                period = _choose_period(query, scope, markets)
                context |= {"scope": scope, "period": period, "shortcuts": list(_list_shortcuts(scope, markets))}
                context |= await _read_reports(session, scope, period)
        return self.render(request, "overview.html", **context)


def _choose_scope(query: OverviewQuery, markets: Sequence[Market]) -> Scope | None:
    """What the address asks for, or the currency that most is bought in."""
    if not markets:
        return None
    currency = query.currency or next(
        (each.currency for each in markets if query.source_website in (None, each.website)), markets[0].currency
    )
    return Scope(currency, query.source_website)


def _find_today(scope: Scope, markets: Sequence[Market]) -> date:
    """The latest of the websites' own."""
    days = [each.today for each in markets if each.currency == scope.currency and scope.website in (None, each.website)]
    return max(days, default=utc_now().date())


def _choose_period(query: OverviewQuery, scope: Scope, markets: Sequence[Market]) -> Period:
    """The last 30 days, where the address asks for none that there is."""
    last = query.last or _find_today(scope, markets)
    first = query.first or last - timedelta(days=29)
    try:
        return Period(first, last)
    except ValueError:
        return Period(last - timedelta(days=29), last)


def _list_shortcuts(scope: Scope, markets: Sequence[Market]) -> Any:
    today = _find_today(scope, markets)
    return ((days, today - timedelta(days=days - 1), today) for days in DAYS)


async def _read_reports(session: AsyncSession, scope: Scope, period: Period) -> dict[str, Any]:
    summary = await service.get_summary(session, scope, period)
    days = await service.list_website_days(session, scope, period)
    statuses = await service.count_by_status(session, scope, period)
    cohorts = await service.list_cohorts(session, scope, period.last)
    return {
        "summary": summary,
        "stats": _list_stats(summary, scope.currency),
        "days_table": [(each.day, each.website, _amount(each.revenue), each.orders) for each in days if each.orders],
        "revenue": _draw_days(days, period),
        "statuses": statuses,
        "by_status": _draw_statuses(statuses, period),
        "best": await service.list_best_sellers(session, scope, period, limit=BEST_SHOWN),
        "cohorts": [_shade(cohort) for cohort in cohorts if cohort.consumers],
        "cohort_months": len(cohorts),
    }


def _list_stats(summary: Summary, currency: str) -> list[Stat]:
    now, before = summary.current, summary.previous

    def count(label: str, key: str) -> Stat:
        new, old = getattr(now, key), getattr(before, key)
        return Stat(label, f"{new:,}", f"{old:,}", _change(new, old), key)

    def money(label: str, key: str) -> Stat:
        new, old = getattr(now, key), getattr(before, key)
        return Stat(label, _amount(new), _amount(old), _change(new, old), key)

    return [
        money(f"Revenue, {currency}", "revenue"),
        count("Orders", "orders"),
        money(f"An order on average, {currency}", "average_order_value"),
        count("New consumers", "new_consumers"),
        count("Returning consumers", "returning_consumers"),
        money(f"Refunded, {currency}", "refunds"),
    ]


def _amount(value: Decimal | None) -> str:
    return "–" if value is None else f"{value:,.2f}"


def _change(now: Decimal | int | None, before: Decimal | int | None) -> float | None:
    return float(now / before - 1) if now is not None and before else None


def _draw_days(days: Sequence[WebsiteDay], period: Period) -> dict[str, Any]:
    """A colour a website, a column a day, or a week where there are many."""
    websites = sorted({each.website for each in days})
    step = 7 if period.length > 120 else 1
    sums: dict[tuple[str, date], Decimal] = {}
    for each in days:
        at = period.first + timedelta(days=(each.day - period.first).days // step * step)
        sums[each.website, at] = sums.get((each.website, at), Decimal(0)) + each.revenue
    places = sorted({at for _, at in sums})
    return {
        "series": [
            {"name": website, "data": [{"x": str(at), "y": float(sums.get((website, at), 0))} for at in places]}
            for website in websites
        ],
        "options": {
            "chart": {"type": "bar", "stacked": True},
            "xaxis": {"type": "datetime"},
            "yaxis": {"decimalsInFloat": 0},
            "legend": {"showForSingleSeries": True},
        },
        "unit": "week" if step == 7 else "day",
    }


def _draw_statuses(statuses: Sequence[StatusDay], period: Period) -> dict[str, Any]:
    names = sorted({each.status for each in statuses})
    totals = {name: sum(each.orders for each in statuses if each.status == name) for name in names}
    return {
        "totals": totals,
        "series": [{"name": "Orders", "data": [{"x": name, "y": totals[name]} for name in names]}],
        "options": {"chart": {"type": "bar"}, "plotOptions": {"bar": {"horizontal": True}}},
    }


def _shade(cohort: Cohort) -> dict[str, Any]:
    shares = cohort.shares
    return {
        "month": cohort.month,
        "consumers": cohort.consumers,
        "cells": [{"share": share, "heat": min(int((share or 0) / HEAT_FULL * HEATS), HEATS - 1)} for share in shares],
    }
