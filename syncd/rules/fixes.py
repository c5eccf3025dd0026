"""What a fix may set: the table "What a fix may do" of the semantics, in one place for every rule that proposes one.

Not for: grading by policy (`Bench.finding`) or merging fixes into a change (`syncd.plan`).
"""

from __future__ import annotations

from typing import Literal

from syncd.facts import Fact
from syncd.model import Edit, Fix, Opportunity, Safety
from syncd.process import Process, Stage
from syncd.rules.base import MET, NOT_MET, UNKNOWN, Facts, Rank

PROBABILITY_KNOWN = "known"
PROBABILITY_BLANK = "blank"
PROBABILITY_MISSING = "missing"
PROBABILITY_UNREADABLE = "unreadable"

Verdict = Literal["overstated", "unproven", "proven", "lagging"]


def standing_of(rank: Rank) -> Verdict:
    """How the recorded column compares with what the evidence proves and allows.

    Returns:
        `overstated` when an earlier outcome is not met, `unproven` when one is unknown, `proven` when recorded and
        proven are the same, `lagging` when more is proven than recorded.
    """
    if rank.index > rank.possible:
        return "overstated"
    if rank.index > rank.proven:
        return "unproven"
    return "proven" if rank.index == rank.proven else "lagging"


def set_probability(process: Process, rank: Rank, index: int) -> dict[str, Edit]:
    """The edit that gives the record the probability of a column, if it has the field and another value."""
    wanted = process.stages[index].probability
    if rank.probability_state == PROBABILITY_MISSING:
        return {}
    if rank.probability_state != PROBABILITY_UNREADABLE and rank.probability == wanted:
        return {}
    return {"probability": Edit(rank.probability, wanted)}


def move(process: Process, rank: Rank, index: int, safety: Safety = "unsafe") -> Fix:
    """The fix that moves the record to a column and gives it that column's probability."""
    edits = {"stage": Edit(process.stages[rank.index].id, process.stages[index].id)}
    return Fix(safety, edits | set_probability(process, rank, index))


def won_fix(process: Process, rank: Rank) -> Fix | None:
    """A won record before its column moves there only when the evidence proves that much."""
    if rank.won and rank.index < process.won_index <= rank.proven:
        return move(process, rank, process.won_index)
    return None


def overstated_fix(process: Process, rank: Rank) -> Fix | None:
    """An open record past what the evidence allows goes back to the possible column."""
    first = process.first_index
    if not rank.won and rank.index > first and rank.index > rank.possible:
        return move(process, rank, rank.possible)
    return None


def probability_fix(process: Process, rank: Rank) -> Fix | None:
    """The fix of a wrong, unreadable or empty probability in a column that has one."""
    verdict = standing_of(rank)
    if rank.won:
        safety: Safety = "safe" if verdict == "proven" else "unsafe"
        return won_fix(process, rank) or Fix(safety, set_probability(process, rank, rank.index))
    if verdict == "overstated":
        return overstated_fix(process, rank)
    if verdict == "lagging":
        return move(process, rank, rank.index + 1)
    safety = "safe" if verdict == "proven" else "unsafe"
    return Fix(safety, set_probability(process, rank, rank.index))


def clearing_fix(process: Process, rank: Rank) -> Fix:
    """The fix of a probability in an NA column: the stage's own cure where there is one, else an empty field."""
    stage_fix = won_fix(process, rank) or overstated_fix(process, rank)
    return stage_fix or Fix("unsafe", {"probability": Edit(rank.probability, None)})


def outcome_state(process: Process, evidence: Facts | Opportunity, index: int) -> Fact:
    """The state of one column's outcome: met by any one of its facts, and where it names none."""
    mask = process.outcome_mask(index)
    if evidence.met & mask or not mask:
        return MET
    return NOT_MET if evidence.not_met & mask == mask else UNKNOWN


def outcome_bits(process: Process, stage: Stage) -> tuple[int, ...]:
    """The evidence indexes of a column's outcome."""
    return tuple(process.evidence_index[f"{stage.id}.{one.fact}"] for one in stage.outcomes)


def pipeline_outcomes(process: Process) -> int:
    """The bits of the outcomes from the start of the pipeline on."""
    return sum(process.outcome_mask(stage.index) for stage in process.stages[process.first_index :])
