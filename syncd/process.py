"""The process chart as objects: stages, probabilities, outcomes, checkpoints and key steps, read from a TOML file.

Rules read the chart; they do not contain it. A company may declare another process in a file of its own.

Not for: deciding anything (`syncd.rules`), or what a CRM calls a stage (`syncd.mapping`).
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

import msgspec

from syncd.errors import ConfigError
from syncd.policy import did_you_mean
from syncd.tomlfile import Misfit, misfits, read_toml

_Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*\Z")]
_Text = Annotated[str, msgspec.Meta(min_length=1)]

_FIRST_TAKEN: Final = 10
"""OUT010 and OUT011 are rules about every outcome, so no column can have these numbers."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One verifiable fact that completes a stage. Where a stage lists several, any one suffices."""

    fact: _Id
    text: _Text


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fact, or several, that should hold by a stage's exit."""

    text: _Text
    facts: tuple[_Id, ...] = ()


class KeyStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An activity of a stage; some contain others, a few leave a fact behind."""

    text: _Text
    facts: tuple[_Id, ...] = ()
    steps: tuple[KeyStep, ...] = ()


class _StageFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: _Id
    name: _Text
    probability: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None
    objective: str = ""
    outcome: str = ""
    outcomes: tuple[Outcome, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    key_steps: tuple[KeyStep, ...] = ()


class _ProcessFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: _Text
    title: str = ""
    won: _Id | None = None
    stages: Annotated[tuple[_StageFile, ...], msgspec.Meta(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One column of the chart.

    Attributes:
        index: Its place, counted from 0.
        probability: In percent; None in the columns the chart marks NA, which is not 0.
        outcome: The chart's phrase for the outcome, alternatives included.
        outcomes: The facts that make the outcome; any one suffices.
        outcome_rule: The code of the rule that asks for this outcome, `OUT001` for the first column and so on.
    """

    index: int
    id: str
    name: str
    probability: int | float | None
    objective: str
    outcome: str
    outcomes: tuple[Outcome, ...]
    checkpoints: tuple[Checkpoint, ...]
    key_steps: tuple[KeyStep, ...]

    @property
    def outcome_rule(self) -> str:
        """`OUT001` to `OUT009` by column; columns past the ninth continue at `OUT110`, as 010 and 011 are taken."""
        number = self.index + 1
        return f"OUT{number:03d}" if number < _FIRST_TAKEN else f"OUT1{number:02d}"

    def phrases(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Each phrase of the column as (id, text, evidence ids), nested key steps after the one that holds them."""
        if self.objective:
            yield f"{self.id}.objective", self.objective, ()
        if self.outcome:
            yield f"{self.id}.outcome", self.outcome, tuple(f"{self.id}.{one.fact}" for one in self.outcomes)
        for number, checkpoint in enumerate(self.checkpoints, 1):
            yield f"{self.id}.checkpoint.{number}", checkpoint.text, self._ids(checkpoint.facts)
        yield from self._steps(f"{self.id}.key_step", self.key_steps)

    def _steps(self, prefix: str, steps: tuple[KeyStep, ...]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        for number, step in enumerate(steps, 1):
            yield f"{prefix}.{number}", step.text, self._ids(step.facts)
            yield from self._steps(f"{prefix}.{number}", step.steps)

    def _ids(self, facts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{self.id}.{fact}" for fact in facts)


@dataclass(frozen=True, kw_only=True)
class Process:
    """The whole chart.

    Attributes:
        name: Its name in reports.
        stages: The columns, in order.
        won_index: The column a won record belongs in, or after.
        digest: Identifies the file's content.
    """

    name: str
    title: str
    stages: tuple[Stage, ...]
    won_index: int
    digest: str

    @cached_property
    def evidence(self) -> tuple[str, ...]:
        """Every evidence id, `<stage>.<fact>`, in chart order: of a column outcomes, checkpoints, key steps."""
        ids: dict[str, None] = {}
        for stage in self.stages:
            for _, _, facts in stage.phrases():
                ids.update(dict.fromkeys(facts))
        return tuple(ids)

    @cached_property
    def evidence_index(self) -> dict[str, int]:
        """The bit of each evidence id."""
        return {name: index for index, name in enumerate(self.evidence)}

    @cached_property
    def stage_index(self) -> dict[str, int]:
        """The column of each stage id."""
        return {stage.id: stage.index for stage in self.stages}

    @cached_property
    def first_index(self) -> int:
        """The first column with a probability: where the pipeline starts (Prospect)."""
        return next(stage.index for stage in self.stages if stage.probability is not None)

    @cached_property
    def last_index(self) -> int:
        """The last column with a probability: where the pipeline ends (Deploy)."""
        return max(stage.index for stage in self.stages if stage.probability is not None)

    @cached_property
    def probabilities(self) -> frozenset[int | float]:
        """Every probability of the chart, in percent."""
        return frozenset(stage.probability for stage in self.stages if stage.probability is not None)

    @cached_property
    def _outcome_masks(self) -> tuple[int, ...]:
        index = self.evidence_index
        return tuple(sum(1 << index[f"{stage.id}.{one.fact}"] for one in stage.outcomes) for stage in self.stages)

    def outcome_mask(self, index: int) -> int:
        """The bits of the facts that make the outcome of a column."""
        return self._outcome_masks[index]

    @cached_property
    def _text(self) -> str:
        """The words of the chart as it is read, row by row: titles, names, figures, phrases."""
        figures = " ".join("NA" if one.probability is None else f"{one.probability}%" for one in self.stages)
        rows = [f"Sales Cycle Stage {' '.join(one.name for one in self.stages)}", f"Probability {figures}"]
        rows += ["Verifiable Outcomes", *(text for stage in self.stages for _, text, _ in stage.phrases())]
        return "\n".join(rows)

    def quotes(self, phrase: str) -> bool:
        """Whether the chart says these words."""
        return phrase in self._text

    def weight(self, index: int) -> int | float:
        """The percentage a stage weighs in the pipeline; a column after the last figure weighs as that one."""
        probability = self.stages[min(index, self.last_index)].probability
        return 0 if probability is None else probability

    def in_pipeline(self, index: int) -> bool:
        """Whether records of this column count in the weighted pipeline."""
        return self.stages[index].probability is not None


def load_process(path: Path) -> Process:
    """Read a process file.

    Raises:
        ConfigError: It cannot be read, is not TOML, or describes no process that can work.
    """
    written = read_toml(path)
    if wrong := misfits(written.values, _ProcessFile):
        raise ConfigError(*(written.problem(place, message) for place, message in wrong))
    parsed = msgspec.convert(written.values, _ProcessFile)
    stages = tuple(_stage(index, given) for index, given in enumerate(parsed.stages))
    if found := [written.problem(place, message) for place, message in _problems(parsed, stages)]:
        raise ConfigError(*found)
    ids = [stage.id for stage in stages]
    numeric = [stage.index for stage in stages if stage.probability is not None]
    won = ids.index(parsed.won) if parsed.won else numeric[-1]
    digest = hashlib.sha256(written.text.encode()).hexdigest()[:16]
    return Process(name=parsed.name, title=parsed.title or parsed.name, stages=stages, won_index=won, digest=digest)


def _stage(index: int, given: _StageFile) -> Stage:
    probability = given.probability
    return Stage(
        index=index,
        id=given.id,
        name=given.name,
        probability=int(probability) if probability is not None and probability.is_integer() else probability,
        objective=given.objective,
        outcome=given.outcome or " OR ".join(one.text for one in given.outcomes),
        outcomes=given.outcomes,
        checkpoints=given.checkpoints,
        key_steps=given.key_steps,
    )


def _problems(parsed: _ProcessFile, stages: tuple[Stage, ...]) -> Iterator[Misfit]:
    ids = [stage.id for stage in stages]
    repeated = [stage for stage in stages if stage.id in ids[: stage.index]]
    for stage in repeated:
        yield ("stages", stage.index, "id"), f"the id {stage.id!r} stands twice"
    seen: set[str] = set()
    for stage in stages:
        words = {stage.id.casefold(), stage.name.casefold()}
        if not repeated and (ambiguous := sorted(words & seen)):
            yield ("stages", stage.index, "name"), f"{ambiguous[0]!r} names two of them, in capitals or not"
        seen |= words
        facts = [one.fact for one in stage.outcomes]
        outcomes = ("stages", stage.index, "outcomes")
        if len(set(facts)) < len(facts):
            yield outcomes, f"{stage.id!r} lists the same fact twice among its outcomes"
        if stage.probability is not None and stage.outcome and not stage.outcomes:
            yield outcomes, f"{stage.id!r} names an outcome, but no fact in `outcomes` that would show it"
    if parsed.won is not None and parsed.won not in ids:
        guess = did_you_mean(parsed.won, ids) or f"; the stages are {', '.join(ids)}"
        yield ("won",), f"there is no stage {parsed.won!r}{guess}"
    yield from _probability_problems(stages)


def _probability_problems(stages: tuple[Stage, ...]) -> Iterator[Misfit]:
    numeric = [stage for stage in stages if stage.probability is not None]
    if not numeric:
        yield ("stages",), "at least one needs a probability"
        return
    for before, stage in itertools.pairwise(numeric):
        if stage.index != before.index + 1:
            message = "those with a probability must stand together; only the first and the last may have none"
            yield ("stages", before.index + 1), message
        if (stage.probability or 0) <= (before.probability or 0):
            yield ("stages", stage.index, "probability"), "probabilities must rise from stage to stage"
