"""An order's amounts as Shopify has them, in the currency of the shop or in that of the buyer.

Shopify knows no fees: one that is charged becomes a line of its own, one that is given a discount. A line is its unit
price times its quantity less its share of discounts, so that everything is worked out from the rounded unit price.
"""

from dataclasses import dataclass
from decimal import Decimal

from fakestores.model import ZERO, Order, cents


@dataclass(frozen=True, slots=True)
class LineFigures:
    unit: Decimal
    quantity: int
    discount: Decimal
    tax: Decimal

    @property
    def original(self) -> Decimal:
        return self.unit * self.quantity

    @property
    def net(self) -> Decimal:
        return self.original - self.discount


@dataclass(frozen=True, slots=True)
class Figures:
    lines: tuple[LineFigures, ...]
    """The order's lines, and then the fees that were charged."""
    shipping: tuple[tuple[Decimal, Decimal], ...]
    """Price and tax of each line of it."""
    refunds: tuple[Decimal, ...]
    discounts: Decimal
    subtotal: Decimal
    shipping_total: Decimal
    tax: Decimal
    total: Decimal
    refunded: Decimal


def find_figures(order: Order, rate: Decimal = Decimal(1)) -> Figures:
    lines = _find_lines(order, rate)
    prices = [cents(line.total * rate) for line in order.shipping_lines]
    shipping = tuple((price, order.tax_of(price)) for price in prices)
    given = cents(sum((-fee.total for fee in order.fee_lines if fee.total < 0), ZERO) * rate)
    subtotal = sum((line.net for line in lines), ZERO) - given
    shipping_total = sum(prices, ZERO)
    tax = sum((line.tax for line in lines), ZERO) + sum((tax for _, tax in shipping), ZERO)
    total = max(ZERO, subtotal + shipping_total + tax)
    refunds = _find_refunds(order, rate, total)
    return Figures(
        lines=lines,
        shipping=shipping,
        refunds=refunds,
        discounts=sum((line.discount for line in lines), ZERO) + given,
        subtotal=subtotal,
        shipping_total=shipping_total,
        tax=tax,
        total=total,
        refunded=sum(refunds, ZERO),
    )


def _find_lines(order: Order, rate: Decimal) -> tuple[LineFigures, ...]:
    lines = []
    for line in order.lines:
        unit = cents(line.subtotal * rate / line.quantity) if line.quantity else ZERO
        discount = cents((line.subtotal - line.total) * rate)
        lines.append(LineFigures(unit, line.quantity, discount, order.tax_of(unit * line.quantity - discount)))
    for fee in order.fee_lines:
        if fee.total >= 0:
            price = cents(fee.total * rate)
            lines.append(LineFigures(price, 1, ZERO, order.tax_of(price) if fee.taxable else ZERO))
    return tuple(lines)


def _find_refunds(order: Order, rate: Decimal, total: Decimal) -> tuple[Decimal, ...]:
    """What was paid back in full is so to the cent, however the amounts on the way were rounded."""
    refunds = tuple(cents(refund.amount * rate) for refund in order.refunds)
    if not refunds or order.refunded != order.total:
        return refunds
    return (*refunds[:-1], total - sum(refunds[:-1], ZERO))


def count_refunded(order: Order, line_id: int) -> int:
    """Of a line's pieces."""
    return sum(back.quantity for refund in order.refunds for back in refund.lines if back.line_id == line_id)
