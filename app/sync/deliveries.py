"""What a webhook's delivery says, by platform: signatures, topics, and what its body means."""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from app.connectors.base import Payload, Raw, Resource
from app.ingest import values
from app.ingest.formats import woocommerce_json
from app.ingest.formats.payloads import nested, objects
from app.ingest.values import BadRecord


@dataclass(frozen=True)
class Told:
    """The ids of all the variants that a product had at a moment of the store's time."""

    product_id: str
    variant_ids: frozenset[str]
    at: datetime


@dataclass
class Meaning:
    """`raws` are to be merged, `again` to be read from the store; a `note` says why there is neither.

    `forget` are the ids of customers to be erased; with `forget_store` all whom nobody else knows are.
    """

    raws: list[Raw] = field(default_factory=list)
    again: list[tuple[Resource, str]] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    forget: list[str] = field(default_factory=list)
    forget_store: bool = False
    note: str | None = None


def is_signed(body: bytes, signature: str, secrets: Sequence[str]) -> bool:
    """Whether it is the base64 of the HMAC-SHA256 of the raw body, by one of the secrets; compared in constant time."""
    try:
        given = base64.b64decode(signature, validate=True)
    except ValueError:
        return False
    made = (hmac.digest(secret.encode(), body, hashlib.sha256) for secret in secrets if secret)
    return any(hmac.compare_digest(given, each) for each in made)


# WooCommerce


def is_woocommerce_ping(headers: Mapping[str, str], body: bytes) -> bool:
    """What it sends, unsigned and without a topic, when a webhook is made; it wants 200."""
    return (
        "x-wc-webhook-topic" not in headers
        and headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        and body.startswith(b"webhook_id=")
        and body.removeprefix(b"webhook_id=").isdigit()
    )


_WOO_RESOURCES: dict[str, Resource] = {"order": "orders", "product": "products", "customer": "customers"}


def read_woocommerce(topic: str, body: bytes) -> Meaning:
    """Raises ValueError for a body that is no JSON object."""
    payload = _object(body)
    resource, _, event = topic.partition(".")
    if resource not in _WOO_RESOURCES:
        return Meaning(note=f"{topic} is nothing that is kept here")
    if "id" not in payload:
        # An order that was deleted between its event and its delivery: signed, and an error without an id.
        return Meaning(note=f"the store's own error in place of a record: {str(payload.get('code', 'unknown'))[:100]}")
    if event == "deleted" or payload.get("status") == "trash":
        return Meaning(again=[(_WOO_RESOURCES[resource], str(payload["id"]))])
    kind = woocommerce_json.find_kind(payload)
    if kind is None:
        return Meaning(again=[(_WOO_RESOURCES[resource], str(payload["id"]))])
    return Meaning(raws=[Raw(kind, payload)])


# Shopify

_SHOPIFY_KINDS: dict[str, tuple[str, Resource]] = {
    "orders": ("order", "orders"),
    "products": ("product", "products"),
    "customers": ("customer", "customers"),
}
# What a payload has to tell to be taken for the whole record: a subscription may leave fields out.
_SHOPIFY_NEEDED = {
    "order": {"updated_at", "name", "financial_status", "total_price", "line_items", "refunds", "customer"},
    "product": {"updated_at", "title", "status", "variants"},
    "customer": {"updated_at", "email", "first_name", "last_name"},
}
MOST_VARIANTS = 100
_SHOPIFY_NOTES = {
    "app/uninstalled": "the app was uninstalled: nothing can be read until it is installed again",
}


def read_shopify(topic: str, body: bytes) -> Meaning:
    """Raises ValueError for a body that is no JSON object."""
    payload = _object(body)
    if topic in _SHOPIFY_NOTES:
        return Meaning(note=_SHOPIFY_NOTES[topic])
    if topic in {"customers/data_request", "customers/redact", "shop/redact"}:
        return _read_privacy(topic, payload)
    group, _, event = topic.partition("/")
    if topic in {"refunds/create", "orders/edited"}:
        edit = payload.get("order_edit") if event == "edited" else payload
        return _ask_again(topic, "orders", edit.get("order_id") if isinstance(edit, dict) else None)
    if group not in _SHOPIFY_KINDS:
        return Meaning(note=f"{topic} is nothing that is kept here")
    kind, resource = _SHOPIFY_KINDS[group]
    is_whole = "id" in payload and payload.keys() >= _SHOPIFY_NEEDED[kind]
    if event == "delete" or not is_whole or (kind == "product" and not _has_all_variants(payload)):
        return _ask_again(topic, resource, payload.get("id"))
    return Meaning(raws=[Raw(kind, payload)], told=list(_list_variants(payload)) if kind == "product" else [])


def _has_all_variants(product: Payload) -> bool:
    """Of a product's variants a payload has the first hundred, and from API version 2024-04 on the ids of all."""
    variants = objects(product, "variants")
    if "variant_gids" in product:
        return len(objects(product, "variant_gids")) <= len(variants)
    return len(variants) < MOST_VARIANTS


def _list_variants(product: Payload) -> Iterator[Told]:
    variant_ids = frozenset(str(variant["id"]) for variant in objects(product, "variants") if variant.get("id"))
    with suppress(BadRecord):  # which the record says as well
        moment = values.moment(product["updated_at"], "updated_at")
        if variant_ids and moment is not None:
            yield Told(str(product["id"]), variant_ids, moment)


def _read_privacy(topic: str, payload: Payload) -> Meaning:
    """The topics that every app has to honour (Shopify: privacy law compliance)."""
    if topic == "shop/redact":
        return Meaning(forget_store=True)
    customer_id = nested(payload, "customer").get("id")
    if not customer_id:
        return Meaning(note=f"{topic} without the id of a customer")
    if topic == "customers/redact":
        return Meaning(forget=[str(customer_id)])
    return Meaning(note=f"customer {customer_id} asks for what is kept of them: that is GET /users/{{user_id}}/export")


def _ask_again(topic: str, resource: Resource, external_id: Any) -> Meaning:
    """What is gone shows when it is asked for."""
    if not external_id:
        return Meaning(note=f"{topic} without the id of a record")
    return Meaning(again=[(resource, str(external_id))])


def _object(body: bytes) -> Payload:
    try:
        found: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the body is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError("the body is no JSON object")
    return found
