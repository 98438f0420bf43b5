"""The figures of the overview, read from what `refreshing` keeps.

How many consumers bought within a period cannot be added up from days. Each purchase knows the day of the one before
it, so whoever bought within a period is counted by the one purchase of theirs before which there was none in it: one
range of an index, without sorting anybody out.
"""

# ruff: noqa: S608 — statements are put together from constants, and every value is bound

from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import BigInteger, Date, RowMapping, Text, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.reports.figures import BestSeller, Cohort, Figures, Market, Period, Scope, StatusDay, Summary, WebsiteDay
from app.reports.models import is_first_of_month

BestBy = Literal["revenue", "units"]

_TYPES: dict[str, Any] = {
    "currency": Text(), "website": Text(), "limit": BigInteger(),
    "first": Date(), "last": Date(), "previous_first": Date(), "previous_last": Date(),
}  # fmt: skip


def _typed(statement: str) -> TextClause:
    clause = text(statement)
    return clause.bindparams(*(bindparam(name, type_=_TYPES[name]) for name in clause._bindparams))


# All websites are listed, so that one index serves for one of them and for all.
_SCOPE = """
    currency = :currency AND website = ANY(ARRAY(
        SELECT website FROM reported_websites WHERE :website IS NULL OR website = :website
    ))
"""
_DAYS = f"{_SCOPE} AND day BETWEEN :first AND :last"


def _select_summary(previous: str) -> TextClause:
    return _typed(
        f"""
        SELECT (SELECT refreshed_at FROM report_state) AS as_of, sales.*, consumers.*
        FROM (VALUES (1, :first, :last), (2, :previous_first, :previous_last)) AS period (number, first_day, last_day)
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(revenue), 0) AS revenue, coalesce(sum(purchases), 0)::bigint AS orders,
                coalesce(sum(refunded), 0) AS refunds
            FROM sales_days WHERE {_SCOPE} AND day BETWEEN period.first_day AND period.last_day
        ) sales
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE {previous} IS NULL) AS new_consumers,
                count(*) FILTER (WHERE is_known AND {previous} < period.first_day) AS returning_consumers
            FROM reported_orders o
            WHERE {_SCOPE} AND o.first_day IS NOT NULL AND day BETWEEN period.first_day AND period.last_day
        ) consumers
        ORDER BY period.number
        """
    )


_SUMMARY_OF_WEBSITE = _select_summary("previous_day")
_SUMMARY_OF_ALL = _select_summary("previous_day_anywhere")
_WEBSITE_DAYS = _typed(
    f"""
    SELECT day, website, sum(revenue) AS revenue, sum(purchases)::bigint AS orders
    FROM sales_days WHERE {_DAYS} GROUP BY day, website
    """
)
_STATUS_DAYS = _typed(
    f"""
    SELECT day, status, sum(orders)::bigint AS orders
    FROM sales_days WHERE {_DAYS} GROUP BY day, status ORDER BY day, status
    """
)


def _select_best_sellers(by: BestBy) -> TextClause:
    return _typed(
        f"""
        SELECT best.product_id, p.sku, p.product_name, p.source_website AS website, best.units, best.revenue
        FROM (
            SELECT product_id, sum(units)::bigint AS units, sum(revenue) AS revenue
            FROM product_days WHERE {_DAYS}
            GROUP BY product_id ORDER BY {by} DESC, product_id LIMIT :limit
        ) best JOIN products p ON p.id = best.product_id
        ORDER BY {by} DESC, product_id
        """
    )


_BEST_SELLERS: dict[BestBy, TextClause] = {
    "revenue": _select_best_sellers("revenue"),
    "units": _select_best_sellers("units"),
}


def _select_cohorts(first: str, previous: str, scope: str) -> TextClause:
    month = "date_trunc('month', {}::timestamp)::date"
    return _typed(
        f"""
        SELECT {month.format(first)} AS began, {month.format("day")} AS bought, count(*) AS consumers
        FROM reported_orders
        WHERE {scope} AND {first} BETWEEN :first AND :last AND day <= :last AND {is_first_of_month(first, previous)}
        GROUP BY 1, 2
        """
    )


