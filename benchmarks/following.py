"""The rows that measure the following of stores: fake ones on the loopback, in a process of their own."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
import psutil
import psycopg
import uvloop

from app.connectors.base import Raw
from app.database import Database
from app.ingest.loader import take_batch
from app.ingest.models import Import, ImportOrigin
from app.runtime import migrations
from app.runtime.embedded import throwaway_server
from app.sync.platforms import PLATFORMS, parse_all
from app.websites.models import Platform
from benchmarks.load import Request, apply_load, post, send_once
from benchmarks.report import Result
from benchmarks.servers import ROOT, bare_server, our_server
from benchmarks.serving import ADMIN, LOG_IN, ROUNDS, SECONDS

ORDERS = 6_000
SMALL_STORE, STORES = 1_500, 10
MOST_MEMORY = 400
MOST_REQUESTS = 3
BATCH = 1_000
MEBIBYTE = 1024 * 1024
RESOURCES = ("customers", "products", "orders")
SECRET = "whsec-of-the-benchmark"  # noqa: S105 — of a store that is thrown away
BUSINESS = ("users", "user_addresses", "products", "orders", "order_details", "source_records")


@contextmanager
def fake_store(orders: int) -> Iterator[dict[str, Any]]:
    """Its address and keys."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fakestores", "--platform", "woocommerce", "--orders", str(orders)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def _empty_database() -> Iterator[str]:
    with throwaway_server() as server:
        migrations.upgrade(server.url)
        yield server.url


@contextmanager
def _command_line(url: str) -> Iterator[Mapping[str, str]]:
    with tempfile.TemporaryDirectory(prefix="ecompredictor-bench-") as folder:
        yield os.environ | {
            "DATABASE_URL": url,
            "DATA_DIR": folder,
            "SECRET_KEY": "a key that only the benchmark has, 32 bytes or more",
            "ALLOW_PRIVATE_ADDRESSES": "true",
        }


