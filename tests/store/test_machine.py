"""A small pipeline edited at random between runs, against a plain model of what each run must say."""

from __future__ import annotations

from collections import Counter
from datetime import date

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete

from syncd.store.schema import metadata
from tests.store.runs import Runs, day
from tests.store.test_discrepancies import CRITERIA, SPONSOR

IDS = ("a", "b", "c", "d")
FACTS = {"OUT002": SPONSOR, "CHK002": CRITERIA}
BOTH = tuple(FACTS)

ids = st.sampled_from(IDS)
facts = st.sampled_from(["yes", "no", ""])
stages = st.sampled_from(["prospect", "qualify", "develop", "???"])
statuses = st.sampled_from(["open", "open", "won", "lost"])


class Model:
    """The lives of discrepancies, told in the plainest way: what every run saw, one after the other."""

    def __init__(self):
        self.seen = {}
        self.said = []
        self.number = 0

    def run(self, records, rules):
        self.number += 1
        said = {}
        for identity in IDS:
            for code in rules:
                life = self.seen.setdefault((identity, code), {"open": False, "first": None, "last": None})
                now = verdict(records.get(identity), code)
                if now == "broken":
                    state = "unchanged" if life["open"] else "reopened" if life["first"] else "new"
                    life |= {"open": True, "first": life["first"] or self.number, "last": self.number}
                    said[identity, code] = (state, records[identity]["name"], life["first"])
                elif life["open"]:
                    life["open"] = False
                    said[identity, code] = (f"fixed: {now}", None, life["first"])
        self.said.append(said)


def verdict(record, code):
    """`broken`, or why it is not."""
    if record is None:
        return "gone"
    if record["status"] == "lost":
        return "lost"
    due = record["stage"] in ("qualify", "develop")
    fact = record[FACTS[code]]
    if due and fact == "no":
        return "broken"
    return "undecidable" if due and fact == "" else "fixed"


class PipelineMachine(RuleBasedStateMachine):
    """Edits, adds and removes records, and runs in between."""

    def __init__(self, store):
        super().__init__()
        with store.write() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(delete(table))
        self.runs = Runs(store)
        self.model = Model()
        self.records = {}
        self.results = []

    @rule(identity=ids, stage=stages, sponsor=facts, criteria=facts, status=statuses, name=st.sampled_from("xyz"))
    def put(self, identity, stage, sponsor, criteria, status, name):
        values = {"id": identity, "name": name, "stage": stage, "status": status}
        self.records[identity] = values | {SPONSOR: sponsor, CRITERIA: criteria}

    @precondition(lambda self: self.records)
    @rule(data=st.data())
    def remove(self, data):
        del self.records[data.draw(st.sampled_from(sorted(self.records)))]

    @precondition(lambda self: self.records)
    @rule(data=st.data(), code=st.sampled_from(BOTH), fact=facts)
    def change_evidence(self, data, code, fact):
        self.records[data.draw(st.sampled_from(sorted(self.records)))][FACTS[code]] = fact

    @rule(rules=st.sampled_from([BOTH, BOTH, ("OUT002",)]))
    def run(self, rules):
        records = [self.records[identity] for identity in sorted(self.records)]
        self.results.append(self.runs.run(*records, select=rules))
        self.model.run(self.records, rules)
        counted = Counter(state.split(":")[0] for state, *_ in self.model.said[-1].values())
        assert +Counter(self.results[-1].summary.by_state) == counted

    @precondition(lambda self: self.results)
    @rule()
    def break_off(self):
        """A pull that is cut short changes nothing of what any run says."""
        records = [self.records[identity] for identity in sorted(self.records)]
        source = self.runs.source(records, cut_after=len(records) // 2)
        self.runs.run(sources=[source], select=BOTH, today=day(self.model.number))
        self.runs._days -= 1

    @invariant()
    def every_run_reads_as_it_was(self):
        for result, said in zip(self.results, self.model.said, strict=True):
            assert self.read(result) == said

    def read(self, result):
        told = {
            (one.id, one.rule): (one.state, one.name, self.number_of(one.first_seen)) for one in self.runs.open(result)
        }
        for one in self.runs.closed(result):
            told[one.id, one.rule] = (f"fixed: {one.ended}", None, self.number_of(one.first_seen))
        return told

    def number_of(self, text):
        return (date.fromisoformat(text) - day(1)).days + 1


def test_every_run_reads_as_the_model_says(store):
    """Whatever happens between runs, every run, read back after any later one, says what the plain model says."""
    run_state_machine_as_test(lambda: PipelineMachine(store), settings=SETTINGS)


SETTINGS = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
