"""The server that is measured and its peer, each a process of its own with one worker."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
SECRET_KEY = "a key that only the benchmark has, 32 bytes or more"  # noqa: S105 — of a database that is thrown away


@dataclass(frozen=True)
class Server:
    port: int
    process: subprocess.Popen[bytes]

    def read_memory(self) -> int:
        """Resident bytes of the process and its children."""
        process = psutil.Process(self.process.pid)
        return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))


@contextmanager
def our_server(url: str, **settings: str) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="ecompredictor-bench-") as folder:
        environment = {"DATA_DIR": folder, "LOGIN_ATTEMPTS": "1000000", "ENVIRONMENT": "production"} | settings
        with _running(["-m", "app.cli", "serve", "--port"], url, "/readyz", environment) as server:
            yield server


@contextmanager
def bare_server(url: str) -> Iterator[Server]:
    command = ["-m", "uvicorn", "benchmarks.peer:app", "--no-access-log", "--port"]
    with _running(command, url, "/", {}) as server:
        yield server


@contextmanager
def _running(command: list[str], url: str, path: str, environment: Mapping[str, str]) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, *command, str(port)],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY, **environment},
            stdout=log,
            stderr=log,
        )
        try:
            if not asyncio.run(_wait(port, path, process)):
                log.seek(0)
                raise RuntimeError(f"{' '.join(command)} does not answer:\n{log.read().decode()[-2000:]}")
            yield Server(port, process)
        finally:
            process.terminate()
            process.wait(timeout=30)


async def _wait(port: int, path: str, process: subprocess.Popen[bytes]) -> bool:
    """Until it answers anything at all."""
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            answered = await reader.read(1)
            writer.close()
        except OSError:
            answered = b""
        if answered:
            return True
        await asyncio.sleep(0.1)
    return False
