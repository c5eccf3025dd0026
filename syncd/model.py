"""The values everything else speaks of: an opportunity as last read, what a rule found, what a change would set.

Frozen values without I/O. Money is Decimal with a currency, times are aware and in UTC, dates are days in the business
zone. "None" means *blank*: the source has the field and it is empty. A field the source does not have is *missing*; one
that cannot be read is *unreadable*; both are unknown to the rules.

Not for: judging (`syncd.judge`) or reading raw records (`syncd.mapping`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from syncd.facts import Fact

FIELDS: Final = (
    "id", "name", "account", "owner", "territory", "stage", "probability", "amount", "currency", "close_date", "status",
    "closed", "decision_due", "created_at", "updated_at", "stage_entered_at", "source_type", "version", "forecast",
)  # fmt: skip
"""The canonical fields, in the order their bits have in `Opportunity.missing`."""

FIELD_BIT: Final[Mapping[str, int]] = {name: 1 << index for index, name in enumerate(FIELDS)}

NO_CURRENCY: Final = "XXX"
"""ISO 4217's code for "no currency": what amounts without a currency are added up under."""

UNFORMED: Final = -1
"""The `form` of an opportunity for which it was not worked out."""

Status = Literal["open", "won", "lost"]
Severity = Literal["error", "warning", "info"]
Safety = Literal["safe", "unsafe", "none"]
State = Literal["new", "unchanged", "reopened", "fixed"]

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a source shows for one evidence id.

    Attributes:
        state: Met, not met or unknown.
        date: The day it was met; only facts that are met have one.
        by: Who confirmed it.
        ref: The document or activity that shows it.
    """

    state: Fact
    date: date | None = None
    by: str | None = None
    ref: str | None = None


class Opportunity(msgspec.Struct, frozen=True, array_like=True):
    """One opportunity as last read, in the canonical terms. This is what the store keeps as its snapshot.

    Facts are kept as bit sets over the process's evidence ids (`Process.evidence`, bit *i* for id *i*), because a
    pipeline has millions of them and the judge asks about dozens at once; `evidence_of` gives the readable view.
    Stored as a JSON array in the order of the attributes, so a new one can only be added at the end.

    Attributes:
        stage: The stage's id, or None when blank or not recognised; `stage_label` holds what the source says.
        probability: In percent, as recorded; None when blank.
        amount: In major units of `currency`.
        closed: Whether Support was closed; None when blank or unknown.
        forecast: Whether the source counts the record in its forecast; None when blank or unknown.
        missing: Bits of `FIELDS` the source has no field for.
        unreadable: (field or evidence id, text) for each value that could not be read as its type.
        met: Bits of the evidence that is met.
        not_met: Bits of the evidence that is not met. A bit in neither is unknown.
        bare: Bits of the evidence that is met although its date, confirmer and document exist as fields, all blank.
        untold: Bits of the evidence that is met without any of the three, where the source lacks a field for one, or
            one cannot be read.
        dates: Day each evidence was met, by index.
        by: Who confirmed it, by index.
        ref: The document or activity, by index.
        form: What the undated fields say to the rules, as `syncd.form` packs it; -1 where that was not worked out.
        latest: The last day in `dates`; only told together with `form`.
    """

    # What the judge asks of every record stands together, so that it costs the memory few round trips.
    id: str
    stage: str | None = None
    status: Status = "open"
    probability: int | float | None = None
    form: int = UNFORMED
    met: int = 0
    not_met: int = 0
    latest: date | None = None
    decision_due: date | None = None
    amount: Decimal | None = None
    currency: str | None = None
    dates: dict[int, date] = {}
    missing: int = 0
    unreadable: tuple[tuple[str, str], ...] = ()
    bare: int = 0
    untold: int = 0
    name: str | None = None
    account: str | None = None
    owner: str | None = None
    territory: str | None = None
    stage_label: str | None = None
    close_date: date | None = None
    closed: bool | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    stage_entered_at: date | None = None
    source_type: str | None = None
    version: str | None = None
    forecast: bool | None = None
    by: dict[int, str] = {}
    ref: dict[int, str] = {}

    def lacks(self, field: str) -> bool:
        """Whether the source has no such field."""
        return bool(self.missing & FIELD_BIT[field])

    def cannot_read(self, field: str) -> bool:
        """Whether the field holds something that is not of its type."""
        return any(name == field for name, _ in self.unreadable)

    def fact(self, index: int) -> Fact:
        """The state of the evidence with this index."""
        if self.met >> index & 1:
            return Fact.MET
        return Fact.NOT_MET if self.not_met >> index & 1 else Fact.UNKNOWN

    def evidence_of(self, index: int) -> Evidence:
        """The evidence with this index, with its date, confirmer and document."""
        return Evidence(
            state=self.fact(index), date=self.dates.get(index), by=self.by.get(index), ref=self.ref.get(index)
        )


class Edit(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """One field's old and new value. Serialised as `{"from": ..., "to": ...}`."""

    before: Any
    after: Any


