"""Cron lines, in UTC."""

from datetime import datetime
from typing import Annotated

from croniter import croniter
from pydantic import AfterValidator, Field


def _check(line: str) -> str:
    fields = line.split()
    if len(fields) != 5 or not croniter.is_valid(line):
        raise ValueError("must be a cron line of five fields, such as */15 * * * * for every quarter of an hour")
    return " ".join(fields)


Schedule = Annotated[
    str, Field(max_length=100, examples=["*/15 * * * *"], description="a cron line, in UTC"), AfterValidator(_check)
]


def find_next(line: str, after: datetime) -> datetime:
    """The first time after `after` that the cron line names."""
    found: datetime = croniter(line, after).get_next(datetime)
    return found
