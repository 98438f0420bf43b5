"""What reports have to say, by reading every order and going through them one by one."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.reports.figures import Figures, Period, Scope

_ORDERS = """
    SELECT o.id, o.source_website AS website, o.currency, o.user_id, o.placed_at, o.status,
        o.total_amount - o.refunded_total AS revenue, CASE WHEN o.is_test THEN 0 ELSE o.refunded_total END AS refunded,
        o.status NOT IN ('pending', 'cancelled') AND NOT o.is_test AND o.total_amount > o.refunded_total AS is_purchase,
        w.time_zone, u.email
    FROM orders o JOIN users u ON u.id = o.user_id LEFT JOIN websites w ON w.name = o.source_website ORDER BY o.id
"""
_LINES = "SELECT order_id, product_id, quantity, total_price FROM order_details"


@dataclass(frozen=True)
class Placed:
    id: int
    website: str
    currency: str
    user_id: int
    day: date
    status: str
    revenue: Decimal
    refunded: Decimal
    is_purchase: bool
    is_known: bool
    lines: tuple[tuple[int, int, Decimal], ...]


async def read_orders(session: AsyncSession) -> list[Placed]:
    lines: defaultdict[int, list[tuple[int, int, Decimal]]] = defaultdict(list)
    for order_id, product_id, quantity, price in await session.execute(text(_LINES)):
        lines[order_id].append((product_id, quantity, price))
    return [
        Placed(
            *(row.id, row.website, row.currency, row.user_id, _day(row.placed_at, row.time_zone), row.status),
            *(row.revenue, row.refunded, row.is_purchase),
            is_known=not (row.email.startswith("anonymous-") and row.email.endswith(".invalid")),
            lines=tuple(lines[row.id]),
        )
        for row in await session.execute(text(_ORDERS))
    ]


def _day(moment: datetime, zone: str | None) -> date:
    """In UTC where no zone has that name."""
    return moment.astimezone(ZoneInfo(zone if zone in available_timezones() else "UTC")).date()


@dataclass(frozen=True)
class Recount:
    orders: list[Placed]

    def within(self, scope: Scope, period: Period) -> list[Placed]:
        return [each for each in self._of(scope) if period.first <= each.day <= period.last]

    def figures(self, scope: Scope, period: Period) -> Figures:
        placed = self.within(scope, period)
        bought = [each for each in placed if each.is_purchase]
        first = self.first_days(scope)
        buyers = {each.user_id for each in bought}
        known = {each.user_id for each in bought if each.is_known}
        return Figures(
            revenue=sum((each.revenue for each in bought), Decimal(0)),
            orders=len(bought),
            new_consumers=len({user for user in buyers if first[user] >= period.first}),
            returning_consumers=len({user for user in known if first[user] < period.first}),
            refunds=sum((each.refunded for each in placed), Decimal(0)),
        )

    def website_days(self, scope: Scope, period: Period) -> dict[tuple[str, date], tuple[Decimal, int]]:
        """With zeros for the other days of websites that have any order then."""
        placed = self.within(scope, period)
        days = {(website, day): (Decimal(0), 0) for website in {e.website for e in placed} for day in period.days()}
        for each in placed:
            if each.is_purchase:
                revenue, orders = days[each.website, each.day]
                days[each.website, each.day] = (revenue + each.revenue, orders + 1)
        return days

    def status_days(self, scope: Scope, period: Period) -> Counter[tuple[date, str]]:
        return Counter((each.day, each.status) for each in self.within(scope, period))

    def products(self, scope: Scope, period: Period) -> dict[int, tuple[int, Decimal]]:
        """Units and revenue of each."""
        sold: defaultdict[int, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
        for each in self.within(scope, period):
            for product, quantity, price in each.lines if each.is_purchase else ():
                units, revenue = sold[product]
                sold[product] = (units + quantity, revenue + price)
        return dict(sold)

    def cohorts(self, scope: Scope, months: list[date], last: date) -> dict[date, tuple[int, tuple[int, ...]]]:
        """Of each month how many bought first in it, and how many of those in each later one."""
        bought: defaultdict[int, set[date]] = defaultdict(set)
        for each in self._of(scope):
            if each.is_purchase and each.is_known and each.day <= last:
                bought[each.user_id].add(each.day.replace(day=1))
        found = {}
        for index, month in enumerate(months):
            cohort = [each for each in bought.values() if min(each) == month]
            found[month] = (len(cohort), tuple(sum(m in each for each in cohort) for m in months[index + 1 :]))
        return found

    def first_days(self, scope: Scope) -> dict[int, date]:
        first: dict[int, date] = {}
        for each in self._of(scope):
            if each.is_purchase:
                first[each.user_id] = min(each.day, first.get(each.user_id, each.day))
        return first

    def _of(self, scope: Scope) -> Iterable[Placed]:
        return (e for e in self.orders if e.currency == scope.currency and scope.website in (None, e.website))
