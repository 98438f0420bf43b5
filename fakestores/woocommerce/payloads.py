"""WooCommerce's JSON of orders, refunds, customers, products and variations, as version 7.8 of it writes them."""

import hashlib
import html
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from fakestores.model import (
    Address,
    CouponLine,
    Customer,
    FeeLine,
    Line,
    Order,
    Product,
    Refund,
    ShippingLine,
    Variation,
    collect_options,
)
from fakestores.shop import Shop

Payload = dict[str, Any]

VERSION = "7.8.2"
WORDPRESS_VERSION = "6.1.9"
NO_ADDRESS = Address()

SYMBOLS = {"BDT": "৳\u00a0", "USD": "$", "EUR": "€", "GBP": "£", "INR": "₹"}
_EDITABLE = frozenset({"pending", "on-hold", "auto-draft"})
_AWAITS_PAYMENT = frozenset({"pending", "failed", "checkout-draft"})


@dataclass(frozen=True, slots=True)
class View:
    """How a store is looked at: whose address stands in links, and with how many decimals money is written."""

    shop: Shop
    base_url: str
    decimals: int = 2
    embeds_refunds: bool = True

    @property
    def api_url(self) -> str:
        return f"{self.base_url}/wp-json/wc/v3"

    def money(self, amount: Decimal) -> str:
        return str(amount.quantize(Decimal(1).scaleb(-self.decimals), ROUND_HALF_UP))

    def dates(self, name: str, moment: datetime | None) -> Payload:
        """`date_x` in the store's own time and `date_x_gmt`, both without a zone."""
        if moment is None:
            return {f"date_{name}": None, f"date_{name}_gmt": None}
        local = moment.astimezone(self.shop.time_zone).replace(tzinfo=None)
        gmt = moment.astimezone(UTC).replace(tzinfo=None)
        return {f"date_{name}": local.isoformat(), f"date_{name}_gmt": gmt.isoformat()}

    def links(self, path: str, id: int, **more: str) -> Payload:
        collection = f"{self.api_url}/{path}"
        found = {"self": [{"href": f"{collection}/{id}"}], "collection": [{"href": collection}]}
        return found | {name: [{"href": f"{self.api_url}/{place}"}] for name, place in more.items()}


def build_exact(amount: Decimal) -> str:
    """Without trailing zeros, as WooCommerce leaves what it never rounded: "97.5375", "9", "0"."""
    return f"{amount.normalize():f}" if amount else "0"


def build_number(amount: Decimal, quantity: int) -> int | float:
    """A line's `price` is a quotient of floats, with the noise of one."""
    value = float(amount) / quantity if quantity else 0.0
    return int(value) if value.is_integer() else value


def build_address(address: Address, **more: str) -> Payload:
    return {
        "first_name": address.first_name,
        "last_name": address.last_name,
        "company": address.company,
        "address_1": address.address_1,
        "address_2": address.address_2,
        "city": address.city,
        "state": address.state,
        "postcode": address.postcode,
        "country": address.country,
        **more,
        "phone": address.phone,
    }


# Orders


def build_order(view: View, order: Order) -> Payload:
    shown = build_refund_summaries(view, order) if view.embeds_refunds else []
    key = "wc_order_" + hashlib.sha256(str(order.id).encode()).hexdigest()[:13]
    customer = {"customer": f"customers/{order.customer_id}"} if order.customer_id else {}
    return {
        "id": order.id,
        "parent_id": 0,
        "status": order.status,
        "currency": order.currency,
        "version": VERSION,
        "prices_include_tax": False,
        **view.dates("created", order.created_at),
        **view.dates("modified", order.modified_at),
        "discount_total": view.money(order.discount),
        "discount_tax": view.money(_discount_tax(order)),
        "shipping_total": view.money(order.shipping_total),
        "shipping_tax": view.money(order.shipping_tax),
        "cart_tax": view.money(order.cart_tax),
        "total": view.money(order.total),
        "total_tax": view.money(order.total_tax),
        "customer_id": order.customer_id,
        "order_key": key,
        "billing": build_address(order.billing, email=order.email),
        "shipping": build_address(order.shipping),
        "payment_method": order.payment_method,
        "payment_method_title": order.payment_title,
        "transaction_id": "",
        "customer_ip_address": "",
        "customer_user_agent": "",
        "created_via": order.created_via,
        "customer_note": order.note,
        **view.dates("completed", order.completed_at),
        **view.dates("paid", order.paid_at),
        "cart_hash": "",
        "number": order.number,
        "meta_data": [_meta(order.id * 100 + n, key, value) for n, (key, value) in enumerate(order.meta)],
        "line_items": [_build_line(view, order, line) for line in order.lines],
        "tax_lines": _build_tax_lines(view, order),
        "shipping_lines": [_build_shipping_line(view, order, line) for line in order.shipping_lines],
        "fee_lines": [_build_fee_line(view, order, fee) for fee in order.fee_lines],
        "coupon_lines": [_build_coupon_line(order, coupon) for coupon in order.coupon_lines],
        "refunds": shown,
        "payment_url": f"{view.base_url}/checkout/order-pay/{order.id}/?pay_for_order=true&key={key}",
        "is_editable": order.status in _EDITABLE,
        "needs_payment": order.status in _AWAITS_PAYMENT and order.total > 0,
        "needs_processing": any(not line.virtual for line in order.lines),
        "currency_symbol": SYMBOLS.get(order.currency, order.currency),
        "_links": view.links("orders", order.id, **customer),
    }


