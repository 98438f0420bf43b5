"""How fast a store is asked: a token bucket, which the store's own answers may correct."""

import asyncio
import time


class TokenBucket:
    """`rate` tokens come back every second, up to `size`; a request takes as many as it costs, and waits for them."""

    def __init__(self, rate: float, size: float) -> None:
        self.rate, self.size = rate, size
        self._tokens, self._at = size, time.monotonic()
        self._turn = asyncio.Lock()

    async def take(self, cost: float = 1.0) -> None:
        async with self._turn:
            self._refill()
            missing = min(cost, self.size) - self._tokens
            if missing > 0:
                await asyncio.sleep(missing / self.rate)
                self._refill()
            self._tokens -= cost

    def correct(self, tokens: float, *, rate: float, size: float) -> None:
        """What the store says is left, and how fast it fills."""
        self.rate, self.size = rate, size
        self._tokens, self._at = tokens, time.monotonic()

    def _refill(self) -> None:
        now = time.monotonic()
        self._tokens, self._at = min(self.size, self._tokens + (now - self._at) * self.rate), now
