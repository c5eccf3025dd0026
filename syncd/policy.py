"""What a company wants of the rules: which are selected, how grave they are, how their fixes are graded, and limits.

A policy is a plain value. `Policy()` selects everything at its base severity.

Not for: reading it from a file (`syncd.config`), or knowing which rules exist (`syncd.rules`); `check_policy` is told.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final, Literal

from syncd.errors import Problem
from syncd.model import Safety, Severity

EVERYTHING: Final = "ALL"
"""The selector of every rule."""

RULE_OPTIONS: Final[Mapping[str, Mapping[str, int]]] = {"STG005": {"grace_days": 14}}
"""The options rules take, with their defaults: counts from 0 up. The figures are ours; the chart names none."""

OutcomeSemantics = Literal["exit", "entry"]
SeveritySetting = Severity | Literal["off"]
_Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much a plan may change before it is refused, and when an apply stops.

    Attributes:
        max_changes: Changes in one plan.
        max_percent: Share of the open opportunities judged that may change, in percent.
        max_weighted_change: Weighted pipeline that may move, in major units by currency; one not named has no limit.
        canary: Changes applied first, then checked.
        halt_percent: Failures and conflicts among the last 50 writes, in percent, at which an apply stops.
    """

    max_changes: int = 500
    max_percent: float = 30.0
    max_weighted_change: Mapping[str, Decimal] = field(default_factory=dict)
    canary: int = 10
    halt_percent: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is asked of the rules.

    `select` and `ignore` hold selectors: `ALL`, a family (`PRB`), a longer prefix (`PRB0`) or a code (`PRB001`).
    For each rule the longest selector that covers it decides; between equally long ones, `ignore` does.

    Attributes:
        severity: Severity by code, in place of the base one; `off` deselects.
        fix: Grade of the fix by code, in place of its own.
        options: Settings of single rules, by code and name.
        outcome_semantics: Whether a stage's own outcome is due on leaving it (`exit`) or on entering it (`entry`).
    """

    select: tuple[str, ...] = (EVERYTHING,)
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, SeveritySetting] = field(default_factory=dict)
    fix: Mapping[str, Safety] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    outcome_semantics: OutcomeSemantics = "exit"

    def selected(self, code: str) -> bool:
        """Whether the rule is to be run."""
        if self.severity.get(code) == "off":
            return False
        return _reach(self.select, code) > _reach(self.ignore, code)

    def severity_of(self, code: str, base: Severity) -> Severity:
        """The severity of a rule's findings; that of a rule that is off is its base one."""
        wanted = self.severity.get(code, base)
        return base if wanted == "off" else wanted

    def grade_of(self, code: str, base: Safety) -> Safety:
        """The grade of a rule's fix, promoted or demoted."""
        return self.fix.get(code, base)

    def option(self, code: str, name: str, default: Any) -> Any:
        """One setting of one rule."""
        return self.options.get(code, {}).get(name, default)

    def narrowed(self, select: Iterable[str] = (), ignore: Iterable[str] = ()) -> Policy:
        """The policy with the command line's wishes.

        Args:
            select: Takes the place of `select`, unless empty. A selector that `ignore` also holds is taken out there:
                who asks for `CHK013` by name means it, and an empty answer would look like a clean one.
            ignore: Is added to `ignore`.
        """
        wanted = tuple(select)
        kept = tuple(one for one in self.ignore if one not in wanted)
        return replace(self, select=wanted or self.select, ignore=(*kept, *ignore))

    def digest(self) -> str:
        """Identifies the content, whatever the order it was written in."""
        content = {
            "select": sorted(set(self.select)),
            "ignore": sorted(set(self.ignore)),
            "severity": dict(self.severity),
            "fix": dict(self.fix),
            "options": {code: dict(given) for code, given in self.options.items() if given},
            "outcome_semantics": self.outcome_semantics,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """The clause naming what is most like a word, such as `; did you mean 'select'?`; empty when nothing is."""
    near = nearest(word, names)
    return f"; did you mean {near!r}?" if near else ""


def nearest(word: str, names: Iterable[str]) -> str:
    """What is most like a word, in capitals or not; empty when nothing is."""
    by_folded = {name.casefold(): name for name in sorted(names)}
    near = difflib.get_close_matches(word.casefold(), by_folded, n=1)
    return by_folded[near[0]] if near else ""


def check_policy(
    policy: Policy, known: Collection[str], *, file: str = "", locate: Callable[..., int] | None = None
) -> list[Problem]:
    """What a policy says about rules that do not exist, or options they do not take.

    Args:
        policy: What to check.
        known: The code of every rule, custom ones included.
        file: The file the policy was read from.
        locate: Gives the line of a key path such as `("rules", "select", 0)`; `Settings.locate` is one.

    Returns:
        The problems, without a file and a line where the policy came from the command line.
    """
    problems = [
        Problem(message=message, file=file, line=locate(*path) if locate else 0)
        for path, message in (*_bad_selectors(policy, known), *_bad_codes(policy, known), *_bad_options(policy, known))
    ]
    if not problems and not any(policy.selected(code) for code in known):
        line = locate("rules", "select") if locate else 0
        problems.append(Problem(message="select: no rule is left to judge by", file=file, line=line))
    return problems


def _family(selector: str) -> str:
    return selector.rstrip("0123456789")


def _covers(selector: str, code: str) -> bool:
    """Whether a selector means a code. A family must be named whole: `AC` does not mean the rules of `ACME`."""
    return selector == EVERYTHING or (code.startswith(selector) and _family(selector) == _family(code))


def _reach(selectors: Iterable[str], code: str) -> int:
    """How closely the closest selector means a code: -1 for not at all, 0 for `ALL`, else the selector's length."""
    return max((0 if one == EVERYTHING else len(one) for one in selectors if _covers(one, code)), default=-1)


def _bad_selectors(policy: Policy, known: Collection[str]) -> Iterator[tuple[_Path, str]]:
    names = {*known, *(_family(code) for code in known), EVERYTHING}
    for key, selectors in (("select", policy.select), ("ignore", policy.ignore)):
        for index, selector in enumerate(selectors):
            if selector != EVERYTHING and not any(_covers(selector, code) for code in known):
                guess = did_you_mean(selector, names)
                yield ("rules", key, index), f"{key}: there is no rule or family {selector!r}{guess}"


def _bad_codes(policy: Policy, known: Collection[str]) -> Iterator[tuple[_Path, str]]:
    tables: tuple[tuple[str, Iterable[str]], ...]
    tables = (("severity", policy.severity), ("fix", policy.fix), ("options", policy.options))
    for key, codes in tables:
        for code in codes:
            if code not in known:
                yield ("rules", key, code), f"{key}: there is no rule {code!r}{did_you_mean(code, known)}"


def _bad_options(policy: Policy, known: Collection[str]) -> Iterator[tuple[_Path, str]]:
    for code, given in policy.options.items():
        if code not in known:
            continue
        taken = RULE_OPTIONS.get(code, {})
        for name, value in given.items():
            path = ("rules", "options", code, name)
            if name not in taken:
                names = f"; it takes {', '.join(taken)}" if taken else "; it takes none"
                yield path, f"options: {code} has no option {name!r}{did_you_mean(name, taken) or names}"
            elif isinstance(value, bool) or not isinstance(value, int) or value < 0:
                yield path, f"options: {code}.{name}: a whole number from 0 up, not {value!r}"
