"""What changes, and how, is in the reports after the next refresh; nothing else is written."""

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import event, text

from app.database import Database
from app.ingest.merge.tombstones import bury
from app.orders import service as orders
from app.orders.schemas import DetailCreate, OrderUpdate
from app.privacy.service import erase_user
from app.products.models import Product
from app.reports import refreshing
from app.reports.figures import Figures, Period, Scope
from app.reports.jobs import refresh_reports
from app.reports.refreshing import Refreshed, refresh
from app.reports.service import get_summary
from app.users.models import User
from app.utils.clock import utc_now
from tests.builders import create_order, create_user, unique
from tests.ingest.conftest import merge, stage
from tests.ingest.payloads import woo_customer, woo_line, woo_order, woo_product, woo_refund
from tests.reports.comparing import assert_exact
from tests.reports.conftest import NOON, TABLES, Sell, execute

MARCH = Period(date(2025, 3, 1), date(2025, 3, 31))
SAILOR = Scope("USD", "sailor")


async def refreshed(database: Database) -> tuple[int, int]:
    """How many orders and days had changed."""
    done = await refresh(database)
    await assert_exact(database)
    return done.orders_changed, done.days_changed


async def figures(database: Database, scope: Scope = SAILOR, period: Period = MARCH) -> Figures:
    async with database.reads() as session:
        return (await get_summary(session, scope, period)).current


async def read_versions(database: Database) -> list[str]:
    """Every row of the reports but the state's; one that was written anew is another."""
    async with database.reads() as session:
        tables = [each for each in TABLES.split(", ") if each != "report_state"]
        return [
            str(row) for each in tables for row in await session.execute(text(f"SELECT ctid, xmin, t.* FROM {each} t"))
        ]


async def ingest(database: Database, folder: Path, records: list[Any]) -> None:
    path = folder / unique("records")
    path.write_text(json.dumps(records))
    started = await stage(database, path)
    await merge(database, started.id)


