"""Importing processes that are killed at any moment, and such that work at the same time: the content is the same."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from app.ingest.models import ImportStatus
from app.runtime import migrations
from benchmarks.generate_orders import generate_rows
from tests.conftest import new_database
from tests.ingest import importing
from tests.ingest.payloads import (
    as_csv,
    as_ndjson,
    shopify_row,
    woo_address,
    woo_customer,
    woo_line,
    woo_order,
    woo_product,
    woo_refund,
    woo_variation,
)
from tests.ingest.test_import_properties import _BROKEN

KILLS = 50
KILLS_A_FILE = 14  # a later file makes up for one that was through too soon
ROUNDS = 3
CHUNK_SIZE = 20
Payload = dict[str, Any]
Execute = Callable[..., Any]
Files = Sequence[tuple[str, Path]]
"""Website and file, in the order in which they are imported."""


# What is imported: three websites that share consumers, and the first one's export again, a month later.


def shopify_rows(count: int) -> list[dict[str, str]]:
    """Guests who buy again, anonymous buyers, discounts, refunds."""
    return list(islice(generate_rows(1, consumers=60, products=30), count))


def later_rows(count: int) -> list[dict[str, str]]:
    """The same export with every third order changed, and more orders."""
    return [
        row | {"Cancelled at": row["Created at"], "Billing Phone": "'+15550000", "Refunded Amount": row["Total"]}
        if row.get("Total") and int(row["Name"][1:]) % 3 == 0
        else row
        for row in shopify_rows(count)
    ]


def woo_records(random: Random) -> list[Payload]:
    products = [woo_product(id, type="variable" if id < 4 else "simple") for id in range(1, 21)]
    variations = [woo_variation(100 + id, id % 3 + 1, sku="" if id % 2 else f"V-{id}") for id in range(10)]
    customers = [woo_customer(id, f"buyer{id}@example.com", first_name=f"Buyer {id}") for id in range(1, 31)]
    orders = [
        woo_order(
            id,
            customer_id=id % 40,
            billing=woo_address(email=f"buyer{id % 50}@example.com", first_name="Jo", city="Dhaka", country="BD"),
            line_items=[woo_line(random.randint(0, 22), name=f"Product {id % 25}") for _ in range(id % 3 + 1)],
            refunds=[{"id": 5000 + id, "total": "-1.00"}] if id % 5 == 0 else [],
        )
        for id in range(1001, 1181)
    ]
    refunds = [woo_refund(6000 + id, id, "2.00") for id in range(1001, 1181, 4)]
    again = [order | {"status": "completed", "date_modified_gmt": "2025-03-01T10:00:00"} for order in orders[::7]]
    records = [*products, *variations, *customers, *orders, *refunds, *again, {"code": "x", "message": "No."}]
    random.shuffle(records)
    return records


def generic_records(random: Random) -> list[Payload]:
    """With an order that only the database refuses: its lines fit, their sum does not."""
    records: list[Payload] = [
        {"customer_id": str(id), "email": f"buyer{id}@example.com", "name": f"B {id}", "city": "Leipzig"}
        for id in range(40)
    ]
    records += [{"sku": f"G-{id}", "product_name": f"Good {id}", "price": f"{id}.50"} for id in range(30)]
    for number in range(220):
        order = {"order_number": f"R-{number}", "placed_at": "2026-10-01T09:30:00Z", "status": "shipped",
                 "email": f"buyer{number % 45}@example.com"}  # fmt: skip
        if number % 3:
            records += [order | {"sku": f"G-{(number + line) % 35}", "unit_price": "2.50"} for line in range(2)]
        else:
            records.append(order | {"lines": [{"product_name": f"Good {number % 33}", "quantity": 2}]})
    random.shuffle(records)
    gold = {"order_number": "GOLD", "placed_at": "2026-10-01", "quantity": 90, "unit_price": "99999999.00"}
    return [*records[:90], gold | {"sku": "A"}, gold | {"sku": "B"}, *records[90:]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder, random = tmp_path_factory.mktemp("files"), Random(7)
    spoilt = shopify_row("#9001", Total="free")
    contents = {
        "sailor": as_csv(*shopify_rows(560), spoilt),
        "rise": json.dumps(woo_records(random)),
        "own": as_ndjson(*generic_records(random)) + "not JSON\n",
        "sailor later": as_csv(*later_rows(720), spoilt),
    }
    for name, content in contents.items():
        (folder / name).write_text(content)
    return [(name.split()[0], folder / name) for name in contents]


# What is compared.

_BUT = "- '{id,created_at,updated_at,user_id,product_id,order_id,deleted_at}'::text[]"
# Whole rows, so that a new column is compared too. Other rows are named by what the website calls them.
_CONTENT = {
    "users": f"SELECT to_jsonb(t) {_BUT} FROM users t",
    "user_addresses": f"""
        SELECT to_jsonb(t) {_BUT} || jsonb_build_object('user', u.email)
        FROM user_addresses t JOIN users u ON u.id = t.user_id
    """,
    "products": f"SELECT to_jsonb(t) {_BUT} FROM products t",
    "orders": f"""
        SELECT to_jsonb(t) {_BUT} || jsonb_build_object('user', u.email)
        FROM orders t JOIN users u ON u.id = t.user_id
    """,
    "order_details": f"""
        SELECT to_jsonb(t) {_BUT} || jsonb_build_object('website', o.source_website, 'order', o.order_number,
            'sku', p.sku, 'line', row_number() OVER (PARTITION BY o.id ORDER BY t.id))
        FROM order_details t JOIN orders o ON o.id = t.order_id JOIN products p ON p.id = t.product_id
    """,
    "source_records": f"""
        SELECT to_jsonb(t) {_BUT} || jsonb_build_object('user', u.email, 'sku', p.sku, 'order', o.order_number,
            'lives', t.deleted_at IS NULL)
        FROM source_records t LEFT JOIN users u ON u.id = t.user_id LEFT JOIN products p ON p.id = t.product_id
        LEFT JOIN orders o ON o.id = t.order_id
    """,
    "websites": f"SELECT to_jsonb(t) {_BUT} FROM websites t",
}
_REPORTS = """
    SELECT file_name, source_website, format, status, records_read, records_created, records_updated, records_merged,
        records_unchanged, records_skipped, records_rejected, details::text, error FROM imports
