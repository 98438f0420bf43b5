"""How far a run is, for those who watch, and whether it is to stop."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

Report = Callable[[str, int, int], None]
"""What is being done, stages done, and of how many."""


class Cancelled(Exception):
    """The run was cancelled by somebody."""


class Progress:
    """Tells the run's row and `report` of each stage, and measures it; on a connection of its own, which commits.

    Time in the database is what passes within `in_sql`.
    """

    def __init__(self, connection: psycopg.Connection[Any], run_id: int, report: Report) -> None:
        self._connection, self._run_id, self._report = connection, run_id, report
        self.stages = 0
        self._done = 0
        self.seconds: dict[str, float] = {}
        self._sql = 0.0

    def expect(self, stages: int) -> None:
        self.stages += stages

    @contextmanager
    def stage(self, title: str, kind: str) -> Iterator[None]:
        """Raises Cancelled where the run was."""
        self._tell(title)
        started = time.monotonic()
        yield
        self.seconds[kind] = self.seconds.get(kind, 0.0) + time.monotonic() - started
        self._done += 1

    @contextmanager
    def in_sql(self) -> Iterator[None]:
        started = time.monotonic()
        yield
        self._sql += time.monotonic() - started

    def timings(self) -> dict[str, Any]:
        total = sum(self.seconds.values())
        return {
            "seconds": {kind: round(seconds, 2) for kind, seconds in self.seconds.items()},
            "total": round(total, 2),
            "share_in_database": round(self._sql / total, 3) if total else None,
        }

    def finish(self, status: str, error: str | None = None) -> None:
        """Only what still runs ends: a run that was cancelled meanwhile stays cancelled."""
        self._connection.execute(
            """
            UPDATE prediction_runs SET status = %s, error = %s, finished_at = now(), stage = NULL, timings = %s,
                stages_done = %s, stages = %s
            WHERE id = %s AND status = 'running'
            """,
            (status, error, Jsonb(self.timings()), self._done, self.stages, self._run_id),
        )

    def _tell(self, title: str) -> None:
        told = self._connection.execute(
            "UPDATE prediction_runs SET stage = %s, stages_done = %s, stages = %s WHERE id = %s AND status = 'running'",
            (title, self._done, self.stages, self._run_id),
        )
        if not told.rowcount:
            raise Cancelled
        self._report(title, self._done, self.stages)