def build_refund_summaries(view: View, order: Order) -> list[Payload]:
    """Newest first, and negative: on its own a refund's amount is positive."""
    return [
        {"id": refund.id, "reason": refund.reason, "total": view.money(-refund.amount)}
        for refund in reversed(order.refunds)
    ]


def _discount_tax(order: Order) -> Decimal:
    taxes = [order.tax_of(line.subtotal) - order.tax_of(line.total) for line in order.lines]
    return sum(taxes, Decimal(0))


def _meta(id: int, key: str, value: Any, **display: Any) -> Payload:
    return {"id": id, "key": key, "value": value, **display}


def _taxes(order: Order, total: Decimal, subtotal: Decimal | None) -> list[Payload]:
    if not order.tax_rate:
        return []
    before = "" if subtotal is None else build_exact(subtotal * order.tax_rate)
    return [{"id": 1, "total": build_exact(total * order.tax_rate), "subtotal": before}]


def _build_line(view: View, order: Order, line: Line) -> Payload:
    return {
        "id": line.id,
        "name": html.escape(line.name, quote=False),
        **_build_reference(view.shop, line),
        "quantity": line.quantity,
        "tax_class": "",
        "subtotal": view.money(line.subtotal),
        "subtotal_tax": view.money(order.tax_of(line.subtotal)),
        "total": view.money(line.total),
        "total_tax": view.money(order.tax_of(line.total)),
        "taxes": _taxes(order, line.total, line.subtotal),
        "meta_data": [
            _meta(line.id * 10 + n, f"pa_{name.lower()}", value.lower(), display_key=name, display_value=value)
            for n, (name, value) in enumerate(line.options)
        ],
        "price": build_number(line.total, line.quantity),
        **_build_origin(view.shop, line),
    }


def _build_reference(shop: Shop, line: Line) -> Payload:
    """What a line says of its product is looked up when it is read, not kept from when it was bought.

    A deleted product leaves zeros, a deleted variation its product's id, and a variation without a SKU of its own
    shows the product's.
    """
    product = shop.products.get(line.product_id)
    if product is None:
        return {"product_id": 0, "variation_id": 0, "sku": None}
    variation = shop.variations.get(line.variation_id)
    if variation is None:
        return {"product_id": product.id, "variation_id": 0, "sku": product.sku}
    return {"product_id": product.id, "variation_id": variation.id, "sku": variation.sku or product.sku}


def _build_origin(shop: Shop, line: Line) -> Payload:
    product = shop.products.get(line.product_id)
    varies = product is not None and line.variation_id in shop.variations
    parent_name = html.escape(product.name, quote=False) if product is not None and varies else None
    missing: int | str = "" if product is not None and not line.variation_id else 0
    return {"image": {"id": missing, "src": ""}, "parent_name": parent_name}


def _build_shipping_line(view: View, order: Order, line: ShippingLine) -> Payload:
    return {
        "id": line.id,
        "method_title": line.title,
        "method_id": "flat_rate",
        "instance_id": "",
        "total": view.money(line.total),
        "total_tax": view.money(order.tax_of(line.total)),
        "taxes": _taxes(order, line.total, None),
        "meta_data": [],
    }


def _build_fee_line(view: View, order: Order, fee: FeeLine) -> Payload:
    return {
        "id": fee.id,
        "name": fee.name,
        "tax_class": "",
        "tax_status": "taxable" if fee.taxable else "none",
        "amount": "",
        "total": view.money(fee.total),
        "total_tax": view.money(order.fee_tax(fee)),
        "taxes": _taxes(order, fee.total, None) if fee.taxable else [],
        "meta_data": [],
    }


