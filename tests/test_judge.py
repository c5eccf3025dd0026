"""The judge as a whole: what it remembers changes no verdict, and what every verdict has in common."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.facts import Fact
from syncd.form import DISORDERLY, OVERDUE, Former
from syncd.judge import Judge, Verdict
from syncd.model import FIELD_BIT, Finding, Opportunity
from syncd.policy import Policy
from syncd.process import Process
from syncd.rules import dated_rules, standing_rules
from syncd.rules.base import Bench, EvidenceRule, Facts, RankRule, Trail, Visit
from syncd.rules.compiled import Recall, ranks
from syncd.rules.fixes import pipeline_outcomes
from syncd.rules.state import Reach, fields_of, rank_of
from tests.rules.cases import MSSP, OTHER, OUTCOMES, STAGES, TODAY, day, record, through

TINY = 3
"""Answers remembered by a judge that forgets all the time."""

DAYS = [TODAY - timedelta(days=14), TODAY, TODAY + timedelta(days=1)]
"""Days to judge by: before, on and after those on which the facts and decisions of the cases fall."""

POLICIES = [
    pytest.param(Policy(), id="all"),
    pytest.param(Policy(outcome_semantics="entry"), id="entry"),
    pytest.param(Policy(select=("PRB", "STG", "OUT010"), fix={"PRB001": "none"}), id="few"),
]
thorough = settings(max_examples=40, deadline=None, derandomize=True, database=None)


@dataclass(frozen=True)
class Unnamed:
    """A company's own rule: broken by a record without a name, undecided without an amount."""

    code: str

    def check(self, opportunity: Opportunity, derived: Mapping[str, Any]) -> Finding | Fact:
        if opportunity.name is None:
            said = f"proven {derived['proven_stage']}"
            return Finding(
                rule=self.code, severity="error", field="name", actual=None, expected=None, message=said, phrase=""
            )
        return Fact.UNKNOWN if opportunity.amount is None else Fact.MET


OWN = (Unnamed("ACME001"), Unnamed("ZULU001"))

CHANGES = (
    st.fixed_dictionaries({"stage": st.sampled_from([*MSSP.stage_index, *OTHER.stage_index, None])}),
    st.fixed_dictionaries({"status": st.sampled_from(["open", "won", "lost"])}),
    st.fixed_dictionaries(
        {"probability": st.sampled_from([None, 0, 0.0, -0.0, 10, 20, 40, 40.0, 60, 60.5, 100, 101, -1])}
    ),
    st.fixed_dictionaries({"missing": st.sampled_from([*FIELD_BIT.values(), 0])}),
    st.fixed_dictionaries(
        {
            "unreadable": st.lists(
                st.tuples(
                    st.sampled_from(["probability", "status", "owner", "closed", "decision_due", "amount"]),
                    st.sampled_from(["x", "y"]),
                ),
                max_size=2,
                unique_by=lambda one: one[0],
            ).map(tuple)
        }
    ),
    st.fixed_dictionaries({"owner": st.sampled_from([None, "", "Ann"]), "name": st.sampled_from([None, "Deal"])}),
    st.fixed_dictionaries({"closed": st.sampled_from([None, True, False])}),
    st.fixed_dictionaries({"forecast": st.sampled_from([None, True, False])}),
    st.fixed_dictionaries({"source_type": st.sampled_from([None, "MQP", " sqp ", "Trade fair"])}),
    st.fixed_dictionaries({"decision_due": st.sampled_from([None, day(-1), day(0), day(1)])}),
)
changes = st.one_of(*CHANGES)


def evidence(process: Process) -> st.SearchStrategy[dict[str, Any]]:
    """Bits and dates as a mapping makes them, but dates in any order, and bare and untold where they mean nothing."""
    count = len(process.evidence)
    bits = st.integers(0, (1 << count) - 1)
    outcomes = sum(process.outcome_mask(stage.index) for stage in process.stages)
    offsets = st.dictionaries(
        st.sampled_from([bit for bit in range(count) if outcomes >> bit & 1] * 3 + list(range(count))),
        st.sampled_from([-400, -40, -39, -14, -1, 0, 1]),
        max_size=4,
    )

    def together(met: int, denied: int, rich: bool, bare: int, untold: int, dated: dict[int, int]) -> dict[str, Any]:
        met |= (outcomes if rich else 0) | sum(1 << bit for bit in dated)
        dates = {bit: day(offset) for bit, offset in dated.items()}
        return {"met": met, "not_met": denied & ~met, "bare": bare, "untold": untold & ~bare, "dates": dates}

    rare = st.just(0) | bits
    return st.builds(together, bits, bits, st.booleans(), rare, rare, offsets)


