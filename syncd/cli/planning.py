"""From the changes of a run to a plan that can be shown and saved."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Final, Self

import msgspec

from syncd.errors import SyncdError
from syncd.model import Change
from syncd.policy import Limits
from syncd.report import PlanReport, PlanTotals, Report
from syncd.run import RunResult, weighted_change

VALID_FOR: Final = timedelta(hours=24)
"""How long a saved plan may be applied. Our choice: the records move on."""

_IN_MEMORY: Final = 4 << 20


class ChangeSpool:
    """Keeps the changes of a plan until its totals are known: in memory while few, in a temporary file when many."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed by `__exit__`
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Change)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def keep(self, change: Change) -> None:
        """Add one change."""
        self._file.write(self._encoder.encode(change) + b"\n")

    def changes(self) -> Iterator[Change]:
        """Every change, in the order they were added."""
        self._file.seek(0)
        for line in self._file:
            yield self._decoder.decode(line)


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
