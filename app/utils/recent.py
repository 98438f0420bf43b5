"""What was found out a moment ago, where finding it out again costs as much as what it is needed for."""

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Values of this process by what they answer, each for so many seconds; without any, nothing is kept."""

    def __init__(self, seconds: float, most: int = 1000) -> None:
        self._seconds, self._most = seconds, most
        self._kept: dict[Hashable, tuple[float, T]] = {}

    def find(self, key: Hashable) -> T | None:
        expires, value = self._kept.get(key, (0.0, None))
        return value if expires > time.monotonic() else None

    def keep(self, key: Hashable, value: T) -> None:
        if len(self._kept) >= self._most:
            self._kept.clear()
        self._kept[key] = time.monotonic() + self._seconds, value

    async def find_or(self, key: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """What is kept, else what `find` finds, which is kept from now on. What it raises is not."""
        value = self.find(key)
        if value is None:
            value = await find()
            self.keep(key, value)
        return value
