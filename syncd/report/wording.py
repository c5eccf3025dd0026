"""How reports say figures, money, stages and edits in words, the same in every format for people.

Not for: machine formats, which hold the values themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from syncd.model import NO_CURRENCY, Edit, Fix
from syncd.report.hostile import clean, clip

VALUE_LENGTH: Final = 60
"""The most characters of one value shown to people."""

# Beyond this many digits a figure is a slip of the keyboard or an attack on the width of the page.
_MOST_DIGITS: Final = 24


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 record`, `1,187 records`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def money(amount: str) -> str:
    """A decimal string with thousands separators; anything else as cleaned text."""
    return _money(amount, ",f")


def whole_money(amount: str) -> str:
    """The same rounded to whole units."""
    return _money(amount, ",.0f")


def _money(amount: str, form: str) -> str:
    try:
        value = Decimal(amount)
    except InvalidOperation:
        return clip(amount, VALUE_LENGTH)
    if not value.is_finite() or not -_MOST_DIGITS < value.adjusted() < _MOST_DIGITS:
        return clip(amount, VALUE_LENGTH)
    return format(value, form)


def amount_words(amount: str | None, currency: str | None) -> str:
    """`USD 200,000.00`, or nothing where there is no amount."""
    if amount is None:
        return ""
    return f"{currency_words(currency)} {money(amount)}" if currency else money(amount)


def currency_words(currency: str | None) -> str:
    """The currency's code, or `no currency`."""
    return "no currency" if not currency or currency == NO_CURRENCY else clip(currency, 8)


def stage_words(stage: str | None) -> str:
    """A stage's id as words: `Demand Generation`."""
    return clip(stage.replace("_", " ").title(), VALUE_LENGTH) if stage else "no stage"


def figure(number: float) -> str:
    """A number without a needless fraction: `60`, `33.3`."""
    return f"{int(number)}" if isinstance(number, float) and number.is_integer() else f"{number}"


def probability_words(probability: float | None) -> str:
    """`60 %`, or `no probability`."""
    return "no probability" if probability is None else f"{figure(probability)} %"


def value_words(value: Any) -> str:
    """Any plain value for people; a blank one is `none`."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return figure(value)
    if isinstance(value, list | tuple):
        return clip(", ".join(value_words(one) for one in value), VALUE_LENGTH)
    return clip(value if isinstance(value, str) else msgspec.json.encode(value).decode(), VALUE_LENGTH)


def edit_words(field: str, edit: Edit) -> tuple[str, str]:
    """What a field was and would be, in words."""
    if field == "stage":
        return stage_words(edit.before), stage_words(edit.after)
    return value_words(edit.before), value_words(edit.after)


def edits_words(edits: Mapping[str, Edit]) -> str:
    """`stage Close → Prospect, probability 80 → 0`."""
    parts = []
    for field, edit in edits.items():
        before, after = edit_words(field, edit)
        parts.append(f"{clean(field)} {before} → {after}")
    return ", ".join(parts)


def fix_words(fix: Fix) -> str:
    """`fix (safe): probability 60 → 40`."""
    return f"fix ({fix.safety}): {edits_words(fix.set)}"


def listed(words: Iterable[str], most: int) -> str:
    """The words with commas; those past `most` are only counted."""
    every = list(words)
    shown = ", ".join(every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most:,} more"
