"""One source of time, always timezone-aware UTC, so that tests can set it."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(UTC)
