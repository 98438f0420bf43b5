"""Records that a website's own backend pushes: NDJSON as the body of `POST /imports`."""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.ingest import router
from tests.ingest.conftest import merge, read_import
from tests.ingest.payloads import woo_order

URL = "/api/v1/imports"
RECORDS: list[dict[str, Any]] = [
    {"sku": "MUG", "product_name": "Mug", "price": "9.50"},
    {"email": "jane@example.com", "name": "Jane Doe"},
    {"order_number": "1", "email": "jane@example.com", "placed_at": "2026-01-02T03:04:05Z",
     "lines": [{"sku": "MUG", "quantity": 2, "unit_price": "9.50"}]},
]  # fmt: skip


async def push(api: httpx.AsyncClient, records: list[Any], **query: Any) -> httpx.Response:
    body = "".join(json.dumps(record) + "\n" for record in records)
    headers = {"Content-Type": "application/x-ndjson; charset=utf-8"}
    return await api.post(URL, params={"source_website": "rise"} | query, content=body, headers=headers)


async def test_anonymous(client: httpx.AsyncClient):
    assert (await push(client, RECORDS)).status_code == 401


async def test_records_of_every_kind(api: httpx.AsyncClient, test_database: Database, session: AsyncSession):
    answer = await push(api, RECORDS)
    job = answer.json()
    assert (answer.status_code, job["read"], job["format"], job["file_name"]) == (202, 3, "generic", "pushed records")
    assert answer.headers["Location"] == f"{URL}/{job['id']}"
    await merge(test_database, job["id"])
    assert (await read_import(test_database, job["id"])).records_created == 3
    assert await session.scalar(text("SELECT total_amount::text FROM orders")) == "19.00"


async def test_sent_again_it_changes_nothing(api: httpx.AsyncClient, test_database: Database):
    for expected in ("records_created", "records_unchanged"):
        job = (await push(api, RECORDS)).json()
        await merge(test_database, job["id"])
        assert getattr(await read_import(test_database, job["id"]), expected) == 3


@pytest.mark.parametrize("records", [RECORDS[:1], []])
async def test_one_record_or_none(api: httpx.AsyncClient, records: list[Any]):
    answer = await push(api, records)
    # Nothing at all is no JSON; a backend with nothing to tell need not call.
    assert answer.status_code == (202 if records else 400), answer.text


async def test_a_platforms_payloads(api: httpx.AsyncClient):
    answer = await push(api, [woo_order(7), woo_order(8)], format="woocommerce_json")
    assert (answer.status_code, answer.json()["read"]) == (202, 2)


async def test_a_dry_run_with_a_mapping(api: httpx.AsyncClient):
    answer = await push(
        api, [{"Code": "MUG", "Cost": "9.50"}] * 2, mapping='{"sku": "Code", "price": "Cost"}', dry_run=True
    )
    assert (answer.status_code, answer.json()["dry_run"]) == (202, True)


async def test_more_than_one_call_takes(api: httpx.AsyncClient, session: AsyncSession, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(router, "MOST_PUSHED", 2)
    answer = await push(api, RECORDS)
    assert (answer.status_code, "One call takes 2 records" in answer.json()["detail"]) == (413, True)
    assert await session.scalar(text("SELECT count(*) FROM imports")) == 0
    assert (await push(api, RECORDS[:2])).status_code == 202


@pytest.mark.parametrize(
    ("query", "field"),
    [({"source_website": "-"}, "source_website"), ({"format": "magento"}, "format"), ({"file": "x"}, "file")],
)
async def test_invalid(api: httpx.AsyncClient, query: dict[str, str], field: str):
    answer = await push(api, RECORDS, **query)
    assert answer.status_code == 422, answer.text
    assert [(error["field"], error["location"]) for error in answer.json()["errors"]] == [(field, "query")]