def _build_coupon_line(order: Order, coupon: CouponLine) -> Payload:
    whole = {
        "id": coupon.id,
        "code": coupon.code,
        "amount": str(coupon.discount),
        "status": "publish",
        "discount_type": "fixed_cart",
        "description": "",
        "usage_count": 0,
        "product_ids": [],
        "free_shipping": False,
        "meta_data": [],
    }
    # The coupon stands in the metadata whole, and twice: values there are not always text.
    return {
        "id": coupon.id,
        "code": coupon.code,
        "discount": build_exact(coupon.discount),
        "discount_tax": build_exact(order.tax_of(coupon.discount)),
        "meta_data": [_meta(coupon.id, "coupon_data", whole, display_key="coupon_data", display_value=whole)],
    }


def _build_tax_lines(view: View, order: Order, sign: int = 1, of: Refund | None = None) -> list[Payload]:
    if not order.tax_rate:
        return []
    cart = order.cart_tax if of is None else sum((order.tax_of(line.total) for line in of.lines), Decimal(0))
    shipping = order.shipping_tax if of is None else Decimal(0)
    return [
        {
            "id": order.id,
            "rate_code": "VAT-1",
            "rate_id": 1,
            "label": "VAT",
            "compound": False,
            "tax_total": view.money(sign * cart),
            "shipping_tax_total": view.money(sign * shipping),
            "rate_percent": _plain_number(order.tax_rate * 100),
            "meta_data": [],
        }
    ]


def _plain_number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


# Refunds


def build_refund(view: View, order: Order, refund: Refund) -> Payload:
    """As `/orders/{id}/refunds` lists it; which order it belongs to only its links say."""
    lines = {line.id: line for line in order.lines}
    return {
        "id": refund.id,
        **view.dates("created", refund.created_at),
        "amount": view.money(refund.amount),
        "reason": refund.reason,
        "refunded_by": 1,
        "refunded_payment": False,
        "meta_data": [],
        "line_items": [
            _build_refund_line(view, order, lines[back.line_id], back.id, back.quantity, back.total)
            for back in refund.lines
            if back.line_id in lines
        ],
        "shipping_lines": [],
        "tax_lines": _build_tax_lines(view, order, -1, refund) if refund.lines else [],
        "fee_lines": [],
        "_links": view.links(f"orders/{order.id}/refunds", refund.id, up=f"orders/{order.id}"),
    }


def _build_refund_line(view: View, order: Order, line: Line, id: int, quantity: int, total: Decimal) -> Payload:
    tax = order.tax_of(total)
    known = str(line.id)
    return {
        "id": id,
        "name": html.escape(line.name, quote=False),
        **_build_reference(view.shop, line),
        "quantity": -quantity,
        "tax_class": "",
        "subtotal": view.money(-total),
        "subtotal_tax": view.money(-tax),
        "total": view.money(-total),
        "total_tax": view.money(-tax),
        "taxes": _taxes(order, -total, -total),
        "meta_data": [_meta(id * 10, "_refunded_item_id", known, display_key="_refunded_item_id", display_value=known)],
        "price": build_number(total, quantity),
        **_build_origin(view.shop, line),
    }


# Customers


def build_customer(view: View, customer: Customer) -> Payload:
    has_billing = customer.billing != NO_ADDRESS
    avatar = hashlib.sha256(customer.email.lower().encode()).hexdigest()[:32]
    return {
        "id": customer.id,
        **view.dates("created", customer.created_at),
        **view.dates("modified", customer.modified_at),
        "email": customer.email,
        "first_name": html.escape(customer.first_name, quote=False),
        "last_name": html.escape(customer.last_name, quote=False),
        "role": customer.role,
        "username": customer.username,
        "billing": build_address(customer.billing, email=customer.email if has_billing else ""),
        "shipping": build_address(customer.shipping),
        "is_paying_customer": customer.is_paying,
        "avatar_url": f"https://secure.gravatar.com/avatar/{avatar}?s=96&d=mm&r=g",
        "meta_data": [],
        "_links": view.links("customers", customer.id),
    }


# Products


def _build_prices(item: Product | Variation) -> Payload:
    """As they were typed; a product without a price has none."""
    typed = {"price": item.current_price, "regular_price": item.price, "sale_price": item.sale_price}
    return {name: "" if amount is None else build_exact(amount) for name, amount in typed.items()} | {
        "date_on_sale_from": None,
        "date_on_sale_from_gmt": None,
        "date_on_sale_to": None,
        "date_on_sale_to_gmt": None,
        "on_sale": item.sale_price is not None,
    }


def _build_stock(item: Product | Variation) -> Payload:
    return {
        "manage_stock": item.stock is not None,
        "stock_quantity": item.stock,
        "backorders": "no",
        "backorders_allowed": False,
        "backordered": False,
        "low_stock_amount": None,
        "stock_status": "instock" if item.stock is None or item.stock > 0 else "outofstock",
    }


