"""A store with years of history, the same for the same seed.

Consumers come back the way BG/NBD says (Fader, Hardie and Lee 2005): each has a purchase rate, gamma-distributed over
them, and after each order a probability, beta-distributed, of never being seen again. Their days are stretched by the
season of the year and the week, so that the store has high days without any consumer's ceasing to follow the model.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from random import Random

from fakestores import vocabulary
from fakestores.clock import Clock
from fakestores.model import (
    Address,
    CouponLine,
    Customer,
    FeeLine,
    Line,
    Order,
    Product,
    Refund,
    RefundLine,
    ShippingLine,
    Variation,
    cents,
)
from fakestores.shop import Shop, slugify

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
_YEAR_DAYS = 365
_DAY = timedelta(days=1)

# Of the hours of a local day, and of the weekdays from Monday: in Bangladesh the week ends on Thursday.
_HOURS = (1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 8, 9, 9, 8, 7, 7, 8, 9, 11, 13, 14, 12, 8, 4)
_WEEKDAYS = (0.92, 0.9, 0.95, 1.05, 1.3, 1.1, 0.78)
_MONTHS = (0.8, 0.85, 1.15, 1.25, 1.0, 0.9, 0.85, 0.85, 0.9, 1.0, 1.2, 1.45)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The parameters of BG/NBD; rates are per week."""

    r: float = 0.45
    alpha: float = 9.0
    a: float = 0.85
    b: float = 2.4


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of orders or consumers that are out of the ordinary."""

    guests: float = 0.3
    """Of consumers: they order again with the same e-mail and no account."""
    anonymous: float = 0.02
    """Of consumers: no account and no e-mail either."""
    not_logged_in: float = 0.03
    """Of the orders of those with an account."""
    cancelled: float = 0.05
    failed: float = 0.03
    refunded: float = 0.025
    partly_refunded: float = 0.02
    unpaid: float = 0.01
    drafts: float = 0.004
    trashed: float = 0.003
    tests: float = 0.002
    coupons: float = 0.12
    fees: float = 0.04
    foreign: Mapping[str, tuple[float, str]] = field(
        default_factory=lambda: {"USD": (0.01, "120"), "EUR": (0.005, "130")}
    )
    """Of orders, by currency, with the worth of one unit of it."""


@dataclass(slots=True)
class _Consumer:
    arrives: float
    """In days of the season's own time."""
    orders: list[float]
    first_name: str
    last_name: str
    email: str
    address: Address
    has_account: bool
    customer: Customer | None = None


def generate(
    seed: int = 7,
    *,
    customers: int | None = None,
    orders: int | None = None,
    years: float = 3.0,
    currency: str = "BDT",
    name: str = "Generated shop",
    time_zone: str = "Asia/Dhaka",
    tax_rate: str = "0.075",
    products: int | None = None,
    behaviour: Behaviour | None = None,
    mix: Mix | None = None,
    until: datetime = UNTIL,
    clock: Clock | None = None,
    first_id: int = 1,
) -> Shop:
    """The store as it stands at `until`, where its clock stands too unless another is given.

    With `orders` alone consumers arrive until there are exactly so many; with `customers` alone their orders are as
    many as they turn out to be; with both, rates are such that the orders come out at about the number.
    """
    random = Random(seed)  # noqa: S311 - the same store for the same seed
    shop = Shop(
        name,
        currency=currency,
        time_zone=time_zone,
        clock=clock or Clock(until),
        tax_rate=tax_rate,
        first_id=first_id,
    )
    season = _Season(until, years, shop)
    behaviour = behaviour or Behaviour()
    if customers is None and orders is None:
        orders = 1000
    if customers is not None and orders is not None:
        behaviour = _calibrate(behaviour, season.days, orders / customers)
    consumers = _draw_consumers(random, behaviour, season, customers, None if customers else orders, mix or Mix())
    goods = _Goods(random, shop, season, products or _count_products(sum(len(c.orders) for c in consumers)))
    _Writer(random, shop, season, goods, mix or Mix(), until).write(consumers)
    return shop


def _count_products(orders: int) -> int:
    return min(800, max(30, int(orders**0.6)))


# Time


