"""Storing deliveries as they come: those that arrive while others are being written are written together.

A busy shop delivers hundreds a second, each of which wants its answer when it is safe and not before. One statement
for all that wait costs hardly more than one for one. Several at a time would be no faster: a commit that tells workers
of a job waits for every other such commit.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database, driver_connection

MOST_AT_ONCE = 200


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
        self._writer: asyncio.Task[None] | None = None

    async def keep(self, website: str, topic: str, body: bytes) -> None:
        """Returns when it is committed, with a job that will process it; an equal one that still waits is enough."""
        delivery = Delivery(website, topic[:100], body)
        self._waiting.append(delivery)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all(), name="webhook intake")
        await delivery.is_kept

    async def _write_all(self) -> None:
        await asyncio.sleep(0)  # what has arrived at the same moment comes along
        while batch := self._waiting[:MOST_AT_ONCE]:
            del self._waiting[:MOST_AT_ONCE]
            try:
                # In autocommit, where one statement is a transaction, without BEGIN and COMMIT around it.
                async with self._database.reads.begin() as session:
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
    """With a job for each website as `webhooks.defer_processing` makes it, all in one statement.

    By the driver itself: an array of bodies takes it twenty times as long to write as the bodies one by one.
    """
    given = ", ".join(["(%s::text, %s::text, %b::bytea)"] * len(batch))
    driver = await driver_connection(session)
    await driver.execute(
        f"""
        WITH kept AS (
            INSERT INTO webhooks (source_website, topic, body, body_hash)
            SELECT website, topic, body, sha256(body) FROM (VALUES {given}) AS given (website, topic, body)
            ON CONFLICT DO NOTHING RETURNING source_website
        ), jobs AS (
            SELECT DISTINCT ROW(
                'default', 'process_webhooks', 0, 'webhooks of ' || source_website, NULL,
                jsonb_build_object('website', source_website), NULL
            )::procrastinate_job_to_defer_v1 AS job
            FROM kept
        )
        SELECT procrastinate_defer_jobs_v1(array_agg(job)) FROM jobs
        """.encode(),
        [value for each in batch for value in (each.website, each.topic, each.body)],
    )
