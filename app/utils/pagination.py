"""Pages: numbered ones, keyset cursors, and totals that never cost a scan of the whole table."""

import base64
import math
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, Field, StrictInt, StrictStr, ValidationError
from sqlalchemy.orm import InstrumentedAttribute

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
    cursor: Annotated[
        str | None, Field(max_length=6_000, pattern=r"^[A-Za-z0-9_=-]*$", description="next_cursor of the page before")
    ] = None
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

    def cursor_after(self, value: str | int, row_id: int) -> str:
        query = self.model_dump(mode="json", exclude_defaults=True, exclude={"page", "size", "cursor", "count"})
        cursor = Cursor(query=query, after=(value, row_id))
        return base64.urlsafe_b64encode(cursor.model_dump_json().encode()).decode()


def _foreign_cursor(reason: str | None = None) -> Unprocessable:
    sentence = "this is not a cursor of this list"
    return Unprocessable(f"{sentence}: {reason}" if reason else sentence, field="cursor", location="query")


def read_cursor_value(value: str | int, column: InstrumentedAttribute[Any]) -> Any:
    """The sort value that a cursor carries, or Unprocessable where PostgreSQL could not compare it to `column`."""
    kind = column.type.python_type
    try:
        if kind is datetime:
            return datetime.fromisoformat(str(value))
        if kind is date:
            return date.fromisoformat(str(value))
        if kind is float:
            return _finite(float(value))
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


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise _foreign_cursor()
    return value
