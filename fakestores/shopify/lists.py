"""The lists at the root of the API: what they are searched and sorted by, and their pages."""

import base64
import binascii
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from graphql import GraphQLError

from fakestores.model import Order, Product, Variation
from fakestores.shop import Shop
from fakestores.shopify import nodes
from fakestores.shopify.figures import find_figures
from fakestores.shopify.nodes import Node, timestamp
from fakestores.shopify.search import Search, Searched

MOST_ROWS = 250
RECENT = timedelta(days=60)
"""As far back as orders are shown to those without the scope for all."""

Key = tuple[Any, int]
Warnings = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Kind:
    rows: Callable[[Shop], Sequence[Any]]
    build: Callable[[Shop, Any], Node]
    searched: Mapping[str, Searched]
    keys: Mapping[str, Callable[[Any], Any]]


def _variants(shop: Shop) -> list[Product | Variation]:
    found: list[Product | Variation] = []
    for product in shop.products.values():
        found += product.variations or [product]
    return found


def build_variant(shop: Shop, sold: Product | Variation) -> Node:
    is_variation = isinstance(sold, Variation)
    found = nodes.find_variant(shop, _product_id(sold), sold.id if is_variation else 0)
    assert found is not None
    return found


def _product_id(sold: Product | Variation) -> int:
    return sold.product_id if isinstance(sold, Variation) else sold.id


def _changed(row: Any) -> Any:
    return row.modified_at or row.created_at


def _financial(order: Order) -> str:
    return nodes.find_financial_status(order, find_figures(order))


_DATES = {
    "default": Searched(lambda row: row.id),
    "id": Searched(lambda row: row.id, "number"),
    "created_at": Searched(lambda row: row.created_at, "date"),
    "updated_at": Searched(_changed, "date"),
}
_BY_DATE: dict[str, Callable[[Any], Any]] = {
    "CREATED_AT": lambda row: timestamp(row.created_at),
    "UPDATED_AT": lambda row: timestamp(_changed(row)),
}

KINDS: dict[str, Kind] = {
    "orders": Kind(
        nodes.list_orders,
        nodes.build_order,
        _DATES
        | {
            "default": Searched(lambda o: f"#{o.number} {o.email} {o.billing.first_name} {o.billing.last_name}"),
            "processed_at": Searched(lambda o: o.created_at, "date"),
            "name": Searched(lambda o: f"#{o.number}"),
            "email": Searched(lambda o: o.email),
            "customer_id": Searched(lambda o: o.customer_id, "number"),
            "test": Searched(lambda o: o.is_test, "flag"),
            "financial_status": Searched(_financial),
            "fulfillment_status": Searched(nodes.find_fulfillment_status),
            "status": Searched(lambda o: "cancelled" if o.cancelled_at else "closed" if o.completed_at else "open"),
        },
        _BY_DATE | {"PROCESSED_AT": lambda o: timestamp(o.created_at), "TOTAL_PRICE": lambda o: float(o.total)},
    ),
    "customers": Kind(
        lambda shop: list(shop.customers.values()),
        nodes.build_customer,
        _DATES
        | {
            "default": Searched(lambda c: f"{c.email} {c.first_name} {c.last_name}"),
            "email": Searched(lambda c: c.email),
            "first_name": Searched(lambda c: c.first_name),
            "last_name": Searched(lambda c: c.last_name),
        },
        _BY_DATE | {"NAME": lambda c: f"{c.last_name}, {c.first_name}"},
    ),
    "products": Kind(
        lambda shop: list(shop.products.values()),
        nodes.build_product,
        _DATES
        | {
            "default": Searched(lambda p: p.name),
            "title": Searched(lambda p: p.name),
            "status": Searched(nodes.find_product_status),
            "vendor": Searched(lambda p: p.vendor),
            "product_type": Searched(lambda p: p.category),
            "sku": Searched(lambda p: p.sku),
        },
        _BY_DATE | {"TITLE": lambda p: p.name, "VENDOR": lambda p: p.vendor},
    ),
    "productVariants": Kind(
        _variants,
        build_variant,
        _DATES
        | {
            "default": Searched(lambda v: v.sku),
            "sku": Searched(lambda v: v.sku),
            "barcode": Searched(lambda v: v.barcode),
            "product_id": Searched(_product_id, "number"),
        },
        {"SKU": lambda v: v.sku},
    ),
}


