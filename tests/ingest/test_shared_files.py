"""The real files: exports and recorded answers, none of them ours. Skipped where they are not beside the checkout."""

import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.ingest.formats import find_format
from app.ingest.formats.base import Options
from app.ingest.mapping import load_mapping
from app.ingest.reading import SourceFile, UnreadableFile
from tests.ingest.conftest import LIMITS, SHARED, Ingest, Rows, merge, read_import, rolled_back, snapshot, stage

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the real files are not there (ECOMPREDICTOR_SHARED names their folder)"
)

Query = Callable[..., Awaitable[Rows]]
SHOPIFY = SHARED / "shopify_orders_csv"
RECORDED = SHARED / "woocommerce_recorded"
JSON = SHARED / "woocommerce_json"


def recorded_files() -> list[Path]:
    """One full state of the recorded store."""
    patterns = ("customers_p1.json", "products_p1.json", "variations_[0-9]*.json", "orders_p[1-5].json")
    return [path for pattern in (*patterns, "refunds_[0-9]*.json") for path in sorted(RECORDED.glob(pattern))]


async def totals(query: Query) -> dict[str, tuple[int, Decimal]]:
    rows = await query("SELECT currency, count(*) AS n, sum(total_amount) AS total FROM orders GROUP BY 1 ORDER BY 1")
    return {row["currency"]: (row["n"], row["total"]) for row in rows}


@pytest.mark.parametrize(
    ("name", "expected", "consumers"),
    [
        ("orders_export_devstore_eur.csv", {"EUR": (19, Decimal("14089.04"))}, 13),
        ("ltv_cohort_kit_orders_sample.csv", {"USD": (127, Decimal("15063.00"))}, None),
        ("ltv_cohort_kit_fixture_orders.csv", {"USD": (8, Decimal("995.00"))}, None),
    ],
)
async def test_shopify_order_exports(
    ingest: Ingest,
    query: Query,
    session: AsyncSession,
    name: str,
    expected: dict[str, tuple[int, Decimal]],
    consumers: int | None,
):
    job = await ingest(SHOPIFY / name)
    orders = sum(count for count, _ in expected.values())
    assert (job.format, job.records_read, job.records_created) == ("shopify_orders_csv", orders, orders)
    assert await totals(query) == expected
    (people,) = await query("SELECT count(*) AS n FROM users")
    assert consumers in {None, people["n"]}

    before = await snapshot(session)
    again = await ingest(SHOPIFY / name)
    assert again.records_unchanged == orders
    assert await snapshot(session) == before


class TestRecordedStore:
    async def test_it_has_the_figures_of_its_own_tables(self, ingest: Ingest, query: Query, session: AsyncSession):
        truth = json.loads((RECORDED / "truth.json").read_text())["values"]
        jobs = [await ingest(path) for path in recorded_files()]
        assert sum(job.records_rejected for job in jobs) == 0
        assert await totals(query) == {"BDT": (399, Decimal("795833.55")), "USD": (1, Decimal("1979.61"))}
        # The unfinished cart is no order.
        assert sum(job.details["skipped"].get("unfinished_cart", 0) for job in jobs) == 1
        assert Decimal(truth["sum_total_per_currency"]["BDT"]) - Decimal("15.80") == Decimal("795833.55")

        rows = await query("SELECT source_status, count(*) AS n, sum(total_amount) AS total FROM orders GROUP BY 1")
        kept = truth["orders_per_status"].keys() - {"trash", "checkout-draft"}
        assert {row["source_status"]: row["n"] for row in rows} == {
            status: truth["orders_per_status"][status] for status in kept
        }
        assert {row["source_status"]: str(row["total"]) for row in rows} == {
            status: truth["sum_total_per_status"][status] for status in kept
        }
        (refunded,) = await query(
            """
            SELECT sum(refunded_total) AS total, count(*) FILTER (WHERE refunded_total > 0) AS orders,
                count(*) FILTER (WHERE NOT reconciles) AS wrong FROM orders
            """
        )
        assert refunded["total"] == Decimal(truth["refunded_total"])
        assert refunded["wrong"] == 0
        (refunds,) = await query("SELECT count(*) AS n FROM source_records WHERE kind = 'refund'")
        assert refunds["n"] == truth["refunds_count"]

        (accounts,) = await query(
            "SELECT count(*) AS n FROM source_records WHERE kind = 'consumer' AND content_hash IS NOT NULL"
        )
        assert accounts["n"] == truth["users_all"]
        rows = await query(
            """
            SELECT s.external_id AS email, count(*) AS n FROM orders o JOIN source_records s
                ON s.kind = 'guest' AND s.user_id = o.user_id
            JOIN users u ON u.id = o.user_id WHERE u.type = 'guest' GROUP BY 1
            """
        )
        guests = {row["email"]: row["n"] for row in rows}
        expected = truth["guest_orders_by_email_lowercased"]
        assert {email: expected[email] for email in guests} == guests
        (anonymous,) = await query("SELECT count(*) AS n FROM source_records WHERE kind = 'anonymous'")
        assert anonymous["n"] in {truth["guest_orders_without_email"] - 1, truth["guest_orders_without_email"]}

        rows = await query(
            """
            SELECT to_char(placed_at AT TIME ZONE 'Asia/Dhaka', 'YYYY-MM') AS month, count(*) AS n FROM orders
            GROUP BY 1
            """
        )
        months = {row["month"]: row["n"] for row in rows}
        assert sum(months.values()) == 400
        assert months.items() <= truth["orders_per_local_month"].items() or (
            sum(truth["orders_per_local_month"][month] - n for month, n in months.items()) == 1
        )
        (lines,) = await query("SELECT count(*) AS n FROM order_details")
        assert truth["line_items_count"] - 2 <= lines["n"] <= truth["line_items_count"]

        before = await snapshot(session)
        for path in recorded_files():
            again = await ingest(path)
            assert again.records_unchanged + again.records_skipped + again.records_rejected == again.records_read
            assert again.details["skipped"].keys() <= {"unfinished_cart"}
        assert await snapshot(session) == before

    async def test_the_order_of_the_files_does_not_matter(self, database: Database):
        courses = []
        for seed in (1, 2, 3):
            files = recorded_files()
            random.Random(seed).shuffle(files)
            async with rolled_back(database) as other:
                for path in files:
                    started = await stage(other, path)
                    await merge(other, started.id)
                    assert (await read_import(other, started.id)).records_rejected == 0
                async with other.sessions() as session:
                    courses.append([(await session.execute(text(query))).all() for query in (_SUMS, _CONSUMERS)])
        (sums, consumers), *others = courses
        assert [tuple(row) for row in sums] == [
            ("BDT", 399, Decimal("795833.55"), Decimal("100817.84")),
            ("USD", 1, Decimal("1979.61"), Decimal(0)),
        ]
        assert len(consumers) == len({row.email for row in consumers})
        for other_sums, other_consumers in others:
            assert other_sums == sums
            assert other_consumers == consumers


