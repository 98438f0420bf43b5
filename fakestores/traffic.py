"""Everyday life in a store: one thing after another happens, the same for the same seed."""

from collections.abc import Callable
from random import Random

from fakestores.model import Order
from fakestores.shop import Shop

_NEXT = {
    "pending": ("processing", "cancelled"),
    "on-hold": ("processing", "cancelled"),
    "processing": ("completed", "completed", "completed", "cancelled"),
}


class Traffic:
    """`step` lets one thing happen and says what it was. The store has to have something to sell."""

    def __init__(self, shop: Shop, seed: int = 0) -> None:
        self.shop = shop
        self.random = Random(seed)  # noqa: S311 - the same day again for the same seed
        self._acts: dict[str, tuple[int, Callable[[], object]]] = {
            "order placed": (40, self._place),
            "order moved on": (30, self._move_on),
            "order edited": (8, self._edit),
            "order refunded": (4, self._refund),
            "order trashed": (1, self._trash),
            "customer changed": (5, self._change_customer),
            "price changed": (6, self._reprice),
        }

    def step(self) -> str:
        names = list(self._acts)
        name = self.random.choices(names, [weight for weight, _ in self._acts.values()])[0]
        with self.shop.lock:
            self._acts[name][1]()
        return name

    def _place(self) -> None:
        random, shop = self.random, self.shop
        on_sale = [product for product in shop.products.values() if product.status == "publish"]
        if not on_sale:
            return
        chosen = [random.choice(on_sale) for _ in range(random.randint(1, 3))]
        sold = [random.choice(product.variations).id if product.variations else product.id for product in chosen]
        customer = random.choice(list(shop.customers.values())) if shop.customers and random.random() < 0.7 else None
        email = "" if customer else f"guest.{random.randrange(200):03d}@example.net"
        status = random.choice(("pending", "on-hold", "processing", "processing"))
        lines = [(id, random.randint(1, 2)) for id in sold]
        shop.place_order(lines, customer=customer, email=email, status=status, shipping_total="60")

    def _recent(self) -> Order | None:
        """One of the newest, where things still happen."""
        live = [order for order in list(self.shop.orders.values())[-200:] if order.status != "trash"]
        return self.random.choice(live) if live else None

    def _move_on(self) -> None:
        order = self._recent()
        if order is not None and order.status in _NEXT:
            self.shop.set_order_status(order.id, self.random.choice(_NEXT[order.status]))

    def _edit(self) -> None:
        order = self._recent()
        if order is not None and order.lines and not order.refunds:
            line = self.random.choice(order.lines)
            self.shop.edit_order(order.id, quantities={line.id: line.quantity + 1})

    def _refund(self) -> None:
        order = self._recent()
        if order is not None and order.status == "completed" and not order.refunds and order.lines:
            self.shop.refund_order(order.id, lines={order.lines[0].id: 1}, reason="Damaged")

    def _trash(self) -> None:
        order = self._recent()
        if order is not None:
            self.shop.trash_order(order.id)

    def _change_customer(self) -> None:
        if self.shop.customers:
            id = self.random.choice(list(self.shop.customers))
            self.shop.update_customer(id, last_name=self.random.choice(("Roy", "Das", "Smith")))

    def _reprice(self) -> None:
        products = [product for product in self.shop.products.values() if not product.variations and product.price]
        if products:
            product = self.random.choice(products)
            self.shop.update_product(product.id, price=f"{self.random.randint(50, 900)}.00")