def trails(process: Process) -> st.SearchStrategy[Trail | None]:
    stays = st.lists(st.sampled_from([*process.stage_index, "gone"]), min_size=1, max_size=4)

    def trail(stages: list[str], created: bool, first: int) -> Trail:
        days = [day(first + 10 * number) for number in range(len(stages))]
        return Trail(tuple(map(Visit, stages, days, [None, *days[1:]], [days[0] - timedelta(5)] * len(days))), created)

    return st.none() | st.builds(trail, stays, st.booleans(), st.sampled_from([-90, -60]))


@st.composite
def families(draw: st.DrawFn, process: Process) -> list[tuple[Opportunity, Trail | None]]:
    """Records that differ from one another in little, so that a memory that overlooks something mixes them up."""
    stage = draw(st.sampled_from(list(process.stage_index)))
    one = record(stage, process=process, name="Deal", **draw(evidence(process)))
    trail = draw(trails(process))
    family = [(one, trail)]
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.integers(0, 3))
        if kind == 0:
            trail = draw(trails(process))
        one = msgspec.structs.replace(one, **draw(evidence(process) if kind == 1 else changes))
        family.append((one, trail))
    return family


@st.composite
def cases(draw: st.DrawFn, process: Process) -> tuple[Opportunity, Trail | None]:
    """A record that a column judges, whose fields all differ from the ordinary, independently of one another."""
    stage = draw(st.sampled_from(list(process.stage_index)))
    fields = {name: value for part in CHANGES[2:] for name, value in draw(part).items()}
    status = draw(st.sampled_from(["open", "open", "won"]))
    one = record(stage, process=process, status=status, **draw(evidence(process)))
    return msgspec.structs.replace(one, **fields), draw(trails(process))


def told(verdict: Verdict) -> tuple[Any, ...]:
    """Everything a verdict says, with 40 and 40.0 told apart."""
    return (
        msgspec.json.encode(verdict.findings),
        tuple(sorted(verdict.due)),
        tuple(sorted(verdict.unknown)),
        verdict.proven,
        verdict.possible,
    )


def court(process: Process, policy: Policy, today: date = TODAY, **settings: Any) -> Judge:
    return Judge(process, policy, today=today, **settings)


def asked_directly(bench: Bench, one: Opportunity, trail: Trail | None) -> tuple[Any, ...]:
    """What a verdict says of a record, by asking each rule in turn, each shown the whole record, none remembered."""
    process, today = bench.process, bench.today
    future = sum(1 << bit for bit, seen in one.dates.items() if seen > today)
    now = Former(process).formed(msgspec.structs.replace(one, met=one.met & ~future, not_met=one.not_met | future))
    overdue = one.decision_due is not None and one.decision_due < today
    form = now.form | (DISORDERLY if future else 0) | (OVERDUE if overdue else 0)
    index, won = process.stage_index[one.stage or ""], one.status == "won"
    proven, possible = ranks(process, now.met, now.not_met)
    outcomes = pipeline_outcomes(process)
    reach = Reach(
        index=index,
        won=won,
        proven=proven,
        possible=possible,
        lag=Fact.MET if proven > index else Fact.UNKNOWN if possible > index else Fact.NOT_MET,
        outcome_met=now.met & outcomes != 0,
        outcome_denied=now.not_met & outcomes != 0,
        met=now.met,
        not_met=now.not_met,
    )
    telling = trail is not None and (len(trail.visits) > 1 or trail.from_creation)
    path = (trail.from_creation, tuple(stay.stage for stay in trail.visits)) if trail and telling else None
    facts, rank = Facts(index=index, won=won, met=now.met, not_met=now.not_met), rank_of(reach, one.probability, form)
    fields, said = fields_of(reach, form, path), {"STG001": Fact.MET}
    for rule in standing_rules(bench):
        if rule.due(index, won=won):
            shown = facts if isinstance(rule, EvidenceRule) else rank if isinstance(rule, RankRule) else fields
            said[rule.info.code] = rule.check(shown)
    for rule in dated_rules(bench):
        if rule.due(index, won=won) and rule.applies(fields):
            said[rule.info.code] = rule.settle(fields) or rule.check(now, rank, trail)
    said = {code: answer for code, answer in said.items() if bench.policy.selected(code)}
    return (
        msgspec.json.encode([answer for _, answer in sorted(said.items()) if isinstance(answer, Finding)]),
        tuple(sorted(said)),
        tuple(sorted(code for code, answer in said.items() if answer is Fact.UNKNOWN)),
        process.stages[proven].id,
        process.stages[possible].id,
    )


