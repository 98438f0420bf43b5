"""A store's content as the nodes of the GraphQL API: dictionaries by field name.

A connection is the list of its nodes, and what would lead to another record is a function that fetches it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fakestores.model import DRAFTS, Address, Customer, Order, Product, Refund, Variation, cents, collect_options
from fakestores.shop import Shop
from fakestores.shopify.figures import Figures, count_refunded, find_figures

Node = dict[str, Any]

NO_OPTION = "Default Title"
HIDDEN = DRAFTS | {"trash"}
"""What another platform's store has and this one does not."""

COUNTRIES = {
    "BD": "Bangladesh",
    "DE": "Germany",
    "GB": "United Kingdom",
    "US": "United States",
    "CA": "Canada",
}


def gid(kind: str, id: int | str) -> str:
    return f"gid://shopify/{kind}/{id}"


def timestamp(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat('T', 'seconds')}Z"


def decimal(amount: Decimal) -> str:
    """At least one decimal, and no zero beyond it: "73.0", "12.35"."""
    text = f"{amount.normalize():f}"
    return text if "." in text else f"{text}.0"


@dataclass(frozen=True, slots=True)
class Purse:
    """Amounts of one order in both currencies."""

    shop_currency: str
    currency: str
    shop: Figures
    presentment: Figures

    def bag(self, of: Callable[[Figures], Decimal]) -> Node:
        if self.shop is self.presentment:
            money = _money(of(self.shop), self.currency)
            return {"shopMoney": money, "presentmentMoney": money}
        return _bag(of(self.shop), self.shop_currency, of(self.presentment), self.currency)

    def later(self, of: Callable[[Figures], Decimal]) -> Callable[[], Node]:
        """Worked out when it is asked for, which most amounts are not."""
        return lambda: self.bag(of)


def _money(amount: Decimal, currency: str) -> Node:
    return {"amount": decimal(amount), "currencyCode": currency}


def _bag(shop: Decimal, shop_currency: str, presentment: Decimal, currency: str) -> Node:
    return {"shopMoney": _money(shop, shop_currency), "presentmentMoney": _money(presentment, currency)}


def find_purse(shop: Shop, order: Order) -> Purse:
    own = find_figures(order)
    shops = own if order.exchange_rate == 1 else find_figures(order, order.exchange_rate)
    return Purse(shop.currency, order.currency, shops, own)


# Statuses


def find_financial_status(order: Order, figures: Figures) -> str:
    if figures.refunded:
        return "REFUNDED" if figures.refunded >= figures.total else "PARTIALLY_REFUNDED"
    if order.paid_at is not None or order.status in {"processing", "completed", "ready-pickup"}:
        return "PAID"
    return "VOIDED" if order.cancelled_at is not None else "PENDING"


def find_fulfillment_status(order: Order) -> str:
    return "FULFILLED" if order.completed_at is not None else "UNFULFILLED"


# Orders


def find_number(shop: Shop, order: Order) -> int:
    """What people call an order by: a count of its own, which a shop starts at 1001."""
    return 1001 + order.id - shop.first_id


