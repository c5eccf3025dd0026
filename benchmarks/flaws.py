"""The flaws the generator puts into a clean row, each of a kind that real pipelines have.

Not for: saying which rules a flaw breaks; `truth.py` works that out from the cells, without knowing of the flaw.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from columns import AT, CHECKPOINTS, OUTCOMES, STAGES

_FIGURES: Final = ("0", "10", "20", "40", "60", "80", "100")
_OFF_CHART: Final = ("50", "33.3", "101", "-1", "90", "high")


@dataclass(frozen=True, slots=True)
class Draft:
    """A clean row about to be spoilt: its cells, its stage, and the days before and after the day it is judged by."""

    source: random.Random
    cells: list[str]
    stage: int
    past: tuple[str, ...]
    ahead: tuple[str, ...]

    def upto(self, count: int) -> int:
        """A whole number from 0, less than `count`."""
        return int(self.source.random() * count)

    def set(self, name: str, cell: str) -> bool:
        """Fill in a cell; true, so that a flaw can return it."""
        self.cells[AT[name]] = cell
        return True


def spoil(source: random.Random, cells: list[str], stage: int, past: tuple[str, ...], ahead: tuple[str, ...]) -> None:
    """Put one flaw into a row, sometimes two; a flaw that cannot stand at this stage becomes a wrong probability."""
    draft = Draft(source, cells, stage, past, ahead)
    for _ in range(2 if source.random() < 0.2 else 1):
        if not _CHOICES[draft.upto(len(_CHOICES))](draft):
            _wrong_probability(draft)


def _wrong_probability(draft: Draft) -> bool:
    others = [figure for figure in _FIGURES if figure != STAGES[draft.stage][2]]
    return draft.set("probability", others[draft.upto(len(others))])


def _off_chart_probability(draft: Draft) -> bool:
    # In an NA column text would be a matter of data quality and not of probability; the truth keeps the two apart.
    return bool(STAGES[draft.stage][2]) and draft.set("probability", _OFF_CHART[draft.upto(len(_OFF_CHART))])


def _blank_probability(draft: Draft) -> bool:
    return bool(STAGES[draft.stage][2]) and draft.set("probability", "")


def _outcome_missing(draft: Draft) -> bool:
    """One outcome of an earlier column was denied."""
    if draft.stage < 1:
        return False
    for name in OUTCOMES[draft.upto(draft.stage)]:
        draft.set(name, "no")
    return True


def _moved_too_early(draft: Draft) -> bool:
    """The last one to three columns were skipped: neither outcome nor checkpoints."""
    if draft.stage < 3:
        return False
    for column in range(draft.stage - 1 - draft.upto(3), draft.stage):
        for name in (*OUTCOMES[column], *CHECKPOINTS[column]):
            draft.set(name, "no")
    return True


def _outcome_announced(draft: Draft) -> bool:
    """An outcome is dated ahead."""
    if draft.stage < 2:
        return False
    column = 1 + draft.upto(draft.stage - 1)
    return draft.set(OUTCOMES[column][0], draft.ahead[3 + draft.upto(60)])


def _outcomes_out_of_order(draft: Draft) -> bool:
    """The newest outcome is dated before everything else."""
    if draft.stage < 3:
        return False
    return draft.set(OUTCOMES[draft.stage - 1][0], draft.past[800 + draft.upto(300)])


def _checkpoint_missing(draft: Draft) -> bool:
    if draft.stage < 1:
        return False
    names = CHECKPOINTS[draft.upto(draft.stage)]
    return draft.set(names[draft.upto(len(names))], "no")


def _stage_lags(draft: Draft) -> bool:
    """The outcome of the recorded stage was reached, and nobody moved the record: some days ago or just now."""
    if not 1 <= draft.stage <= 7:
        return False
    return draft.set(OUTCOMES[draft.stage][0], draft.past[draft.upto(15)] if draft.upto(4) == 0 else draft.past[15])


def _decision_overdue(draft: Draft) -> bool:
    if draft.stage != 5:
        return False
    draft.set("proof.proposal_issued", "yes")
    return draft.set("decision_due", draft.past[1 + draft.upto(60)] if draft.upto(2) else "")


def _no_owner(draft: Draft) -> bool:
    return draft.stage >= 4 and draft.set("owner", "")


def _stage_unreadable(draft: Draft) -> bool:
    return draft.set("stage", ("", "Negotiation", "07 - Ruhend")[draft.upto(3)])


def _date_unreadable(draft: Draft) -> bool:
    return draft.set("close_date", ("next quarter", "31/12", "Q3")[draft.upto(3)])


def _closed_unreviewed(draft: Draft) -> bool:
    if draft.stage != 8:
        return False
    draft.set("closed", "yes")
    return draft.set("support.supportability_review", "no")


_Flaw = Callable[[Draft], bool]
_WEIGHTS: Final[tuple[tuple[int, _Flaw], ...]] = (
    (20, _wrong_probability),
    (6, _off_chart_probability),
    (6, _blank_probability),
    (16, _outcome_missing),
    (8, _moved_too_early),
    (3, _outcome_announced),
    (3, _outcomes_out_of_order),
    (16, _checkpoint_missing),
    (10, _stage_lags),
    (3, _decision_overdue),
    (3, _no_owner),
    (2, _stage_unreadable),
    (2, _date_unreadable),
    (2, _closed_unreviewed),
)
_CHOICES: Final[tuple[_Flaw, ...]] = tuple(flaw for weight, flaw in _WEIGHTS for _ in range(weight))
