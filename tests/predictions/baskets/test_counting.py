"""The counts after each refresh are those of a full recount, whatever happened between."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.orders import service as orders
from app.orders.models import Order, OrderDetail
from app.orders.schemas import DetailCreate, DetailUpdate, OrderCreate, OrderUpdate
from app.predictions.baskets import counting
from app.predictions.baskets.counting import Refreshed, refresh
from app.predictions.baskets.jobs import count_baskets
from app.products.models import Product
from app.users.models import User
from app.utils.clock import utc_now
from app.utils.errors import AppError
from tests.builders import create_order, create_product, create_user
from tests.ingest.conftest import merge, stage
from tests.ingest.payloads import woo_line, woo_order, woo_product, woo_refund
from tests.predictions.baskets.recount import assert_behind_only, assert_exact

TABLES = "basket_state, product_pairs, product_counts, basket_totals, basket_changes, counted_baskets"


@pytest.fixture
async def database(live_database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """One that commits, where one clock tells all times."""
    monkeypatch.setattr(counting, "MARGIN_SECONDS", 0)
    await empty(live_database)
    return live_database


async def empty(database: Database) -> None:
    """Forget all counts, and every order with what belongs to it."""
    async with database.sessions.begin() as session:
        await session.execute(text(f"TRUNCATE {TABLES}, websites, users, products, orders CASCADE"))


async def execute(database: Database, statement: str, **parameters: Any) -> None:
    async with database.sessions.begin() as session:
        await session.execute(text(statement), parameters)


@pytest.fixture
async def user(database: Database) -> User:
    async with database.sessions.begin() as session:
        return await create_user(session)


@pytest.fixture
async def products(database: Database, user: User) -> list[Product]:
    async with database.sessions.begin() as session:
        return [await create_product(session, price=Decimal(price)) for price in range(8)]


async def ingest(database: Database, path: Path, records: list[Any], website: str = "shop") -> None:
    path.write_text(json.dumps(records))
    started = await stage(database, path, website)
    await merge(database, started.id, chunk_size=2)


Sell = Callable[..., Awaitable[Order]]


@pytest.fixture
def sell(database: Database, user: User, products: list[Product]) -> Sell:
    """`await sell(0, 1, 1, status=…)`: an order with a line for each, by the number of the product."""

    async def sell(*numbers: int, **overrides: Any) -> Order:
        lines = [(products[number], 1) for number in numbers]
        async with database.sessions.begin() as session:
            return await create_order(session, user=user, lines=lines, **{"status": "shipped"} | overrides)

    return sell


class TestPurchases:
    async def test_first_count(self, database: Database, sell: Sell, products: list[Product]):
        first = await sell(1, 2, 3)
        await sell(2, 1)
        await sell(4, status="delivered")
        assert await refresh(database) == Refreshed(orders_looked_at=3, baskets_changed=3)
        counts = await assert_exact(database)
        a, b = products[1].id, products[2].id
        assert (a, b, 2) in counts["pairs"]
        assert counts["baskets"][0] == (first.id, "sailor", [products[number].id for number in (1, 2, 3)])
        assert counts["totals"] == [("sailor", 3)]

    async def test_only_purchases_count(self, database: Database, sell: Sell):
        for status in ("pending", "cancelled"):
            await sell(1, 2, status=status)
        await sell(1, 2, is_test=True)
        await sell(1, 2, refunded_total=Decimal(3))
        await sell(0, 0)  # for nothing
        assert await refresh(database) == Refreshed(orders_looked_at=5, baskets_changed=0)
        assert (await assert_exact(database))["baskets"] == []

    async def test_a_product_in_several_lines_counts_once(
        self, database: Database, sell: Sell, products: list[Product]
    ):
        await sell(1, 2, 1, 1, 2)
        await refresh(database)
        counts = await assert_exact(database)
        assert counts["products"] == [(products[1].id, 1), (products[2].id, 1)]

    async def test_a_basket_of_too_many_products(self, database: Database, user: User):
        async with database.sessions.begin() as session:
            many = [(await create_product(session), 1) for _ in range(101)]
            order = await create_order(session, user=user, lines=many, status="confirmed")
            await create_order(session, user=user, lines=[*many[:100], many[0]], status="confirmed")
        assert (await refresh(database)).baskets_changed == 1
        await assert_exact(database)
        async with database.sessions.begin() as session:
            (line, *_) = await session.scalars(select(OrderDetail.id).where(OrderDetail.order_id == order.id))
            await orders.delete_detail(session, order.id, line)
        assert (await refresh(database)).baskets_changed == 1
        assert (await assert_exact(database))["totals"] == [("sailor", 2)]

    async def test_websites_are_counted_apart(self, database: Database, sell: Sell):
        for website in ("rise", "sailor", "rise"):
            await sell(1, 2, source_website=website)
        await refresh(database)
        assert (await assert_exact(database))["totals"] == [("rise", 2), ("sailor", 1)]


class TestChanges:
    async def test_nothing_new_looks_at_nothing(self, database: Database, sell: Sell):
        await sell(1, 2)
        await refresh(database)
        before = await assert_exact(database)
        assert await refresh(database) == Refreshed()
        assert await assert_exact(database) == before

    async def test_what_is_young_is_looked_at_again(
        self, database: Database, sell: Sell, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(counting, "MARGIN_SECONDS", 600)
        await sell(1, 2)
        for changed in (1, 0, 0):
            assert await refresh(database) == Refreshed(orders_looked_at=1, baskets_changed=changed)
        await assert_exact(database)

    async def test_what_goes_leaves_no_rows(self, database: Database, sell: Sell):
        sold = [await sell(1, 2), await sell(2, 3)]
        await refresh(database)
        for order in sold:
            async with database.sessions.begin() as session:
                await orders.cancel_order(session, order.id)
        assert await refresh(database) == Refreshed(orders_looked_at=2, baskets_changed=2)
        assert not any((await assert_exact(database)).values())

    async def test_it_is_counted_as_it_was_taken_out(self, database: Database, sell: Sell, products: list[Product]):
        """A line is swapped for one of equal price, behind the back of every rule."""
        order = await sell(1, 2, 3)
        await refresh(database)
        await execute(
            database,
            "UPDATE order_details SET product_id = :to WHERE product_id = :it",
            it=products[2].id,
            to=products[5].id,
        )
        await execute(database, "UPDATE orders SET updated_at = :now WHERE id = :id", now=utc_now(), id=order.id)
        assert (await refresh(database)).baskets_changed == 1
        assert (products[2].id, 1) not in (await assert_exact(database))["products"]

    async def test_a_transaction_that_commits_late(
        self, database: Database, sell: Sell, user: User, products: list[Product]
    ):
        async with database.sessions.begin() as late:
            await late.execute(text("SELECT 1"))  # it begins before the order is dated
            await create_order(late, user=user, lines=[(products[1], 1), (products[2], 1)], status="shipped")
            await asyncio.sleep(0.01)
            await sell(3, 4)
            assert await refresh(database) == Refreshed(orders_looked_at=1, baskets_changed=1)
        assert (await refresh(database)).baskets_changed == 1
        assert len((await assert_exact(database))["baskets"]) == 2
        assert await refresh(database) == Refreshed()

    async def test_lines_that_come_to_mean_another_product(self, database: Database, tmp_path: Path):
        """Their orders stay as they are."""
        path = tmp_path / "records.json"
        named = woo_line(0, sku="", name="Tea")
        sold = [woo_order(1, line_items=[named, woo_line(7)]), woo_order(2, line_items=[woo_line(7)])]
        await ingest(database, path, [woo_product(1, name="Tea"), *sold])
        await refresh(database)
        before = await assert_exact(database)
        await ingest(database, path, [woo_product(2, name="Tea")])  # nobody knows any longer which is meant
        assert await refresh(database) == Refreshed(orders_looked_at=1, baskets_changed=1)
        after = await assert_exact(database)
        assert len(after["pairs"]) == len(before["pairs"]) == 2
        assert after["pairs"] != before["pairs"]
        assert await refresh(database) == Refreshed()

    async def test_chunks_of_any_size(self, database: Database, sell: Sell):
        random = Random(7)
        for _ in range(12):
            await sell(*random.sample(range(8), random.randint(1, 4)))
        for chunk_size, fold_size in ((1, 1), (5, 7), (4, 100), (12, 12), (100, 1)):
            await execute(database, f"TRUNCATE {TABLES}")
            done = await refresh(database, chunk_size=chunk_size, fold_size=fold_size)
            assert done == Refreshed(orders_looked_at=12, baskets_changed=12)
            await assert_exact(database)


class Shop:
    """Does at random what orders may go through, by the API's own rules and by imports."""

    def __init__(self, database: Database, user: User, products: list[Product], seed: int, folder: Path) -> None:
        self.database, self.user, self.folder = database, user, folder
        self.products = products
        self.random = Random(seed)
        self.files = 0

    async def do(self) -> None:
        work = [self.create, self.create, self.move, self.cancel, self.add, self.change, self.remove, self.ingest]
        await self.random.choice(work)()

    async def create(self) -> None:
        lines = self.random.choices(self.products, k=self.random.randint(1, 5))
        body = OrderCreate(
            user_id=self.user.id,
            source_website=self.random.choice(["sailor", "rise"]),
            details=[DetailCreate(product_id=product.id) for product in lines],
            status=self.random.choice(list(orders.MOVES)),
            is_test=self.random.random() < 0.1,
        )
        async with self.database.sessions.begin() as session:
            await orders.create_order(session, body, default_currency="USD")

    async def edit(self, edit: Callable[[AsyncSession, int], Awaitable[Any]]) -> None:
        """One that the rules refuse changes nothing."""
        async with self.database.sessions() as session:
            ids = list(await session.scalars(select(Order.id).order_by(Order.id)))
            if ids:
                try:
                    await edit(session, self.random.choice(ids))
                    await session.commit()
                except AppError:
                    await session.rollback()

    async def move(self) -> None:
        status = self.random.choice(list(orders.MOVES))
        await self.edit(lambda session, id: orders.update_order(session, id, OrderUpdate(status=status)))

    async def cancel(self) -> None:
        await self.edit(orders.cancel_order)

    async def add(self) -> None:
        body = DetailCreate(product_id=self.random.choice(self.products).id)
        await self.edit(lambda session, id: orders.create_detail(session, id, body))

    async def line_of(self, session: AsyncSession, order_id: int) -> int:
        lines = select(OrderDetail.id).where(OrderDetail.order_id == order_id).order_by(OrderDetail.id)
        return self.random.choice(list(await session.scalars(lines)) or [0])

    async def change(self) -> None:
        body = DetailUpdate(unit_price=Decimal(self.random.choice([0, 5])))

        async def change(session: AsyncSession, id: int) -> None:
            await orders.update_detail(session, id, await self.line_of(session, id), body)

        await self.edit(change)

    async def remove(self) -> None:
        async def remove(session: AsyncSession, id: int) -> None:
            await orders.delete_detail(session, id, await self.line_of(session, id))

        await self.edit(remove)

    async def ingest(self) -> None:
        """Orders, refunds, and products that take over, or give up, what lines call by a SKU or a name."""
        minute = self.files = self.files + 1
        later = f"2025-06-01T00:{minute:02}:00"
        path = self.folder / f"{minute}.json"
        records = [self.make_record(later) for _ in range(self.random.randint(1, 4))]
        await ingest(self.database, path, records, self.random.choice(["shop", "shop", "rise"]))

    def make_record(self, later: str) -> dict[str, Any]:
        order, product = self.random.randint(1, 4), self.random.randint(1, 3)
        sku, name = f"SKU-{self.random.randint(1, 4)}", f"Name {self.random.randint(1, 2)}"
        kind = self.random.randrange(4)
        if kind == 0:
            return woo_product(product, sku=sku, name=name, date_modified_gmt=later)
        if kind == 1:
            return woo_refund(order * 10 + 1, order, self.random.choice(["4.00", "99.00"]))
        lines = [
            self.random.choice([woo_line(product), woo_line(0, sku=sku, name=name), woo_line(0, sku="", name=name)])
            for product in self.random.choices(range(1, 5), k=self.random.randint(0, 3))
        ]
        status = self.random.choice(["pending", "processing", "completed", "refunded", "cancelled"])
        return woo_order(order, line_items=lines, status=status, date_modified_gmt=later)


