"""Storing deliveries as they come: those that arrive while others are being written are written together.

A busy shop delivers hundreds a second, each of which wants its answer when it is safe and not before. One transaction
for all that wait costs hardly more than one for one.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database, driver_connection
from app.sync.webhooks import defer_processing

MOST_AT_ONCE = 200
WRITERS = 3
"""At a time: while one batch is on its way to the disk the next one comes together."""
GATHERING_SECONDS = 0.001
"""How long the first of a batch waits for others: less than writing it takes."""


@dataclass
class Delivery:
    website: str
    topic: str
    body: bytes
    is_kept: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Intake:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[Delivery] = []
        self._writers: set[asyncio.Task[None]] = set()

    async def keep(self, website: str, topic: str, body: bytes) -> None:
        """Returns when it is committed, with a job that will process it; an equal one that still waits is enough."""
        delivery = Delivery(website, topic[:100], body)
        self._waiting.append(delivery)
        if len(self._writers) < WRITERS:
            writer = asyncio.create_task(self._write_all(), name="webhook intake")
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        await delivery.is_kept

    async def _write_all(self) -> None:
        await asyncio.sleep(GATHERING_SECONDS)
        while batch := self._waiting[:MOST_AT_ONCE]:
            del self._waiting[:MOST_AT_ONCE]
            try:
                async with self._database.sessions.begin() as session:
                    await keep_all(session, batch)
            except Exception as error:
                _settle(batch, error)
            else:
                _settle(batch, None)


def _settle(batch: list[Delivery], error: Exception | None) -> None:
    for delivery in batch:
        if delivery.is_kept.done():
            continue  # its sender has gone
        if error is None:
            delivery.is_kept.set_result(None)
        else:
            delivery.is_kept.set_exception(error)


async def keep_all(session: AsyncSession, batch: Sequence[Delivery]) -> None:
    """By the driver itself: an array of bodies takes it twenty times as long to write as the bodies one by one."""
    given = ", ".join(["(%s::text, %s::text, %b::bytea)"] * len(batch))
    values = [value for each in batch for value in (each.website, each.topic, each.body)]
    driver = await driver_connection(session)
    kept = await driver.execute(
        f"""
        INSERT INTO webhooks (source_website, topic, body, body_hash)
        SELECT website, topic, body, sha256(body) FROM (VALUES {given}) AS given (website, topic, body)
        ON CONFLICT DO NOTHING RETURNING source_website
        """.encode(),
        values,
    )
    for website in {row[0] for row in await kept.fetchall()}:
        await defer_processing(session, website)
