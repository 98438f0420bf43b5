"""The schema over a store: what its fields lead to, for those whose scopes allow it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLResolveInfo, StringValueNode, build_schema, get_named_type
from graphql.type import GraphQLObjectType

from fakestores.shop import Shop
from fakestores.shopify import nodes
from fakestores.shopify.bulk import BulkOperations
from fakestores.shopify.lists import KINDS, MOST_ROWS, Lists, build_variant, page_children, page_rows
from fakestores.shopify.nodes import Node, gid, timestamp
from fakestores.shopify.schema import SDL
from fakestores.shopify.webhooks import ShopifyWebhooks, Subscription

Info = GraphQLResolveInfo[Any]
Resolver = Callable[..., Any]

SCHEMA = build_schema(SDL)

ALL_SCOPES = ("read_orders", "read_all_orders", "read_customers", "read_products")

# By type and field: what is needed to read it.
_SCOPES = {
    ("QueryRoot", "orders"): "read_orders",
    ("QueryRoot", "order"): "read_orders",
    ("QueryRoot", "ordersCount"): "read_orders",
    ("QueryRoot", "customers"): "read_customers",
    ("QueryRoot", "customer"): "read_customers",
    ("QueryRoot", "customersCount"): "read_customers",
    ("QueryRoot", "products"): "read_products",
    ("QueryRoot", "product"): "read_products",
    ("QueryRoot", "productsCount"): "read_products",
    ("QueryRoot", "productVariants"): "read_products",
    ("QueryRoot", "productVariant"): "read_products",
    ("Order", "customer"): "read_customers",
    ("Customer", "orders"): "read_orders",
    ("LineItem", "product"): "read_products",
    ("LineItem", "variant"): "read_products",
}
_PERSONAL = frozenset(
    {
        ("Customer", "firstName"), ("Customer", "lastName"), ("Customer", "email"), ("Customer", "phone"),
        ("Customer", "defaultEmailAddress"), ("Customer", "defaultPhoneNumber"), ("Customer", "defaultAddress"),
        ("Order", "email"), ("Order", "phone"), ("Order", "billingAddress"), ("Order", "shippingAddress"),
    }
)  # fmt: skip


@dataclass(slots=True)
class Context:
    """What one request is answered with."""

    shop: Shop
    bulk: BulkOperations
    webhooks: ShopifyWebhooks
    scopes: frozenset[str]
    domain: str
    base_url: str
    api_version: str
    hides_personal_data: bool
    lists: Lists
    search: list[dict[str, Any]] = field(default_factory=list)
    """Warnings about queries, for the answer's extensions."""

    @property
    def most_bulk_operations(self) -> int:
        return 5 if self.api_version == "unstable" or self.api_version >= "2026-01" else 1


def list_nodes(lists: Lists, scopes: frozenset[str], field_node: FieldNode) -> Iterator[Node]:
    """All nodes of a connection at the root, for bulk operations: only its `query` matters there."""
    query = ""
    for argument in field_node.arguments or ():
        if argument.name.value == "query" and isinstance(argument.value, StringValueNode):
            query = argument.value.value
    name = field_node.name.value
    if _SCOPES[("QueryRoot", name)] in scopes:
        rows, _, _ = lists.find(name, query, "ID")
        for row in rows:
            # A long operation may find on its way that a variation's product is gone.
            if name != "productVariants" or lists.shop.find_sellable(row.id) is not None:
                yield KINDS[name].build(lists.shop, row)


# Fields


def resolve_field(source: Any, info: Info, **arguments: Any) -> Any:
    """The value that stands in the node, in pages where the schema wants it so, if it may be read."""
    parent, name = info.parent_type.name, info.field_name
    place = (parent, name)
    if place in _SCOPES or place in _PERSONAL:
        _check_access(info.context, place)
    value = source.get(name) if isinstance(source, dict) else None
    if callable(value):
        value = value()
    if isinstance(value, list):
        type_name = get_named_type(info.return_type).name
        if type_name.endswith("Connection"):
            return page_children(name, value, arguments)
        if arguments.get("first") is not None:
            return value[: arguments["first"]]
    return value


def _check_access(context: Context, place: tuple[str, str]) -> None:
    name = place[1]
    scope = _SCOPES.get(place)
    if scope is not None and scope not in context.scopes:
        needed = f"`{scope}` access scope."
        raise GraphQLError(
            f"Access denied for {name} field. Required access: {needed}",
            extensions={
                "code": "ACCESS_DENIED",
                "documentation": "https://shopify.dev/api/usage/access-scopes",
                "requiredAccess": needed,
            },
        )
    if context.hides_personal_data and place in _PERSONAL:
        message = (
            f"This app is not approved to use the {name} field. "
            "See https://shopify.dev/docs/apps/launch/protected-customer-data for more details."
        )
        raise GraphQLError(message, extensions={"code": "ACCESS_DENIED"})


