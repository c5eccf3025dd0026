"""How many requests a source gets at once and in a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


class Budget:
    """Lets requests begin, each when its turn has come. One for each source."""

    def __init__(
        self,
        *,
        at_once: int,
        per_second: float | None,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """Args: at_once and per_second, the limits; monotonic and sleep, the clock in seconds."""
        self._slots = asyncio.Semaphore(at_once)
        self._interval = 0.0 if per_second is None else 1 / per_second
        self._monotonic = monotonic
        self._sleep = sleep
        self._next = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One request's turn; the slot is given back at the end of the block."""
        async with self._slots:
            if self._interval:
                # The turn is taken before waiting for it, so that those who ask meanwhile come after.
                begin = max(self._monotonic(), self._next)
                self._next = begin + self._interval
                if (wait := begin - self._monotonic()) > 0:
                    await self._sleep(wait)
            yield

    def hold_back(self, seconds: float) -> None:
        """Let no request begin for so long: the system said that all of ours are too many."""
        self._next = max(self._next, self._monotonic() + seconds)
        self._interval = self._interval or 1e-9
