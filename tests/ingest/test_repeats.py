"""What is known to be unchanged without reading it: it has to become what reading it would have made of it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.ingest import repeats
from app.ingest.formats import shopify_csv
from app.ingest.formats.base import Options
from app.ingest.service import ImportRequest, stage_import
from tests.builders import unique
from tests.ingest.conftest import LIMITS, Ingest, Rows, merge, read_import, snapshot, stage
from tests.ingest.payloads import as_csv, shopify_line, shopify_row

Query = Callable[..., Awaitable[Rows]]
FIRST, SECOND = shopify_row("#1", Id="1"), shopify_row("#2", Id="2", Email="joe@example.com")
STATES = "SELECT order_number, status FROM orders ORDER BY order_number"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The numbers of the orders that were read, in their order."""
    numbers: list[str] = []
    build = shopify_csv._build_order

    def note(rows: list[dict[str, str]], notes: Any) -> Any:
        numbers.append(rows[0]["Name"])
        return build(rows, notes)

    monkeypatch.setattr(shopify_csv, "_build_order", note)
    return numbers


async def states(query: Query) -> dict[str, str]:
    return {row["order_number"]: row["status"] for row in await query(STATES)}


@pytest.mark.parametrize("chunk_size", [1, 1000])
async def test_a_file_again_is_not_read_again(ingest: Ingest, session: AsyncSession, built: list[str], chunk_size: int):
    content = as_csv(FIRST, shopify_line("#1"), SECOND)
    await ingest(content, chunk_size=chunk_size)
    before = await snapshot(session)
    assert built == ["#1", "#2"]
    again = await ingest(content, chunk_size=chunk_size)
    assert built == ["#1", "#2"]
    assert (again.records_read, again.records_unchanged) == (2, 2)
    assert again.details["kinds"] == {"order": {"unchanged": 2}}
    assert await snapshot(session) == before


async def test_what_has_changed_is_read(ingest: Ingest, query: Query, built: list[str]):
    await ingest(as_csv(FIRST, SECOND))
    built.clear()
    changed = SECOND | {"Fulfillment Status": "fulfilled"}
    job = await ingest(as_csv(FIRST, changed, shopify_row("#3", Id="3")))
    assert built == ["#2", "#3"]
    assert (job.records_unchanged, job.records_updated, job.records_created) == (1, 1, 1)
    assert await states(query) == {"#1": "confirmed", "#2": "shipped", "#3": "confirmed"}
    built.clear()
    await ingest(as_csv(FIRST, SECOND))  # back to what it was
    assert built == ["#2"]
    assert (await states(query))["#2"] == "confirmed"


async def test_behind_a_file_that_is_not_merged_yet(
    ingest: Ingest, query: Query, test_database: Database, write: Callable[[Any], Path]
):
    await ingest(as_csv(FIRST))
    newer = await stage(test_database, write(as_csv(FIRST | {"Fulfillment Status": "fulfilled"})))
    older_again = await stage(test_database, write(as_csv(FIRST)))
    for started, status in ((newer, "shipped"), (older_again, "confirmed")):
        await merge(test_database, started.id)
        assert await states(query) == {"#1": status}


async def test_beside_a_file_that_is_still_being_read(
    live_database: Database, write: Callable[[Any], Path], built: list[str]
):
    website = unique("shop")
    content = write(as_csv(FIRST))
    for _ in range(2):
        await merge(live_database, (await stage(live_database, content, website)).id)
    assert built == ["#1"]
    newer = ImportRequest(write(as_csv(FIRST | {"Total": "12.00"})), "newer", website)
    async with live_database.sessions.begin() as session:
        first = await stage_import(session, newer, LIMITS)
        last = await stage(live_database, content, website)  # begun and read to its end meanwhile
    assert built == ["#1", "#1", "#1"]
    for started in (first, last):
        await merge(live_database, started.id)
    assert (await read_import(live_database, last.id)).records_updated == 1


async def test_what_has_changed_since_it_was_read(
    ingest: Ingest, query: Query, test_database: Database, write: Callable[[Any], Path]
):
    await ingest(as_csv(FIRST, SECOND))
    started = await stage(test_database, write(as_csv(FIRST, SECOND)))
    await query(
        "UPDATE source_records SET content_hash = 'other' WHERE kind = 'order' AND external_id = '1' RETURNING id"
    )
    await merge(test_database, started.id)
    job = await read_import(test_database, started.id)
    assert (job.records_unchanged, job.details["skipped"]) == (1, {"stale": 1})


async def test_a_file_that_waits_leaves_its_hashes(
    ingest: Ingest, test_database: Database, write: Callable[[Any], Path], built: list[str]
):
    contents = [as_csv(FIRST), as_csv(SECOND)]
    for started in [await stage(test_database, write(content)) for content in contents]:
        await merge(test_database, started.id)
    built.clear()
    for content in contents:
        await ingest(content)
    assert built == []


async def test_a_column_that_nobody_reads(ingest: Ingest, session: AsyncSession, built: list[str]):
    await ingest(as_csv(FIRST))
    before = await snapshot(session, "orders", "order_details", "users")
    for _ in range(2):
        job = await ingest(as_csv(FIRST | {"Tags": "gift"}))
        assert job.records_unchanged == 1
    assert built == ["#1", "#1"]  # the second time it was known
    assert await snapshot(session, "orders", "order_details", "users") == before


