"""Write a Shopify order export of any size: `python -m benchmarks.generate_orders orders.csv.gz --lines 5000000`.

The same seed and size give the same rows. Buyers and products are chosen by a power law, as shops have them: few of
them make most of the orders. Every total adds up.
"""

import argparse
import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import TextIO

_ADDRESS = ("Name", "Street", "Address1", "Address2", "Company", "City", "Zip", "Province", "Country", "Phone")
# The 79 columns of the export, in its order.
HEADER = (
    "Name", "Email", "Financial Status", "Paid at", "Fulfillment Status", "Fulfilled at", "Accepts Marketing",
    "Currency", "Subtotal", "Shipping", "Taxes", "Total", "Discount Code", "Discount Amount", "Shipping Method",
    "Created at", "Lineitem quantity", "Lineitem name", "Lineitem price", "Lineitem compare at price", "Lineitem sku",
    "Lineitem requires shipping", "Lineitem taxable", "Lineitem fulfillment status",
    *(f"Billing {part}" for part in _ADDRESS), *(f"Shipping {part}" for part in _ADDRESS),
    "Notes", "Note Attributes", "Cancelled at", "Payment Method", "Payment Reference", "Refunded Amount", "Vendor",
    "Outstanding Balance", "Employee", "Location", "Device ID", "Id", "Tags", "Risk Level", "Source",
    "Lineitem discount", *(f"Tax {number} {part}" for number in range(1, 6) for part in ("Name", "Value")), "Phone",
    "Receipt Number", "Duties", "Billing Province Name", "Shipping Province Name", "Payment ID", "Payment Terms Name",
    "Next Payment Due At", "Payment References",
)  # fmt: skip

FIRST_NAMES = ("Amina", "Jonas", "Wei", "Fatima", "Lucía", "Rahim", "Zoë", "Paul", "Nadia", "Søren", "Priya", "Tom")
LAST_NAMES = ("Khan", "Müller", "Chen", "García", "Rahman", "Smith", "Okafor", "Rossi", "Larsen", "Dubois", "Roy")
CITIES = (
    ("Dhaka", "1207", "Dhaka Division", "BD"),
    ("Leipzig", "04103", "", "DE"),
    ("Portland", "97201", "OR", "US"),
    ("Toronto", "M5V 2T6", "ON", "CA"),
    ("Valencia", "46001", "V", "ES"),
)
TITLES = ("Mug", "Tea towel", "Notebook", "Rain jacket", "Candle", "Backpack", "Poster", "Socks", "Lamp", "Kettle")
OPTIONS = ("Blue", "Red", "Small", "Large", "Blue / Small", "Red / Large")
START = datetime(2021, 1, 1, 8, tzinfo=UTC)
SECONDS_BETWEEN_ORDERS = 61
ANONYMOUS, CANCELLED, REFUNDED = 0.01, 0.02, 0.03  # shares of the orders


def generate_rows(
    seed: int = 0, *, consumers: int = 1_000, products: int = 200, rarity: float = 0.65
) -> Iterator[dict[str, str]]:
    """Rows of orders without end, one line item each: 1 to 6 an order, 2.1 on average.

    `rarity` is that of further lines: with 0.34 there are 3.0 on average.
    """
    random = Random(seed)  # noqa: S311 — made to be repeatable
    number = 0
    while True:
        number += 1
        yield from _generate_order(random, number, consumers, products, rarity)