COURT = court(MSSP, Policy())


@pytest.mark.parametrize("process", [MSSP, OTHER], ids=["mssp", "other"])
@pytest.mark.parametrize("policy", POLICIES)
def test_memory_changes_no_verdict(policy, process):
    """A judge that has judged others, or forgets all the time, says of each record what a fresh one says."""
    shared, tiny = court(process, policy), court(process, policy, memory=TINY)

    @thorough
    @given(families(process))
    def agree(family):
        fresh = [told(court(process, policy).judge(*case)) for case in family]

        assert [told(shared.judge(*case)) for case in family] == fresh
        assert [told(tiny.judge(*case)) for case in reversed(family)] == fresh[::-1]
        assert [told(shared.judge(*case)) for case in family] == fresh

    agree()


@pytest.mark.parametrize("process", [MSSP, OTHER], ids=["mssp", "other"])
@pytest.mark.parametrize("policy", POLICIES)
def test_every_rule_is_shown_what_it_needs(policy, process):
    """Rules asked through masks, groups and memory answer as when each is asked directly and shown the whole record."""
    benches = [Bench(process, policy, today) for today in DAYS]
    judges = [court(process, policy, today) for today in DAYS]
    forgetful = [court(process, policy, today, memory=1) for today in DAYS]

    @settings(thorough, max_examples=250)
    @given(cases(process))
    def agree(case):
        for bench, judge, other in zip(benches, judges, forgetful, strict=True):
            direct = asked_directly(bench, *case)

            assert told(judge.judge(*case)) == direct
            assert told(other.judge(*case)) == direct

    agree()


@pytest.mark.parametrize("process", [MSSP, OTHER], ids=["mssp", "other"])
def test_a_form_worked_out_before_changes_no_verdict(process):
    """A record with the form its mapping gave it is judged as one whose form the judge works out, on any day."""
    former = Former(process)
    judges = [(court(process, Policy(), today), court(process, Policy(), today)) for today in DAYS]

    @thorough
    @given(families(process))
    def agree(family):
        for one, trail in family:
            for judge, other in judges:
                assert told(judge.judge(former.formed(one), trail)) == told(other.judge(one, trail))

    agree()


def test_checkpoint_rules_are_split_into_small_groups():
    """Every checkpoint rule of a column stands in one group, and no group looks at more facts than are soon known."""
    for status, stage in itertools.product(("open", "won"), STAGES):
        column = COURT._columns[status][stage]
        groups = [panel for panel, *_ in column._checkpoints]
        rules = [one._rule.info.code for group in groups for one, _, _ in group._panels]

        assert len(rules) == len(set(rules))
        assert all(group.whole.bit_count() <= 8 or len(group._panels) == 1 for group in groups)
    assert {f"CHK{number:03d}" for number in range(1, 14)} - {"CHK010"} <= set(rules)


@pytest.mark.parametrize("stage", STAGES)
def test_memory_tells_every_reach_apart(stage):
    """Records that differ in how far their outcomes are met, dated or not, are not mixed up either."""
    shared = court(MSSP, Policy())
    for reached, met, rest in itertools.product((None, *STAGES), (True, day(-40)), (False, None)):
        case = record(stage, through(reached, rest, met))

        assert told(shared.judge(case)) == told(court(MSSP, Policy()).judge(case))