def build_order(shop: Shop, order: Order) -> Node:
    purse = find_purse(shop, order)
    bag = purse.later
    total, refunded = bag(lambda f: f.total), bag(lambda f: f.refunded)
    current, subtotal = bag(lambda f: f.total - f.refunded), bag(lambda f: f.subtotal)
    nothing, discounts, tax = bag(lambda _: Decimal(0)), bag(lambda f: f.discounts), bag(lambda f: f.tax)
    shipping = bag(lambda f: f.shipping_total)
    financial = find_financial_status(order, purse.shop)
    is_paid = financial in {"PAID", "PARTIALLY_REFUNDED", "REFUNDED"}
    received = total if is_paid else nothing
    lines = [_build_line(shop, order, purse, place) for place in range(len(purse.shop.lines))]
    shipping_lines = [_build_shipping_line(order, purse, place) for place in range(len(order.shipping_lines))]
    return {
        "__typename": "Order",
        "id": gid("Order", order.id),
        "legacyResourceId": str(order.id),
        "name": f"#{find_number(shop, order)}",
        "number": find_number(shop, order),
        "email": order.email or None,
        "phone": None,
        "note": order.note or None,
        "tags": [],
        "test": order.is_test,
        "confirmed": True,
        "closed": order.completed_at is not None,
        "taxesIncluded": False,
        "sourceName": "web",
        "customerLocale": "en",
        "createdAt": timestamp(order.created_at),
        "processedAt": timestamp(order.created_at),
        "updatedAt": timestamp(order.modified_at),
        "closedAt": timestamp(order.completed_at),
        "cancelledAt": timestamp(order.cancelled_at),
        "cancelReason": None if order.cancelled_at is None else "CUSTOMER",
        "currencyCode": shop.currency,
        "presentmentCurrencyCode": order.currency,
        "displayFinancialStatus": financial,
        "displayFulfillmentStatus": find_fulfillment_status(order),
        "discountCode": order.coupon_lines[0].code if order.coupon_lines else None,
        "discountCodes": [coupon.code for coupon in order.coupon_lines],
        "paymentGatewayNames": [order.payment_title],
        "subtotalLineItemsQuantity": sum(line["quantity"] for line in lines),
        "currentSubtotalLineItemsQuantity": sum(line["currentQuantity"] for line in lines),
        "subtotalPriceSet": subtotal,
        "currentSubtotalPriceSet": subtotal,
        "totalPriceSet": total,
        "originalTotalPriceSet": total,
        "currentTotalPriceSet": current,
        "totalDiscountsSet": discounts,
        "currentTotalDiscountsSet": discounts,
        "totalTaxSet": tax,
        "currentTotalTaxSet": tax,
        "totalShippingPriceSet": shipping,
        "currentShippingPriceSet": shipping,
        "totalTipReceivedSet": nothing,
        "totalRefundedSet": refunded,
        "totalRefundedShippingSet": nothing,
        "totalReceivedSet": received,
        "totalOutstandingSet": nothing if is_paid else total,
        "netPaymentSet": current if is_paid else nothing,
        "currentTotalDutiesSet": None,
        "originalTotalDutiesSet": None,
        "customer": lambda: find_customer(shop, order.customer_id),
        "billingAddress": build_address(order.billing, f"{order.id}-b"),
        "shippingAddress": build_address(order.shipping, f"{order.id}-s"),
        "shippingLine": shipping_lines[0] if shipping_lines else None,
        "lineItems": lines,
        "shippingLines": shipping_lines,
        "refunds": [_build_refund(order, refund, purse, place, lines) for place, refund in enumerate(order.refunds)],
        "fulfillments": _build_fulfillments(order),
        "transactions": _build_sales(order, received) if is_paid else [],
    }


def _build_line(shop: Shop, order: Order, purse: Purse, place: int) -> Node:
    """Of a line, or of a fee that was charged, which is a line that has no product."""
    bag = purse.later

    def unit(figures: Figures) -> Decimal:
        return figures.lines[place].unit

    def original(figures: Figures) -> Decimal:
        return figures.lines[place].original

    def discount(figures: Figures) -> Decimal:
        return figures.lines[place].discount

    line = order.lines[place] if place < len(order.lines) else None
    if line is None:
        fee = [fee for fee in order.fee_lines if fee.total >= 0][place - len(order.lines)]
        id, title, option, quantity, back = fee.id, fee.name, "", 1, 0
    else:
        option = " / ".join(value for _, value in line.options)
        id, title, quantity, back = line.id, line.name, line.quantity, count_refunded(order, line.id)
        title = title.removesuffix(f" - {', '.join(value for _, value in line.options)}") if option else title
    has_discount = purse.shop.lines[place].discount > 0
    product = shop.products.get(line.product_id) if line else None
    taxed = order.tax_rate and purse.shop.lines[place].tax
    return {
        "__typename": "LineItem",
        "id": gid("LineItem", id),
        "name": f"{title} - {option}" if option else title,
        "title": title,
        "variantTitle": option or None,
        "sku": (line.sku or None) if line else None,
        "vendor": product.vendor if product else None,
        "quantity": quantity,
        "currentQuantity": quantity - back,
        "refundableQuantity": quantity - back,
        "unfulfilledQuantity": 0 if order.completed_at else quantity - back,
        "isGiftCard": False,
        "requiresShipping": not (line.virtual if line else True),
        "taxable": bool(order.tax_rate),
        "product": lambda: build_product(shop, product) if product else None,
        "variant": lambda: find_variant(shop, line.product_id, line.variation_id) if line else None,
        "originalUnitPriceSet": bag(unit),
        # Codes are discounts on the order: what of them falls on a line only its allocations tell.
        "discountedUnitPriceSet": bag(unit),
        "discountedUnitPriceAfterAllDiscountsSet": bag(lambda f: cents(f.lines[place].net / max(1, quantity))),
        "originalTotalSet": bag(original),
        "discountedTotalSet": bag(original),
        "totalDiscountSet": bag(lambda _: Decimal(0)),
        "discountAllocations": [{"allocatedAmountSet": bag(discount)}] if has_discount else [],
        "taxLines": [_build_tax(order, bag(lambda f: f.lines[place].tax))] if taxed else [],
    }


def _build_tax(order: Order, price: Callable[[], Node]) -> Node:
    rate = float(order.tax_rate)
    return {"title": "VAT", "rate": rate, "ratePercentage": rate * 100, "priceSet": price}


