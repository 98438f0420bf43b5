"""What a mutation does to a store, whichever platform serves it."""

from decimal import Decimal

import pytest

from fakestores.clock import Clock
from fakestores.model import Order
from fakestores.shop import Shop
from tests.fakestores.conftest import NOON


@pytest.fixture
def order(shop: Shop) -> Order:
    product = shop.add_product("Shirt", "100.10")
    return shop.place_order([(product.id, 3), shop.line(product.id, 1, discount="20")], shipping_total="60")


def test_the_clock():
    clock = Clock(NOON)
    assert clock() == NOON
    assert (clock.advance(90) - NOON).total_seconds() == 90
    clock.set(NOON)
    assert clock() == NOON
    running = Clock()
    running.advance(-3600)
    assert (NOON.now(NOON.tzinfo) - running()).total_seconds() == pytest.approx(3600, abs=2)


def test_the_total_is_the_sum_of_rounded_parts(order: Order):
    assert order.discount == Decimal("20.00")
    assert order.cart_tax == Decimal("22.52") + Decimal("6.01")
    assert order.shipping_tax == Decimal("4.50")
    assert order.total == Decimal("300.30") + Decimal("80.10") + Decimal("60") + order.total_tax


def test_dates_of_statuses(shop: Shop, order: Order):
    assert order.paid_at == NOON
    assert order.completed_at is None
    shop.clock.advance(60)
    shop.set_order_status(order.id, "completed")
    completed = order.completed_at
    assert completed == order.modified_at == shop.now()
    shop.clock.advance(60)
    shop.set_order_status(order.id, "cancelled")
    assert (order.paid_at, order.completed_at, order.cancelled_at) == (NOON, completed, shop.now())


def test_the_same_status_moves_nothing_but_is_told(shop: Shop, order: Order):
    shop.clock.advance(60)
    before = len(shop.events)
    shop.set_order_status(order.id, "processing")
    assert order.modified_at == NOON
    assert len(shop.events) == before + 1


def test_refunds(shop: Shop, order: Order):
    total, (line, _) = order.total, order.lines
    shop.clock.advance(60)
    refund = shop.refund_order(order.id, lines={line.id: 2}, reason="Torn")
    assert refund.amount == Decimal("200.20") + Decimal("15.02")
    assert (order.status, order.total, order.modified_at) == ("processing", total, shop.now())
    with pytest.raises(ValueError, match="Invalid refund amount"):
        shop.refund_order(order.id, total)
    shop.refund_order(order.id)
    assert (order.status, order.refunded) == ("refunded", total)


def test_the_status_refunded_writes_a_refund_without_lines(shop: Shop, order: Order):
    shop.set_order_status(order.id, "refunded")
    (refund,) = order.refunds
    assert (refund.amount, refund.lines, refund.reason) == (order.total, (), "Order fully refunded.")
    empty = shop.place_order([], status="pending")
    shop.set_order_status(empty.id, "refunded")
    assert empty.refunds == ()


@pytest.mark.parametrize(("silent", "moved"), [(True, 0), (False, 60), (None, 0)])
def test_edits_of_money(shop: Shop, order: Order, silent: bool | None, moved: int):
    shop.clock.advance(60)
    first = order.lines[0].id
    shop.edit_order(order.id, quantities={first: 1}, silent=silent)
    assert order.lines[0].total == Decimal("100.10")
    assert (order.modified_at - NOON).total_seconds() == moved
    shop.remove_line(order.id, first, silent=silent)
    assert len(order.lines) == 1


def test_the_trash_and_back(shop: Shop, order: Order):
    shop.clock.advance(60)
    shop.trash_order(order.id)
    assert (order.status, order.modified_at) == ("trash", shop.now())
    assert shop.live_orders() == []
    shop.restore_order(order.id)
    assert order.status == "processing"


def test_a_completed_order_makes_a_paying_customer(shop: Shop):
    jane = shop.add_customer("jane@example.com")
    shop.clock.advance(60)
    order = shop.place_order([], customer=jane)
    assert jane.modified_at == NOON
    shop.set_order_status(order.id, "completed")
    assert (jane.is_paying, jane.modified_at) == (True, shop.now())


def test_sales_move_the_date_of_counted_stock_only(shop: Shop):
    counted, free = shop.add_product("A", stock=3), shop.add_product("B")
    shop.clock.advance(60)
    shop.place_order([(counted.id, 2), (free.id, 2)])
    assert (counted.stock, counted.modified_at) == (1, shop.now())
    assert (free.total_sales, free.modified_at) == (2, NOON)


@pytest.mark.parametrize(("silent_edits", "moved"), [(True, False), (False, True)])
def test_looking_at_an_order(shop: Shop, order: Order, silent_edits: bool, moved: bool):
    shop.silent_edits = silent_edits
    shop.clock.advance(60)
    shop.view_order(order.id)
    assert (order.modified_at > NOON) == moved


def test_every_mutation_is_an_event_and_a_new_revision(shop: Shop, order: Order):
    before = shop.revision
    shop.set_order_status(order.id, "completed")
    shop.trash_order(order.id)
    shop.force_delete_order(order.id)
    assert shop.revision == before + 3
    assert [event.action for event in shop.events][-3:] == ["updated", "trashed", "deleted"]
    assert [event.number for event in shop.events] == list(range(1, len(shop.events) + 1))
