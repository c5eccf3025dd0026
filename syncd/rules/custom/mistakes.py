"""What is wrong with a condition, in words for the person who wrote it, and where it stands.

Not for: finding out whether it is wrong; that is the CEL library's part (`syncd.rules.custom.condition`).
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from syncd.policy import did_you_mean

FUNCTIONS: Final = (
    "all", "contains", "duration", "double", "endsWith", "exists", "exists_one", "filter", "getDate", "getDayOfMonth",
    "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth",
    "getSeconds", "int", "map", "matches", "size", "startsWith", "string", "timestamp",
)  # fmt: skip
"""The functions and macros of standard CEL that are of use here, for the nearest name."""

_STRING: Final = (
    r"[bB]?[rR][bB]?(?:\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|\"[^\"\n]*\"|'[^'\n]*')"
    r"|[bB]?(?:\"\"\"(?:[^\\]|\\[\s\S])*?\"\"\"|'''(?:[^\\]|\\[\s\S])*?'''"
    r"|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
)
_COMMENT: Final = re.compile(rf"(?P<string>{_STRING})|//[^\n]*")
_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_TOKEN: Final = re.compile(
    rf"(?P<string>{_STRING})|(?P<number>[0-9][0-9A-Za-z_]*(?:\.[0-9][0-9A-Za-z]*)?)"
    rf"|(?P<name>(?:\.\s*)?{_NAME}(?:\s*\.\s*{_NAME})*)|(?P<mark>==|!=|<=|>=|<>|&&|\|\||\S)"
)
_ERROR: Final = re.compile(r"^(?:INVALID_ARGUMENT: )?ERROR: <input>:(\d+):(\d+): (.*)$", re.MULTILINE)
_OVERLOAD: Final = re.compile(r"found no matching overload for '(.+)' applied to '(?:\w+\.)?\((.*)\)'")
_PLAIN_TEXT: Final = re.compile(r"'[^'\\\n]*'|\"[^\"\\\n]*\"")
_EQUALITY: Final = ("==", "!=")
_SYNTAX: Final = re.compile(
    r"(?:(?:mismatched|extraneous) input|no viable alternative at input) '(.*?)'(?: expecting .*)?"
)

_KINDS: Final[Mapping[str, str]] = {
    "string": "a text",
    "double": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "timestamp": "a time",
    "google.protobuf.timestamp": "a time",
    "duration": "a duration",
    "google.protobuf.duration": "a duration",
    "null_type": "null",
}
_PLAIN_MARKS: Final = "texts stand in plain quotation marks, \" or '"
_SLIPS: Final[Mapping[str, str]] = {
    "=": "to compare, write ==",
    "and": "write && for and",
    "or": "write || for or",
    "not": "write ! for not",
    "<>": "write != for not equal",
    "&": "write && for and",
    "|": "write || for or",
    "\N{LEFT SINGLE QUOTATION MARK}": _PLAIN_MARKS,
    "\N{RIGHT SINGLE QUOTATION MARK}": _PLAIN_MARKS,
    "\N{LEFT DOUBLE QUOTATION MARK}": _PLAIN_MARKS,
    "\N{RIGHT DOUBLE QUOTATION MARK}": _PLAIN_MARKS,
    ",": "a list stands in brackets, [1, 2], and numbers have no thousands marks",
}
"""What people used to SQL or spreadsheets write, and what CEL wants."""

_NO_NULL: Final = 'nothing is ever null here: ask whether a text is "", or blank.close_date and the like'
_NO_HAS: Final = "has() tells nothing here: ask blank.close_date and the like; what is unknown stays unknown by itself"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with a condition.

    Attributes:
        offset: Where, in characters from its start; None for all of it.
    """

    offset: int | None
    message: str


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Source:
    """A condition as text.

    Attributes:
        names: The names it may use, in the order of the chart.
    """

    text: str
    names: Collection[str]

    @cached_property
    def tokens(self) -> tuple[_Token, ...]:
        """Its parts in order, comments left out; a dotted name is one part."""
        # Comments become spaces first, since one may stand in the middle of a dotted name.
        bare = _COMMENT.sub(lambda found: found[0] if found["string"] else " " * len(found[0]), self.text)
        return tuple(
            _Token(str(found.lastgroup), found[0], found.start(), found.end()) for found in _TOKEN.finditer(bare)
        )

    @property
    def start(self) -> int:
        """Where its first part stands."""
        return self.tokens[0].start if self.tokens else 0

    def offset(self, line: int, column: int) -> int:
        """The offset of a line and column, both counted from 1."""
        before = self.text.split("\n")[: line - 1]
        return sum(len(one) + 1 for one in before) + column - 1

    def place(self, offset: int) -> tuple[int, int, str]:
        """The line and column of an offset, both counted from 1, and that line with a caret below the column."""
        line = self.text.count("\n", 0, offset)
        written = self.text.split("\n")[line]
        column = offset - (self.text.rfind("\n", 0, offset) + 1)
        return line + 1, column + 1, f"    {written}\n    {_as_wide_as(written[:column])}^"

    def token_at(self, offset: int) -> int | None:
        """The number of the part that covers an offset."""
        return next((number for number, one in enumerate(self.tokens) if one.start <= offset < one.end), None)

    def pointless(self) -> Iterator[Mistake]:
        """What compiles and yet never asks what it seems to ask."""
        for number, token in enumerate(self.tokens):
            if token.text == "null":
                yield Mistake(token.start, _NO_NULL)
            elif token.text == "has" and self.is_called(number):
                yield Mistake(token.start, _NO_HAS)

    def texts_given_to(self, functions: Collection[str]) -> Iterator[tuple[str, int, str]]:
        """Each call of these functions with one literal text: the function, the text's offset and the text."""
        for number, token in enumerate(self.tokens):
            function = _squeezed(token.text).rsplit(".", 1)[-1]
            after = self.tokens[number + 1 : number + 4]
            shape = " ".join(one.kind if one.kind == "string" else one.text for one in after)
            if function in functions and shape == "( string )":
                yield function, after[1].start, after[1].text

    def texts_compared_with(self, names: Collection[str]) -> Iterator[tuple[str, int, str]]:
        """Each plain text that one of these names is compared with: the name, the text's offset and the text."""
        for number, token in enumerate(self.tokens):
            if token.kind != "name" or (name := _squeezed(token.text)) not in names:
                continue
            before, after = self.tokens[max(number - 2, 0) : number], self.tokens[number + 1 :]
            texts = list(before[:1]) if before and before[-1].text in _EQUALITY else []
            if after and after[0].text in _EQUALITY:
                texts += after[1:2]
            elif [one.text for one in after[:2]] == ["in", "["]:
                texts += itertools.takewhile(lambda one: one.text != "]", after[2:])
            for one in texts:
                if found := _PLAIN_TEXT.fullmatch(one.text):
                    yield name, one.start, found[0][1:-1]

    def is_called(self, number: int) -> bool:
        """Whether the part with this number is followed by an opening bracket."""
        return number + 1 < len(self.tokens) and self.tokens[number + 1].text == "("