"""
_ADDS_UP = """
    SELECT file_name, records_read, records_created + records_updated + records_merged + records_unchanged
        + records_skipped + records_rejected FROM imports
"""
_REJECTS = "SELECT file_name, place, kind, reason, raw FROM import_rejects r JOIN imports i ON i.id = r.import_id"

Content = dict[str, list[str]]


@contextmanager
def connected(url: str) -> Iterator[Execute]:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield lambda statement, **values: connection.execute(text(statement), values)


def read_content(execute: Execute) -> Content:
    found = {name: execute(statement).scalars() for name, statement in _CONTENT.items()}
    rows = {name: sorted(json.dumps(row, sort_keys=True) for row in rows) for name, rows in found.items()}
    return rows | {"rejects": sorted(str(tuple(row)) for row in execute(_REJECTS))}


def read_reports(execute: Execute) -> list[str]:
    return sorted(str(tuple(row)) for row in execute(_REPORTS))


def assert_same(found: Content, expected: Content, message: str = "") -> None:
    for name, rows in expected.items():
        assert found[name] == rows, f"{name} {message}"


def assert_reports_add_up(execute: Execute) -> None:
    for file_name, read, counted in execute(_ADDS_UP):
        assert read == counted, file_name
    assert execute("SELECT count(*) FROM import_records").scalar_one() == 0


@pytest.fixture(scope="module")
def template(server_url: str) -> Iterator[str]:
    """The name of a database with empty tables."""
    with new_database(server_url) as url:
        migrations.upgrade(url)
        yield url.split("/")[-1].split("?")[0]


@dataclass
class Outcome:
    """After the first file, and after the last one."""

    first: Content
    last: Content
    reports: list[str]


@pytest.fixture(scope="module")
def undisturbed(server_url: str, template: str, files: Files) -> Outcome:
    with new_database(server_url, template) as url, connected(url) as execute:
        contents = []
        for website, path in files:
            importing.join(importing.start_import(url, path, website, CHUNK_SIZE))
            contents.append(read_content(execute))
        assert_reports_add_up(execute)
        assert len(contents[-1]["rejects"]) == 5, "one of each file, and the one that the database refuses"
        return Outcome(contents[0], contents[-1], read_reports(execute))


# Killed processes.


@dataclass
class Kills:
    """How many processes were killed at work, and what at; those killed before they began do not count."""

    staging: int = 0
    merging: int = 0
    checkpoints: set[tuple[str, int]] = field(default_factory=set)
    """Where the merges stood that were killed."""

    @property
    def total(self) -> int:
        return self.staging + self.merging


@dataclass
class Disturbance:
    """Imports files by processes that are killed after a random time, until `kills` were; then the rest is undisturbed.

    `patience` is the longest that the next process lives: longer after one that achieved nothing, shorter after one
    that did. So every machine has kills in every part of the file.
    """

    url: str
    execute: Execute
    random: Random
    kills: Kills
    patience: float = 0.0

    def import_file(self, website: str, path: Path, kills: int) -> None:
        self.patience = 0.2
        while (job := self._find_import(path)) is None:
            self._disturb_staging(website, path, kills)
        while job.status in {ImportStatus.QUEUED, ImportStatus.RUNNING}:
            process = importing.start_resume(self.url, job.id, CHUNK_SIZE)
            if self.kills.total >= kills:
                importing.join(process)
            elif self._kill(process):
                self.kills.merging += 1
                self.kills.checkpoints.add((path.name, job.merged_up_to))
            before, job = job, self._find_import(path)
            chunks = (job.merged_up_to - before.merged_up_to) // CHUNK_SIZE
            self.patience *= 1.4 if chunks == 0 else max(0.5, 1 / chunks)

    def _disturb_staging(self, website: str, path: Path, kills: int) -> None:
        before = self._read_traces()
        process = importing.start_import(self.url, path, website, CHUNK_SIZE)
        if self.kills.total >= kills:
            importing.join(process)
        elif self._kill(process):
            # Its session on the server may still be at work, or at the commit it was told.
            wait_until(lambda: self.execute(_SESSIONS).scalar_one() == 0)
            after = self._read_traces()
            if self._find_import(path) is None:
                assert after[1:] == before[1:], "a killed staging left something"
                has_begun = after[0] > before[0]
                self.kills.staging += has_begun
                self.patience *= 1.1 if has_begun else 1.25
            else:
                self.kills.merging += 1

    def _kill(self, process: ForkServerProcess) -> bool:
        return importing.kill_after(process, self.random.uniform(0, self.patience))

    def _find_import(self, path: Path) -> Any:
        found = self.execute("SELECT id, status, merged_up_to FROM imports WHERE file_name = :name", name=path.name)
        return found.one_or_none()

    def _read_traces(self) -> tuple[int, ...]:
        """The last import id that anybody asked for, which outlives a rollback, and the rows that a staging writes."""
        return tuple(self.execute(_TRACES).one())


_SESSIONS = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'ecompredictor'
"""
# The queue holds periodic jobs too, at some minutes.
_MERGES = "SELECT status FROM procrastinate_jobs WHERE task_name = 'merge_import'"
_TRACES = """
    SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('imports', 'id')), 0),
        (SELECT count(*) FROM imports), (SELECT count(*) FROM import_records), (SELECT count(*) FROM import_rejects),
        (SELECT count(*) FROM websites), (SELECT count(*) FROM procrastinate_jobs)
"""


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + importing.SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "nothing happens"
        time.sleep(0.01)