def _generate_order(
    random: Random, number: int, consumers: int, products: int, rarity: float
) -> Iterator[dict[str, str]]:
    lines = [_generate_line(random, products) for _ in range(min(6, 1 + int(random.expovariate(rarity))))]
    subtotal = sum(cents * quantity for _, cents, quantity in lines)
    discount = subtotal // 10 if random.random() < 0.2 else 0
    shipping = random.choice((0, 490, 990))
    taxes = (subtotal - discount) // 5
    total = subtotal - discount + shipping + taxes
    refunded = total // 2 if random.random() < REFUNDED else 0
    created = f"{START + timedelta(seconds=number * SECONDS_BETWEEN_ORDERS):%Y-%m-%d %H:%M:%S} +0000"
    shipped = random.random() < 0.9
    order = {
        "Name": f"#{1000 + number}",
        "Financial Status": "partially_refunded" if refunded else "paid",
        "Paid at": created,
        "Fulfillment Status": "fulfilled" if shipped else "unfulfilled",
        "Fulfilled at": created if shipped else "",
        "Accepts Marketing": "no",
        "Currency": "USD",
        "Subtotal": _money(subtotal),
        "Shipping": _money(shipping),
        "Taxes": _money(taxes),
        "Total": _money(total),
        "Discount Code": "TEN" if discount else "",
        "Discount Amount": _money(discount),
        "Shipping Method": "Standard",
        "Created at": created,
        "Cancelled at": created if random.random() < CANCELLED else "",
        "Payment Method": "Shopify Payments",
        "Refunded Amount": _money(refunded),
        "Vendor": "Sailor",
        "Id": str(5_000_000_000_000 + number),
        "Risk Level": "Low",
        "Source": "web",
        "Tax 1 Name": "VAT 20%",
        "Tax 1 Value": _money(taxes),
        **_describe_consumer(random, consumers),
    }
    for product, cents, quantity in lines:
        yield order | {
            "Lineitem quantity": str(quantity),
            "Lineitem name": f"{TITLES[product % 10]} {product} - {OPTIONS[product % 6]}",
            "Lineitem price": _money(cents),
            "Lineitem sku": f"SKU-{product:06}",
            "Lineitem requires shipping": "true",
            "Lineitem taxable": "true",
            "Lineitem fulfillment status": "fulfilled" if shipped else "pending",
            "Lineitem discount": "0.00",
        }
        order = {"Name": order["Name"], "Email": order["Email"]}  # what further rows of an order repeat


def _generate_line(random: Random, products: int) -> tuple[int, int, int]:
    """A product, its price in cents, and how many."""
    product = int(products * random.random() ** 2.5)
    return product, 250 + product * 7919 % 20_000, 1 if random.random() < 0.8 else random.randint(2, 5)


def _describe_consumer(random: Random, consumers: int) -> dict[str, str]:
    if random.random() < ANONYMOUS:
        return {"Email": ""}
    consumer = int(consumers * random.random() ** 1.5)
    first, last = FIRST_NAMES[consumer % 12], LAST_NAMES[consumer // 12 % 11]
    city, postcode, province, country = CITIES[consumer % 5]
    street = f"{consumer % 400 + 1} Harbour Street"
    address = {
        "Name": f"{first} {last}", "Street": street, "Address1": street, "City": city, "Zip": f"'{postcode}",
        "Province": province, "Country": country, "Phone": f"'+1555{consumer:07}",
    }  # fmt: skip
    described = {f"{kind} {part}": value for kind in ("Billing", "Shipping") for part, value in address.items()}
    return described | {"Email": f"buyer{consumer}@example.com"}


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def write_orders(path: Path, lines: int, *, seed: int = 0, rarity: float = 0.65) -> None:
    """An export of so many rows below its header, gzipped where the name ends in .gz; the last order may be cut."""
    consumers, products = max(10, lines // 8), max(10, min(20_000, lines // 20))
    rows = generate_rows(seed, consumers=consumers, products=products, rarity=rarity)
    with _open(path) as file:
        writer = csv.DictWriter(file, HEADER, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(islice(rows, lines))


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "wt", compresslevel=3, encoding="utf-8", newline="")
    return path.open("w", encoding="utf-8", newline="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="where to write it; gzipped where the name ends in .gz")
    parser.add_argument("--lines", type=int, default=5_000_000, help="rows below the header (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    write_orders(given.file, given.lines, seed=given.seed)


if __name__ == "__main__":
    main()
