"""The rows that measure the API, on a million orders, against the bare app or against itself."""

import asyncio
import json
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import uvloop

from app.database import ESTIMATE_SECONDS
from benchmarks.dataset import ORDERS
from benchmarks.load import Load, Request, apply_load, get, post, send_once, time_each
from benchmarks.report import Result
from benchmarks.servers import Server

ROUNDS = 5
SECONDS = 4.0
DEPTH = 900_000
MEBIBYTE = 1024 * 1024
MOST_MEMORY = 150
ADMIN = {"username": "bench", "email": "bench@example.com", "password": "correct horse battery"}
LOG_IN = post("/api/v1/auth/login", json.dumps({name: ADMIN[name] for name in ("username", "password")}).encode())
PAGE = "/api/v1/orders?source_website=shop"


@dataclass(frozen=True)
class Bench:
    url: str
    ours: Server
    bare: Server
    token: str

    @classmethod
    def start(cls, url: str, ours: Server, bare: Server) -> "Bench":
        """With an admin, and everything answered once."""
        asyncio.run(send_once(ours.port, post("/api/v1/auth/register", json.dumps(ADMIN).encode()), expected=201))
        token = json.loads(asyncio.run(send_once(ours.port, LOG_IN)))["access_token"]
        bench = cls(url, ours, bare, token)
        for server in (ours, bare):
            bench.load(server, [bench.get(PAGE)], seconds=1)
        return bench

    def get(self, path: str) -> Request:
        return get(path, self.token)

    def load(self, server: Server, requests: Sequence[Request], *, seconds: float = SECONDS, **options: Any) -> Load:
        return uvloop.run(apply_load(server.port, requests, seconds=seconds, **options))

    def fetch(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(asyncio.run(send_once(self.ours.port, self.get(path))))
        return answer

    def time(self, requests: Sequence[Request], seconds: float = 1.0) -> float:
        """The median latency in milliseconds of one client that sends one after the other."""
        return self.load(self.ours, requests, seconds=seconds, connections=1).median * 1000


def _against_bare(bench: Bench, name: str, requests: Sequence[Request], target: float, expected: int = 200) -> Result:
    """Requests per second, in turns."""
    rates: dict[Server, list[float]] = {bench.ours: [], bench.bare: []}
    for _ in range(ROUNDS):
        for server, found in rates.items():
            found.append(bench.load(server, requests, expected=expected).rate)
    ours, bare = (statistics.median(found) for found in rates.values())
    return Result(name, ours, bare, ours / bare, "requests/s", target)


def orders_page(bench: Bench) -> Iterable[Result]:
    yield _against_bare(bench, "orders_page", [bench.get(PAGE)], 0.5)


def order_get(bench: Bench) -> Iterable[Result]:
    paths = (f"/api/v1/orders/{1 + n * 7919 % ORDERS}" for n in range(200))
    yield _against_bare(bench, "order_get", [bench.get(path) for path in paths], 0.5)


def order_create(bench: Bench) -> Iterable[Result]:
    def new_orders() -> Iterator[Request]:
        # Consumers and products with a number that divides by fifty are not active.
        for n in range(200):
            lines = [{"product_id": 1 + (n * 61 + line) % 49, "quantity": 1 + line} for line in range(3)]
            body = {"user_id": 1 + n % 49, "source_website": "shop", "details": lines}
            yield post("/api/v1/orders", json.dumps(body).encode(), bench.token)

    yield _against_bare(bench, "order_create", list(new_orders()), 0.4, expected=201)


def deep_page(bench: Bench) -> Iterable[Result]:
    before = bench.fetch(f"/api/v1/orders?page={DEPTH // 50}&count=none")
    first, deep = "/api/v1/orders?count=none", f"/api/v1/orders?count=none&cursor={before['next_cursor']}"
    times = [(bench.time([bench.get(deep)]), bench.time([bench.get(first)])) for _ in range(ROUNDS)]
    ours, limit = (statistics.median(column) for column in zip(*times, strict=True))
    yield Result("deep_page", ours, limit, ours / limit, "ms", 1.2, "at most", f"{DEPTH:,} rows deep")


ORDER_FILTERS: dict[str, tuple[Any, Any]] = {
    # Each with a value that many rows have, and one that none has.
    "q": ("jane", "zzyzx"),
    "source_website": ("outlet", "nowhere"),
    "status": ("cancelled", "cancelled&user_id=999999999"),
    "user_id": (7, 999_999_999),
    "product_id": (3, 999_999_999),
    "order_number": ("N500000", "none"),
    "currency": ("USD", "XXX"),
    "amount_min": (400, 9_999_999),
    "amount_max": (50, -1),
    "created_from": ("2025-06-01", "2050-01-01"),
    "created_to": ("2022-06-01", "2001-01-01"),
    "placed_from": ("2025-06-01", "2050-01-01"),
    "placed_to": ("2022-06-01", "2001-01-01"),
    "updated_since": ("2025-06-01", "2050-01-01"),
}
ORDER_PAIRS = (
    {"source_website": "shop", "status": "pending"},
    {"source_website": "outlet", "placed_from": "2025-01-01"},
    {"status": "shipped", "placed_to": "2023-01-01"},
    {"user_id": 7, "status": "delivered"},
    {"product_id": 3, "source_website": "market"},
    {"currency": "GBP", "amount_min": "500"},
    {"placed_from": "2024-01-01", "placed_to": "2024-01-31"},
    {"q": "jane", "source_website": "shop"},
    {"q": "doe", "status": "cancelled"},
    {"source_website": "shop", "updated_since": "2025-12-01"},
)
USER_FILTERS: dict[str, tuple[Any, Any]] = {
    "q": ("jane", "zzyzx"),
    "source_website": ("shop", "nowhere"),
    "type": ("guest", "robot"),
    "is_active": ("false", "false&type=robot"),
    "email": ("consumer500@example.com", "nobody@example.com"),
    "phone": ("+491000500", "0"),
    "country": ("DE", "XX"),
    "city": ("City 77", "Nowhere"),
    "created_from": ("2024-01-01", "2050-01-01"),
    "created_to": ("2022-06-01", "2001-01-01"),
    "updated_since": ("2024-01-01", "2050-01-01"),
}
PRODUCT_FILTERS: dict[str, tuple[Any, Any]] = {
    "q": ("mug", "zzyzx"),
    "source_website": ("outlet", "nowhere"),
    "is_active": ("false", "false&sku=none"),
    "sku": ("SKU-500", "none"),
    "barcode": ("4000000000500", "0"),
    "price_min": (150, 9_999_999),
    "price_max": (10, 0),
    "created_from": ("2023-01-01", "2050-01-01"),
    "created_to": ("2022-06-01", "2001-01-01"),
    "updated_since": ("2023-01-01", "2050-01-01"),
}


def _write_filters() -> Iterator[tuple[str, str]]:
    """The unfiltered list, and the filtered one."""
    for path, filters in (("orders", ORDER_FILTERS), ("users", USER_FILTERS), ("products", PRODUCT_FILTERS)):
        for name, values in filters.items():
            for value in values:
                base, _, rest = str(value).partition("&")
                yield f"/api/v1/{path}", urlencode({name: base}) + (f"&{rest}" if rest else "")
    for pair in ORDER_PAIRS:
        yield "/api/v1/orders", urlencode(pair)


def filters(bench: Bench) -> Iterable[Result]:
    """Each filter, and each list without one, when no total is kept: what a person meets who opens the list."""
    cases = list(_write_filters())
    times: dict[tuple[str, str], list[float]] = {
        case: [] for case in [*dict.fromkeys((path, "") for path, _ in cases), *cases]
    }
    requests = [bench.get(f"{path}?{query}") for path, query in times]
    for number in range(ROUNDS):
        if number:
            time.sleep(ESTIMATE_SECONDS)
        for found, seconds in zip(times.values(), uvloop.run(time_each(bench.ours.port, requests)), strict=True):
            found.append(seconds * 1000)
    medians = {case: statistics.median(found) for case, found in times.items()}
    ratios = {(path, query): medians[path, query] / medians[path, ""] for path, query in cases}
    path, query = slowest = max(ratios, key=lambda case: ratios[case])
    note = f"{path.rpartition('/')[2]}?{query} of {len(cases)}"
    yield Result("filters", medians[slowest], medians[path, ""], ratios[slowest], "ms", 10, "at most", note)


def memory_api(bench: Bench) -> Iterable[Result]:
    """After the load of the other rows, and a little of each kind more."""
    for path in (PAGE, "/api/v1/users", "/api/v1/products?size=200", "/api/v1/orders?q=jane&size=200"):
        bench.load(bench.ours, [bench.get(path)], seconds=2)
    ours = bench.ours.read_memory() / MEBIBYTE
    yield Result("memory_api", ours, MOST_MEMORY, ours / MOST_MEMORY, "MiB", 1, "at most")


def login(bench: Bench) -> Iterable[Result]:
    """Logins while pages are read, and what those lose."""
    logins, beside, alone = [], [], []
    for _ in range(ROUNDS):
        alone.append(bench.load(bench.ours, [bench.get(PAGE)]).rate)
        pages, found = uvloop.run(_load_both(bench))
        beside.append(pages.rate)
        logins.append(found.rate)
    pages_alone, pages_beside = statistics.median(alone), statistics.median(beside)
    note = f"pages {pages_alone:,.0f}/s alone, {pages_beside:,.0f}/s beside the logins"
    ratio = pages_beside / pages_alone
    yield Result("login", statistics.median(logins), pages_alone, ratio, "logins/s", note=note)


async def _load_both(bench: Bench) -> tuple[Load, Load]:
    pages = apply_load(bench.ours.port, [bench.get(PAGE)], seconds=SECONDS)
    logins = apply_load(bench.ours.port, [LOG_IN], seconds=SECONDS, connections=2)
    found = await asyncio.gather(pages, logins)
    return found[0], found[1]


# Memory last but one: it is that of a worker which has had all the others.
ROWS = (orders_page, order_get, deep_page, filters, order_create, memory_api, login)
