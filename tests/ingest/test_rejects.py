"""Rejects: looked at, tried again as they were or corrected, and dismissed."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.ingest import rejects
from app.ingest.models import Import
from app.utils.errors import Unprocessable
from tests.builders import unique
from tests.ingest.conftest import Ingest, Rows, as_bytes, merge, read_import
from tests.ingest.payloads import as_csv, as_ndjson, shopify_line, shopify_row, woo_order, woo_product

URL = "/api/v1/imports"
Query = Callable[..., Awaitable[Rows]]
Answer = dict[str, Any]


def url_of(job_id: int, *path: object) -> str:
    return "/".join([URL, str(job_id), "rejects", *map(str, path)])


async def list_rejects(api: httpx.AsyncClient, job_id: int, **query: str) -> list[Answer]:
    answer = await api.get(url_of(job_id), params=query)
    assert answer.status_code == 200, answer.text
    items: list[Answer] = answer.json()["items"]
    return items


@pytest.fixture
async def merged(test_database: Database) -> Callable[[httpx.Response], Awaitable[Import]]:
    """The report of the retry that the API accepted, once it is merged."""

    async def merged(answer: httpx.Response) -> Import:
        assert answer.status_code == 202, answer.text
        started = answer.json()
        assert answer.headers["Location"] == f"{URL}/{started['id']}"
        await merge(test_database, started["id"])
        return await read_import(test_database, started["id"])

    return merged


Merged = Callable[[httpx.Response], Awaitable[Import]]

BAD = woo_order(2, total="free")


@pytest.fixture
async def job(ingest: Ingest) -> Import:
    """One order, and three rejects: its total is no number, it is no JSON, it is no record of WooCommerce."""
    return await ingest(as_ndjson(woo_order(1), BAD) + '{"id": 3,\n' + as_ndjson({"colour": "red"}))


class TestLook:
    async def test_one(self, api: httpx.AsyncClient, job: Import):
        first, *_ = await list_rejects(api, job.id)
        shown = (await api.get(url_of(job.id, first["id"]))).json()
        assert shown == first
        assert shown | {"id": 0, "created_at": "", "raw": json.loads(shown["raw"])} == {
            "id": 0,
            "import_id": job.id,
            "place": "line 2",
            "kind": "order",
            "reason": "total is not a number: free",
            "raw": BAD,
            "status": "open",
            "retried_by": None,
            "settled_at": None,
            "created_at": "",
        }

    async def test_one_of_another_import(self, api: httpx.AsyncClient, ingest: Ingest, job: Import):
        other = await ingest([woo_order(9)])
        first, *_ = await list_rejects(api, job.id)
        assert (await api.get(url_of(other.id, first["id"]))).status_code == 404

    async def test_by_status(self, api: httpx.AsyncClient, job: Import):
        first, second, third = (reject["id"] for reject in await list_rejects(api, job.id))
        assert (await api.post(url_of(job.id, first, "dismiss"))).status_code == 204
        assert (await api.post(url_of(job.id, second, "retry"))).status_code == 202
        for status, expected in [("dismissed", first), ("retried", second), ("open", third)]:
            assert [reject["id"] for reject in await list_rejects(api, job.id, status=status)] == [expected]
        assert (await api.get(url_of(job.id), params={"status": "new"})).status_code == 422


SETTLING = ["retry", "7/retry", "dismiss", "7/dismiss"]


class TestSettling:
    """What retrying and dismissing have in common."""

    @pytest.mark.parametrize("path", SETTLING)
    async def test_anonymous(self, client: httpx.AsyncClient, path: str):
        assert (await client.post(url_of(1, path))).status_code == 401

    @pytest.mark.parametrize("path", SETTLING)
    async def test_unknown_import(self, api: httpx.AsyncClient, path: str):
        assert (await api.post(url_of(999_999_999, path))).status_code == 404

    @pytest.mark.parametrize("action", ["retry", "dismiss"])
    async def test_unknown_reject(self, api: httpx.AsyncClient, ingest: Ingest, job: Import, action: str):
        assert (await api.post(url_of(job.id, 999_999_999, action))).status_code == 404
        other = await ingest([woo_order(9, total="free")])
        (foreign,) = await list_rejects(api, other.id)
        first, *_ = await list_rejects(api, job.id)
        assert (await api.post(url_of(job.id, foreign["id"], action))).status_code == 404
        answer = await api.post(url_of(job.id, action), json={"reject_ids": [first["id"], foreign["id"]]})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "reject_ids"
        assert str(foreign["id"]) in answer.json()["detail"]
        assert len(await list_rejects(api, job.id, status="open")) == 3

    @pytest.mark.parametrize("action", ["retry", "dismiss"])
    @pytest.mark.parametrize("body", [{"reject_ids": []}, {"reject_ids": ["x"]}, {"reject_ids": [0]}, {"ids": [1]}, []])
    async def test_invalid(self, api: httpx.AsyncClient, job: Import, action: str, body: Any):
        assert (await api.post(url_of(job.id, action), json=body)).status_code == 422

    async def test_a_settled_one_stays_settled(self, api: httpx.AsyncClient, session: AsyncSession, job: Import):
        retried, dismissed, still_open = (reject["id"] for reject in await list_rejects(api, job.id))
        assert (await api.post(url_of(job.id, retried, "retry"))).status_code == 202
        assert (await api.post(url_of(job.id, dismissed, "dismiss"))).status_code == 204
        before = await list_rejects(api, job.id)
        imports = await session.scalar(text("SELECT count(*) FROM imports"))
        for path, body, words in [
            (f"{retried}/retry", None, "was retried before"),
            (f"{retried}/retry", {"raw": BAD}, "was retried before"),
            (f"{retried}/dismiss", None, "was retried before"),
            (f"{dismissed}/retry", None, "was dismissed before"),
            ("retry", {"reject_ids": [still_open, dismissed]}, "was dismissed before"),
            ("dismiss", {"reject_ids": [still_open, retried]}, "was retried before"),
        ]:
            answer = await api.post(url_of(job.id, path), json=body)
            assert (answer.status_code, words in answer.json()["detail"]) == (409, True), answer.text
        assert await list_rejects(api, job.id) == before
        assert await session.scalar(text("SELECT count(*) FROM imports")) == imports


class TestDismiss:
    async def test_all_and_again(self, api: httpx.AsyncClient, job: Import):
        for _ in range(2):
            answer = await api.post(url_of(job.id, "dismiss"))
            assert (answer.status_code, answer.content) == (204, b"")
        shown = await list_rejects(api, job.id)
        assert {(reject["status"], reject["retried_by"]) for reject in shown} == {("dismissed", None)}
        assert all(reject["settled_at"] for reject in shown)
        assert (await api.post(url_of(job.id, "retry"))).status_code == 409

    async def test_some_and_again(self, api: httpx.AsyncClient, job: Import):
        first, second, _ = (reject["id"] for reject in await list_rejects(api, job.id))
        for ids in ([first], [first, second]):
            assert (await api.post(url_of(job.id, "dismiss"), json={"reject_ids": ids})).status_code == 204
        assert (await api.post(url_of(job.id, first, "dismiss"))).status_code == 204
        assert [reject["status"] for reject in await list_rejects(api, job.id)] == ["dismissed", "dismissed", "open"]


class TestRetry:
    async def test_what_fails_again_is_a_reject_of_the_new_import(
        self, api: httpx.AsyncClient, session: AsyncSession, merged: Merged, job: Import
    ):
        before = await list_rejects(api, job.id)
        answer = await api.post(url_of(job.id, "retry"))
        again = await merged(answer)
        assert answer.json() | {"created_at": ""} == {
            "id": again.id,
            "source_website": "shop",
            "origin": "file",
            "file_name": f"{job.file_name} (retry)",
            "format": "woocommerce_json",
            "dry_run": False,
            "status": "queued",
            "read": 3,
            "created": 0,
            "updated": 0,
            "merged": 0,
            "unchanged": 0,
            "skipped": 0,
            "rejected": 3,
            "details": answer.json()["details"],
            "error": None,
            "retry_of": job.id,
            "created_at": "",
            "started_at": None,
            "finished_at": None,
        }
        queued = await session.scalars(text("SELECT args FROM procrastinate_jobs WHERE task_name = 'merge_import'"))
        assert again.id in [args["import_id"] for args in queued]
        old, new = await list_rejects(api, job.id), await list_rejects(api, again.id)
        assert [(reject["status"], reject["retried_by"]) for reject in old] == [("retried", again.id)] * 3
        assert all(reject["settled_at"] for reject in old)
        for name in ("place", "kind", "reason", "raw"):
            assert [reject[name] for reject in new] == [reject[name] for reject in before]
        assert {reject["status"] for reject in new} == {"open"}

        last = await merged(await api.post(url_of(again.id, "retry"), json={"reject_ids": [new[1]["id"]]}))
        assert (last.retry_of, last.file_name) == (again.id, f"{job.file_name} (retry)")
        assert [reject["place"] for reject in await list_rejects(api, last.id)] == ["line 3"]

    async def test_some(self, api: httpx.AsyncClient, job: Import):
        first, _, third = (reject["id"] for reject in await list_rejects(api, job.id))
        answer = await api.post(url_of(job.id, "retry"), json={"reject_ids": [third, first, first]})
        assert (answer.status_code, answer.json()["read"]) == (202, 2)
        assert [reject["status"] for reject in await list_rejects(api, job.id)] == ["retried", "open", "retried"]

    async def test_while_the_import_is_still_queued(self, api: httpx.AsyncClient, merged: Merged):
        files = {"file": ("orders.json", as_bytes([woo_order(1), BAD]))}
        queued = (await api.post(URL, files=files, data={"source_website": "shop"})).json()
        (reject,) = await list_rejects(api, queued["id"])
        done = await merged(await api.post(url_of(queued["id"], reject["id"], "retry"), json={"raw": woo_order(2)}))
        assert (done.records_created, done.records_rejected) == (1, 0)

    async def test_a_dry_run(self, api: httpx.AsyncClient, ingest: Ingest):
        rehearsed = await ingest([woo_order(1), BAD], dry_run=True)
        (reject,) = await list_rejects(api, rehearsed.id)
        for path in ("retry", f"{reject['id']}/retry"):
            answer = await api.post(url_of(rehearsed.id, path))
            assert (answer.status_code, "dry run" in answer.json()["detail"]) == (409, True)
        assert [each["status"] for each in await list_rejects(api, rehearsed.id)] == ["open"]

    async def test_none(self, api: httpx.AsyncClient, ingest: Ingest):
        job = await ingest([woo_order(1)])
        answer = await api.post(url_of(job.id, "retry"))
        assert (answer.status_code, "no open rejects" in answer.json()["detail"]) == (409, True)

    async def test_more_than_a_batch(
        self, api: httpx.AsyncClient, ingest: Ingest, merged: Merged, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(rejects, "BATCH", 10)
        rows = [{"sku": f"TEA-{number}", "price": f"{number},50"} for number in range(35)]
        job = await ingest(as_csv(*rows, delimiter=";"))
        assert job.records_rejected == 35
        done = await merged(await api.post(url_of(job.id, "retry"), json={"decimal_comma": True}))
        assert (done.records_read, done.records_created) == (35, 35)

    async def test_what_the_database_refuses(
        self, api: httpx.AsyncClient, ingest: Ingest, query: Query, merged: Merged
    ):
        """It is kept as it was staged, and may be tried again as it is, edited, or as the file should have had it."""
        row = {"order_number": "5", "email": "jane@example.com", "sku": "GOLD", "quantity": "90",
               "unit_price": "99999999.00", "placed_at": "2025-02-01T10:00:00+02:00"}  # fmt: skip
        job = await ingest(as_csv(row, row))
        (reject,) = await list_rejects(api, job.id)
        again = await merged(await api.post(url_of(job.id, "retry")))
        (refused,) = await list_rejects(api, again.id)
        for name in ("place", "kind", "reason"):
            assert refused[name] == reject[name]
        assert json.loads(refused["raw"]) == json.loads(reject["raw"])

        edited = json.loads(refused["raw"])
        for line in edited["staged_record"]["lines"]:
            line |= {"unit_price": "1.00", "total_price": "90.00"}
        done = await merged(await api.post(url_of(again.id, refused["id"], "retry"), json={"raw": edited}))
        assert (done.records_created, done.records_rejected) == (1, 0)
        # Staged as the file's own record would be: it changes nothing when that comes.
        same = await ingest(as_csv(row | {"unit_price": "1.00"}, row | {"unit_price": "1.00"}))
        assert same.records_unchanged == 1

        other = await ingest(as_csv(row | {"order_number": "6"}, row | {"order_number": "6"}))
        (reject,) = await list_rejects(api, other.id)
        raw = row | {"order_number": "6", "quantity": 1}
        assert (
            await merged(await api.post(url_of(other.id, reject["id"], "retry"), json={"raw": raw}))
        ).records_created
        orders = await query("SELECT order_number, total_amount::text FROM orders ORDER BY 1")
        assert [tuple(order.values()) for order in orders] == [("5", "180.00"), ("6", "99999999.00")]

    async def test_with_other_options(self, api: httpx.AsyncClient, ingest: Ingest, query: Query, merged: Merged):
        row = {"order_number": "1", "sku": "TEA", "unit_price": "1.234,50", "placed_at": "03/04/2026"}
        job = await ingest(as_csv(row))
        again = await merged(await api.post(url_of(job.id, "retry"), json={"dayfirst": True}))
        assert again.records_rejected == 1
        assert again.options == job.options | {"dayfirst": True}
        done = await merged(await api.post(url_of(again.id, "retry"), json={"decimal_comma": True}))
        assert (done.records_created, done.options["dayfirst"]) == (1, True)
        (order,) = await query("SELECT total_amount::text AS total, placed_at::date::text AS day FROM orders")
        assert order == {"total": "1234.50", "day": "2026-04-03"}

    async def test_with_another_mapping(self, api: httpx.AsyncClient, ingest: Ingest, query: Query, merged: Merged):
        job = await ingest(as_csv({"sku": "TEA", "Name": "Tea", "price": "", "unit_price": "free", "Now": "2.00"}))
        url = url_of(job.id, "retry")
        unfit = await api.post(url, json={"mapping": '{"colour": "Now"}'})
        assert (unfit.status_code, unfit.json()["errors"][0]["field"]) == (422, "mapping")
        mapping = json.dumps({"product_name": "Name", "price": "Now"})
        done = await merged(await api.post(url, json={"mapping": mapping}))
        assert done.records_created == 1
        assert [tuple(row.values()) for row in await query("SELECT product_name, price::text FROM products")] == [
            ("Tea", "2.00")
        ]

    async def test_a_platform_format_takes_no_mapping(self, api: httpx.AsyncClient, job: Import):
        for path in ("retry", f"{(await list_rejects(api, job.id))[0]['id']}/retry"):
            answer = await api.post(url_of(job.id, path), json={"mapping": '{"order_number": "id"}'})
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "mapping")


@dataclass
class Case:
    """A file with one reject, how its raw record is corrected, and what is there then."""

    content: Any
    place: str
    correct: Callable[[Any], Any]
    made: str
    expected: list[tuple[Any, ...]]
    options: dict[str, str] = field(default_factory=dict)


def edit(*path: Any, to: Any) -> Callable[[Any], Any]:
    """The raw record with the value at that path changed."""

    def correct(raw: str) -> Any:
        value = found = json.loads(raw)
        for step in path[:-1]:
            found = found[step]
        assert found[path[-1]] != to
        found[path[-1]] = to
        return value

    return correct


ORDERS = (
    "SELECT order_number, total_amount::text, (SELECT count(*) FROM order_details WHERE order_id = o.id) FROM orders o"
)
PRODUCTS = "SELECT product_name, sku, price::text FROM products"
VARIANT = {
    "Handle": "tee",
    "Title": "",
    "Option1 Name": "",
    "Option1 Value": "M",
    "Variant SKU": "",
    "Variant Price": "",
}
SHOPIFY_PRODUCT = {
    "id": 10, "title": "Tee", "handle": "tee", "status": "active", "options": [{"name": "Size"}],
    "variants": [{"id": 100, "option1": "S", "sku": "TEE-S", "price": "9.00"},
                 {"id": 101, "option1": "M", "sku": "TEE-M", "price": "nine"}],
}  # fmt: skip

CASES = {
    "Shopify orders": Case(
        as_csv(shopify_row(Total="free"), shopify_line(), shopify_row("#1002")),
        "rows 2-3",
        edit(0, "Total", to=15),
        ORDERS + " ORDER BY 1",
        [("#1001", "15.00", 2), ("#1002", "10.00", 1)],
    ),
    "Shopify products": Case(
        as_csv(
            VARIANT | {"Title": "Tee", "Option1 Name": "Size", "Option1 Value": "S", "Variant Price": "8.00"},
            VARIANT | {"Variant Price": "nine"},
        ),
        "row 3",
        edit(1, "Variant Price", to="9.00"),
        PRODUCTS + " ORDER BY sku",
        [("Tee - M", "tee-m", "9.00"), ("Tee - S", "tee-s", "8.00")],
    ),
    "Shopify variant": Case(
        {"products": [SHOPIFY_PRODUCT]},
        "record 1, variant 2",
        edit("variants", 0, "price", to="9.50"),
        PRODUCTS + " ORDER BY sku",
        [("Tee - M", "TEE-M", "9.50"), ("Tee - S", "TEE-S", "9.00")],
    ),
    "WooCommerce": Case(
        [woo_product(1), woo_order(7, total="free")],
        "record 2",
        edit("total", to="10.00"),
        ORDERS,
        [("7", "10.00", 1)],
    ),
    "generic, scattered rows": Case(
        as_csv(
            {"Invoice": "1", "Code": "TEA", "Price": "2.00"},
            {"Invoice": "2", "Code": "TEA", "Price": "2.00"},
            {"Invoice": "1", "Code": "MUG", "Price": "free"},
        ),
        "row 2, row 4",
        edit(1, "Price", to="3.00"),
        ORDERS + " ORDER BY 1",
        [("1", "5.00", 2), ("2", "2.00", 1)],
        {"mapping": '{"order_number": "Invoice", "sku": "Code", "unit_price": "Price"}'},
    ),
    "generic, a broken line": Case(
        as_ndjson({"order_number": "1", "sku": "TEA", "unit_price": "2.00"}) + '{"order_number": "2", "sku": "TEA"\n',
        "line 2",
        lambda raw: raw + "}",
        ORDERS + " ORDER BY 1",
        [("1", "2.00", 1), ("2", "2.00", 1)],
    ),
}


class TestCorrect:
    @pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
    async def test_a_corrected_record_is_taken(
        self, api: httpx.AsyncClient, test_database: Database, query: Query, merged: Merged, case: Case
    ):
        files = {"file": ("export", as_bytes(case.content))}
        answer = await api.post(URL, files=files, data={"source_website": "shop"} | case.options)
        job = await merged(answer)
        assert job.records_rejected == 1
        (reject,) = await list_rejects(api, job.id)
        assert reject["place"] == case.place

        # As it was, it fails again, with the same record, which then can be corrected.
        again = await merged(await api.post(url_of(job.id, "retry")))
        (new,) = await list_rejects(api, again.id)
        for name in ("place", "kind", "reason", "raw"):
            assert new[name] == reject[name]

        url = url_of(again.id, new["id"], "retry")
        done = await merged(await api.post(url, json={"raw": case.correct(new["raw"])}))
        assert (done.records_read, done.records_rejected) == (1, 0)
        assert (done.format, done.options) == (job.format, job.options)
        assert [tuple(row.values()) for row in await query(case.made)] == case.expected
        (settled,) = await list_rejects(api, again.id)
        assert (settled["status"], settled["retried_by"]) == ("retried", done.id)

    async def test_a_record_as_text(self, api: httpx.AsyncClient, ingest: Ingest, merged: Merged):
        job = await ingest(as_csv(shopify_row(Total="free")))
        (reject,) = await list_rejects(api, job.id)
        raw = reject["raw"].replace("free", "10.00")
        done = await merged(await api.post(url_of(job.id, reject["id"], "retry"), json={"raw": raw}))
        assert done.records_created == 1

    async def test_a_correction_that_is_still_wrong(self, api: httpx.AsyncClient, merged: Merged, job: Import):
        first, *_ = await list_rejects(api, job.id)
        still = woo_order(2, total="gratis")
        again = await merged(await api.post(url_of(job.id, first["id"], "retry"), json={"raw": still}))
        (new,) = await list_rejects(api, again.id)
        assert (new["place"], new["reason"]) == ("line 2", "total is not a number: gratis")
        assert json.loads(new["raw"]) == still

    async def test_a_correction_that_is_no_json(self, api: httpx.AsyncClient, job: Import):
        _, second, _ = await list_rejects(api, job.id)
        answer = await api.post(url_of(job.id, second["id"], "retry"), json={"raw": "{"})
        assert (answer.status_code, answer.json()["detail"][:15]) == (422, "raw is not JSON")

    async def test_several_records_in_place_of_one(self, api: httpx.AsyncClient, merged: Merged, job: Import):
        first, *_ = await list_rejects(api, job.id)
        raw = [woo_order(2), woo_order(3), woo_order(4, total="free")]
        done = await merged(await api.post(url_of(job.id, first["id"], "retry"), json={"raw": raw}))
        assert (done.records_read, done.records_created, done.records_rejected) == (3, 2, 1)
        assert [reject["place"] for reject in await list_rejects(api, done.id)] == ["line 2"]

    @pytest.mark.parametrize(
        ("raw", "words"),
        [
            ({}, "lacks Created at, Email, Lineitem name, Name, Total"),
            ([], "lacks"),
            ({"Name": "#1001", "Total": "12.50"}, "lacks Created at, Email, Lineitem name"),
            (shopify_row() | {"Total": ["1"]}, "Total must be a text"),
            ("Name,Total", "raw is not JSON"),
            ("[1]", "JSON of a row"),
            ({"staged_record": {"kind": "order"}}, "staged_record does not fit"),
            ({"staged_record": {"kind": "shop"}}, "no known kind"),
            ({"staged_record": 7}, "no known kind"),
            (shopify_row() | {"Email": "a\x00b@example.com"}, "NUL"),
            (7, "raw"),
        ],
    )
    async def test_what_is_no_record_of_the_format(
        self, api: httpx.AsyncClient, ingest: Ingest, session: AsyncSession, raw: Any, words: str
    ):
        job = await ingest(as_csv(shopify_row(Total="free")))
        (reject,) = await list_rejects(api, job.id)
        answer = await api.post(url_of(job.id, reject["id"], "retry"), json={"raw": raw})
        assert answer.status_code == 422, answer.text
        assert all(error["field"].split(".")[0] == "raw" for error in answer.json()["errors"])
        assert words in answer.json()["detail"]
        assert await list_rejects(api, job.id) == [reject]
        assert await session.scalar(text("SELECT count(*) FROM imports")) == 1

    async def test_a_correction_that_is_too_large(self, api: httpx.AsyncClient, session: AsyncSession, job: Import):
        first, *_ = await list_rejects(api, job.id)
        with pytest.raises(Unprocessable, match="larger than 100 bytes"):
            await rejects.retry_reject(session, job.id, first["id"], BAD, record_bytes=100)

    @pytest.mark.parametrize("raw", [[], "[]"])
    async def test_nothing_in_it(self, api: httpx.AsyncClient, job: Import, raw: Any):
        first, *_ = await list_rejects(api, job.id)
        answer = await api.post(url_of(job.id, first["id"], "retry"), json={"raw": raw})
        assert (answer.status_code, answer.json()["detail"]) == (422, "There is no record in it.")

    @pytest.mark.parametrize("body", [b'{"raw": {"id": NaN}}', b'{"raw": {"id": "\\ud800"}}', b'{"raw": "\\ud800"}'])
    async def test_json_that_nothing_can_hold(self, api: httpx.AsyncClient, job: Import, body: bytes):
        first, *_ = await list_rejects(api, job.id)
        headers = {"Content-Type": "application/json"}
        answer = await api.post(url_of(job.id, first["id"], "retry"), content=body, headers=headers)
        assert answer.status_code in {202, 422}, answer.text


class TestAtTheSameTime:
    async def start(self, live_api: httpx.AsyncClient, number: int) -> int:
        rows = [{"sku": f"TEA-{each}", "price": "free"} for each in range(number)]
        files = {"file": ("products.csv", as_csv(*rows).encode())}
        answer = await live_api.post(URL, files=files, data={"source_website": unique("shop")})
        job: Answer = answer.json()
        assert job["rejected"] == number
        return int(job["id"])

    async def check(self, live_api: httpx.AsyncClient, job_id: int, answers: list[httpx.Response]) -> None:
        """Every reject belongs to the one retry that read it."""
        taken = Counter(reject["retried_by"] for reject in await list_rejects(live_api, job_id, size="200"))
        assert taken == {answer.json()["id"]: answer.json()["read"] for answer in answers if answer.status_code == 202}

    async def test_retries_of_all(self, live_api: httpx.AsyncClient):
        job_id = await self.start(live_api, 150)
        answers = await asyncio.gather(*(live_api.post(url_of(job_id, "retry")) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409, 409, 409]
        await self.check(live_api, job_id, answers)

    async def test_retries_that_overlap(self, live_api: httpx.AsyncClient):
        job_id = await self.start(live_api, 60)
        ids = [reject["id"] for reject in await list_rejects(live_api, job_id, size="200")]
        halves = [ids[:40], ids[20:][::-1], ids[30:50]]
        answers = await asyncio.gather(
            *(live_api.post(url_of(job_id, "retry"), json={"reject_ids": half}) for half in halves)
        )
        assert Counter(answer.status_code for answer in answers)[202] >= 1
        assert {answer.status_code for answer in answers} <= {202, 409}
        rest = await live_api.post(url_of(job_id, "retry"))
        await self.check(live_api, job_id, [*answers, rest])

    async def test_one_retried_and_dismissed(self, live_api: httpx.AsyncClient):
        job_id = await self.start(live_api, 1)
        (reject,) = await list_rejects(live_api, job_id)
        actions = ["retry", "dismiss"] * 3
        answers = await asyncio.gather(*(live_api.post(url_of(job_id, reject["id"], action)) for action in actions))
        (settled,) = await list_rejects(live_api, job_id)
        statuses = Counter(answer.status_code for answer in answers)
        assert statuses == ({202: 1, 409: 5} if settled["status"] == "retried" else {204: 3, 409: 3})
