"""One run, from top to bottom: pull -> map -> store snapshot -> judge -> plan. Dry run, check and report share it.

Each source is read in a transaction of its own, so that one that cannot be read whole leaves no trace and the others go
on. Then everything that was read is judged in one transaction that also ends the run: all of it is there or none.

Not for: choosing parts (`syncd.bootstrap`) or showing results (`syncd.report`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

from sqlalchemy import Connection

from syncd.errors import SourceIncomplete, SyncdError
from syncd.judge import ExtraRule, Judge, Verdict
from syncd.logs import note
from syncd.model import (
    SEVERITIES,
    Change,
    Coverage,
    DiscrepancyBody,
    Finding,
    Opportunity,
    RunSummary,
    SourceSummary,
)
from syncd.pipeline import Pipeline, money
from syncd.plan import PlanSums, WriteRights, change_for
from syncd.policy import RULE_OPTIONS, Policy
from syncd.process import Process
from syncd.pull import Progress, Pulled, Source, pull_source
from syncd.store import Store
from syncd.store.discrepancies import DiscrepancyLedger, Judged
from syncd.store.runs import adopt_run, begin_run, fail_run, finish_run, last_finished, mark_judged, name_run
from syncd.store.snapshots import read_snapshots

_TALLIES: Final = 10_000
"""Different combinations of due and unknown rules counted at once before they are added up; keeps memory flat."""

Clock = Callable[[], datetime]


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What a run is to do.

    Attributes:
        command: The command that asked for it.
        today: The day to judge by, in the business zone.
        pinned: That day was given, not taken from the clock: then the same input gives the same run.
        extra: The company's own rules.
        digest: Identifies process, policy, own rules and mappings.
        rights: What may be written, by source; only for a run that makes a plan.
    """

    command: str
    process: Process
    policy: Policy
    sources: tuple[Source, ...]
    today: date
    pinned: bool
    timezone: str = "UTC"
    extra: tuple[ExtraRule, ...] = ()
    digest: str = ""
    rights: dict[str, WriteRights] | None = None


