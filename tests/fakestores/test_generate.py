"""The generated store: the same for a seed, adding up, and behaving as its model says."""

import math
from collections import Counter
from decimal import Decimal
from random import Random
from statistics import fmean, quantiles
from typing import Any

import pytest

from app.ingest.formats import woocommerce_json
from app.ingest.records import Parsed, Skipped
from fakestores.clock import Clock
from fakestores.generate import UNTIL, Behaviour, _draw_orders, generate
from fakestores.model import Order
from fakestores.shop import Shop
from fakestores.woocommerce import payloads


@pytest.fixture(scope="module")
def generated() -> Shop:
    return generate(11, orders=1500, years=2)


def lives(shop: Shop) -> Counter[str]:
    """Orders by consumer, as far as an e-mail tells."""
    return Counter(order.email.lower() for order in shop.orders.values() if order.email)


def test_a_seed_gives_one_store():
    def tell(seed: int) -> str:
        shop = generate(seed, orders=300)
        return repr((shop.orders, shop.customers, shop.products))

    first, second, other = tell(5), tell(5), tell(6)
    assert first == second
    assert first != other


def test_what_is_asked_for(generated: Shop):
    assert len(generated.orders) == 1500
    assert len(generate(1, customers=200, years=1).customers) <= 200
    both = generate(1, customers=600, orders=1800, years=2)
    assert len(both.orders) == pytest.approx(1800, rel=0.15)
    dollars = generate(1, orders=50, currency="USD", time_zone="America/New_York", first_id=4_500_000_000_001)
    assert dollars.currency == "USD"
    assert min(dollars.orders) > 4_500_000_000_000


def test_ids_and_dates_ascend_together(generated: Shop):
    orders = list(generated.orders.values())
    assert [order.id for order in orders] == sorted(generated.orders)
    dates = [order.created_at for order in orders]
    assert dates == sorted(dates)
    assert dates[-1] < UNTIL
    for order in orders:
        assert order.created_at <= order.modified_at <= UNTIL
        for refund in order.refunds:
            assert order.created_at < refund.created_at <= UNTIL
    ids = [order.id for order in orders] + [refund.id for order in orders for refund in order.refunds]
    assert len(set(ids)) == len(ids)


def test_every_order_adds_up_in_what_is_served(generated: Shop):
    """Lines, shipping and fees with their taxes, as all the recorded orders do."""
    view = payloads.View(generated, "https://shop.example")
    for order in generated.orders.values():
        row = payloads.build_order(view, order)
        charged = [
            Decimal(line["total"]) + Decimal(line["total_tax"])
            for name in ("line_items", "shipping_lines", "fee_lines")
            for line in row[name]
        ]
        assert sum(charged) == Decimal(row["total"])
        assert Decimal(row["cart_tax"]) + Decimal(row["shipping_tax"]) == Decimal(row["total_tax"])
        discount = sum(Decimal(line["subtotal"]) - Decimal(line["total"]) for line in row["line_items"])
        assert discount == Decimal(row["discount_total"])
        paid_back = -sum(Decimal(refund["total"]) for refund in row["refunds"])
        assert 0 <= paid_back <= Decimal(row["total"])
        assert (row["status"] == "refunded") <= (paid_back == Decimal(row["total"]))


def test_everything_is_readable(generated: Shop):
    """By what reads a real store: nothing is rejected, and only unfinished carts are left out."""
    view = payloads.View(generated, "https://shop.example")
    orders = list(generated.orders.values())
    rows: list[tuple[str, Any]] = [("order", payloads.build_order(view, order)) for order in orders]
    rows += [("customer", payloads.build_customer(view, customer)) for customer in generated.customers.values()]
    rows += [("product", payloads.build_product(view, product)) for product in generated.products.values()]
    rows += [("variation", payloads.build_variation(view, each)) for each in generated.variations.values()]
    rows += [("refund", payloads.build_refund(view, order, each)) for order in orders for each in order.refunds]
    skipped = 0
    for kind, row in rows:
        assert woocommerce_json.find_kind(row) == kind
        item = woocommerce_json.parse_payload("1", kind, row)
        skipped += isinstance(item, Skipped)
        assert isinstance(item, Parsed | Skipped), item
    assert skipped == sum(order.status == "checkout-draft" for order in orders)


