"""The rule catalogue: every family in order, bound to a chart and a policy. A table to grep: nothing adds itself."""

from __future__ import annotations

from syncd.policy import Policy
from syncd.process import Process
from syncd.rules import announced, assessment, checkpoints, data, outcomes, ownership, probability, stage
from syncd.rules.base import Bench, DatedRule, RuleInfo, StandingRule

__all__ = ["RuleInfo", "catalogue", "dated_rules", "standing_rules"]


def standing_rules(bench: Bench) -> tuple[StandingRule, ...]:
    """Every rule that is decided from an opportunity's undated state."""
    return (
        *probability.rules(bench),
        *stage.standing_rules(bench),
        *outcomes.standing_rules(bench),
        *checkpoints.standing_rules(bench),
        *assessment.standing_rules(bench),
        *ownership.standing_rules(bench),
    )


def dated_rules(bench: Bench) -> tuple[DatedRule, ...]:
    """Every rule that needs dates, texts or history."""
    return (
        *stage.dated_rules(bench),
        *outcomes.dated_rules(bench),
        *checkpoints.dated_rules(bench),
        *assessment.dated_rules(bench),
        *data.dated_rules(bench),
    )


def catalogue(process: Process) -> tuple[RuleInfo, ...]:
    """Every rule there is for a chart, sorted by family as the semantics list them, those not judged here included."""
    bench = Bench(process, Policy())
    made = [rule.info for rule in (*standing_rules(bench), *dated_rules(bench))]
    infos = {info.code: info for info in (stage.STG001, *made, *announced.INFOS)}
    families = ("PRB", "STG", "OUT", "CHK", "ASM", "REV", "DAT", "OWN", "SYN")
    return tuple(sorted(infos.values(), key=lambda info: (families.index(info.code[:3]), info.code)))
