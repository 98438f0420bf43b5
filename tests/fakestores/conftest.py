"""Small stores written in the test, and clients of them within the process."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from fakestores.clock import Clock
from fakestores.shop import Shop

# In a checkout alone there are no recorded answers, and the tests that need them say so.
SHARED = Path(os.environ.get("ECOMPREDICTOR_SHARED") or Path(__file__).parents[3] / "shared") / "data"

NOON = datetime(2026, 3, 1, 6, tzinfo=UTC)
"""Noon of the first of March in Dhaka."""

Connect = Callable[..., httpx.AsyncClient]


@pytest.fixture
def shop() -> Shop:
    """Empty, and its clock stands."""
    return Shop("Rise", clock=Clock(NOON))


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """A client of an app, with the key of its store unless told otherwise."""
    async with AsyncExitStack() as stack:
        clients: list[httpx.AsyncClient] = []

        def connect(app: Starlette, base: str = "https://shop.example", **options: object) -> httpx.AsyncClient:
            settings: dict[str, object] = {"auth": ("ck_test", "cs_test")} | options
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base, **settings)  # type: ignore[arg-type]
            clients.append(client)
            stack.push_async_callback(client.aclose)
            return client

        yield connect