def test_nobody_real_is_addressed(generated: Shop):
    emails = [order.email for order in generated.orders.values()] + [c.email for c in generated.customers.values()]
    assert {email.rpartition("@")[2].lower() for email in emails} == {"", "example.com", "example.net", "example.org"}
    assert len({email.lower() for email in emails}) > 250


def test_the_mix(generated: Shop):
    orders = list(generated.orders.values())

    def share(test: Any) -> float:
        return fmean(bool(test(order)) for order in orders)

    assert share(lambda o: o.status == "completed") > 0.75
    assert 0.02 < share(lambda o: o.status == "cancelled") < 0.09
    assert 0.01 < share(lambda o: o.refunds) < 0.09
    assert 0.15 < share(lambda o: not o.customer_id) < 0.5
    assert 0.003 < share(lambda o: o.currency != "BDT") < 0.04
    assert {"pending", "on-hold", "processing", "failed", "refunded", "checkout-draft"} <= {o.status for o in orders}
    guests = Counter(order.email.lower() for order in orders if not order.customer_id and order.email)
    assert max(guests.values()) > 3
    assert any(order.email != order.email.lower() for order in orders)
    assert any(not order.email for order in orders)
    assert {product.status for product in generated.products.values()} > {"publish"}
    assert any(product.stock == 0 for product in generated.products.values())
    assert any(fee.total < 0 for order in orders for fee in order.fee_lines)


def test_best_sellers(generated: Shop):
    sales = sorted((product.total_sales for product in generated.products.values()), reverse=True)
    assert sum(sales[: len(sales) // 10]) > 0.35 * sum(sales)
    sold = sum(line.quantity for order in generated.orders.values() for line in order.lines)
    assert sum(sales) == sold


def test_seasons(generated: Shop):
    local = [order.created_at.astimezone(generated.time_zone) for order in generated.orders.values()]
    weekdays, hours = Counter(day.weekday() for day in local), Counter(day.hour for day in local)
    assert weekdays[4] > 1.3 * weekdays[6]
    assert hours[20] > 5 * hours[3]
    months = Counter(day.month for day in local)
    assert months[4] > months[2]


def mean_repeat_orders(b: Behaviour, weeks: float) -> float:
    """Equation 9 of the paper, with the hypergeometric function as its series."""
    z, total, term = weeks / (b.alpha + weeks), 0.0, 1.0
    for n in range(4000):
        total += term
        term *= (b.r + n) * (b.b + n) / ((b.a + b.b - 1 + n) * (n + 1)) * z
        if term < 1e-12:
            break
    unseen: float = (b.alpha / (b.alpha + weeks)) ** b.r * total
    return (b.a + b.b - 1) / (b.a - 1) * (1 - unseen)


@pytest.mark.parametrize(
    "behaviour", [Behaviour(), Behaviour(0.243, 4.414, 0.793, 2.426), Behaviour(2.0, 10.0, 3.0, 6.0)]
)
def test_consumers_come_back_as_the_model_says(behaviour: Behaviour):
    random, days, count = Random(1), 730, 8_000
    drawn = [_draw_orders(random, behaviour, days) for _ in range(count)]
    expected = fmean(mean_repeat_orders(behaviour, (days - orders[0]) / 7) for orders in drawn[:1000])
    observed = fmean(len(orders) - 1 for orders in drawn)
    assert observed == pytest.approx(expected, rel=0.1)
    assert all(orders == sorted(orders) and orders[-1] < days for orders in drawn)


def test_rates_differ_from_consumer_to_consumer(generated: Shop):
    counts = list(lives(generated).values())
    mean = fmean(counts)
    variance = fmean((count - mean) ** 2 for count in counts)
    assert variance > 2 * mean
    assert 0.3 < fmean(count == 1 for count in counts) < 0.75
    assert quantiles(counts, n=20)[-1] >= 6


def test_a_real_clock_for_a_demonstration():
    shop = generate(3, orders=20, clock=Clock())
    assert shop.now() != UNTIL
    order: Order = shop.place_order([(next(iter(shop.products)), 1)])
    assert order.id == max(shop.orders)
    assert math.isclose(order.created_at.timestamp(), shop.now().timestamp(), abs_tol=2)