class Fix(msgspec.Struct, frozen=True):
    """What would cure a discrepancy.

    Attributes:
        safety: `safe` is applied by default, `unsafe` only when asked for.
        set: The canonical fields to write. Never evidence.
    """

    safety: Safety
    set: dict[str, Edit]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One rule broken by one opportunity, as the rule says it: free of the record's name and of the run.

    Attributes:
        rule: The rule's code.
        field: The canonical field or evidence id it is about; empty when it is about several.
        actual: What was found, as plain JSON data.
        expected: What would hold, as plain JSON data.
        message: A sentence for people.
        fix: What would cure it, or None.
        headline: The code of the finding that names the same root cause first, or empty.
    """

    rule: str
    severity: Severity
    field: str
    actual: Any
    expected: Any
    message: str
    phrase: str
    fix: Fix | None = None
    headline: str = ""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the findings of one record are about, as the store keeps it with each of them.

    Attributes:
        amount: Decimal string, or None when blank or unreadable.
        waiver: Reserved for accepted exceptions; None.
    """

    source: str
    id: str
    name: str | None
    owner: str | None
    territory: str | None
    account: str | None
    stage: str | None
    probability: int | float | None
    amount: str | None
    currency: str | None
    proven_stage: str | None
    possible_stage: str | None
    waiver: None = None


class DiscrepancyBody(Subject, frozen=True, kw_only=True):
    """A finding together with its subject: what the store keeps of a discrepancy, with the attributes of both."""

    rule: str
    severity: Severity
    field: str
    actual: Any
    expected: Any
    message: str
    phrase: str
    fix: Fix | None = None
    headline: str = ""


class Discrepancy(DiscrepancyBody, frozen=True, kw_only=True):
    """A discrepancy and its life as of a run: the JSON contract of `check`.

    Attributes:
        state: Its life as of this run.
        first_seen, last_seen: Days of the first and last run that saw it, ISO 8601.
        ended: For state `fixed` only, why it is no longer there: `fixed`, `undecidable` (its evidence became unknown),
            `lost` (the record was lost, so that the rule no longer judges it) or `gone` (the record went).
    """

    state: State = "new"
    first_seen: str = ""
    last_seen: str = ""
    ended: str = ""


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A record that could not be told apart or taken apart, and why."""

    source: str
    id: str
    reason: str
    place: str = ""


class SourceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How one source fared in a run.

    Attributes:
        complete: All that was asked for was read; only then was it judged.
        increment: Only what changed was asked for; the rest is judged as it was last read.
        read: Records the source gave, rejected ones and identical repeats included.
        judged: Distinct records judged.
        rejected: Records refused.
        repeated: Identical repeats dropped.
        reason: Why it is incomplete, for people; empty when complete.
        remedy: What to do about it; may be empty.
        notes: Things a person should know that are not errors.
    """

    name: str
    adapter: str
    complete: bool
    read: int = 0
    judged: int = 0
    rejected: int = 0
    repeated: int = 0
    reason: str = ""
    remedy: str = ""
    notes: list[str] = []
    increment: bool = False


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """For how many records of a source a rule was due and could, or could not, be decided."""

    source: str
    rule: str
    judged: int
    unknown: int


class Weighted(msgspec.Struct, frozen=True, kw_only=True):
    """Weighted pipeline of one currency, as decimal strings in major units."""

    recorded: str
    proven: str
    possible: str
    over_stated: str
    under_stated: str


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a run but the single discrepancies: bounded in size however large the pipeline.

    Attributes:
        run: The run's id.
        as_of: The day it judged by, ISO 8601, in the business zone.
        finished_at: When it ended, UTC.
        no_amount: Records that would count in the pipeline but carry no readable amount.
        counts: Open discrepancies by severity, and `waived`.
        by_rule: Open discrepancies by rule.
        by_state: Discrepancies by state.
        opportunities: Distinct open records judged.
        rules: The codes of the rules that were selected.
        settings: Figures that are ours and not the chart's, by `RULE.option`, so that reports can name them as such.
    """

    run: str
    as_of: str
    process: str
    outcome_semantics: str
    finished_at: datetime | None = None
    timezone: str = "UTC"
    sources: list[SourceSummary] = []
    coverage: list[Coverage] = []
    pipeline: dict[str, Weighted] = {}
    no_amount: int = 0
    counts: dict[str, int] = {}
    by_rule: dict[str, int] = {}
    by_state: dict[str, int] = {}
    opportunities: int = 0
    rules: list[str] = []
    settings: dict[str, Any] = {}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The field edits one opportunity needs: all fixes of its discrepancies, merged.

    Attributes:
        version: The record's version token, or None where the source has none.
        safety: The lowest grade among the merged fixes.
        rules: The rules whose fixes were merged.
        allowed: Whether an apply would write it today; `refusal` says why not.
        left_out: Custom fixes that contradict another and were not merged, as `CODE.field`.
    """

    source: str
    id: str
    name: str | None
    version: str | None
    safety: Safety
    rules: list[str]
    set: dict[str, Edit]
    reason: str
    allowed: bool
    refusal: str = ""
    weighted_change: str = "0.00"
    currency: str | None = None
    left_out: list[str] = []