_COHORTS_OF_WEBSITE = _select_cohorts("first_day", "previous_day", "currency = :currency AND website = :website")
_COHORTS_OF_ALL = _select_cohorts("first_day_anywhere", "previous_day_anywhere", "currency = :currency")
_MARKETS = text(
    """
    SELECT s.currency, website, sum(s.orders)::bigint AS orders, sum(s.purchases)::bigint AS purchases,
        min(s.day) AS first_day, max(s.day) AS last_day, (now() AT TIME ZONE w.zone)::date AS today
    FROM sales_days s JOIN reported_websites w USING (website)
    GROUP BY s.currency, website, w.zone ORDER BY purchases DESC, s.currency, website
    """
)


async def get_summary(session: AsyncSession, scope: Scope, period: Period) -> Summary:
    """The period beside the one before it, both of one moment."""
    statement = _SUMMARY_OF_ALL if scope.website is None else _SUMMARY_OF_WEBSITE
    before = period.previous
    bounds = {"previous_first": before.first, "previous_last": before.last}
    current, previous = (await session.execute(statement, _bind(scope, period) | bounds)).mappings()
    return Summary(current["as_of"], _to_figures(current), _to_figures(previous))


async def list_website_days(session: AsyncSession, scope: Scope, period: Period) -> list[WebsiteDay]:
    """Every day of the period, of each website with orders in it; by website, then day."""
    found = [WebsiteDay(**row) for row in (await session.execute(_WEBSITE_DAYS, _bind(scope, period))).mappings()]
    sold = {(each.website, each.day): each for each in found}
    websites = sorted({each.website for each in found})
    return [
        sold.get((website, day)) or WebsiteDay(day, website, Decimal(0), 0)
        for website in websites
        for day in period.days()
    ]


async def count_by_status(session: AsyncSession, scope: Scope, period: Period) -> list[StatusDay]:
    """Days and statuses with orders."""
    return [StatusDay(**row) for row in (await session.execute(_STATUS_DAYS, _bind(scope, period))).mappings()]


async def list_best_sellers(
    session: AsyncSession, scope: Scope, period: Period, *, by: BestBy = "revenue", limit: int = 10
) -> list[BestSeller]:
    found = await session.execute(_BEST_SELLERS[by], _bind(scope, period) | {"limit": limit})
    return [BestSeller(**row) for row in found.mappings()]


async def list_cohorts(session: AsyncSession, scope: Scope, last: date, *, months: int = 12) -> list[Cohort]:
    """Those of the `months` months up to the one that `last` is in, by what they had bought by the end of that day."""
    begins = [_add_months(last, -back) for back in reversed(range(months))]
    statement = _COHORTS_OF_ALL if scope.website is None else _COHORTS_OF_WEBSITE
    found = await session.execute(statement, _bind(scope, Period(begins[0], last)))
    counts = {(row.began, row.bought): row.consumers for row in found}
    return [
        Cohort(
            month=month,
            consumers=counts.get((month, month), 0),
            returned=tuple(counts.get((month, later), 0) for later in begins[index + 1 :]),
        )
        for index, month in enumerate(begins)
    ]


async def list_markets(session: AsyncSession) -> list[Market]:
    """Those with the most purchases first."""
    return [Market(**row) for row in (await session.execute(_MARKETS)).mappings()]


def _to_figures(row: RowMapping) -> Figures:
    return Figures(**{field.name: row[field.name] for field in fields(Figures)})


def _bind(scope: Scope, period: Period) -> dict[str, Any]:
    return {"currency": scope.currency, "website": scope.website, "first": period.first, "last": period.last}


def _add_months(day: date, months: int) -> date:
    """The first of a month."""
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(years, month + 1, 1)
