"""The rows that measure prediction runs, as the job starts them, and what reading costs beside and after one."""

import asyncio
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app.database import Database
from app.predictions import service
from app.predictions.models import RunStatus
from app.predictions.schemas import RunCreate
from app.runtime import migrations
from app.runtime.embedded import throwaway_server
from benchmarks import dataset
from benchmarks.report import ROOT, Result
from benchmarks.serving import MEBIBYTE, PAGE, ROUNDS, SECONDS, Bench
from benchmarks.watching import run_watched

# Five million take many minutes to fill.
ORDERS = int(os.environ.get("BENCH_PREDICT_ORDERS", "1000000"))
MOST_MEMORY = 1024
# Of a run beside a load that takes all there is: it is nice, and would go on for long.
MOST_ROUNDS = 15
SECONDS_TO_STOP = 120
PAGES = ("/api/v1/predictions/consumers", "/api/v1/predictions/products")


@dataclass(frozen=True)
class Predicted:
    seconds: float
    peak_memory: int
    timings: dict[str, Any]

    def describe(self) -> str:
        stages = ", ".join(f"{name} {seconds:.0f}" for name, seconds in self.timings["seconds"].items())
        return f"{self.seconds:.0f} s: {stages}; {self.timings['share_in_database']:.0%} of it in SQL"


def predict(url: str) -> Predicted:
    """A run over everything, in a process of its own. Raises RuntimeError where it does not succeed."""
    run_id = asyncio.run(queue_run(url))
    seconds, peak = run_watched(_command(run_id), _environment(url))
    return Predicted(seconds, peak, asyncio.run(read_timings(url, run_id)))


def _command(run_id: int) -> list[str]:
    return [sys.executable, "-m", "app.predictions.engine", str(run_id)]


def _environment(url: str) -> dict[str, str]:
    return os.environ | {"DATABASE_URL": url}


async def queue_run(url: str) -> int:
    database = Database(url)
    async with database.sessions.begin() as session:
        run = await service.start_run(session, RunCreate(as_of=dataset.LAST_DAY, seed=1))
    await database.dispose()
    return run.id


async def read_timings(url: str, run_id: int) -> dict[str, Any]:
    database = Database(url)
    async with database.reads() as session:
        run = await service.get_run(session, run_id)
    await database.dispose()
    if run.status != RunStatus.SUCCEEDED:
        raise RuntimeError(f"The run has {run.status}: {run.error}")
    return run.timings


def predict_run() -> Iterable[Result]:
    size = dataset.Size(users=ORDERS // 5, products=ORDERS // 50, orders=ORDERS, lines=ORDERS * 5 // 2)
    with throwaway_server() as server:
        migrations.upgrade(server.url)
        dataset.fill(server.url, size, come_and_go=True)
        found = predict(server.url)
    memory = found.peak_memory / MEBIBYTE
    note = f"{size.users:,} consumers, {size.orders:,} orders, {size.products:,} products in {found.describe()}"
    yield Result("predict_run", memory, MOST_MEMORY, memory / MOST_MEMORY, "MiB", 1, "at most", note)


def predict_beside(bench: Bench) -> Iterable[Result]:
    """Pages of orders while a run goes on over the same database, and what those lose."""
    page = [bench.get(PAGE)]
    alone = [bench.load(bench.ours, page).rate for _ in range(ROUNDS)]
    beside = list[float]()
    with _running(bench.url) as process:
        while process.poll() is None and len(beside) < MOST_ROUNDS:
            beside.append(bench.load(bench.ours, page).rate)
        reached = bench.fetch("/api/v1/predictions/runs?size=1")["items"][0]["stage"]
    if reached is None and len(beside) > 1:
        beside.pop()  # it may have ended soon after the beginning of that one
    ours, limit = statistics.median(beside), statistics.median(alone)
    note = f"{len(beside)} rounds of {SECONDS:.0f} s beside it, until {reached or 'its end'}"
    yield Result("predict_beside", ours, limit, ours / limit, "requests/s", 0.6, note=note)


@contextmanager
def _running(url: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A run, which is interrupted if it still goes on in the end."""
    process = subprocess.Popen(
        _command(asyncio.run(queue_run(url))),
        cwd=ROOT,
        env=_environment(url),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(timeout=SECONDS_TO_STOP)


def predictions_page(bench: Bench) -> Iterable[Result]:
    """The slower of two lists in their own order, in turns with the page of orders."""
    if not bench.fetch("/api/v1/predictions/runs?status=succeeded")["items"]:
        predict(bench.url)
    rates: dict[str, list[float]] = {path: [] for path in (*PAGES, PAGE)}
    for path in PAGES:
        bench.load(bench.ours, [bench.get(path)], seconds=1)
    for _ in range(ROUNDS):
        for path, found in rates.items():
            found.append(bench.load(bench.ours, [bench.get(path)]).rate)
    *predictions, orders = (statistics.median(found) for found in rates.values())
    note = ", ".join(f"{path.rpartition('/')[2]} {rate:,.0f}/s" for path, rate in zip(PAGES, predictions, strict=True))
    slowest = min(predictions)
    yield Result("predictions_page", slowest, orders, slowest / orders, "requests/s", 0.8, note=note)


SERVED = (predict_beside, predictions_page)
ROWS = (predict_run,)
