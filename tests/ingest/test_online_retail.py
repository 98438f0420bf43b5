"""Two real logs by the mappings shipped for them, beside what the csv module and plain arithmetic make of the files."""

import csv
import gzip
import os
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.ingest.formats.base import Options
from app.ingest.mapping import load_mapping
from tests.ingest.conftest import SHARED, Ingest, Rows, snapshot

RETAIL = SHARED / "online_retail_ii_2009_2010" / "online_retail_2009_2010.csv.gz"
RETAIL_ROWS = int(os.environ.get("RETAIL_ROWS", "120000"))
CDNOW = SHARED / "cdnow" / "CDNOW_sample.txt"
SHIPPING, FEES = {"POST", "DOT", "C2", "C3"}, {"M", "ADJUST", "ADJUST2", "BANK CHARGES", "AMAZONFEE", "S"}
NO_SALE = {"B", "TEST001", "TEST002"}
RULES = {
    **dict.fromkeys(SHIPPING, "shipping"),
    **dict.fromkeys(FEES, "fee"),
    **dict.fromkeys(NO_SALE, "no_sale"),
    "D": "discount",
}

Query = Callable[..., Awaitable[Rows]]
needs_retail = pytest.mark.skipif(not RETAIL.is_file(), reason=f"{RETAIL.name} is not there (ECOMPREDICTOR_SHARED)")
needs_cdnow = pytest.mark.skipif(not CDNOW.is_file(), reason=f"{CDNOW.name} is not there (ECOMPREDICTOR_SHARED)")


def cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


@dataclass
class Sale:
    date: str
    sku: str
    quantity: int
    amount: Decimal


@dataclass
class Invoice:
    """By rule, the rows; `rows` counts them all."""

    customer: str
    date: str
    rows: Counter[str] = field(default_factory=Counter)
    sold: list[Sale] = field(default_factory=list)
    returned: list[Sale] = field(default_factory=list)
    charges: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> Decimal:
        charges = self.charges["shipping"] + self.charges["fee"] - self.charges["discount"]
        return sum((sale.amount for sale in self.sold), Decimal(0)) + charges

    @property
    def fate(self) -> str:
        if not self.sold and not any(self.charges.values()):
            return "return" if self.returned else "no_sale"
        return "rejected" if self.total < 0 else "order"


def read_invoices(rows: Iterable[dict[str, str]]) -> dict[str, Invoice]:
    found: dict[str, Invoice] = {}
    for row in rows:
        number, code, quantity = row["Invoice"], row["StockCode"].strip(), int(row["Quantity"])
        customer = row["Customer ID"].removesuffix(".0")
        invoice = found.setdefault(number, Invoice(customer, row["InvoiceDate"]))
        sale = Sale(row["InvoiceDate"], code, quantity, cents(quantity * Decimal(row["Price"])))
        rule = RULES.get(code.upper(), "taken")
        if number.upper().startswith("C") or quantity <= 0:
            rule = "return"
            invoice.returned.append(sale)
        elif rule == "taken":
            invoice.sold.append(sale)
        elif rule != "no_sale":
            invoice.charges[rule] += sale.amount  # type: ignore[assignment]
        invoice.rows[rule] += 1
    return found


def book_returns(invoices: dict[str, Invoice]) -> tuple[dict[str, Decimal], int]:
    """What is refunded of each order, and how many returns find no purchase.

    All that is asked of an order's lines of one product is granted up to what those come to.
    """
    bought: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for number, invoice in invoices.items():
        if invoice.fate == "order" and invoice.customer:
            for sale in invoice.sold:
                bought[invoice.customer, sale.sku][number] += sale.amount
    asked: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    homeless = 0
    for invoice in invoices.values():
        for sale in invoice.returned if invoice.fate != "rejected" else ():
            is_product = sale.sku.upper() not in RULES
            earlier = [
                (invoices[other].date, other)
                for other in bought.get((invoice.customer, sale.sku), ())
                if invoices[other].date < sale.date
            ]
            if not (is_product and earlier):
                homeless += 1
                continue
            asked[max(earlier)[1], invoice.customer, sale.sku] += abs(sale.amount)
    refunded: dict[str, Decimal] = defaultdict(Decimal)
    for (number, customer, sku), amount in asked.items():
        refunded[number] += min(amount, bought[customer, sku][number])
    return {number: amount for number, amount in refunded.items() if amount}, homeless


