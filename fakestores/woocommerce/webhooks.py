"""WooCommerce's webhooks: what is subscribed to, and the deliveries that a store's events become."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fakestores import phpjson
from fakestores.deliveries import Delivery
from fakestores.model import Event
from fakestores.shop import Shop
from fakestores.woocommerce.errors import invalid_id
from fakestores.woocommerce.payloads import (
    VERSION,
    WORDPRESS_VERSION,
    View,
    build_customer,
    build_order,
    build_product,
    build_variation_as_product,
)

USER_AGENT = f"WooCommerce/{VERSION} Hookshot (WordPress/{WORDPRESS_VERSION})"
FAILURES_BORNE = 6
"""The next failure in a row disables the webhook."""

_HOOKS = {
    "order.created": ["woocommerce_new_order"],
    "order.updated": ["woocommerce_update_order", "woocommerce_order_refunded"],
    "order.deleted": ["wp_trash_post"],
    "order.restored": ["untrashed_post"],
    "product.created": ["woocommerce_process_product_meta", "woocommerce_new_product"],
    "product.updated": [
        "woocommerce_process_product_meta",
        "woocommerce_update_product",
        "woocommerce_update_product_variation",
    ],
    "product.deleted": ["wp_trash_post"],
    "product.restored": ["untrashed_post"],
    "customer.created": ["user_register", "woocommerce_created_customer", "woocommerce_new_customer"],
    "customer.updated": ["profile_update", "woocommerce_update_customer"],
    "customer.deleted": ["delete_user"],
}
TOPICS = tuple(_HOOKS)

# What is not named here is not told: force deletion, the deletion of a refund, an order that was looked at.
_TOLD = {
    ("order", "created"): ("order.created", "order.updated"),
    ("order", "updated"): ("order.updated",),
    ("order", "refunded"): ("order.updated",),
    ("order", "trashed"): ("order.deleted",),
    ("order", "restored"): ("order.restored",),
    ("product", "created"): ("product.created",),
    ("product", "updated"): ("product.updated",),
    ("product", "trashed"): ("product.deleted",),
    ("product", "restored"): ("product.restored",),
    ("customer", "created"): ("customer.created",),
    ("customer", "updated"): ("customer.updated",),
    ("customer", "deleted"): ("customer.deleted",),
}


@dataclass(slots=True)
class Subscription:
    id: int
    name: str
    topic: str
    url: str
    secret: str
    created_at: datetime
    modified_at: datetime | None = None
    status: str = "active"
    failures: int = 0


class WooWebhooks:
    """The webhooks of a store. `take` gives what is due, `report` tells it how a delivery went."""

    def __init__(self, shop: Shop, *, base_url: str = "https://shop.example", embeds_refunds: bool = True) -> None:
        self.shop = shop
        self.view = View(shop, base_url, embeds_refunds=embeds_refunds)
        self.subscriptions: dict[int, Subscription] = {}
        self._seen = shop.events[-1].number if shop.events else 0
        self._pings: list[Delivery] = []

    def subscribe(self, topic: str, url: str, secret: str = "whsec-test", *, name: str = "") -> Subscription:  # noqa: S107
        """The ping that goes with it is among the deliveries that are due, and is taken first."""
        id = max(self.subscriptions, default=0) + 1
        subscription = Subscription(id, name or f"Webhook {topic}", topic, url, secret, self.shop.now())
        self.subscriptions[id] = subscription
        self._pings.append(self._build_ping(subscription))
        return subscription

    def take(self) -> list[Delivery]:
        """All that is due, built now: a payload may be newer than its event, and events in a row become one."""
        with self.shop.lock:
            due, self._pings = self._pings, []
            pending: dict[tuple[int, str, int], Event] = {}
            for event in self.shop.events_after(self._seen):
                self._queue(event, pending)
                self._seen = event.number
            return due + [self._build(self.subscriptions[id], event) for (id, _, _), event in pending.items()]

    def take_pings(self) -> list[Delivery]:
        due, self._pings = self._pings, []
        return due

    def report(self, delivery: Delivery, status: int) -> None:
        """A success forgives all failures before it; a failed delivery is not tried again."""
        subscription = self.subscriptions.get(delivery.subscription_id)
        if subscription is None or delivery.topic == "ping":
            return
        if 200 <= status <= 302:
            subscription.failures = 0
            return
        subscription.failures += 1
        if subscription.failures > FAILURES_BORNE:
            subscription.status, subscription.modified_at = "disabled", self.shop.now()

    def _queue(self, event: Event, pending: dict[tuple[int, str, int], Event]) -> None:
        topics = _TOLD.get((event.resource, event.action), ())
        if event.parent_id and event.action == "created":
            topics = ("product.updated",)
        for topic in topics:
            for subscription in self.subscriptions.values():
                if subscription.topic == topic and subscription.status == "active":
                    pending.setdefault((subscription.id, event.resource, event.id), event)

    def _build(self, subscription: Subscription, event: Event) -> Delivery:
        now = self.shop.now()
        if subscription.topic.endswith(".deleted"):
            body = phpjson.encode({"id": event.id})
        else:
            body = phpjson.encode(self._find_payload(event.resource, event.id))
        resource, _, action = subscription.topic.partition(".")
        # Of the webhook and the second: the deliveries of one second share it.
        delivery_id = hashlib.md5(f"{subscription.id}{int(now.timestamp())}".encode(), usedforsecurity=False)
        headers = {
            "User-Agent": USER_AGENT,
            "Content-Type": "application/json",
            "X-WC-Webhook-Source": f"{self.view.base_url}/",
            "X-WC-Webhook-Topic": subscription.topic,
            "X-WC-Webhook-Resource": resource,
            "X-WC-Webhook-Event": action,
            "X-WC-Webhook-Signature": sign(body, subscription.secret),
            "X-WC-Webhook-ID": str(subscription.id),
            "X-WC-Webhook-Delivery-ID": delivery_id.hexdigest(),
        }
        return Delivery(subscription.url, headers, body, subscription.topic, subscription.id, event.at)

    def _build_ping(self, subscription: Subscription) -> Delivery:
        """A form without a signature, which has to be answered with 200."""
        headers = {"User-Agent": USER_AGENT, "Content-Type": "application/x-www-form-urlencoded"}
        body = f"webhook_id={subscription.id}".encode()
        return Delivery(subscription.url, headers, body, "ping", subscription.id, self.shop.now())

    def _find_payload(self, resource: str, id: int) -> Mapping[str, Any]:
        """The answer of the API to a request for it, be that an error."""
        rows: Mapping[int, Any]
        builds: dict[str, tuple[Mapping[int, Any], Callable[[View, Any], Mapping[str, Any]]]] = {
            "order": (self.shop.orders, build_order),
            "customer": (self.shop.customers, build_customer),
            "product": (self.shop.products, build_product),
        }
        if resource == "product" and id in self.shop.variations:
            return build_variation_as_product(self.view, self.shop.variations[id])
        rows, build = builds[resource]
        if id not in rows:
            return invalid_id({"order": "shop_order"}.get(resource, resource)).body
        return build(self.view, rows[id])


def build_webhook(view: View, subscription: Subscription) -> dict[str, Any]:
    """As `/webhooks` shows it: neither the secret nor the count of failures."""
    resource, _, event = subscription.topic.partition(".")
    return {
        "id": subscription.id,
        "name": subscription.name,
        "status": subscription.status,
        "topic": subscription.topic,
        "resource": resource,
        "event": event,
        "hooks": _HOOKS[subscription.topic],
        "delivery_url": subscription.url,
        **view.dates("created", subscription.created_at),
        **view.dates("modified", subscription.modified_at),
        "_links": view.links("webhooks", subscription.id),
    }


def sign(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
