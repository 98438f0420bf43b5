"""Which rows a request is about, and in which order it gets them."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from fakestores.model import Customer, Order, Product, Variation
from fakestores.shop import Shop
from fakestores.woocommerce.params import Boundary, Params

Row = TypeVar("Row", Order, Product, Variation, Customer)
Dated = TypeVar("Dated", Order, Product, Variation)

CORE_STATUSES = {
    "pending": "Pending payment",
    "processing": "Processing",
    "on-hold": "On hold",
    "completed": "Completed",
    "cancelled": "Cancelled",
    "refunded": "Refunded",
    "failed": "Failed",
}
_PRODUCT_STATUSES = ("any", "future", "trash", "draft", "pending", "private", "publish")
_PRODUCT_TYPES = ("simple", "grouped", "external", "variable")
_ORDERINGS = ("date", "id", "include", "title", "slug", "modified")
_DIRECTIONS = ("asc", "desc")


@dataclass(frozen=True, slots=True)
class Paging:
    page: int
    per_page: int
    offset: int

    @classmethod
    def read(cls, params: Params) -> "Paging":
        page = params.integer("page", 1, least=1)
        per_page = params.integer("per_page", 10, least=1, most=100)
        offset = params.integer("offset", (page - 1) * per_page, least=0)
        return cls(page, per_page, offset)

    def count_pages(self, total: int) -> int:
        return -(-total // self.per_page)


@dataclass(frozen=True, slots=True)
class Ordering:
    by: str
    descending: bool
    included: tuple[int, ...]
    is_unstable: bool
    """Rows of one second come in another order on every page, as MySQL does it with a sort that names no tie-break."""

    @classmethod
    def read(
        cls, params: Params, *, by: str = "date", direction: str = "desc", allowed: Sequence[str] = _ORDERINGS
    ) -> "Ordering":
        chosen = params.word("orderby", by, allowed)
        descending = params.word("order", direction, _DIRECTIONS) == "desc"
        return cls(chosen, descending, tuple(params.ids("include")), is_unstable=False)

    def sort(self, rows: list[Row], keys: dict[str, Callable[[Row], Any]], offset: int) -> list[Row]:
        if self.by == "include":
            places = {id: place for place, id in enumerate(self.included)}
            return sorted(rows, key=lambda row: places.get(row.id, -1))
        if self.by == "id":
            # Rows are kept in the order of their ids.
            return rows[::-1] if self.descending else rows
        key = keys[self.by]
        if self.is_unstable and self.by == "modified":
            return sorted(rows, key=lambda row: (key(row), _shuffled(row.id, offset)), reverse=self.descending)
        return sorted(rows, key=lambda row: (key(row), row.id), reverse=self.descending)


def _shuffled(id: int, offset: int) -> int:
    return zlib.crc32(f"{id}/{offset}".encode())


@dataclass(frozen=True, slots=True)
class Window:
    """`after`, `before` and their `modified_` twins."""

    after: Boundary | None
    before: Boundary | None
    modified_after: Boundary | None
    modified_before: Boundary | None

    @classmethod
    def read(cls, params: Params) -> "Window":
        names = ("after", "before", "modified_after", "modified_before")
        return cls(*(params.boundary(name) for name in names))

    def filter(self, rows: list[Dated], shop: Shop) -> list[Dated]:
        rows = _between(rows, lambda row: row.created_at, self.after, self.before, shop)
        return _between(rows, lambda row: row.modified_at, self.modified_after, self.modified_before, shop)


def _between(
    rows: list[Row], date: Callable[[Row], datetime], after: Boundary | None, before: Boundary | None, shop: Shop
) -> list[Row]:
    zone = shop.time_zone
    if after is not None:
        rows = [row for row in rows if after.is_before(date(row), zone)]
    if before is not None:
        rows = [row for row in rows if before.is_after(date(row), zone)]
    return rows


def _chosen(rows: list[Row], params: Params) -> list[Row]:
    included, excluded = set(params.ids("include")), set(params.ids("exclude"))
    if included:
        rows = [row for row in rows if row.id in included]
    if excluded:
        rows = [row for row in rows if row.id not in excluded]
    return rows


# Orders


def list_statuses(shop: Shop) -> dict[str, str]:
    """The names of all a store's order statuses by their slugs."""
    return CORE_STATUSES | shop.custom_statuses | {"checkout-draft": "Draft"}


