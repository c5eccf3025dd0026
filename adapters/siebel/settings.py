"""What a source of the Siebel adapter can be told.

Not for: what every HTTP source can be told (`syncd.httpkit.settings`).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from syncd.adapter import SourceContext
from syncd.errors import ConfigError, Problem
from syncd.httpkit import HttpSettings

LARGEST_PAGE: Final = 100
"""Records a page may hold unless an administrator raised the limit. REST API Guide, "About URI Parameters"."""

USUAL_PAGE: Final = 10
"""Records a page holds unless more are asked for. The same page."""

SMALLEST_PAGE: Final = 2
"""Neighbouring pages share a record, so a page needs one more."""

_Name = Annotated[str, msgspec.Meta(min_length=1, pattern=r"^[^/\"']+$")]


ViewMode = Literal[
    "Personal", "Sales Rep", "Manager", "Organization", "Sub-Organization", "Group", "Catalog", "All"
]  # fmt: skip


class ChildResource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the rows of a child component can be read for many opportunities at once.

    Attributes:
        resource: Business object and component, such as `Action/Action`.
        parent: The field of a row that holds the opportunity's id, such as `Opportunity Id`.
        view_mode: Whose rows; None is the view mode of the source, which may mean less for another business component.
    """

    resource: Annotated[str, msgspec.Meta(pattern=r"^[^/\"']+/[^/\"']+$")]
    parent: _Name
    view_mode: ViewMode | None = None


class SiebelSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one Siebel source, beside those of every HTTP source.

    Attributes:
        view_mode: Whose records are asked for: `Sales Rep` (the account's own, Siebel's default), `Manager`,
            `Personal`, `Organization`, `Sub-Organization`, `Group`, `Catalog` or `All`. REST API Guide, "Querying a
            Siebel CRM Business Component by Specifying ViewMode".
        business_object: The business object of the opportunities.
        business_component: Their business component.
        searchspec: A search expression of one's own that every record must satisfy; empty asks for all.
        updated_field: What the business component calls the time of a record's last change, for search expressions.
        overlap_seconds: How far an increment reaches back behind the start of the pull before it.
        children: Where the rows of a child component can be read in bulk, by the component's name in the mapping.
    """

    view_mode: ViewMode = "Organization"
    business_object: _Name = "Opportunity"
    business_component: _Name = "Opportunity"
    searchspec: str = ""
    updated_field: Annotated[str, msgspec.Meta(pattern=r"^[^\[\]\"']+$")] = "Updated"
    overlap_seconds: Annotated[int, msgspec.Meta(ge=0)] = 900
    children: dict[str, ChildResource] = {}


def check(settings: SiebelSettings, context: SourceContext) -> None:
    """Look whether settings fit together.

    Args:
        settings: Of the source.
        context: Of the source.

    Raises:
        ConfigError: They contradict one another; holds every problem found.
    """
    problems: list[Problem] = []
    if settings.page_size is not None and settings.page_size < SMALLEST_PAGE:
        problems.append(Problem(message="`page_size` must be at least 2: each page begins with the last record before"))
    if settings.searchspec.count("(") != settings.searchspec.count(")") or settings.searchspec.count('"') % 2:
        problems.append(Problem(message="`searchspec` leaves a parenthesis or a quote open"))
    if not context.timezone_told:
        # With one that is ahead of it, increments would ask for what changes in some hours, and get nothing.
        message = "`timezone` is needed: Siebel writes times in the zone of its account and does not say which"
        problems.append(Problem(message=message))
    if problems:
        raise ConfigError(*problems)
