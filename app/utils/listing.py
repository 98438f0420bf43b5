"""Lists: what each selects, filters and sorts by, and the reading of one page.

A statement is built once for every combination of filters and sort, with the values left to be bound: building it
anew took as long as all else that the server does for a page.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    BinaryExpression,
    ColumnElement,
    Row,
    Select,
    Text,
    any_,
    bindparam,
    cast,
    func,
    select,
    tuple_,
    union,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import operators

from app.database import Database
from app.utils import pagination
from app.utils.pagination import PageQuery, read_cursor_value
from app.utils.recent import Recent

# Beside the filters' names, so none of those may begin like this.
_AFTER, _AFTER_ID, _LIMIT, _OFFSET, _IDS = "page_after", "page_after_id", "page_limit", "page_offset", "page_ids"


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
    """What is bound for a filter's value, where it is not the value itself."""
    choices: Mapping[str, Mapping[str, ColumnElement[bool]]] = field(default_factory=dict)
    """Filters of a few values, each of which has a condition of its own, or none and leaves the filter out.

    Where the value is a part of the statement the planner can use an index that holds those rows alone.
    """
    unpredictable: frozenset[str] = frozenset()
    """Filters of which the planner cannot tell how many rows they leave.

    To walk the rows in the order of the list and drop those that do not match is best for a filter that many meet, and
    reads the whole table for one that none meets. So what matches these is found first, and looked up where it is few.
    """
    alternatives: Mapping[str, tuple[ColumnElement[bool], ...]] = field(default_factory=dict)
    """For a filter that is met in several ways, with an index for each: the condition of each."""
    always: frozenset[str] = frozenset()
    """Filters without which an id names several rows."""

    def bind(self, query: PageQuery) -> dict[str, Any]:
        """The values of the filters that are given, and `name=value` for each choice."""
        bound = {
            name: self.to_bound[name](value) if name in self.to_bound else value
            for name in self.filters
            if (value := getattr(query, name, None)) is not None
        }
        chosen = ((name, getattr(query, name)) for name in self.choices)
        return bound | {f"{name}={value}": value for name, value in chosen if value in self.choices[name]}

    def conditions(self, bound: frozenset[str]) -> list[ColumnElement[bool]]:
        """Of the filters and choices of these names."""
        left, conditions = set(bound), []
        for names, condition in self.joint_filters.items():
            if left >= set(names):
                left -= set(names)
                conditions.append(condition)
        conditions += [condition for name, condition in self.filters.items() if name in left]
        for name, choices in self.choices.items():
            conditions += [condition for value, condition in choices.items() if f"{name}={value}" in left]
        return conditions


async def read_page(session: AsyncSession, listing: Listing, request: PageQuery, **also: Any) -> dict[str, Any]:
    """The page as the mapping that `Page[...]` serialises, its items mappings too.

    `also` binds filters that the request does not hold. Raises Unprocessable for a cursor that is none.
    """
    names, rows, about = await _read(await session.connection(), Recent(0), listing, request, also)
    # As mappings: Pydantic reads the attributes of a Row four times slower.
    return {"items": [dict(zip(names, row, strict=False)) for row in rows], **about}


async def read_page_json(database: Database, listing: Listing, request: PageQuery, **also: Any) -> bytes:
    """The same as JSON, of a listing whose rows are one column of JSON text (`json_rows`)."""
    async with database.reading() as connection:
        _, rows, about = await _read(connection, database.estimates, listing, request, also)
    return b'{"items":[' + ",".join(row[0] for row in rows).encode() + b"]," + orjson.dumps(about)[1:]


