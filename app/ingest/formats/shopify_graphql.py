"""Shopify's GraphQL Admin API: the JSONL files of its bulk operations, and its answers as JSON.

Who runs a query chooses its fields, so that any of them may be missing. In a bulk file every node has a line of its
own; one of a nested connection names its parent in `__parentId` and stands anywhere below it. Ids are
"gid://shopify/Order/1", of which the number is the id in REST and in exports. A node is translated into the REST
payload of the same record, and read as that one: orders, customers and products are the same whichever way they come.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from app.ingest import values
from app.ingest.formats import shopify_json
from app.ingest.formats.base import Format, Options, as_text, parse
from app.ingest.formats.grouping import Groups
from app.ingest.formats.payloads import Payload, first_text, nested, objects
from app.ingest.reading import BadLine, Source
from app.ingest.records import ConsumerRecord, Item, OrderRecord, ProductRecord, Rejected, Skipped
from app.ingest.values import BadRecord, Notes

ZERO = Decimal(0)
TITLE = "Shopify GraphQL bulk file or answer"

PARENT = "__parentId"
CHILDREN = "__children"
"""Our own key, in the raw record of a reject: the node's children, which in the file stood in lines of their own."""

_GID = re.compile(r"gid://shopify/(\w+)/([^/?]+)")

