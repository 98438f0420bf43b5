"""The rows that measure an import, against PostgreSQL alone: rows that are ready, copied in and inserted set by set."""

import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg

from app.runtime import migrations
from app.runtime.embedded import throwaway_server
from benchmarks.generate_orders import write_orders
from benchmarks.report import Result
from benchmarks.watching import run_watched

LINES = 600_000
FURTHER_LINES_RARITY = 0.34  # three lines an order, so 200,000 orders
WEBSITE = "shop"
ROUNDS = 1
MEBIBYTE = 1024 * 1024
MOST_MEMORY = 300

# What is copied out of an imported database, keys of the website in place of ours, and how it goes into an empty one.
_USER = "(SELECT u.email FROM users u WHERE u.id = {}.user_id)"
_PRODUCT = "(SELECT p.sku FROM products p WHERE p.id = {}.product_id)"
_ORDER = "(SELECT o.order_number FROM orders o WHERE o.id = {}.order_id)"
_HERE = f"source_website = '{WEBSITE}'"


@dataclass(frozen=True)
class Staging:
    """Some `columns` of `table`; `keys` has for each column that holds an id the key that stands for it outside."""

    table: str
    columns: str
    keys: dict[str, str]

    @property
    def name(self) -> str:
        return f"staged_{self.table}"

    @property
    def copied_out(self) -> str:
        keys = [f"{expression.format('t')} AS {column}" for column, expression in self.keys.items()]
        return f"SELECT {', '.join([*keys, self.columns])} FROM {self.table} t ORDER BY t.id"

    @property
    def created(self) -> str:
        keys = [f"NULL::text AS {column}" for column in self.keys]
        return f"CREATE TABLE {self.name} AS SELECT {', '.join([*keys, self.columns])} FROM {self.table} WITH NO DATA"

    @property
    def inserted(self) -> str:
        parents = {
            "user_id": "LEFT JOIN users ON users.email = s.user_id",
            "product_id": f"LEFT JOIN products ON products.sku = s.product_id AND products.{_HERE}",
            "order_id": f"LEFT JOIN orders ON orders.order_number = s.order_id AND orders.{_HERE}",
        }
        ids = [f"{column.removesuffix('_id')}s.id" for column in self.keys]
        joins = " ".join(parents[column] for column in self.keys)
        own = ", ".join(f"s.{column.strip()}" for column in self.columns.split(","))
        columns = ", ".join([*self.keys, self.columns])
        return f"INSERT INTO {self.table} ({columns}) SELECT {', '.join([*ids, own])} FROM {self.name} s {joins}"


STAGINGS = (
    Staging("users", "name, phone, email, type, source_website, created_at, updated_at", {}),
    Staging(
        "user_addresses", "country, city, district, address, is_default, created_at, updated_at", {"user_id": _USER}
    ),
    Staging(
        "products",
        "product_name, barcode, price, sku, variant, source_website, is_active, stock_quantity, created_at, updated_at",
        {},
    ),
    Staging(
        "orders",
        "order_number, total_amount, status, source_website, placed_at, currency, discount_total, shipping_total, "
        "tax_total, fee_total, refunded_total, tax_included, reconciles, source_status, is_test, created_at, "
        "updated_at",
        {"user_id": _USER},
    ),
    Staging(
        "order_details",
        "quantity, unit_price, total_price, source_reference, is_priced, created_at, updated_at",
        {"order_id": _ORDER, "product_id": _PRODUCT},
    ),
    Staging(
        "source_records",
        "source_website, kind, external_id, claimed_email, content_hash, payload_hash, source_updated_at, deleted_at, "
        "said, created_at",
        {"user_id": _USER, "product_id": _PRODUCT, "order_id": _ORDER},
    ),
)


@dataclass(frozen=True)
class Run:
    seconds: float
    rows: int
    orders: int
    peak_memory: int


def import_file(url: str, file: Path) -> Run:
    """By the command line, as a person does; the memory is the largest that was seen in a fifth of a second."""
    with tempfile.TemporaryDirectory(prefix="ecompredictor-bench-") as folder:
        command = [sys.executable, "-m", "app.cli", "import", WEBSITE, str(file)]
        seconds, peak = run_watched(command, os.environ | {"DATABASE_URL": url, "DATA_DIR": folder})
    with _connected(url) as connection:
        counted = connection.execute("SELECT count(*), (SELECT count(*) FROM orders) FROM order_details").fetchone()
    rows, orders = counted or (0, 0)
    return Run(seconds, rows, orders, peak)


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://")) as connection:
        yield connection


def copy_out(url: str, folder: Path) -> None:
    with _connected(url) as connection:
        for staging in STAGINGS:
            with (
                connection.cursor().copy(f"COPY ({staging.copied_out}) TO STDOUT") as copy,
                (folder / staging.name).open("wb") as file,
            ):
                for data in copy:
                    file.write(data)


def load_by_sql(url: str, folder: Path) -> float:
    """Copy the prepared rows into staging tables and insert them from there, in one transaction."""
    with _connected(url) as connection:
        connection.execute("INSERT INTO websites (name) VALUES (%s)", [WEBSITE])
        for staging in STAGINGS:
            connection.execute(staging.created)
        connection.commit()
        started = time.perf_counter()
        for staging in STAGINGS:
            with (
                connection.cursor().copy(f"COPY {staging.name} FROM STDIN") as copy,
                (folder / staging.name).open("rb") as file,
            ):
                while data := file.read(MEBIBYTE):
                    copy.write(data)
            connection.execute(f"ANALYZE {staging.name}")
        for staging in STAGINGS:
            connection.execute(staging.inserted)
            connection.execute(f"ANALYZE {staging.table}")  # or foreign keys to it are checked by scans of it
        connection.commit()
        return time.perf_counter() - started


@contextmanager
def _empty_database() -> Iterator[str]:
    with throwaway_server() as server:
        migrations.upgrade(server.url)
        yield server.url


@dataclass(frozen=True)
class Measured:
    first: Run
    again: Run
    by_sql: float


@cache
def _measure() -> Measured:
    """Medians of the rounds, each of which has its own databases."""
    rounds = []
    with tempfile.TemporaryDirectory(prefix="ecompredictor-bench-") as name:
        folder = Path(name)
        file = folder / "orders_export.csv"
        write_orders(file, LINES, rarity=FURTHER_LINES_RARITY)
        for _ in range(ROUNDS):
            with _empty_database() as url:
                first, again = import_file(url, file), import_file(url, file)
                copy_out(url, folder)
            with _empty_database() as url:
                rounds.append(Measured(first, again, load_by_sql(url, folder)))
    return sorted(rounds, key=lambda each: each.by_sql / each.first.seconds)[len(rounds) // 2]


def import_rows() -> Iterable[Result]:
    measured = _measure()
    ours, limit = (measured.first.rows / seconds for seconds in (measured.first.seconds, measured.by_sql))
    note = f"{measured.first.orders:,} orders, {measured.first.rows:,} lines"
    yield Result("import_rows", ours, limit, ours / limit, "lines/s", 0.4, note=note)


def memory_import() -> Iterable[Result]:
    ours = _measure().first.peak_memory / MEBIBYTE
    yield Result("memory_import", ours, MOST_MEMORY, ours / MOST_MEMORY, "MiB", 1, "at most")


def reimport() -> Iterable[Result]:
    measured = _measure()
    first, again = measured.first.seconds, measured.again.seconds
    yield Result("reimport", again, first, first / again, "s", 4, note="the same file again, against the first time")


ROWS = (import_rows, memory_import, reimport)
