"""What one attempt at a request raises when another may go better. The client repeats it; nobody else ever sees it."""

from __future__ import annotations

from typing import Final

FEW: Final = 4
"""Attempts at an answer that came whole and makes no sense: a proxy's page, half a JSON text."""


class Again(Exception):
    """One attempt failed in a way that another may cure.

    Attributes:
        reason: What the system did, to come after "the system".
        wait: Seconds it asked to wait, where it did.
        attempts: How many are worth making; None is as many as patience lasts for.
    """

    def __init__(self, reason: str, *, wait: float | None = None, attempts: int | None = None) -> None:
        """Args: reason, wait and attempts, as the attributes."""
        super().__init__(reason)
        self.reason, self.wait, self.attempts = reason, wait, attempts