def open_retail() -> Iterable[dict[str, str]]:
    with gzip.open(RETAIL, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def write_part(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def by_rule(invoices: Iterable[Invoice]) -> Counter[str]:
    """The rows by what becomes of them: an order that is rejected takes its rows with it."""
    rows: Counter[str] = Counter()
    for invoice in invoices:
        rows.update({"rejected": invoice.rows.total()} if invoice.fate == "rejected" else invoice.rows)
    return rows


async def read_orders(query: Query) -> dict[str, tuple[Decimal, int]]:
    """Total and number of lines."""
    rows = await query(
        """
        SELECT order_number, total_amount, (SELECT count(*) FROM order_details d WHERE d.order_id = o.id) AS lines
        FROM orders o
        """
    )
    return {row["order_number"]: (row["total_amount"], row["lines"]) for row in rows}


@needs_retail
async def test_the_year(ingest: Ingest, query: Query, tmp_path: Path):
    """Its first quarter; all of it, which takes minutes, with RETAIL_ROWS=525461."""
    rows = list(islice(open_retail(), RETAIL_ROWS))
    file = write_part(tmp_path / "part.csv", rows)
    invoices = read_invoices(rows)
    fates = Counter(invoice.fate for invoice in invoices.values())
    orders = {number: invoice for number, invoice in invoices.items() if invoice.fate == "order"}
    sales = [(number, sale) for number, invoice in orders.items() for sale in invoice.sold]

    job = await ingest(file, options=Options(load_mapping("online_retail_ii")), chunk_size=2000)
    assert job.details["lines"] == dict(by_rule(invoices.values()))
    assert sum(job.details["lines"].values()) == RETAIL_ROWS
    assert (job.records_created, job.records_rejected) == (len(orders), fates["rejected"])
    assert job.details["skipped"] == {"return": fates["return"], "no_sale": fates["no_sale"]}
    assert job.records_read == len(invoices)
    assert job.details["ignored_columns"] == []

    assert await read_orders(query) == {
        number: (invoice.total, len(invoice.sold)) for number, invoice in orders.items()
    }
    (totals,) = await query(
        """
        SELECT sum(total_amount) AS total, bool_and(reconciles) AS reconciles, array_agg(DISTINCT currency) AS currency,
            array_agg(DISTINCT status) AS status, sum(shipping_total) AS shipping, sum(fee_total) AS fees,
            sum(refunded_total) AS refunded
        FROM orders
        """
    )
    assert totals == {
        "total": sum(invoice.total for invoice in orders.values()),
        "reconciles": True,
        "currency": ["GBP"],
        "status": ["delivered"],
        "shipping": sum(invoice.charges["shipping"] for invoice in orders.values()),
        "fees": sum(invoice.charges["fee"] for invoice in orders.values()),
        "refunded": Decimal(0),
    }
    kept = await query(
        """
        SELECT o.order_number, p.sku, d.quantity, d.total_price, count(*) AS times
        FROM order_details d JOIN orders o ON o.id = d.order_id JOIN products p ON p.id = d.product_id
        GROUP BY 1, 2, 3, 4
        """
    )
    given = Counter((number, sale.sku, sale.quantity, sale.amount) for number, sale in sales)
    assert max(given.values()) > 1  # equal rows, each a line
    assert {
        (row["order_number"], row["sku"], row["quantity"], row["total_price"]): row["times"] for row in kept
    } == given
    (people,) = await query(
        """
        SELECT count(*) FILTER (WHERE kind = 'anonymous') AS guests, count(*) FILTER (WHERE kind = 'consumer') AS known
        FROM source_records WHERE kind IN ('anonymous', 'consumer')
        """
    )
    customers = {invoice.customer for invoice in orders.values()} - {""}
    assert people == {
        "guests": sum(not invoice.customer for invoice in orders.values()),
        "known": len(customers),
    }
    ids = await query("SELECT external_id FROM source_records WHERE kind = 'consumer'")
    assert {row["external_id"] for row in ids} == customers


@needs_retail
async def test_returns_of_the_first_weeks(ingest: Ingest, query: Query, session: AsyncSession, tmp_path: Path):
    rows = list(islice(open_retail(), 25_000))
    part = write_part(tmp_path / "part.csv", rows)
    invoices = read_invoices(rows)
    refunded, homeless = book_returns(invoices)
    assert len(refunded) > 30
    options = Options(load_mapping("online_retail_ii"), returns="refund")

    job = await ingest(part, options=options, chunk_size=1500)
    assert job.details["lines"] == dict(by_rule(invoices.values()))
    returned = sum(invoice.rows["return"] for invoice in invoices.values() if invoice.fate != "rejected")
    assert job.details["kinds"]["return"] == {"created": returned - homeless, "return_without_purchase": homeless}
    found = await query("SELECT order_number, refunded_total FROM orders WHERE refunded_total <> 0")
    assert {row["order_number"]: row["refunded_total"] for row in found} == refunded

    before = await snapshot(session)
    again = await ingest(part, options=options, chunk_size=1500)
    assert again.details["kinds"]["return"] == {"unchanged": returned - homeless, "return_without_purchase": homeless}
    assert (again.records_created, again.records_updated) == (0, 0)
    assert await snapshot(session) == before


@needs_cdnow
async def test_cdnow(ingest: Ingest, query: Query):
    rows = [line.split() for line in CDNOW.read_text().splitlines()]
    options = Options(load_mapping("cdnow"))
    job = await ingest(CDNOW, options=options)
    assert (len(rows), job.records_created, job.details["lines"]) == (6919, 6919, {"taken": 6919})
    (totals,) = await query(
        """
        SELECT count(*) AS orders, count(DISTINCT user_id) AS customers, sum(total_amount) AS total,
            count(*) FILTER (WHERE total_amount = 0) AS free, array_agg(DISTINCT currency) AS currency
        FROM orders
        """
    )
    free = sum(Decimal(row[4]) == 0 for row in rows)
    assert totals == {
        "orders": 6919, "customers": 2357, "total": Decimal("244091.94"), "free": free, "currency": ["USD"],
    }  # fmt: skip
    found = await query(
        """
        SELECT s.external_id AS customer, to_char(o.placed_at AT TIME ZONE 'UTC', 'YYYYMMDD') AS day, d.quantity,
            d.total_price
        FROM orders o JOIN order_details d ON d.order_id = o.id
        JOIN source_records s ON s.user_id = o.user_id AND s.kind = 'consumer'
        """
    )
    assert Counter(tuple(row.values()) for row in found) == Counter(
        (customer, day, int(pieces), Decimal(dollars)) for customer, _, day, pieces, dollars in rows
    )
    assert (await ingest(CDNOW, options=options)).records_unchanged == 6919


def test_the_shipped_rules_are_those_of_this_test() -> None:
    codes: Any = load_mapping("online_retail_ii").codes
    assert {code: codes.find_rule(code) for code in RULES} == RULES
    assert codes.find_rule("PADS") is codes.find_rule("gift_0001_10") is None