def test_killed_and_resumed_imports_end_like_undisturbed_ones(
    server_url: str, template: str, files: Files, undisturbed: Outcome
):
    seed = int(os.environ.get("KILL_SEED") or time.time_ns())
    random, kills = Random(seed), Kills()
    for _ in range(ROUNDS):
        if kills.total < KILLS:
            with new_database(server_url, template) as url, connected(url) as execute:
                course = Disturbance(url, execute, random, kills)
                for number, (website, path) in enumerate(files, start=1):
                    course.import_file(website, path, min(KILLS, KILLS_A_FILE * number))
                message = f"(KILL_SEED={seed}, {kills})"
                assert_same(read_content(execute), undisturbed.last, message)
                assert read_reports(execute) == undisturbed.reports, message
                assert_reports_add_up(execute)
    assert kills.total == KILLS, kills
    assert kills.staging >= 2, kills
    assert kills.merging >= 20, kills
    assert len(kills.checkpoints) >= 10, kills


def test_the_job_queue_goes_on_where_a_killed_process_stood(
    server_url: str, template: str, files: Files, undisturbed: Outcome, tmp_path: Path
):
    """The command line is killed, the worker that took its job too, and the next worker notices."""
    website, path = files[0]
    with new_database(server_url, template) as url, connected(url) as execute:

        def checkpoint() -> int:
            return int(execute("SELECT coalesce(max(merged_up_to), 0) FROM imports").scalar_one())

        def kill_when_past(process: Any, position: int) -> int:
            wait_until(lambda: checkpoint() > position)
            process.kill()
            wait_until(lambda: execute(_SESSIONS).scalar_one() == 0)
            assert execute("SELECT status FROM imports").scalar_one() == "running"
            return checkpoint()

        first = kill_when_past(importing.start_import(url, path, website, CHUNK_SIZE), 0)
        command = [sys.executable, "-m", "app.cli", "worker"]
        environment = os.environ | {"DATABASE_URL": url, "DATA_DIR": str(tmp_path)}
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as worker:
            second = kill_when_past(worker, first)
        assert second > first > 0
        assert execute(_MERGES).scalars().all() == ["doing"]
        rescuer = importing.start_worker(url, dead_after=1.0)
        try:
            wait_until(lambda: execute("SELECT status FROM imports").scalar_one() == "succeeded")
            wait_until(lambda: execute(_MERGES).all() == [])
        finally:
            rescuer.kill()
            rescuer.join()
        assert_same(read_content(execute), undisturbed.first)
        assert_reports_add_up(execute)


