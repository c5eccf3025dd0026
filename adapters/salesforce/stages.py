"""The org's own stages, compared with the mapping and the chart: configuration drift at the root.

`OpportunityStage` holds the probability that a record gets with its stage, and whether the stage closes or wins it
(http://www.salesforce.com/us/developer/docs/api/Content/sforce_api_objects_opportunitystage.htm).
"""

from __future__ import annotations

import difflib
from collections.abc import AsyncGenerator, Sequence
from typing import Final

import msgspec

from adapters.salesforce.findings import listed, ok, warning
from adapters.salesforce.org import Org
from adapters.salesforce.schema import ObjectInfo
from syncd.adapter import Check, SourceContext
from syncd.errors import SourceIncomplete

_QUERY: Final = (
    "SELECT ApiName,MasterLabel,DefaultProbability,IsActive,IsClosed,IsWon FROM OpportunityStage ORDER BY SortOrder"
)
_STANDARD: Final = "StageName"


class _Stage(msgspec.Struct, rename="pascal"):
    api_name: str = ""
    master_label: str = ""
    default_probability: float | None = None
    is_active: bool = True
    is_closed: bool = False
    is_won: bool = False


class _Stages(msgspec.Struct):
    records: list[_Stage]


async def examine_stages(org: Org, context: SourceContext, info: ObjectInfo) -> AsyncGenerator[Check, None]:
    """The checks of labels and of probabilities."""
    stages: list[_Stage] = []
    try:
        found, _ = await org.get("query", {"q": _QUERY}, decode=msgspec.json.Decoder(_Stages).decode)
        stages = [one for one in found.records if one.is_active]
    except SourceIncomplete:
        remedy = "give the integration user read access to opportunities"
        yield warning("stage table", "OpportunityStage cannot be read", remedy)
    yield _labels(context, info, stages)
    if stages and context.roles.get("stage", _STANDARD).casefold() == _STANDARD.casefold():
        yield _probabilities(context, stages)
        yield _endings(context, stages)


def _labels(context: SourceContext, info: ObjectInfo, stages: Sequence[_Stage]) -> Check:
    """Whether each label of the org's picklist means a stage."""
    field = info.field(context.roles.get("stage", _STANDARD))
    active = [one.value for one in field.picklist_values if one.active] if field else []
    # A stage that ends a deal without winning it is told by the status alone.
    lost = {_fold(one.api_name) for one in stages if one.is_closed and not one.is_won}
    meaning = _meanings(context)
    unknown = [label for label in active if _fold(label) not in meaning and _fold(label) not in lost]
    name = "stage labels"
    if not unknown:
        return ok(name, "each of the org's stages is in the mapping")
    said = listed([f"{label!r}{_resembles(label, meaning)}" for label in unknown])
    says = f"stages of the org that are not in the mapping: {said}"
    return warning(name, says, "add each to its stage under [stages] of the mapping")


def _probabilities(context: SourceContext, stages: Sequence[_Stage]) -> Check:
    meaning, drift = _meanings(context), []
    for one in stages:
        stage = meaning.get(_fold(one.api_name))
        if stage is None or stage not in context.chart:
            continue
        wanted = context.chart[stage]
        # A stage cannot be without a probability, and one that wins has 100 %, whatever its administrator would like.
        nothing = wanted is None and (one.is_won or not one.default_probability)
        if one.default_probability != wanted and not nothing:
            chart = "none" if wanted is None else f"{wanted:g} %"
            drift.append(f"{one.master_label!r} gives {one.default_probability or 0:g} %, the chart {chart}")
    name = "probabilities of the stages"
    if drift:
        remedy = (
            "correct them in Setup under Opportunity Stages; a record that enters such a stage gets this probability"
        )
        return warning(name, listed(drift, "; "), remedy)
    return ok(name, "those of the chart")


def _endings(context: SourceContext, stages: Sequence[_Stage]) -> Check:
    """A stage that wins belongs to the chart's last ones, and one of the others closes nothing."""
    meaning, wrong = _meanings(context), []
    for one in stages:
        stage = meaning.get(_fold(one.api_name))
        if stage is None:
            continue
        figure = context.chart.get(stage)
        if one.is_won and figure is not None and figure < 100:  # noqa: PLR2004 - percent
            wrong.append(f"{one.master_label!r} wins the deal, and the mapping takes it for {stage}")
        elif one.is_closed and not one.is_won:
            wrong.append(f"{one.master_label!r} loses the deal, and the mapping takes it for {stage}")
    name = "stages that close"
    if wrong:
        return warning(name, listed(wrong, "; "), "correct the stage's type in Setup, or [stages] of the mapping")
    return ok(name, "as the mapping takes them")


def _meanings(context: SourceContext) -> dict[str, str]:
    return {_fold(label): stage for stage, labels in context.labels.items() for label in labels}


def _resembles(label: str, meaning: dict[str, str]) -> str:
    found = difflib.get_close_matches(_fold(label), meaning, n=1)
    return f" (looks like {meaning[found[0]]})" if found else ""


def _fold(label: str) -> str:
    return " ".join(label.casefold().split())
