"""Shopify's webhooks: subscriptions, and the deliveries that a shop's events become."""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fakestores.deliveries import Delivery
from fakestores.model import Event
from fakestores.shop import Shop
from fakestores.shopify import rest
from fakestores.shopify.nodes import HIDDEN, gid

TOPICS = (
    "app/uninstalled",
    "bulk_operations/finish",
    "customers/create",
    "customers/data_request",
    "customers/delete",
    "customers/redact",
    "customers/update",
    "orders/cancelled",
    "orders/create",
    "orders/delete",
    "orders/fulfilled",
    "orders/paid",
    "orders/updated",
    "products/create",
    "products/delete",
    "products/update",
    "refunds/create",
    "shop/redact",
)

_BY_STATUS = {"cancelled": "orders/cancelled", "completed": "orders/fulfilled", "processing": "orders/paid"}
_NAMESPACE = uuid.UUID("5f0e1f0c-3f0b-4d0a-9a57-6d1c1c6a1e11")
FAILURES_BORNE = 8
"""The subscription is removed at the next failure in a row."""


@dataclass(slots=True)
class Subscription:
    id: int
    topic: str
    url: str
    created_at: datetime
    failures: int = 0


class ShopifyWebhooks:
    """The webhooks of a shop. `take` gives what is due; a retry is the same delivery sent once more."""

    def __init__(
        self,
        shop: Shop,
        *,
        domain: str = "rise.myshopify.com",
        client_secret: str = "secret",  # noqa: S107 - what the double signs with unless told otherwise
        api_version: str = "2026-01",
    ) -> None:
        self.shop = shop
        self.domain = domain
        self.client_secret = client_secret
        self.api_version = api_version
        self.subscriptions: dict[int, Subscription] = {}
        self._seen = shop.events[-1].number if shop.events else 0
        self._pushed: list[tuple[str, Mapping[str, Any], datetime]] = []
        self._count = 0

    def subscribe(self, topic: str, url: str) -> Subscription:
        id = max(self.subscriptions, default=0) + 1
        self.subscriptions[id] = Subscription(id, topic, url, self.shop.now())
        return self.subscriptions[id]

    def subscribe_all(self, url: str) -> None:
        """To every topic, all at one address, as an app's configuration does it."""
        for topic in TOPICS:
            self.subscribe(topic, url)

    def take(self) -> list[Delivery]:
        """All that is due, in the order of the events; payloads are of now. Of what is gone only its end is told."""
        with self.shop.lock:
            found = []
            for event in self.shop.events_after(self._seen):
                for topic in _find_topics(event):
                    payload = self._find_payload(topic, event)
                    if payload is not None:
                        found += self._deliver(topic, payload, event.at, f"event-{event.number}")
                self._seen = event.number
            pushed, self._pushed = self._pushed, []
            for topic, payload, moment in pushed:
                self._count += 1
                found += self._deliver(topic, payload, moment, f"push-{self._count}")
            return found

    def report(self, delivery: Delivery, status: int) -> None:
        """Whoever fails too often in a row is not told any more."""
        subscription = self.subscriptions.get(delivery.subscription_id)
        if subscription is None:
            return
        subscription.failures = 0 if 200 <= status < 300 else subscription.failures + 1
        if subscription.failures > FAILURES_BORNE:
            del self.subscriptions[subscription.id]

    # What no event of the shop's own stands for

    def push(self, topic: str, payload: Mapping[str, Any]) -> None:
        self._pushed.append((topic, payload, self.shop.now()))

    def uninstall(self) -> None:
        shop = self.shop
        payload = {"id": shop.first_id, "name": shop.name, "domain": self.domain, "myshopify_domain": self.domain}
        self.push("app/uninstalled", payload | {"currency": shop.currency, "iana_timezone": shop.time_zone.key})

    def request_customer_data(self, customer_id: int) -> None:
        self.push(
            "customers/data_request", self._name_person(customer_id, "orders_requested") | {"data_request": {"id": 1}}
        )

    def redact_customer(self, customer_id: int) -> None:
        self.push("customers/redact", self._name_person(customer_id, "orders_to_redact"))

    def redact_shop(self) -> None:
        self.push("shop/redact", {"shop_id": self.shop.first_id, "shop_domain": self.domain})

    def _name_person(self, customer_id: int, orders: str) -> dict[str, Any]:
        customer = self.shop.customers[customer_id]
        person = {"id": customer.id, "email": customer.email, "phone": customer.billing.phone or None}
        placed = [order.id for order in self.shop.orders.values() if order.customer_id == customer_id]
        return {"shop_id": self.shop.first_id, "shop_domain": self.domain, "customer": person, orders: placed}

    def _deliver(self, topic: str, payload: Mapping[str, Any], moment: datetime, cause: str) -> list[Delivery]:
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": topic,
            "X-Shopify-Hmac-Sha256": sign(body, self.client_secret),
            "X-Shopify-Shop-Domain": self.domain,
            "X-Shopify-API-Version": self.api_version,
            # One event that is told under several topics is known as one by this.
            "X-Shopify-Event-Id": str(uuid.uuid5(_NAMESPACE, f"{self.domain}/{cause}")),
            "X-Shopify-Triggered-At": moment.strftime("%Y-%m-%dT%H:%M:%S.000000000Z"),
        }
        found = []
        for subscription in self.subscriptions.values():
            if subscription.topic == topic:
                name = f"{self.domain}/{cause}/{subscription.id}/{topic}"
                own = headers | {"X-Shopify-Webhook-Id": str(uuid.uuid5(_NAMESPACE, name))}
                found.append(Delivery(subscription.url, own, body, topic, subscription.id, moment))
        return found

    def _find_payload(self, topic: str, event: Event) -> Mapping[str, Any] | None:
        """None for what is gone, unless its end is what is told."""
        if topic.endswith("/delete"):
            person = {"tax_exemptions": [], "admin_graphql_api_id": gid("Customer", event.id)}
            return {"id": event.id} | (person if event.resource == "customer" else {})
        shop, id = self.shop, event.parent_id or event.id
        if event.resource == "order":
            return _build_order(shop, topic, id)
        if event.resource == "customer":
            return rest.build_customer(shop, shop.customers[id]) if id in shop.customers else None
        return rest.build_product(shop, shop.products[id]) if id in shop.products else None


