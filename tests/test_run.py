"""A run from end to end, on each kind of database: what it sums up, and what it leaves when it fails in the middle."""

import asyncio
import dataclasses
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select

from syncd.errors import ConfigError, StoreFailed
from syncd.facts import Fact
from syncd.model import Opportunity
from syncd.plan import WriteRights
from syncd.policy import Policy
from syncd.run import Assignment, exit_rank, perform
from syncd.store.schema import discrepancy, run, snapshot
from tests.store.runs import MSSP, day, deal
from tests.store.test_discrepancies import ONE, qualified

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def assignment(runs, *records, **more):
    given = {"command": "reconcile", "policy": Policy(), "today": day(1), "pinned": False, "full": True}
    return Assignment(process=MSSP, sources=(runs.source(records),), **(given | more))


def go(runs, work, progress=lambda *_: None, keep=None):
    return asyncio.run(perform(runs.store, work, clock=lambda: NOON, progress=progress, keep=keep))


def rights(**more):
    given = {"source": "crm", "mode": "all", "adapter_writes": True, "fields": frozenset({"stage", "probability"})}
    return {"crm": WriteRights(**(given | {"na_probability": True, "unsafe": False, "builtin": frozenset()} | more))}


def test_a_run_sums_up_what_it_found(runs):
    """Counts by severity and rule, coverage, open opportunities and money are those of the records."""
    result = runs.run(
        qualified("1", amount="1000", currency="EUR"),
        qualified("2", "yes", amount="500", currency="EUR"),
        qualified("3", "", amount="1", currency="USD"),
        deal("4", status="lost"),
        qualified("5", "yes", amount="many"),
        select=("OUT002", "CHK002", "DAT001"),
    )
    summary = result.summary

    assert summary.counts == {"error": 1, "warning": 1, "info": 0, "waived": 0}
    assert summary.by_rule == {"DAT001": 1, "OUT002": 1}
    assert summary.opportunities == 4
    assert summary.no_amount == 1
    coverage = {one.rule: (one.judged, one.unknown) for one in summary.coverage}
    assert coverage["OUT002"] == (3, 1)
    assert coverage["CHK002"] == (4, 0)
    assert Decimal(summary.pipeline["EUR"].recorded) == Decimal(150)
    assert Decimal(summary.pipeline["USD"].recorded) == Decimal("0.1")
    assert summary.rules == ["CHK002", "DAT001", "OUT002"]
    assert summary.finished_at is not None


def test_progress_is_told(runs):
    """Whoever shows progress hears of each source as it is read."""
    told = []
    go(runs, assignment(runs, *(deal(str(number)) for number in range(250))), progress=lambda *news: told.append(news))

    assert told[:3] == [("crm", 100, 100, 250), ("crm", 200, 200, 250), ("crm", 250, 250, 250)]
    assert {source for source, *_ in told} == {"crm"}


def test_a_plan_is_made_along_the_way(runs):
    """A run that plans hands out each change in order and adds up the same."""
    kept = []
    records = [deal("1", probability="40"), deal("2"), deal("3", probability="")]
    result = go(runs, assignment(runs, *records, rights=rights()), keep=kept.append)

    assert [(one.id, one.safety, one.allowed) for one in kept] == [("1", "safe", True), ("3", "safe", True)]
    assert (result.plan.changes, result.plan.safe, result.plan.unsafe) == (2, 2, 0)
    assert runs.run(deal("1")).plan is None


def test_of_an_incomplete_source_nothing_is_left(runs):
    """Records are judged as they come; when their source is cut, their discrepancies and changes are taken back."""
    kept = []
    faulty = [deal(str(number), probability="40") for number in range(150)]
    sources = (runs.source(faulty, name="cut", cut_after=120), runs.source(faulty[:1], name="whole"))
    both = dict.fromkeys(("cut", "whole"), rights()["crm"])
    work = dataclasses.replace(assignment(runs, rights=both), sources=sources)
    result = go(runs, work, keep=kept.append)

    assert [one.complete for one in result.summary.sources] == [False, True]
    assert (len(kept), result.plan.changes, result.summary.counts["error"]) == (1, 1, 1)
    assert runs.count(snapshot) == runs.count(discrepancy) == 1
    assert {one.source for one in result.summary.coverage} == {"whole"}


def test_after_the_changes_nothing_is_planned(runs):
    """Records that hold what the plan set need no further change."""
    kept = []
    records = {"1": deal("1", probability="40"), "2": deal("2", stage="support", probability="100")}
    go(runs, assignment(runs, *records.values(), rights=rights(unsafe=True)), keep=kept.append)
    for change in kept:
        for field, edit in change.set.items():
            records[change.id][field] = "" if edit.after is None else str(edit.after)
    assert kept

    again = go(runs, assignment(runs, *records.values(), rights=rights(unsafe=True)))

    assert again.plan.changes == 0


class Broken:
    """A rule of a company's own that fails on one record, as a defect of ours would."""

    code = "ACME001"

    def __init__(self, error):
        self._error = error

    def check(self, opportunity: Opportunity, derived):  # noqa: ARG002 - the port's shape
        if opportunity.id == "2":
            raise self._error
        return Fact.MET