class TestChanges:
    async def test_nothing_there(self, database: Database):
        assert await refreshed(database) == (0, 0)

    async def test_first_refresh(self, database: Database, sell: Sell):
        await sell(0, 1)
        await sell(2, placed_at=NOON + timedelta(days=1), source_website="rise")
        assert await refreshed(database) == (2, 2)
        assert (await figures(database)).revenue == 15
        assert (await figures(database, Scope("USD"))).revenue == 35

    async def test_nothing_new_writes_nothing(self, database: Database, sell: Sell, monkeypatch: pytest.MonkeyPatch):
        await sell(0, 1)
        await refresh(database)
        monkeypatch.setattr(refreshing, "MARGIN_SECONDS", 600)  # what is young is looked at again
        before = await read_versions(database)
        for _ in range(2):
            assert await refreshed(database) == (0, 0)
        assert await read_versions(database) == before

    async def test_only_what_changes_is_written(self, database: Database, sell: Sell):
        await sell(0, placed_at=NOON - timedelta(days=1))
        order = await sell(1)
        await refresh(database)
        before = await read_versions(database)
        async with database.sessions.begin() as session:
            await orders.update_order(session, order.id, OrderUpdate(status="delivered"))
        assert await refreshed(database) == (1, 1)
        after = await read_versions(database)
        assert len(set(before) - set(after)) == 2  # the order, and its day's other status

    async def test_edited(self, database: Database, sell: Sell, products: list[Product]):
        order = await sell(0, status="confirmed")
        await refresh(database)
        async with database.sessions.begin() as session:
            await orders.create_detail(session, order.id, DetailCreate(product_id=products[2].id))
        assert await refreshed(database) == (1, 1)
        assert (await figures(database)).revenue == 25

    async def test_cancelled(self, database: Database, sell: Sell):
        order = await sell(0, status="confirmed")
        await refresh(database)
        async with database.sessions.begin() as session:
            await orders.cancel_order(session, order.id)
        assert await refreshed(database) == (1, 1)
        assert await figures(database) == Figures(Decimal(0), 0, 0, 0, Decimal(0))

    async def test_moved_to_another_day(self, database: Database, sell: Sell):
        order = await sell(0)
        await refresh(database)
        moved = NOON + timedelta(days=40)
        await execute(
            database,
            "UPDATE orders SET placed_at = :moved, updated_at = clock_timestamp() WHERE id = :id",
            moved=moved,
            id=order.id,
        )
        assert await refreshed(database) == (1, 2)
        assert (await figures(database)).orders == 0

    async def test_an_order_before_the_first_one(self, database: Database, sell: Sell):
        """Who seemed new in March had come in February."""
        await sell(0)
        await refresh(database)
        assert (await figures(database)).new_consumers == 1
        await sell(0, placed_at=NOON - timedelta(days=28))
        assert await refreshed(database) == (1, 1)
        found = await figures(database)
        assert (found.new_consumers, found.returning_consumers) == (0, 1)

    async def test_the_first_one_is_somebody_elses(self, database: Database, sell: Sell):
        """Who seemed to return in March was new."""
        first, _ = await sell(0, placed_at=NOON - timedelta(days=28)), await sell(0)
        await refresh(database)
        async with database.sessions.begin() as session:
            other = await create_user(session)
        await execute(
            database,
            "UPDATE orders SET user_id = :other, updated_at = clock_timestamp() WHERE id = :id",
            other=other.id,
            id=first.id,
        )
        assert await refreshed(database) == (1, 1)
        found = await figures(database)
        assert (found.new_consumers, found.returning_consumers) == (1, 0)

    async def test_another_time_zone(self, database: Database, sell: Sell):
        await execute(database, "INSERT INTO websites (name, time_zone) VALUES ('sailor', 'Asia/Dhaka')")
        await sell(0, placed_at=datetime(2025, 3, 31, 19, tzinfo=UTC))
        await sell(0, placed_at=datetime(2025, 3, 31, 19, tzinfo=UTC), source_website="rise")
        await refresh(database)
        assert (await figures(database)).orders == 0  # it is April there
        for zone, count in (("Europe/Berlin", 1), ("Asia/Dhaka", 0), (None, 1)):
            await execute(database, "UPDATE websites SET time_zone = :zone WHERE name = 'sailor'", zone=zone)
            assert await refreshed(database) == (1, 2)
            assert (await figures(database)).orders == count
            assert await refreshed(database) == (0, 0)

    async def test_who_is_anonymous_no_longer(self, database: Database, sell: Sell):
        async with database.sessions.begin() as session:
            nobody = await create_user(session, email="anonymous-1001@sailor.invalid")
        await sell(0, user=nobody, placed_at=NOON - timedelta(days=28))
        await sell(0, user=nobody)
        await refresh(database)
        assert (await figures(database)).returning_consumers == 0
        await execute(
            database,
            "UPDATE users SET email = 'ada@example.com', updated_at = clock_timestamp() WHERE id = :id",
            id=nobody.id,
        )
        assert await refreshed(database) == (0, 0)
        assert (await figures(database)).returning_consumers == 1

    async def test_erased(self, database: Database, sell: Sell, user: User):
        for days in (28, 0):
            await sell(0, placed_at=NOON - timedelta(days=days))
        await refresh(database)
        before = await figures(database)
        async with database.sessions.begin() as session:
            await erase_user(session, user.id)
        assert await refreshed(database) == (0, 0)
        assert await figures(database) == before

    async def test_a_transaction_that_commits_late(self, database: Database, sell: Sell, user: User):
        async with database.sessions.begin() as late:
            await late.execute(text("SELECT 1"))  # it begins before the order is dated
            await create_order(late, user=user, status="shipped", placed_at=NOON)
            await asyncio.sleep(0.01)
            await sell(0)
            assert (await refresh(database)).orders_changed == 1
        assert await refreshed(database) == (1, 1)

    async def test_figures_are_as_of_the_refresh(self, database: Database, sell: Sell):
        async with database.reads() as session:
            assert (await get_summary(session, SAILOR, MARCH)).as_of is None
        done = await refresh(database)
        await sell(0)
        async with database.reads() as session:
            summary = await get_summary(session, SAILOR, MARCH)
        assert (summary.as_of, summary.current.orders) == (done.as_of, 0)


