"""What checks say, put shortly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from syncd.adapter import Check

_LISTED: Final = 8


def ok(name: str, says: str) -> Check:
    """Nothing is to be done."""
    return Check(name=name, outcome="ok", says=says)


def warning(name: str, says: str, remedy: str) -> Check:
    """A pull will work, and not tell everything, or tell it wrongly."""
    return Check(name=name, outcome="warning", says=says, remedy=remedy)


def failed(name: str, says: str, remedy: str) -> Check:
    """No pull will work."""
    return Check(name=name, outcome="failed", says=says, remedy=remedy)


def skipped(name: str, says: str, remedy: str = "") -> Check:
    """It could not be looked at, or there was no need."""
    return Check(name=name, outcome="skipped", says=says, remedy=remedy)


def listed(names: Sequence[str], separator: str = ", ") -> str:
    """Some names, and how many more there are."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return separator.join(names[:_LISTED]) + more