def _build_goods(item: Product | Variation, *, virtual: bool, limit: int) -> Payload:
    return {
        "sku": item.sku,
        **_build_prices(item),
        "purchasable": item.current_price is not None,
        "virtual": virtual,
        "downloadable": False,
        "downloads": [],
        "download_limit": limit,
        "download_expiry": limit,
        "tax_status": "taxable",
        "tax_class": "",
        **_build_stock(item),
        "weight": "",
        "dimensions": {"length": "", "width": "", "height": ""},
        "shipping_class": "",
        "shipping_class_id": 0,
    }


def build_product(view: View, product: Product) -> Payload:
    options = collect_options(product)
    prices = [v.current_price for v in product.variations if v.current_price is not None]
    varies = {"price": build_exact(min(prices)), "regular_price": "", "sale_price": ""} if prices else {}
    slug = product.category.lower().replace(" ", "-")
    return {
        "id": product.id,
        "name": html.escape(product.name, quote=False),
        "slug": product.slug,
        "permalink": f"{view.base_url}/product/{product.slug}/",
        **view.dates("created", product.created_at),
        **view.dates("modified", product.modified_at),
        "type": "variable" if product.variations else "simple",
        "status": product.status,
        "featured": False,
        "catalog_visibility": "visible",
        "description": product.description and f"<p>{product.description}</p>\n",
        "short_description": "",
        **_build_goods(product, virtual=product.virtual, limit=0),
        **varies,
        **({"purchasable": True} if prices else {}),
        "total_sales": product.total_sales,
        "external_url": "",
        "button_text": "",
        "sold_individually": False,
        "shipping_required": not product.virtual,
        "shipping_taxable": not product.virtual,
        "reviews_allowed": True,
        "average_rating": "0.00",
        "rating_count": 0,
        "upsell_ids": [],
        "cross_sell_ids": [],
        "parent_id": 0,
        "purchase_note": "",
        "categories": [{"id": 15, "name": product.category, "slug": slug}],
        "tags": [],
        "images": [],
        "attributes": [
            {"id": n, "name": name, "position": n - 1, "visible": True, "variation": True, "options": values}
            for n, (name, values) in enumerate(options.items(), start=1)
        ],
        "default_attributes": [],
        "variations": [variation.id for variation in product.variations],
        "grouped_products": [],
        "menu_order": 0,
        "price_html": _build_price_html(view, prices or [product.current_price]),
        "related_ids": [],
        "meta_data": [],
        "has_options": bool(product.variations),
        "_links": view.links("products", product.id),
    }


def _build_price_html(view: View, prices: Iterable[Decimal | None]) -> str:
    found = sorted({price for price in prices if price is not None})
    symbol = SYMBOLS.get(view.shop.currency, view.shop.currency)
    shown = [f'<span class="woocommerce-Price-amount amount">{symbol}{price:,.2f}</span>' for price in found]
    return " &ndash; ".join(shown[:1] + shown[1:][-1:])


def build_variation(view: View, variation: Variation) -> Payload:
    """As `/products/{id}/variations` lists it: without a name, a type or its parent's id."""
    product = view.shop.products[variation.product_id]
    names = list(collect_options(product))
    chosen = "&".join(f"attribute_pa_{name.lower()}={value.lower()}" for name, value in variation.options)
    return {
        "id": variation.id,
        **view.dates("created", variation.created_at),
        **view.dates("modified", variation.modified_at),
        "description": "",
        "permalink": f"{view.base_url}/product/{product.slug}/?{chosen}",
        "status": variation.status,
        **_build_goods(variation, virtual=product.virtual, limit=-1),
        # The one field where the product's stands in for a missing own one.
        "sku": variation.sku or product.sku,
        "image": None,
        "attributes": [
            {"id": names.index(name) + 1, "name": name, "option": value} for name, value in variation.options
        ],
        "menu_order": 0,
        "meta_data": [],
        "_links": view.links(f"products/{product.id}/variations", variation.id, up=f"products/{product.id}"),
    }


def build_variation_as_product(view: View, variation: Variation) -> Payload:
    """How `/products/{id}` and the webhooks of products show a variation: with its type and its parent's id."""
    product = view.shop.products[variation.product_id]
    named = f"{product.name} - {', '.join(value for _, value in variation.options)}"
    own = build_variation(view, variation)
    del own["image"]
    return (
        build_product(view, product)
        | own
        | {
            "name": html.escape(named, quote=False),
            "type": "variation",
            "parent_id": product.id,
            "total_sales": "0",
            "reviews_allowed": False,
            "categories": [],
            "variations": [],
            "has_options": False,
            "purchasable": variation.current_price is not None,
            "price_html": _build_price_html(view, [variation.current_price]),
            "_links": view.links("products", variation.id, up=f"products/{product.id}"),
        }
    )
