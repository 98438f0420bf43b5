"""From a store's events to webhook deliveries, for both platforms."""

from fakestores.deliveries import Delivery, delay, duplicate, send, shuffle
from fakestores.shopify.webhooks import ShopifyWebhooks
from fakestores.woocommerce.webhooks import WooWebhooks

__all__ = ["Delivery", "ShopifyWebhooks", "WooWebhooks", "delay", "duplicate", "send", "shuffle"]
