"""What a report is made of: a run's bounded summary, and streams of everything that can be many.

A report holds no discrepancy itself. It holds functions that start a stream of them, so that a format may go through
a million of them, twice if it must, in the memory one of them takes.

Not for: the formats (`to_<format>.py`), or where the streams come from (`syncd.store`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from syncd.model import Change, Discrepancy, Rejected, RunSummary, Severity


class RuleInfo(Protocol):
    """A rule's entry in the catalogue, as far as a report shows it."""

    @property
    def code(self) -> str:
        """The permanent code."""
        ...

    @property
    def severity(self) -> Severity:
        """The base severity."""
        ...

    @property
    def title(self) -> str:
        """The fault in a few words."""
        ...

    @property
    def phrases(self) -> tuple[str, ...]:
        """The words of the chart it enforces."""
        ...

    @property
    def evidence(self) -> str:
        """What it reads."""
        ...

    @property
    def fix(self) -> str:
        """What cures it."""
        ...

    @property
    def explanation(self) -> str:
        """Markdown with the headings What it checks, Why, Example and Fix."""
        ...


@dataclass(frozen=True, kw_only=True)
class Report:
    """One judged run, ready to be shown.

    Attributes:
        summary: Everything that is bounded in size.
        discrepancies: Starts a stream of the open discrepancies, in store order; those of one opportunity are
            consecutive.
        fixed: Starts a stream of those this run no longer found.
        rejected: Starts a stream of the records that were refused.
        rules: The catalogue by code, in its order. A code without an entry is shown bare.
        raw: Starts the same stream as `discrepancies`, each already encoded as a JSON object without line breaks; the
            JSON format prefers it.
    """

    summary: RunSummary
    discrepancies: Callable[[], Iterator[Discrepancy]]
    fixed: Callable[[], Iterator[Discrepancy]]
    rejected: Callable[[], Iterator[Rejected]]
    rules: Mapping[str, RuleInfo]
    raw: Callable[[], Iterator[bytes]] | None = None

    def title(self, code: str) -> str:
        """The fault this rule finds, or nothing for a code the catalogue does not have."""
        info = self.rules.get(code)
        return info.title if info else ""


@dataclass(frozen=True, kw_only=True)
class PlanTotals:
    """The size of a plan.

    Attributes:
        opportunities: The open opportunities judged, which `percent` is of.
        weighted_change: Weighted pipeline moved, per currency, as signed decimal strings in major units.
    """

    changes: int
    safe: int
    unsafe: int
    opportunities: int
    percent: float
    weighted_change: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class PlanReport:
    """A plan, ready to be shown.

    Attributes:
        hash: `sha256:` and the digest the plan is bound to.
        created_at, expires_at: In UTC.
        changes: Starts a stream of the changes, in the plan's order.
        exceeded: Each limit the plan breaks, as `{"limit", "value", "allowed"}`; any one means nothing is written.
        report: The judged run behind it.
    """

    id: str
    hash: str
    created_at: datetime
    expires_at: datetime
    changes: Callable[[], Iterator[Change]]
    totals: PlanTotals
    report: Report
    exceeded: list[dict[str, Any]] = field(default_factory=list)
