"""A run that judges only what may have another verdict says what one says that judges everything."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete

from syncd import scope
from syncd.adapter import Move
from syncd.judge import Judge
from syncd.store import open_store
from syncd.store.schema import discrepancy, metadata, totals, wake
from tests.store.runs import Runs, day, deal
from tests.store.test_discrepancies import qualified
from tests.test_increments import Feed, Historian

SPONSOR, PLAN, ISSUED = "prospect.sponsor_identified", "develop.eval_plan_agreed", "proof.proposal_issued"
LETTER, ASSESSED = "qualify.sponsor_letter_agreed", "qualify.assessment_completed"
IDS = tuple("abcdef")

facts = st.one_of(st.sampled_from(["yes", "no", ""]), st.integers(-20, 25).map(lambda away: day(1 + away).isoformat()))
records = st.fixed_dictionaries(
    {
        "id": st.sampled_from(IDS),
        "stage": st.sampled_from(["prospect", "qualify", "develop", "solution", "proof", "close", "deploy", "???"]),
        "status": st.sampled_from(["open", "open", "open", "won", "lost"]),
        "probability": st.sampled_from(["0", "10", "40", "60", "", "many"]),
        "amount": st.sampled_from(["100", "2.50", "-7", "0", "", "lots"]),
        "currency": st.sampled_from(["EUR", "USD", ""]),
        "owner": st.sampled_from(["ann", ""]),
        "decision_due": st.one_of(st.just(""), st.integers(-5, 20).map(lambda away: day(1 + away).isoformat())),
        **dict.fromkeys((SPONSOR, PLAN, ISSUED, LETTER, ASSESSED), facts),
    }
)


class TwoStores(RuleBasedStateMachine):
    """One feed, read into two stores: one that goes on from its last run, and one where every run judges everything."""

    def __init__(self, store, other, feed):
        super().__init__()
        for one in (store, other):
            with one.write() as connection:
                for table in reversed(metadata.sorted_tables):
                    connection.execute(delete(table))
        self.kept, self.afresh = Runs(store), Runs(other)
        self.feed = feed()
        self.day = 1

    @rule(record=records)
    def put(self, record):
        self.feed.edit(record)

    @precondition(lambda self: self.feed.records)
    @rule(data=st.data())
    def remove(self, data):
        self.feed.delete(data.draw(st.sampled_from(sorted(self.feed.records))))

    @precondition(lambda self: isinstance(self.feed, Historian) and self.feed.records)
    @rule(data=st.data(), stage=st.sampled_from(["prospect", "develop", "proof"]), away=st.integers(-9, 9))
    def tell(self, data, stage, away):
        identity = data.draw(st.sampled_from(sorted(self.feed.records)))
        self.feed.moves = (*self.feed.moves, Move(identity, stage, day(1) + timedelta(days=away)))

    @rule(days=st.integers(1, 12))
    def wait(self, days):
        self.day += days

    @rule(full=st.sampled_from([False, False, True]), hours=st.sampled_from([0.0, 24.0 * 900]))
    def run(self, full, hours):
        said = self.read(self.kept, "same", full, hours)
        right = self.read(self.afresh, "", full, hours)
        assert {part: said[part] for part in right if said[part] != right[part]} == {
            part: right[part] for part in right if said[part] != right[part]
        }

    def read(self, runs, ruling, full, hours):
        made = runs.source([])
        object.__setattr__(made, "adapter", self.feed)
        object.__setattr__(made, "sweep_hours", hours)
        object.__setattr__(made, "digest", "d")
        result = runs.run(sources=[made], full=full, today=day(self.day), ruling=ruling)
        summary = msgspec.structs.replace(result.summary, run="", finished_at=None)
        bodies = {(one.id, one.rule): msgspec.to_builtins(one) for one in runs.open(result)}
        return msgspec.to_builtins(summary) | {"states": runs.states(result), "bodies": bodies}


@pytest.mark.parametrize("feed", [Feed, Historian])
@pytest.mark.parametrize("waiting", [100_000, 1])
def test_the_same_is_said_whatever_happened(store, tmp_path, monkeypatch, feed, waiting):
    """After any changes, pauses and pulls both stores say the same of every record, and all sums are equal."""
    monkeypatch.setattr(scope, "_WAITING", waiting)
    other = open_store(f"sqlite:///{tmp_path / 'other.db'}")
    run_state_machine_as_test(lambda: TwoStores(store, other, feed), settings=MACHINE)
    other.close()


@pytest.fixture
def judged(monkeypatch):
    """The ids of the records that were judged since it was last emptied."""
    ids, judge = [], Judge.judge

    def noted(self, opportunity, trail=None):
        ids.append(opportunity.id)
        return judge(self, opportunity, trail)

    monkeypatch.setattr(Judge, "judge", noted)
    return ids


@pytest.mark.parametrize("full", [True, False])
def test_only_what_changed_or_is_due_is_judged(runs, judged, full):
    """Records that are as they were cost no judging, whether they were read again or not."""
    feed = Feed(deal("1"), deal("2"), deal("3", **{SPONSOR: day(1).isoformat()}), qualified("4"), qualified("5"))
    made = runs.source([])
    object.__setattr__(made, "adapter", feed)

    def run(number):
        judged.clear()
        runs.run(sources=[made], full=full, today=day(number))
        return sorted(judged)

    assert run(1) == ["1", "2", "3", "4", "5"]
    assert run(1) == []
    assert run(2) == []
    feed.edit(qualified("4", "yes"))
    assert run(3) == ["4", "4"], "as it was and as it is"
    assert set(run(16)) == {"3"}, "the grace of STG005 is over"
    assert run(17) == []


def test_nothing_is_written_for_nothing(runs):
    """A run that finds everything as it was writes no record, no discrepancy, no day and no total."""
    records = [qualified("1"), deal("2", **{SPONSOR: day(1).isoformat()}), deal("3", amount="5")]
    runs.run(*records)
    before = [runs.rows(table, *table.c) for table in (discrepancy, wake, totals)]
    runs.run(*records, today=day(1))

    assert [runs.rows(table, *table.c) for table in (discrepancy, wake, totals)] == before


def test_other_rules_and_earlier_days_judge_everything(runs, judged):
    """Totals of other rules, of a later day, or of unknown rules are nothing to go on from."""
    records = [deal("1"), deal("2")]
    for more in ({}, {"select": ("OUT",)}, {}, {"today": day(1)}, {"today": day(1), "ruling": ""}, {}):
        judged.clear()
        runs.run(*records, **more)
        assert sorted(judged) == ["1", "2"]


MACHINE = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
