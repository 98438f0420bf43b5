"""What the address of a list says, and the pages before and behind the one it names.

Pages follow each other by cursors, forwards and backwards, so that the millionth row costs what the first does. The
page before is the list in the other direction, behind this page's first row, turned around.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request

from app.utils.errors import Unprocessable, to_field_error
from app.utils.pagination import PageQuery

SIZES = (25, 50, 100, 200)
Q = TypeVar("Q", bound=PageQuery)


class Kind(StrEnum):
    """Of a filter: what is put into its field."""

    TEXT = "text"
    NUMBER = "number"
    DAY = "date"
    CHOICE = "choice"
    SEVERAL = "several"
    WEBSITE = "website"


@dataclass(frozen=True)
class Filter:
    """A field of the list's query that the page has a box for."""

    name: str
    label: str
    kind: Kind = Kind.TEXT
    choices: Sequence[str] = ()


@dataclass
class ListState(Generic[Q]):
    """`query` is None where the address holds something that no list has; `errors` tells what, by field."""

    given: Mapping[str, list[str]]
    query: Q | None
    size: int
    errors: dict[str, str] = field(default_factory=dict)
    after: str | None = None
    before: str | None = None
    columns: Sequence[str] = ()

    def value(self, name: str) -> str:
        return self.given.get(name, [""])[-1]

    def values(self, name: str) -> list[str]:
        return self.given.get(name, [])


def read_state(model: type[Q], params: QueryParams) -> ListState[Q]:
    """Blank boxes of the form are left out."""
    given: dict[str, list[str]] = {}
    for name, value in params.multi_items():
        if value.strip():
            given.setdefault(name, []).append(value)
    size = given.get("size", [str(SIZES[0])])[-1]
    state: ListState[Q] = ListState(
        given,
        None,
        size=int(size) if size.isdigit() and int(size) in SIZES else SIZES[0],
        after=given.get("after", [None])[-1],
        before=given.get("before", [None])[-1],
        columns=given.get("columns", []),
    )
    known = model.model_fields.keys() - {"page", "size", "cursor", "count"}
    asked = {
        name: values if _takes_several(model, name) else values[-1] for name, values in given.items() if name in known
    }
    try:
        state.query = model.model_validate({**asked, "size": state.size})
    except ValidationError as error:
        described = (to_field_error(item) for item in error.errors())
        state.errors = {each.location: each.message for each in described}
    return state


def _takes_several(model: type[PageQuery], name: str) -> bool:
    return "list[" in str(model.model_fields[name].annotation)


def flip(sort: str) -> str:
    return sort.removeprefix("-") if sort.startswith("-") else f"-{sort}"


@dataclass
class Shown:
    """A page of rows, with the addresses' cursors of its neighbours."""

    rows: list[Any]
    total: int | None
    total_is_estimate: bool
    next: str | None
    previous: str | None


def resume(state: ListState[Q]) -> Q:
    """The query of the page that the address names."""
    query = state.query
    assert query is not None
    if state.before is not None:
        return _at(query, flip(query.sort), state.before)
    if state.after is not None:
        return _at(query, query.sort, state.after)
    return query


def _at(query: Q, sort: str, cursor: str) -> Q:
    """Checked as from any client: the cursor stands in an address."""
    given = query.model_dump(mode="json", exclude_unset=True, exclude={"page", "cursor"})
    try:
        return type(query).model_validate({**given, "sort": sort, "cursor": cursor})
    except ValidationError as error:
        raise Unprocessable(error.errors()[0]["msg"], field="cursor", location="query") from None


def arrange(state: ListState[Q], page: Mapping[str, Any], rows: Sequence[BaseModel | Any]) -> Shown:
    query = state.query
    assert query is not None
    further = page["next_cursor"]
    shown = list(rows)
    if state.before is not None:
        shown.reverse()
        previous = further
        following = _cursor_at(query, query.sort, shown[-1]) if shown else None
    else:
        following = further
        previous = _cursor_at(query, flip(query.sort), shown[0]) if shown and state.after is not None else None
    return Shown(shown, page["total"], page["total_is_estimate"], following, previous)


def _cursor_at(query: PageQuery, sort: str, row: Any) -> str:
    value = getattr(row, sort.removeprefix("-"))
    turned = query.model_copy(update={"sort": sort})
    return turned.cursor_after(value if isinstance(value, int) else str(value), row.id)


def list_link(request: Request, **changes: Any) -> str:
    """This list with some of its parameters changed; None leaves one out. Its first page, unless the page is given."""
    dropped = {"after", "before", *changes}
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in dropped and value]
    added = [(name, str(value)) for name, value in changes.items() if value is not None]
    return "?" + urlencode(kept + added)
