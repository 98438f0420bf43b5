"""Runs: what they say agrees with the orders, they can be repeated, and they end cleanly whatever happens."""

import asyncio
import subprocess
import sys
from datetime import date, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from sqlalchemy import make_url, text

from app.database import Database
from app.predictions import jobs, service
from app.predictions.engine import execution, products, revenue
from app.predictions.engine.transfer import read_columns, write_columns
from app.predictions.models import PredictionRun, RunStatus
from app.predictions.schemas import RunCreate
from app.runtime.jobs import running_worker
from app.utils.errors import Conflict, NotFound, Unprocessable
from tests.predictions.conftest import AS_OF, predict

_PURCHASE = "status IN ('confirmed', 'shipped', 'delivered') AND NOT is_test AND total_amount > refunded_total"


async def fetch(database: Database, statement: str, **values: Any) -> list[Any]:
    async with database.reads() as session:
        return list((await session.execute(text(statement), values)).all())


async def test_a_run_says_how_it_can_be_repeated(shop: Database, run: PredictionRun):
    assert (run.status, run.as_of, run.seed, run.stage, run.error) == (RunStatus.SUCCEEDED, AS_OF, 1, None, None)
    assert {"ecompredictor", "python", "numpy", "scipy"} <= run.versions.keys()
    assert run.stages_done == run.stages == 12
    assert run.timings["seconds"].keys() == {"reading", "products", "revenue", "consumers", "outcomes"}
    assert 0 < run.timings["share_in_database"] < 1


async def test_every_product_has_a_forecast_that_begins_where_its_sales_end(shop: Database, run: PredictionRun):
    sold = f"""
        SELECT l.product_id, sum(l.quantity) FROM order_details l JOIN orders o ON o.id = l.order_id
        WHERE {_PURCHASE} AND (o.placed_at AT TIME ZONE 'UTC')::date BETWEEN :first AND :last GROUP BY 1
    """
    expected = dict(await fetch(shop, sold, first=AS_OF - timedelta(days=27), last=AS_OF))
    told = await fetch(shop, "SELECT product_id, units_last_28_days, mean, q10, q90 FROM product_predictions")
    assert len(told) == 90
    for product_id, units, mean, low, high in told:
        assert units == expected.get(product_id, 0)
        assert len(mean) == 13
        assert all(0 <= lowest <= highest for lowest, highest in zip(low, high, strict=True))


async def test_revenue_covers_each_market(shop: Database, run: PredictionRun):
    days = await fetch(
        shop,
        """
        SELECT m.source_website, m.currency, count(*), min(day), max(day), bool_and(revenue_lower_95 <= revenue_lower_80
            AND revenue_lower_80 <= revenue AND revenue <= revenue_upper_80 AND revenue_upper_80 <= revenue_upper_95)
        FROM revenue_predictions p JOIN prediction_models m ON m.id = p.model_id GROUP BY 1, 2 ORDER BY 1
        """,
    )
    first, last = AS_OF + timedelta(days=1), AS_OF + timedelta(days=90)
    assert days == [(name, currency, 90, first, last, True) for name, currency in
                    (("market", "USD"), ("outlet", "GBP"), ("shop", "EUR"))]  # fmt: skip


async def test_what_came_is_measured_as_soon_as_it_is_known(shop: Database, run: PredictionRun):
    outcomes = await fetch(
        shop,
        """
        SELECT m.source_website, o.measure, o.actual FROM prediction_outcomes o
        JOIN prediction_models m ON m.id = o.model_id WHERE m.run_id = :run AND o.window_days = 28
        """,
        run=run.id,
    )
    told = {(website, measure): actual for website, measure, actual in outcomes}
    window = f"{_PURCHASE} AND (placed_at AT TIME ZONE 'UTC')::date > :day"
    window += " AND (placed_at AT TIME ZONE 'UTC')::date <= CAST(:day AS date) + 28"
    money = f"SELECT source_website, sum(total_amount - refunded_total), count(*) FROM orders WHERE {window} GROUP BY 1"
    for website, amount, orders in await fetch(shop, money, day=AS_OF):
        assert told[website, "revenue"] == pytest.approx(float(amount))
        assert told[website, "orders"] == orders
        assert told[website, "units"] > 0


async def test_the_same_day_and_seed_say_the_same(shop: Database, run: PredictionRun):
    again = await predict(shop, as_of=AS_OF, seed=1)
    columns = "product_id, demand_class, status, mean, q025, q975, reorder_point, stockout_date, urgency"
    ours = await fetch(shop, f"SELECT {columns} FROM product_predictions WHERE run_id = :id ORDER BY 1", id=run.id)
    theirs = await fetch(shop, f"SELECT {columns} FROM product_predictions WHERE run_id = :id ORDER BY 1", id=again.id)
    assert ours == theirs


async def test_a_run_of_one_website_speaks_of_it_alone(shop: Database, run: PredictionRun):
    alone = await predict(shop, as_of=AS_OF, source_website="outlet")
    websites = await fetch(
        shop, "SELECT DISTINCT source_website FROM prediction_models WHERE run_id = :id", id=alone.id
    )
    assert websites == [("outlet",)]
    async with shop.reads() as session:
        assert (await service.find_run(session, "outlet", None)).id == alone.id
        assert (await service.find_run(session, "shop", None)).id < alone.id


