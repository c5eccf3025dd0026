"""What a correct run over generated rows must find, worked out a second time, slowly and plainly, from the cells alone.

It shares no code with syncd. A benchmarked run counts only when it found, for every rule listed here, exactly these
records: the same number of them, and the same sum of the checksums of their ids.

Not for: rules that need a stage history, a second system or a revenue source; an exported file holds none of these.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from columns import COLUMNS, EVIDENCE, OUTCOMES, STAGE_INDEX, STAGES

GRACE_DAYS: Final = 14

PROSPECT, QUALIFY, DEVELOP, SOLUTION, PROOF, CLOSE, DEPLOY, SUPPORT = range(1, 9)

_CHART: Final = {float(figure) for _, _, figure in STAGES if figure}

DUE: Final[tuple[tuple[str, int, tuple[tuple[str, ...], ...]], ...]] = (
    ("OUT002", QUALIFY, (OUTCOMES[PROSPECT],)),
    ("OUT003", DEVELOP, (OUTCOMES[QUALIFY],)),
    ("OUT004", SOLUTION, (OUTCOMES[DEVELOP],)),
    ("OUT005", PROOF, (OUTCOMES[SOLUTION],)),
    ("OUT006", CLOSE, (OUTCOMES[PROOF],)),
    ("OUT007", DEPLOY, (OUTCOMES[CLOSE],)),
    ("OUT008", SUPPORT, (OUTCOMES[DEPLOY],)),
    ("CHK001", QUALIFY, (("prospect.in_territory_or_account",),)),
    ("CHK002", QUALIFY, (("prospect.meets_criteria",),)),
    ("CHK003", DEVELOP, (("qualify.sponsor_pain", "qualify.compelling_event"),)),
    ("CHK004", DEVELOP, (("qualify.sponsor_vision",), ("qualify.sponsor_explores",))),
    ("CHK005", DEVELOP, (("qualify.power_access_negotiated",),)),
    ("CHK006", SOLUTION, (("develop.power_access",), ("develop.power_pain",), ("develop.power_vision",))),
    (
        "CHK007",
        SOLUTION,
        (("develop.partner_selected", "develop.services_selected"), ("develop.expectations_agreed",)),
    ),
    ("CHK009", CLOSE, (("proof.proposal_reviewed",), ("proof.proposal_issued",))),
    ("CHK011", DEPLOY, (("close.contract_final",), ("close.deployment_sow_final",), ("close.support_plan_final",))),
    ("CHK012", SUPPORT, (("deploy.conditions_determined",), ("deploy.readiness_reassessed",))),
    ("CHK013", SUPPORT, (("deploy.new_prospects_captured",),)),
    ("ASM001", SOLUTION, (("qualify.assessment_completed",),)),
)
"""Rule, the first column it is due in, and its facts: every group must hold, and does so by any one of its facts."""

PLAN_STATES: Final = (
    "develop.eval_plan_proposed",
    "develop.eval_plan_agreed",
    "solution.eval_plan_underway",
    "proof.eval_plan_completed",
)
"""The life of an evaluation plan; a later state that is met implies the earlier ones."""

RULES: Final = frozenset({rule for rule, _, _ in DUE}) | {
    "PRB001", "PRB002", "PRB003", "PRB004", "STG001", "STG004", "STG005", "STG006",
    "OUT001", "OUT009", "OUT011", "CHK008", "CHK010", "OWN001", "DAT001",
}  # fmt: skip
"""The rules the truth knows; a run's findings for any other are not compared."""


class Truth:
    """For each rule, how many records broke it and the sum of the checksums of their ids.

    Two sets of records with the same count and the same sum are taken to be the same set.

    Attributes:
        rows: Rows looked at.
        flawed: Rows that broke at least one rule.
        rules: Count and sum by rule; a rule nothing broke is absent.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.flawed = 0
        self.rules: dict[str, list[int]] = {}

    @property
    def discrepancies(self) -> int:
        """All of them together."""
        return sum(count for count, _ in self.rules.values())

    def add(self, identity: str, fired: Iterable[str]) -> None:
        """Count one record and the rules it broke."""
        self.rows += 1
        checksum = zlib.crc32(identity.encode())
        any_fired = False
        for rule in fired:
            any_fired = True
            entry = self.rules.setdefault(rule, [0, 0])
            entry[0] += 1
            entry[1] += checksum
        self.flawed += any_fired

    def differences(self, found: Iterable[tuple[str, str]]) -> list[str]:
        """What is wrong with what a run found, as (rule, id); empty when nothing is."""
        seen: dict[str, list[int]] = {}
        for rule, identity in found:
            entry = seen.setdefault(rule, [0, 0])
            entry[0] += 1
            entry[1] += zlib.crc32(identity.encode())
        wrong = []
        for rule in sorted(RULES):
            expected, actual = self.rules.get(rule, [0, 0]), seen.get(rule, [0, 0])
            if expected[0] != actual[0]:
                wrong.append(f"{rule}: {expected[0]} records break it, the run found {actual[0]}")
            elif expected[1] != actual[1]:
                wrong.append(f"{rule}: the run found {actual[0]} records, but other ones")
        return wrong

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps({"rows": self.rows, "flawed": self.flawed, "rules": self.rules}, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Read what `save` wrote."""
        given: dict[str, Any] = json.loads(path.read_text())
        truth = cls()
        truth.rows, truth.flawed, truth.rules = given["rows"], given["flawed"], given["rules"]
        return truth


