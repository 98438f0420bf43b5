"""A prediction run from its beginning to its end.

What it says stands in partitions of its own, which are attached in the transaction that makes the run a success: until
then nobody sees anything of it, and what a killed process left is dropped by the next one that takes the run up.
"""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from sqlalchemy import make_url

from app import __version__
from app.predictions.engine import consumers, gathering, outcomes, products, revenue
from app.predictions.engine.histories import list_scopes
from app.predictions.engine.progress import Cancelled, Progress, Report
from app.predictions.engine.run import Run, partition

PARTITIONED = ("consumer_predictions", "product_predictions")
KEEP_RUNS = 3
"""Whose consumers and products are kept; besides, those of the first run of each month, for as long as KEEP_MONTHS."""
KEEP_MONTHS = 24
_LOCK = 7_250_326  # of the one run that goes on at a time
_LIBRARIES = ("numpy", "scipy", "lightgbm")


def execute(url: str, run_id: int, report: Report = lambda *_: None) -> None:
    """Do what the run is to do, unless it has ended. One at a time: others wait. Raises what goes wrong."""
    with _connect(url) as watch, _connect(url) as connection:
        watch.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        run = _begin(watch, run_id)
        if run is None:
            return
        progress = Progress(watch, run_id, report)
        try:
            _predict(connection, run, progress)
        except Cancelled:
            _drop(connection, run_id)
        except KeyboardInterrupt:
            progress.finish("cancelled", "Stopped where it ran.")
            _drop(connection, run_id)
            raise
        except Exception as error:
            progress.finish("failed", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            raise


@contextmanager
def _connect(url: str) -> Iterator[psycopg.Connection[Any]]:
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True, application_name="ecompredictor predict") as connection:
        # What runs beside it shall not wait for this.
        connection.execute("SET max_parallel_workers_per_gather = 0; SET jit = off; SET maintenance_work_mem = '128MB'")
        yield connection


def _begin(connection: psycopg.Connection[Any], run_id: int) -> Run | None:
    """Under way from now on; None where it has ended, or was cancelled before it began."""
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(
            """
            UPDATE prediction_runs SET status = 'running', started_at = now(), error = NULL, versions = %s
            WHERE id = %s AND status IN ('queued', 'running')
            RETURNING id, as_of, source_website, horizon_days, lead_time_days, service_level, seed
            """,
            (Jsonb(_versions()), run_id),
        ).fetchone()
    return Run(**found) if found else None


def _versions() -> dict[str, str]:
    found = {"ecompredictor": __version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _predict(connection: psycopg.Connection[Any], run: Run, progress: Progress) -> None:
    progress.expect(2)
    _drop(connection, run.id)
    with progress.stage("reading orders", "reading"), progress.in_sql():
        gathering.gather(connection, run.source_website, run.today)
    _create(connection, run.id)
    websites, markets = gathering.list_websites(connection), gathering.list_markets(connection)
    scopes = list_scopes(markets, only_website=run.source_website is not None)
    progress.expect(len(websites) + len(markets) + len(scopes) + 1)
    for website in websites:
        with progress.stage(f"products of {website}", "products"):
            products.predict(connection, run, website, progress)
    for market in markets:
        with progress.stage(f"revenue of {market.source_website} in {market.currency}", "revenue"):
            revenue.predict(connection, run, market, progress)
    for scope in scopes:
        with progress.stage(f"consumers of {scope}", "consumers"):
            consumers.predict(connection, run, scope, progress)
    with progress.stage("comparing with what has happened", "outcomes"), progress.in_sql():
        outcomes.measure(connection, run)
    with progress.stage("publishing", "publishing"), progress.in_sql():
        _publish(connection, run, progress)
    _forget_old_runs(connection)


def _create(connection: psycopg.Connection[Any], run_id: int) -> None:
    for table in PARTITIONED:
        connection.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS, CHECK (run_id = {}))").format(
                sql.Identifier(partition(table, run_id)), sql.Identifier(table), sql.Literal(run_id)
            )
        )


def _drop(connection: psycopg.Connection[Any], run_id: int) -> None:
    for table in PARTITIONED:
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(partition(table, run_id))))
    connection.execute("DELETE FROM prediction_models WHERE run_id = %s", (run_id,))


def _publish(connection: psycopg.Connection[Any], run: Run, progress: Progress) -> None:
    """Raises Cancelled where somebody cancelled the run before."""
    for table in PARTITIONED:
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(partition(table, run.id))))
    with connection.transaction():
        done = connection.execute(
            "UPDATE prediction_runs SET status = 'succeeded' WHERE id = %s AND status = 'running'", (run.id,)
        )
        if not done.rowcount:
            raise Cancelled
        # Who was erased since the run read the orders; nobody is being erased while this table is locked.
        connection.execute("LOCK TABLE erasures IN SHARE MODE")
        connection.execute(
            sql.SQL("DELETE FROM {} WHERE user_id IN (SELECT user_id FROM erasures)").format(
                sql.Identifier(partition("consumer_predictions", run.id))
            )
        )
        for table in PARTITIONED:
            # The parent's indexes are made on the partition now, at once, which is quicker than row by row.
            connection.execute(
                sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})").format(
                    sql.Identifier(table), sql.Identifier(partition(table, run.id)), sql.Literal(run.id)
                )
            )
        connection.execute(
            "UPDATE prediction_runs SET finished_at = now(), stage = NULL, stages_done = %s, stages = %s, timings = %s"
            " WHERE id = %s",
            (progress.stages, progress.stages, Jsonb(progress.timings()), run.id),
        )


def _forget_old_runs(connection: psycopg.Connection[Any]) -> None:
    """Drop the rows of runs that nobody needs any longer; what is kept of them besides is small."""
    old = connection.execute(
        """
        SELECT id FROM (
            SELECT id, row_number() OVER (ORDER BY id DESC) AS place,
                row_number() OVER (PARTITION BY date_trunc('month', created_at) ORDER BY id) AS place_in_month,
                created_at > now() - make_interval(months => %s) AS is_recent
            FROM prediction_runs WHERE status = 'succeeded' AND is_kept
        ) runs
        WHERE place > %s AND NOT (place_in_month = 1 AND is_recent)
        """,
        (KEEP_MONTHS, KEEP_RUNS),
    ).fetchall()
    for (run_id,) in old:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '5s'")
            for table in PARTITIONED:
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(partition(table, run_id))))
            connection.execute("UPDATE prediction_runs SET is_kept = false WHERE id = %s", (run_id,))