def explain(error: str, source: Source) -> Iterator[Mistake]:
    """Translate what the CEL library says of a condition.

    Args:
        error: Its whole text, one or several errors.
        source: The condition.
    """
    found = list(_ERROR.finditer(error))
    if not found:
        if "recursion limit" in error:
            yield Mistake(None, "the condition is nested too deeply: use fewer brackets inside brackets")
        else:
            yield Mistake(None, f"the condition cannot be used: {error}")
    for line, column, said in (one.groups() for one in found):
        offset = source.offset(int(line), int(column))
        words = said.removesuffix(" [INVALID_ARGUMENT]")
        if words.startswith("Syntax error: "):
            # One slip makes the parser stumble several times; only the first time tells something.
            yield Mistake(offset, _syntax(words.removeprefix("Syntax error: "), offset, source))
            return
        yield _meaning(words, offset, source)


def kind_name(cel_type: str) -> str:
    """What a CEL type is called here."""
    return _KINDS.get(cel_type.lower(), f"of the type {cel_type}")


def _meaning(words: str, offset: int, source: Source) -> Mistake:
    number = source.token_at(offset)
    if words.startswith("undeclared reference to ") and number is not None:
        if source.tokens[number].text == "(":
            return _unknown_function(words.split("'")[1], number, source)
        return _unknown_name(number, source)
    if "cannot be the operand of a select" in words and number is not None and source.tokens[number].kind == "name":
        return _unknown_name(number, source)
    if overload := _OVERLOAD.fullmatch(words):
        return Mistake(offset, _overload(overload[1], overload[2]))
    return Mistake(offset, words)


