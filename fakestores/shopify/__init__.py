"""The double of a Shopify store: `create_app` for its Admin GraphQL API, `ShopifyWebhooks` for what it sends."""

from fakestores.shopify.app import TOKEN, Bucket, Store, create_app
from fakestores.shopify.webhooks import ShopifyWebhooks

__all__ = ["TOKEN", "Bucket", "ShopifyWebhooks", "Store", "create_app"]
