"""No list query that the API offers reads a whole table: all of them, run on 200,000 rows."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, get_args

import psycopg
import pytest
from sqlalchemy import event, make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import Database
from app.orders.queries import LISTING as ORDERS
from app.orders.schemas import OrderQuery
from app.predictions.consumers.listing import LISTING as CONSUMERS
from app.predictions.consumers.schemas import ConsumerForecastQuery
from app.predictions.forecasts import PRODUCTS as PRODUCT_FORECASTS
from app.predictions.schemas import ProductForecastQuery
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
CONSUMER_FILTERS: dict[str, tuple[Any, Any]] = {
    "rfm_group": ("LOYAL", "NEW"),
    "predicted_spend_tier": ("HIGH", "MEDIUM"),
    **{
        f"{name}_{bound}": (middle, none)
        for name, middle, least, most in (
            ("predicted_clv", 100, 0.01, 1000), ("total_clv", 600, 500, 1500), ("historic_clv", 500, 1, 1000),
            ("average_order_value", 50, 1, 100), ("value_at_risk", 50, 0.01, 500),
            ("historic_number_of_orders", 5, 0, 11), ("predicted_number_of_orders", 2, 0, 5),
            ("average_days_between_orders", 50, 0.5, 101), ("probability_order_in_horizon", 0.5, 0.005, 1),
            ("churn_probability", 0.5, 0.005, 1),
        )
        for bound, none in (("min", most), ("max", least))
    },
    "next_order_from": ("2026-02-01", "2050-01-01"),
    "next_order_to": ("2026-02-01", "2001-01-01"),
    "last_order_from": ("2025-06-01", "2050-01-01"),
    "last_order_to": ("2025-06-01", "2001-01-01"),
}  # fmt: skip
FORECAST_FILTERS: dict[str, tuple[Any, Any]] = {
    "demand_class": ("smooth", "lumpy"),
    "expected_units_28_days_min": (20, 1000),
    "expected_units_28_days_max": (20, 0.5),
    "days_of_cover_min": (40, 1000),
    "days_of_cover_max": (40, 0.5),
    "reorder_quantity_min": (20, 1000),
    "reorder_quantity_max": (20, 0.5),
    "urgency_min": (10, 1000),
    "urgency_max": (10, -1000),
    "stockout_from": ("2026-02-01", "2050-01-01"),
    "stockout_to": ("2026-02-01", "2001-01-01"),
}
"""Each with a value that many rows have, and one that none has."""
LISTS: dict[str, tuple[Listing, type[PageQuery], dict[str, tuple[Any, Any]]]] = {
    "orders": (ORDERS, OrderQuery, ORDER_FILTERS),
    "users": (USERS, UserQuery, USER_FILTERS | CONSUMER_FILTERS),
    "products": (PRODUCTS, ProductQuery, PRODUCT_FILTERS | FORECAST_FILTERS),
    "consumers": (CONSUMERS, ConsumerForecastQuery, CONSUMER_FILTERS),
    "forecasts": (
        PRODUCT_FORECASTS,
        ProductForecastQuery,
        FORECAST_FILTERS
        | {"source_website": ("outlet", "nowhere"), "status": ("stopped", "new"), "is_due": ("true", "true")},
    ),
}
SCOPE = {"run_id", "model_id"}
PREDICTED = {"prediction_run_id": 1, "prediction_model_id": 1}
"""What the users' and products' lists bind where they are filtered by what is predicted."""


_RUNS = """
    INSERT INTO prediction_runs (as_of, horizon_days, lead_time_days, service_level, seed, status)
    SELECT DATE '2025-12-31', 365, 14, 0.95, 1, 'succeeded' FROM generate_series(1, 2);
    INSERT INTO prediction_models (run_id, kind, currency, subjects, status)
    SELECT id, kind, 'EUR', 1, 'ok' FROM prediction_runs, unnest(ARRAY['consumers', 'demand']) kind;