async def test_nothing_is_predicted_from_days_to_come(shop: Database):
    async with shop.sessions() as session:
        with pytest.raises(Unprocessable, match="the last day that has ended"):
            await service.start_run(session, RunCreate(as_of=date(2999, 1, 1)))
        with pytest.raises(NotFound, match="nowhere"):
            await service.start_run(session, RunCreate(source_website="nowhere"))


async def test_what_a_killed_process_left_is_dropped(shop: Database, run: PredictionRun):
    async with shop.sessions.begin() as session:
        killed = await service.start_run(session, RunCreate(as_of=AS_OF, seed=1))
        killed.status = RunStatus.RUNNING
        await session.flush()
        await session.execute(text(f"CREATE TABLE product_predictions_of_{killed.id} (LIKE product_predictions)"))
    await asyncio.to_thread(execution.execute, shop.url, killed.id)
    async with shop.reads() as session:
        assert (await service.get_run(session, killed.id)).status == RunStatus.SUCCEEDED
    told = await fetch(shop, "SELECT count(*) FROM product_predictions WHERE run_id = :id", id=killed.id)
    assert told == [(90,)]


async def test_a_failure_is_told_and_nothing_of_it_is_seen(
    shop: Database, run: PredictionRun, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: Any) -> None:
        raise RuntimeError("the disk is full\nsecond line")

    monkeypatch.setattr(revenue, "predict", fail)
    with pytest.raises(RuntimeError):
        await predict(shop, as_of=AS_OF)
    (failed,) = await fetch(shop, "SELECT id, status, error FROM prediction_runs ORDER BY id DESC LIMIT 1")
    assert failed[1:] == ("failed", "RuntimeError: the disk is full")
    assert not await fetch(shop, "SELECT 1 FROM product_predictions WHERE run_id = :id", id=failed[0])


async def test_a_cancelled_run_leaves_nothing(shop: Database, run: PredictionRun, monkeypatch: pytest.MonkeyPatch):
    def cancel_meanwhile(connection: Any, run: Any, *_: Any) -> None:
        connection.execute("UPDATE prediction_runs SET status = 'cancelled' WHERE id = %s", (run.id,))

    monkeypatch.setattr(products, "predict", cancel_meanwhile)
    cancelled = await predict(shop, as_of=AS_OF)
    assert cancelled.status == RunStatus.CANCELLED
    assert await fetch(shop, "SELECT to_regclass(:name)", name=f"product_predictions_of_{cancelled.id}") == [(None,)]
    assert not await fetch(shop, "SELECT 1 FROM prediction_models WHERE run_id = :id", id=cancelled.id)
    async with shop.sessions.begin() as session:
        with pytest.raises(Conflict, match="succeeded"):
            await service.cancel_run(session, run.id)


async def test_old_runs_keep_their_record_and_lose_their_rows(shop: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(execution, "KEEP_RUNS", 1)
    first = await fetch(shop, "SELECT min(id) FROM prediction_runs WHERE status = 'succeeded'")
    await predict(shop, as_of=AS_OF)
    last = await predict(shop, as_of=AS_OF)
    kept = await fetch(shop, "SELECT id FROM prediction_runs WHERE status = 'succeeded' AND is_kept ORDER BY id")
    assert kept == [*first, (last.id,)], "the month's first, and the last"
    runs = await fetch(shop, "SELECT DISTINCT run_id FROM product_predictions ORDER BY 1")
    assert runs == kept
    assert await fetch(shop, "SELECT count(DISTINCT model_id) > 3 FROM prediction_outcomes") == [(True,)]


async def test_a_job_predicts_in_a_process_of_its_own(shop: Database):
    async with shop.sessions.begin() as session:
        queued = await jobs.queue_run(session, RunCreate(as_of=AS_OF, source_website="outlet"))
    async with running_worker(shop):
        for _ in range(600):
            async with shop.reads() as session:
                found = await service.get_run(session, queued.id)
            if found.status not in {RunStatus.QUEUED, RunStatus.RUNNING}:
                break
            await asyncio.sleep(0.1)
    assert (found.status, found.error) == (RunStatus.SUCCEEDED, None)


async def test_a_shop_without_orders_succeeds_and_says_nothing(live_database: Database):
    empty = await predict(live_database)
    assert empty.status == RunStatus.SUCCEEDED
    assert empty.stages_done == 3


def test_columns_come_back_as_they_were_written(database_url: str):
    address = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE numbers (a int8, b float8, c int2, d real[])")
        size = 120_001
        whole = np.arange(size, dtype=np.int64) - 5
        columns: list[tuple[str, str, Any]] = [
            ("a", "int8", whole),
            ("b", "float8", whole / 7),
            ("c", "int2", whole % 100),
            ("d", "real[]", np.stack([whole % 9, whole % 4], axis=1).astype(np.float32)),
        ]
        write_columns(connection, "numbers", columns)
        query = "SELECT a, b, c, d[2]::float8 AS e FROM numbers WHERE a >= %(least)s ORDER BY a"
        found = read_columns(connection, query, {"a": "int8", "b": "float8", "c": "int2", "e": "float8"}, {"least": 0})
        kept = whole >= 0
        assert np.array_equal(found["a"], whole[kept])
        assert np.array_equal(found["b"], (whole / 7)[kept])
        assert np.array_equal(found["c"], (whole % 100)[kept])
        assert np.array_equal(found["e"], (whole % 4)[kept])
        with pytest.raises(ValueError, match="null"):
            read_columns(connection, "SELECT nullif(a, 3) FROM numbers", {"a": "int8"}, {})


def test_the_server_starts_without_numpy():
    program = "import sys, app.main; app.main.create_app; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