async def test_of_an_order_that_stands_twice_the_last_wins(ingest: Ingest, query: Query, built: list[str]):
    shipped = FIRST | {"Fulfillment Status": "fulfilled"}
    content = as_csv(FIRST, SECOND, shipped)
    await ingest(content)
    built.clear()
    for chunk_size in (1, 1000):
        again = await ingest(content, chunk_size=chunk_size)
        assert (again.records_unchanged, again.records_skipped) == (2, 1)
        assert (await states(query))["#1"] == "shipped"
    assert built == ["#1", "#1"]  # its first state, which is not what it is
    backwards = await ingest(as_csv(shipped, SECOND, FIRST))
    assert (backwards.records_updated, backwards.records_unchanged, backwards.records_skipped) == (1, 1, 1)
    assert (await states(query))["#1"] == "confirmed"


@pytest.mark.parametrize("id", ["1", ""])
async def test_what_the_store_said_in_another_way_is_read(ingest: Ingest, query: Query, built: list[str], id: str):
    content = as_csv(FIRST | {"Id": id})
    await ingest(content)
    order = {
        "id": 1, "name": "#1", "currency": "USD", "total_price": "10.00", "financial_status": "paid",
        "fulfillment_status": "fulfilled", "created_at": "2025-02-01T10:00:00-04:00", "email": "jane@example.com",
        "line_items": [{"id": 9, "product_id": 4, "variant_id": 5, "title": "Mug", "quantity": 1, "price": "10.00"}],
    }  # fmt: skip
    await ingest({"orders": [order]})
    assert await states(query) == {"#1": "shipped"}
    overridden = await query(
        "SELECT said -> 'overridden_by' IS NOT NULL AS is_so FROM source_records WHERE kind = 'order_key'"
    )
    assert overridden == ([] if id else [{"is_so": True}])
    built.clear()
    await ingest(content)
    assert built == ["#1"]


async def test_a_deleted_order_is_read(ingest: Ingest, query: Query, built: list[str], session: AsyncSession):
    content = as_csv(FIRST)
    await ingest(content)
    await query("UPDATE source_records SET deleted_at = now() WHERE kind = 'order' RETURNING id")
    built.clear()
    await ingest(content)
    assert built == ["#1"]


async def test_a_status_set_here_holds(ingest: Ingest, query: Query, api: httpx.AsyncClient):
    content = as_csv(FIRST)
    await ingest(content)
    (order,) = await query("SELECT id FROM orders")
    assert (await api.patch(f"/api/v1/orders/{order['id']}", json={"status": "delivered"})).status_code == 200
    await ingest(content)
    assert await states(query) == {"#1": "delivered"}


@pytest.mark.parametrize("change", ["code", "options", "status map"])
async def test_what_is_read_in_another_way_is_read(
    ingest: Ingest, query: Query, built: list[str], monkeypatch: pytest.MonkeyPatch, change: str
):
    content = as_csv(FIRST)
    await ingest(content)
    built.clear()
    options: dict[str, Any] = {}
    if change == "code":
        monkeypatch.setattr(repeats, "_CODE", b"of another version")
    elif change == "options":
        options["options"] = Options(decimal_comma=True)
    else:
        await query("""UPDATE websites SET status_map = '{"paid, unfulfilled": "delivered"}' RETURNING name""")
    job = await ingest(content, **options)
    assert built == ["#1"]
    assert await states(query) == {"#1": "delivered" if change == "status map" else "confirmed"}
    assert job.records_unchanged == (change != "status map")


async def test_another_websites_file(ingest: Ingest, query: Query, built: list[str]):
    await ingest(as_csv(FIRST), "shop")
    await ingest(as_csv(FIRST), "sailor")
    assert built == ["#1", "#1"]
    assert len(await query("SELECT 1 FROM orders")) == 2


async def test_a_dry_run_foretells_it(ingest: Ingest, built: list[str]):
    await ingest(as_csv(FIRST, SECOND))
    built.clear()
    job = await ingest(as_csv(FIRST, SECOND), dry_run=True)
    assert (built, job.records_unchanged) == ([], 2)


async def test_nothing_is_kept_of_who_was_erased(ingest: Ingest, query: Query, api: httpx.AsyncClient):
    content = as_csv(FIRST, SECOND)
    await ingest(content)
    (jane,) = await query("SELECT id FROM users WHERE email = 'jane@example.com'")
    assert (await api.post(f"/api/v1/users/{jane['id']}/erase")).status_code == 200
    kept = "SELECT external_id FROM source_records WHERE payload_hash IS NOT NULL"
    assert await query(kept) == [{"external_id": "2"}]
    await ingest(content)
    assert await query(kept) == [{"external_id": "2"}]
    assert await query("SELECT 1 FROM users WHERE email = 'jane@example.com'") == []


def test_the_code_that_reads_is_hashed():
    assert len(repeats._CODE) == repeats.HASH_BYTES
    readers = {path.name for path in repeats.list_readers()}
    assert readers >= {"shopify_csv.py", "base.py", "spreadsheets.py", "values.py", "records.py", "loader.py"}