def _build_shipping_line(order: Order, purse: Purse, place: int) -> Node:
    line = order.shipping_lines[place]
    price = purse.later(lambda f: f.shipping[place][0])
    tax = purse.later(lambda f: f.shipping[place][1])
    return {
        "__typename": "ShippingLine",
        "id": gid("ShippingLine", line.id),
        "title": line.title,
        "code": line.title,
        "source": "shopify",
        "isRemoved": False,
        "originalPriceSet": price,
        "discountedPriceSet": price,
        "currentDiscountedPriceSet": price,
        "taxLines": [_build_tax(order, tax)] if order.tax_rate else [],
    }


def _build_refund(order: Order, refund: Refund, purse: Purse, place: int, lines: list[Node]) -> Node:
    paid = purse.later(lambda f: f.refunds[place])
    by_id = {line["id"]: line for line in lines}
    transaction = {
        "__typename": "OrderTransaction",
        "id": gid("OrderTransaction", refund.id),
        "kind": "REFUND",
        "status": "SUCCESS",
        "gateway": order.payment_method,
        "createdAt": timestamp(refund.created_at),
        "processedAt": timestamp(refund.created_at),
        "test": order.is_test,
        "amountSet": paid,
    }
    return {
        "__typename": "Refund",
        "id": gid("Refund", refund.id),
        "legacyResourceId": str(refund.id),
        "createdAt": timestamp(refund.created_at),
        "updatedAt": timestamp(refund.created_at),
        "note": refund.reason or None,
        "totalRefundedSet": paid,
        # Goods that come back without money have no transaction.
        "transactions": [transaction] if refund.amount else [],
        "refundLineItems": [
            {
                "__typename": "RefundLineItem",
                "id": gid("RefundLineItem", back.id),
                "lineItem": by_id[gid("LineItem", back.line_id)],
                "quantity": back.quantity,
                "restockType": "RETURN",
                **_build_refunded(order, purse, back.total, back.quantity),
            }
            for back in refund.lines
            if gid("LineItem", back.line_id) in by_id
        ],
    }


def _build_refunded(order: Order, purse: Purse, total: Decimal, quantity: int) -> Node:
    def bag(amount: Decimal) -> Node:
        return _bag(cents(amount * order.exchange_rate), purse.shop_currency, amount, purse.currency)

    price = cents(total / max(1, quantity))
    return {"priceSet": bag(price), "subtotalSet": bag(total), "totalTaxSet": bag(order.tax_of(total))}


def _build_fulfillments(order: Order) -> list[Node]:
    if order.completed_at is None:
        return []
    return [
        {
            "__typename": "Fulfillment",
            "id": gid("Fulfillment", order.id),
            "status": "SUCCESS",
            "displayStatus": "FULFILLED",
            "createdAt": timestamp(order.completed_at),
            "updatedAt": timestamp(order.completed_at),
            "deliveredAt": None,
        }
    ]


def _build_sales(order: Order, received: Callable[[], Node]) -> list[Node]:
    moment = timestamp(order.paid_at or order.created_at)
    return [
        {
            "__typename": "OrderTransaction",
            "id": gid("OrderTransaction", order.id),
            "kind": "SALE",
            "status": "SUCCESS",
            "gateway": order.payment_method,
            "createdAt": moment,
            "processedAt": moment,
            "test": order.is_test,
            "amountSet": received,
        }
    ]


# Customers


def find_customer(shop: Shop, id: int) -> Node | None:
    customer = shop.customers.get(id)
    return build_customer(shop, customer) if customer else None


def build_customer(shop: Shop, customer: Customer) -> Node:
    name = f"{customer.first_name} {customer.last_name}".strip()
    address = build_address(customer.billing, f"{customer.id}-c")
    phone = customer.billing.phone
    addresses = [address] if address else []
    return {
        "__typename": "Customer",
        "id": gid("Customer", customer.id),
        "legacyResourceId": str(customer.id),
        "firstName": customer.first_name or None,
        "lastName": customer.last_name or None,
        "displayName": name or customer.email or "",
        "email": customer.email or None,
        "phone": phone or None,
        "defaultEmailAddress": _build_email(customer.email) if customer.email else None,
        "defaultPhoneNumber": {"phoneNumber": phone} if phone else None,
        "locale": "en",
        "note": None,
        "tags": [],
        "state": "DISABLED",
        "taxExempt": False,
        "verifiedEmail": True,
        "createdAt": timestamp(customer.created_at),
        "updatedAt": timestamp(customer.modified_at or customer.created_at),
        "numberOfOrders": lambda: str(len(list_orders_of(shop, customer.id))),
        "amountSpent": lambda: _find_spent(shop, customer),
        "defaultAddress": address,
        "addresses": addresses,
        "addressesV2": addresses,
        "orders": lambda: [build_order(shop, order) for order in list_orders_of(shop, customer.id)],
    }


