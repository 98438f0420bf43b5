"""Dry runs: what they say would change, on a database that commits, and that they leave nothing behind."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text

from app.database import Database
from app.ingest import loader
from app.ingest.formats.base import Options
from app.ingest.mapping import read_mapping
from app.ingest.models import Import
from tests.builders import unique
from tests.ingest.conftest import Ingest, merge, read_content, read_import, snapshot, stage
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
)

LATER = {"date_modified_gmt": "2025-03-01T08:00:00"}
Run = Callable[..., Awaitable[Import]]


@pytest.fixture
def website() -> str:
    """The tests share a database, and no website."""
    return unique("shop")


@pytest.fixture
def email(website: str) -> str:
    return f"{website}@example.com"


@pytest.fixture
def run(live_database: Database, write: Callable[[Any], Path], website: str) -> Run:
    """`await run(content, dry_run=…, chunk_size=…)`: read, merge for good, and the report."""

    async def run(content: Any, *, chunk_size: int = 1000, **options: Any) -> Import:
        started = await stage(live_database, write(content), website, **options)
        await merge(live_database, started.id, chunk_size=chunk_size)
        return await read_import(live_database, started.id)

    return run


def changes_of(job: Import) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = job.details["changes"]
    return found


class TestChanges:
    async def test_a_product(self, run: Run):
        await run([woo_product(1), woo_product(2)])
        changed = woo_product(2, price="9.5", sku="", stock_quantity=4, manage_stock=True, status="draft", **LATER)
        rehearsed = await run([woo_product(1), changed, woo_product(3)], dry_run=True)
        assert (rehearsed.records_unchanged, rehearsed.records_updated, rehearsed.records_created) == (1, 1, 1)
        assert changes_of(rehearsed) == [
            {
                "place": "record 2",
                "kind": "product",
                "key": "2",
                "fields": {
                    "price": ["10.00", "9.50"],
                    "stock_quantity": [None, 4],
                    "is_active": [True, False],
                },
            }
        ]

    async def test_a_consumer(self, run: Run, email: str):
        home = woo_address(address_1="1 Main St", city="Leipzig", country="DE", phone="555")
        await run([woo_customer(1, email, billing=home)])
        moved = woo_customer(
            1, f"new-{email}", first_name="Joan", billing=home | {"city": "Halle", "phone": "556"}, **LATER
        )
        rehearsed = await run([moved], dry_run=True)
        old = ["DE", "Leipzig", None, "1 Main St", True]
        (change,) = changes_of(rehearsed)
        assert change["fields"].pop("addresses")[0] == [old]
        assert change == {
            "place": "record 1",
            "kind": "consumer",
            "key": "1",
            "fields": {"name": ["Jane Doe", "Joan Doe"], "phone": ["555", "556"], "email": [email, f"new-{email}"]},
        }

    async def test_a_consumer_without_an_email(self, run: Run, email: str):
        await run([woo_customer(1, "")])
        (change,) = changes_of(await run([woo_customer(1, email, **LATER)], dry_run=True))
        assert change["fields"] == {"email": [None, email]}

    async def test_an_order(self, run: Run, email: str):
        await run([woo_order(1, email=email)])
        changed = woo_order(
            1,
            email=f"other-{email}",
            status="completed",
            shipping_total="4.00",
            total="26.00",
            line_items=[woo_line(1, 2, "12.00"), woo_line(2)],
            date_created_gmt="2025-02-02T10:00:00",
            **LATER,
        )
        (change,) = changes_of(await run([changed], dry_run=True))
        assert change == {
            "place": "record 1",
            "kind": "order",
            "key": "1",
            "fields": {
                "total_amount": ["10.00", "26.00"],
                "status": ["confirmed", "delivered"],
                "source_status": ["processing", "completed"],
                "placed_at": ["2025-02-01T10:00:00Z", "2025-02-02T10:00:00Z"],
                "shipping_total": ["0.00", "4.00"],
                "email": [email, f"other-{email}"],
                "lines": [
                    [["SKU-1", 1, "10.00", "10.00"]],
                    [["SKU-1", 2, "6.00", "12.00"], ["SKU-2", 1, "10.00", "10.00"]],
                ],
            },
        }

    async def test_a_refund(self, run: Run, email: str):
        await run([woo_order(1, email=email), woo_refund(5, 1, "4.00")])
        rehearsed = await run([woo_refund(5, 1, "6.00")], dry_run=True)
        assert changes_of(rehearsed) == [
            {"place": "record 1", "kind": "refund", "key": "5", "fields": {"refunded_total": ["4.00", "6.00"]}}
        ]

    async def test_a_refund_after_its_order_in_the_same_file(self, run: Run, email: str):
        """What the order's own change says already is not said again."""
        await run([woo_order(1, email=email), woo_refund(5, 1, "4.00")])
        content = [woo_order(1, email=email, status="completed", **LATER), woo_refund(5, 1, "6.00")]
        for chunk_size, kinds in ((1000, ["order"]), (1, ["order", "refund"])):
            changes = changes_of(await run(content, dry_run=True, chunk_size=chunk_size))
            assert [change["kind"] for change in changes] == kinds
            said = [change["fields"]["refunded_total"] for change in changes if "refunded_total" in change["fields"]]
            assert said == [["4.00", "6.00"]]

    async def test_a_returned_line(self, run: Run, email: str):
        options = {"options": Options(mapping=read_mapping('return_prefix = "C"'), returns="refund")}
        row = {"order_number": "1", "email": email, "placed_at": "2025-01-01", "sku": "TEA", "unit_price": "5.00",
               "quantity": "3"}  # fmt: skip
        back = row | {"order_number": "C2", "placed_at": "2025-01-09", "quantity": "-1"}
        await run(as_csv(row, back), **options)
        rehearsed = await run(as_csv(row, back | {"quantity": "-2"}), dry_run=True, **options)
        assert [(change["kind"], change["fields"]) for change in changes_of(rehearsed)] == [
            ("return", {"refunded_total": ["5.00", "10.00"]})
        ]

    async def test_a_record_that_joins_a_row(self, run: Run):
        """A file without ids made the product; the one with its id changes it."""
        await run(as_csv({"sku": "SKU-1", "product_name": "Mug", "price": "10.00"}))
        rehearsed = await run([woo_product(1, name="Big mug")], dry_run=True)
        assert (rehearsed.records_merged, rehearsed.records_created) == (1, 0)
        (change,) = changes_of(rehearsed)
        assert change["fields"] == {"product_name": ["Mug", "Big mug"]}

    @pytest.mark.parametrize("chunk_size", [1, 1000])
    async def test_rows_made_by_the_dry_run_itself(self, run: Run, email: str, chunk_size: int):
        content = [woo_order(1, email=email), woo_product(1, name="Mug"), woo_customer(1, email)]
        assert changes_of(await run(content, dry_run=True, chunk_size=chunk_size)) == []

    @pytest.mark.parametrize("chunk_size", [7, 1000])
    async def test_the_first_twenty_in_file_order(self, run: Run, chunk_size: int):
        rows = [{"sku": f"TEA-{number}", "product_name": f"Tea {number}", "price": "1.00"} for number in range(50)]
        await run(as_csv(*rows))
        new = {"sku": "MUG", "product_name": "Mug", "price": "3.00"}
        content = as_csv(rows[0], new, *(row | {"price": "2.00"} for row in reversed(rows[1:])))
        rehearsed = await run(content, dry_run=True, chunk_size=chunk_size)
        assert (rehearsed.records_unchanged, rehearsed.records_created, rehearsed.records_updated) == (1, 1, 49)
        assert [change["place"] for change in changes_of(rehearsed)] == [f"row {number}" for number in range(4, 24)]
        assert all(change["fields"] == {"price": ["1.00", "2.00"]} for change in changes_of(rehearsed))

    async def test_a_row_that_several_records_change(self, run: Run, email: str):
        await run([woo_customer(1, email)])
        content = as_ndjson(
            *({"customer_id": "1", "email": email, "name": name, "updated_at": f"2025-03-0{day}"}
              for day, name in ((1, "Joan"), (2, "Jill")))
        )  # fmt: skip
        rehearsed = await run(content, dry_run=True, chunk_size=1)
        assert rehearsed.records_skipped == 1  # superseded by the later one
        assert [change["fields"]["name"] for change in changes_of(rehearsed)] == [["Jane Doe", "Jill"]]

    async def test_an_import_has_none(self, run: Run):
        await run([woo_product(1)])
        assert "changes" not in (await run([woo_product(1, price="9.00", **LATER)])).details

    async def test_it_is_what_the_import_does(self, run: Run, live_database: Database, email: str):
        first = [woo_product(n) for n in range(3)] + [woo_order(1, email=email), woo_customer(7, f"7{email}")]
        then = [woo_product(1, price="8.00", **LATER), woo_order(1, email=email, status="completed", **LATER),
                woo_order(2, email=email, total="free"), woo_customer(8, email)]  # fmt: skip
        await run(first)
        rehearsed = await run(then, dry_run=True)
        done = await run(then)
        for count in ("created", "updated", "merged", "unchanged", "skipped", "rejected"):
            assert getattr(rehearsed, f"records_{count}") == getattr(done, f"records_{count}"), count
        assert {**rehearsed.details, "changes": []} == {**done.details, "changes": []}

    async def test_statements_do_not_grow_with_the_records(self, run: Run, live_database: Database):
        counts = []
        sent: list[str] = []

        def record(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            sent.append(statement)

        event.listen(live_database.engine.sync_engine, "before_cursor_execute", record)
        for number in (3, 60):
            rows = [{"sku": f"N{number}-{n}", "product_name": f"Tea {n}", "price": "1.00"} for n in range(number)]
            await run(as_csv(*rows))
            sent.clear()
            await run(as_csv(*(row | {"price": "2.00"} for row in rows)), dry_run=True)
            counts.append(len(sent))
        event.remove(live_database.engine.sync_engine, "before_cursor_execute", record)
        assert counts[0] == counts[1]

    async def test_over_http(self, live_api: httpx.AsyncClient, live_database: Database, run: Run, website: str):
        await run([woo_product(1)])
        answer = await live_api.post(
            "/api/v1/imports",
            files={"file": ("p.json", as_ndjson(woo_product(1, price="9.00", **LATER)).encode())},
            data={"source_website": website, "dry_run": "true"},
        )
        await merge(live_database, answer.json()["id"])
        shown = (await live_api.get(answer.headers["Location"])).json()
        assert shown["dry_run"] is True
        assert shown["details"]["changes"] == [
            {"place": "record 1", "kind": "product", "key": "1", "fields": {"price": ["10.00", "9.00"]}}
        ]

    async def test_where_no_other_connection_is(self, ingest: Ingest):
        """Then there is nobody who sees the rows as they were."""
        await ingest([woo_product(1)])
        rehearsed = await ingest([woo_product(1, price="9.00", **LATER)], dry_run=True)
        assert (rehearsed.records_updated, changes_of(rehearsed)) == (1, [])


class TestNothingIsLeft:
    LEFT = ("imports", "import_rejects")

    async def test_but_the_report_and_its_rejects(self, run: Run, live_database: Database, email: str):
        await run([woo_product(1), woo_order(1, email=email)])
        async with live_database.reads() as session:
            tables = await session.scalars(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL(:left)"),
                {"left": list(self.LEFT)},
            )
            names = [f'"{name}"' for name in tables]
            before = await snapshot(session, *names)
            content = await read_content(session)
        rehearsed = await run(
            [woo_product(1, price="9.00", **LATER), woo_order(2, email=email), woo_order(3, total="free"), 7],
            dry_run=True,
            chunk_size=1,
        )
        async with live_database.reads() as session:
            assert await snapshot(session, *names) == before
            assert await read_content(session) == content
            statement = text("SELECT count(*) FROM import_rejects WHERE import_id = :id AND status = 'open'")
            assert await session.scalar(statement, {"id": rehearsed.id}) == rehearsed.records_rejected == 2

    async def test_of_a_website_never_seen(self, run: Run, live_database: Database, website: str):
        mapping = read_mapping('{"sku": "Code"}')
        content = as_csv({"Code": "TEA", "price": "1.00"})
        rehearsed = await run(content, dry_run=True, options=Options(mapping=mapping), keep_mapping=True)
        assert rehearsed.records_created == 1
        async with live_database.reads() as session:
            count = text("SELECT count(*) FROM websites WHERE name = :name")
            assert await session.scalar(count, {"name": website}) == 0

    async def test_of_a_mapping_kept_before(self, run: Run, live_database: Database, website: str):
        for name, dry_run in (("Code", False), ("Number", True)):
            mapping = Options(mapping=read_mapping(f'{{"sku": "{name}"}}'))
            await run(as_csv({name: "TEA", "price": "1.00"}), dry_run=dry_run, options=mapping, keep_mapping=True)
        async with live_database.reads() as session:
            kept = await session.scalar(text("SELECT mapping FROM websites WHERE name = :name"), {"name": website})
        assert kept == {"columns": {"sku": "Code"}}

    @pytest.mark.parametrize("chunk_size", [1, 1000])
    async def test_what_the_database_refuses_is_kept_as_a_reject(
        self, run: Run, live_database: Database, email: str, chunk_size: int
    ):
        row = {"order_number": "1", "email": email, "sku": "GOLD", "quantity": "90", "unit_price": "99999999.00"}
        await run(as_csv(row | {"order_number": "0", "quantity": "1"}))
        rows = [row | {"order_number": "0", "quantity": "2"}, row, row, row | {"order_number": "2", "quantity": "1"}]
        rehearsed = await run(as_csv(*rows), dry_run=True, chunk_size=chunk_size)
        assert (rehearsed.records_created, rehearsed.records_updated, rehearsed.records_rejected) == (1, 1, 1)
        assert [change["place"] for change in changes_of(rehearsed)] == ["row 2"]
        async with live_database.reads() as session:
            rejects = await session.execute(
                text("SELECT place, kind, reason FROM import_rejects WHERE import_id = :id"), {"id": rehearsed.id}
            )
            assert [tuple(reject) for reject in rejects] == [("row 3 to row 4", "order_key", "numeric field overflow")]
            orders = text("SELECT count(*) FROM orders WHERE source_website = :name")
            assert await session.scalar(orders, {"name": rehearsed.source_website}) == 1

    async def test_of_one_that_is_interrupted(
        self, run: Run, live_database: Database, write: Callable[[Any], Path], website: str,
        monkeypatch: pytest.MonkeyPatch,
    ):  # fmt: skip
        """It is rehearsed anew, and counts nothing twice."""

        class Interrupted(BaseException):
            pass

        content = as_csv(shopify_row(), shopify_row("#1002"), shopify_row("#1003", Total="free"))
        started = await stage(live_database, write(content), website, dry_run=True)

        def interrupt(_step: str, done: int, _of: int) -> None:
            if done == 1:
                raise Interrupted

        with pytest.raises(Interrupted):
            await merge(live_database, started.id, chunk_size=1, progress=interrupt)
        await loader.merge_import(live_database, started.id, chunk_size=1, default_currency="USD")
        finished = await read_import(live_database, started.id)
        assert (finished.records_created, finished.records_rejected) == (2, 1)