def _unknown_name(number: int, source: Source) -> Mistake:
    token = source.tokens[number]
    name = _squeezed(token.text)
    if called := source.is_called(number):
        name = name.rsplit(".", 1)[0]
    guess = did_you_mean(name, source.names)
    if fact := next((one for one in source.names if one.startswith(f"{name}.")), None):
        guess = f'; the stage is "{name}" with quotation marks, and its facts have names such as {fact}'
    elif not guess and not called and "." not in name:
        guess = "; texts stand in quotation marks"
    return Mistake(token.start, f"there is no name {name!r}{guess}")


def _unknown_function(name: str, bracket: int, source: Source) -> Mistake:
    before = source.tokens[bracket - 1]
    offset = before.end - len(name) if before.text.endswith(name) else before.start
    if name in FUNCTIONS:
        return Mistake(offset, f"{name} is not used like this: it takes something else")
    return Mistake(offset, f"there is no function {name!r}{did_you_mean(name, FUNCTIONS)}")


def _overload(function: str, given: str) -> str:
    kinds = [kind.strip() for kind in given.split(",")]
    what = " and ".join(_KINDS.get(kind.lower(), kind) for kind in kinds)
    shown = "? :" if function == "_?_:_" else function.replace("_", "") if function.startswith("_") else function
    shown = shown.removesuffix("_")
    hint = ""
    if set(kinds) == {"double", "int"}:
        hint = "; write 50.0 beside amount and probability, and 50 beside an index"
    elif "google.protobuf.Timestamp" in kinds and "string" in kinds:
        hint = '; write a time as timestamp("2026-12-31T00:00:00Z")'
    elif "google.protobuf.Timestamp" in kinds and "int" in kinds:
        hint = '; write a span of days in hours, as in duration("720h") for 30 days'
    elif function in ("_==_", "_!=_") and "bool" in kinds and "string" in kinds:
        hint = "; write true and false without quotation marks"
    return f"`{shown}` does not go with {what}{hint}"


def _syntax(words: str, offset: int, source: Source) -> str:
    number = source.token_at(offset)
    if number is None:
        return "ends too early: something is missing here"
    token = source.tokens[number]
    before = source.tokens[number - 1].text if number else ""
    slip = _SLIPS.get(token.text) or _SLIPS.get(before)
    if slip:
        return slip
    if words.startswith("token recognition error"):
        if token.text in "\"'":
            return "a text begins here whose quotation mark is missing at the end"
        return f"{token.text!r} means nothing here"
    if stray := _SYNTAX.fullmatch(words):
        return f"{stray[1]!r} does not fit here"
    return words


def _squeezed(name: str) -> str:
    return re.sub(r"\s", "", name).removeprefix(".")


def _as_wide_as(text: str) -> str:
    """Space that takes as much room as a text does; tabs stay, since their width is the reader's."""
    wide = (unicodedata.east_asian_width(one) in "WF" for one in text)
    return "".join("\t" if one == "\t" else "  " if two else " " for one, two in zip(text, wide, strict=True))