"""
# Two runs, as there always are several: what belongs to the other, smaller one must cost nothing.
_SHARE_OF_RUN = {1: 1, 2: 20}
# Filled before they are partitions, as a run fills them: indexes are made of all rows at once.
_SAID = """
    CREATE TABLE consumer_predictions_of_{run} (LIKE consumer_predictions INCLUDING ALL EXCLUDING INDEXES);
    INSERT INTO consumer_predictions_of_{run}
    SELECT {run}, 2 * {run} - 1, u.id, DATE '2024-01-01', DATE '2025-01-01' + (s % 360)::int, 1 + s % 10, 1 + s % 10,
        '{{1,1,1}}', 2 + s % 990, 10, 2 + s % 97, 1 + s % 100, 1 + s % 40, 0.1 + s % 48 / 10.0, 0, 5,
        0.5 + s % 900, 0, 1000, 502 + s % 990, 0.01 + s % 97 / 100.0, 0.99 - s % 97 / 100.0, 0.5 + s % 400,
        NULL, CASE WHEN s % 4 = 0 THEN DATE '2026-01-01' + (s % 360)::int END, NULL,
        (ARRAY['LOYAL', 'DORMANT', 'AT_RISK'])[1 + s % 3], '{{1,1,1}}', (ARRAY['HIGH', 'LOW'])[1 + s % 2]
    FROM users u, LATERAL (SELECT hashint8extended(u.id, 9) & 2147483647) AS spread (s) WHERE u.id % {share} = 0;
    ALTER TABLE consumer_predictions ATTACH PARTITION consumer_predictions_of_{run} FOR VALUES IN ({run});
    CREATE TABLE product_predictions_of_{run} (LIKE product_predictions INCLUDING ALL EXCLUDING INDEXES);
    INSERT INTO product_predictions_of_{run}
    SELECT {run}, p.id, 2 * {run}, (ARRAY['smooth', 'erratic'])[1 + s % 2], (ARRAY['ok', 'stopped'])[1 + s % 2],
        '{{1}}', '{{1}}', '{{1}}', '{{1}}', '{{1}}', '{{1}}', 1, 1, 1 + s % 50, 1, 1, 1, 1, 1 + s % 50, 1 + s % 90,
        DATE '2026-01-01' + (s % 90)::int, s % 50 - 20
    FROM products p, LATERAL (SELECT hashint8extended(p.id, 9) & 2147483647) AS spread (s) WHERE p.id % {share} = 0;
    ALTER TABLE product_predictions ATTACH PARTITION product_predictions_of_{run} FOR VALUES IN ({run});
"""


@pytest.fixture(scope="module")
def filled_url(server_url: str) -> Iterator[str]:
    with new_database(server_url) as url:
        migrations.upgrade(url)
        fill(url, SIZE)
        address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(_RUNS)
            for run, share in _SHARE_OF_RUN.items():
                connection.execute(_SAID.format(run=run, share=share))
            connection.execute("ANALYZE consumer_predictions, product_predictions")
        yield url


@pytest.fixture(scope="module")
async def filled(filled_url: str) -> AsyncIterator[Database]:
    database = Database(filled_url)
    yield database
    await database.dispose()


def as_query(model: type[PageQuery], filters: dict[str, Any], **more: Any) -> PageQuery:
    given: dict[str, Any] = {name: str(value).partition("&")[0] for name, value in filters.items()}
    if "status" in given and model is OrderQuery:
        given["status"] = [given["status"]]
    scope = dict.fromkeys(SCOPE & model.model_fields.keys(), 1)
    return model.model_validate(given | scope | more)


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
        also = PREDICTED if listing in (USERS, PRODUCTS) else {}
        await read_page_json(database, listing, query, **also)
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
    chosen = {"source_website", "currency"} if name == "consumers" else set()  # they choose the model
    assert filters.keys() == model.model_fields.keys() - PageQuery.model_fields.keys() - SCOPE - chosen


async def test_a_scan_would_be_seen(filled: Database):
    async with filled.reading() as connection:
        plan = await explain(connection, "SELECT * FROM orders WHERE shipping_total = 3", {})
    ((table, visited),) = whole_reads(plan)
    assert (table, visited >= ROWS) == ("orders", True)


async def test_a_cursor_continues_by_the_index(filled: Database):
    page = json.loads(await read_page_json(filled, ORDERS, OrderQuery(source_website="shop")))
    for plan in await read_plans(filled, ORDERS, OrderQuery(cursor=page["next_cursor"])):
        assert not {node["Node Type"] for node in nodes(plan)} & {"Seq Scan", "Sort"}
