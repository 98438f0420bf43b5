"""What the figures of a period are, and what of which scope."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event

from app.database import Database
from app.products.models import Product
from app.reports import service
from app.reports.figures import MOST_DAYS, BestSeller, Cohort, Figures, Period, Scope, StatusDay, Summary
from app.reports.refreshing import refresh
from tests.builders import create_user
from tests.reports.comparing import assert_exact
from tests.reports.conftest import NOON, Sell

MARCH = Period(date(2025, 3, 1), date(2025, 3, 31))
FEBRUARY_DAY, JANUARY_DAY = NOON - timedelta(days=28), NOON - timedelta(days=56)
ALL, SAILOR = Scope("USD"), Scope("USD", "sailor")


async def summarise(database: Database, scope: Scope = ALL, period: Period = MARCH) -> Summary:
    await refresh(database)
    await assert_exact(database)
    async with database.reads() as session:
        return await service.get_summary(session, scope, period)


class TestPeriods:
    def test_previous(self):
        assert MARCH.previous == Period(date(2025, 1, 29), date(2025, 2, 28))
        assert Period(date(2025, 3, 1), date(2025, 3, 1)).previous == Period(date(2025, 2, 28), date(2025, 2, 28))

    @pytest.mark.parametrize(
        ("first", "last", "why"),
        [
            (date(2025, 3, 2), date(2025, 3, 1), "cannot end"),
            (date(2000, 1, 1), date(2000, 1, 1) + timedelta(days=MOST_DAYS), "at most"),
            (date(1, 1, 20), date(1, 2, 28), "no period as long"),
        ],
    )
    def test_no_period(self, first: date, last: date, why: str):
        with pytest.raises(ValueError, match=why):
            Period(first, last)


class TestSummary:
    async def test_beside_the_previous_period(self, database: Database, sell: Sell):
        await sell(0, placed_at=FEBRUARY_DAY)
        await sell(1)
        await sell(2, refunded_total=Decimal("2.50"))
        found = await summarise(database)
        assert found.previous == Figures(Decimal(5), 1, 1, 0, Decimal(0))
        assert found.current == Figures(Decimal("27.50"), 2, 0, 1, Decimal("2.50"))
        assert found.current.average_order_value == Decimal("13.75")
        assert found.as_of is not None

    async def test_nothing(self, database: Database):
        found = await summarise(database)
        assert found.current == found.previous == Figures(Decimal(0), 0, 0, 0, Decimal(0))
        assert found.current.average_order_value is None

    async def test_a_new_consumer_who_comes_back_in_the_period_is_new(self, database: Database, sell: Sell):
        for days in (0, 0, 5):
            await sell(0, placed_at=NOON + timedelta(days=days))
        found = await summarise(database)
        assert (found.current.new_consumers, found.current.returning_consumers) == (1, 0)

    async def test_known_on_another_website(self, database: Database, sell: Sell):
        """New here, and one who returns to all websites together."""
        await sell(0, placed_at=FEBRUARY_DAY, source_website="rise")
        await sell(0)
        here = (await summarise(database, SAILOR)).current
        assert (here.new_consumers, here.returning_consumers) == (1, 0)
        everywhere = (await summarise(database, ALL)).current
        assert (everywhere.new_consumers, everywhere.returning_consumers) == (0, 1)

    async def test_on_two_websites_on_one_day_is_one_consumer(self, database: Database, sell: Sell):
        for website in ("rise", "sailor"):
            await sell(0, source_website=website)
        assert (await summarise(database)).current.new_consumers == 1

    async def test_currencies_are_kept_apart(self, database: Database, sell: Sell):
        await sell(0, placed_at=FEBRUARY_DAY, currency="EUR")
        await sell(1)
        assert (await summarise(database)).current == Figures(Decimal(10), 1, 1, 0, Decimal(0))

    async def test_what_is_no_purchase(self, database: Database, sell: Sell):
        await sell(0, status="pending")
        await sell(0, status="cancelled", refunded_total=Decimal(5))
        await sell(0, refunded_total=Decimal(5))
        await sell(0, is_test=True, refunded_total=Decimal(1))
        found = await summarise(database)
        assert found.current == Figures(Decimal(0), 0, 0, 0, refunds=Decimal(10))

    async def test_nobody_known_never_returns(self, database: Database, sell: Sell):
        async with database.sessions.begin() as session:
            nobody = await create_user(session, email="anonymous-7@sailor.invalid")
            named_so = await create_user(session, email="anonymous-7@example.com")
        for user in (nobody, named_so):
            for placed_at in (FEBRUARY_DAY, NOON):
                await sell(0, user=user, placed_at=placed_at)
        found = await summarise(database)
        assert (found.previous.new_consumers, found.current.returning_consumers) == (2, 1)


async def test_days_of_websites(database: Database, sell: Sell):
    await sell(0)
    await sell(1, source_website="rise", placed_at=NOON + timedelta(days=1))
    await refresh(database)
    async with database.reads() as session:
        found = await service.list_website_days(session, ALL, Period(date(2025, 3, 10), date(2025, 3, 11)))
    assert [(each.website, each.day.day, int(each.revenue), each.orders) for each in found] == [
        ("rise", 10, 0, 0), ("rise", 11, 10, 1), ("sailor", 10, 5, 1), ("sailor", 11, 0, 0),
    ]  # fmt: skip


async def test_statuses(database: Database, sell: Sell):
    for status in ("pending", "cancelled", "cancelled", "shipped"):
        await sell(0, status=status)
    await sell(0, status="shipped", is_test=True)
    await refresh(database)
    async with database.reads() as session:
        found = await service.count_by_status(session, ALL, MARCH)
    day = NOON.date()
    assert found == [StatusDay(day, "cancelled", 2), StatusDay(day, "pending", 1), StatusDay(day, "shipped", 2)]


async def test_best_sellers(database: Database, sell: Sell, products: list[Product]):
    for _ in range(3):
        await sell(0, 0, 1)
    await sell(2, 2, source_website="rise")
    await sell(1, status="cancelled")
    await refresh(database)
    async with database.reads() as session:
        by_revenue = await service.list_best_sellers(session, ALL, MARCH, limit=2)
        by_units = await service.list_best_sellers(session, ALL, MARCH, by="units", limit=1)
        here = await service.list_best_sellers(session, SAILOR, MARCH)
    first, second, third = products
    assert [(each.product_id, each.units, int(each.revenue)) for each in by_revenue] == [
        (third.id, 2, 40), (first.id, 6, 30),
    ]  # fmt: skip
    assert by_units == [BestSeller(first.id, first.sku, first.product_name, "sailor", 6, Decimal(30))]
    assert [each.product_id for each in here] == [first.id, second.id]


class TestCohorts:
    async def test_months_since_the_first(self, database: Database, sell: Sell):
        async with database.sessions.begin() as session:
            once = await create_user(session)
            nobody = await create_user(session, email="anonymous-7@sailor.invalid")
        for placed_at in (JANUARY_DAY, JANUARY_DAY, NOON):
            await sell(0, placed_at=placed_at)
        await sell(0, user=once, placed_at=JANUARY_DAY)
        await sell(0, user=nobody, placed_at=JANUARY_DAY)
        await refresh(database)
        async with database.reads() as session:
            found = await service.list_cohorts(session, ALL, date(2025, 3, 31), months=3)
        january, february, march = (date(2025, month, 1) for month in (1, 2, 3))
        assert found == [Cohort(january, 2, (0, 1)), Cohort(february, 0, (0,)), Cohort(march, 0, ())]
        assert [each.shares for each in found] == [(0.0, 0.5), (None,), ()]

    async def test_up_to_the_last_day(self, database: Database, sell: Sell):
        for placed_at in (FEBRUARY_DAY, NOON):
            await sell(0, placed_at=placed_at)
        await refresh(database)
        async with database.reads() as session:
            before = await service.list_cohorts(session, ALL, NOON.date() - timedelta(days=1), months=24)
            after = await service.list_cohorts(session, ALL, NOON.date(), months=24)
        assert before[-2] == Cohort(date(2025, 2, 1), 1, (0,))
        assert after[-2] == Cohort(date(2025, 2, 1), 1, (1,))
        assert len(after) == 24
        assert after[0].month == date(2023, 4, 1)


async def test_markets(database: Database, sell: Sell):
    await sell(0, status="pending", currency="EUR")
    for _ in range(2):
        await sell(0)
    await refresh(database)
    async with database.reads() as session:
        found = await service.list_markets(session)
    assert [(each.currency, each.website, each.orders, each.purchases) for each in found] == [
        ("USD", "sailor", 2, 2), ("EUR", "sailor", 1, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "report",
    [service.get_summary, service.list_website_days, service.count_by_status, service.list_best_sellers],
)
async def test_a_report_is_one_statement(database: Database, sell: Sell, report: Callable[..., Awaitable[Any]]):
    """And so of one moment, also where a refresh ends meanwhile."""
    await sell(0)
    await refresh(database)
    sent = []

    def record(*given: Any) -> None:
        sent.append(given[2])

    event.listen(database.reading_engine.sync_engine, "before_cursor_execute", record)
    async with database.reads() as session:
        await report(session, ALL, MARCH)
    event.remove(database.reading_engine.sync_engine, "before_cursor_execute", record)
    assert len(sent) == 1
