"""Up to where a source was read, as a text.

Holds the time by HubSpot's own clock at which the last pull began, the versions of the records that had changed shortly
before, so that looking back gives nothing twice, and a digest of the pipelines: when a stage is renamed, no deal counts
as changed though all of them read differently.
"""

from __future__ import annotations

from typing import Final

import msgspec

MOST_REMEMBERED: Final = 5_000
"""Versions, and archived ids, a watermark holds; when more changed shortly before, those above are given again."""


class Watermark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A place in the history of a source.

    Attributes:
        at: Milliseconds since 1970 by HubSpot's clock.
        stages: Digest of the pipelines.
        seen: Version by `kind:id`, of records that changed shortly before.
        archived: Ids of deals that were archived, the latest first; one that no longer is was had back.
    """

    at: int
    stages: str
    seen: dict[str, str] = {}
    archived: list[str] = []

    def text(self) -> str:
        """As the core keeps it."""
        return msgspec.json.encode(self).decode()


def read_watermark(text: str | None) -> Watermark | None:
    """The watermark a text stands for; None where there is none, or it was written by another version."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=Watermark)
    except msgspec.MsgspecError:
        return None


class Recent:
    """Gathers what the next increment, which looks back, need not be given again."""

    def __init__(self, since: int) -> None:
        """Args: since, the time the next increment will look back to, in milliseconds."""
        self._since = since
        self._seen: dict[str, tuple[int, str]] = {}

    def add(self, kind: str, identity: str, version: str, changed: int) -> None:
        """Note a version that was given."""
        if changed >= self._since:
            self._seen[f"{kind}:{identity}"] = (changed, version)

    def keep(self, kind: str, identity: str, version: str, changed: int) -> None:
        """Note what an earlier pull gave, unless something newer is known."""
        if f"{kind}:{identity}" not in self._seen:
            self.add(kind, identity, version, changed)

    def seen(self) -> dict[str, str]:
        """The latest of them, by `kind:id`."""
        latest = sorted(self._seen.items(), key=lambda one: one[1][0], reverse=True)[:MOST_REMEMBERED]
        return {key: version for key, (_, version) in latest}
