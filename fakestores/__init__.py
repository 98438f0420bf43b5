"""Test doubles of a WooCommerce and a Shopify store, which behave like the real ones down to their traps.

One `Shop` holds the content of a store; an app for each platform serves it, and its events become webhooks. Nothing
here is part of the service: tests, rehearsals and demonstrations use it in place of somebody's live store.
"""