def filter_orders(shop: Shop, params: Params) -> list[Order]:
    allowed = ("any", "trash", "auto-draft", *list_statuses(shop))
    statuses = set(params.words("status", ["any"], allowed))
    window = Window.read(params)
    customer, product = params.integer("customer", -1), params.integer("product", 0)
    search = params.text("search").lower()
    rows = list(shop.orders.values())
    rows = _chosen(rows, params)
    params.check()
    if "any" in statuses:
        # Custom statuses and unfinished carts are among any; the trash is not.
        rows = [order for order in rows if order.status not in {"trash", "auto-draft"}]
    else:
        rows = [order for order in rows if order.status in statuses]
    if customer >= 0:
        rows = [order for order in rows if order.customer_id == customer]
    if product:
        # Asked of what was bought: a product that is gone is still found.
        rows = [order for order in rows if any(product in (li.product_id, li.variation_id) for li in order.lines)]
    if search:
        rows = [order for order in rows if search in _order_words(order)]
    return window.filter(rows, shop)


def _order_words(order: Order) -> str:
    billing = order.billing
    return f"{order.number} {order.email} {billing.first_name} {billing.last_name} {billing.company}".lower()


ORDER_KEYS: dict[str, Callable[[Order], Any]] = {
    "date": lambda order: order.created_at,
    "modified": lambda order: order.modified_at,
    "title": lambda order: order.created_at,
    "slug": lambda order: order.created_at,
}


# Products


def filter_products(shop: Shop, params: Params) -> list[Product]:
    status = params.word("status", "any", _PRODUCT_STATUSES)
    kind = params.word("type", "", ("", *_PRODUCT_TYPES))
    stock_status = params.word("stock_status", "", ("", "instock", "outofstock", "onbackorder"))
    window = Window.read(params)
    skus = {sku for sku in params.text("sku").split(",") if sku}
    search = params.text("search").lower()
    rows = _chosen(list(shop.products.values()), params)
    params.check()
    rows = [p for p in rows if (p.status != "trash" if status == "any" else p.status == status)]
    if kind:
        rows = [p for p in rows if ("variable" if p.variations else "simple") == kind]
    if stock_status:
        rows = [
            p for p in rows if ("outofstock" if p.stock is not None and p.stock <= 0 else "instock") == stock_status
        ]
    if skus:
        rows = [p for p in rows if p.sku in skus]
    if search:
        rows = [p for p in rows if search in f"{p.name} {p.sku}".lower()]
    if "on_sale" in params.given:
        rows = [p for p in rows if (p.sale_price is not None) == params.flag("on_sale")]
    rows = _priced(rows, params.text("min_price"), params.text("max_price"))
    return window.filter(rows, shop)


def _priced(rows: list[Product], least: str, most: str) -> list[Product]:
    if least:
        rows = [p for p in rows if p.current_price is not None and p.current_price >= Decimal(least)]
    if most:
        rows = [p for p in rows if p.current_price is not None and p.current_price <= Decimal(most)]
    return rows


def filter_variations(variations: list[Variation], shop: Shop, params: Params) -> list[Variation]:
    window = Window.read(params)
    rows = _chosen(variations, params)
    params.check()
    return window.filter(rows, shop)


PRODUCT_KEYS: dict[str, Callable[[Product], Any]] = {
    "date": lambda product: product.created_at,
    "modified": lambda product: product.modified_at,
    "title": lambda product: product.name,
    "slug": lambda product: product.slug,
}


# Customers


CUSTOMER_ORDERINGS = ("id", "include", "name", "registered_date")


def filter_customers(shop: Shop, params: Params) -> list[Customer]:
    """By role, e-mail, id and words alone: whatever else is asked, dates above all, is ignored without an error."""
    role = params.word("role", "customer", ("all", "administrator", "customer", "shop_manager", "subscriber"))
    email, search = params.text("email").lower(), params.text("search").lower()
    rows = _chosen(list(shop.customers.values()), params)
    params.check()
    if role != "all":
        rows = [customer for customer in rows if customer.role == role]
    if email:
        rows = [customer for customer in rows if customer.email.lower() == email]
    if search:
        rows = [c for c in rows if search in f"{c.email} {c.username} {c.first_name} {c.last_name}".lower()]
    return rows


CUSTOMER_KEYS: dict[str, Callable[[Customer], Any]] = {
    "name": lambda customer: f"{customer.first_name} {customer.last_name}",
    "registered_date": lambda customer: customer.created_at,
}
