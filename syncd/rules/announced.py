"""REV and SYN: rules of the catalogue that compare two sources, so that no single source can decide them.

They are part of the public list of codes (selectable, explained, in the coverage of the chart), and `judged` says that
a run over one source neither passes nor fails them.
"""

from __future__ import annotations

from typing import Final

from syncd.rules.base import RuleInfo

_REVENUE: Final = "revenue in MS Sales and Siebel"
_CONFIRM: Final = "Confirm verifiable outcomes, revenue in MS Sales and Siebel"
_READ_ONLY: Final = "The revenue source is read-only by construction."

INFOS: Final[tuple[RuleInfo, ...]] = (
    RuleInfo(
        code="REV001",
        severity="error",
        title="no booked revenue",
        phrases=(_REVENUE,),
        evidence="revenue rows by key",
        what="From Deploy on, the revenue system holds no revenue for the opportunity (info within the posting grace).",
        why="Close confirms the revenue in both systems.",
        example="A record in Deploy for which the revenue system has no row.",
        fix=f"None. {_READ_ONLY}",
        judged=False,
    ),
    RuleInfo(
        code="REV002",
        severity="error",
        title="no revenue in the CRM",
        phrases=(_REVENUE,),
        evidence="the CRM's revenue field",
        what="From Deploy on, the CRM's own revenue is missing or zero.",
        why="Close confirms the revenue in both systems.",
        example="A record in Deploy with an amount of 0.",
        fix="Unsafe: copy the amount of a unique match in the revenue system.",
        judged=False,
    ),
    RuleInfo(
        code="REV003",
        severity="error",
        title="revenue differs",
        phrases=(_CONFIRM,),
        evidence="both amounts, currency, booking date",
        what="Both systems have revenue, and it differs beyond the tolerance in one currency at the booking date.",
        why="To confirm is to agree.",
        example="120,000 in the CRM, 102,000 booked.",
        fix=f"Unsafe: the CRM takes the booked amount. {_READ_ONLY}",
        judged=False,
    ),
    RuleInfo(
        code="REV004",
        severity="error",
        title="booked before Deploy",
        phrases=(_CONFIRM,),
        evidence="revenue rows, stage",
        what="Revenue is booked while the opportunity is recorded before Deploy, lost records included.",
        why="Booked revenue is the strongest sign that the stage lags.",
        example="A record in Proof whose revenue was booked last month.",
        fix="Unsafe: the record moves on.",
        judged=False,
    ),
    RuleInfo(
        code="REV005",
        severity="warning",
        title="revenue match ambiguous",
        phrases=(_REVENUE,),
        evidence="the match set",
        what="The match between opportunity and revenue is not one-to-one: split, merged or duplicate.",
        why="An ambiguous match must never be repaired by guess.",
        example="Two opportunities with one agreement number.",
        judged=False,
    ),
    RuleInfo(
        code="SYN001",
        severity="error",
        title="systems disagree",
        phrases=("update Siebel",),
        evidence="both records, the match key",
        what="The same opportunity has another stage or probability in a second CRM than in the leading one.",
        why="The chart names one system of record through Deploy.",
        example="Proof in the leading CRM, Close in the second.",
        fix="Unsafe: copy from the leading CRM, if its record has no error itself.",
        judged=False,
    ),
    RuleInfo(
        code="SYN002",
        severity="warning",
        title="missing in the leading system",
        phrases=("Enter MQP/SQP into Siebel and pass to partners as appropriate",),
        evidence="match result",
        what="A qualified opportunity lives in a second CRM but not in the leading one.",
        why="Qualified prospects are entered into the system of record.",
        example="A record in Develop of the second CRM that the leading one does not know.",
        fix="None: records are never created.",
        judged=False,
    ),
)
