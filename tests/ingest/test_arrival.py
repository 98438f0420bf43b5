"""The order of arrival does not matter: one website's records, in any order and any split into files, end the same.

Left out of the comparison are our ids, the times of writing, what links remember of a record's content, the letter case
of addresses (of two spellings the first is kept), and which of two products of one website holds a SKU that both claim:
the other's is told apart by `~`.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from tests.ingest.conftest import merge, read_content, read_import, rolled_back, stage
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
    woo_variation,
)

Payload = dict[str, Any]
Files = Sequence[str]

EMAILS = st.sampled_from(["a@example.com", "B@example.com", "c@example.com", ""])
NAMES = st.sampled_from(["Jane", "Ann", "জেন", ""])
CITIES = st.sampled_from(["", "Dhaka", "DHAKA", "Sylhet"])
DATES = [f"2025-0{month}-01T00:00:00" for month in range(1, 10)]
PRICES = st.sampled_from(["0.00", "4.00", "9.99", "10.00"])

# What two courses of things may differ in.
_LINKS = """
    SELECT s.source_website, s.kind, s.external_id, u.email, split_part(p.sku, '~', 1) AS sku, o.order_number,
        s.deleted_at IS NULL AS lives
    FROM source_records s LEFT JOIN users u ON u.id = s.user_id LEFT JOIN products p ON p.id = s.product_id
    LEFT JOIN orders o ON o.id = s.order_id
"""


async def read_outcome(session: AsyncSession) -> dict[str, list[str]]:
    content = await read_content(session)
    content["addresses"] = sorted(row.lower() for row in content["addresses"])
    for name in ("products", "lines"):
        content[name] = sorted(re.sub(r"~[^']*'", "'", row) for row in content[name])
    content["links"] = sorted(str(tuple(row)) for row in await session.execute(text(_LINKS)))
    return content


async def run_course(database: Database, folder: Path, files: Files, chunk_size: int) -> dict[str, list[str]]:
    """What the tables hold after these files."""
    async with rolled_back(database) as other:
        for number, content in enumerate(files):
            path = folder / f"file-{number}"
            path.write_text(content)
            started = await stage(other, path)
            await merge(other, started.id, chunk_size=chunk_size)
            assert (await read_import(other, started.id)).records_rejected == 0
        async with other.sessions() as session:
            return await read_outcome(session)


async def assert_same(database: Database, folder: Path, courses: Sequence[tuple[Files, int]]) -> None:
    for files, size in courses:
        note(f"by {size}: " + "\n  then ".join(files))
    if not courses:
        return
    first, *others = [await run_course(database, folder, files, size) for files, size in courses if files]
    for other in others:
        for name, rows in first.items():
            assert (sorted(set(other[name]) - set(rows)), sorted(set(rows) - set(other[name]))) == ([], []), name
            assert len(other[name]) == len(rows), name


def split(draw: st.DrawFn, records: list[Any], write: Any) -> Files:
    """The records in an order of their own, cut into files."""
    shuffled = draw(st.permutations(records))
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(shuffled) - 1)), max_size=3)))
    return [write(shuffled[start:end]) for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)
            if shuffled[start:end]]  # fmt: skip


def courses(write: Any, records: list[Any], draw: st.DrawFn) -> list[tuple[Files, int]]:
    sizes = st.sampled_from([1, 2, 100])
    return [([write(records)], 100), *((split(draw, records, write), draw(sizes)) for _ in range(2))]


# WooCommerce's REST answers: every record has an id, and one version.


def woo_lines(draw: st.DrawFn, products: int) -> list[Payload]:
    """Of products known by id, and of deleted ones, known by SKU or name alone."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        product = draw(st.integers(0, products))
        named = draw(st.integers(1, products + 1))
        sku = draw(st.sampled_from(["", f"S{named}"]))
        found.append(
            woo_line(product, draw(st.integers(1, 3)), draw(PRICES), sku=sku, name=f"Product {named}")
            if product == 0
            else woo_line(product, draw(st.integers(1, 3)), draw(PRICES), sku=f"S{product}", name=f"Product {product}")
        )
    return found


@st.composite
def woo_shops(draw: st.DrawFn) -> list[tuple[Files, int]]:
    records: list[Payload] = []
    for id in draw(st.sets(st.integers(1, 3))):
        email, billing = draw(EMAILS), draw(EMAILS)
        address = woo_address(email=billing, first_name=draw(NAMES), last_name="", city=draw(CITIES))
        records.append(woo_customer(id, email, first_name=draw(NAMES), last_name="", billing=address))
    for id in draw(st.sets(st.integers(1, 3))):
        shared = draw(st.sampled_from([f"Product {id}", "Product 1"]))
        sku = draw(st.sampled_from([f"S{id}", ""]))
        records.append(woo_product(id, name=shared, sku=sku, price=draw(PRICES), regular_price=""))
    if draw(st.booleans()):
        records.append(woo_variation(5, 1, sku="", price=draw(st.sampled_from(["", "3.00"])), regular_price=""))
    dates = iter(draw(st.permutations(DATES)))
    for id in draw(st.sets(st.integers(10, 13))):
        date = next(dates)
        refunds = [{"id": id * 10, "total": "-1.00"}] if draw(st.booleans()) else []
        records.append(
            woo_order(
                id,
                number=draw(st.sampled_from([str(id), "same"])),
                customer_id=draw(st.integers(0, 3)),
                billing=woo_address(email=draw(EMAILS), first_name=draw(NAMES), last_name="", city=draw(CITIES)),
                line_items=woo_lines(draw, 3),
                refunds=refunds,
                date_created_gmt=date,
                date_modified_gmt=date,
            )
        )
        for number in draw(st.sets(st.integers(0, 1))):
            created = draw(st.sampled_from(["2025-01-01T12:00:00", "2025-12-01T12:00:00"]))
            records.append(woo_refund(id * 10 + number, id, "1.00", date_created_gmt=created))
    return courses(json.dumps, records or [woo_product(1)], draw)


