"""The payloads of webhooks: what the REST Admin API used to answer, in the shop's own time."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from fakestores.model import Address, Customer, Order, Product, Refund, Variation, cents, collect_options
from fakestores.shop import Shop
from fakestores.shopify import nodes
from fakestores.shopify.figures import count_refunded
from fakestores.shopify.nodes import COUNTRIES, NO_OPTION, Purse, gid

Payload = dict[str, Any]
MOST_VARIANTS = 100
"""Of a product's variants a payload has so many, and the ids of all."""


def _local(shop: Shop, moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(shop.time_zone).isoformat()


def _set(purse: Purse, shop: Decimal, presentment: Decimal) -> Payload:
    return {
        "shop_money": {"amount": str(cents(shop)), "currency_code": purse.shop_currency},
        "presentment_money": {"amount": str(cents(presentment)), "currency_code": purse.currency},
    }


def build_order(shop: Shop, order: Order) -> Payload:
    purse = nodes.find_purse(shop, order)
    own, theirs = purse.shop, purse.presentment
    number = nodes.find_number(shop, order)
    customer = shop.customers.get(order.customer_id)
    financial = nodes.find_financial_status(order, own).lower()
    is_fulfilled = nodes.find_fulfillment_status(order) == "FULFILLED"
    created = _local(shop, order.created_at)
    return {
        "id": order.id,
        "admin_graphql_api_id": gid("Order", order.id),
        "name": f"#{number}",
        "number": number - 1000,
        "order_number": number,
        "confirmation_number": None,
        "created_at": created,
        "updated_at": _local(shop, order.modified_at),
        "processed_at": created,
        "closed_at": _local(shop, order.completed_at),
        "cancelled_at": _local(shop, order.cancelled_at),
        "cancel_reason": None if order.cancelled_at is None else "customer",
        "currency": shop.currency,
        "presentment_currency": order.currency,
        "taxes_included": False,
        "test": order.is_test,
        "confirmed": True,
        "financial_status": financial,
        "fulfillment_status": "fulfilled" if is_fulfilled else None,
        "email": order.email,
        "contact_email": order.email or None,
        "phone": None,
        "customer_locale": "en",
        "buyer_accepts_marketing": False,
        "subtotal_price": str(own.subtotal),
        "total_line_items_price": str(sum((line.original for line in own.lines), Decimal("0.00"))),
        "total_discounts": str(own.discounts),
        "total_tax": str(own.tax),
        "total_tip_received": "0.00",
        "total_price": str(own.total),
        "total_outstanding": "0.00" if order.paid_at else str(own.total),
        "current_subtotal_price": str(own.subtotal),
        "current_total_discounts": str(own.discounts),
        "current_total_tax": str(own.tax),
        "current_total_price": str(own.total - own.refunded),
        "total_price_set": _set(purse, own.total, theirs.total),
        "total_discounts_set": _set(purse, own.discounts, theirs.discounts),
        "total_tax_set": _set(purse, own.tax, theirs.tax),
        "total_shipping_price_set": _set(purse, own.shipping_total, theirs.shipping_total),
        "current_total_price_set": _set(purse, own.total - own.refunded, theirs.total - theirs.refunded),
        "current_total_duties_set": None,
        "note": order.note or None,
        "tags": "",
        "source_name": "web",
        "landing_site": None,
        "referring_site": None,
        "payment_gateway_names": [order.payment_title],
        "discount_codes": [
            {"code": coupon.code, "amount": str(cents(coupon.discount * order.exchange_rate)), "type": "fixed_amount"}
            for coupon in order.coupon_lines
        ],
        "customer": build_customer(shop, customer) if customer else None,
        "billing_address": build_address(order.billing),
        "shipping_address": build_address(order.shipping),
        "shipping_lines": [
            {
                "id": line.id,
                "title": line.title,
                "code": line.title,
                "source": "shopify",
                "price": str(price),
                "discounted_price": str(price),
                "tax_lines": [],
            }
            for line, (price, _) in zip(order.shipping_lines, own.shipping, strict=True)
        ],
        "line_items": [_build_line(shop, order, purse, place) for place in range(len(own.lines))],
        "fulfillments": [_build_fulfillment(shop, order)] if is_fulfilled else [],
        "refunds": [build_refund(shop, order, refund) for refund in order.refunds],
    }


def _build_line(shop: Shop, order: Order, purse: Purse, place: int) -> Payload:
    figures, theirs = purse.shop.lines[place], purse.presentment.lines[place]
    price = {"price": str(figures.unit), "price_set": _set(purse, figures.unit, theirs.unit)}
    if place >= len(order.lines):
        fee = [fee for fee in order.fee_lines if fee.total >= 0][place - len(order.lines)]
        return _CUSTOM_LINE | {"id": fee.id, "title": fee.name, "name": fee.name, "quantity": 1} | price
    line = order.lines[place]
    product = shop.products.get(line.product_id)
    option = " / ".join(value for _, value in line.options)
    title = line.name.removesuffix(f" - {', '.join(value for _, value in line.options)}") if option else line.name
    variant_id = (line.variation_id or line.product_id) if product else None
    if line.variation_id and line.variation_id not in shop.variations:
        variant_id = None
    allocated = {"amount": str(figures.discount), "discount_application_index": 0}
    return _CUSTOM_LINE | {
        "id": line.id,
        "admin_graphql_api_id": gid("LineItem", line.id),
        "product_id": product.id if product else None,
        "variant_id": variant_id,
        "title": title,
        "variant_title": option or None,
        "name": f"{title} - {option}" if option else title,
        "sku": line.sku,
        "vendor": product.vendor if product else None,
        "quantity": line.quantity,
        "current_quantity": line.quantity - count_refunded(order, line.id),
        **price,
        "discount_allocations": [allocated] if figures.discount else [],
        "product_exists": product is not None,
        "fulfillable_quantity": 0 if order.completed_at else line.quantity,
        "fulfillment_status": "fulfilled" if order.completed_at else None,
        "requires_shipping": not line.virtual,
    }


# Of a line without a product, as a merchant types one in; a line's own values stand over these.
_CUSTOM_LINE: Payload = {
    "product_id": None,
    "variant_id": None,
    "variant_title": None,
    "sku": None,
    "vendor": None,
    "total_discount": "0.00",
    "discount_allocations": [],
    "tax_lines": [],
    "product_exists": False,
    "fulfillable_quantity": 0,
    "fulfillment_status": None,
    "gift_card": False,
    "requires_shipping": False,
    "taxable": True,
    "properties": [],
}


def _build_fulfillment(shop: Shop, order: Order) -> Payload:
    done = _local(shop, order.completed_at)
    return {
        "id": order.id,
        "order_id": order.id,
        "status": "success",
        "shipment_status": None,
        "tracking_company": None,
        "tracking_number": None,
        "tracking_numbers": [],
        "created_at": done,
        "updated_at": done,
        "line_items": [],
    }


def build_refund(shop: Shop, order: Order, refund: Refund) -> Payload:
    purse = nodes.find_purse(shop, order)
    paid = purse.shop.refunds[order.refunds.index(refund)]
    moment = _local(shop, refund.created_at)
    transaction = {
        "id": refund.id,
        "order_id": order.id,
        "kind": "refund",
        "status": "success",
        "amount": str(paid),
        "currency": shop.currency,
        "gateway": order.payment_method,
        "created_at": moment,
        "parent_id": order.id,
    }
    return {
        "id": refund.id,
        "admin_graphql_api_id": gid("Refund", refund.id),
        "order_id": order.id,
        "created_at": moment,
        "processed_at": moment,
        "note": refund.reason or None,
        "restock": bool(refund.lines),
        "user_id": None,
        "order_adjustments": [],
        "transactions": [transaction] if refund.amount else [],
        "refund_line_items": [
            {
                "id": back.id,
                "line_item_id": back.line_id,
                "quantity": back.quantity,
                "restock_type": "return",
                "subtotal": float(cents(back.total * order.exchange_rate)),
                "total_tax": float(order.tax_of(cents(back.total * order.exchange_rate))),
                "subtotal_set": _set(purse, back.total * order.exchange_rate, back.total),
            }
            for back in refund.lines
        ],
    }


def build_address(address: Address) -> Payload | None:
    if address == Address():
        return None
    return {
        "first_name": address.first_name or None,
        "last_name": address.last_name or None,
        "name": f"{address.first_name} {address.last_name}".strip(),
        "company": address.company or None,
        "address1": address.address_1 or None,
        "address2": address.address_2 or None,
        "city": address.city or None,
        "zip": address.postcode or None,
        "province": address.state or None,
        "province_code": address.state.rpartition("-")[2] or None,
        "country": COUNTRIES.get(address.country, address.country) or None,
        "country_code": address.country or None,
        "phone": address.phone or None,
        "latitude": None,
        "longitude": None,
    }


def build_customer(shop: Shop, customer: Customer) -> Payload:
    address = build_address(customer.billing)
    default = address and address | {"id": customer.id, "customer_id": customer.id, "default": True}
    return {
        "id": customer.id,
        "admin_graphql_api_id": gid("Customer", customer.id),
        "email": customer.email or None,
        "phone": customer.billing.phone or None,
        "first_name": customer.first_name or None,
        "last_name": customer.last_name or None,
        "orders_count": 0,
        "total_spent": "0.00",
        "currency": shop.currency,
        "state": "disabled",
        "verified_email": True,
        "tax_exempt": False,
        "tags": "",
        "note": None,
        "last_order_id": None,
        "last_order_name": None,
        "multipass_identifier": None,
        "created_at": _local(shop, customer.created_at),
        "updated_at": _local(shop, customer.modified_at or customer.created_at),
        "addresses": [default] if default else [],
        **({"default_address": default} if default else {}),
        "email_marketing_consent": None,
        "sms_marketing_consent": None,
    }


def build_product(shop: Shop, product: Product) -> Payload:
    sold: list[Variation | Product] = [*product.variations] or [product]
    options = collect_options(product) or {"Title": [NO_OPTION]}
    return {
        "id": product.id,
        "admin_graphql_api_id": gid("Product", product.id),
        "title": product.name,
        "handle": product.slug,
        "body_html": f"<p>{product.description}</p>" if product.description else None,
        "vendor": product.vendor or shop.name,
        "product_type": product.category,
        "status": nodes.find_product_status(product).lower(),
        "tags": "",
        "published_at": _local(shop, product.created_at) if product.status == "publish" else None,
        "created_at": _local(shop, product.created_at),
        "updated_at": _local(shop, product.modified_at),
        "options": [
            {"id": product.id * 10 + n, "product_id": product.id, "name": name, "position": n, "values": values}
            for n, (name, values) in enumerate(options.items(), start=1)
        ],
        "images": [],
        "image": None,
        "variants": [_build_variant(shop, product, item, n) for n, item in enumerate(sold[:MOST_VARIANTS], start=1)],
        "variant_gids": [
            {"admin_graphql_api_id": gid("ProductVariant", item.id), "updated_at": _local(shop, item.modified_at)}
            for item in sold
        ],
    }


def _build_variant(shop: Shop, product: Product, item: Variation | Product, position: int) -> Payload:
    values = [value for _, value in item.options] if isinstance(item, Variation) else [NO_OPTION]
    chosen = [*values, None, None, None][:3]
    compared = item.price if item.sale_price is not None else None
    return {
        "id": item.id,
        "product_id": product.id,
        "admin_graphql_api_id": gid("ProductVariant", item.id),
        "title": " / ".join(values),
        "sku": item.sku or None,
        "position": position,
        "price": str(cents(item.current_price or Decimal(0))),
        "compare_at_price": None if compared is None else str(cents(compared)),
        "barcode": item.barcode or None,
        "option1": chosen[0],
        "option2": chosen[1],
        "option3": chosen[2],
        "grams": 0,
        "inventory_item_id": item.id,
        "inventory_management": None if item.stock is None else "shopify",
        "inventory_policy": "deny",
        "inventory_quantity": item.stock or 0,
        "taxable": True,
        "requires_shipping": not product.virtual,
        "created_at": _local(shop, item.created_at),
        "updated_at": _local(shop, item.modified_at),
    }
