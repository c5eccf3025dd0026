"""What a rule of a company's own may set: a fixed value in a few fields, never evidence.

Not for: grading by policy, or merging fixes into a change (`syncd.plan`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from syncd.model import Edit, Fix, Opportunity, Safety
from syncd.policy import did_you_mean
from syncd.process import Process
from syncd.rules.custom.variables import plain

_FULL_PERCENT: Final = 100


def read_fix(given: Mapping[str, Any], process: Process) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Read what a fix should set.

    Args:
        given: By canonical field; an amount and a day also as text.
        process: Knows the stages.

    Returns:
        The values as an opportunity holds them, and what is wrong as (field, message).
    """
    values: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    for name, value in given.items():
        if name not in _SETTABLE:
            wrong.append((name, f"a fix can set {', '.join(_SETTABLE)}, and never evidence{_guess(name, _SETTABLE)}"))
            continue
        meaning, read = _SETTABLE[name]
        values[name] = read(value)
        if values[name] is None:
            wrong.append((name, f"{meaning}, not {value!r}"))
        elif name == "stage" and value not in process.stage_index:
            wrong.append((name, f"there is no stage {value!r}{_guess(value, process.stage_index)}"))
    return values, wrong


def propose(safety: Safety | None, wanted: Mapping[str, Any], opportunity: Opportunity) -> Fix | None:
    """The fix that gives an opportunity the wanted values, or None where it has them all.

    A field the source does not have cannot be written, so it is left out.
    """
    edits = {}
    for name, value in wanted.items():
        before = getattr(opportunity, name)
        if before != value and not opportunity.lacks(name):
            edits[name] = Edit(_whole(before), _whole(value))
    return Fix(safety, edits) if edits and safety not in (None, "none") else None


def _guess(name: str, names: Mapping[str, Any]) -> str:
    return did_you_mean(name, names) or f"; there are {', '.join(names)}"


def _whole(value: Any) -> Any:
    """The value as plain JSON data: what is written must not be shortened."""
    return value if isinstance(value, str) else plain(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _percent(value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _FULL_PERCENT:
        return None
    return int(value) if float(value).is_integer() else value


def _amount(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def _day(value: Any) -> date | None:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


_SETTABLE: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "stage": ("a stage id", _text),
    "probability": ("a number from 0 to 100", _percent),
    "close_date": ("a day such as 2026-12-31", _day),
    "amount": ('an amount such as 1000 or "1000.50"', _amount),
    "owner": ("a text", _text),
    "name": ("a text", _text),
    "account": ("a text", _text),
}
