"""Lists: what each selects, filters and sorts by, and the reading of one page.

A statement is built once for every combination of filters and sort, with the values left to be bound: building it
anew took as long as all else that the server does for a page.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.database import Database
from app.utils import pagination
from app.utils.pagination import Estimates, PageQuery, read_cursor_value

# Beside the filters' names, so none of those may begin like this.
_AFTER, _AFTER_ID, _LIMIT, _OFFSET = "page_after", "page_after_id", "page_limit", "page_offset"

# What `is_active` binds, where "any" leaves the filter out.
ACTIVE = {"true": True, "false": False}


@dataclass(frozen=True, eq=False)
class Listing:
    """`filters` has for each filter of the query a condition with a bound parameter of the filter's name.

    `sorts` maps the names that `sort` may take to columns; it must hold `id`.
    """

    rows: Select[*tuple[Any, ...]]
    filters: Mapping[str, ColumnElement[bool]]
    sorts: Mapping[str, InstrumentedAttribute[Any]]
    joint_filters: Mapping[tuple[str, ...], ColumnElement[bool]] = field(default_factory=dict)
    """What some filters mean together, where that is more than each by itself."""
    to_bound: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    """What is bound for a filter's value, where it is not the value itself; None leaves the filter out."""

    def bind(self, query: PageQuery) -> dict[str, Any]:
        """The values of the filters that are given."""
        given = {name: getattr(query, name, None) for name in self.filters}
        bound = {
            name: self.to_bound[name](value) if name in self.to_bound else value
            for name, value in given.items()
            if value is not None
        }
        return {name: value for name, value in bound.items() if value is not None}


async def read_page(session: AsyncSession, listing: Listing, request: PageQuery, **also: Any) -> dict[str, Any]:
    """The page as the mapping that `Page[...]` serialises, its items mappings too.

    `also` binds filters that the request does not hold. Raises Unprocessable for a cursor that is none.
    """
    names, rows, about = await _read(await session.connection(), Estimates(), listing, request, also)
    # As mappings: Pydantic reads the attributes of a Row four times slower.
    return {"items": [dict(zip(names, row, strict=False)) for row in rows], **about}


async def read_page_json(database: Database, listing: Listing, request: PageQuery) -> bytes:
    """The same as JSON, of a listing whose rows are one column of JSON text (`json_rows`)."""
    async with database.reading() as connection:
        _, rows, about = await _read(connection, database.estimates, listing, request, {})
    return b'{"items":[' + ",".join(row[0] for row in rows).encode() + b"]," + orjson.dumps(about)[1:]


async def _read(
    connection: AsyncConnection, estimates: Estimates, listing: Listing, request: PageQuery, also: dict[str, Any]
) -> tuple[list[str], Sequence[Row[*tuple[Any, ...]]], dict[str, Any]]:
    """The columns' names, the rows, which have two more columns, and what there is to say about the page."""
    query, after = request.resume()
    values = listing.bind(query) | also
    filters = frozenset(values)
    paging: dict[str, Any] = {_LIMIT: query.size + 1}  # one more than asked tells whether there is a next page
    offset = 0
    if after is not None:
        column = listing.sorts[query.sort.removeprefix("-")]
        paging |= {_AFTER: read_cursor_value(after[0], column), _AFTER_ID: after[1]}
    elif query.page is not None and query.page > 1:
        offset = paging[_OFFSET] = (query.page - 1) * query.size
    statement = _select_page(listing, filters, query.sort, after is not None, offset > 0)
    result = await connection.execute(statement, values | paging)
    rows = result.all()
    items, more = rows[: query.size], len(rows) > query.size

    total: int | None
    if query.count == "none":
        total, estimated = None, False
    elif after is None and not more and (items or offset == 0):
        total, estimated = offset + len(items), False
    elif query.count == "exact":
        total, estimated = await _count(connection, listing, values, None), False
    else:
        total = estimates.find(listing, values)
        estimated = total is not None
        if total is None:
            total, estimated = await _count_or_estimate(connection, listing, values)
            if estimated:
                estimates.keep(listing, values, total)
    about = {
        "total": total,
        "total_is_estimate": estimated,
        "page": None if after is not None else query.page or 1,
        "size": query.size,
        "pages": None if total is None or estimated else -(-total // query.size),
        "next_cursor": query.cursor_after(items[-1][-2], items[-1][-1]) if more else None,
    }
    return list(result.keys())[:-2], items, about


async def _count_or_estimate(connection: AsyncConnection, listing: Listing, values: dict[str, Any]) -> tuple[int, bool]:
    """How many rows match, and whether that is an estimate: beyond EXACT_UP_TO it asks the planner."""
    counted = await _count(connection, listing, values, pagination.EXACT_UP_TO + 1)
    if counted <= pagination.EXACT_UP_TO:
        return counted, False
    compiled = _select_matches(listing, frozenset(values)).compile(dialect=connection.dialect)
    bound = compiled.construct_expanded_state(values)
    plan = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {bound.statement}", dict(bound.parameters))
    estimate = int(plan.scalar_one()[0]["Plan"]["Plan Rows"])
    return max(estimate, counted), True


async def _count(connection: AsyncConnection, listing: Listing, values: dict[str, Any], up_to: int | None) -> int:
    # LIMIT NULL is none.
    counted = await connection.scalar(_select_count(listing, frozenset(values)), values | {_LIMIT: up_to})
    assert counted is not None
    return counted


@lru_cache(maxsize=4096)
def _select_page(
    listing: Listing, filters: frozenset[str], sort: str, continues: bool, has_offset: bool
) -> Select[*tuple[Any, ...]]:
    name = sort.removeprefix("-")
    column, key = listing.sorts[name], listing.sorts["id"]
    # Every order ends in the primary key, in the same direction, so that one index serves both ways.
    order = [key] if name == "id" else [column, key]
    descending = sort.startswith("-")
    value = column if column.type.python_type is int else cast(column, Text)
    statement = (
        _where(listing.rows, listing, filters)
        .add_columns(value, key)
        .order_by(*(part.desc() if descending else part.asc() for part in order))
        .limit(bindparam(_LIMIT, type_=BigInteger))
    )
    if continues:
        after, after_id = bindparam(_AFTER, type_=column.type), bindparam(_AFTER_ID, type_=key.type)
        left: Any = key if name == "id" else tuple_(column, key)
        right: Any = after_id if name == "id" else tuple_(after, after_id)
        statement = statement.where(left < right if descending else left > right)
    return statement.offset(bindparam(_OFFSET, type_=BigInteger)) if has_offset else statement


@lru_cache(maxsize=4096)
def _select_matches(listing: Listing, filters: frozenset[str]) -> Select[*tuple[Any, ...]]:
    statement: Select[*tuple[Any, ...]] = listing.rows.with_only_columns(
        literal_column("1"), maintain_column_froms=True
    )
    return _where(statement, listing, filters)


@lru_cache(maxsize=4096)
def _select_count(listing: Listing, filters: frozenset[str]) -> Select[int]:
    """Of a projected literal without ORDER BY; `count(*) OVER ()` was eight times slower."""
    matches = _select_matches(listing, filters).limit(bindparam(_LIMIT, type_=BigInteger))
    return select(func.count()).select_from(matches.subquery())


def _where(statement: Select[*tuple[Any, ...]], listing: Listing, filters: frozenset[str]) -> Select[*tuple[Any, ...]]:
    left = set(filters)
    for names, condition in listing.joint_filters.items():
        if left >= set(names):
            left -= set(names)
            statement = statement.where(condition)
    return statement.where(*(condition for name, condition in listing.filters.items() if name in left))