class _Season:
    """Days of even activity to days of the calendar: busy ones hold more than one of them, quiet ones less."""

    def __init__(self, until: datetime, years: float, shop: Shop) -> None:
        self.days = max(1, round(years * _YEAR_DAYS))
        self.start = until - self.days * _DAY
        self.zone = shop.time_zone
        local = [(self.start + n * _DAY).astimezone(self.zone) for n in range(self.days)]
        weights = [_WEEKDAYS[day.weekday()] * _MONTHS[day.month - 1] for day in local]
        scale = self.days / sum(weights)
        self.passed = list(accumulate(weight * scale for weight in weights))
        self.hours = list(accumulate(_HOURS))

    def find_moment(self, even_day: float, random: Random) -> datetime:
        """A second of the calendar day, by the hours of its clock."""
        day = min(bisect_left(self.passed, even_day), self.days - 1)
        hour = bisect_left(self.hours, random.random() * self.hours[-1])
        midnight = (self.start + day * _DAY).astimezone(self.zone).replace(hour=0, minute=0, second=0)
        return (midnight + timedelta(hours=hour, seconds=random.randrange(3600))).astimezone(UTC)


# Consumers


def _calibrate(behaviour: Behaviour, days: int, wanted: float) -> Behaviour:
    """The `alpha` with which a consumer places so many orders in the mean."""
    low, high = 0.01, 1000.0
    for _ in range(24):
        middle = (low * high) ** 0.5
        tried = Behaviour(behaviour.r, middle, behaviour.a, behaviour.b)
        random = Random(0)  # noqa: S311 - a search must compare like with like
        mean = sum(len(_draw_orders(random, tried, days)) for _ in range(600)) / 600
        low, high = (middle, high) if mean > wanted else (low, middle)
    return Behaviour(behaviour.r, (low * high) ** 0.5, behaviour.a, behaviour.b)


def _draw_orders(random: Random, behaviour: Behaviour, days: float) -> list[float]:
    """The even days of a consumer's orders, the first one with which they arrive."""
    # More arrive late than early: the store grows.
    now = days * random.random() ** 0.8
    rate = random.gammavariate(behaviour.r, 1 / behaviour.alpha) / 7
    leaving = random.betavariate(behaviour.a, behaviour.b)
    found = [now]
    while rate > 1e-9:
        now += random.expovariate(rate)
        if now >= days:
            break
        found.append(now)
        # Never after the first order: that is where this model differs from its modified kin.
        if random.random() < leaving:
            break
    return found


def _draw_consumers(
    random: Random, behaviour: Behaviour, season: _Season, customers: int | None, orders: int | None, mix: Mix
) -> list[_Consumer]:
    found: list[_Consumer] = []
    placed = 0
    while (customers is None or len(found) < customers) and (orders is None or placed < orders):
        consumer = _draw_consumer(random, len(found), _draw_orders(random, behaviour, season.days), mix)
        if orders is not None:
            del consumer.orders[orders - placed :]
        placed += len(consumer.orders)
        found.append(consumer)
    return found


def _draw_consumer(random: Random, number: int, orders: list[float], mix: Mix) -> _Consumer:
    first, last = random.choice(vocabulary.GIVEN_NAMES), random.choice(vocabulary.FAMILY_NAMES)
    place = random.choices(vocabulary.PLACES, vocabulary.PLACE_WEIGHTS)[0]
    address = Address(
        first_name=first,
        last_name=last,
        address_1=place.street.format(random.randint(1, 99), random.randint(1, 30)),
        address_2="Flat 4B" if random.random() < 0.2 else "",
        city=place.city,
        state=place.state,
        postcode=place.postcode,
        country=place.country,
        phone=place.phone.format(random.randrange(10**7)) if random.random() < 0.85 else "",
    )
    draw = random.random()
    email = f"{slugify(first)}.{number + 1:05d}@{random.choice(vocabulary.MAIL_DOMAINS)}"
    if draw < mix.anonymous:
        email, orders = "", orders[:1]
    has_account = draw >= mix.anonymous + mix.guests
    return _Consumer(orders[0], orders, first, last, email, address, has_account)


# Goods


