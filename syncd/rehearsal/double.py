"""What a double of a system offers besides answering requests.

An adapter ships one through the entry point group `syncd.doubles`, under the adapter's own name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from syncd.rehearsal.http import Reply, Request


class Double(Protocol):
    """A stand-in of one system, with the habits of the real one. Made without arguments, then loaded."""

    mapping: ClassVar[str]
    """The mapping that reads it, by name."""
    settings: ClassVar[Mapping[str, Any]]
    """What a source that reads it says in the configuration beside `adapter` and `mapping`. `{url}` in a text stands
    for where the double listens, which is the `base_url` unless that is given here; secrets are `{ env = NAME }`."""
    secrets: ClassVar[Mapping[str, str]]
    """The value of each of those environment variables; made up, and worth nothing."""

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        ...

    def load(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Hold these records and no others; each was last changed some days ago.

        Args:
            records: By native field. Values are texts as a canonical file holds them (days and times in ISO 8601 and
                UTC, `yes` and `no`, plain numbers) or None; for a child component, a list of such records. The double
                keeps and answers them in its own system's types and formats.
        """
        ...
