"""The parameters of a request, checked as WordPress checks them: every problem is told at once, in its words."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from fakestores.woocommerce.errors import invalid_params

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}(?::?\d{2})?)?")
_INDEXED = re.compile(r"(\w+)\[\w*\]")


@dataclass(frozen=True, slots=True)
class Boundary:
    """A time as it stands in a database column: of the store's own time, or of GMT."""

    value: datetime
    is_gmt: bool

    def is_before(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Both comparisons are strict: rows of the very second are in neither half."""
        return self.value < self._in_column(moment, zone)

    def is_after(self, moment: datetime, zone: ZoneInfo) -> bool:
        return self.value > self._in_column(moment, zone)

    def _in_column(self, moment: datetime, zone: ZoneInfo) -> datetime:
        return moment.astimezone(UTC if self.is_gmt else zone).replace(tzinfo=None)


@dataclass(slots=True)
class Params:
    given: dict[str, list[str]]
    zone: ZoneInfo
    _problems: dict[str, tuple[str, str]] = field(default_factory=dict, init=False)

    @classmethod
    def parse(cls, items: Iterable[tuple[str, str]], zone: ZoneInfo) -> "Params":
        """As PHP reads a query: `status[]=a&status[0]=b` is a list, a repeated plain name is its last value."""
        given: dict[str, list[str]] = {}
        for name, value in items:
            indexed = _INDEXED.fullmatch(name)
            if indexed:
                given.setdefault(indexed[1], []).append(value)
            else:
                given[name] = [value]
        return cls(given, zone)

    def check(self) -> None:
        """Raises Refused with all that was wrong with the parameters read so far."""
        if self._problems:
            raise invalid_params(self._problems)

    def text(self, name: str, default: str = "") -> str:
        return self.given[name][-1] if name in self.given else default

    def integer(self, name: str, default: int, *, least: int | None = None, most: int | None = None) -> int:
        if name not in self.given:
            return default
        try:
            value = int(self.text(name))
        except ValueError:
            self._problems[name] = ("rest_invalid_type", f"{name} is not of type integer.")
            return default
        too_low, too_high = least is not None and value < least, most is not None and value > most
        if (too_low or too_high) and most is not None:
            bounds = f"{name} must be between {least} (inclusive) and {most} (inclusive)"
            self._problems[name] = ("rest_out_of_bounds", bounds)
        elif too_low:
            self._problems[name] = ("rest_out_of_bounds", f"{name} must be greater than or equal to {least}")
        return value

    def word(self, name: str, default: str, allowed: Sequence[str]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            self._problems[name] = ("rest_not_in_enum", f"{name} is not one of {_list_words(allowed)}.")
        return value

    def words(self, name: str, default: Sequence[str], allowed: Sequence[str]) -> list[str]:
        found = self._listed(name) if name in self.given else list(default)
        for number, value in enumerate(found):
            if value not in allowed:
                message = f"{name}[{number}] is not one of {_list_words(allowed)}."
                self._problems[name] = ("rest_not_in_enum", message)
                break
        return found

    def ids(self, name: str) -> list[int]:
        found = []
        for number, value in enumerate(self._listed(name)):
            if not value.strip().isdigit():
                self._problems[name] = ("rest_invalid_type", f"{name}[{number}] is not of type integer.")
                break
            found.append(int(value))
        return found

    def flag(self, name: str) -> bool:
        return self.text(name).lower() in {"1", "true", "yes"}

    def boundary(self, name: str) -> Boundary | None:
        """A date without a zone is in the store's own time, or in GMT with `dates_are_gmt`.

        One with a zone is converted to the store's own time, whichever column it is then compared with: "Z"
        together with `dates_are_gmt` is wrong by the store's distance from Greenwich.
        """
        if name not in self.given:
            return None
        text = self.text(name)
        try:
            if not _DATE.fullmatch(text):
                raise ValueError
            value = datetime.fromisoformat(text)
        except ValueError:
            self._problems[name] = ("rest_invalid_date", "Invalid date.")
            return None
        if value.tzinfo is not None:
            value = value.astimezone(self.zone).replace(tzinfo=None)
        return Boundary(value.replace(microsecond=0), is_gmt=self.flag("dates_are_gmt"))

    def _listed(self, name: str) -> list[str]:
        values = self.given.get(name, [])
        return [part for value in values for part in value.split(",") if part]


def _list_words(words: Collection[str]) -> str:
    listed = list(words)
    if len(listed) < 3:
        return " and ".join(listed)
    return f"{', '.join(listed[:-1])}, and {listed[-1]}"
