"""Stores behind a real socket on this machine: in a thread for tests, or until interrupted for a demonstration."""

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

_START_SECONDS = 10.0


def _config(app: ASGIApp) -> uvicorn.Config:
    # The stores tell the time by their own clocks, and an interrupted body is what a fault asked for.
    return uvicorn.Config(
        app,
        log_level="critical",
        access_log=False,
        date_header=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=1 << 20,
    )


def listen(port: int = 0) -> socket.socket:
    """A socket on the loopback; port 0 takes a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def address_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


class _QuietServer(uvicorn.Server):
    """Leaves signals to whoever started it: a thread may not take them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def serving(app: ASGIApp, *, port: int = 0) -> Iterator[str]:
    """Serve the app from a thread of its own; gives the address, and stops when the block ends.

    It is plain HTTP: a WooCommerce app has to be created with `tls=True` to take Basic authentication here.
    """
    listener = listen(port)
    server = _QuietServer(_config(app))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="fakestore", daemon=True)
    thread.start()
    try:
        _wait_until_started(server, thread)
        yield address_of(listener)
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)
        listener.close()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    for _ in range(int(_START_SECONDS * 100)):
        if server.started:
            return
        if not thread.is_alive():
            break
        thread.join(0.01)
    raise RuntimeError("the store did not start")


async def serve(apps: Sequence[tuple[ASGIApp, socket.socket]], *, seconds: float | None = None) -> None:
    """Serve all of them in this event loop until a signal comes or the time is over."""
    servers = [(_QuietServer(_config(app)), listener) for app, listener in apps]
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    running = [asyncio.create_task(server.serve([listener])) for server, listener in servers]
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    for server, _ in servers:
        server.should_exit = True
    await asyncio.gather(*running)
