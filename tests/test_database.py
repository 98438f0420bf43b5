"""Connections of the pool that the server closed, as it does when it restarts."""

import httpx
from sqlalchemy import text

from app.database import Database


async def close_all_others(database: Database) -> int:
    """The server's end of every connection that waits in the pool; how many there were."""
    async with database.reads() as session:
        closed = await session.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        return len(closed.all())


async def test_they_are_replaced(live_api: httpx.AsyncClient, live_database: Database):
    connections = [live_database.engine.connect() for _ in range(5)]
    for connection in connections:
        await connection.start()
    for connection in connections:
        await connection.close()
    assert await close_all_others(live_database) >= 4
    for _ in range(10):
        assert (await live_api.get("/api/v1/orders")).status_code == 200


async def test_a_pool_opens_no_connection_beyond_its_size(live_database: Database):
    """A connection that is closed again after its request costs more than the request."""
    size = live_database.engine.pool.size()  # type: ignore[attr-defined]
    for _ in range(2):
        held = [live_database.engine.connect() for _ in range(size)]
        for connection in held:
            await connection.start()
        for connection in held:
            await connection.close()
    assert live_database.engine.pool.checkedin() == size  # type: ignore[attr-defined]