_SUMS = """
    SELECT currency, count(*), sum(total_amount), sum(refunded_total) FROM orders GROUP BY 1 ORDER BY 1
"""
_CONSUMERS = """
    SELECT u.email, u.name, u.phone, u.type, count(o.id) AS orders, sum(o.total_amount) AS total
    FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.id ORDER BY u.email
"""


def json_files() -> list[Path]:
    return sorted(JSON.rglob("*.json")) if JSON.is_dir() else []


# Neither orders, consumers nor products, or no JSON at all.
REFUSED = {
    "order-with-line-item-attributes.json": "The file is not valid JSON: ",
    "order-statuses.json": "No known format is JSON with the keys slug, name, total.",
}


@pytest.mark.parametrize("path", json_files(), ids=lambda path: path.name)
async def test_woocommerce_answers_go_in_or_are_refused_with_a_sentence(ingest: Ingest, path: Path):
    if path.name in REFUSED:
        with pytest.raises(UnreadableFile, match=REFUSED[path.name]) as raised:
            await ingest(path)
        assert "\n" not in str(raised.value)
        return
    job = await ingest(path)
    assert job.records_created > 0
    assert job.records_rejected == (1 if path.name == "docs_customers.json" else 0)  # a customer's downloads
    again: Any = await ingest(path)
    assert again.records_unchanged + again.records_skipped + again.records_rejected == again.records_read


# Files of the stores and libraries that hold neither consumers, products nor orders.
NO_DATA = {
    "shopify_api_json": 13,  # checkouts, drafts, stock, locations, price rules, a schema, transactions, lone variants
    "woocommerce_recorded": 173,  # settings, webhooks' headers and subscriptions, errors, lists of ids, indexes
    "woocommerce_json": 2,
    "cdnow": 2,  # statistics made from the purchase log
}
SENTENCES = (
    "No known format is ",
    "This is an error that the store answered, and no data: ",
    "The file is empty.",
    "The file is not valid JSON: Expecting property name enclosed in double quotes: line 148 column 5",
)
MAPPED = {"CDNOW_sample.txt": "cdnow"}
# Read elsewhere, each row of it.
READ_ELSEWHERE = "online_retail_2009_2010.csv.gz"


def read_file(path: Path) -> Counter[str] | str:
    """How many items of each kind a file gives, without a database; or why it is refused."""
    options = Options(load_mapping(MAPPED[path.name]) if path.name in MAPPED else None)
    try:
        file = SourceFile(path, LIMITS)
        found, options = find_format(file, options)
        return Counter(type(item).__name__ for item in found.read(file, options))
    except UnreadableFile as error:
        return error.detail


def test_every_file_goes_in_or_is_refused_with_a_sentence():
    refused: Counter[str] = Counter()
    rejects: Counter[str] = Counter()
    for path in sorted(SHARED.rglob("*")):
        if not path.is_file() or path.name in {"README.md", "SOURCE.txt", "REFERENCE.json", READ_ELSEWHERE}:
            continue
        items = read_file(path)
        if isinstance(items, str):
            assert items.startswith(SENTENCES), (path, items)
            refused[path.relative_to(SHARED).parts[0]] += 1
            continue
        assert items["Parsed"] > 0 or items["Skipped"] > 0 or path.read_text().strip() == "[]", path
        rejects[path.name] = items["Rejected"]
    assert +rejects == {"docs_customers.json": 1}  # a list of a customer's downloads
    assert refused == NO_DATA


@pytest.mark.parametrize("folder", ["shopify_product_csv", "shopify_api_json", "woocommerce_product_csv"])
async def test_products_and_answers_go_in_once(ingest: Ingest, session: AsyncSession, folder: str):
    files = [path for path in sorted((SHARED / folder).iterdir()) if path.suffix in {".csv", ".json"}]
    taken = []
    for path in files:
        try:
            job = await ingest(path)
        except UnreadableFile:
            continue
        assert job.records_rejected == 0
        assert job.records_created > 0 or path.name != files[0].name
        taken.append(path)
    # Two files may hold one product: then the later has the say, and only it changes nothing when it comes again.
    before = await snapshot(session)
    again = await ingest(taken[-1])
    assert again.records_unchanged == again.records_read
    assert await snapshot(session) == before
