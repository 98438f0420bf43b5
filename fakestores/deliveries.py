"""Webhook deliveries, and what the road to the receiver does to them."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from urllib.parse import urlsplit

import httpx


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST. A retry of it is the same object once more: the same headers, the same bytes."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    topic: str
    subscription_id: int
    triggered_at: datetime

    @property
    def path(self) -> str:
        parts = urlsplit(self.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")


def duplicate(deliveries: Iterable[Delivery], random: Random, rate: float = 0.3) -> list[Delivery]:
    """Some of them a second time, somewhere behind the first."""
    found = list(deliveries)
    for delivery in list(found):
        if random.random() < rate:
            found.insert(random.randint(found.index(delivery) + 1, len(found)), delivery)
    return found


def shuffle(deliveries: Iterable[Delivery], random: Random) -> list[Delivery]:
    found = list(deliveries)
    random.shuffle(found)
    return found


def delay(deliveries: Iterable[Delivery], random: Random, rate: float = 0.3) -> tuple[list[Delivery], list[Delivery]]:
    """Those that go now, and those that stay behind to arrive stale, after newer ones."""
    now: list[Delivery] = []
    later: list[Delivery] = []
    for delivery in deliveries:
        (later if random.random() < rate else now).append(delivery)
    return now, later


async def send(
    deliveries: Sequence[Delivery],
    client: httpx.AsyncClient,
    *,
    to: str | None = None,
    report: Callable[[Delivery, int], None] | None = None,
    at_once: int = 1,
) -> list[int]:
    """Post them in their order and return the answers' statuses, 0 for none.

    `to` is an address to use in place of each delivery's own; `report` is what the store does about an answer.
    With `at_once` above one they overtake each other.
    """
    gate = asyncio.Semaphore(at_once)

    async def post(delivery: Delivery) -> int:
        async with gate:
            try:
                answer = await client.post(to or delivery.url, content=delivery.body, headers=dict(delivery.headers))
                status = answer.status_code
            except httpx.HTTPError:
                status = 0
        if report is not None:
            report(delivery, status)
        return status

    return list(await asyncio.gather(*map(post, deliveries)))
