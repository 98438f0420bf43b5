"""Memory stays flat: a file ten times as large needs no more of it."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from app.ingest.formats.grouping import CACHE_KIB
from app.ingest.loader import BATCH
from app.runtime import migrations
from tests.conftest import new_database
from tests.ingest.importing import measure_peak
from tests.ingest.payloads import shopify_line, shopify_row, woo_line, woo_order

MIB = 1024 * 1024
CHUNK_SIZE = 2_000
LINES_AN_ORDER = 5
ORDERS = BATCH + 200  # of the small file: enough to fill what is held at a time
# What the larger one may take more: Python's memory wanders by a few MiB from one process to the next.
ALLOWANCE = 16 * MIB
WIDE = "x" * 95


def write_shopify_export(path: Path, orders: int) -> None:
    def rows() -> Iterator[dict[str, str]]:
        for number in range(orders):
            name, email = f"#{number}", f"buyer{number % 500}@example.com"
            yield shopify_row(name, Email=email, Billing_Name="Jane Doe", Lineitem_sku=f"SKU-{number % 97}")
            yield from (shopify_line(name, Email=email) for _ in range(LINES_AN_ORDER - 1))

    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(shopify_row()))
        writer.writeheader()
        writer.writerows(rows())


def write_scattered_rows(path: Path, orders: int) -> None:
    """No two rows of one order stand together."""
    numbers = [*range(orders)] * LINES_AN_ORDER
    Random(3).shuffle(numbers)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["order_number", "email", "sku", "unit_price", "name", "address", "city", "note"])
        writer.writerows(
            [f"R-{n}", f"buyer{n % 500}@example.com", f"SKU-{n % 97}", "2.50", "Jane Doe", WIDE, WIDE, WIDE]
            for n in numbers
        )


def write_json_list(path: Path, orders: int) -> None:
    """One list in one line."""
    with path.open("wb") as file:
        for number in range(orders):
            order: dict[str, Any] = woo_order(
                number + 1,
                email=f"buyer{number % 500}@example.com",
                line_items=[woo_line(number % 97), woo_line(number % 89)],
                meta_data=["x" * 500],
            )
            file.write(b"," if number else b"[")
            file.write(orjson.dumps(order))
        file.write(b"]")


@pytest.mark.parametrize(
    ("write", "allowance"),
    [
        (write_shopify_export, ALLOWANCE),
        (write_scattered_rows, ALLOWANCE + CACHE_KIB * 1024),
        (write_json_list, ALLOWANCE),
    ],
)
def test_a_file_ten_times_as_large_needs_no_more_memory(
    server_url: str, tmp_path: Path, write: Callable[[Path, int], None], allowance: int
):
    peaks = []
    for factor in (1, 10):
        path = tmp_path / f"times-{factor}"
        write(path, ORDERS * factor)
        with new_database(server_url) as url:
            migrations.upgrade(url)
            peaks.append(measure_peak(url, path, "sailor", CHUNK_SIZE))
    small, large = peaks
    assert large - small < allowance, f"{large // MIB} MiB for the large file, {small // MIB} MiB for the small one"