class _Goods:
    """What is sold, the best sellers far ahead of the rest."""

    def __init__(self, random: Random, shop: Shop, season: _Season, count: int) -> None:
        self.random = random
        self.shop = shop
        self.products: list[Product] = []
        self.retired: dict[int, datetime] = {}
        for number in range(count):
            self._add(number, season)
        ranks = list(range(count))
        random.shuffle(ranks)
        self.weights = list(accumulate(1 / (rank + 2) ** 0.9 for rank in ranks))

    def _add(self, number: int, season: _Season) -> None:
        random, shop = self.random, self.shop
        category = random.choice(list(vocabulary.CATEGORIES))
        noun = random.choice(vocabulary.CATEGORIES[category])
        name = f"{random.choice(vocabulary.ADJECTIVES)} {noun}"
        is_late = number > 20 and random.random() < 0.25
        created = season.start + (random.random() * season.days * 0.8 * _DAY if is_late else -30 * _DAY)
        created = created.replace(microsecond=0)
        product = Product(
            id=next(shop.post_ids),
            name=name,
            slug=f"{slugify(name)}-{number + 1}",
            sku=f"{category[:3].upper()}-{number + 1:04d}" if random.random() < 0.93 else "",
            price=_draw_price(random),
            created_at=created,
            modified_at=created,
            stock=random.choice((0, 3, 40, 400)) if random.random() < 0.3 else None,
            category=category,
            vendor=random.choice(vocabulary.VENDORS),
            description=f"{name} of our own make.",
            barcode=f"{4_000_000_000_000 + number}" if random.random() < 0.5 else "",
        )
        if random.random() < 0.3:
            self._add_variations(product)
        if random.random() < 0.1:
            product.sale_price = cents(product.price * Decimal("0.8")) if product.price else None
        if number > 20 and random.random() < 0.08:
            life = (season.start + season.days * _DAY - created) * (0.3 + 0.6 * random.random())
            self.retired[product.id] = product.modified_at = (created + life).replace(microsecond=0)
            product.status = random.choice(("draft", "private", "trash"))
        shop.products[product.id] = product
        self.products.append(product)

    def _add_variations(self, product: Product) -> None:
        random = self.random
        colors = random.sample(vocabulary.COLORS, random.randint(1, 3))
        sizes = vocabulary.SIZES[: random.randint(1, 3)]
        for color in colors:
            for size in sizes:
                variation = Variation(
                    id=next(self.shop.post_ids),
                    product_id=product.id,
                    options=(("Color", color), ("Size", size)),
                    sku=f"{product.sku}-{slugify(color)[:3]}{size}" if product.sku and random.random() < 0.9 else "",
                    price=product.price,
                    created_at=product.created_at,
                    modified_at=product.modified_at,
                    stock=random.choice((0, 5, 50)) if random.random() < 0.2 else None,
                )
                self.shop.variations[variation.id] = variation
                product.variations.append(variation)
        product.stock = None

    def choose(self, moment: datetime) -> tuple[Product, Variation | None]:
        """One that was on sale then, or one of the oldest after some misses."""
        random = self.random
        product = self.products[0]
        for _ in range(8):
            found = self.products[bisect_left(self.weights, random.random() * self.weights[-1])]
            if found.created_at <= moment < self.retired.get(found.id, moment + _DAY):
                product = found
                break
        return product, random.choice(product.variations) if product.variations else None


def _draw_price(random: Random) -> Decimal:
    typical = random.lognormvariate(6.2, 0.9)
    return cents(Decimal(max(15, round(typical / 5) * 5)) + Decimal(random.choice(("0", "0", "0", "-0.01", "0.50"))))


# Orders

_PAYMENTS = (
    ("cod", "Cash on delivery"),
    ("bacs", "Direct bank transfer"),
    ("bkash", "bKash"),
    ("cheque", "Check payments"),
)
_LINES = (0.48, 0.78, 0.92, 0.975, 1.0)
_QUANTITIES = ((0.8, 1), (0.92, 2), (0.97, 3), (0.99, 6), (1.0, 12))