def fired(cells: Sequence[str], today: str) -> list[str]:
    """The rules one row breaks.

    Args:
        cells: The row, one cell for each of `COLUMNS`.
        today: The day it is judged by, ISO 8601.
    """
    row = dict(zip(COLUMNS, cells, strict=True))
    stage = STAGE_INDEX.get(row["stage"].lower())
    if row["status"] == "lost":
        return ["STG004"] if stage is not None and stage >= DEPLOY else []
    if stage is None:
        return ["STG001"]
    facts = {name: _fact(row[name], today) for name in EVIDENCE}
    return [
        *_probability(stage, row["probability"]),
        *_stage(stage, row, facts, today),
        *_outcomes(stage, row, facts, today),
        *_due(stage, facts),
        *_proposal(stage, row, facts, today),
        *(("OWN001",) if stage >= SOLUTION and not row["owner"] else ()),
        *(("DAT001",) if row["close_date"] and not _is_date(row["close_date"]) else ()),
    ]


def _fact(cell: str, today: str) -> int:
    """1 met, 0 unknown, -1 not met: Kleene's *and* is then `min`, his *or* `max`."""
    if not cell:
        return 0
    if cell == "yes":
        return 1
    return 1 if cell != "no" and cell <= today else -1


def _is_date(cell: str) -> bool:
    return len(cell) == 10 and cell[4] == cell[7] == "-"


def _probability(stage: int, cell: str) -> Iterator[str]:
    due = STAGES[stage][2]
    if not due:
        if cell:
            yield "PRB003"
    elif not cell:
        yield "PRB004"
    else:
        try:
            figure = float(cell.rstrip("%"))
        except ValueError:
            figure = -1.0
        if figure not in _CHART:
            yield "PRB002"
        elif figure != float(due):
            yield "PRB001"


def _stage(stage: int, row: Mapping[str, str], facts: Mapping[str, int], today: str) -> Iterator[str]:
    if row["status"] == "won":
        if stage < DEPLOY:
            yield "STG004"
        return
    outcomes = [max([facts[name] for name in names]) for names in OUTCOMES]
    if stage >= QUALIFY and -1 in outcomes[PROSPECT:stage]:
        yield "STG006"
    if PROSPECT <= stage <= DEPLOY and min(outcomes[PROSPECT : stage + 1]) == 1:
        met = [row[name] for name in OUTCOMES[stage] if facts[name] == 1 and row[name] != "yes"]
        if met and (date.fromisoformat(today) - date.fromisoformat(min(met))).days > GRACE_DAYS:
            yield "STG005"


def _outcomes(stage: int, row: Mapping[str, str], facts: Mapping[str, int], today: str) -> Iterator[str]:
    # The generator leaves no row whose source type alone would have to decide: a blank cell comes with MQP or SQP.
    if stage >= QUALIFY and facts["demand_generation.qualified_prospect"] == -1:
        yield "OUT001"
    if stage == SUPPORT and row["closed"] == "yes" and facts["support.supportability_review"] == -1:
        yield "OUT009"
    latest, wrong = "", False
    for names in OUTCOMES[PROSPECT:]:
        dates = [row[name] for name in names if _is_date(row[name])]
        wrong = wrong or any(day > today for day in dates)
        if reached := [day for day in dates if day <= today]:
            wrong = wrong or min(reached) < latest
            latest = max(latest, min(reached))
    if wrong:
        yield "OUT011"


def _due(stage: int, facts: Mapping[str, int]) -> Iterator[str]:
    if -1 not in facts.values():
        return
    for rule, first, groups in DUE:
        if stage >= first and -1 in [max(facts[name] for name in names) for names in groups]:
            yield rule
    for place, first in ((0, SOLUTION), (2, PROOF), (3, CLOSE)):
        lacks = facts[PLAN_STATES[place]] == -1
        if stage >= first and lacks and all(facts[later] != 1 for later in PLAN_STATES[place + 1 :]):
            yield "CHK008"
            break


def _proposal(stage: int, row: Mapping[str, str], facts: Mapping[str, int], today: str) -> Iterator[str]:
    if stage >= PROOF and facts["proof.proposal_issued"] == 1:
        due = row["decision_due"]
        if not due or (stage == PROOF and due < today):
            yield "CHK010"
