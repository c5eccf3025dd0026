"""The settings of a Salesforce source, beside those of every HTTP source."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from adapters.salesforce import soql
from syncd.adapter import SourceContext
from syncd.errors import ConfigError, Problem
from syncd.httpkit import HttpSettings

LARGEST_PAGE: Final = 2_000
SMALLEST_PAGE: Final = 200
"""Records a page that `batchSize` may ask for
(https://developer.salesforce.com/docs/platform/api-rest/guide/resources-query.md)."""


class SalesforceSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a Salesforce source. `base_url` is the org's own host, `https://NAME.my.salesforce.com`.

    Attributes:
        api_version: Of the REST and Bulk APIs; three come each year.
        bulk: Whether Bulk API 2.0 jobs may be made.
        bulk_above: A pull of more records goes through one.
        bulk_page_size: Records in one part of a job's result.
        bulk_patience_seconds: How long a job may take.
        overlap_seconds: How far an increment reaches back before its watermark, for rows that became visible late.
        quota_percent: No request is made once so much of the org's requests of the day is used, by whomever.
        history: Whether the history of stages is read.
    """

    api_version: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{2,3}\.0$")] = "66.0"
    bulk: bool = True
    bulk_above: Annotated[int, msgspec.Meta(ge=0)] = 50_000
    bulk_page_size: Annotated[int, msgspec.Meta(ge=1)] = 5_000
    bulk_patience_seconds: Annotated[float, msgspec.Meta(gt=0)] = 3_600.0
    overlap_seconds: Annotated[int, msgspec.Meta(ge=60, le=86_400)] = 300
    quota_percent: Annotated[float, msgspec.Meta(gt=0, le=100)] = 95.0
    history: bool = True


def check(settings: SalesforceSettings, context: SourceContext) -> None:
    """Refuse what cannot work.

    Raises:
        ConfigError: A setting is out of range, or the mapping names what is no name in SOQL.
    """
    problems = [*_wrong_settings(settings), *_wrong_names(context)]
    if problems:
        raise ConfigError(*(Problem(message=f"source {context.name}: {one}") for one in problems))


def _wrong_settings(settings: SalesforceSettings) -> list[str]:
    problems = []
    host = urlsplit(settings.base_url).hostname or ""
    if host.endswith((".lightning.force.com", ".salesforce-setup.com")):
        # Valid tokens are refused there: https://github.com/simple-salesforce/simple-salesforce/issues/406
        problems.append("base_url names a host for browsers; the API is at https://NAME.my.salesforce.com")
    if re.search(r"/services/", urlsplit(settings.base_url).path):
        problems.append("base_url ends at the host; the path /services/data/ is added")
    if settings.page_size is not None and not SMALLEST_PAGE <= settings.page_size <= LARGEST_PAGE:
        problems.append(f"page_size must be from {SMALLEST_PAGE} to {LARGEST_PAGE:,}")
    return problems


def _wrong_names(context: SourceContext) -> list[str]:
    named = set(context.fields) | set(context.children)
    named.update(*context.children.values())
    return [
        f"the mapping names {one!r}, which is no field's API name" for one in sorted(named) if not soql.is_name(one)
    ]
