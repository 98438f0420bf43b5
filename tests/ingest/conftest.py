"""Imports of content written in the test, on a database that is rolled back."""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.ingest import loader, service
from app.ingest.models import Import
from app.ingest.reading import Limits
from tests.conftest import RolledBackDatabase

LIMITS = Limits(unpacked_bytes=64 * 1024 * 1024, record_bytes=1024 * 1024)
TABLES = ("users", "user_addresses", "products", "orders", "order_details", "source_records", "websites")
# In a checkout alone there are no real files, and the tests that need them say so.
SHARED = Path(os.environ.get("ECOMPREDICTOR_SHARED") or Path(__file__).parents[3] / "shared") / "data"

Ingest = Callable[..., Awaitable[Import]]


def as_bytes(content: Any) -> bytes:
    """Bytes and text as they are, anything else as JSON."""
    if isinstance(content, Path):
        return content.read_bytes()
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else json.dumps(content)).encode()


@asynccontextmanager
async def rolled_back(database: Database) -> AsyncIterator[Database]:
    """The database in a transaction of its own, for what is to be compared with another course of things."""
    async with database.engine.connect() as connection:
        await connection.begin()
        yield RolledBackDatabase(connection)


async def stage(database: Database, path: Path, website: str = "shop", **options: Any) -> Import:
    async with database.sessions.begin() as session:
        request = service.ImportRequest(path=path, file_name=path.name, source_website=website, **options)
        return await service.stage_import(session, request, LIMITS)


async def merge(database: Database, import_id: int, *, chunk_size: int = 1000, **options: Any) -> None:
    await loader.merge_import(database, import_id, chunk_size=chunk_size, default_currency="USD", **options)


async def read_import(database: Database, import_id: int) -> Import:
    """The finished report; every record read has to be in one of its counts."""
    async with database.sessions() as session:
        finished = await service.get_import(session, import_id)
    assert finished.status == "succeeded"
    assert add_up(finished) == finished.records_read
    return finished


def add_up(job: Import) -> int:
    return (
        job.records_created
        + job.records_updated
        + job.records_merged
        + job.records_unchanged
        + job.records_skipped
        + job.records_rejected
    )  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], Path]:
    """Content to a file of its own."""
    numbers = count()

    def write(content: Any) -> Path:
        path = tmp_path / f"file-{next(numbers)}"
        path.write_bytes(as_bytes(content))
        return path

    return write


@pytest.fixture
def ingest(test_database: Database, write: Callable[[Any], Path]) -> Ingest:
    """`await ingest(content, website="shop", chunk_size=…, dry_run=…)`: read, merge, and the report."""

    async def ingest(content: Any, website: str = "shop", *, chunk_size: int = 1000, **options: Any) -> Import:
        path = content if isinstance(content, Path) else write(content)
        started = await stage(test_database, path, website, **options)
        await merge(test_database, started.id, chunk_size=chunk_size)
        return await read_import(test_database, started.id)

    return ingest


Rows = list[dict[str, Any]]


@pytest.fixture
def query(session: AsyncSession) -> Callable[..., Awaitable[Rows]]:
    async def query(statement: str, **parameters: Any) -> Rows:
        return [dict(row) for row in (await session.execute(text(statement), parameters)).mappings()]

    return query


async def snapshot(session: AsyncSession, *tables: str) -> dict[str, Rows]:
    """Every row of the tables with its version: a row that was written anew has another ctid or xmin."""
    found = {}
    for table in tables or TABLES:
        rows = await session.execute(text(f"SELECT ctid::text, xmin::text, t.* FROM {table} t ORDER BY ctid"))
        found[table] = [dict(row) for row in rows.mappings()]
    return found


_CONTENT = {
    "users": "SELECT name, phone, email, type, source_website, is_active FROM users",
    "addresses": """
        SELECT u.email, a.country, a.city, a.district, a.address, a.is_default
        FROM user_addresses a JOIN users u ON u.id = a.user_id
    """,
    "products": """
        SELECT product_name, barcode, price, sku, variant, source_website, is_active, stock_quantity FROM products
    """,
    "orders": """
        SELECT o.source_website, order_number, u.email, total_amount, status, placed_at, currency, discount_total,
            shipping_total, tax_total, fee_total, refunded_total, tax_included, reconciles, source_status, is_test
        FROM orders o JOIN users u ON u.id = o.user_id
    """,
    "lines": """
        SELECT o.source_website, o.order_number, p.sku, d.quantity, d.unit_price, d.total_price,
            row_number() OVER (PARTITION BY o.id ORDER BY d.id) AS line
        FROM order_details d JOIN orders o ON o.id = d.order_id JOIN products p ON p.id = d.product_id
    """,
    "links": """
        SELECT s.source_website, s.kind, s.external_id, u.email, p.sku, o.order_number, s.content_hash,
            s.source_updated_at, s.deleted_at IS NULL AS lives, s.said::text
        FROM source_records s LEFT JOIN users u ON u.id = s.user_id LEFT JOIN products p ON p.id = s.product_id
        LEFT JOIN orders o ON o.id = s.order_id
    """,
}


async def read_content(session: AsyncSession) -> dict[str, list[str]]:
    """What the tables say, without our ids and the times of writing."""
    return {
        name: sorted(str(tuple(row)) for row in await session.execute(text(statement)))
        for name, statement in _CONTENT.items()
    }
