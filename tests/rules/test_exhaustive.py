"""The judge against the independent reference: every combination of stage, probability and outcome facts."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import pytest

from syncd.judge import Judge, Verdict
from syncd.model import Opportunity, Status
from syncd.policy import Policy
from syncd.process import Process, load_process
from tests.rules.reference import FACTS, RULES, STAGES, Expected, expected

PROBABILITIES = (0, 10, 20, 40, 60, 80, 100, None, 50)
STATES = (True, False, None)
TODAY = date(2026, 1, 15)
SAMPLE = 1_000
SHOWN = 5

# Whether an undated STG005 is unknown lies outside the reference; that it never fires does not.
UNKNOWABLE = RULES - {"STG005"}


class Case(NamedTuple):
    stage: str
    probability: float | None
    values: tuple[bool | None, ...]
    status: Status = "open"
    entry: bool = False

    def __str__(self) -> str:
        words = {True: "met", False: "not met", None: "unknown"}
        lines = [f"{self.status} {self.stage} at {self.probability!r}, {'entry' if self.entry else 'exit'} semantics"]
        lines += [f"    {fact}: {words[value]}" for fact, value in zip(FACTS, self.values, strict=True)]
        return "\n".join(lines)


class Bench:
    """Puts cases to the judge and to the reference."""

    def __init__(self, *, entry: bool = False) -> None:
        self.process: Process = load_process(Path(str(files("mappings") / "mssp.toml")))
        policy = Policy(outcome_semantics="entry") if entry else Policy()
        self.judge = Judge(self.process, policy, today=TODAY)
        self.bits = [1 << self.process.evidence_index[fact] for fact in FACTS]

    def observed(self, case: Case) -> Expected:
        """The judge's verdict, in the reference's terms."""
        opportunity = Opportunity(
            id="1",
            stage=case.stage,
            probability=case.probability,
            status=case.status,
            met=sum(bit for bit, value in zip(self.bits, case.values, strict=True) if value is True),
            not_met=sum(bit for bit, value in zip(self.bits, case.values, strict=True) if value is False),
        )
        return in_reference_terms(self.judge.judge(opportunity), case)

    def mismatches(self, cases: Iterable[Case], fired: Counter[str]) -> Iterator[str]:
        """A readable account of each case the two judge differently; `fired` counts rules, and cases under `cases`."""
        for case in cases:
            facts = dict(zip(FACTS, case.values, strict=True))
            wanted = expected(case.stage, case.probability, facts, status=case.status, entry=case.entry)
            seen = self.observed(case)
            fired.update(wanted.fired.keys())
            fired["cases"] += 1
            if seen != wanted:
                yield f"{case}\n{differences(wanted, seen)}"


def in_reference_terms(verdict: Verdict, case: Case) -> Expected:
    """What the verdict says about the rules the reference knows."""
    recorded = {"stage": case.stage, "probability": case.probability}
    fired: dict[str, tuple[str | None, frozenset[tuple[str, object]]]] = {}
    for finding in verdict.findings:
        if finding.rule not in RULES:
            continue
        assert finding.rule not in fired, f"{finding.rule} was found twice\n{case}"
        if finding.fix is None:
            fired[finding.rule] = (None, frozenset())
            continue
        edits = finding.fix.set
        assert {name: edit.before for name, edit in edits.items()} == {name: recorded[name] for name in edits}, case
        fired[finding.rule] = (finding.fix.safety, frozenset((name, edit.after) for name, edit in edits.items()))
    return Expected(fired, frozenset(verdict.unknown & UNKNOWABLE), str(verdict.proven), str(verdict.possible))


def differences(wanted: Expected, seen: Expected) -> str:
    """What the reference expects and what the judge said, line by line where they differ."""
    lines = [
        f"    {rule}: expected {told(wanted, rule)}, judged {told(seen, rule)}"
        for rule in sorted(wanted.fired.keys() | seen.fired.keys())
        if wanted.fired.get(rule) != seen.fired.get(rule)
    ]
    for name in ("unknown", "proven", "possible"):
        one, other = getattr(wanted, name), getattr(seen, name)
        if one != other:
            readable = [sorted(value) if isinstance(value, frozenset) else value for value in (one, other)]
            lines.append(f"    {name}: expected {readable[0]}, judged {readable[1]}")
    return "\n".join(lines)


def told(side: Expected, rule: str) -> str:
    """One rule's verdict in words."""
    if rule not in side.fired:
        return "not to fire"
    safety, edits = side.fired[rule]
    return f"to fire with {safety} fix {dict(sorted(edits))}" if safety else "to fire without a fix"


def first(mismatches: Iterator[str]) -> list[str]:
    """The first few, each beginning on a line of its own."""
    return [f"\n{text}" for text in itertools.islice(mismatches, SHOWN)]


def every_open_case() -> Iterator[Case]:
    for values in itertools.product(STATES, repeat=len(FACTS)):
        for stage, probability in itertools.product(STAGES, PROBABILITIES):
            yield Case(stage, probability, values)


def sampled_cases(status: Status, *, entry: bool) -> Iterator[Case]:
    """Cases drawn with a fixed seed, rich in met facts, so that late stages are often proven."""
    draw = random.Random(f"{status} {entry}")
    for _ in range(SAMPLE):
        values = tuple(draw.choices(STATES, weights=(6, 1, 1), k=len(FACTS)))
        probability = draw.choice((*PROBABILITIES, 33.3, 101, -1))
        yield Case(draw.choice(STAGES), probability, values, status, entry)


@pytest.mark.slow
def test_every_open_record() -> None:
    """The judge and the reference agree on all 531,441 open records: fired, fixes, unknown, proven and possible."""
    fired: Counter[str] = Counter()

    found = first(Bench().mismatches(every_open_case(), fired))

    assert not found, "".join(found)
    assert fired["cases"] == 531_441


@pytest.mark.parametrize("entry", [False, True], ids=["exit", "entry"])
@pytest.mark.parametrize("status", ["open", "won", "lost"])
def test_sampled_records(status: Status, entry: bool) -> None:
    """The judge and the reference agree on a fixed sample of open, won and lost records by either reading."""
    fired: Counter[str] = Counter()

    found = first(Bench(entry=entry).mismatches(sampled_cases(status, entry=entry), fired))

    reached = {"open": RULES - {"STG004", "STG005"}, "won": RULES - {"STG005", "STG006"}, "lost": {"STG004"}}
    assert not found, "".join(found)
    assert fired.pop("cases") == SAMPLE
    assert set(fired) == reached[status], "the sample no longer reaches every rule"