@pytest.mark.parametrize("seed", range(6))
async def test_any_course_of_things(database: Database, user: User, products: list[Product], tmp_path: Path, seed: int):
    shop = Shop(database, user, products, seed, tmp_path)
    changed = 0
    for _ in range(25):
        for _ in range(shop.random.randint(0, 5)):
            await shop.do()
        sizes = {"chunk_size": shop.random.choice([1, 2, 3, 1000]), "fold_size": shop.random.choice([1, 4, 1000])}
        changed += (await refresh(database, **sizes)).baskets_changed
        counts = await assert_exact(database)
    assert await refresh(database) == Refreshed()
    assert changed > len(counts["baskets"]) > 2


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
        await refresh(database, chunk_size=2, fold_size=3)
    except Killed:
        return False
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", count_statement)
    return True


async def test_killed_at_any_statement(database: Database, sell: Sell):
    for numbers in ((1, 2), (2, 3, 4), (1, 2), (5,)):
        await sell(*numbers)
    await refresh(database)
    reached, is_through = 0, False
    while not is_through:
        # What was a basket is none, and the other way round.
        await execute(
            database,
            """
            UPDATE orders SET updated_at = :now,
            status = CASE WHEN status = 'cancelled' OR id % 2 = 0 THEN 'shipped' ELSE 'cancelled' END
            """,
            now=utc_now(),
        )
        is_through = await refresh_until(database, reached)
        await assert_behind_only(database)
        await refresh(database, chunk_size=2, fold_size=3)
        await assert_exact(database)
        reached += 1
    assert reached > 80


async def test_at_the_same_time(database: Database, user: User, products: list[Product], tmp_path: Path):
    shop = Shop(database, user, products, 5, tmp_path)
    for _ in range(5):
        await asyncio.gather(
            *(shop.do() for _ in range(4)),
            *(refresh(database, chunk_size=size, fold_size=size) for size in (1, 2, 3, 1000)),
        )
    await refresh(database)
    await assert_exact(database)


async def test_the_job(database: Database, sell: Sell):
    await sell(1, 2)
    context: Any = SimpleNamespace(additional_context={"database": database})
    await count_baskets.func(context, 0)
    assert (await assert_exact(database))["totals"] == [("sailor", 1)]
