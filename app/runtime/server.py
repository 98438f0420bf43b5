"""The HTTP server: uvicorn on a socket of ours, in one process or several."""

import multiprocessing
import os
import signal
import socket
import threading

import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from uvicorn.supervisors import Multiprocess

from app.config import ConfigurationError, Settings, resolve_secret_key
from app.main import create_app
from app.runtime.databases import RunningDatabase
from app.runtime.logs import configure_logging
from app.runtime.memory import spare_garbage_collector

SHUTDOWN_SECONDS = 15  # how long a stopping server waits for requests to end


def listen(host: str, port: int) -> socket.socket:
    """Taken before the database is touched: two servers never start on one port, and a taken one costs nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=host == "::")
    except OSError as error:
        raise ConfigurationError(f"Cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}.") from None


def address_of(listener: socket.socket) -> str:
    """Where a person on this machine reaches it."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 — compared, not bound
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run_server(settings: Settings, database: RunningDatabase, listener: socket.socket, workers: int) -> None:
    """Serve until a signal ends it; returns then, or raises KeyboardInterrupt."""
    resolved = settings.model_copy(
        update={
            "database_url": SecretStr(database.url),
            "data_dir": database.data_dir,
            "secret_key": SecretStr(resolve_secret_key(settings, database.data_dir)),
        }
    )
    config = uvicorn.Config(
        "app.runtime.server:create_worker_app" if workers > 1 else create_app(resolved),
        factory=workers > 1,
        workers=workers,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    if workers == 1:
        spare_garbage_collector()
        uvicorn.Server(config).run(sockets=[listener])
        return
    configure_logging(settings.environment)  # the parent tells of workers that die
    for name in ("database_url", "data_dir", "secret_key"):
        value = getattr(resolved, name)
        os.environ[name.upper()] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    Multiprocess(config, sockets=[listener]).run()


def create_worker_app() -> FastAPI:
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    app = create_app()
    spare_garbage_collector()
    return app


def _stop_with_parent() -> None:
    """uvicorn's workers outlive a parent that was killed, and keep its port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