@dataclass(slots=True)
class Lists:
    """What was found and sorted, kept until the shop changes: whoever pages asks for the same again."""

    shop: Shop
    sees_all_orders: bool
    _kept: dict[tuple[str, str, str], tuple[int, list[Any], list[Key], Warnings]] = field(default_factory=dict)

    def find(self, name: str, query: str, sort: str) -> tuple[list[Any], list[Key], Warnings]:
        """Rows, the keys they are sorted by, and warnings about the query."""
        place = (name, query, sort)
        kept = self._kept.get(place)
        is_aging = name == "orders" and not self.sees_all_orders
        if kept is None or kept[0] != self.shop.revision or is_aging:
            if len(self._kept) > 16:
                self._kept.clear()
            kept = self._kept[place] = (self.shop.revision, *self._find(name, query, sort))
        return kept[1:]

    def _find(self, name: str, query: str, sort: str) -> tuple[list[Any], list[Key], Warnings]:
        kind = KINDS[name]
        search = Search(kind.searched, self.shop.time_zone)
        test = search.compile(query)
        rows = [row for row in kind.rows(self.shop) if test(row)]
        if name == "orders" and not self.sees_all_orders:
            since = self.shop.now() - RECENT
            rows = [row for row in rows if row.created_at >= since]
        key: Callable[[Any], Any] = kind.keys.get(sort, _by_id)
        rows.sort(key=lambda row: (key(row), row.id))
        return rows, [(key(row), row.id) for row in rows], search.warnings


def _by_id(row: Any) -> int:
    found: int = row.id
    return found


def _encode_cursor(key: Key) -> str:
    return base64.b64encode(json.dumps({"last_id": key[1], "last_value": key[0]}).encode()).decode()


def _decode_cursor(cursor: str, keys: Sequence[Key]) -> Key:
    try:
        found = json.loads(base64.b64decode(cursor, validate=True))
        key = (found["last_value"], found["last_id"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        key = None
    if key is None or (keys and type(key[0]) is not type(keys[0][0])):
        raise GraphQLError("Invalid cursor for current pagination sort.", extensions={"code": "BAD_USER_INPUT"})
    return key


def _cut(name: str, keys: Sequence[Key], arguments: Mapping[str, Any]) -> tuple[int, int, bool, bool]:
    """The bounds of the page within the sorted rows, and whether there are rows after and before it.

    A cursor is a place in the order, not a row: what moves behind it while somebody pages is met again.
    """
    first, last = arguments.get("first"), arguments.get("last")
    if first is None and last is None:
        raise GraphQLError("you must provide one of first or last", extensions={"code": "BAD_USER_INPUT"})
    for which, wanted in (("first", first), ("last", last)):
        if wanted is not None and not 0 <= wanted <= MOST_ROWS:
            message = f"The number of rows requested by '{which}' on '{name}' has to be from 0 to {MOST_ROWS}."
            raise GraphQLError(message, extensions={"code": "BAD_USER_INPUT"})
    low, high = 0, len(keys)
    if after := arguments.get("after"):
        low = bisect_right(keys, _decode_cursor(after, keys))
    if before := arguments.get("before"):
        high = max(low, bisect_left(keys, _decode_cursor(before, keys)))
    start, end = low, high
    if first is not None:
        end = min(end, start + first)
    if last is not None:
        start = max(start, end - last)
    return start, end, end < len(keys), start > 0


def _connect(found: list[tuple[Node, str]], *, has_next: bool, has_previous: bool) -> Node:
    return {
        "edges": [{"cursor": cursor, "node": node} for node, cursor in found],
        "nodes": [node for node, _ in found],
        "pageInfo": {
            "hasNextPage": has_next,
            "hasPreviousPage": has_previous,
            "startCursor": found[0][1] if found else None,
            "endCursor": found[-1][1] if found else None,
        },
    }


def page_rows(lists: Lists, name: str, arguments: Mapping[str, Any]) -> tuple[Node, Warnings]:
    """A page of a list at the root, with what is to be said about the query for it."""
    kind = KINDS[name]
    rows, keys, warnings = lists.find(name, arguments.get("query") or "", arguments["sortKey"])
    if arguments.get("reverse"):
        start, end, has_next, has_previous = _cut_reversed(name, keys, arguments)
        places = range(end - 1, start - 1, -1)
    else:
        start, end, has_next, has_previous = _cut(name, keys, arguments)
        places = range(start, end)
    found = [(kind.build(lists.shop, rows[place]), _encode_cursor(keys[place])) for place in places]
    return _connect(found, has_next=has_next, has_previous=has_previous), warnings


def _cut_reversed(name: str, keys: Sequence[Key], arguments: Mapping[str, Any]) -> tuple[int, int, bool, bool]:
    """The same with the order turned round: first is last, and after is before."""
    turned = {
        "first": arguments.get("last"),
        "last": arguments.get("first"),
        "after": arguments.get("before"),
        "before": arguments.get("after"),
    }
    start, end, after, before = _cut(name, keys, turned)
    return start, end, before, after


def page_children(name: str, children: Sequence[Node], arguments: Mapping[str, Any]) -> Node:
    """Of a connection within a node. What goes beyond `first` is cut off without a word but in its pageInfo."""
    ordered = list(children)[::-1] if arguments.get("reverse") else list(children)
    keys = [(place, place) for place in range(len(ordered))]
    start, end, has_next, has_previous = _cut(name, keys, arguments)
    found = [(ordered[place], _encode_cursor(keys[place])) for place in range(start, end)]
    return _connect(found, has_next=has_next, has_previous=has_previous)
