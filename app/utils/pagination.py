"""Lists: numbered pages, keyset cursors, and totals that never cost a scan of the whole table.

A service builds a Select from its query model's filters and hands both to `paginate`.
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, Field, StrictInt, StrictStr, ValidationError
from sqlalchemy import Select, func, literal, literal_column, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import SQLColumnExpression

from app.utils.errors import Unprocessable, describe, to_field_error
from app.utils.schemas import MAX_ID, Schema

EXACT_UP_TO = 10_000
MAX_EXPONENT = 100  # of a cursor's number; PostgreSQL refuses to read much larger ones
T = TypeVar("T")

BigInt = Annotated[StrictInt, Field(ge=-MAX_ID, le=MAX_ID)]
After = tuple[StrictStr | BigInt, BigInt]
"""The sort value and the id of a page's last row."""


class Page(BaseModel, Generic[T]):
    items: list[T]
    total: int | None = Field(description="matches; null with count=none")
    total_is_estimate: bool = Field(
        description=f"true beyond {EXACT_UP_TO} matches, where total is the planner's estimate unless count=exact"
    )
    page: int | None = Field(description="null with a cursor")
    size: int
    pages: int | None = Field(description="null without an exact total")
    next_cursor: str | None = Field(description="continues after the last item; null at the end")

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """What a generated client calls it: `OrderPage`, not `Page_OrderRead_`."""
        return f"{params[0].__name__.removesuffix('Read')}Page"


class Cursor(BaseModel):
    """What a `next_cursor` holds: the query as its list's own model writes it, and where to continue."""

    query: dict[str, Any]
    after: After


class PageQuery(Schema):
    """Paging parameters; each list's own query adds its `sort` and its filters."""

    page: Annotated[int | None, Field(ge=1, le=1_000_000_000, description="numbered from 1")] = None
    size: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str | None, Field(max_length=8192, description="next_cursor of the page before")] = None
    count: Annotated[
        Literal["exact", "none"] | None,
        Field(description=f"default: exact up to {EXACT_UP_TO} matches, the planner's estimate beyond"),
    ] = None
    sort: str = "-id"

    def resume(self) -> "tuple[Self, After | None]":
        """The query a cursor continues, with the sort value and id to continue after.

        The cursor carries sort and filters. Raises Unprocessable where the request contradicts it.
        """
        if self.cursor is None:
            return self, None
        if self.page is not None:
            raise Unprocessable("page and cursor exclude each other", field="page", location="query")
        try:
            cursor = Cursor.model_validate_json(base64.urlsafe_b64decode(self.cursor))
        except ValueError:
            raise _foreign_cursor() from None
        try:
            query = type(self).model_validate({**cursor.query, "size": self.size, "count": self.count})
        except ValidationError as error:
            raise _foreign_cursor(describe([to_field_error(item) for item in error.errors()])) from None
        for name in sorted(self.model_fields_set - {"cursor", "size", "count"}):
            if getattr(self, name) != getattr(query, name):
                raise Unprocessable(f"the cursor carries another {name}", field=name, location="query")
        return query, cursor.after

    def cursor_after(self, value: Any, row_id: int) -> str:
        query = self.model_dump(mode="json", exclude_defaults=True, exclude={"page", "size", "cursor", "count"})
        cursor = Cursor(query=query, after=(value if isinstance(value, int) else _to_text(value), row_id))
        return base64.urlsafe_b64encode(cursor.model_dump_json().encode()).decode()


def _foreign_cursor(reason: str | None = None) -> Unprocessable:
    sentence = "this is not a cursor of this list"
    return Unprocessable(f"{sentence}: {reason}" if reason else sentence, field="cursor", location="query")


def _to_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _from_text(value: str | int, column: InstrumentedAttribute[Any]) -> Any:
    """The sort value that a cursor carries, or Unprocessable where PostgreSQL could not compare it to `column`."""
    kind = column.type.python_type
    try:
        if kind is datetime:
            return datetime.fromisoformat(str(value))
        if kind is Decimal:
            number = Decimal(value)
            if not number.is_finite() or abs(number.adjusted()) > MAX_EXPONENT:
                raise _foreign_cursor()
            return number
    except (ValueError, ArithmeticError):
        raise _foreign_cursor() from None
    if not isinstance(value, kind) or (isinstance(value, str) and "\x00" in value):
        raise _foreign_cursor()
    return value


SortColumns = Mapping[str, InstrumentedAttribute[Any]]


async def paginate(
    session: AsyncSession,
    statement: Select[*tuple[Any, ...]],
    query: PageQuery,
    *,
    sorts: SortColumns,
    after: After | None = None,
) -> dict[str, Any]:
    """One page of `statement` as the mapping that `Page[...]` serialises.

    `sorts` maps the names `query.sort` may take to columns; it must hold `id`, and the statement must select
    the columns under their names. `query` and `after` come from `PageQuery.resume`.
    """
    name = query.sort.removeprefix("-")
    column, key = sorts[name], sorts["id"]
    descending = query.sort.startswith("-")
    # Every order ends in the primary key, in the same direction, so that one index serves both ways.
    order = [key] if name == "id" else [column, key]
    page_of = statement.order_by(*(part.desc() if descending else part.asc() for part in order))
    offset = 0
    if after is not None:
        value, row_id = _from_text(after[0], column), after[1]
        left: SQLColumnExpression[Any] = key if name == "id" else tuple_(column, key)
        right: Any = row_id if name == "id" else tuple_(literal(value, column.type), literal(row_id, key.type))
        page_of = page_of.where(left < right if descending else left > right)
    else:
        offset = ((query.page or 1) - 1) * query.size
        page_of = page_of.offset(offset) if offset else page_of
    # One row more than asked tells whether there is a next page.
    rows = (await session.execute(page_of.limit(query.size + 1))).all()
    items, more = rows[: query.size], len(rows) > query.size

    total: int | None
    if query.count == "none":
        total, estimated = None, False
    elif after is None and not more and (items or offset == 0):
        total, estimated = offset + len(items), False
    else:
        total, estimated = await count_matches(session, statement, exact=query.count == "exact")
    return {
        "items": items,
        "total": total,
        "total_is_estimate": estimated,
        "page": None if after is not None else query.page or 1,
        "size": query.size,
        "pages": None if total is None or estimated else -(-total // query.size),
        "next_cursor": query.cursor_after(getattr(items[-1], name), items[-1].id) if more else None,
    }


async def count_matches(
    session: AsyncSession, statement: Select[*tuple[Any, ...]], *, exact: bool = False
) -> tuple[int, bool]:
    """How many rows match, and whether that is an estimate.

    Counts a projected literal without ORDER BY; `count(*) OVER ()` was eight times slower. Beyond EXACT_UP_TO
    it asks the planner, unless `exact`.
    """
    matches: Select[int] = statement.with_only_columns(literal_column("1"), maintain_column_froms=True).order_by(None)
    bounded = matches if exact else matches.limit(EXACT_UP_TO + 1)
    counted = await session.scalar(select(func.count()).select_from(bounded.subquery()))
    assert counted is not None
    if exact or counted <= EXACT_UP_TO:
        return counted, False
    connection = await session.connection()
    compiled = matches.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    plan = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", dict(compiled.params))
    estimate = int(plan.scalar_one()[0]["Plan"]["Plan Rows"])
    return max(estimate, counted), True