_KINDS = {"Order": "order", "Customer": "customer", "Product": "product", "ProductVariant": "product"}
# The children that are read, by the types of parent and child: the name of their connection.
_CONNECTIONS = {
    ("Order", "LineItem"): "lineItems",
    ("Order", "ShippingLine"): "shippingLines",
    ("Product", "ProductVariant"): "variants",
    ("Customer", "MailingAddress"): "addressesV2",
}
# A child whose id the query did not ask for is known by its keys.
_SIGNS = {
    ("Order", "LineItem"): {"quantity", "currentQuantity"},
    ("Order", "ShippingLine"): {"originalPriceSet", "discountedPriceSet"},
    ("Product", "ProductVariant"): {"selectedOptions", "price", "inventoryQuantity"},
    ("Customer", "MailingAddress"): {"address1", "city", "country", "countryCodeV2"},
}
# What REST shows as null.
_NOT_FULFILLED = {
    "UNFULFILLED", "IN_PROGRESS", "ON_HOLD", "OPEN", "PENDING_FULFILLMENT", "REQUEST_DECLINED", "SCHEDULED", "",
}  # fmt: skip
_FULFILLED = {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial", "RESTOCKED": "restocked"}


def recognises(file: Source, _: Options) -> bool:
    if not file.is_json:
        return False
    place, first = next(file.values(), ("", None))
    if _is_empty_answer(first):
        return True
    return any(isinstance(node, dict) and _split_gid(node.get("id")) for _, node in _unfolded(place, first))


def read(file: Source, _: Options) -> Iterator[Item]:
    with Groups() as groups:
        for file_place, value in file.values():
            for place, node in _unfolded(file_place, value):
                left_out = _put(groups, place, node)
                if isinstance(left_out, Rejected) and (kind := shopify_json.find_kind(node)):
                    # What a webhook of a store brought, which else is read like this.
                    yield from shopify_json.parse_any(place, kind, node)
                elif left_out is not None:
                    yield left_out
        for place, node, children in groups:
            yield from parse_node(place, node, children)


def _put(groups: Groups, place: str, node: Any) -> Item | None:
    """Add it to its group; what becomes of it where it belongs to none."""
    if not isinstance(node, dict):
        reason = str(node) if isinstance(node, BadLine) else "not a node of Shopify's GraphQL API"
        return Rejected(place, "unknown", reason, as_text(node))
    parent_id = values.text(node.get(PARENT))
    type_ = _find_type(node)
    if type_ in _KINDS and not (parent_id and type_ == "ProductVariant"):
        groups.add(values.text(node.get("id")), place, node)
        return None
    if parent_id:
        family = (_type_of(parent_id), type_)
        if family in _CONNECTIONS and not groups.add_child(parent_id, node):
            reason = f"it belongs to {parent_id}, which does not stand above it in this file"
            return Rejected(place, _KINDS[family[0]], reason, as_text(node))
        return None
    if type_:
        return Skipped(place, "not_imported")
    reason = "it has no id such as gid://shopify/Order/1: the query has to ask for the id of every node"
    return Rejected(place, "unknown", reason, as_text(node))


def parse_node(place: str, node: Payload, children: Sequence[Payload] = ()) -> Iterator[Item]:
    """The records of an order, customer, product or variant; of a product one a variant, since that is what is bought.

    `children` are the nodes of its nested connections where they stand apart; those inside of it are found there.
    """
    children = [*objects(node, CHILDREN), *children]
    whole = node | {CHILDREN: children} if children else node
    match _find_type(node):
        case "Order":
            yield parse(place, "order", whole, lambda notes: _build_order(node, children, notes))
        case "Customer":
            yield parse(place, "customer", whole, lambda notes: _build_customer(node, children, notes))
        case "ProductVariant":
            yield parse(place, "product", whole, lambda notes: _build_variant(nested(node, "product"), node, notes))
        case _:
            yield from _parse_product(place, node, children)


def _parse_product(place: str, product: Payload, children: list[Payload]) -> Iterator[Item]:
    variants = _connected(product, "variants", children)
    if not variants:  # a product has at least one; the query did not ask for it
        yield Skipped(place, "without_variants")
    for number, variant in enumerate(variants, start=1):
        yield _parse_variant(f"{place}, variant {number}", product, variant)


def _parse_variant(place: str, product: Payload, variant: Payload) -> Item:
    raw = {name: value for name, value in product.items() if name != "variants"} | {CHILDREN: [variant]}
    return parse(place, "product", raw, lambda notes: _build_variant(product, variant, notes))


# Nodes


def _split_gid(value: Any) -> tuple[str, str] | None:
    found = _GID.match(value) if isinstance(value, str) else None
    return (found[1], found[2]) if found else None


def _type_of(gid: Any) -> str:
    found = _split_gid(gid)
    return found[0] if found else ""


def _id(gid: Any) -> str | None:
    """What stands at the end of a GID; anything else as it is, for the reader to refuse."""
    found = _split_gid(gid)
    return found[1] if found else values.text(gid) or None


def _find_type(node: Payload) -> str:
    """Of its id, as Shopify says it, or of its keys; '' where none of them tells."""
    type_ = _type_of(node.get("id")) or values.text(node.get("__typename"))
    if type_ or PARENT not in node:
        return type_
    parent_type = _type_of(node[PARENT])
    candidates = (child for (parent, child), keys in _SIGNS.items() if parent == parent_type and keys & node.keys())
    return next(candidates, "")


def _unfolded(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The nodes of an answer, of a connection, or of a list; one node as it is."""
    if isinstance(value, dict) and not value.keys() & {"id", PARENT}:
        value = _open_answer(value)
    if isinstance(value, list):
        for number, inner in enumerate(value, start=1):
            yield f"{place}.{number}", inner
    else:
        yield place, value


def _open_answer(answer: Payload) -> Any:
    """The nodes in an answer, with or without its `data` around them; what is no answer as it is."""
    answer = nested(answer, "data") or answer
    if _is_connection(answer):
        return _nodes(answer)
    # A node that lacks its id may hold others that have theirs, but beside them plain values too.
    if not all(isinstance(field, dict | None) for field in answer.values()):
        return answer
    found = []
    for field in answer.values():
        if _is_connection(field):
            found += _nodes(field)
        elif field and _split_gid(field.get("id")):
            found.append(field)
    return found if found or _is_empty_answer(answer) else answer


def _is_empty_answer(value: Any) -> bool:
    answer = (nested(value, "data") or value) if isinstance(value, dict) else {}
    found = [answer[name] for name in ("orders", "customers", "products") if _is_connection(answer.get(name))]
    return bool(found) and not any(map(_nodes, found))


def _is_connection(value: Any) -> bool:
    return isinstance(value, dict) and any(isinstance(value.get(name), list) for name in ("edges", "nodes"))


def _nodes(connection: Payload) -> list[Payload]:
    edges = objects(connection, "edges")
    return objects(connection, "nodes") or [node for edge in edges if (node := nested(edge, "node"))]


def _connected(node: Payload, name: str, children: Sequence[Payload] = ()) -> list[Payload]:
    """The nodes in its list or connection of that name, and those among the children."""
    inside = objects(node, name) or _nodes(nested(node, name))
    type_ = _find_type(node)
    return inside + [child for child in children if _CONNECTIONS.get((type_, _find_type(child))) == name]


def _all_connected(node: Payload, name: str, children: Sequence[Payload] = ()) -> list[Payload]:
    """Raises BadRecord where the answer has only the first of them."""
    if nested(nested(node, name), "pageInfo").get("hasNextPage"):
        raise BadRecord(
            f"not all of its {name} are here (hasNextPage is true): ask for more of them, or run it in bulk"
        )
    return _connected(node, name, children)


def _money(node: Payload, *names: str) -> Any:
    """The amount in the shop's currency of the first field that is there; the older fields are the plain amount."""
    for name in names:
        field = f"{name}Set"
        if bag := nested(node, field):
            if "shopMoney" not in bag:
                raise BadRecord(
                    f"{field} has no shopMoney: the query has to ask for it, not for presentmentMoney alone"
                )
            return nested(bag, "shopMoney").get("amount")
        if node.keys() & {field, name}:
            return nested(node, name).get("amount") or node.get(name)
    return None


# Into REST payloads


def _person(node: Payload, whole_name: str) -> Payload:
    """`whole_name` serves where the query asked for no other; Shopify makes it of the e-mail where there is none."""
    first, last = node.get("firstName"), node.get("lastName")
    if not node.keys() & {"firstName", "lastName"} and "@" not in (whole := values.text(node.get(whole_name))):
        first = whole
    return {"first_name": first, "last_name": last, "phone": node.get("phone")}


def _address(node: Payload) -> Payload:
    return _person(node, "name") | {
        "name": node.get("name"),
        "country": node.get("country"),
        "country_code": node.get("countryCodeV2") or node.get("countryCode"),
        "city": node.get("city"),
        "province": node.get("province"),
        "province_code": node.get("provinceCode"),
        "address1": node.get("address1"),
        "address2": node.get("address2"),
        "zip": node.get("zip"),
    }


def _customer(node: Payload) -> Payload:
    return _person(node, "displayName") | {
        "id": _id(node.get("id")),
        "email": node.get("email") or nested(node, "defaultEmailAddress").get("emailAddress"),
        "phone": node.get("phone") or nested(node, "defaultPhoneNumber").get("phoneNumber"),
    }


def _build_customer(node: Payload, children: list[Payload], notes: Notes) -> ConsumerRecord:
    addresses = [*_connected(node, "addresses"), *_connected(node, "addressesV2", children)]
    payload = _customer(node) | {
        "updated_at": node.get("updatedAt"),
        "default_address": _address(nested(node, "defaultAddress")),
        "addresses": [_address(address) for address in addresses],
    }
    return shopify_json.build_customer(payload, notes)


def _build_variant(product: Payload, variant: Payload, notes: Notes) -> ProductRecord:
    names, chosen = _options(product, variant)
    item = nested(variant, "inventoryItem")
    was_asked = product.keys() & {"status", "publishedAt"}
    record = shopify_json.build_variant(
        {
            "id": _id(product.get("id") or variant.get(PARENT)),
            "title": product.get("title"),
            "handle": product.get("handle"),
            "options": [{"name": name} for name in names],
            "status": values.text(product.get("status")).lower() if was_asked else "active",
            "published_at": product.get("publishedAt"),
            "updated_at": product.get("updatedAt"),
        },
        {
            "id": _id(variant.get("id")),
            "sku": variant.get("sku") or item.get("sku"),
            "price": _money(variant, "price"),
            "barcode": variant.get("barcode"),
            "inventory_management": _is_tracked(variant, item),
            "inventory_quantity": variant.get("inventoryQuantity"),
            "updated_at": variant.get("updatedAt"),
            **{f"option{number}": option for number, option in enumerate(chosen, start=1)},
        },
        notes,
    )
    if not product.get("handle"):
        record.alias = None
    return record


def _options(product: Payload, variant: Payload) -> tuple[list[Any], list[Any]]:
    """The names of the options and the values of this variant's; its title has the values too, "Blue / Small"."""
    selected = objects(variant, "selectedOptions")
    if selected:
        return [option.get("name") for option in selected], [option.get("value") for option in selected]
    names = [option.get("name") for option in objects(product, "options")]
    return names, values.text(variant.get("title")).split(" / ", 2)


def _is_tracked(variant: Payload, item: Payload) -> bool:
    """Whether stock is counted. A query that does not ask whether asks for a quantity because it is."""
    if "tracked" in item:
        return bool(item["tracked"])
    return values.text(variant.get("inventoryManagement")) != "NOT_MANAGED"


def _build_order(node: Payload, children: list[Payload], notes: Notes) -> OrderRecord:
    refunds = [_refund(refund) for refund in objects(node, "refunds")]
    lists_refunds = isinstance(node.get("refunds"), list) and all(map(_tells_amount, objects(node, "refunds")))
    refunded = values.positive_money(_money(node, "totalRefunded"), "totalRefundedSet")
    order = shopify_json.build_order(
        {
            "id": _id(node.get("id")),
            "name": node.get("name"),
            "email": node.get("email"),
            "phone": node.get("phone"),
            "customer": _customer(_order_customer(node)),
            "billing_address": _address(nested(node, "billingAddress")),
            "shipping_address": _address(nested(node, "shippingAddress")),
            "financial_status": node.get("displayFinancialStatus"),
            "fulfillment_status": _fulfillment_status(node, notes),
            "fulfillments": [_fulfillment(each) for each in _connected(node, "fulfillments")],
            "cancelled_at": node.get("cancelledAt"),
            "processed_at": node.get("processedAt"),
            "created_at": node.get("createdAt"),
            "updated_at": node.get("updatedAt"),
            "currency": node.get("currencyCode") or _shop_currency(node),
            "taxes_included": node.get("taxesIncluded"),
            "test": node.get("test"),
            "total_price": _total(node, refunded or sum(map(shopify_json.find_refunded, refunds), ZERO)),
            "total_discounts": _money(node, "totalDiscounts", "currentTotalDiscounts"),
            "total_tax": _money(node, "totalTax", "currentTotalTax"),
            "total_tip_received": _money(node, "totalTipReceived"),
            "current_total_duties_set": {
                "shop_money": {"amount": _money(node, "currentTotalDuties", "originalTotalDuties")}
            },
            "shipping_lines": [{"price": price} for price in _shipping(node, children)],
            "line_items": [_line_item(item) for item in _all_connected(node, "lineItems", children)],
            "refunds": refunds if lists_refunds else [],
        },
        notes,
    )
    if not lists_refunds or (refunded and not refunds):
        order.refunded_total = refunded
    return order


def _order_customer(node: Payload) -> Payload:
    """The order's own, or the customer among whose orders it was asked for."""
    parent_id = node.get(PARENT)
    return nested(node, "customer") or ({"id": parent_id} if _type_of(parent_id) == "Customer" else {})


def _fulfillment_status(node: Payload, notes: Notes) -> str | None:
    word = values.text(node.get("displayFulfillmentStatus")).upper()
    if word not in _FULFILLED and word not in _NOT_FULFILLED:
        notes.append("an unknown fulfilment status was taken as not fulfilled")
        return word
    return _FULFILLED.get(word)


def _fulfillment(node: Payload) -> Payload:
    arrived = values.text(node.get("displayStatus")).lower() or ("delivered" if node.get("deliveredAt") else None)
    return {"shipment_status": arrived}


def _shop_currency(node: Payload) -> Any:
    money = (nested(nested(node, name), "shopMoney") for name in ("totalPriceSet", "currentTotalPriceSet"))
    return first_text(*(each.get("currencyCode") for each in money))


def _total(node: Payload, refunded: Decimal) -> Any:
    """As it was sold: what it comes to now is less what was refunded, and refunds are told apart from the total."""
    original = _money(node, "totalPrice")
    if original is not None:
        return original
    current = values.money(_money(node, "currentTotalPrice"), "currentTotalPriceSet")
    return None if current is None else current + refunded


def _shipping(node: Payload, children: list[Payload]) -> list[Any]:
    """Before discounts, as in REST: those are among the order's."""
    lines = _all_connected(node, "shippingLines", children)
    total = _money(node, "totalShippingPrice")
    if not lines and total is not None:
        return [total]
    return [_money(line, "originalPrice", "discountedPrice") for line in lines or [nested(node, "shippingLine")]]


def _line_item(node: Payload) -> Payload:
    variant, product = nested(node, "variant"), nested(node, "product")
    title, option = values.text(node.get("title")), values.text(node.get("variantTitle"))
    return {
        "name": node.get("name") or values.joined([title, "" if option == shopify_json.NO_OPTION else option], " - "),
        "sku": node.get("sku") or variant.get("sku"),
        "quantity": node.get("quantity"),
        "price": _unit_price(node),
        "variant_id": _id(variant.get("id")),
        "product_id": _id(product.get("id") or nested(variant, "product").get("id")),
        "product_exists": node.get("product", product) is not None,
    }


def _unit_price(node: Payload) -> Any:
    """Before discounts where the query asked for that."""
    price = _money(node, "originalUnitPrice")
    total = values.decimal(_money(node, "originalTotal"), "originalTotalSet") if price is None else None
    quantity = values.decimal(node.get("quantity"), "quantity")
    if total is not None and quantity:
        return total / quantity
    return _money(node, "discountedUnitPrice") if price is None else price


def _tells_amount(refund: Payload) -> bool:
    return bool(refund.keys() & {"totalRefundedSet", "totalRefunded", "transactions"})


def _refund(node: Payload) -> Payload:
    if "transactions" not in node:
        return {
            "id": _id(node.get("id")),
            "transactions": [{"kind": "refund", "amount": _money(node, "totalRefunded")}],
        }
    transactions = [
        {
            "kind": values.text(transaction.get("kind")).lower(),
            "status": values.text(transaction.get("status")).lower() or "success",
            "amount": _money(transaction, "amount"),
        }
        for transaction in _all_connected(node, "transactions")
    ]
    return {"id": _id(node.get("id")), "transactions": transactions}


FORMAT = Format("shopify_bulk_jsonl", TITLE, recognises, read, "orders, customers or products")