def _build_order(shop: Shop, topic: str, id: int) -> Mapping[str, Any] | None:
    order = shop.orders.get(id)
    if order is None or order.status in HIDDEN:
        return None
    if topic == "refunds/create":
        return rest.build_refund(shop, order, order.refunds[-1]) if order.refunds else None
    return rest.build_order(shop, order)


# Shopify has no trash: what another platform puts there is deleted, or archived if it is a product.
_TOLD = {
    ("order", "created"): ("orders/create",),
    ("order", "updated"): ("orders/updated",),
    ("order", "restored"): ("orders/updated",),
    ("order", "refunded"): ("refunds/create", "orders/updated"),
    ("order", "trashed"): ("orders/delete",),
    ("order", "deleted"): ("orders/delete",),
    ("product", "created"): ("products/create",),
    ("product", "updated"): ("products/update",),
    ("product", "trashed"): ("products/update",),
    ("product", "restored"): ("products/update",),
    ("product", "deleted"): ("products/delete",),
    ("customer", "created"): ("customers/create",),
    ("customer", "updated"): ("customers/update",),
    ("customer", "deleted"): ("customers/delete",),
}


def _find_topics(event: Event) -> list[str]:
    if event.resource == "product" and event.parent_id:
        return ["products/update"]
    found = list(_TOLD.get((event.resource, event.action), ()))
    if event.resource == "order" and event.action == "created" and event.status in {"processing", "completed"}:
        found.append("orders/paid")
    if event.resource == "order" and event.action == "updated" and event.status in _BY_STATUS:
        found.append(_BY_STATUS[event.status])
    return found


def sign(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
