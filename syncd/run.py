"""One run, from top to bottom: pull -> map -> store snapshot -> judge -> plan. Dry run, check and report share it.

A run is one transaction: all of it is there or none. Each source is a part of it that can be undone alone, so that one
that cannot be read whole leaves no trace and the others go on.

Not for: choosing parts (`syncd.bootstrap`) or showing results (`syncd.report`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection

from syncd.errors import SourceIncomplete, SyncdError, WatermarkLost
from syncd.judge import ExtraRule, Judge, Verdict
from syncd.judging import Consider, SourceJudging
from syncd.logs import note
from syncd.model import SEVERITIES, Change, Opportunity, Rejected, RunSummary, SourceSummary
from syncd.pipeline import Pipeline, money
from syncd.plan import PlanSums, WriteRights, change_for
from syncd.policy import RULE_OPTIONS, Policy
from syncd.process import Process
from syncd.pull import Progress, Pull, Pulled, Source, watermark_for
from syncd.scope import Terms, keep_outcome, scope_of
from syncd.spool import ChangeSpool
from syncd.store import Store
from syncd.store.runs import (
    add_rejections,
    adopt_run,
    begin_run,
    fail_run,
    finish_run,
    last_finished,
    mark_judged,
    name_run,
    summary_of,
)
from syncd.store.sources import source_row

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
        ruling: Identifies whatever decides the verdict on a record; empty where that is not known, so that every record
            is judged.
        full: Every source is read whole, also where what changed would do.
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
    ruling: str = ""
    full: bool = False
    rights: dict[str, WriteRights] | None = None


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A source that was read whole, and what judging it came to."""

    pulled: Pulled
    judging: SourceJudging


