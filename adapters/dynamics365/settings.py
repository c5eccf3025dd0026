"""What a source of this adapter can be told.

Not for: what every HTTP source takes (`syncd.httpkit.settings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from syncd.httpkit import HttpSettings

LARGEST_PAGE: Final = 5_000
"""Rows a page at most, and the default of the service.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/page-results
"""

_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]

USUAL_LOOKUPS: Final[Mapping[str, str]] = {
    "annotations": "objectid",
    "appointments": "regardingobjectid",
    "emails": "regardingobjectid",
    "letters": "regardingobjectid",
    "opportunitycloses": "opportunityid",
    "opportunityproducts": "opportunityid",
    "phonecalls": "regardingobjectid",
    "quotes": "opportunityid",
    "salesorders": "opportunityid",
    "tasks": "regardingobjectid",
}
"""The lookup by which the rows of a table point at their opportunity, by the table's entity set."""


class Flow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The business process flow that holds the stage.

    Attributes:
        entity_set: Of the flow's table; Microsoft's own is `opportunitysalesprocesses`.
        lookup: The lookup to the opportunity; a flow of one's own calls it `bpf_opportunityid`.
    """

    entity_set: _Name = "opportunitysalesprocesses"
    lookup: _Name = "opportunityid"


class DynamicsSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one source.

    Attributes:
        service: `dataverse`, or `odata` for any other OData v4 service, which is then asked for nothing but what the
            standard describes.
        entity_set: The collection that is read.
        table: The logical name of its table, for metadata and the audit. `service = "odata"` has no use for it.
        change_tracking: Learn of changes and deletions from the service's own feed; false: by time of change.
        overlap_seconds: How far an increment by time of change reaches back beyond the last one.
        flow: The business process flow the mapping's `process.` fields come from; None where it has none.
        lookups: The lookup to the opportunity of child tables that `USUAL_LOOKUPS` does not know, by entity set.
        history: `audit` reads when the stage changed from the audit log; `off` reads none.
        history_days: How far back a full pull reads the audit log.
        page_size: Records asked for at a time; 5,000 is the most.
    """

    service: Literal["dataverse", "odata"] = "dataverse"
    entity_set: _Name = "opportunities"
    table: _Name = "opportunity"
    change_tracking: bool = True
    overlap_seconds: Annotated[float, msgspec.Meta(ge=0)] = 300.0
    flow: Flow | None = None
    lookups: dict[_Name, _Name] = {}
    history: Literal["off", "audit"] = "off"
    history_days: Annotated[int, msgspec.Meta(ge=1)] = 180
    page_size: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_PAGE)] | None = None
