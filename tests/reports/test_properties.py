"""After any sequence of changes and refreshes, reports say what going through all orders says."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from app.database import Database
from app.orders.models import Order, OrderDetail, OrderStatus
from app.products.models import Product
from app.reports.refreshing import refresh
from app.users.models import User
from app.websites.models import Website
from tests.builders import create_order, create_product, create_user, unique
from tests.reports.comparing import assert_exact
from tests.reports.conftest import empty

WEBSITES = st.sampled_from(["rise", "sailor"])
USERS, PRODUCTS = st.integers(0, 3), st.integers(0, 2)
# Around midnights and ends of months, where a time zone makes a difference.
MOMENTS = st.builds(
    lambda month, hours: datetime(2025, month, 1, tzinfo=UTC) + timedelta(hours=hours),
    st.integers(1, 5),
    st.sampled_from([-30, -3, -1, 0, 1, 5, 23, 24, 300]),
)
ZONES = st.sampled_from([None, "Asia/Dhaka", "America/New_York", "UTC+3", "Nowhere/Atlantis"])
VALUES = st.one_of(
    st.fixed_dictionaries({"status": st.sampled_from([str(status) for status in OrderStatus])}),
    st.fixed_dictionaries({"refunded_total": st.sampled_from([Decimal(0), Decimal(3), Decimal(1000)])}),
    st.fixed_dictionaries({"placed_at": MOMENTS}),
    st.fixed_dictionaries({"currency": st.sampled_from(["USD", "EUR"])}),
    st.fixed_dictionaries({"is_test": st.booleans()}),
)
STEPS = st.one_of(
    st.tuples(st.just("sell"), WEBSITES, USERS, st.lists(PRODUCTS, max_size=3), MOMENTS),
    st.tuples(st.just("sell"), WEBSITES, USERS, st.lists(PRODUCTS, max_size=3), MOMENTS),
    st.tuples(st.just("edit"), st.integers(0, 9), VALUES),
    st.tuples(st.just("give"), st.integers(0, 9), USERS),
    st.tuples(st.just("merge"), USERS, USERS),
    st.tuples(st.just("swap"), PRODUCTS, PRODUCTS),
    st.tuples(st.just("name"), USERS, st.booleans()),
    st.tuples(st.just("zone"), WEBSITES, ZONES),
    st.tuples(st.just("refresh")),
)


class Shop:
    """Does behind the back of every rule what orders and consumers may go through."""

    def __init__(self, database: Database, users: list[User], products: list[Product]) -> None:
        self.database = database
        self.users, self.products = users, products
        self.order_ids: list[int] = []

    async def do(self, step: Iterable[Any]) -> None:
        name, *arguments = step
        await getattr(self, name)(*arguments)

    async def sell(self, website: str, user: int, products: list[int], placed_at: datetime) -> None:
        values = {"source_website": website, "placed_at": placed_at, "status": "confirmed"}
        lines = [(self.products[number], number + 1) for number in products]
        async with self.database.sessions.begin() as session:
            order = await create_order(session, user=self.users[user], lines=lines, **values)
        self.order_ids.append(order.id)

    async def edit(self, number: int, values: dict[str, Any]) -> None:
        if self.order_ids:
            await self._execute(update(Order).where(Order.id == self.order_ids[number % len(self.order_ids)]), values)

    async def give(self, number: int, user: int) -> None:
        await self.edit(number, {"user_id": self.users[user].id})

    async def merge(self, user: int, other: int) -> None:
        values = {"user_id": self.users[other].id}
        await self._execute(update(Order).where(Order.user_id == self.users[user].id), values)

    async def swap(self, product: int, other: int) -> None:
        """Lines come to mean another product; their orders stay as they are."""
        values = {"product_id": self.products[other].id}
        await self._execute(update(OrderDetail).where(OrderDetail.product_id == self.products[product].id), values)

    async def name(self, user: int, is_known: bool) -> None:
        email = f"{unique('jane')}@example.com" if is_known else f"{unique('anonymous')}@sailor.invalid"
        await self._execute(update(User).where(User.id == self.users[user].id), {"email": email})

    async def zone(self, website: str, zone: str | None) -> None:
        values = {"name": website, "time_zone": zone}
        known = insert(Website).values(**values)
        await self._execute(known.on_conflict_do_update(index_elements=["name"], set_={"time_zone": zone}), None)

    async def refresh(self) -> None:
        await refresh(self.database)
        await assert_exact(self.database)

    async def _execute(self, statement: Any, values: dict[str, Any] | None) -> None:
        async with self.database.sessions.begin() as session:
            await session.execute(statement if values is None else statement.values(**values))


# Not shrunk: that takes refreshes by the hundred.
@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS, min_size=3, max_size=18))
async def test_any_course_of_things(database: Database, steps: list[Any]):
    await empty(database)
    async with database.sessions.begin() as session:
        emails = [{}, {}, {"email": f"{unique('anonymous')}@sailor.invalid"}, {}]
        users = [await create_user(session, **email) for email in emails]
        products = [await create_product(session, price=Decimal(price)) for price in (0, 5, 10)]
    shop = Shop(database, users, products)
    for step in steps:
        await shop.do(step)
    await shop.refresh()
    assert (await refresh(database)).orders_changed == 0
    async with database.sessions() as session:
        assert len((await session.scalars(select(Order.id))).all()) == len(shop.order_ids)