def _list_resolver(name: str) -> Resolver:
    def resolve(_: Any, info: Info, **arguments: Any) -> Node:
        _check_access(info.context, ("QueryRoot", name))
        page, warnings = page_rows(info.context.lists, name, arguments)
        if warnings:
            said = {"path": [name], "query": arguments["query"], "parsed": {}, "warnings": warnings}
            info.context.search.append(said)
        return page

    return resolve


def _count_resolver(name: str) -> Resolver:
    def resolve(_: Any, info: Info, **arguments: Any) -> Node:
        _check_access(info.context, ("QueryRoot", f"{name}Count"))
        rows, _, _ = info.context.lists.find(name, arguments.get("query") or "", "ID")
        limit = arguments.get("limit")
        is_cut = limit is not None and len(rows) > limit
        return {"count": limit if is_cut else len(rows), "precision": "AT_LEAST" if is_cut else "EXACT"}

    return resolve


def _one_resolver(field_name: str, kind: str) -> Resolver:
    def resolve(_: Any, info: Info, id: str) -> Node | None:
        _check_access(info.context, ("QueryRoot", field_name))
        return find_node(info.context, id) if _split(id)[0] == kind else None

    return resolve


_GID = re.compile(r"gid://shopify/(\w+)/(\w+)")


def _split(id: str) -> tuple[str, int]:
    found = _GID.match(id)
    if found is None or not found[2].isdigit():
        raise GraphQLError(f"Invalid global id '{id}'", extensions={"code": "argumentLiteralsIncompatible"})
    return found[1], int(found[2])


def find_node(context: Context, id: str) -> Node | None:
    kind, number = _split(id)
    shop = context.shop
    match kind:
        case "Order":
            order = shop.orders.get(number)
            return nodes.build_order(shop, order) if order and order.status not in nodes.HIDDEN else None
        case "Customer":
            return nodes.find_customer(shop, number)
        case "Product":
            product = shop.products.get(number)
            return nodes.build_product(shop, product) if product else None
        case "ProductVariant":
            sold = shop.find_sellable(number)
            return build_variant(shop, sold) if sold else None
        case "BulkOperation":
            operation = context.bulk.all.get(number)
            return context.bulk.show(context.bulk.look(operation), context.base_url) if operation else None
    return None


_KIND_SCOPES = {
    "Order": "read_orders",
    "Customer": "read_customers",
    "Product": "read_products",
    "ProductVariant": "read_products",
}


def _resolve_node(_: Any, info: Info, id: str) -> Node | None:
    scope = _KIND_SCOPES.get(_split(id)[0])
    if scope is not None and scope not in info.context.scopes:
        field_name = {"Order": "order", "Customer": "customer", "Product": "product"}.get(
            _split(id)[0], "productVariant"
        )
        _check_access(info.context, ("QueryRoot", field_name))
    return find_node(info.context, id)


def _resolve_nodes(_: Any, info: Info, ids: list[str]) -> list[Node | None]:
    if len(ids) > MOST_ROWS:
        message = f"The input array size of {len(ids)} is greater than the maximum allowed of {MOST_ROWS}."
        raise GraphQLError(message, extensions={"code": "MAX_INPUT_SIZE_EXCEEDED"})
    return [_resolve_node(None, info, id) for id in ids]


def _resolve_shop(_: Any, info: Info) -> Node:
    context: Context = info.context
    shop = context.shop
    local = shop.now().astimezone(shop.time_zone)
    offset = local.strftime("%z")
    return {
        "__typename": "Shop",
        "id": gid("Shop", shop.first_id),
        "name": shop.name,
        "email": "owner@example.com",
        "currencyCode": shop.currency,
        "enabledPresentmentCurrencies": [shop.currency],
        "ianaTimezone": shop.time_zone.key,
        "timezoneAbbreviation": local.tzname() or "",
        "timezoneOffset": f"{offset[:3]}:{offset[3:]}",
        "myshopifyDomain": context.domain,
        "url": f"https://{context.domain}",
        "primaryDomain": {"host": context.domain, "url": f"https://{context.domain}"},
        "plan": {"displayName": "Basic", "partnerDevelopment": False, "shopifyPlus": False},
        "taxesIncluded": False,
    }


def _resolve_installation(_: Any, info: Info) -> Node:
    scopes = [{"handle": scope, "description": scope} for scope in sorted(info.context.scopes)]
    return {"__typename": "AppInstallation", "id": gid("AppInstallation", 1), "accessScopes": scopes}


# Bulk operations


def _resolve_current_bulk(_: Any, info: Info, type: str = "QUERY") -> Node | None:
    context: Context = info.context
    if type != "QUERY" or not context.bulk.all:
        return None
    newest = context.bulk.all[max(context.bulk.all)]
    return context.bulk.show(context.bulk.look(newest), context.base_url)