@dataclass(slots=True)
class _Sums:
    """What a run adds up while it judges."""

    pipeline: Pipeline
    severities: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    coverage: list[Coverage] = field(default_factory=list)
    opportunities: int = 0


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A finished run.

    Attributes:
        seq: Its number in the store, by which its discrepancies are read back.
        plan: Totals of the plan, for a run that made one.
    """

    seq: int
    summary: RunSummary
    plan: PlanSums | None = None


async def perform(
    store: Store,
    assignment: Assignment,
    *,
    clock: Clock,
    progress: Progress,
    keep: Callable[[Change], None] | None = None,
) -> RunResult:
    """Make one run.

    Args:
        store: Where everything is kept.
        assignment: What to do.
        clock: Gives the time, aware.
        progress: Told how far each source has been read, and with `judging` as the source how many are judged.
        keep: Told each change of the plan, in order.

    Raises:
        StoreBusy, StoreFailed: The store cannot be used; what was committed is intact.
        ConfigError: A source has no such column as its mapping names.
    """
    with store.write() as connection:
        seq = begin_run(
            connection, command=assignment.command, as_of=assignment.today, pinned=assignment.pinned, now=clock()
        )
    try:
        pulled = await _pull_all(store, assignment, seq, progress)
        return _judge_all(store, assignment, seq, pulled, clock=clock, progress=progress, keep=keep)
    except BaseException as error:
        _note_failure(store, seq, clock(), error)
        raise


def _note_failure(store: Store, seq: int, now: datetime, error: BaseException) -> None:
    state = "failed" if isinstance(error, Exception) else "interrupted"
    try:
        with store.write() as connection:
            fail_run(connection, seq=seq, now=now, state=state)
    except SyncdError:
        # The disk is full or the database locked: the first error says so; a run left "running" is shown as cut short.
        return


async def _pull_all(
    store: Store, assignment: Assignment, seq: int, progress: Progress
) -> dict[str, Pulled | SourceIncomplete]:
    pulled: dict[str, Pulled | SourceIncomplete] = {}
    for source in assignment.sources:
        try:
            with store.write() as connection:
                got = await pull_source(
                    connection, source, assignment.process, seq=seq, today=assignment.today, progress=progress
                )
            pulled[source.name] = got
            note("source.pulled", source=source.name, read=got.read, rejected=got.rejected, changed=got.changed)
        except SourceIncomplete as error:
            pulled[source.name] = error
            note("source.incomplete", source=source.name, kind=type(error).__name__)
        finally:
            await source.adapter.close()
    return pulled


def _judge_all(
    store: Store,
    assignment: Assignment,
    seq: int,
    pulled: dict[str, Pulled | SourceIncomplete],
    *,
    clock: Clock,
    progress: Progress,
    keep: Callable[[Change], None] | None,
) -> RunResult:
    judge = Judge(assignment.process, assignment.policy, today=assignment.today, extra=assignment.extra)
    sums = _Sums(Pipeline(assignment.process))
    plan = PlanSums() if assignment.rights is not None else None
    with store.write() as connection:
        seq, name = _identify(connection, assignment, seq, pulled, clock())
        for source in assignment.sources:
            got = pulled[source.name]
            if isinstance(got, Pulled):
                _judge_source(
                    connection, judge, source.name, got, seq, sums, _planner(assignment, source, plan, keep), progress
                )
        summary = _summary(assignment, judge, name, pulled, sums, clock())
        finish_run(connection, seq=seq, now=clock(), summary=summary)
    note("run.finished", run=name, opportunities=summary.opportunities, **summary.counts)
    return RunResult(seq=seq, summary=summary, plan=plan)


def _planner(
    assignment: Assignment, source: Source, plan: PlanSums | None, keep: Callable[[Change], None] | None
) -> Callable[[Opportunity, Verdict], None] | None:
    if plan is None or assignment.rights is None:
        return None
    rights = assignment.rights[source.name]

    def consider(opportunity: Opportunity, verdict: Verdict) -> None:
        change = change_for(assignment.process, opportunity, verdict, rights)
        if change is not None:
            plan.add(change)
            if keep is not None:
                keep(change)

    return consider


def _judge_source(
    connection: Connection,
    judge: Judge,
    name: str,
    pulled: Pulled,
    seq: int,
    sums: _Sums,
    consider: Callable[[Opportunity, Verdict], None] | None,
    progress: Progress,
) -> None:
    row = pulled.row
    ledger = DiscrepancyLedger(
        connection, source_id=row.source_id, seq=seq, last_judged=row.judged_run, rules=judge.codes
    )
    tally: Counter[tuple[int, int]] = Counter()
    total: Counter[tuple[str, str]] = Counter()
    done = 0
    for chunk in read_snapshots(connection, row, judge.process):
        judged: list[Judged] = []
        for stored in chunk:
            opportunity = stored.opportunity
            verdict = judge.judge(opportunity, stored.trail)
            tally[verdict.due_bits, verdict.unknown_bits] += 1
            sums.pipeline.add(opportunity, verdict.proven_index, verdict.possible_index)
            sums.opportunities += opportunity.status == "open"
            bodies = {}
            for one in verdict.findings:
                bodies[one.rule] = _body(name, opportunity, verdict, one)
                sums.severities[one.severity] += 1
                sums.rules[one.rule] += 1
            if bodies or ledger.remembers:
                judged.append(Judged(stored.key, bodies, verdict, opportunity.status == "lost"))
            if consider is not None and bodies:
                consider(opportunity, verdict)
        ledger.merge(judged)
        done += len(chunk)
        progress("judging", done, done, pulled.kept)
        if len(tally) > _TALLIES:
            _add_up(judge, tally, total)
    ledger.finish()
    _add_up(judge, tally, total)
    sums.coverage += [
        Coverage(source=name, rule=code, judged=total[code, "judged"], unknown=total[code, "unknown"])
        for code in judge.codes
        if total[code, "judged"] or total[code, "unknown"]
    ]
    sums.states.update(ledger.states)
    mark_judged(connection, source_id=row.source_id, seq=seq)


def _add_up(judge: Judge, tally: Counter[tuple[int, int]], total: Counter[tuple[str, str]]) -> None:
    for (due, unknown), count in tally.items():
        for code in judge.codes_of(due & ~unknown):
            total[code, "judged"] += count
        for code in judge.codes_of(unknown):
            total[code, "unknown"] += count
    tally.clear()


def _body(source: str, opportunity: Opportunity, verdict: Verdict, finding: Finding) -> DiscrepancyBody:
    return DiscrepancyBody(
        rule=finding.rule,
        severity=finding.severity,
        source=source,
        id=opportunity.id,
        name=opportunity.name,
        owner=opportunity.owner,
        territory=opportunity.territory,
        account=opportunity.account,
        stage=opportunity.stage,
        probability=opportunity.probability,
        amount=None if opportunity.amount is None else format(opportunity.amount, "f"),
        currency=opportunity.currency,
        proven_stage=verdict.proven,
        possible_stage=verdict.possible,
        field=finding.field,
        actual=finding.actual,
        expected=finding.expected,
        message=finding.message,
        phrase=finding.phrase,
        headline=finding.headline,
        fix=finding.fix,
    )


def _identify(
    connection: Connection,
    assignment: Assignment,
    seq: int,
    pulled: dict[str, Pulled | SourceIncomplete],
    now: datetime,
) -> tuple[int, str]:
    """Give the run its id, or let it be the run before it, when that had the same pinned day and the same input."""
    digest = _digest(assignment, pulled)
    last = last_finished(connection, before_seq=seq)
    # Whatever a run that broke off left behind, this pull has put right again: then it repeats nothing.
    settled = not any(isinstance(got, Pulled) and got.changed for got in pulled.values())
    if assignment.pinned and settled and last is not None and last.pinned and last.digest == digest:
        adopt_run(connection, seq=seq, earlier=last.seq)
        return last.seq, last.run or ""
    previous = (last.run or "") if last is not None else ""
    if assignment.pinned:
        stamp = assignment.today.strftime("%Y%m%d")
        mark = hashlib.sha256(f"{digest}{previous}".encode()).hexdigest()
    else:
        stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        mark = hashlib.sha256(f"{digest}{previous}{now.isoformat()}".encode()).hexdigest()
    name = f"{stamp}-{mark[:10]}"
    name_run(connection, seq=seq, name=name, previous=previous, digest=digest)
    return seq, name


def _digest(assignment: Assignment, pulled: dict[str, Pulled | SourceIncomplete]) -> str:
    parts = [assignment.today.isoformat(), assignment.digest]
    for name, got in pulled.items():
        parts += [name, got.content if isinstance(got, Pulled) else f"incomplete: {got.reason}"]
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


def _summary(
    assignment: Assignment,
    judge: Judge,
    name: str,
    pulled: dict[str, Pulled | SourceIncomplete],
    sums: _Sums,
    now: datetime,
) -> RunSummary:
    options = {
        f"{code}.{option}": assignment.policy.option(code, option, default)
        for code, given in RULE_OPTIONS.items()
        if assignment.policy.selected(code)
        for option, default in given.items()
    }
    return RunSummary(
        run=name,
        as_of=assignment.today.isoformat(),
        process=assignment.process.name,
        outcome_semantics=assignment.policy.outcome_semantics,
        finished_at=now.astimezone(UTC),
        timezone=assignment.timezone,
        sources=[_source_summary(source, pulled[source.name]) for source in assignment.sources],
        coverage=sums.coverage,
        pipeline=sums.pipeline.totals(),
        no_amount=sums.pipeline.no_amount,
        counts={**{one: sums.severities[one] for one in SEVERITIES}, "waived": 0},
        by_rule=dict(sorted(sums.rules.items())),
        by_state=dict(sums.states),
        opportunities=sums.opportunities,
        rules=list(judge.codes),
        settings=options,
    )


def _source_summary(source: Source, got: Pulled | SourceIncomplete) -> SourceSummary:
    if isinstance(got, SourceIncomplete):
        return SourceSummary(
            name=source.name, adapter=source.adapter_name, complete=False, reason=got.reason, remedy=got.remedy
        )
    return SourceSummary(
        name=source.name,
        adapter=source.adapter_name,
        complete=True,
        read=got.read,
        judged=got.kept,
        rejected=got.rejected,
        repeated=got.repeated,
        notes=got.notes,
    )


def weighted_change(plan: PlanSums) -> dict[str, str]:
    """Weighted pipeline a plan moves, by currency, as decimal strings."""
    return {currency: money(amount) for currency, amount in sorted(plan.net.items())}


def exit_rank(codes: Iterable[int]) -> int:
    """The most serious of several exit codes: 2, 4, 3, 5, 75, 1, 0."""
    given = set(codes)
    return next((code for code in (2, 4, 3, 5, 75, 1) if code in given), 0)
