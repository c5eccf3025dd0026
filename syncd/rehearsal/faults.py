"""Faults on purpose: what goes wrong with which request."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable

from syncd.rehearsal.http import Request


class Fault(enum.Enum):
    """One way in which an answer goes wrong."""

    RESET_BEFORE = "reset before"
    """The connection breaks before the answer begins."""
    RESET_INSIDE = "reset inside"
    """The connection breaks in the middle of the body."""
    CUT_BODY = "cut body"
    """Fewer bytes come than the header promises, and then the end."""
    CUT_JSON = "cut json"
    """A whole answer holding half a JSON text."""
    HTML = "html"
    """A web page with status 200, as from a proxy."""
    WRONG_TYPE = "wrong type"
    """Status 200 and a body that is neither JSON nor said to be."""
    BAD_UTF8 = "bad utf-8"
    """JSON with a byte that no text holds."""
    EMPTY = "empty"
    """Status 200 without a body."""
    STATUS_401 = "401"
    STATUS_403 = "403"
    STATUS_404 = "404"
    STATUS_429 = "429"
    STATUS_429_WAIT = "429 with Retry-After"
    STATUS_500 = "500"
    STATUS_503 = "503"
    STATUS_503_DATE = "503 with Retry-After as a date"
    TRICKLE = "trickle"
    """The body comes byte by byte, slowly."""
    SILENT = "silent"
    """Nothing comes at all."""
    ELSEWHERE = "elsewhere"
    """A redirect to another host."""


Faults = Callable[[int, Request], Fault | None]
"""What goes wrong with a request, by its number from 0; None where nothing does."""


def no_faults(_number: int, _request: Request) -> None:
    """Nothing ever goes wrong."""


def once(fault: Fault, at: int, matching: Callable[[Request], bool] = lambda _: True) -> Faults:
    """One fault, with the request that is the `at`-th of those that match, from 0."""
    seen = -1

    def choose(_number: int, request: Request) -> Fault | None:
        nonlocal seen
        if not matching(request):
            return None
        seen += 1
        return fault if seen == at else None

    return choose


def sprinkled(
    faults: list[Fault], share: float, seed: int, matching: Callable[[Request], bool] = lambda _: True
) -> Faults:
    """Each matching request fails with a chance, in one of some ways."""
    source = random.Random(seed)  # noqa: S311 - a repeatable choice, not a secret one

    def choose(_number: int, request: Request) -> Fault | None:
        return source.choice(faults) if matching(request) and source.random() < share else None

    return choose