# At the same time.


def import_at_once(url: str, files: Files) -> None:
    processes = [importing.start_import(url, path, website, chunk_size=5) for website, path in files]
    for process in processes:
        importing.join(process)


def overlapping_woo_records(numbers: Sequence[int]) -> list[Payload]:
    """Consumers and products in the order of these numbers, between the orders that name them."""
    records: list[Payload] = []
    for number in numbers:
        lines = [woo_line(number % 7 + 1), woo_line(number % 11 + 1)]
        records += [
            woo_order(number, customer_id=number % 13 + 1, email=f"buyer{number % 13}@example.com", line_items=lines),
            woo_customer(number % 13 + 1, f"buyer{number % 13}@example.com"),
            woo_product(number % 11 + 1),
        ]
    return records


def assert_sound(execute: Execute) -> None:
    assert_reports_add_up(execute)
    for what, statement in _BROKEN.items():
        assert execute(statement).all() == [], what
    overlap = execute("SELECT max(started_at) < min(finished_at) FROM imports").scalar_one()
    assert overlap, "the imports did not run at the same time"


def test_overlapping_files_of_one_website_at_once(server_url: str, template: str, tmp_path: Path):
    forwards, backwards = range(1, 31), range(40, 10, -1)
    files = []
    for name, numbers in {"forwards": forwards, "backwards": backwards}.items():
        (tmp_path / name).write_text(json.dumps(overlapping_woo_records(numbers)))
        files.append(("rise", tmp_path / name))
    with new_database(server_url, template) as url, connected(url) as execute:
        import_at_once(url, files)
        assert_sound(execute)
        at_once = read_content(execute)
    with new_database(server_url, template) as url, connected(url) as execute:
        for website, path in files:
            importing.join(importing.start_import(url, path, website, chunk_size=100))
        assert_same(at_once, read_content(execute))
    sizes = {name: len(rows) for name, rows in at_once.items()}
    assert (sizes["users"], sizes["products"], sizes["orders"], sizes["order_details"]) == (13, 11, 40, 80)


def test_two_websites_that_share_consumers_at_once(server_url: str, template: str, tmp_path: Path):
    """The same people are accounts of one and guests of the other."""
    (tmp_path / "rise").write_text(json.dumps(overlapping_woo_records(range(1, 31))))
    rows = [shopify_row(f"#{n}", Email=f"buyer{n % 17}@example.com", Billing_Name="Jo Roy") for n in range(90, 0, -1)]
    (tmp_path / "sailor").write_text(as_csv(*rows))
    with new_database(server_url, template) as url, connected(url) as execute:
        import_at_once(url, [(name, tmp_path / name) for name in ("rise", "sailor")])
        assert_sound(execute)
        assert sorted(execute("SELECT email FROM users").scalars()) == sorted(
            f"buyer{n}@example.com" for n in range(17)
        )
        orders = execute("SELECT source_website, count(*) FROM orders GROUP BY 1 ORDER BY 1")
        assert [tuple(row) for row in orders] == [("rise", 30), ("sailor", 90)]
        known = execute("SELECT count(DISTINCT user_id), count(*) FROM source_records WHERE user_id IS NOT NULL")
        assert tuple(known.one()) == (17, 13 + 17)
        # The account's name, whichever website came first.
        names = execute("SELECT name FROM users WHERE email = 'buyer3@example.com'").scalar_one()
        assert names == "Jane Doe"
