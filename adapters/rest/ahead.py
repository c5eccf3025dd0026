"""Asks for the next page while the last is made use of.

Not for: what comes next (`adapters.rest.paging`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, TypeVar

from syncd.errors import SourceIncomplete, SyncdError

_Value = TypeVar("_Value")


class Ahead:
    """Asks for the next of some values while the last is made use of; can be broken off."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._broken_off = False

    async def of(self, values: AsyncGenerator[_Value, None]) -> AsyncGenerator[_Value, None]:
        """The same values.

        Raises:
            SourceIncomplete: They were broken off; and whatever they raise.
        """
        task = self._begun(values)
        try:
            while (value := await self._ended(task)) is not None:
                task = self._begun(values)
                await asyncio.sleep(0)  # so that the request is on its way before the value is worked on
                yield value
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, SyncdError):
                await task
            await values.aclose()

    async def break_off(self) -> None:
        """Wait for nothing that is still to come."""
        self._broken_off = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begun(self, values: AsyncGenerator[_Value, None]) -> asyncio.Task[_Value | None]:
        task = asyncio.ensure_future(_next(values))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _ended(self, task: asyncio.Task[_Value]) -> _Value:
        try:
            return await task
        except asyncio.CancelledError:
            if self._broken_off and task.cancelled():
                raise SourceIncomplete("the source was closed before it was read whole") from None
            raise


async def _next(values: AsyncGenerator[_Value, None]) -> _Value | None:
    return await anext(values, None)