@pytest.mark.parametrize(
    ("error", "state"),
    [(ZeroDivisionError(), "failed"), (KeyboardInterrupt(), "interrupted"), (StoreFailed("x"), "failed")],
)
def test_all_of_a_run_or_nothing(runs, error, state):
    """When a run fails in the middle nothing of it is stored but that it ended, and the next is fine."""
    records = [qualified("1"), qualified("2"), qualified("3")]
    with pytest.raises(type(error)):
        go(runs, assignment(runs, *records, extra=(Broken(error),)))

    assert runs.count(discrepancy) == 0
    assert runs.count(snapshot) == 0
    assert runs.rows(run, run.c.state, run.c.run) == [(state, None)]
    result = runs.run(*records, select=ONE)
    assert set(runs.states(result).values()) == {"new"}


@pytest.mark.parametrize("table", ["snapshot", "discrepancy"])
def test_an_interruption_while_rows_are_written(runs, table, monkeypatch):
    """Ctrl-C in the middle of a write lets go of the database, so that the run can be noted as interrupted."""
    execute = runs.store.engine.dialect.do_executemany

    def interrupted(cursor, statement, parameters, context=None):
        execute(cursor, statement, parameters, context)
        if statement.startswith(f"INSERT INTO {table} "):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs.store.engine.dialect, "do_executemany", interrupted)
        with pytest.raises(KeyboardInterrupt):
            go(runs, assignment(runs, qualified("1"), qualified("2")))

    assert runs.rows(run, run.c.state) == [("interrupted",)]
    assert runs.count(snapshot) == 0


def test_a_wrong_column_stops_the_run(runs):
    """A source without an id column is the configuration's fault: the run ends, and leaves nothing."""
    wrong = runs.source([{"ident": "1", "stage": "prospect"}], name="wrong")
    with pytest.raises(ConfigError, match="'id'"):
        runs.run(sources=[runs.source([qualified("1")], name="a"), wrong])

    assert runs.rows(run, run.c.state) == [("failed",)]
    assert runs.count(discrepancy) == 0


def test_records_are_judged_by_their_history(runs):
    """Rules over observed history fire for what earlier runs saw: a stage skipped between two runs."""
    runs.run(deal("1", **{"prospect.sponsor_identified": "yes"}))
    result = runs.run(deal("1", stage="solution", probability="40", **{"prospect.sponsor_identified": "yes"}))

    assert ("1", "STG003") in runs.states(result)


def test_what_is_due_by_time_fires_without_a_change(runs):
    """A record nobody touched is judged again each day: the grace of STG005 runs out."""
    met = {"prospect.sponsor_identified": day(1).isoformat()}
    states = [
        runs.states(runs.run(deal("1", **met), select=("STG005",), today=day(number))).get(("1", "STG005"))
        for number in (15, 16, 17)
    ]

    assert states == [None, "new", "unchanged"]


def test_another_selection_keeps_old_runs_apart(runs):
    """A run says nothing of rules that only other runs judged."""
    whole = runs.run(qualified("1", criteria="no"), select=("OUT002", "CHK002"))
    narrow = runs.run(qualified("1", criteria="no"), select=("CHK002",))

    assert set(runs.states(whole)) == {("1", "OUT002"), ("1", "CHK002")}
    assert set(runs.states(narrow)) == {("1", "CHK002")}
    assert narrow.summary.counts["error"] == 0


def test_every_source_has_its_own_figures(runs):
    """Several sources are summed up each for itself, with their coverage apart."""
    result = runs.run(
        sources=[runs.source([qualified("1")], name="a"), runs.source([qualified("1", ""), deal("2")], name="b")],
        select=ONE,
    )

    assert [(one.name, one.read, one.judged) for one in result.summary.sources] == [("a", 1, 1), ("b", 2, 2)]
    assert [(one.source, one.judged, one.unknown) for one in result.summary.coverage] == [("a", 1, 0), ("b", 0, 1)]
    assert [(one.source, one.id) for one in runs.open(result)] == [("a", "1")]


def test_the_store_remembers_whom_it_judged(runs):
    """A finished run is the one whose number the next one's discrepancies count from."""
    result = runs.run(qualified("1"), select=ONE)
    with runs.store.read() as connection:
        found = connection.execute(select(run.c.state, run.c.seq, run.c.finished_at)).one()

    assert (found.state, found.seq) == ("finished", result.seq)
    assert found.finished_at is not None


@pytest.mark.parametrize(
    ("codes", "gravest"),
    [
        ((), 0),
        ((0, 1), 1),
        ((1, 75), 75),
        ((75, 5), 5),
        ((5, 3), 3),
        ((3, 4), 4),
        ((4, 2), 2),
        ((0, 1, 75, 5, 3, 4, 2), 2),
    ],
)
def test_the_gravest_code_wins(codes, gravest):
    """Of several exit codes the most serious is given: 2, 4, 3, 5, 75, 1, 0."""
    assert exit_rank(codes) == gravest
