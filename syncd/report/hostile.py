"""CRM text made harmless: no control of the terminal, no reordering of what is read, no formula in a spreadsheet.

Not for: escaping in HTML, XML or Markdown, which each of those formats does after this.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# What a terminal obeys: CSI and OSC sequences, with either the two-character or the C1 introducer.
_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b.?"
)

# Zero-width joiner and non-joiner: format characters that Persian, Hindi and emoji cannot do without.
_JOINERS: Final = "\u200c\u200d"

# What neither a spreadsheet nor an XML file may hold. Tab, line feed and carriage return stay: they are data.
_UNSTORABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

# The characters a spreadsheet takes a formula to begin with.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")

_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?")


def clean(text: str) -> str:
    """The text on one line, free of escape sequences, control characters, bidi overrides and invisible marks."""
    if text.isprintable():
        return text
    return " ".join("".join(map(_visible, _SEQUENCE.sub("", text))).split())


def _visible(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    return "" if category in {"Cc", "Cf"} else "\N{REPLACEMENT CHARACTER}"


def clip(text: str, length: int) -> str:
    """The cleaned text, at most `length` characters long, with `…` where it was cut."""
    cleaned = clean(text)
    return cleaned if len(cleaned) <= length else cleaned[: max(length - 1, 0)] + "…"


def cell(text: str) -> str:
    """The text as a spreadsheet may hold it: a leading apostrophe keeps what looks like a formula from being one."""
    stored = text if text.isprintable() else _UNSTORABLE.sub("", text)
    return "'" + stored if stored.startswith(_FORMULA) else stored


def number_cell(text: str) -> str:
    """A decimal number as it is, so that -5 stays a number; any other text as `cell` has it."""
    return text if _NUMBER.fullmatch(text) else cell(text)
