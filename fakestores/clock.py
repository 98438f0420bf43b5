"""The time of a store, which a test moves and a demonstration lets run."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass(slots=True)
class Clock:
    """Called, it tells the time in UTC and whole seconds, which is as fine as both platforms write dates.

    Without a `fixed` time it runs as the real one does, moved by what it was advanced.
    """

    fixed: datetime | None = None
    _moved: timedelta = field(default=timedelta(), init=False)

    def __call__(self) -> datetime:
        base = self.fixed or datetime.now(UTC)
        return (base.astimezone(UTC) + self._moved).replace(microsecond=0)

    def advance(self, seconds: float) -> datetime:
        self._moved += timedelta(seconds=seconds)
        return self()

    def set(self, moment: datetime) -> None:
        """Stand at this time from now on."""
        self.fixed, self._moved = moment, timedelta()
