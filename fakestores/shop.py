"""One store in memory, and everything that can happen to it.

Each mutation does to dates what the real platform does to them, appends what happened to `Shop.events`, and may be
called while requests are served, from whichever thread: requests and mutations take the same lock.
"""

import functools
import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any, Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from fakestores.clock import Clock
from fakestores.model import (
    DRAFTS,
    ZERO,
    Address,
    CouponLine,
    Customer,
    Event,
    FeeLine,
    Line,
    Order,
    Product,
    Refund,
    RefundLine,
    Resource,
    ShippingLine,
    Variation,
    cents,
)

P = ParamSpec("P")
T = TypeVar("T")

Amount = Decimal | int | str
Sellable = Product | Variation

_PAID = frozenset({"processing", "completed"})
_TAKES_STOCK = frozenset({"processing", "completed", "on-hold"})


def _mutation(method: "Callable[Concatenate[Shop, P], T]") -> "Callable[Concatenate[Shop, P], T]":
    """Under the lock, and with a new revision, by which the apps know that what they kept is of yesterday."""

    @functools.wraps(method)
    def changed(self: "Shop", /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self.lock:
            self.revision += 1
            return method(self, *args, **kwargs)

    return changed


def slugify(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "item"


class Shop:
    """The content of one store. `orders`, `customers` and `products` are by id, in ascending order of it.

    With `silent_edits` a change of money, e-mail or customer leaves `modified_at` of an order where it is, as a
    WooCommerce store does that keeps orders as posts; the apps set it to what their platform does. `first_id` gives
    ids the size they have on the platform: Shopify's need 64 bits.
    """

    def __init__(
        self,
        name: str = "Test shop",
        *,
        currency: str = "BDT",
        time_zone: str = "Asia/Dhaka",
        clock: Clock | None = None,
        tax_rate: Amount = "0.075",
        silent_edits: bool = True,
        first_id: int = 1,
    ) -> None:
        self.name = name
        self.currency = currency
        self.time_zone = ZoneInfo(time_zone)
        self.clock = clock or Clock()
        self.tax_rate = Decimal(tax_rate)
        self.silent_edits = silent_edits
        self.first_id = first_id
        self.orders: dict[int, Order] = {}
        self.customers: dict[int, Customer] = {}
        self.products: dict[int, Product] = {}
        self.variations: dict[int, Variation] = {}
        self.events: list[Event] = []
        self.custom_statuses: dict[str, str] = {"ready-pickup": "Ready for pickup"}
        self.revision = 0
        self.lock = threading.RLock()
        # As in WordPress: orders, refunds, products and variations are numbered together, people and lines apart.
        self.post_ids = count(first_id)
        self.person_ids = count(first_id)
        self.item_ids = count(first_id)
        self._event_numbers = count(1)

    @property
    def now(self) -> Callable[[], datetime]:
        return self.clock

    def record(self, resource: Resource, action: str, id: int, *, parent_id: int = 0, status: str = "") -> None:
        """Append an event; the mutations do it themselves."""
        self.events.append(Event(next(self._event_numbers), self.now(), resource, action, id, parent_id, status))

    def events_after(self, number: int) -> list[Event]:
        """Those that came after the one of that number."""
        return self.events[bisect_right(self.events, number, key=lambda event: event.number) :]

    def find_sellable(self, id: int) -> Sellable | None:
        return self.variations.get(id) or self.products.get(id)

    # Customers

    @_mutation
    def add_customer(
        self,
        email: str,
        first_name: str = "",
        last_name: str = "",
        *,
        billing: Address | None = None,
        shipping: Address | None = None,
        role: str = "customer",
    ) -> Customer:
        now = self.now()
        billing = billing or Address(first_name=first_name, last_name=last_name)
        customer = Customer(
            id=next(self.person_ids),
            email=email,
            first_name=first_name,
            last_name=last_name,
            created_at=now,
            modified_at=now,
            billing=billing,
            shipping=shipping or replace(billing, phone=""),
            role=role,
        )
        self.customers[customer.id] = customer
        self.record("customer", "created", customer.id)
        return customer

    @_mutation
    def update_customer(self, /, id: int, **changes: Any) -> Customer:
        customer = self.customers[id]
        _assign(customer, changes)
        customer.modified_at = self.now()
        self.record("customer", "updated", id)
        return customer

    @_mutation
    def delete_customer(self, id: int) -> None:
        """Their orders become a guest's, with the same e-mail and the same dates, and nobody is told."""
        del self.customers[id]
        for order in self.orders.values():
            if order.customer_id == id:
                order.customer_id = 0
        self.record("customer", "deleted", id)

    # Products

    @_mutation
    def add_product(
        self,
        /,
        name: str,
        price: Amount | None = "10.00",
        *,
        sku: str = "",
        stock: int | None = None,
        variations: Sequence[Mapping[str, Any]] = (),
        **details: Any,
    ) -> Product:
        """`variations` are what `add_variation` takes: `[{"options": {"Color": "Red"}, "price": "12.00"}]`."""
        now = self.now()
        id = next(self.post_ids)
        product = Product(id, name, slugify(name), sku, _price(price), now, now, stock=stock, **details)
        self.products[id] = product
        self.record("product", "created", id)
        for wanted in variations:
            self.add_variation(id, **wanted)
        return product

    @_mutation
    def update_product(self, /, id: int, **changes: Any) -> Product:
        product = self.products[id]
        _assign(product, changes)
        product.modified_at = self.now()
        self.record("product", "updated", id)
        return product

    @_mutation
    def trash_product(self, id: int) -> None:
        product = self.products[id]
        product.status, product.modified_at = "trash", self.now()
        self.record("product", "trashed", id)

    @_mutation
    def restore_product(self, id: int) -> None:
        product = self.products[id]
        product.status, product.modified_at = "publish", self.now()
        self.record("product", "restored", id)

    @_mutation
    def delete_product(self, id: int) -> None:
        """For good. Old lines lose its id and SKU without a change of their order's dates."""
        for variation in self.products[id].variations:
            del self.variations[variation.id]
        del self.products[id]
        self.record("product", "deleted", id)

    @_mutation
    def add_variation(
        self,
        product_id: int,
        options: Mapping[str, str],
        price: Amount | None = "10.00",
        *,
        sku: str = "",
        stock: int | None = None,
    ) -> Variation:
        now = self.now()
        id = next(self.post_ids)
        variation = Variation(id, product_id, tuple(options.items()), sku, _price(price), now, now, stock=stock)
        self.variations[id] = variation
        self.products[product_id].variations.append(variation)
        self.products[product_id].modified_at = now
        self.record("product", "created", id, parent_id=product_id)
        return variation

    @_mutation
    def update_variation(self, /, id: int, **changes: Any) -> Variation:
        """Moves the dates of both the variation and its product."""
        variation = self.variations[id]
        _assign(variation, changes)
        self._touch_sellable(variation)
        return variation

    @_mutation
    def delete_variation(self, id: int) -> None:
        """Old lines then show the product's id and SKU in its place."""
        variation = self.variations.pop(id)
        product = self.products[variation.product_id]
        product.variations.remove(variation)
        product.modified_at = self.now()
        self.record("product", "deleted", id, parent_id=product.id)
        self.record("product", "updated", product.id)

    def _touch_sellable(self, sellable: Sellable) -> None:
        sellable.modified_at = self.now()
        if isinstance(sellable, Variation):
            product = self.products[sellable.product_id]
            product.modified_at = sellable.modified_at
            self.record("product", "updated", sellable.id, parent_id=product.id)
            self.record("product", "updated", product.id)
        else:
            self.record("product", "updated", sellable.id)

    # Orders

    def line(
        self,
        sellable_id: int,
        quantity: int = 1,
        *,
        price: Amount | None = None,
        discount: Amount = ZERO,
    ) -> Line:
        """A line of a product or variation at its price of today; `discount` is of the whole line."""
        sellable = self.find_sellable(sellable_id)
        if sellable is None:
            raise KeyError(f"no product or variation {sellable_id}")
        variation = sellable if isinstance(sellable, Variation) else None
        product = self.products[variation.product_id] if variation else self.products[sellable_id]
        unit = _price(price) if price is not None else sellable.current_price
        subtotal = cents((unit or ZERO) * quantity)
        name = f"{product.name} - {', '.join(value for _, value in variation.options)}" if variation else product.name
        return Line(
            id=next(self.item_ids),
            name=name,
            product_id=product.id,
            variation_id=variation.id if variation else 0,
            quantity=quantity,
            subtotal=subtotal,
            total=subtotal - Decimal(discount),
            sku=sellable.sku or product.sku,
            options=variation.options if variation else (),
            virtual=product.virtual,
        )

    @_mutation
    def place_order(
        self,
        lines: Sequence[Line | tuple[int, int]],
        *,
        customer: Customer | None = None,
        email: str = "",
        billing: Address | None = None,
        shipping: Address | None = None,
        status: str = "processing",
        currency: str | None = None,
        exchange_rate: Amount = 1,
        shipping_total: Amount | None = None,
        fees: Mapping[str, Amount] | None = None,
        coupons: Mapping[str, Amount] | None = None,
        tax_rate: Amount | None = None,
        note: str = "",
        created_via: str = "checkout",
        is_test: bool = False,
        meta: tuple[tuple[str, Any], ...] = (),
    ) -> Order:
        """Lines as `shop.line` makes them, or pairs of an id and a quantity.

        The discount of `coupons` is what the lines' own `discount` says; the mapping only names who gave it.
        """
        now = self.now()
        ordered = tuple(self.line(*line) if isinstance(line, tuple) else line for line in lines)
        billing = billing or (customer.billing if customer else Address())
        id = next(self.post_ids)
        order = Order(
            id=id,
            number=str(id),
            status="pending",
            currency=currency or self.currency,
            customer_id=customer.id if customer else 0,
            email=email or (customer.email if customer else ""),
            created_at=now,
            modified_at=now,
            lines=ordered,
            billing=billing,
            shipping=shipping or (customer.shipping if customer else replace(billing, phone="")),
            tax_rate=self.tax_rate if tax_rate is None else Decimal(tax_rate),
            exchange_rate=Decimal(exchange_rate),
            note=note,
            created_via=created_via,
            is_test=is_test,
            meta=meta,
        )
        if shipping_total is not None:
            order.shipping_lines = (ShippingLine(next(self.item_ids), "Flat rate", cents(Decimal(shipping_total))),)
        order.fee_lines = tuple(
            FeeLine(next(self.item_ids), name, cents(Decimal(total))) for name, total in (fees or {}).items()
        )
        order.coupon_lines = tuple(
            CouponLine(next(self.item_ids), code, cents(Decimal(given))) for code, given in (coupons or {}).items()
        )
        self.orders[id] = order
        self.record("order", "created", id, status=status)
        self._enter_status(order, status)
        if status in _TAKES_STOCK:
            self._take_stock(order)
        return order

    def _take_stock(self, order: Order) -> None:
        for line in order.lines:
            product = self.products.get(line.product_id)
            sellable = self.variations.get(line.variation_id) or product
            if product is None or sellable is None:
                continue
            # The count of sales moves no date; a counted stock does.
            product.total_sales += line.quantity
            if sellable.stock is not None:
                sellable.stock -= line.quantity
                self._touch_sellable(sellable)

    def _enter_status(self, order: Order, status: str) -> None:
        now = self.now()
        order.status = status
        if status in _PAID and order.paid_at is None and not _is_virtual(order):
            order.paid_at = now
        if status == "completed" and order.completed_at is None:
            order.completed_at = now
            self._mark_paying(order.customer_id)
        if status in {"cancelled", "failed"} and order.cancelled_at is None:
            order.cancelled_at = now
        if status == "refunded" and (remaining := order.total - order.refunded) > 0:
            # What WooCommerce writes by itself: the money without a word about which goods.
            refund = Refund(next(self.post_ids), remaining, now, "Order fully refunded.")
            order.refunds = (*order.refunds, refund)

    def _mark_paying(self, customer_id: int) -> None:
        customer = self.customers.get(customer_id)
        if customer is not None and not customer.is_paying:
            self.update_customer(customer_id, is_paying=True)

    @_mutation
    def set_order_status(self, id: int, status: str) -> Order:
        """The same status again moves no date, but is told all the same."""
        order = self.orders[id]
        if status != order.status:
            self._enter_status(order, status)
            order.modified_at = self.now()
        self.record("order", "updated", id, status=status)
        return order

    @_mutation
    def edit_order(
        self,
        id: int,
        *,
        quantities: Mapping[int, int] | None = None,
        add: Sequence[Line | tuple[int, int]] = (),
        shipping_total: Amount | None = None,
        fees: Mapping[str, Amount] | None = None,
        email: str | None = None,
        customer_id: int | None = None,
        billing: Address | None = None,
        note: str | None = None,
        meta: tuple[tuple[str, Any], ...] | None = None,
        silent: bool | None = None,
    ) -> Order:
        """An edit of the order's content; `quantities` are by the lines' ids.

        With `silent` its date does not move, which is the default of a store with `silent_edits`; a changed note
        moves it in every store, and every edit is told by a webhook.
        """
        order = self.orders[id]
        if quantities:
            order.lines = tuple(_requantified(line, quantities.get(line.id, line.quantity)) for line in order.lines)
        order.lines += tuple(self.line(*line) if isinstance(line, tuple) else line for line in add)
        if shipping_total is not None:
            kept = order.shipping_lines[0].id if order.shipping_lines else next(self.item_ids)
            order.shipping_lines = (ShippingLine(kept, "Flat rate", cents(Decimal(shipping_total))),)
        if fees is not None:
            order.fee_lines = tuple(FeeLine(next(self.item_ids), n, cents(Decimal(t))) for n, t in fees.items())
        order.email = order.email if email is None else email
        order.customer_id = order.customer_id if customer_id is None else customer_id
        order.billing = billing or order.billing
        order.meta = order.meta if meta is None else meta
        silent = self.silent_edits if silent is None else silent
        if not silent or note is not None:
            order.note = order.note if note is None else note
            order.modified_at = self.now()
        self.record("order", "updated", id)
        return order

    @_mutation
    def remove_line(self, id: int, line_id: int, *, silent: bool | None = None) -> Order:
        order = self.orders[id]
        order.lines = tuple(line for line in order.lines if line.id != line_id)
        return self.edit_order(id, silent=silent)

    @_mutation
    def refund_order(
        self,
        id: int,
        amount: Amount | None = None,
        *,
        lines: Mapping[int, int] | None = None,
        reason: str = "",
    ) -> Refund:
        """`lines` are quantities by line id; without an amount they, or else all that is left, are paid back.

        The order's total and lines stay as they are. When nothing is left, its status becomes refunded.
        """
        order = self.orders[id]
        wanted = lines or {}
        back = [_refunded(line, wanted[line.id], next(self.item_ids)) for line in order.lines if line.id in wanted]
        if amount is None:
            amount = sum((b.total + order.tax_of(b.total) for b in back), ZERO) or order.total - order.refunded
        paid = cents(Decimal(amount))
        if paid > order.total - order.refunded:
            raise ValueError("Invalid refund amount.")
        now = self.now()
        refund = Refund(next(self.post_ids), paid, now, reason, tuple(back))
        order.refunds = (*order.refunds, refund)
        order.modified_at = now
        if order.refunded == order.total and paid:
            order.status = "refunded"
        self.record("order", "refunded", id, status=order.status)
        return refund

    @_mutation
    def delete_refund(self, id: int, refund_id: int) -> None:
        """Moves no date, and no webhook tells of it."""
        order = self.orders[id]
        order.refunds = tuple(refund for refund in order.refunds if refund.id != refund_id)
        self.record("order", "refund_deleted", id)

    @_mutation
    def trash_order(self, id: int) -> None:
        order = self.orders[id]
        order.status_before_trash, order.status, order.modified_at = order.status, "trash", self.now()
        self.record("order", "trashed", id)

    @_mutation
    def restore_order(self, id: int) -> Order:
        order = self.orders[id]
        order.status, order.status_before_trash = order.status_before_trash, ""
        order.modified_at = self.now()
        self.record("order", "restored", id)
        return order

    @_mutation
    def force_delete_order(self, id: int) -> None:
        """Without a trace, and WooCommerce tells nobody."""
        del self.orders[id]
        self.record("order", "deleted", id)

    @_mutation
    def view_order(self, id: int) -> None:
        """Opened in the admin screens: newer stores then move the date of an order in which nothing changed."""
        if not self.silent_edits:
            self.orders[id].modified_at = self.now()
        self.record("order", "viewed", id)

    # What reconciliation asks

    def live_orders(self) -> list[Order]:
        """All but the trashed ones and unfinished carts."""
        return [order for order in self.orders.values() if order.status not in DRAFTS | {"trash"}]


def _price(price: Amount | None) -> Decimal | None:
    return None if price is None else Decimal(price)


def _assign(row: Any, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        setattr(row, name, _price(value) if name in {"price", "sale_price"} else value)


def _is_virtual(order: Order) -> bool:
    return bool(order.lines) and all(line.virtual for line in order.lines)


def _requantified(line: Line, quantity: int) -> Line:
    if quantity == line.quantity:
        return line
    share = Decimal(quantity) / line.quantity
    return replace(line, quantity=quantity, subtotal=cents(line.subtotal * share), total=cents(line.total * share))


def _refunded(line: Line, quantity: int, id: int) -> RefundLine:
    return RefundLine(id, line.id, quantity, cents(line.total * quantity / line.quantity))
