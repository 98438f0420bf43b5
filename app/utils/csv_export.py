"""Lists as CSV, streamed out of PostgreSQL: a million rows take no more memory than a hundred.

Text that a spreadsheet would take for a formula gets an apostrophe before it, as OWASP advises ("CSV Injection").
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

from fastapi.responses import StreamingResponse
from sqlalchemy import Label, Select, Table, literal_column

from app.database import Base, Database, driver_connection
from app.utils.listing import Listing
from app.utils.pagination import PageQuery


def csv_columns(
    entity: type[Base], names: Sequence[str], text: Sequence[str] = (), expressions: Mapping[str, str] | None = None
) -> list[Label[Any]]:
    """Columns of `entity`, or SQL expressions, by their names; those of `text` come from strangers."""
    table = cast("Table", entity.__table__)
    known = {column.name: f"{table.name}.{column.name}" for column in table.columns} | dict(expressions or {})
    return [literal_column(_escaped(known[name]) if name in text else known[name]).label(name) for name in names]


def _escaped(sql: str) -> str:
    return rf"CASE WHEN {sql} ~ '^[=+@\t\r-]' THEN '''' || {sql} ELSE {sql} END"


async def stream_csv(
    database: Database, listing: Listing, columns: Sequence[Label[Any]], request: PageQuery
) -> AsyncIterator[bytes]:
    """All rows that match, in the order of the list, under a line of names; paging does not count."""
    values = listing.bind(request)
    key, name = listing.sorts["id"], request.sort.removeprefix("-")
    order = [key] if name == "id" else [listing.sorts[name], key]
    descending = request.sort.startswith("-")
    statement: Select[Any] = (
        listing.rows.with_only_columns(*columns, maintain_column_froms=True)
        .where(*listing.conditions(frozenset(values)))
        .order_by(*(part.desc() if descending else part.asc() for part in order))
    )
    async with database.reads() as session:
        connection = await session.connection()
        bound = statement.compile(dialect=connection.dialect).construct_expanded_state(values)
        copying = f"COPY ({bound.statement}) TO STDOUT (FORMAT csv, HEADER)"
        driver = await driver_connection(session)
        async with driver.cursor() as cursor, cursor.copy(copying, dict(bound.parameters)) as copy:
            async for block in copy:
                yield bytes(block)


CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
"""What a route that answers so declares."""


async def as_download(name: str, parts: AsyncIterator[bytes]) -> StreamingResponse:
    """Awaits the first part, so that what goes wrong before it is an error, and not a file that ends."""
    first = await anext(parts)

    async def all_parts() -> AsyncIterator[bytes]:
        yield first
        async for part in parts:
            yield part

    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(all_parts(), media_type="text/csv", headers=headers)
