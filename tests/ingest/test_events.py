"""The progress of an import as server-sent events (HTML Living Standard, 9.2)."""

import json
from typing import Any

import httpx
import pytest

from app.database import Database
from app.ingest import watch
from tests.ingest.conftest import merge, stage

EXPORT = "sku,price\n" + "".join(f"TEA-{number},2.00\n" for number in range(30))


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SECONDS_BETWEEN_LOOKS", 0.01)


def events_of(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


async def test_one_that_has_ended(live_api: httpx.AsyncClient, live_database: Database, write: Any):
    job = await stage(live_database, write(EXPORT))
    await merge(live_database, job.id)

    answer = await live_api.get(f"/api/v1/imports/{job.id}/events")

    assert answer.headers["content-type"].startswith("text/event-stream")
    ((event, report),) = events_of(answer.text)
    assert (event, report["status"], report["created"]) == ("end", "succeeded", 30)


async def test_progress_until_the_end(api: httpx.AsyncClient, test_database: Database, write: Any):
    job = await stage(test_database, write(EXPORT))
    seen = []
    async for found, has_ended in watch.follow_import(test_database, job.id):
        seen.append((found.status, found.records_created, has_ended))
        if found.status == "queued":
            await merge(test_database, job.id, chunk_size=10)
    assert seen == [("queued", 0, False), ("succeeded", 30, True)]


async def test_unknown(api: httpx.AsyncClient):
    answer = await api.get("/api/v1/imports/999999999/events")
    assert answer.status_code == 404


async def test_anonymous(client: httpx.AsyncClient):
    assert (await client.get("/api/v1/imports/1/events")).status_code == 401
