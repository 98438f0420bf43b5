"""Cancelling an import: what is merged stays, the rest is left out, and the same file goes on from there."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.ingest import service
from tests.builders import unique
from tests.ingest.conftest import Ingest, Rows, merge, read_import, stage
from tests.ingest.payloads import as_csv, shopify_row

URL = "/api/v1/imports"
EXPORT = as_csv(*(shopify_row(f"#{number}") for number in range(1, 21)))
Write = Callable[[Any], Path]
Query = Callable[..., Any]


async def cancel(database: Database, import_id: int) -> None:
    async with database.sessions.begin() as session:
        await service.cancel_import(session, import_id)


async def test_anonymous(client: httpx.AsyncClient):
    assert (await client.post(f"{URL}/1/cancel")).status_code == 401


async def test_unknown(api: httpx.AsyncClient):
    assert (await api.post(f"{URL}/999999/cancel")).status_code == 404


async def test_a_queued_one(
    api: httpx.AsyncClient, test_database: Database, session: AsyncSession, write: Write, query: Query
):
    job = await stage(test_database, write(EXPORT))
    for _ in range(2):  # doing it again changes nothing
        answer = await api.post(f"{URL}/{job.id}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert answer.json()["error"] == "Cancelled when 0 of 20 records were merged; the rest was left out."
    await merge(test_database, job.id)
    found: Rows = await query("SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM import_records) AS staged")
    assert found == [{"count": 0, "staged": 0}]


async def test_one_that_has_ended(api: httpx.AsyncClient, ingest: Ingest):
    job = await ingest(EXPORT)
    answer = await api.post(f"{URL}/{job.id}/cancel")
    assert (answer.status_code, "has succeeded" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_running_one(live_database: Database, write: Write, dry_run: bool):
    website, path = unique("shop"), write(EXPORT)
    job = await stage(live_database, path, website, dry_run=dry_run)
    cancelling: list[asyncio.Task[None]] = []

    def cancel_behind_the_first_chunk(_step: str, _done: int, _of: int) -> None:
        if not cancelling:
            cancelling.append(asyncio.create_task(cancel(live_database, job.id)))

    await merge(live_database, job.id, chunk_size=1, progress=cancel_behind_the_first_chunk)
    await cancelling[0]
    async with live_database.reads() as session:
        cancelled = await service.get_import(session, job.id)
        there = await session.scalar(
            text("SELECT count(*) FROM orders WHERE source_website = :name"), {"name": website}
        )
    assert cancelled.status == "cancelled"
    assert there == cancelled.records_created < 20
    assert f"{there} of 20 records" in (cancelled.error or "")

    again = await stage(live_database, path, website)
    await merge(live_database, again.id)
    report = await read_import(live_database, again.id)
    assert (report.records_unchanged, report.records_created) == (there, 20 - there)
