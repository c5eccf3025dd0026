"""Rules of a company's own: the tables `[rules.custom.CODE]`.

Not for: compiling their conditions, or knowing which stages exist (`syncd.rules`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from syncd.config.settings import KEYS, CustomFix, CustomRuleSettings
from syncd.config.table import Table, is_number
from syncd.model import FIELDS, SEVERITIES
from syncd.policy import did_you_mean
from syncd.tomlfile import shown

BUILT_IN_FAMILIES: Final = ("PRB", "STG", "OUT", "CHK", "ASM", "REV", "DAT", "OWN", "SYN")
"""The families no custom code may start with."""

_CODE: Final = re.compile(r"[A-Z]{2,8}[0-9]{3}")
_GRADES: Final[tuple[Literal["safe", "unsafe"], ...]] = ("unsafe", "safe")


def read_custom_rules(rules: Table) -> tuple[CustomRuleSettings, ...]:
    """Every custom rule of the table `[rules]`, in the order written."""
    return tuple(_rule(code, table) for code, table in rules.table("custom").tables())


def _rule(code: str, table: Table) -> CustomRuleSettings:
    before = len(table.document.problems)
    table.refuse_unknown(KEYS["rules.custom.CODE"])
    _check_code(code, table)
    places = table.document.places
    rule = CustomRuleSettings(
        code=code,
        severity=table.choice("severity", SEVERITIES, "warning"),
        message=table.required("message", "what is wrong where the rule is broken, for people"),
        condition=table.required("when", "a CEL expression that is true where the rule is broken"),
        phrase=table.text("phrase"),
        fix=_fix(table) if "fix" in table.values else None,
        field=_field(table),
        line=places(*table.path),
        condition_line=places.of_text(*table.path, "when"),
    )
    return replace(rule, sound=len(table.document.problems) == before)


def _check_code(code: str, table: Table) -> None:
    if not _CODE.fullmatch(code):
        table.document.report(table.path, "a rule's code is two to eight capital letters and three digits: ACME001")
    elif code.startswith(BUILT_IN_FAMILIES):
        table.document.report(table.path, f"codes in {', '.join(BUILT_IN_FAMILIES)} are syncd's own; take another word")


def _field(table: Table) -> str:
    name = table.text("field")
    if name and "." not in name and name not in FIELDS:
        guess = did_you_mean(name, FIELDS)
        table.report("field", f"a canonical field or an evidence id such as proof.verbal_approval, not {name!r}{guess}")
    return name


def _fix(table: Table) -> CustomFix:
    fix = table.table("fix")
    fix.refuse_unknown(KEYS["rules.custom.CODE.fix"])
    edits = fix.table("set")
    if not edits.values and isinstance(fix.values.get("set", {}), dict):
        fix.document.report(fix.path, 'set is missing: the fields to write, such as { stage = "qualify" }')
    values: dict[str, Any] = {}
    for field, value in edits.values.items():
        read = _SETTABLE.get(field)
        if read is None:
            guess = did_you_mean(field, _SETTABLE)
            edits.report(field, f"a fix can set {', '.join(_SETTABLE)}, and never evidence{guess}")
            continue
        meaning, convert = read
        values[field] = convert(value)
        if values[field] is None:
            edits.report(field, f"{meaning}, not {shown(value)}")
    return CustomFix(safety=fix.choice("safety", _GRADES, "unsafe"), set=values)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _percent(value: object) -> int | float | None:
    return value if is_number(value) and 0 <= value <= 100 else None  # noqa: PLR2004


def _amount(value: object) -> Decimal | None:
    try:
        amount = Decimal(value if isinstance(value, str) else str(value)) if not isinstance(value, bool) else None
    except InvalidOperation:
        return None
    return amount if amount is not None and amount.is_finite() else None


def _day(value: object) -> date | None:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


_SETTABLE: Final[Mapping[str, tuple[str, Callable[[object], Any]]]] = {
    "stage": ("a stage id", _text),
    "probability": ("a number from 0 to 100", _percent),
    "close_date": ("a day such as 2026-12-31", _day),
    "amount": ('an amount such as 1000 or "1000.50"', _amount),
    "owner": ("a text", _text),
    "name": ("a text", _text),
    "account": ("a text", _text),
}
