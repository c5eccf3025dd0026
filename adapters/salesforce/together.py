"""Several questions asked at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def all_of(questions: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """What comes of each; an error of one is raised when all have ended, so that none goes on behind our back."""
    outcomes = await asyncio.gather(*questions, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes
