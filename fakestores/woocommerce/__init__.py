"""The double of a WooCommerce store: `create_app` for its REST API, `WooWebhooks` for what it sends."""

from fakestores.woocommerce.app import KEY, SECRET, Store, create_app
from fakestores.woocommerce.webhooks import WooWebhooks

__all__ = ["KEY", "SECRET", "Store", "WooWebhooks", "create_app"]
