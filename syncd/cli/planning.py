"""From the changes of a run to a plan that can be shown and saved."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from syncd.errors import SyncdError
from syncd.policy import Limits
from syncd.report import PlanReport, PlanTotals, Report
from syncd.run import RunResult, weighted_change
from syncd.spool import ChangeSpool

VALID_FOR: Final = timedelta(hours=24)
"""How long a saved plan may be applied. Our choice: the records move on."""


def plan_of(result: RunResult, report: Report, spool: ChangeSpool, limits: Limits) -> PlanReport:
    """The plan of a run.

    Raises:
        SyncdError: The run made none.
    """
    sums, summary = result.plan, result.summary
    if sums is None or summary.finished_at is None:
        raise SyncdError("this run made no plan")
    return PlanReport(
        id=f"plan-{summary.run}",
        hash=sums.hash(),
        created_at=summary.finished_at,
        expires_at=summary.finished_at + VALID_FOR,
        changes=spool.changes,
        totals=PlanTotals(
            changes=sums.changes,
            safe=sums.safe,
            unsafe=sums.unsafe,
            opportunities=summary.opportunities,
            percent=sums.percent(summary.opportunities),
            weighted_change=weighted_change(sums),
        ),
        report=report,
        exceeded=sums.exceeded(limits, summary.opportunities),
    )