@dataclass(frozen=True, kw_only=True)
class _Broken:
    """A source that could not be read whole, how far it came, and what it had refused by then."""

    error: SourceIncomplete
    read: int
    refusals: list[Rejected]


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
        progress: Told how far each source has been read.
        keep: Told each change of the plan, in order, once its source was read whole.

    Raises:
        StoreBusy, StoreFailed: The store cannot be used; what was committed is intact.
        ConfigError: A source has no such column as its mapping names.
    """
    with store.write() as connection:
        seq = begin_run(
            connection, command=assignment.command, as_of=assignment.today, pinned=assignment.pinned, now=clock()
        )
    try:
        with store.write() as connection:
            return await _make(connection, assignment, seq, clock=clock, progress=progress, keep=keep)
    except BaseException as error:
        _note_failure(store, seq, clock(), error)
        raise


async def _make(
    connection: Connection,
    assignment: Assignment,
    seq: int,
    *,
    clock: Clock,
    progress: Progress,
    keep: Callable[[Change], None] | None,
) -> RunResult:
    judge = Judge(assignment.process, assignment.policy, today=assignment.today, extra=assignment.extra)
    plan = PlanSums() if assignment.rights is not None else None
    outcomes: dict[str, _Read | _Broken] = {}
    for source in assignment.sources:
        with ChangeSpool() as spool:
            outcome = await _read_and_judge(connection, assignment, judge, source, seq, clock(), progress, spool)
            outcomes[source.name] = outcome
            if isinstance(outcome, _Broken) and outcome.refusals:
                row = source_row(connection, source.name)
                add_rejections(connection, seq=seq, source_id=row.source_id, start=0, rejected=outcome.refusals)
            if plan is not None and isinstance(outcome, _Read):
                for change in spool.changes():
                    plan.add(change)
                    if keep is not None:
                        keep(change)
    return RunResult(plan=plan, **_finish(connection, assignment, judge, seq, outcomes, clock()))


async def _read_and_judge(
    connection: Connection,
    assignment: Assignment,
    judge: Judge,
    source: Source,
    seq: int,
    now: datetime,
    progress: Progress,
    spool: ChangeSpool,
) -> _Read | _Broken:
    """Read one source and judge its records as they come; when it turns out incomplete, nothing of either is left."""
    try:
        outcome = await _attempt(connection, assignment, judge, source, seq, now, progress, spool, full=assignment.full)
        if isinstance(outcome, _Broken) and isinstance(outcome.error, WatermarkLost):
            note("source.watermark_lost", source=source.name)
            spool.clear()
            outcome = await _attempt(connection, assignment, judge, source, seq, now, progress, spool, full=True)
    finally:
        await source.adapter.close()
    if isinstance(outcome, _Broken):
        note("source.incomplete", source=source.name, kind=type(outcome.error).__name__)
    else:
        got = outcome.pulled
        note("source.pulled", source=source.name, read=got.read, rejected=got.rejected, changed=got.changed)
    return outcome


async def _attempt(
    connection: Connection,
    assignment: Assignment,
    judge: Judge,
    source: Source,
    seq: int,
    now: datetime,
    progress: Progress,
    spool: ChangeSpool,
    *,
    full: bool,
) -> _Read | _Broken:
    pull: Pull | None = None
    try:
        with connection.begin_nested():
            row = source_row(connection, source.name)
            consider = _planner(assignment, source, spool)
            judging = SourceJudging(connection, judge, source.name, row, seq=seq, consider=consider)
            terms = _terms(assignment, judge, source)
            scope = scope_of(connection, judging, row, assignment.process, terms)
            pull = Pull(
                connection, source, assignment.process, row, seq=seq, today=assignment.today, now=now,
                since=watermark_for(source, row, full=full), follower=scope,
            )  # fmt: skip
            pulled = await pull.run(progress)
            scope.finish(pulled)
            keep_outcome(connection, judging, row, terms)
    except SourceIncomplete as error:
        return _Broken(error=error, read=pull.pulled.read if pull else 0, refusals=pull.pulled.refusals if pull else [])
    return _Read(pulled=pulled, judging=judging)


def _terms(assignment: Assignment, judge: Judge, source: Source) -> Terms:
    # What a company's own rules say may depend on the day, so their verdicts are those of one day alone.
    own = assignment.today.isoformat() if assignment.extra else ""
    ruling = hashlib.sha256("\x00".join([assignment.ruling, own, *judge.codes]).encode()).hexdigest()
    return Terms(
        today=assignment.today,
        ruling=ruling if assignment.ruling else "",
        afresh=assignment.rights is not None,  # a plan is made of every record
        later=source.adapter.capabilities.history,
    )


def _note_failure(store: Store, seq: int, now: datetime, error: BaseException) -> None:
    state = "failed" if isinstance(error, Exception) else "interrupted"
    try:
        with store.write() as connection:
            fail_run(connection, seq=seq, now=now, state=state)
    except SyncdError:
        # The disk is full or the database locked: the first error says so; a run left "running" is shown as cut short.
        return


def _planner(assignment: Assignment, source: Source, spool: ChangeSpool) -> Consider | None:
    if assignment.rights is None:
        return None
    rights = assignment.rights[source.name]

    def consider(opportunity: Opportunity, verdict: Verdict) -> None:
        change = change_for(assignment.process, opportunity, verdict, rights)
        if change is not None:
            spool.keep(change)

    return consider


def _finish(
    connection: Connection,
    assignment: Assignment,
    judge: Judge,
    seq: int,
    outcomes: dict[str, _Read | _Broken],
    now: datetime,
) -> dict[str, Any]:
    """Name the run, sum it up and note that it has ended; gives its number and its summary."""
    began = seq
    seq, name = _identify(connection, assignment, seq, outcomes, now)
    summary = _summary(assignment, judge, name, outcomes, now)
    if seq != began and (earlier := summary_of(connection, seq)) is not None:
        summary = msgspec.structs.replace(summary, by_state=earlier.by_state)
    for outcome in outcomes.values():
        if isinstance(outcome, _Read):
            mark_judged(connection, source_id=outcome.pulled.row.source_id, seq=seq)
    finish_run(connection, seq=seq, now=now, summary=summary)
    note("run.finished", run=name, opportunities=summary.opportunities, **summary.counts)
    return {"seq": seq, "summary": summary}


def _identify(
    connection: Connection,
    assignment: Assignment,
    seq: int,
    outcomes: dict[str, _Read | _Broken],
    now: datetime,
) -> tuple[int, str]:
    """Give the run its id, or let it be the run before it, when that had the same pinned day and the same input."""
    digest = _digest(assignment, outcomes)
    last = last_finished(connection, before_seq=seq)
    # The content may be the same and the wording of a rule another, as after an update of syncd.
    reads = [outcome for outcome in outcomes.values() if isinstance(outcome, _Read)]
    settled = not any(one.pulled.changed or one.judging.changed for one in reads)
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


def _digest(assignment: Assignment, outcomes: dict[str, _Read | _Broken]) -> str:
    parts = [assignment.today.isoformat(), assignment.digest]
    for name, outcome in outcomes.items():
        parts += [name, outcome.pulled.content if isinstance(outcome, _Read) else f"incomplete: {outcome.error.reason}"]
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


def _summary(
    assignment: Assignment,
    judge: Judge,
    name: str,
    outcomes: dict[str, _Read | _Broken],
    now: datetime,
) -> RunSummary:
    judgings = [outcome.judging for outcome in outcomes.values() if isinstance(outcome, _Read)]
    pipeline = Pipeline(assignment.process)
    severities, rules, states = Counter[str](), Counter[str](), Counter[str]()
    for judging in judgings:
        pipeline.merge(judging.totals.pipeline)
        severities.update(judging.totals.severities)
        rules.update(judging.totals.rules)
        states.update(dict[str, int](judging.states.items()))
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
        sources=[_source_summary(source, outcomes[source.name]) for source in assignment.sources],
        coverage=[one for judging in judgings for one in judging.coverage()],
        pipeline=pipeline.totals(),
        no_amount=pipeline.no_amount,
        counts={**{one: severities[one] for one in SEVERITIES}, "waived": 0},
        by_rule={rule: count for rule, count in sorted(rules.items()) if count},
        by_state=dict(states),
        opportunities=sum(judging.totals.opportunities for judging in judgings),
        rules=list(judge.codes),
        settings=options,
    )


def _source_summary(source: Source, outcome: _Read | _Broken) -> SourceSummary:
    if isinstance(outcome, _Broken):
        return SourceSummary(
            name=source.name,
            adapter=source.adapter_name,
            complete=False,
            read=outcome.read,
            rejected=len(outcome.refusals),
            reason=outcome.error.reason,
            remedy=outcome.error.remedy,
        )
    got = outcome.pulled
    return SourceSummary(
        name=source.name,
        adapter=source.adapter_name,
        complete=True,
        increment=got.increment,
        read=got.read,
        judged=outcome.judging.totals.judged,
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
