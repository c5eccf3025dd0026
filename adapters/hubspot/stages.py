"""The pipelines of an account: what the stage ids in deals stand for.

A deal holds the ids of its pipeline and stage. Ids are unique in an account, labels only within a pipeline; ids of
stages that were added later are numbers (https://developers.hubspot.com/docs/api-reference/latest/crm/pipelines/guide).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from adapters.hubspot.decode import Pipeline, Pipelines, PipelineStage
from syncd.errors import ConfigError, Problem

_LOST = "closedlost"
"""The id of the lost stage in the pipeline every account begins with."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of one pipeline.

    Attributes:
        probability: As a fraction, in HubSpot's writing; empty where HubSpot has none.
        status: `open`, `won` or `lost`.
    """

    id: str
    label: str
    pipeline: str
    pipeline_label: str
    probability: str
    status: str


@dataclass(frozen=True, kw_only=True)
class Stages:
    """All stages of an account, by id.

    Attributes:
        pipelines: Label by id of each pipeline.
        wanted: Ids of the pipelines that are read; None means all.
        digest: Changes when anything here does.
    """

    by_id: dict[str, Stage]
    pipelines: dict[str, str]
    wanted: frozenset[str] | None = None
    digest: str = field(default="")

    def label(self, stage: str) -> str:
        """A stage's label; its id where no pipeline has it any more, for a person to see."""
        known = self.by_id.get(stage)
        return stage if known is None else known.label

    def of_wanted(self) -> Iterator[Stage]:
        """The stages of the pipelines that are read."""
        return (one for one in self.by_id.values() if self.wanted is None or one.pipeline in self.wanted)


def stages_of(answer: Pipelines, wanted: Sequence[str], source: str) -> Stages:
    """The stages an account has.

    Args:
        answer: All pipelines.
        wanted: Labels or ids of the pipelines to read; empty means all.
        source: The source's name.

    Raises:
        ConfigError: There is no such pipeline.
    """
    pipelines = sorted(answer.results, key=lambda one: (one.display_order, one.label))
    names = {one.id: one.label for one in pipelines}
    chosen = _chosen(names, wanted, source) if wanted else None
    by_id = {stage.id: _stage(pipeline, stage) for pipeline in pipelines for stage in _ordered(pipeline)}
    said = [(names, sorted(chosen or ())), [(key, by_id[key]) for key in sorted(by_id)]]
    digest = hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()[:16]
    return Stages(by_id=by_id, pipelines=names, wanted=chosen, digest=digest)


def _ordered(pipeline: Pipeline) -> list[PipelineStage]:
    return sorted(pipeline.stages, key=lambda one: (one.display_order, one.label))


def _chosen(names: dict[str, str], wanted: Sequence[str], source: str) -> frozenset[str]:
    folded = {label.casefold(): key for key, label in names.items()}
    found = {one: one if one in names else folded.get(one.casefold()) for one in wanted}
    if lacking := [one for one, key in found.items() if key is None]:
        raise ConfigError(
            Problem(message=f"source {source}: HubSpot has no pipeline {', '.join(map(repr, lacking))}; "
                    f"it has {', '.join(map(repr, names.values()))}")
        )  # fmt: skip
    return frozenset(key for key in found.values() if key is not None)


def _stage(pipeline: Pipeline, stage: PipelineStage) -> Stage:
    probability = "" if stage.metadata.probability is None else str(stage.metadata.probability)
    return Stage(
        id=stage.id,
        label=stage.label,
        pipeline=pipeline.id,
        pipeline_label=pipeline.label,
        probability=probability,
        status=_status(stage, fraction(probability)),
    )


def _status(stage: PipelineStage, probability: float | None) -> str:
    """HubSpot closes a deal by moving it to a stage of 100 % (won) or 0 % (lost) that is marked as closed."""
    closed = stage.metadata.is_closed
    if closed is None:
        if probability == 1:
            return "won"
        return "lost" if stage.id == _LOST else "open"
    if str(closed).casefold() != "true":
        return "open"
    return "lost" if probability == 0 else "won"


def fraction(text: str) -> float | None:
    """A probability as HubSpot writes it; None where it is none."""
    try:
        return float(text)
    except ValueError:
        return None
