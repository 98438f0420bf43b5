"""What a store holds, in terms that neither platform owns.

Statuses are WooCommerce's words, since it has the most of them; the Shopify side translates. Amounts are exact, in
the order's own currency and without tax. Times are UTC. What many orders share (addresses, products' prices) is
shared by reference: a hundred thousand orders fit into memory.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

ZERO = Decimal("0.00")
_CENT = Decimal("0.01")

DRAFTS = frozenset({"checkout-draft", "auto-draft"})
"""Carts that nobody has finished: WooCommerce lists the first among its orders, Shopify neither."""

Resource = Literal["order", "product", "customer"]


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Address:
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    address_1: str = ""
    address_2: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    country: str = ""
    phone: str = ""


@dataclass(slots=True)
class Customer:
    id: int
    email: str
    first_name: str
    last_name: str
    created_at: datetime
    modified_at: datetime | None
    billing: Address = Address()
    shipping: Address = Address()
    role: str = "customer"
    is_paying: bool = False

    @property
    def username(self) -> str:
        return self.email.partition("@")[0]


@dataclass(slots=True)
class Variation:
    id: int
    product_id: int
    options: tuple[tuple[str, str], ...]
    """Names and values: (("Color", "Red"), ("Size", "Large"))."""
    sku: str
    price: Decimal | None
    created_at: datetime
    modified_at: datetime
    sale_price: Decimal | None = None
    stock: int | None = None
    """None: not counted."""
    status: str = "publish"
    barcode: str = ""

    @property
    def current_price(self) -> Decimal | None:
        return self.price if self.sale_price is None else self.sale_price


@dataclass(slots=True)
class Product:
    """With variations it is what WooCommerce calls variable; its own price and stock then mean nothing."""

    id: int
    name: str
    slug: str
    sku: str
    price: Decimal | None
    created_at: datetime
    modified_at: datetime
    sale_price: Decimal | None = None
    stock: int | None = None
    status: str = "publish"
    barcode: str = ""
    category: str = "Uncategorized"
    vendor: str = ""
    description: str = ""
    virtual: bool = False
    total_sales: int = 0
    variations: list[Variation] = field(default_factory=list)

    @property
    def current_price(self) -> Decimal | None:
        return self.price if self.sale_price is None else self.sale_price


def collect_options(product: Product) -> dict[str, list[str]]:
    """The values of each option among the product's variations, in the order of their appearance."""
    found: dict[str, list[str]] = {}
    for variation in product.variations:
        for name, value in variation.options:
            values = found.setdefault(name, [])
            if value not in values:
                values.append(value)
    return found


@dataclass(slots=True)
class Line:
    """What was ordered, as it was named and priced then. `subtotal` is before discounts, `total` after."""

    id: int
    name: str
    product_id: int
    variation_id: int
    quantity: int
    subtotal: Decimal
    total: Decimal
    sku: str = ""
    options: tuple[tuple[str, str], ...] = ()
    virtual: bool = False


@dataclass(slots=True)
class ShippingLine:
    id: int
    title: str
    total: Decimal


@dataclass(slots=True)
class FeeLine:
    """`total` may be negative: shops book discounts of their own this way."""

    id: int
    name: str
    total: Decimal
    taxable: bool = True


@dataclass(slots=True)
class CouponLine:
    id: int
    code: str
    discount: Decimal


@dataclass(slots=True)
class RefundLine:
    id: int
    line_id: int
    quantity: int
    total: Decimal
    """Positive, without tax."""


@dataclass(slots=True)
class Refund:
    id: int
    amount: Decimal
    """With tax. It may be zero where goods came back without money."""
    created_at: datetime
    reason: str = ""
    lines: tuple[RefundLine, ...] = ()


@dataclass(slots=True)
class Order:
    id: int
    number: str
    status: str
    currency: str
    customer_id: int
    """0 for a guest."""
    email: str
    created_at: datetime
    modified_at: datetime
    lines: tuple[Line, ...]
    billing: Address = Address()
    shipping: Address = Address()
    shipping_lines: tuple[ShippingLine, ...] = ()
    fee_lines: tuple[FeeLine, ...] = ()
    coupon_lines: tuple[CouponLine, ...] = ()
    refunds: tuple[Refund, ...] = ()
    tax_rate: Decimal = Decimal(0)
    exchange_rate: Decimal = Decimal(1)
    """The worth of one unit of the order's currency in the store's."""
    payment_method: str = "cod"
    payment_title: str = "Cash on delivery"
    note: str = ""
    created_via: str = "checkout"
    paid_at: datetime | None = None
    completed_at: datetime | None = None
    cancelled_at: datetime | None = None
    status_before_trash: str = ""
    is_test: bool = False
    meta: tuple[tuple[str, Any], ...] = ()

    def tax_of(self, amount: Decimal) -> Decimal:
        """Rounded where it is charged, as both platforms do it: the total is the sum of rounded taxes."""
        return cents(amount * self.tax_rate) if self.tax_rate else ZERO

    def fee_tax(self, fee: FeeLine) -> Decimal:
        return self.tax_of(fee.total) if fee.taxable else ZERO

    @property
    def discount(self) -> Decimal:
        return sum((line.subtotal - line.total for line in self.lines), ZERO)

    @property
    def shipping_total(self) -> Decimal:
        return sum((line.total for line in self.shipping_lines), ZERO)

    @property
    def shipping_tax(self) -> Decimal:
        return sum((self.tax_of(line.total) for line in self.shipping_lines), ZERO)

    @property
    def cart_tax(self) -> Decimal:
        """Of lines and fees, without shipping's."""
        taxes = [self.tax_of(line.total) for line in self.lines]
        return sum(taxes, ZERO) + sum((self.fee_tax(fee) for fee in self.fee_lines), ZERO)

    @property
    def total_tax(self) -> Decimal:
        return self.cart_tax + self.shipping_tax

    @property
    def total(self) -> Decimal:
        """Lines, shipping and fees with their taxes. Refunds leave it as it is."""
        goods = sum((line.total for line in self.lines), ZERO)
        fees = sum((fee.total for fee in self.fee_lines), ZERO)
        return goods + fees + self.shipping_total + self.total_tax

    @property
    def refunded(self) -> Decimal:
        return sum((refund.amount for refund in self.refunds), ZERO)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in the store. Each platform tells some of these, under names of its own."""

    number: int
    at: datetime
    resource: Resource
    action: str
    """created, updated, trashed, restored, deleted; of orders also refunded and refund_deleted."""
    id: int
    parent_id: int = 0
    """The product, of an event of one of its variations."""
    status: str = ""
    """What the order's status became, where that is what happened."""