def _resolve_bulk(_: Any, info: Info, id: str) -> Node | None:
    return find_node(info.context, id) if _split(id)[0] == "BulkOperation" else None


def _resolve_all_bulk(_: Any, info: Info, **arguments: Any) -> Node:
    context: Context = info.context
    shown = [context.bulk.show(operation, context.base_url) for operation in reversed(context.bulk.all.values())]
    return page_children("bulkOperations", shown, arguments)


def _resolve_run_bulk(_: Any, info: Info, query: str, **arguments: Any) -> Node:
    context: Context = info.context
    grouped = arguments.get("groupObjects")
    if grouped is None:
        # Grouping was what one got until then.
        grouped = context.api_version < "2026-01"
    operation, errors = context.bulk.start(query, grouped, context.most_bulk_operations)
    shown = context.bulk.show(operation, context.base_url) if operation else None
    return {"bulkOperation": shown, "userErrors": errors}


def _resolve_cancel_bulk(_: Any, info: Info, id: str) -> Node:
    context: Context = info.context
    operation = context.bulk.all.get(_split(id)[1])
    if operation is None:
        return {"bulkOperation": None, "userErrors": [{"field": ["id"], "message": "Bulk operation does not exist"}]}
    problem = context.bulk.cancel(operation)
    errors = [{"field": None, "message": problem}] if problem else []
    return {"bulkOperation": context.bulk.show(operation, context.base_url), "userErrors": errors}


# Webhook subscriptions


def _show_subscription(subscription: Subscription) -> Node:
    created = timestamp(subscription.created_at)
    return {
        "__typename": "WebhookSubscription",
        "id": gid("WebhookSubscription", subscription.id),
        "topic": subscription.topic.upper().replace("/", "_"),
        "uri": subscription.url,
        "format": "JSON",
        "createdAt": created,
        "updatedAt": created,
    }


def _resolve_subscriptions(_: Any, info: Info, **arguments: Any) -> Node:
    shown = [_show_subscription(each) for each in info.context.webhooks.subscriptions.values()]
    return page_children("webhookSubscriptions", shown, arguments)


def _resolve_subscribe(_: Any, info: Info, topic: str, **arguments: Any) -> Node:
    context: Context = info.context
    wanted = arguments["webhookSubscription"]
    url = wanted.get("uri") or wanted.get("callbackUrl") or ""
    if not url.startswith("https://") and not url.startswith("http://127.0.0.1"):
        return _refuse_subscription("Address is not allowed")
    name = topic.lower().replace("_", "/", 1) if not topic.startswith("BULK") else "bulk_operations/finish"
    if any(each.topic == name and each.url == url for each in context.webhooks.subscriptions.values()):
        return _refuse_subscription("Address for this topic has already been taken")
    return {"webhookSubscription": _show_subscription(context.webhooks.subscribe(name, url)), "userErrors": []}


def _refuse_subscription(message: str) -> Node:
    error = {"field": ["webhookSubscription", "callbackUrl"], "message": message}
    return {"webhookSubscription": None, "userErrors": [error]}


def _resolve_unsubscribe(_: Any, info: Info, id: str) -> Node:
    if info.context.webhooks.subscriptions.pop(_split(id)[1], None) is None:
        missing = {"field": ["id"], "message": "Webhook subscription does not exist"}
        return {"deletedWebhookSubscriptionId": None, "userErrors": [missing]}
    return {"deletedWebhookSubscriptionId": id, "userErrors": []}


_RESOLVERS: dict[str, dict[str, Resolver]] = {
    "QueryRoot": {
        "shop": _resolve_shop,
        "node": _resolve_node,
        "nodes": _resolve_nodes,
        "order": _one_resolver("order", "Order"),
        "customer": _one_resolver("customer", "Customer"),
        "product": _one_resolver("product", "Product"),
        "productVariant": _one_resolver("productVariant", "ProductVariant"),
        **{name: _list_resolver(name) for name in KINDS},
        **{f"{name}Count": _count_resolver(name) for name in ("orders", "customers", "products")},
        "currentBulkOperation": _resolve_current_bulk,
        "bulkOperation": _resolve_bulk,
        "bulkOperations": _resolve_all_bulk,
        "currentAppInstallation": _resolve_installation,
        "webhookSubscriptions": _resolve_subscriptions,
    },
    "Mutation": {
        "bulkOperationRunQuery": _resolve_run_bulk,
        "bulkOperationCancel": _resolve_cancel_bulk,
        "webhookSubscriptionCreate": _resolve_subscribe,
        "webhookSubscriptionDelete": _resolve_unsubscribe,
    },
}

for _type_name, _fields in _RESOLVERS.items():
    _type = SCHEMA.type_map[_type_name]
    assert isinstance(_type, GraphQLObjectType)
    for _field_name, _resolve in _fields.items():
        _type.fields[_field_name].resolve = _resolve
