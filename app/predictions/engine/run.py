"""The run that is executed, and where its results go."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

EPOCH = date(1970, 1, 1)
MONDAY_BEFORE_EPOCH = 3
"""Days from the Monday before it: it was a Thursday."""


@dataclass(frozen=True)
class Run:
    id: int
    as_of: date
    source_website: str | None
    horizon_days: int
    lead_time_days: int
    service_level: float
    seed: int

    @property
    def today(self) -> int:
        """The day it predicts from, counted from 1970-01-01."""
        return (self.as_of - EPOCH).days


def partition(table: str, run_id: int) -> str:
    return f"{table}_of_{run_id}"


def save_model(
    connection: psycopg.Connection[Any],
    run: Run,
    kind: str,
    *,
    website: str | None,
    currency: str | None,
    subjects: int,
    status: str,
    notes: list[str],
    parameters: dict[str, Any],
    scorecard: dict[str, Any],
    state: dict[str, Any],
) -> int:
    """Its id. Raises ValueError for what JSON cannot hold, such as NaN."""
    for each in (parameters, scorecard, state):
        json.dumps(each, allow_nan=False)
    row = connection.execute(
        """
        INSERT INTO prediction_models
            (run_id, kind, source_website, currency, subjects, status, notes, parameters, scorecard, state)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
        """,
        (run.id, kind, website, currency, subjects, status, *map(Jsonb, (notes, parameters, scorecard, state))),
    ).fetchone()
    assert row is not None
    return int(row[0])