def _build_email(email: str) -> Node:
    return {"emailAddress": email, "marketingState": "NOT_SUBSCRIBED"}


def _find_spent(shop: Shop, customer: Customer) -> Node:
    spent = Decimal(0)
    for order in list_orders_of(shop, customer.id):
        figures = find_figures(order, order.exchange_rate)
        spent += figures.total - figures.refunded
    return {"amount": decimal(spent), "currencyCode": shop.currency}


def list_orders(shop: Shop) -> list[Order]:
    return [order for order in shop.orders.values() if order.status not in HIDDEN]


def list_orders_of(shop: Shop, customer_id: int) -> list[Order]:
    return [order for order in list_orders(shop) if order.customer_id == customer_id]


def build_address(address: Address, id: str) -> Node | None:
    """None for one that is empty."""
    if address == Address():
        return None
    name = f"{address.first_name} {address.last_name}".strip()
    return {
        "__typename": "MailingAddress",
        "id": f"{gid('MailingAddress', id)}?model_name=Address",
        "name": name or None,
        "firstName": address.first_name or None,
        "lastName": address.last_name or None,
        "company": address.company or None,
        "address1": address.address_1 or None,
        "address2": address.address_2 or None,
        "city": address.city or None,
        "province": address.state or None,
        "provinceCode": address.state.rpartition("-")[2] or None,
        "country": COUNTRIES.get(address.country, address.country) or None,
        "countryCodeV2": address.country or None,
        "zip": address.postcode or None,
        "phone": address.phone or None,
    }


# Products


def find_product_status(product: Product) -> str:
    return {"publish": "ACTIVE", "trash": "ARCHIVED"}.get(product.status, "DRAFT")


def build_product(shop: Shop, product: Product) -> Node:
    sold: Iterable[Variation | None] = product.variations or [None]
    options = collect_options(product) or {"Title": [NO_OPTION]}
    stocks = [v.stock for v in product.variations] or [product.stock]
    return {
        "__typename": "Product",
        "id": gid("Product", product.id),
        "legacyResourceId": str(product.id),
        "title": product.name,
        "handle": product.slug,
        "description": product.description,
        "descriptionHtml": f"<p>{product.description}</p>" if product.description else "",
        "vendor": product.vendor or shop.name,
        "productType": product.category,
        "status": find_product_status(product),
        "tags": [],
        "isGiftCard": False,
        "createdAt": timestamp(product.created_at),
        "updatedAt": timestamp(product.modified_at),
        "publishedAt": timestamp(product.created_at) if product.status == "publish" else None,
        "totalInventory": sum(stock or 0 for stock in stocks),
        "hasOnlyDefaultVariant": not product.variations,
        "variantsCount": {"count": max(1, len(product.variations)), "precision": "EXACT"},
        "options": [
            {"id": gid("ProductOption", product.id * 10 + n), "name": name, "position": n, "values": values}
            for n, (name, values) in enumerate(options.items(), start=1)
        ],
        "variants": lambda: [build_variant(shop, product, variation, n) for n, variation in enumerate(sold, start=1)],
    }


def build_variant(shop: Shop, product: Product, variation: Variation | None, position: int = 1) -> Node:
    """A product without variations has one all the same, whose number is the product's."""
    item = variation or product
    chosen = variation.options if variation else (("Title", NO_OPTION),)
    title = " / ".join(value for _, value in chosen)
    price = item.current_price or Decimal(0)
    return {
        "__typename": "ProductVariant",
        "id": gid("ProductVariant", item.id),
        "legacyResourceId": str(item.id),
        "title": title,
        "displayName": f"{product.name} - {title}",
        "sku": item.sku or None,
        "barcode": item.barcode or None,
        "position": position,
        "price": str(cents(price)),
        "compareAtPrice": str(cents(item.price)) if item.sale_price is not None and item.price is not None else None,
        "taxable": True,
        "availableForSale": item.stock is None or item.stock > 0,
        "inventoryQuantity": item.stock or 0,
        "inventoryPolicy": "DENY",
        "inventoryItem": {
            "id": gid("InventoryItem", item.id),
            "sku": item.sku or None,
            "tracked": item.stock is not None,
        },
        "selectedOptions": [{"name": name, "value": value} for name, value in chosen],
        "createdAt": timestamp(item.created_at),
        "updatedAt": timestamp(item.modified_at),
        "product": lambda: build_product(shop, product),
    }


def find_variant(shop: Shop, product_id: int, variation_id: int) -> Node | None:
    product = shop.products.get(product_id)
    if product is None:
        return None
    if not variation_id:
        return build_variant(shop, product, None)
    variation = shop.variations.get(variation_id)
    if variation is None:
        return None
    return build_variant(shop, product, variation, product.variations.index(variation) + 1)
