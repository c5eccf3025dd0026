"""A rule of a company's own, from its specification to its findings.

Not for: its parts, which are `condition`, `message` and `fix`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from syncd.errors import ConfigError, Problem
from syncd.facts import Fact
from syncd.model import FIELDS, Finding, Opportunity, Safety, Severity, Status
from syncd.policy import did_you_mean
from syncd.process import Process
from syncd.rules.custom.condition import Compiler, Condition, ConditionError
from syncd.rules.custom.fix import propose, read_fix
from syncd.rules.custom.message import Message, mistakes_of
from syncd.rules.custom.mistakes import Mistake, Source
from syncd.rules.custom.variables import STAGES, Variable, plain, variables


@dataclass(frozen=True, kw_only=True)
class CustomRuleSpec:
    """A rule as a person wrote it.

    Attributes:
        message: What is wrong where the rule is broken; names in braces are filled in.
        condition: A CEL expression that is true where the rule is broken.
        field: The canonical field or evidence id it is about; empty for several.
        phrase: The words of the chart, or of a policy, that it enforces.
        fix_safety: How safe the fix is; None or `none` for no fix.
        fix_set: The values the fix writes, by canonical field.
        file: The file it stands in, as the person named it.
        line: Where the condition begins; 0 when unknown.
        rule_line: Where the rule begins, for what is wrong elsewhere in it; 0 when unknown.
    """

    code: str
    severity: Severity
    message: str
    condition: str
    field: str = ""
    phrase: str = ""
    fix_safety: Safety | None = None
    fix_set: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    file: str = ""
    line: int = 0
    rule_line: int = 0


@dataclass(frozen=True, slots=True)
class CustomRule:
    """A rule that is ready to be asked.

    Attributes:
        fix_values: What the fix writes, as an opportunity holds it.
    """

    spec: CustomRuleSpec
    condition: Condition
    message: Message
    fix_values: Mapping[str, Any]

    @property
    def code(self) -> str:
        """Its code."""
        return self.spec.code

    def check(self, opportunity: Opportunity, derived: Mapping[str, Any]) -> Finding | Fact:
        """A finding where the condition is true, met where it is false, unknown where it cannot be decided.

        Args:
            opportunity: As last read.
            derived: What the judge worked out: `today` (a date), `proven_stage`, `possible_stage`, `stage_index`,
                `proven_index` and `possible_index`, each None where it could not be.
        """
        holds = self.condition.holds(opportunity, derived)
        if holds is not Fact.MET:
            return Fact.MET if holds is Fact.NOT_MET else Fact.UNKNOWN
        spec = self.spec
        read = ((variable.name, variable.read(opportunity, derived)) for variable in self.condition.reads)
        return Finding(
            rule=spec.code,
            severity=spec.severity,
            field=spec.field,
            actual={name: plain(value) for name, value in read if value is not Fact.UNKNOWN},
            expected=f"not ({spec.condition.strip()})",
            message=self.message.fill(opportunity, derived),
            phrase=spec.phrase,
            fix=propose(spec.fix_safety, self.fix_values, opportunity),
        )


def compile_custom(specs: Iterable[CustomRuleSpec], process: Process) -> tuple[CustomRule, ...]:
    """Make rules of their specifications.

    Args:
        specs: As the configuration has them.
        process: The chart whose stages and evidence they speak of.

    Raises:
        ConfigError: One or more of them cannot work; every mistake of every rule is named.
    """
    wanted = tuple(specs)
    if not wanted:
        return ()
    names = variables(process)
    words = dict.fromkeys(STAGES, tuple(process.stage_index)) | {"status": get_args(Status)}
    compiler = Compiler(names, words)
    problems: list[Problem] = []
    rules = [rule for spec in wanted if (rule := _rule(spec, compiler, names, process, problems))]
    if problems:
        raise ConfigError(*problems)
    return tuple(rules)


def _rule(
    spec: CustomRuleSpec, compiler: Compiler, names: Mapping[str, Variable], process: Process, problems: list[Problem]
) -> CustomRule | None:
    condition = None
    try:
        condition = compiler.compile(spec.condition)
    except ConditionError as error:
        problems += [_condition_problem(spec, mistake, names) for mistake in error.mistakes]
    values, wrong = read_fix(spec.fix_set, process)
    elsewhere = [*_field_mistakes(spec, process), *(("message", text) for text in mistakes_of(spec.message, names))]
    elsewhere += [*_fix_mistakes(spec), *((f"fix.set.{name}", text) for name, text in wrong)]
    problems += [_problem(spec, key, text, line=spec.rule_line or spec.line) for key, text in elsewhere]
    if condition is None or elsewhere:
        return None
    return CustomRule(spec, condition, Message(spec.message, names, process), values)


def _field_mistakes(spec: CustomRuleSpec, process: Process) -> Iterator[tuple[str, str]]:
    known = (*FIELDS, *process.evidence)
    if spec.field and spec.field not in known:
        yield "field", f"there is no field or evidence id {spec.field!r}{did_you_mean(spec.field, known)}"


def _fix_mistakes(spec: CustomRuleSpec) -> Iterator[tuple[str, str]]:
    if spec.fix_set and spec.fix_safety is None:
        yield "fix", "safety is missing: safe or unsafe"
    if spec.fix_safety in ("safe", "unsafe") and not spec.fix_set:
        yield "fix", 'set is missing: the fields to write, such as { stage = "qualify" }'


def _condition_problem(spec: CustomRuleSpec, mistake: Mistake, names: Mapping[str, Variable]) -> Problem:
    if mistake.offset is None:
        return _problem(spec, "when", mistake.message, line=spec.line)
    line, column, shown = Source(spec.condition, tuple(names)).place(mistake.offset)
    return _problem(
        spec, "when", f"{mistake.message}\n{shown}", line=spec.line + line - 1 if spec.line else 0, column=column
    )


def _problem(spec: CustomRuleSpec, key: str, message: str, *, line: int, column: int = 0) -> Problem:
    text = f"rules.custom.{spec.code}.{key}: {message}"
    return Problem(message=text, file=spec.file, line=line, column=column)
