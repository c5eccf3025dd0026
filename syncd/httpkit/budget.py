"""How many requests a source gets at once and in a second."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from syncd.errors import SourceUnavailable


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
        self._next = self._held = 0.0

    @asynccontextmanager
    async def turn(self, patience: float = math.inf) -> AsyncIterator[None]:
        """One request's turn; the slot is given back at the end of the block.

        Args:
            patience: How many seconds it may be held back.

        Raises:
            SourceUnavailable: It would have to wait longer for what the system said.
        """
        async with self._slots:
            now = self._monotonic()
            if self._held - now > patience:
                raise SourceUnavailable("the system asks to be left alone for long", "try again later")
            # The turn is taken before waiting for it, so that those who ask meanwhile come after.
            begin = max(now, self._next, self._held)
            self._next = begin + self._interval
            if begin > now:
                await self._sleep(begin - now)
            yield

    def hold_back(self, seconds: float) -> None:
        """Let no request begin for so long: the system said that all of ours are too many."""
        self._held = max(self._held, self._monotonic() + seconds)
