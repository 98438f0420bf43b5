"""`/imports`: upload, follow, look at what was rejected; and the job behind it."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.service import create_token
from app.config import Settings
from app.database import Database
from app.ingest import loader
from app.main import create_app
from app.runtime import migrations
from app.runtime.jobs import DEAD_AFTER_SECONDS, running_worker
from tests.builders import create_admin, unique
from tests.conftest import administration, new_database
from tests.ingest.conftest import Ingest, as_bytes, merge, stage
from tests.ingest.payloads import as_csv, as_ndjson, shopify_line, shopify_row, woo_customer, woo_line, woo_order

URL = "/api/v1/imports"
EXPORT = as_csv(shopify_row(), shopify_line())


async def upload(api: httpx.AsyncClient, content: Any, website: str = "shop", **fields: str) -> httpx.Response:
    files = {"file": ("export.csv", as_bytes(content))}
    return await api.post(URL, files=files, data={"source_website": website} | fields)


class TestCreateImport:
    async def test_a_nul_in_the_file_name(self, api: httpx.AsyncClient):
        files = {"file": ("or\x00ders.csv", EXPORT.encode())}
        answer = await api.post(URL, files=files, data={"source_website": "shop"})
        assert answer.status_code == 202, answer.text
        assert "\x00" not in answer.json()["file_name"]

    async def test_anonymous(self, client: httpx.AsyncClient):
        assert (await upload(client, EXPORT)).status_code == 401

    async def test_success(self, api: httpx.AsyncClient):
        answer = await upload(api, EXPORT, " Sailor ")
        assert answer.status_code == 202, answer.text
        job = answer.json()
        assert answer.headers["Location"] == f"{URL}/{job['id']}"
        assert job | {"id": 0, "created_at": ""} == {
            "id": 0,
            "source_website": "sailor",
            "origin": "file",
            "file_name": "export.csv",
            "format": "shopify_orders_csv",
            "dry_run": False,
            "status": "queued",
            "read": 1,
            "created": 0,
            "updated": 0,
            "merged": 0,
            "unchanged": 0,
            "skipped": 0,
            "rejected": 0,
            "details": {
                "kinds": {},
                "skipped": {},
                "warnings": {},
                "lines": {},
                "ignored_columns": [],
                "missing_columns": [],
                "changes": [],
                "also_created": {},
                "sync": None,
            },
            "error": None,
            "retry_of": None,
            "created_at": "",
            "started_at": None,
            "finished_at": None,
        }
        assert (await api.get(f"{URL}/{job['id']}")).json() == job

    async def test_gzipped(self, api: httpx.AsyncClient):
        answer = await upload(api, gzip.compress(EXPORT.encode()))
        assert (answer.status_code, answer.json()["read"]) == (202, 1)

    async def test_the_job_is_queued_with_the_import(self, api: httpx.AsyncClient, session: AsyncSession):
        job = (await upload(api, EXPORT)).json()
        queued = await session.scalars(
            text("SELECT args FROM procrastinate_jobs WHERE task_name = 'merge_import' AND status = 'todo'")
        )
        assert job["id"] in [args["import_id"] for args in queued]

    @pytest.mark.parametrize(
        ("content", "status", "words"),
        [
            (b"", 400, "empty"),
            (b"\n\n", 400, "empty"),
            (gzip.compress(EXPORT.encode(), mtime=0)[:-12], 400, "damaged or cut off"),
            ("sku,price\nTEA-\xe9,1\n".encode("latin-1"), 400, "not UTF-8"),
            (b'[{"id": 1, "amount": "1", "reason": ""},', 400, "not valid JSON"),
            (EXPORT + '"open', 400, "not valid CSV"),
            (EXPORT + "," * 40 + "x\n", 400, "Row 4 has 41 cells"),
            (b"PK\x03\x04" + bytes(40), 415, "ZIP archive"),
            (b"\x89PNG\r\n\x1a\n" + bytes(40), 415, "binary"),
            (b"colour,shape\nred,round\n", 422, "No known format is CSV with the columns colour, shape."),
            (b'[{"colour": "red"}]', 422, "No known format is JSON with the keys colour."),
        ],
    )
    async def test_an_unreadable_file_leaves_nothing(
        self, api: httpx.AsyncClient, session: AsyncSession, content: Any, status: int, words: str
    ):
        answer = await upload(api, content, "never-seen")
        assert answer.status_code == status, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert words in answer.json()["detail"]
        if status == 422:
            assert [error["field"] for error in answer.json()["errors"]] == ["file"]
        for table in ("imports", "import_records", "import_rejects"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0
        assert await session.scalar(text("SELECT count(*) FROM websites WHERE name = 'never-seen'")) == 0

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"format": "magento"}, "format"),
            ({"source_website": "-shop"}, "source_website"),
            ({"source_website": ""}, "source_website"),
            ({"dry_run": "perhaps"}, "dry_run"),
            ({"mapping": "order_number=Invoice"}, "mapping"),
            ({"mapping": '["Invoice"]'}, "mapping"),
            ({"mapping": '{"order_number": 7}'}, "mapping"),
            ({"mapping": '{"order_number": "Invoice"}'}, "mapping"),
            ({"mapping": '{"invoice": "Name"}'}, "mapping"),
            ({"mapping": '{"order_number": "Name"}', "format": "shopify_orders_csv"}, "mapping"),
            ({"keep_mapping": "true"}, "keep_mapping"),
            ({"returns": "keep"}, "returns"),
        ],
    )
    async def test_invalid_fields(
        self, api: httpx.AsyncClient, session: AsyncSession, fields: dict[str, str], field: str
    ):
        answer = await upload(api, EXPORT, **{"source_website": "never-seen"} | fields)
        assert answer.status_code == 422, answer.text
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert await session.scalar(text("SELECT count(*) FROM imports")) == 0
        assert await session.scalar(text("SELECT count(*) FROM websites WHERE name = 'never-seen'")) == 0

    async def test_without_a_file(self, api: httpx.AsyncClient):
        answer = await api.post(URL, data={"source_website": "shop"})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == ["file"]

    async def test_the_wrong_format(self, api: httpx.AsyncClient):
        answer = await upload(api, "sku,price\nTEA,1\n", format="shopify_orders_csv")
        assert answer.status_code == 422
        assert "lacks Created at, Email, Lineitem name, Name, Total" in answer.json()["detail"]
        assert (await upload(api, "sku,price\nTEA,1\n", format="woocommerce_json")).status_code == 400

    async def test_a_mapping(self, api: httpx.AsyncClient):
        content = as_csv({"Invoice": "1", "Code": "TEA", "Mail": "a@example.com"})
        mapping = json.dumps({"order_number": "Invoice", "sku": "Code", "email": "Mail"})
        answer = await upload(api, content, mapping=mapping)
        assert (answer.status_code, answer.json()["format"]) == (202, "generic")

    async def test_a_body_that_is_too_large(self, settings: Settings, test_database: Database, session: AsyncSession):
        small = create_app(settings.model_copy(update={"max_upload_mb": Decimal("0.01")}), test_database)
        async with signed_in(small, session) as api:
            assert (await upload(api, EXPORT)).status_code == 202
            answer = await upload(api, EXPORT + "x" * 20_000)
            assert answer.status_code == 413
            assert answer.headers["Content-Type"] == "application/problem+json"

    async def test_a_file_that_unpacks_to_too_much(
        self, settings: Settings, test_database: Database, session: AsyncSession
    ):
        small = create_app(settings.model_copy(update={"max_unpacked_mb": Decimal(1)}), test_database)
        async with signed_in(small, session) as api:
            answer = await upload(api, gzip.compress(b"sku,price\n" + b"TEA,1\n" * 200_000))
            assert (answer.status_code, "MAX_UNPACKED_MB" in answer.json()["detail"]) == (413, True)


@asynccontextmanager
async def signed_in(app: FastAPI, session: AsyncSession) -> AsyncIterator[httpx.AsyncClient]:
    admin = await create_admin(session)
    headers = {"Authorization": f"Bearer {create_token(app.state.token_settings, admin.id)}"}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as api:
        yield api


class TestReadImports:
    @pytest.mark.parametrize("path", ["", "/1", "/1/rejects", "/1/rejects/1"])
    async def test_anonymous(self, client: httpx.AsyncClient, path: str):
        assert (await client.get(URL + path)).status_code == 401

    @pytest.mark.parametrize("path", ["/999999999", "/999999999/rejects", "/999999999/rejects/1"])
    async def test_unknown(self, api: httpx.AsyncClient, path: str):
        assert (await api.get(URL + path)).status_code == 404

    @pytest.mark.parametrize("query", ["?status=finished", "?colour=red", "?sort=name", "?source_website=-"])
    async def test_invalid(self, api: httpx.AsyncClient, query: str):
        assert (await api.get(URL + query)).status_code == 422
        assert (await api.get(f"{URL}/{2**63}")).status_code == 422

    async def test_list(self, api: httpx.AsyncClient, ingest: Ingest):
        done = await ingest(EXPORT)
        queued = (await upload(api, EXPORT, "rise")).json()
        assert [job["id"] for job in (await api.get(URL)).json()["items"]] == [queued["id"], done.id]
        assert [job["id"] for job in (await api.get(f"{URL}?status=succeeded")).json()["items"]] == [done.id]
        assert [job["id"] for job in (await api.get(f"{URL}?source_website=rise")).json()["items"]] == [queued["id"]]

    async def test_rejects_have_place_reason_and_raw_record(self, api: httpx.AsyncClient, ingest: Ingest):
        bad = woo_order(2, total="12,50")
        job = await ingest(as_ndjson(woo_order(1), bad) + '{"id": 3,\n')
        shown = (await api.get(f"{URL}/{job.id}")).json()
        assert (shown["read"], shown["created"], shown["rejected"]) == (3, 1, 2)
        first, second = (await api.get(f"{URL}/{job.id}/rejects")).json()["items"]
        assert (first["place"], first["kind"]) == ("line 2", "order")
        assert first["reason"].startswith("total is not a number: 12,50")
        assert json.loads(first["raw"]) == bad
        assert (second["place"], second["raw"]) == ("line 3", '{"id": 3,')
        assert second["reason"].startswith("not JSON: ")
        page = (await api.get(f"{URL}/{job.id}/rejects", params={"size": 1})).json()
        assert [reject["id"] for reject in page["items"]] == [first["id"]]
        assert page["total"] == 2


class TestSyncedOrders:
    async def test_lines_and_amounts_are_read_only(self, api: httpx.AsyncClient, ingest: Ingest):
        await ingest([woo_order(1)], website="sailor")
        (order,) = (await api.get("/api/v1/orders")).json()["items"]
        url = f"/api/v1/orders/{order['id']}"
        (line,) = (await api.get(url)).json()["details"]
        body = {"product_id": line["product_id"], "quantity": 1}
        refused = [
            await api.post(f"{url}/details", json=body),
            await api.put(f"{url}/details/{line['id']}", json={"quantity": 2}),
            await api.delete(f"{url}/details/{line['id']}"),
            await api.put(url, json={"discount_total": "1.00"}),
        ]
        assert [answer.status_code for answer in refused] == [409] * 4
        assert all("sailor" in answer.json()["detail"] for answer in refused)
        assert (await api.put(url, json={"status": "shipped"})).status_code == 200


async def wait_for(check: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    for _ in range(int(seconds / 0.05)):
        if await check():
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"It did not happen within {seconds} seconds.")


class TestJobs:
    async def test_an_upload_is_merged_by_a_worker(self, live_api: httpx.AsyncClient, live_database: Database):
        website = unique("shop")
        content = [woo_customer(1, f"{website}@example.com"), woo_order(1, customer_id=1, line_items=[woo_line(1, 2)])]
        job = (await upload(live_api, content, website)).json()

        async def is_done() -> bool:
            shown = (await live_api.get(f"{URL}/{job['id']}")).json()
            assert shown["status"] != "failed"
            return bool(shown["status"] == "succeeded")

        async with running_worker(live_database):
            await wait_for(is_done)
        shown = (await live_api.get(f"{URL}/{job['id']}")).json()
        assert (shown["read"], shown["created"], shown["rejected"]) == (2, 2, 0)
        assert shown["started_at"] <= shown["finished_at"]
        assert shown["details"]["kinds"] == {"consumer": {"created": 1}, "order": {"created": 1}}
        (order,) = (await live_api.get("/api/v1/orders", params={"source_website": website})).json()["items"]
        assert order["total_amount"] == "10.00"
        (user,) = (await live_api.get("/api/v1/users", params={"source_website": website})).json()["items"]
        assert user["email"] == f"{website}@example.com"

    async def test_a_worker_outlives_its_connections(self, live_api: httpx.AsyncClient, live_database: Database):
        website = unique("shop")

        async def is_done() -> bool:
            return bool((await live_api.get(f"{URL}/{job['id']}")).json()["status"] == "succeeded")

        async with running_worker(live_database):
            await asyncio.sleep(0.5)
            async with live_database.sessions.begin() as session:
                ended = await session.execute(
                    text(
                        """
                        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = current_database() AND pid <> pg_backend_pid()
                        """
                    )
                )
                assert len(ended.all()) >= 2
            job = (await upload(live_api, [woo_order(1)], website)).json()
            await wait_for(is_done)

    async def test_a_worker_stops_without_its_database(self, server_url: str):
        with new_database(server_url) as url, administration(server_url) as execute:
            migrations.upgrade(url)
            database = Database(url)
            async with running_worker(database) as worker:
                await asyncio.sleep(0.5)
                execute(f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')
                stopping = asyncio.get_running_loop().time()
            assert worker.done()
            assert asyncio.get_running_loop().time() - stopping < 20
            await database.dispose()

    async def test_the_job_of_a_killed_worker_is_run_again(self, live_api: httpx.AsyncClient, live_database: Database):
        website = unique("shop")
        job = (await upload(live_api, [woo_order(n) for n in range(1, 6)], website)).json()
        long_ago = datetime.now(UTC) - timedelta(seconds=DEAD_AFTER_SECONDS * 3)
        async with live_database.sessions.begin() as session:
            # A worker took it, and was never heard of again.
            worker = await session.scalar(
                text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (:then) RETURNING id"),
                {"then": long_ago},
            )
            await session.execute(
                text(
                    """
                    UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker
                    WHERE args ->> 'import_id' = :id
                    """
                ),
                {"worker": worker, "id": str(job["id"])},
            )

        async def is_done() -> bool:
            return bool((await live_api.get(f"{URL}/{job['id']}")).json()["status"] == "succeeded")

        async with running_worker(live_database):
            await wait_for(is_done)
        orders = (await live_api.get("/api/v1/orders", params={"source_website": website})).json()
        assert orders["total"] == 5

    async def test_a_fault_of_ours_fails_the_import_with_a_sentence(
        self, api: httpx.AsyncClient, test_database: Database, monkeypatch: pytest.MonkeyPatch
    ):
        job = (await upload(api, EXPORT)).json()

        async def broken(*_: Any) -> None:
            raise RuntimeError("a detail for the log")

        monkeypatch.setattr(loader, "merge_orders", broken)
        with pytest.raises(RuntimeError):
            await loader.merge_import(test_database, job["id"], chunk_size=10, default_currency="USD")
        shown = (await api.get(f"{URL}/{job['id']}")).json()
        assert shown["status"] == "failed"
        assert shown["error"] == "The merge stopped after record 0: RuntimeError. The log tells more."
        assert shown["finished_at"] is not None


async def test_staging_has_statistics_before_it_is_merged(
    test_database: Database, write: Callable[[Any], Path], statements: list[str]
):
    """Without them PostgreSQL takes it for empty, and looked through 200,000 records for each of a chunk's."""
    started = await stage(test_database, write(as_csv(*(shopify_row(f"#{number}") for number in range(30)))))
    statements.clear()
    await merge(test_database, started.id, chunk_size=10)
    analyzed = [place for place, sent in enumerate(statements) if sent.startswith("ANALYZE import_records")]
    laid_out = [place for place, sent in enumerate(statements) if "INSERT INTO chunk" in sent]
    assert (len(analyzed), analyzed < laid_out) == (1, True)
