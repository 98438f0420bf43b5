"""Imports in processes of their own, which can be killed, run at the same time, or be measured.

The processes are forked from one that has imported the program and has no threads and no event loop, so that one
more costs milliseconds.
"""

import asyncio
import resource
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

from app.config import Settings
from app.database import Database
from app.ingest.commands import import_file
from app.ingest.loader import merge_import
from app.ingest.service import ImportRequest
from app.runtime import jobs
from app.sync.setup import make_sync_context
from app.websites.vault import Vault

SECONDS = 300.0  # after which a process that hangs fails its test
KILLED = -9

_context = get_context("forkserver")
_context.set_forkserver_preload([__name__])


def start_import(url: str, path: Path, website: str, chunk_size: int) -> ForkServerProcess:
    """Read and merge the file, as the command line does."""
    return start(_import, url, path, website, chunk_size)


def start_resume(url: str, import_id: int, chunk_size: int) -> ForkServerProcess:
    """Merge on from the checkpoint, as a job does."""
    return start(_resume, url, import_id, chunk_size)


def start_worker(url: str, dead_after: float) -> ForkServerProcess:
    """Run the jobs of the queue until killed; a worker silent for so many seconds is taken for dead."""
    return start(_work, url, dead_after)


def measure_peak(url: str, path: Path, website: str, chunk_size: int) -> int:
    """Import the file; the most memory its process held, in bytes."""
    peaks: SimpleQueue[int] = _context.SimpleQueue()
    join(start(_measure, url, path, website, chunk_size, peaks))
    return peaks.get()


def join(process: ForkServerProcess) -> None:
    """Wait until it has done its work; it has to do it well and in time."""
    process.join(SECONDS)
    hangs = process.exitcode is None
    if hangs:
        process.kill()
    assert not hangs, "the process hangs"
    assert process.exitcode == 0, "the process failed; its error output says why"


def kill_after(process: ForkServerProcess, seconds: float) -> bool:
    """Whether the process was killed; it may have done its work before."""
    process.join(seconds)
    process.kill()
    process.join(SECONDS)
    assert process.exitcode in {0, KILLED}, "the process failed; its error output says why"
    return process.exitcode == KILLED


def start(work: Any, *arguments: Any) -> ForkServerProcess:
    process = _context.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def _import(url: str, path: Path, website: str, chunk_size: int) -> None:
    settings = Settings(_env_file=None, import_chunk_size=chunk_size)

    async def work() -> None:
        database = Database(url)
        await import_file(database, ImportRequest(path, path.name, website), settings)
        await database.dispose()

    asyncio.run(work())


def _resume(url: str, import_id: int, chunk_size: int) -> None:
    async def work() -> None:
        database = Database(url)
        await merge_import(database, import_id, chunk_size=chunk_size, default_currency="USD")
        await database.dispose()

    asyncio.run(work())


def _work(url: str, dead_after: float) -> None:
    jobs.DEAD_AFTER_SECONDS = dead_after

    async def work() -> None:
        database = Database(url)
        sync = make_sync_context(Settings(_env_file=None), database, Vault(["of a worker that follows no store"]))
        async with jobs.running_worker(database, sync=sync) as worker:
            await worker

    asyncio.run(work())


def _measure(url: str, path: Path, website: str, chunk_size: int, peaks: "SimpleQueue[int]") -> None:
    _import(url, path, website, chunk_size)
    peaks.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
