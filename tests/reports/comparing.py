"""Holds every report, of every scope and of several periods, against what going through the orders says."""

from datetime import date

from app.database import Database
from app.reports import service
from app.reports.figures import Period, Scope
from tests.reports.recount import Recount, read_orders


async def assert_exact(database: Database) -> Recount:
    async with database.sessions() as session:
        recount = Recount(await read_orders(session))
    scopes = {Scope(each.currency, each.website) for each in recount.orders}
    scopes |= {Scope(each.currency) for each in recount.orders}
    for scope in sorted(scopes, key=str):
        for period in make_periods([each.day for each in recount.orders]):
            await assert_reported(database, recount, scope, period)
    await assert_markets(database, recount)
    return recount


def make_periods(days: list[date]) -> list[Period]:
    """All days, the later half, and one day of them."""
    first, last = min(days, default=date(2025, 1, 1)), max(days, default=date(2025, 1, 1))
    middle = sorted(days)[len(days) // 2] if days else first
    return [Period(first, last), Period(middle, last), Period(middle, middle)]


async def assert_reported(database: Database, recount: Recount, scope: Scope, period: Period) -> None:
    async with database.reads() as session:
        summary = await service.get_summary(session, scope, period)
        website_days = await service.list_website_days(session, scope, period)
        status_days = await service.count_by_status(session, scope, period)
        best = await service.list_best_sellers(session, scope, period, limit=1000)
        cohorts = await service.list_cohorts(session, scope, period.last, months=6)
    assert summary.current == recount.figures(scope, period), (scope, period)
    assert summary.previous == recount.figures(scope, period.previous), (scope, period)
    days = {(each.website, each.day): (each.revenue, each.orders) for each in website_days}
    assert len(days) == len(website_days)
    assert days == recount.website_days(scope, period)
    assert {(each.day, each.status): each.orders for each in status_days} == recount.status_days(scope, period)
    assert {each.product_id: (each.units, each.revenue) for each in best} == recount.products(scope, period)
    assert best == sorted(best, key=lambda each: (-each.revenue, each.product_id))
    months = [each.month for each in cohorts]
    assert months[-1] == period.last.replace(day=1)
    assert len(set(months)) == 6
    found = {each.month: (each.consumers, each.returned) for each in cohorts}
    assert found == recount.cohorts(scope, months, period.last)


async def assert_markets(database: Database, recount: Recount) -> None:
    async with database.reads() as session:
        markets = await service.list_markets(session)
    found = {(each.currency, each.website): (each.orders, each.purchases, each.first_day, each.last_day)
             for each in markets}  # fmt: skip
    expected = {}
    for key in {(each.currency, each.website) for each in recount.orders}:
        placed = [each for each in recount.orders if (each.currency, each.website) == key]
        days = [each.day for each in placed]
        expected[key] = (len(placed), sum(each.is_purchase for each in placed), min(days), max(days))
    assert found == expected
