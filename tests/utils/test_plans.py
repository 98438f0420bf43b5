"""No list query that the API offers reads a whole table: all of them, run on 200,000 rows."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, get_args

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import Database
from app.orders.queries import LISTING as ORDERS
from app.orders.schemas import OrderQuery
from app.products.schemas import ProductQuery
from app.products.service import LISTING as PRODUCTS
from app.runtime import migrations
from app.users.schemas import UserQuery
from app.users.service import LISTING as USERS
from app.utils.listing import Listing, read_page_json
from app.utils.pagination import PageQuery
from benchmarks.dataset import Size, fill
from benchmarks.serving import ORDER_FILTERS, ORDER_PAIRS, PRODUCT_FILTERS, USER_FILTERS
from tests.conftest import new_database

ROWS = 200_000
SIZE = Size(users=ROWS, products=ROWS, orders=ROWS, lines=ROWS)
# Rows are created in the order of their ids, so what was created long ago is at the far end of a list by id, and is
# found by walking there. The planner does so even where an index could save it the rows: they lie side by side.
WALKED = {"users?created_to=2022-06-01", "products?created_to=2022-06-01"}
# What a page may look at of any table, rows that are filtered out and entries of an index among them.
MOST_VISITED = ROWS // 2
LISTS: dict[str, tuple[Listing, type[PageQuery], dict[str, tuple[Any, Any]]]] = {
    "orders": (ORDERS, OrderQuery, ORDER_FILTERS),
    "users": (USERS, UserQuery, USER_FILTERS),
    "products": (PRODUCTS, ProductQuery, PRODUCT_FILTERS),
}


@pytest.fixture(scope="module")
def filled_url(server_url: str) -> Iterator[str]:
    with new_database(server_url) as url:
        migrations.upgrade(url)
        fill(url, SIZE)
        yield url


@pytest.fixture(scope="module")
async def filled(filled_url: str) -> AsyncIterator[Database]:
    database = Database(filled_url)
    yield database
    await database.dispose()


def as_query(model: type[PageQuery], filters: dict[str, Any], **more: Any) -> PageQuery:
    given: dict[str, Any] = {name: str(value).partition("&")[0] for name, value in filters.items()}
    if "status" in given:
        given["status"] = [given["status"]]
    return model.model_validate(given | more)


def list_queries() -> Iterator[Any]:
    for name, (_, model, filters) in LISTS.items():
        yield pytest.param(name, {}, id=name)
        for sort in get_args(model.model_fields["sort"].annotation):
            yield pytest.param(name, {"sort": sort}, id=f"{name}?sort={sort}")
        for field, values in filters.items():
            for value in values:
                if f"{name}?{field}={value}" not in WALKED:
                    yield pytest.param(name, {field: value}, id=f"{name}?{field}={value}")
    for pair in ORDER_PAIRS:
        yield pytest.param("orders", dict(pair), id=f"orders?{pair}")


async def read_plans(database: Database, listing: Listing, query: PageQuery) -> list[dict[str, Any]]:
    """The plan of every statement that one page takes, with the values it was sent with."""
    sent: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    engine = database.reading_engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        await read_page_json(database, listing, query)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    async with database.reading() as connection:
        return [
            await explain(connection, statement, parameters)
            for statement, parameters in sent
            if statement.lstrip().startswith("SELECT")
        ]


async def explain(connection: AsyncConnection, statement: str, parameters: Any) -> dict[str, Any]:
    explained = f"EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF, FORMAT JSON) {statement}"
    plan: dict[str, Any] = (await connection.exec_driver_sql(explained, parameters)).scalar_one()[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def whole_reads(plan: dict[str, Any]) -> list[tuple[str, int]]:
    """The tables and indexes of which more than MOST_VISITED rows were looked at, and how many."""
    found = []
    for node in nodes(plan):
        if "Relation Name" in node or "Index Name" in node:
            passed = node["Actual Rows"] + sum(node[key] for key in node if key.startswith("Rows Removed"))
            visited = round(passed * node["Actual Loops"])
            if visited > MOST_VISITED:
                found.append((node.get("Index Name") or node["Relation Name"], visited))
    return found


@pytest.mark.parametrize(("name", "given"), list(list_queries()))
async def test_no_list_reads_a_whole_table(filled: Database, name: str, given: dict[str, Any]):
    listing, model, _ = LISTS[name]
    plans = await read_plans(filled, listing, as_query(model, given))
    assert plans
    assert [whole_reads(plan) for plan in plans] == [[] for _ in plans]


@pytest.mark.parametrize("name", list(LISTS))
async def test_every_filter_is_among_them(name: str):
    _, model, filters = LISTS[name]
    assert filters.keys() == model.model_fields.keys() - PageQuery.model_fields.keys()


async def test_a_scan_would_be_seen(filled: Database):
    async with filled.reading() as connection:
        plan = await explain(connection, "SELECT * FROM orders WHERE shipping_total = 3", {})
    ((table, visited),) = whole_reads(plan)
    assert (table, visited >= ROWS) == ("orders", True)


async def test_a_cursor_continues_by_the_index(filled: Database):
    page = json.loads(await read_page_json(filled, ORDERS, OrderQuery(source_website="shop")))
    for plan in await read_plans(filled, ORDERS, OrderQuery(cursor=page["next_cursor"])):
        assert not {node["Node Type"] for node in nodes(plan)} & {"Seq Scan", "Sort"}