def _run(environment: Mapping[str, str], *arguments: str, given: str = "") -> tuple[float, int]:
    """Seconds, and the largest memory that was seen in a tenth of a second."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(given)
    process.stdin.close()
    watched, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            peak = max(peak, int(watched.memory_info().rss))
        except psutil.NoSuchProcess:
            break
        time.sleep(0.1)
    if process.wait():
        assert process.stderr is not None
        raise RuntimeError(f"{arguments[:2]} ended with {process.returncode}: {process.stderr.read()[-2000:]}")
    return time.perf_counter() - started, peak


def _register(environment: Mapping[str, str], store: Mapping[str, Any], name: str) -> None:
    keys = {each: store[each] for each in ("consumer_key", "consumer_secret")}
    arguments = ("website", "add", name, "woocommerce", store["url"], "--schedule", "never", "--credentials", "-")
    _run(environment, *arguments, given=json.dumps(keys))


async def read_bare(store: Mapping[str, Any]) -> tuple[float, dict[str, list[Any]]]:
    """Every page after the other, decoded and nothing else; seconds, and the rows."""
    rows: dict[str, list[Any]] = {}
    auth = (store["consumer_key"], store["consumer_secret"])
    started = time.perf_counter()
    async with httpx.AsyncClient(base_url=store["url"], auth=auth, timeout=60) as client:
        for resource in RESOURCES:
            rows[resource] = []
            every = {"role": "all"} if resource == "customers" else {"status": "any"}
            for page in itertools.count(1):
                parameters = every | {"per_page": "100", "orderby": "id", "order": "asc", "page": str(page)}
                answer = await client.get(f"/wp-json/wc/v3/{resource}", params=parameters)
                answer.raise_for_status()
                found = answer.json()
                rows[resource] += found
                if len(found) < 100:
                    break
    return time.perf_counter() - started, rows


async def load_alone(url: str, rows: Mapping[str, list[Any]]) -> float:
    """What was read, as records into empty tables, as a run does it; seconds."""
    platform = PLATFORMS[Platform.WOOCOMMERCE]
    database = Database(url)
    async with database.sessions.begin() as session:
        session.add(job := Import(source_website="rise", origin=ImportOrigin.SYNC, file_name="", format=""))
    started = time.perf_counter()
    for resource, found in rows.items():
        for start in range(0, len(found), BATCH):
            batch = found[start : start + BATCH]
            items = parse_all(platform, [Raw(resource.removesuffix("s"), row) for row in batch])
            async with database.sessions.begin() as session:
                same = await session.get_one(Import, job.id, with_for_update=True)
                await take_batch(session, same, items, default_currency="BDT", status_map={})
    seconds = time.perf_counter() - started
    await database.dispose()
    return seconds


@dataclass(frozen=True)
class Followed:
    """A first reading, and one that finds nothing."""

    rate: float
    bare_rate: float
    loader_rate: float
    requests: int
    rows_written: int


@cache
def _follow() -> Followed:
    with fake_store(ORDERS) as store:
        bare_seconds, rows = asyncio.run(read_bare(store))
        with _empty_database() as url:
            loader_seconds = asyncio.run(load_alone(url, rows))
        with _empty_database() as url, _command_line(url) as environment:
            _register(environment, store, "rise")
            _run(environment, "website", "sync", "rise")
            first = _report(url)
            time.sleep(1)
            _run(environment, "website", "sync", "rise")  # what is within the overlap is read again
            before = _count_writes(url)
            _run(environment, "website", "sync", "rise")
            idle = _report(url, last=True)
            written = _count_writes(url) - before
    count = sum(map(len, rows.values()))
    return Followed(
        rate=first["records"] / first["seconds"],
        bare_rate=count / bare_seconds,
        loader_rate=count / loader_seconds,
        requests=idle["requests"],
        rows_written=written,
    )


def _connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True)


def _report(url: str, *, last: bool = False) -> dict[str, Any]:
    """Of the runs over each resource, the first ones or the last: they began together, and wait for each other."""
    with _connect(url) as connection:
        found = connection.execute(
            f"""
            SELECT sum(records_read), extract(epoch FROM max(finished_at) - min(started_at)),
                max((details #>> '{{sync,requests}}')::int)
            FROM (SELECT * FROM imports WHERE origin = 'sync' ORDER BY id {"DESC" if last else ""} LIMIT 3) runs
            """
        ).fetchone()
    assert found is not None
    return {"records": int(found[0]), "seconds": float(found[1]), "requests": int(found[2])}


def _count_writes(url: str) -> int:
    with _connect(url) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        counted = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables WHERE relname = ANY(%s)"
        time.sleep(1.5)  # the processes before have to have told what they wrote
        found = connection.execute(counted, [list(BUSINESS)]).fetchone()
    return int((found or [0])[0])


def sync() -> Iterable[Result]:
    found = _follow()
    limit = min(found.bare_rate, found.loader_rate)
    note = f"reading alone {found.bare_rate:,.0f}/s, loading alone {found.loader_rate:,.0f}/s"
    yield Result("sync", found.rate, limit, found.rate / limit, "records/s", 0.7, note=note)


def sync_idle() -> Iterable[Result]:
    found = _follow()
    ratio = found.requests / MOST_REQUESTS if not found.rows_written else float("inf")
    note = f"rows written: {found.rows_written}"
    yield Result("sync_idle", found.requests, MOST_REQUESTS, ratio, "requests a resource", 1, "at most", note)


def sync_memory() -> Iterable[Result]:
    """All of them at once in one process, from nothing."""
    with fake_store(SMALL_STORE) as store, _empty_database() as url, _command_line(url) as environment:
        names = [f"store-{number}" for number in range(STORES)]
        for name in names:
            _register(environment, store, name)
        _, peak = _run(environment, "website", "sync", *names)
    ours = peak / MEBIBYTE
    note = f"{STORES} stores with {SMALL_STORE:,} orders each"
    yield Result("sync_memory", ours, MOST_MEMORY, ours / MOST_MEMORY, "MiB", 1, "at most", note)


def webhooks() -> Iterable[Result]:
    """Deliveries that are all different, taken and stored; what is done with them afterwards is another matter."""
    with fake_store(200) as store:
        order = asyncio.run(_read_an_order(store))
    with throwaway_server() as database:
        migrations.upgrade(database.url)
        with our_server(database.url, RUN_JOBS="false") as ours, bare_server(database.url) as bare:
            asyncio.run(_prepare(ours.port))
            rates: dict[int, list[float]] = {ours.port: [], bare.port: []}
            numbers = itertools.count()

            def deliveries() -> Iterator[Request]:
                while True:
                    yield _sign(order | {"id": next(numbers)})

            for _ in range(ROUNDS):
                for port, found in rates.items():
                    found.append(uvloop.run(apply_load(port, deliveries, seconds=SECONDS)).rate)
    ours_rate, bare_rate = (statistics.median(found) for found in rates.values())
    yield Result("webhooks", ours_rate, bare_rate, ours_rate / bare_rate, "deliveries/s", 0.5)


async def _read_an_order(store: Mapping[str, Any]) -> dict[str, Any]:
    auth = (store["consumer_key"], store["consumer_secret"])
    async with httpx.AsyncClient(base_url=store["url"], auth=auth) as client:
        found = (await client.get("/wp-json/wc/v3/orders", params={"per_page": 1})).json()
    order: dict[str, Any] = found[0]
    return order


async def _prepare(port: int) -> None:
    await send_once(port, post("/api/v1/auth/register", json.dumps(ADMIN).encode()), expected=201)
    token = json.loads(await send_once(port, LOG_IN))["access_token"]
    body = {
        "name": "rise",
        "platform": "woocommerce",
        "base_url": "https://rise.example",
        "credentials": {"consumer_key": "ck", "consumer_secret": "cs"},
        "webhook_secret": SECRET,
        "schedule": None,
    }
    await send_once(port, post("/api/v1/websites", json.dumps(body).encode(), token), expected=201)


def _sign(payload: Mapping[str, Any]) -> Request:
    body = json.dumps(payload).encode()
    signature = base64.b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256)).decode()
    headers = {"X-WC-Webhook-Topic": "order.updated", "X-WC-Webhook-Signature": signature}
    return post("/api/v1/webhooks/rise", body, headers=headers)


ROWS = (sync, sync_idle, sync_memory, webhooks)
