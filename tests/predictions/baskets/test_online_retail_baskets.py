"""How many of the products that were left out of real baskets are found again.

Online Retail II 2009-10 without returns, rows without a customer, rows that are not of a positive quantity and price,
and codes that are no goods; an invoice is a basket. What the first 80 % of the baskets tell is asked about those of the
last 20 % that hold 2 to 100 products. The hit rate at 10 is the share of questions whose answer is among the ten best:

- of a basket: each product in turn is left out, and the others are asked about;
- of one item: each product but the first is left out, and the one on the line before it is asked about.

Questions of a basket count as one, however large it is. No part of the preparation is drawn at random.
"""

import csv
import gzip
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database, driver_connection
from app.ingest.mapping import load_mapping
from app.predictions.baskets.counting import MOST_PRODUCTS, Refreshed, refresh
from app.predictions.baskets.service import bought_together, suggest_for_basket
from tests.builders import create_user
from tests.ingest.test_online_retail import RETAIL, needs_retail

Matrix = NDArray[np.float32]


@dataclass
class Log:
    """Baskets of products by their numbers from 0 on, in the order of time, the products in the order of lines."""

    skus: list[str]
    known: list[list[int]]
    asked: list[list[int]]


def read_log() -> Log:
    codes: Any = load_mapping("online_retail_ii").codes
    baskets: dict[tuple[str, str], dict[str, None]] = {}
    with gzip.open(RETAIL, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            code = row["StockCode"].strip()
            is_sale = int(row["Quantity"]) > 0 and float(row["Price"]) > 0 and not row["Invoice"].startswith("C")
            if is_sale and row["Customer ID"] and codes.find_rule(code) is None:
                baskets.setdefault((row["InvoiceDate"], row["Invoice"]), {})[code] = None
    numbers: dict[str, int] = {}
    ordered = [[numbers.setdefault(code, len(numbers)) for code in baskets[key]] for key in sorted(baskets)]
    cut = len(ordered) * 8 // 10
    asked = [basket for basket in ordered[cut:] if 2 <= len(basket) <= MOST_PRODUCTS]
    return Log(list(numbers), ordered[:cut], asked)


@pytest.fixture(scope="module")
def log() -> Log:
    return read_log()


def count_pairs(baskets: list[list[int]], products: int) -> tuple[int, csr_array]:
    """How many baskets are counted, and how many of them hold both products: by plain linear algebra.

    On the diagonal stands how many hold the one.
    """
    small = [basket for basket in baskets if len(basket) <= MOST_PRODUCTS]
    ends = np.cumsum([0, *map(len, small)])
    columns = np.concatenate([np.array(basket) for basket in small])
    held = csr_array((np.ones(ends[-1]), columns, ends), shape=(len(small), products))
    return len(small), csr_array(held.T @ held)


def score_pairs(baskets: int, counts: csr_array) -> tuple[Matrix, Matrix]:
    """The scores, and the lifts for comparison."""
    alone = counts.diagonal()
    pairs = counts.tocoo()
    a, b = pairs.coords
    lift = pairs.data * baskets / (alone[a] * alone[b])
    lift[a == b] = 0
    score = np.where(lift > 1, pairs.data / (alone[a] + 10) * np.log(np.maximum(lift, 1)), 0)
    dense = [csr_array((data, (a, b)), shape=counts.shape).toarray().astype(np.float32) for data in (score, lift)]
    return dense[0], dense[1]


def measure_baskets(ties: Matrix, baskets: list[list[int]]) -> float:
    """`ties` are added up."""
    rates = []
    for basket in baskets:
        left_out = ties[basket].sum(axis=0) - ties[basket]
        answers = left_out[np.arange(len(basket)), basket]
        left_out[:, basket] = -1
        rates.append(np.mean((answers > 1e-6) & ((left_out > answers[:, None]).sum(axis=1) < 10)))
    return float(np.mean(rates))


def measure_items(ties: Matrix, baskets: list[list[int]]) -> float:
    rates = []
    for basket in baskets:
        told = ties[basket[:-1]]
        answers = told[np.arange(len(basket) - 1), basket[1:]]
        rates.append(np.mean((answers > 0) & ((told > answers[:, None]).sum(axis=1) < 10)))
    return float(np.mean(rates))


async def fill(session: AsyncSession, skus: list[str], baskets: list[list[int]]) -> None:
    """The baskets as orders. Their ids and those of the products begin at 1."""
    user = await create_user(session)
    # Every id that is written exists: checking each would only cost time.
    await session.execute(text("SET LOCAL session_replication_role = replica"))
    driver = await driver_connection(session)
    rows = {
        "products (id, product_name, price, sku, source_website)": (
            (number + 1, sku, 1, sku, "retail") for number, sku in enumerate(skus)
        ),
        "orders (id, order_number, user_id, total_amount, status, source_website, currency)": (
            (number + 1, str(number), user.id, len(basket), "delivered", "retail", "GBP")
            for number, basket in enumerate(baskets)
        ),
        "order_details (order_id, product_id, unit_price, total_price)": (
            (number + 1, product + 1, 1, 1) for number, basket in enumerate(baskets) for product in basket
        ),
    }
    for table, values in rows.items():
        async with driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for row in values:
                await copy.write_row(row)
    await session.execute(text("ANALYZE products, orders, order_details"))


@needs_retail
def test_hit_rates(log: Log):
    score, lift = score_pairs(*count_pairs(log.known, len(log.skus)))
    of_basket, of_item = measure_baskets(score**2, log.asked), measure_items(score, log.asked)
    assert of_basket >= 0.30
    assert of_item >= 0.29
    # To add the scores themselves up finds less, and by lift alone next to nothing.
    assert of_basket > measure_baskets(score, log.asked) > 3 * measure_baskets(lift, log.asked)
    assert of_item > 2 * measure_items(lift, log.asked)


@needs_retail
async def test_the_database_counts_and_ranks_the_same(log: Log, session: AsyncSession, test_database: Database):
    known = log.known[-4000:]
    await fill(session, log.skus, known)
    baskets, counts = count_pairs(known, len(log.skus))
    assert await refresh(test_database) == Refreshed(orders_looked_at=len(known), baskets_changed=baskets)
    pairs = counts.tocoo()
    a, b = pairs.coords
    others = a != b
    expected = (int(others.sum()), int(pairs.data[others].sum()), int((pairs.data * (a + 1) * (b + 1))[others].sum()))
    statement = "SELECT count(*), sum(baskets), sum(baskets * product_id * other_id) FROM product_pairs"
    assert tuple((await session.execute(text(statement))).one()) == expected

    score, _ = score_pairs(baskets, counts)
    for basket in log.asked[::100]:
        strengths = np.sqrt((score[basket].astype(float) ** 2).sum(axis=0))
        strengths[basket] = 0
        items = (await suggest_for_basket(session, [number + 1 for number in basket], 10))["items"]
        assert [item["score"] for item in items] == pytest.approx(np.sort(strengths)[:-11:-1].tolist(), rel=1e-4)
        assert [strengths[item["product"]["id"] - 1] for item in items] == pytest.approx(
            [item["score"] for item in items], rel=1e-4
        )
        first = basket[0]
        items = (await bought_together(session, first + 1, 10))["items"]
        assert [item["score"] for item in items] == pytest.approx(
            [each for each in np.sort(score[first])[:-11:-1].tolist() if each > 0], rel=1e-4
        )
