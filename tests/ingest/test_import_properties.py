"""What holds for any records of a website: importing twice changes nothing, and every ledger adds up."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.database import Database
from tests.ingest.conftest import merge, read_import, rolled_back, snapshot, stage
from tests.ingest.payloads import woo_address, woo_customer, woo_line, woo_order, woo_product, woo_refund, woo_variation

IDS = st.integers(1, 4)
CENTS = st.integers(0, 5_000)
EMAILS = st.sampled_from(["a@example.com", "B@example.com", "c@example.com ", "", "nobody"])
NAMES = st.sampled_from(["Jane", "জেন", "", "J\x00"])
SKUS = st.sampled_from(["A", "B", "", None])
DATES = st.sampled_from(["2025-01-01T00:00:00", "2025-02-01T00:00:00", "2025-02-01T00:00:01"])


def money(cents: int) -> str:
    return f"{Decimal(cents) / 100:.2f}"


@st.composite
def addresses(draw: st.DrawFn) -> dict[str, Any]:
    cities = st.sampled_from(["", "Dhaka", "DHAKA", "Sylhet"])
    return woo_address(email=draw(EMAILS), first_name=draw(NAMES), last_name="", city=draw(cities))


@st.composite
def lines(draw: st.DrawFn) -> dict[str, Any]:
    product = draw(st.integers(0, 4))
    return woo_line(product, draw(st.integers(1, 3)), money(draw(CENTS)), sku=draw(SKUS), name=f"Product {product}")


@st.composite
def orders(draw: st.DrawFn) -> dict[str, Any]:
    """An order whose total may be off by a cent."""
    sold = draw(st.lists(lines(), max_size=3))
    parts = {name: draw(CENTS) for name in ("shipping_total", "total_tax")}
    fee, wrong = draw(st.integers(-500, 500)), draw(st.sampled_from([0, 0, 1]))
    total = sum(int(Decimal(line["subtotal"]) * 100) for line in sold) + sum(parts.values()) + fee + wrong
    refunds = draw(st.lists(st.builds(lambda id, c: {"id": id, "total": f"-{money(c)}"}, IDS, CENTS), max_size=1))
    # Refund ids are the store's own, so one belongs to one order.
    order = draw(IDS)
    return woo_order(
        order,
        number=draw(st.sampled_from([str(order), "same"])),
        customer_id=draw(st.integers(0, 2)),
        billing=draw(addresses()),
        line_items=sold,
        fee_lines=[{"total": f"{Decimal(fee) / 100:.2f}"}],
        refunds=[refund | {"id": order * 10 + refund["id"]} for refund in refunds],
        status=draw(st.sampled_from(["pending", "processing", "completed", "refunded", "checkout-draft", "own"])),
        date_modified_gmt=draw(DATES),
        total=f"{Decimal(total) / 100:.2f}",
        **{name: money(cents) for name, cents in parts.items()},
    )


RECORDS = st.lists(
    st.one_of(
        orders(),
        st.builds(
            lambda id, email, name, date, billing: woo_customer(
                id, email, first_name=name, date_modified_gmt=date, billing=billing
            ),
            st.integers(1, 2), EMAILS, NAMES, DATES, addresses(),
        ),
        st.builds(
            lambda id, sku, cents, date: woo_product(id, sku=sku, price=money(cents), date_modified_gmt=date),
            IDS, SKUS, CENTS, DATES,
        ),
        st.builds(lambda id, parent, sku: woo_variation(id, parent, sku=sku), st.integers(5, 6), IDS, SKUS),
        st.builds(lambda order, id, cents: woo_refund(order * 10 + id, order, money(cents)), IDS, IDS, CENTS),
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip

_LEDGER = """
    SELECT o.order_number, o.reconciles, o.total_amount = coalesce(sum(d.total_price), 0) - o.discount_total
        + o.shipping_total + o.fee_total + CASE WHEN o.tax_included THEN 0 ELSE o.tax_total END AS adds_up
    FROM orders o LEFT JOIN order_details d ON d.order_id = o.id GROUP BY o.id
"""
_BROKEN = {
    "orders without consumer or with a foreign product": """
        SELECT 1 FROM order_details d JOIN orders o ON o.id = d.order_id JOIN products p ON p.id = d.product_id
        WHERE o.source_website <> p.source_website
    """,
    "refunds that are not the sum of the living ones": """
        SELECT 1 FROM orders o LEFT JOIN source_records s ON s.order_id = o.id AND s.kind = 'refund'
            AND s.deleted_at IS NULL
        GROUP BY o.id HAVING o.refunded_total <> coalesce(sum((s.said ->> 'amount')::numeric), 0)
    """,
    "consumers with an address twice": """
        SELECT 1 FROM user_addresses GROUP BY user_id, lower(country), lower(city), district, lower(address)
        HAVING count(*) > 1
    """,
    "accounts that are one row": """
        SELECT 1 FROM source_records WHERE kind = 'consumer' GROUP BY user_id HAVING count(*) > 1
    """,
    "products that are one row": """
        SELECT 1 FROM source_records WHERE kind = 'product' GROUP BY product_id HAVING count(*) > 1
    """,
}


# Not shrunk: that takes imports by the hundred.
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(records=RECORDS, chunk_size=st.sampled_from([1, 3, 100]))
async def test_importing_twice(database: Database, tmp_path: Path, records: list[Any], chunk_size: int):
    path = tmp_path / "records.json"
    path.write_text(json.dumps(records))
    async with rolled_back(database) as other:
        first = await stage(other, path)
        await merge(other, first.id, chunk_size=chunk_size)
        assert (await read_import(other, first.id)).records_rejected == 0
        async with other.sessions() as session:
            before = await snapshot(session)
            for order in await session.execute(text(_LEDGER)):
                assert order.reconciles == order.adds_up, order
            for what, statement in _BROKEN.items():
                assert (await session.execute(text(statement))).all() == [], what
        again = await stage(other, path)
        await merge(other, again.id, chunk_size=chunk_size)
        report = await read_import(other, again.id)
        assert (report.records_created, report.records_updated, report.records_rejected) == (0, 0, 0)
        async with other.sessions() as session:
            assert await snapshot(session) == before
