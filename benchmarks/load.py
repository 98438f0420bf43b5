"""A load of HTTP requests over kept connections, cheap enough to share two cores with what it measures."""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Request = bytes
CONNECTIONS = 16


class UnexpectedAnswer(Exception):
    """The server answered something else than it should; the message has the beginning of it."""


@dataclass
class Load:
    """What became of the requests: how long each took, in seconds, and how many there were in a second."""

    seconds: float = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def median(self) -> float:
        return statistics.median(self.latencies)


def get(path: str, token: str | None = None, *, headers: Mapping[str, str] | None = None) -> Request:
    return _request("GET", path, token, b"", headers or {})


def post(path: str, body: bytes, token: str | None = None, *, headers: Mapping[str, str] | None = None) -> Request:
    return _request("POST", path, token, body, {"Content-Type": "application/json"} | dict(headers or {}))


def _request(method: str, path: str, token: str | None, body: bytes, headers: Mapping[str, str]) -> Request:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "_Connection":
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=16 * 1024 * 1024))

    async def send(self, request: Request, expected: int) -> bytes:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        body = await self._reader.readexactly(int(lengths[0][15:]))
        if int(head[9:12]) != expected:
            raise UnexpectedAnswer(f"{head[:12].decode()}: {body[:500].decode(errors='replace')}")
        return body

    def close(self) -> None:
        self._writer.close()


async def send_once(port: int, request: Request, *, expected: int = 200) -> bytes:
    """The body of the answer. Raises UnexpectedAnswer for another status."""
    connection = await _Connection.open(port)
    try:
        return await connection.send(request, expected)
    finally:
        connection.close()


async def time_each(port: int, requests: Sequence[Request], *, expected: int = 200) -> list[float]:
    """How many seconds each takes, one after the other on one connection. Raises UnexpectedAnswer."""
    connection = await _Connection.open(port)
    seconds = []
    try:
        for request in requests:
            before = time.perf_counter()
            await connection.send(request, expected)
            seconds.append(time.perf_counter() - before)
    finally:
        connection.close()
    return seconds


async def apply_load(
    port: int,
    requests: Callable[[], Iterator[Request]] | Sequence[Request],
    *,
    seconds: float,
    connections: int = CONNECTIONS,
    expected: int = 200,
) -> Load:
    """Send for so many seconds, on each connection one request after the other. Raises UnexpectedAnswer."""
    opened = [await _Connection.open(port) for _ in range(connections)]
    load = Load()
    started = time.perf_counter()
    end = started + seconds

    async def run(connection: _Connection) -> None:
        while True:
            for request in requests() if callable(requests) else requests:
                before = time.perf_counter()
                if before >= end:
                    return
                await connection.send(request, expected)
                load.latencies.append(time.perf_counter() - before)

    try:
        async with asyncio.TaskGroup() as running:
            for connection in opened:
                running.create_task(run(connection))
    finally:
        for connection in opened:
            connection.close()
    load.seconds = time.perf_counter() - started
    return load
