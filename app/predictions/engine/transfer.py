"""Columns of numbers between PostgreSQL and arrays, in COPY's binary format.

Without nulls every row is equally long, so that a whole answer is one structured array and no value is looked at by
Python. (PostgreSQL 18 documentation, COPY, "Binary Format".)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

Columns = dict[str, NDArray[Any]]

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_TYPES = {"int2": ">i2", "int4": ">i4", "int8": ">i8", "float8": ">f8"}
_REAL = 700  # the type's oid, which arrays carry
_ROWS_AT_A_TIME = 50_000


def read_columns(
    connection: psycopg.Connection[Any], query: str, columns: Mapping[str, str], parameters: Mapping[str, Any]
) -> Columns:
    """What `query` selects: `columns` names its columns in their order, with their types. None of them may be null."""
    row = _row_type(columns, {})
    received = bytearray()
    with connection.cursor() as cursor:
        statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(sql.SQL(query))
        with cursor.copy(statement, parameters) as copy:
            for block in copy:
                received += block
    body = len(received) - len(_SIGNATURE) - len(_END)
    count, rest = divmod(body, row.itemsize)
    if rest:
        raise ValueError("a column is null or of another type than was said")
    rows = np.frombuffer(received, row, count, len(_SIGNATURE))
    return {name: np.ascontiguousarray(rows[name], rows[name].dtype.newbyteorder("=")) for name in columns}


def write_columns(
    connection: psycopg.Connection[Any], table: str, columns: Sequence[tuple[str, str, NDArray[Any]]]
) -> None:
    """Append to `table`: each column's name, type, and values. A matrix is a column of arrays of reals."""
    size = len(columns[0][2])
    widths = {name: values.shape[1] for name, _, values in columns if values.ndim > 1}
    row = _row_type({name: kind for name, kind, _ in columns}, widths)
    names = sql.SQL(", ").join(sql.Identifier(name) for name, _, _ in columns)
    into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(sql.Identifier(table), names)
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        copy.write(_SIGNATURE)
        for start in range(0, size, _ROWS_AT_A_TIME):
            part = slice(start, min(start + _ROWS_AT_A_TIME, size))
            rows = np.zeros(part.stop - part.start, row)
            rows["fields"] = len(columns)
            for name, _, values in columns:
                if values.ndim > 1:
                    _write_arrays(rows, name, values[part])
                else:
                    rows[f"{name} length"] = row[name].itemsize
                    rows[name] = values[part]
            copy.write(rows.tobytes())
        copy.write(_END)


def _row_type(columns: Mapping[str, str], widths: Mapping[str, int]) -> np.dtype[Any]:
    fields: list[Any] = [("fields", ">i2")]
    for name, kind in columns.items():
        fields.append((f"{name} length", ">i4"))
        if name in widths:
            head = [(f"{name} {part}", ">i4") for part in ("dimensions", "nulls", "type", "size", "first")]
            fields += [*head, (name, [("length", ">i4"), ("value", ">f4")], (widths[name],))]
        else:
            fields.append((name, _TYPES[kind]))
    return np.dtype(fields)


def _write_arrays(rows: NDArray[Any], name: str, values: NDArray[Any]) -> None:
    width = values.shape[1]
    rows[f"{name} length"] = 20 + 8 * width
    for part, value in {"dimensions": 1, "nulls": 0, "type": _REAL, "size": width, "first": 1}.items():
        rows[f"{name} {part}"] = value
    rows[name]["length"] = 4
    rows[name]["value"] = values
