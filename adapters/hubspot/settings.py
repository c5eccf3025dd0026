"""What a source of the HubSpot adapter can be told, and where things are in each version of the API.

Not for: credentials and limits common to all sources with an HTTP API (`syncd.httpkit.settings`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

from syncd.errors import ConfigError, Problem
from syncd.httpkit import HttpSettings

MOST_LISTED: Final = 100
"""Records a page of a list, and ids a batch read, at most
(https://developers.hubspot.com/docs/guides/crm/using-object-apis)."""

MOST_WITH_HISTORY: Final = 50
"""The same when history is asked for. The documentation only says that it is lower; dlt's HubSpot source met this
figure (https://github.com/dlt-hub/verified-sources/pull/206)."""

MOST_FOUND: Final = 200
"""Records a page of a search, at most (https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm)."""

MOST_ASSOCIATED: Final = 1_000
"""Ids whose associations are read at a time, at most
(https://developers.hubspot.com/changelog/bug-fix-batch-read-limit-for-hubspot-associations-api)."""


class HubSpotSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one HubSpot account.

    Attributes:
        base_url: One host serves every account.
        api: The naming scheme of the API; both give the same data.
        pipelines: Read only the deals of these pipelines, by label or id; empty means all.
        history: Read each deal's way through the stages as well. Halves the size of a page.
        overlap_seconds: How far an increment looks back before the last one, for changes that HubSpot's search
            showed late.
        search_per_second: Searches begun in a second. HubSpot allows an account five, whoever makes them.
    """

    base_url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^/?#\s]+[^?#\s]*$")] = "https://api.hubapi.com"
    api: Literal["v3", "2026-03"] = "v3"
    pipelines: list[str] = []
    history: bool = True
    overlap_seconds: Annotated[float, msgspec.Meta(ge=60)] = 600.0
    search_per_second: Annotated[float, msgspec.Meta(gt=0, le=5)] = 4.0


def check(settings: HubSpotSettings) -> None:
    """Look for contradictions.

    Raises:
        ConfigError: There are some; holds every problem found.
    """
    if settings.page_size is not None and settings.page_size > MOST_LISTED:
        raise ConfigError(Problem(message=f"`page_size`: HubSpot gives {MOST_LISTED} records a page at most"))


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Where things are; `{kind}` stands for a type of object, such as `deals`."""

    objects: str
    pipelines: str
    properties: str
    associations: str
    owners: str = "crm/v3/owners"
    account: str = "account-info/v3/details"

    def kind(self, kind: str, rest: str = "") -> str:
        """The path of a type of object, or of something below it."""
        return self.objects.format(kind=kind) + rest


PATHS: Final = {
    "v3": Paths(
        objects="crm/v3/objects/{kind}",
        pipelines="crm/v3/pipelines/deals",
        properties="crm/v3/properties/{kind}",
        associations="crm/v4/associations/{one}/{other}/batch/read",
    ),
    # The version stands after the name of the family there
    # (https://developers.hubspot.com/docs/api-reference/2026-03/crm/search-the-crm).
    "2026-03": Paths(
        objects="crm/objects/2026-03/{kind}",
        pipelines="crm/pipelines/2026-03/deals",
        properties="crm/properties/2026-03/{kind}",
        associations="crm/associations/2026-03/{one}/{other}/batch/read",
    ),
}
"""By the setting `api`."""
