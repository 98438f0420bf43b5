"""The rows that measure the console, beside the API's list and beside itself."""

import asyncio
import re
import statistics
import time
from collections.abc import Iterable
from datetime import timedelta

import httpx

from app.console.signin import COOKIE
from app.database import Database
from app.reports.refreshing import refresh
from benchmarks.dataset import LAST_DAY
from benchmarks.load import Request, get
from benchmarks.report import Result
from benchmarks.serving import ADMIN, DEPTH, PAGE, ROUNDS, Bench

SIZE = 50
ORDERS = f"/console/orders/list?size={SIZE}&source_website=shop"
PERIODS = (30, 365)
_TOKEN = re.compile(r'name="csrftoken" value="([^"]+)"')


def console_orders(bench: Bench) -> Iterable[Result]:
    """A page of orders as a table for people, and what the API answers with the same rows; then one far down."""
    cookie = sign_in(bench)
    first = as_admin(ORDERS, cookie)
    before = bench.fetch(f"{PAGE}&page={DEPTH // 2 // SIZE}&count=none")
    deep = as_admin(f"{ORDERS}&after={before['next_cursor']}", cookie)
    times = [(bench.time([first]), bench.time([deep]), bench.time([bench.get(PAGE)])) for _ in range(ROUNDS)]
    shown, far, api = (statistics.median(column) for column in zip(*times, strict=True))
    yield Result("console_orders", shown, api, shown / api, "ms", note="against the same page of the API")
    yield Result("console_deep", far, shown, far / shown, "ms", 1.2, "at most", f"{DEPTH // 2:,} rows deep")


def overview(bench: Bench) -> Iterable[Result]:
    """The overview of a month and of a year, after the reports were filled as the job fills them."""
    cookie = sign_in(bench)
    filling, again = asyncio.run(_refresh_twice(bench.url))
    times: dict[int, list[float]] = {days: [] for days in PERIODS}
    for _ in range(ROUNDS):
        for days, found in times.items():
            first = LAST_DAY - timedelta(days=days - 1)
            path = f"/console/?currency=EUR&first={first}&last={LAST_DAY}"
            found.append(bench.time([as_admin(path, cookie)]))
    month, year = (statistics.median(found) for found in times.values())
    note = f"a year against a month; reports filled in {filling:.0f} s, refreshed in {again:.1f} s"
    yield Result("overview", year, month, year / month, "ms", note=note)


async def _refresh_twice(url: str) -> tuple[float, float]:
    database = Database(url)
    seconds = []
    for _ in range(2):
        started = time.monotonic()
        await refresh(database)
        seconds.append(time.monotonic() - started)
    await database.dispose()
    return seconds[0], seconds[1]


def sign_in(bench: Bench) -> str:
    """Through the form, as a person does."""
    with httpx.Client(base_url=f"http://127.0.0.1:{bench.ours.port}/console/") as client:
        token = _TOKEN.search(client.get("login").text)
        assert token is not None
        form = {"csrftoken": token[1], "username": ADMIN["username"], "password": ADMIN["password"]}
        client.post("login", data=form)
        return client.cookies[COOKIE]


def as_admin(path: str, cookie: str) -> Request:
    return get(path, headers={"Cookie": f"{COOKIE}={cookie}"})


SERVED = (console_orders, overview)