@dataclass(slots=True)
class _Writer:
    random: Random
    shop: Shop
    season: _Season
    goods: _Goods
    mix: Mix
    until: datetime

    def write(self, consumers: list[_Consumer]) -> None:
        """All orders, in the order of their dates and ids."""
        random, until = self.random, self.until
        placed = [
            (min(self.season.find_moment(day, random), until - timedelta(seconds=1)), number)
            for number, consumer in enumerate(consumers)
            for day in consumer.orders
        ]
        placed.sort()
        for moment, number in placed:
            consumer = consumers[number]
            if consumer.has_account and consumer.customer is None:
                consumer.customer = self._register(consumer, moment)
            self._place(consumer, moment)
        # Refunds are numbered after the orders that they are of, which is all that matters of their ids.
        for order in self.shop.orders.values():
            for refund in order.refunds:
                refund.id = next(self.shop.post_ids)

    def _register(self, consumer: _Consumer, moment: datetime) -> Customer:
        seldom = self.random.random()
        customer = Customer(
            id=next(self.shop.person_ids),
            email=consumer.email,
            first_name=consumer.first_name if seldom > 0.02 else "",
            last_name=consumer.last_name if seldom > 0.02 else "",
            created_at=moment,
            modified_at=moment if seldom < 0.9 else None,
            billing=consumer.address,
            shipping=consumer.address if seldom > 0.1 else Address(),
        )
        self.shop.customers[customer.id] = customer
        return customer

    def _place(self, consumer: _Consumer, moment: datetime) -> None:
        random = self.random
        currency, rate = self._draw_currency()
        coupon = random.random() < self.mix.coupons
        lines = tuple(self._draw_line(moment, rate, coupon) for _ in range(bisect_left(_LINES, random.random()) + 1))
        is_known = consumer.customer is not None and random.random() >= self.mix.not_logged_in
        method, title = random.choice(_PAYMENTS)
        id = next(self.shop.post_ids)
        order = Order(
            id=id,
            number=str(id),
            status="processing",
            currency=currency,
            customer_id=consumer.customer.id if consumer.customer is not None and is_known else 0,
            email=consumer.email.title() if not consumer.has_account and random.random() < 0.1 else consumer.email,
            created_at=moment,
            modified_at=moment,
            lines=lines,
            billing=consumer.address,
            shipping=consumer.address,
            tax_rate=self.shop.tax_rate,
            exchange_rate=rate,
            payment_method=method,
            payment_title=title,
            note="Please ring twice / দরজায় কড়া নাড়ুন" if random.random() < 0.02 else "",
            is_test=random.random() < self.mix.tests,
        )
        if coupon:
            given = sum((line.subtotal - line.total for line in lines), Decimal(0))
            order.coupon_lines = (CouponLine(next(self.shop.item_ids), "save10", given),)
        self._add_charges(order)
        self._settle(order)
        self.shop.orders[id] = order

    def _draw_currency(self) -> tuple[str, Decimal]:
        draw = self.random.random()
        for currency, (share, rate) in self.mix.foreign.items():
            if currency != self.shop.currency and draw < share:
                return currency, Decimal(rate)
            draw -= share
        return self.shop.currency, Decimal(1)

    def _draw_line(self, moment: datetime, rate: Decimal, coupon: bool) -> Line:
        random = self.random
        product, variation = self.goods.choose(moment)
        sold = variation or product
        draw = random.random()
        quantity = next(count for share, count in _QUANTITIES if draw <= share)
        price = sold.current_price or Decimal(1)
        price = price if rate == 1 else max(cents(price / rate), Decimal("0.01"))
        subtotal = price * quantity if quantity > 1 else price
        product.total_sales += quantity
        return Line(
            id=next(self.shop.item_ids),
            name=f"{product.name} - {', '.join(v for _, v in variation.options)}" if variation else product.name,
            product_id=product.id,
            variation_id=variation.id if variation else 0,
            quantity=quantity,
            subtotal=subtotal,
            total=cents(subtotal * Decimal("0.9")) if coupon else subtotal,
            sku=sold.sku or product.sku,
            options=variation.options if variation else (),
        )

    def _add_charges(self, order: Order) -> None:
        random, items = self.random, self.shop.item_ids
        if order.exchange_rate != 1:
            return
        goods = sum((line.total for line in order.lines), Decimal(0))
        if goods < 3000:
            is_near = order.billing.city in {"Dhaka", "ঢাকা"}
            title, price = ("Inside Dhaka", _NEAR) if is_near else ("Outside Dhaka", _FAR)
            order.shipping_lines = (ShippingLine(next(items), title, price),)
        if random.random() < self.mix.fees:
            wrap = FeeLine(next(items), "Gift wrap", _WRAP)
            loyal = FeeLine(next(items), "Loyalty discount", _LOYAL, taxable=False)
            order.fee_lines = (loyal,) if random.random() < 0.25 and goods > 50 else (wrap,)

    def _settle(self, order: Order) -> None:
        """What became of it until now: the newest are still on their way."""
        mix, draw = self.mix, self.random.random()
        age = self.until - order.created_at
        shares = [
            ("cancelled", mix.cancelled),
            ("failed", mix.failed),
            ("refunded", mix.refunded),
            ("unpaid", mix.unpaid if age > 5 * _DAY else 0.15),
            ("checkout-draft", mix.drafts),
            ("trash", mix.trashed),
            ("ready-pickup", 0.01),
        ]
        outcome = "completed"
        for name, share in shares:
            if draw < share:
                outcome = name
                break
            draw -= share
        _OUTCOMES.get(outcome, _close)(self, order, outcome)
        order.modified_at = min(order.modified_at, self.until)

    def later(self, order: Order, days: float) -> datetime:
        gone = timedelta(seconds=self.random.randrange(60, int(days * 86400)))
        return order.created_at + gone