# Shopify's exports: no ids; the files are of one kind each.


@st.composite
def shopify_shops(draw: st.DrawFn) -> list[tuple[Files, int]]:
    titles = ["Mug", "Plate", "Towel"]
    products = [
        {"Handle": f"h{number}", "Title": draw(st.sampled_from(titles)), "Option1 Name": "Title",
         "Option1 Value": "Default Title", "Variant SKU": draw(st.sampled_from(["", f"K{number}"])),
         "Variant Price": draw(PRICES), "Status": "active"}
        for number in draw(st.sets(st.integers(1, 3)))
    ]  # fmt: skip
    customers = [
        {"First Name": draw(NAMES), "Last Name": "", "Email": email, "Total Spent": "0", "City": draw(CITIES)}
        for email in draw(st.sets(st.sampled_from(["a@example.com", "b@example.com"])))
    ]
    dates = iter(draw(st.permutations(DATES)))
    orders = [
        shopify_row(
            f"#{number}", Email=draw(EMAILS), Billing_Name=draw(NAMES), Billing_City=draw(CITIES),
            Created_at=next(dates) + "Z", Lineitem_name=draw(st.sampled_from(titles)),
            Lineitem_sku=draw(st.sampled_from(["", "", "K1", "K2"])),
            Lineitem_price=draw(st.sampled_from(["4.00", "5.00", ""])),
        )
        for number in draw(st.sets(st.integers(1, 4)))
    ]  # fmt: skip

    kinds = (products, customers, orders)

    def course() -> Files:
        files = [file for rows in kinds if rows for file in split(draw, rows, lambda some: as_csv(*some))]
        return list(draw(st.permutations(files)))

    sizes = st.sampled_from([1, 2, 100])
    return [(course(), draw(sizes)) for _ in range(3)] if any(kinds) else []


# A website's own NDJSON, with and without ids, the kinds mixed.


@st.composite
def generic_shops(draw: st.DrawFn) -> list[tuple[Files, int]]:
    ids = draw(st.booleans())
    records: list[Payload] = [
        ({"customer_id": str(number)} if ids else {})
        | {"email": f"{'abc'[number - 1]}@example.com", "name": draw(NAMES), "city": draw(CITIES)}
        for number in draw(st.sets(st.integers(1, 3)))
    ]
    for number in draw(st.sets(st.integers(1, 3))):
        product = {"sku": f"S{number}", "product_name": draw(st.sampled_from(["Mug", "Plate"])), "price": draw(PRICES)}
        records.append(product | ({"product_id": str(number)} if ids else {}))
    dates = iter(draw(st.permutations(DATES)))
    for number in draw(st.sets(st.integers(1, 4))):
        lines = [
            draw(
                st.sampled_from([{"sku": f"S{n}"}, {"product_name": "Mug"}, {"product_name": "Plate", "sku": f"S{n}"}])
            )
            | draw(st.sampled_from([{}, {"unit_price": "5.00"}]))
            for n in draw(st.lists(st.integers(1, 4), min_size=1, max_size=2))
        ]
        account = {"customer_id": str(draw(st.integers(1, 3)))} if ids and draw(st.booleans()) else {}
        records.append(
            {"order_number": f"R-{number}", "placed_at": next(dates), "email": draw(EMAILS), "name": draw(NAMES),
             "city": draw(CITIES), "lines": lines, "status": "paid"} | account
        )  # fmt: skip
    return courses(lambda chosen: as_ndjson(*chosen), records or [{"email": "a@example.com"}], draw)


SETTINGS = settings(
    max_examples=12,
    deadline=None,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@SETTINGS
@given(courses=woo_shops())
async def test_woocommerce_answers(database: Database, tmp_path: Path, courses: list[tuple[Files, int]]):
    await assert_same(database, tmp_path, courses)


@SETTINGS
@given(courses=shopify_shops())
async def test_shopify_exports(database: Database, tmp_path: Path, courses: list[tuple[Files, int]]):
    await assert_same(database, tmp_path, courses)


@SETTINGS
@given(courses=generic_shops())
async def test_generic_records(database: Database, tmp_path: Path, courses: list[tuple[Files, int]]):
    await assert_same(database, tmp_path, courses)
