"""SQL as text, with the types of its parameters told: PostgreSQL would deduce one here and another there, or none."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Boolean, DateTime, Text, TextClause, bindparam, text
from sqlalchemy.types import TypeEngine

_TYPES: dict[type, TypeEngine[Any]] = {
    bool: Boolean(),
    int: BigInteger(),
    str: Text(),
    datetime: DateTime(timezone=True),
    list: ARRAY(Text()),
}


def typed(statement: str, parameters: Mapping[str, Any]) -> TextClause:
    """To be executed with these parameters, of which it may use some; a list is one of texts."""
    return _prepare(statement, tuple((name, type(value)) for name, value in parameters.items()))


@lru_cache(maxsize=1024)
def _prepare(statement: str, types: tuple[tuple[str, type], ...]) -> TextClause:
    clause = text(statement)
    bound = clause._bindparams
    return clause.bindparams(*(bindparam(name, type_=_TYPES[kind]) for name, kind in types if name in bound))