@pytest.mark.parametrize("dates", [(-9, -8, -7), (-9, -7, -8), (-7, -8, -9), (-8, -9, 1), (1, -9, -8)])
def test_the_order_dates_are_given_in_says_nothing(dates):
    """Evidence dates are judged by their columns, in whatever order a mapping or a store filled them in."""
    columns = ("prospect", "qualify", "develop")
    one = record("close", {OUTCOMES[column][0]: day(offset) for column, offset in zip(columns, dates, strict=True)})
    verdicts = {
        told(COURT.judge(msgspec.structs.replace(one, dates=dict(order))))
        for order in itertools.permutations(one.dates.items())
    }

    assert len(verdicts) == 1
    assert ("OUT011" in {finding.rule for finding in COURT.judge(one).findings}) == (dates != (-9, -8, -7))


@pytest.mark.parametrize(("one", "other"), [(40, 40.0), (40.0, 40), (0, -0.0), (-0.0, 0)])
def test_equal_figures_have_one_wording(one, other):
    """40 and 40.0 are the same probability, so whichever was judged first, both are judged in the same words."""
    cases = [record("proof", probability=one), record("proof", probability=other)]
    fresh = [told(court(MSSP, Policy()).judge(case)) for case in cases]

    judge = court(MSSP, Policy())
    assert [told(judge.judge(case)) for case in cases] == fresh
    assert fresh[0] == fresh[1]


@thorough
@given(families(MSSP))
def test_own_rules_are_asked_of_every_record(family):
    """A company's own rules are asked of each record that is judged, and their findings take their place by code."""
    judge, plain = court(MSSP, Policy(), extra=OWN), court(MSSP, Policy())
    for opportunity, trail in family:
        verdict, without = judge.judge(opportunity, trail), plain.judge(opportunity, trail)
        own = [finding for finding in verdict.findings if finding.rule in {"ACME001", "ZULU001"}]

        judged = opportunity.status != "lost" and opportunity.stage in MSSP.stage_index
        broken = judged and opportunity.name is None
        assert [finding.rule for finding in own] == (["ACME001", "ZULU001"] if broken else [])
        assert {finding.message for finding in own} <= {f"proven {verdict.proven}"}
        assert verdict.due - without.due == ({"ACME001", "ZULU001"} if judged else set())
        assert [one for one in verdict.findings if one not in own] == list(without.findings)


@thorough
@given(families(MSSP))
def test_every_verdict_is_consistent(family):
    """Findings stand in the order of their codes, one a rule; what fired or is unknown was due, and never both."""
    for case in family:
        verdict = COURT.judge(*case)
        fired = [finding.rule for finding in verdict.findings]

        assert fired == sorted(set(fired))
        assert set(fired) | verdict.unknown <= verdict.due <= set(COURT.codes)
        assert not set(fired) & verdict.unknown
        assert {code for bit, code in enumerate(COURT.codes) if verdict.due_bits >> bit & 1} == verdict.due


@thorough
@given(families(MSSP))
def test_records_no_column_judges(family):
    """A lost record is judged by STG004 alone; one that is not lost, of a stage not recognised, by STG001 alone."""
    for opportunity, trail in family:
        lost = COURT.judge(msgspec.structs.replace(opportunity, status="lost"), trail)
        strange = COURT.judge(msgspec.structs.replace(opportunity, status="open", stage=None), trail)

        assert lost.due == {"STG004"}
        assert [finding.rule for finding in lost.findings] == (
            ["STG004"] if opportunity.stage in {"deploy", "support"} else []
        )
        assert strange.due == {"STG001"}
        assert [finding.rule for finding in strange.findings] == ["STG001"]
        assert (strange.proven, strange.possible) == (None, None)


def test_a_memory_keeps_its_bound():
    """Tables that share a bound never hold more answers together; those kept last are still there."""
    recall = Recall(10)
    tables = [recall.table() for _ in range(3)]
    for number in range(95):
        recall.keep(tables[number % 3], number, str(number))

        assert sum(map(len, tables)) <= 10
        assert tables[number % 3][number] == str(number)


def test_verdicts_outlive_their_judge():
    """A verdict keeps no judge, with all it remembers, in memory; it can still be read when the judge is gone."""
    judge = court(MSSP, Policy())
    verdict = judge.judge(record("close"))
    gone = weakref.ref(judge)
    del judge
    gc.collect()

    assert gone() is None
    assert verdict.proven == "prospect"
    assert "OUT006" in verdict.due