_NEAR, _FAR, _WRAP, _LOYAL = Decimal("60.00"), Decimal("120.00"), Decimal("25.00"), Decimal("-10.00")


def _close(writer: _Writer, order: Order, outcome: str) -> None:
    order.status = outcome
    order.modified_at = writer.later(order, 2)
    if outcome in {"cancelled", "failed"}:
        order.cancelled_at = order.modified_at
    if outcome == "trash":
        order.status_before_trash = "on-hold"


def _leave_unpaid(writer: _Writer, order: Order, _: str) -> None:
    order.status = writer.random.choice(("pending", "on-hold"))


def _complete(writer: _Writer, order: Order, _: str) -> None:
    order.paid_at = min(order.created_at + timedelta(minutes=writer.random.randrange(90)), writer.until)
    order.modified_at = order.paid_at
    done = writer.later(order, 7)
    if done > writer.until:
        return
    order.status, order.completed_at, order.modified_at = "completed", done, done
    customer = writer.shop.customers.get(order.customer_id)
    if customer is not None and not customer.is_paying:
        customer.is_paying = True
        customer.modified_at = customer.modified_at and done
    back = writer.later(order, 20)
    if writer.random.random() < writer.mix.partly_refunded and done < back < writer.until:
        line = writer.random.choice(order.lines)
        total = cents(line.total / line.quantity)
        _refund(writer, order, back, total + order.tax_of(total), (_back(writer, line, 1, total),), "Damaged")


def _pay_back(writer: _Writer, order: Order, _: str) -> None:
    _complete(writer, order, "")
    left, back = order.total - order.refunded, max(order.modified_at, writer.later(order, 14))
    if back > writer.until or left <= 0:
        return
    named = writer.random.random() < 0.5 and not order.refunds
    lines = tuple(_back(writer, line, line.quantity, line.total) for line in order.lines) if named else ()
    _refund(writer, order, back, left, lines, "Changed their mind" if named else "Order fully refunded.")
    order.status = "refunded"


def _back(writer: _Writer, line: Line, quantity: int, total: Decimal) -> RefundLine:
    return RefundLine(next(writer.shop.item_ids), line.id, quantity, total)


def _refund(
    writer: _Writer, order: Order, moment: datetime, amount: Decimal, lines: tuple[RefundLine, ...], reason: str
) -> None:
    order.refunds = (*order.refunds, Refund(0, amount, moment, reason, lines))
    order.modified_at = moment


_OUTCOMES = {"completed": _complete, "refunded": _pay_back, "unpaid": _leave_unpaid}