class TestImports:
    async def test_refunded_in_part_and_in_full(self, database: Database, tmp_path: Path):
        scope, february = Scope("USD", "shop"), Period(date(2025, 2, 1), date(2025, 2, 28))
        await ingest(database, tmp_path, [woo_product(1), woo_order(1), woo_order(2)])
        await refresh(database)
        await ingest(database, tmp_path, [woo_refund(11, 1, "4.00"), woo_refund(21, 2, "10.00")])
        assert await refreshed(database) == (2, 1)
        found = await figures(database, scope, february)
        assert found == Figures(Decimal(6), 1, 1, 0, refunds=Decimal(14))
        assert found.average_order_value == 6

    async def test_deleted_at_the_store(self, database: Database, tmp_path: Path):
        await ingest(database, tmp_path, [woo_product(1), woo_order(1), woo_order(2)])
        await refresh(database)
        async with database.sessions.begin() as session:
            await bury(session, "shop", "order", ["1"], utc_now())
        assert await refreshed(database) == (1, 1)
        assert (await figures(database, Scope("USD"), Period(date(2025, 2, 1), date(2025, 2, 1)))).orders == 1

    async def test_a_guest_who_turns_out_to_have_an_account(self, database: Database, tmp_path: Path):
        """Their orders become those of one consumer, who has returned."""
        february = Period(date(2025, 2, 1), date(2025, 2, 28))
        account = woo_order(1, email="old@example.com", customer_id=7, date_created_gmt="2025-01-10T10:00:00")
        await ingest(database, tmp_path, [woo_customer(7, "old@example.com"), account, woo_order(2)])
        await refresh(database)
        assert (await figures(database, Scope("USD"), february)).new_consumers == 1
        later = {"date_modified_gmt": "2025-03-01T00:00:00"}
        await ingest(database, tmp_path, [woo_customer(7, "jane@example.com", **later)])
        assert await refreshed(database) == (1, 1)
        found = await figures(database, Scope("USD"), february)
        assert (found.new_consumers, found.returning_consumers) == (0, 1)

    async def test_lines_that_come_to_mean_another_product(self, database: Database, tmp_path: Path):
        """Their orders stay as they are."""
        named = woo_line(0, sku="", name="Tea")
        await ingest(database, tmp_path, [woo_product(1, name="Tea"), woo_order(1, line_items=[named])])
        await refresh(database)
        await ingest(database, tmp_path, [woo_product(2, name="Tea")])  # nobody knows any longer which is meant
        assert await refreshed(database) == (1, 1)


class Killed(Exception):
    pass


async def refresh_until(database: Database, statement: int) -> bool:
    """Refresh, with the connection broken in place of the statement with this number; whether it was through before."""
    sent = 0

    def count_statement(*_: Any) -> None:
        nonlocal sent
        if sent == statement:
            raise Killed
        sent += 1

    event.listen(database.engine.sync_engine, "before_cursor_execute", count_statement)
    try:
        await refresh(database)
    except Killed:
        return False
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", count_statement)
    return True


async def test_killed_at_any_statement(database: Database, sell: Sell):
    await sell(0)
    await refresh(database)
    before = await read_versions(database)
    await execute(database, "UPDATE orders SET status = 'pending', updated_at = clock_timestamp()")
    await sell(1)
    reached = 0
    while not await refresh_until(database, reached):
        assert await read_versions(database) == before
        reached += 1
    assert reached > 25
    await assert_exact(database)


async def test_at_the_same_time(database: Database, sell: Sell):
    for _ in range(3):
        done: list[Any] = await asyncio.gather(
            *(sell(number, placed_at=NOON + timedelta(days=number)) for number in range(3)),
            *(refresh(database) for _ in range(3)),
        )
        assert sum(isinstance(each, Refreshed) for each in done) == 3
    await refreshed(database)
    assert (await figures(database)).orders == 9


async def test_the_job(database: Database, sell: Sell):
    await sell(1, 2)
    context: Any = SimpleNamespace(additional_context={"database": database})
    await refresh_reports.func(context, 0)
    assert (await figures(database)).revenue == 30