async def _read(
    connection: AsyncConnection, estimates: Recent[int], listing: Listing, request: PageQuery, also: dict[str, Any]
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

    found: Total | None = None
    ids: list[int] | None = None
    if filters & listing.unpredictable:
        found, ids = await _find_ids(connection, estimates, listing, values)
    way = _Way(query.sort, continues=after is not None, skips=offset > 0, looks_up=ids is not None)
    result = await connection.execute(_select_page(listing, filters, way), values | paging | {_IDS: ids})
    rows = result.all()
    items, more = rows[: query.size], len(rows) > query.size

    if query.count == "none":
        total = Total(None)
    elif after is None and not more and (items or offset == 0):
        total = Total(offset + len(items))
    elif query.count == "exact":
        total = Total(await _count(connection, listing, values, None))
    else:
        total = found or await _find_total(connection, estimates, listing, values)
    about = {
        "total": total.number,
        "total_is_estimate": total.is_estimate,
        "page": None if after is not None else query.page or 1,
        "size": query.size,
        "pages": None if total.number is None or total.is_estimate else -(-total.number // query.size),
        "next_cursor": query.cursor_after(items[-1][-2], items[-1][-1]) if more else None,
    }
    return list(result.keys())[:-2], items, about


class Total(NamedTuple):
    number: int | None
    is_estimate: bool = False


async def _find_total(
    connection: AsyncConnection, estimates: Recent[int], listing: Listing, values: dict[str, Any]
) -> Total:
    """How many rows match: counted up to EXACT_UP_TO, and beyond what the planner thinks, or thought a moment ago."""
    kept = estimates.find((listing, repr(values)))
    if kept is not None:
        return Total(kept, is_estimate=True)
    counted = await _count(connection, listing, values, pagination.EXACT_UP_TO + 1)
    if counted <= pagination.EXACT_UP_TO:
        return Total(counted)
    return Total(await _estimate(connection, estimates, listing, values, counted), is_estimate=True)


async def _find_ids(
    connection: AsyncConnection, estimates: Recent[int], listing: Listing, values: dict[str, Any]
) -> tuple[Total, list[int] | None]:
    """The same, with the ids of what matches where it was counted."""
    kept = estimates.find((listing, repr(values)))
    if kept is not None:
        return Total(kept, is_estimate=True), None
    limit = {_LIMIT: pagination.EXACT_UP_TO + 1}
    ids: list[int] = await connection.scalar(_select_ids(listing, frozenset(values)), values | limit) or []
    if len(ids) <= pagination.EXACT_UP_TO:
        return Total(len(ids)), ids
    return Total(await _estimate(connection, estimates, listing, values, len(ids)), is_estimate=True), None


async def _estimate(
    connection: AsyncConnection, estimates: Recent[int], listing: Listing, values: dict[str, Any], at_least: int
) -> int:
    compiled = _select_matches(listing, frozenset(values)).compile(dialect=connection.dialect)
    bound = compiled.construct_expanded_state(values | {_LIMIT: None})
    plan = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {bound.statement}", dict(bound.parameters))
    estimate = max(at_least, int(plan.scalar_one()[0]["Plan"]["Plan Rows"]))
    estimates.keep((listing, repr(values)), estimate)
    return estimate


async def _count(connection: AsyncConnection, listing: Listing, values: dict[str, Any], up_to: int | None) -> int:
    # LIMIT NULL is none.
    counted = await connection.scalar(_select_count(listing, frozenset(values)), values | {_LIMIT: up_to})
    assert counted is not None
    return counted


class _Way(NamedTuple):
    """How a page is read: from its beginning or behind a cursor's row, and by walking or by looking up what matches."""

    sort: str
    continues: bool
    skips: bool
    looks_up: bool


@lru_cache(maxsize=4096)
def _select_page(listing: Listing, filters: frozenset[str], way: _Way) -> Select[*tuple[Any, ...]]:
    name = way.sort.removeprefix("-")
    column, key = listing.sorts[name], listing.sorts["id"]
    # Every order ends in the primary key, in the same direction, so that one index serves both ways.
    order = [key] if name == "id" else [column, key]
    descending = way.sort.startswith("-")
    value = column if column.type.python_type is int else cast(column, Text)
    if way.looks_up:
        matching = [
            key == any_(bindparam(_IDS, type_=ARRAY(BigInteger))),
            *listing.conditions(filters & listing.always),
        ]
    else:
        matching = listing.conditions(filters)
    statement = (
        listing.rows.where(*matching)
        .add_columns(value, key)
        .order_by(*(part.desc() if descending else part.asc() for part in order))
        .limit(bindparam(_LIMIT, type_=BigInteger))
    )
    if way.continues:
        after, after_id = bindparam(_AFTER, type_=column.type), bindparam(_AFTER_ID, type_=key.type)
        left: Any = key if name == "id" else tuple_(column, key)
        right: Any = after_id if name == "id" else tuple_(after, after_id)
        statement = statement.where(left < right if descending else left > right)
    return statement.offset(bindparam(_OFFSET, type_=BigInteger)) if way.skips else statement


@lru_cache(maxsize=4096)
def _select_matches(listing: Listing, filters: frozenset[str]) -> Any:
    """The ids of the rows that match, each once, up to a limit."""
    ids = listing.rows.with_only_columns(listing.sorts["id"], maintain_column_froms=True)
    limit = bindparam(_LIMIT, type_=BigInteger)
    for name in listing.alternatives.keys() & filters:
        others = listing.conditions(filters - {name})
        ways = (ids.where(condition, *others).limit(limit) for condition in listing.alternatives[name])
        return union(*ways).limit(limit)
    return ids.where(*listing.conditions(filters)).order_by(*_order_from_bound(listing, filters)).limit(limit)


def _order_from_bound(listing: Listing, filters: frozenset[str]) -> Iterator[ColumnElement[Any]]:
    """The order in which what a lone bound leaves, whatever else is chosen, stands in its index.

    The planner believes that it lies scattered among the rest, and may read the rows as they lie until it has enough;
    but what is new lies behind all that is old.
    """
    match listing.conditions(filters & listing.filters.keys()):
        case [BinaryExpression(left=column, operator=operators.ge)] if column in listing.sorts.values():
            yield column.asc()
        case [BinaryExpression(left=column, operator=operators.le)] if column in listing.sorts.values():
            yield column.desc()


@lru_cache(maxsize=4096)
def _select_ids(listing: Listing, filters: frozenset[str]) -> Select[Any]:
    return select(func.array(_select_matches(listing, filters).scalar_subquery()))


@lru_cache(maxsize=4096)
def _select_count(listing: Listing, filters: frozenset[str]) -> Select[int]:
    """Without ORDER BY; `count(*) OVER ()` was eight times slower."""
    return select(func.count()).select_from(_select_matches(listing, filters).subquery())
