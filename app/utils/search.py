"""Word-prefix search on PostgreSQL's built-in full text: `q=jane gma` finds Jane at Gmail."""

from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, func, text
from sqlalchemy.dialects.postgresql.ext import to_tsquery, to_tsvector
from sqlalchemy.sql.elements import SQLColumnExpression

# The parser would read these as parts of e-mail addresses, host names, versions, tags and signed numbers;
# as blanks they separate words, so that every part of `jane@shop.example` is found.
_SEPARATORS = "@.-_+/&<>:=?#~"
_TO_BLANKS = str.maketrans(dict.fromkeys(_SEPARATORS + "\x00", " "))


def search_document(*columns: SQLColumnExpression[Any]) -> ColumnElement[Any]:
    """The tsvector of some text columns; the same expression stands in the index and in the query.

    Its constants are text, not bound parameters: the planner has to see the index's expression again.
    """
    filled: list[ColumnElement[Any]] = [func.coalesce(column, text("''")) for column in columns]
    joined = filled[0]
    for column in filled[1:]:
        joined = joined.op("||")(text("' '")).op("||")(column)
    blanks = " " * len(_SEPARATORS)
    words = func.translate(joined, text(f"'{_SEPARATORS}'"), text(f"'{blanks}'"))
    return to_tsvector(text("'simple'::regconfig"), words)  # type: ignore[no-untyped-call]


def matches_words(document: ColumnElement[Any]) -> ColumnElement[bool]:
    """Every word of the bound parameter `q`, as `to_words` writes it, begins a word of the document."""
    wanted: ColumnElement[Any] = to_tsquery(  # type: ignore[no-untyped-call]
        text("'simple'::regconfig"), bindparam("q", type_=Text)
    )
    return document.bool_op("@@")(wanted)


def to_words(q: str) -> str:
    """What a person looks for as a tsquery; text without a word matches nothing."""
    # Quoted, every other character is left to the parser that split the document too: a quote divides O'Brien,
    # a joiner inside a Bangla or Persian word does not.
    quoted = ("'" + word.replace("\\", r"\\").replace("'", "''") + "':*" for word in q.translate(_TO_BLANKS).split())
    return " & ".join(quoted)
