"""Where each key of a TOML text stands, which the standard parser does not say.

Not for: parsing values or finding mistakes; the text must be one that `tomllib` accepts.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

KeyPath = tuple[str | int, ...]
"""Keys from the top down; a number is an index into an array or an array of tables."""

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*+)*+")
_SPACE: Final = re.compile(r"[ \t]*")
_KEY: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*'""")
# The closing marks of a multi-line string may be preceded by one or two marks that belong to it.
_STRING: Final = re.compile(
    r'''"""(?:[^"\\]|\\.|"{1,2}+(?!"))*+"{3,5}|"(?:[^"\\\n]|\\.)*+"'''
    r"""|'''(?:[^']|'{1,2}+(?!'))*+'{3,5}|'[^'\n]*'""",
    re.DOTALL,
)
_SCALAR: Final = re.compile(r"[^,\]}\n#]+")


@dataclass(frozen=True)
class Places:
    """Lines of keys, counted from 1, below a base.

    Attributes:
        lines: The line of each key, or of each element of an array.
        texts: The line on which a string's content begins, where that is not the line of its opening mark.
        base: The key path that calls start from.
    """

    lines: Mapping[KeyPath, int]
    texts: Mapping[KeyPath, int]
    base: KeyPath = ()

    def __call__(self, *path: str | int) -> int:
        """The line of a key, or of the nearest table around it; 0 when there is none."""
        full = (*self.base, *path)
        while full and full not in self.lines:
            full = full[:-1]
        return self.lines.get(full, 0)

    def of_text(self, *path: str | int) -> int:
        """The line on which a string's content begins, for errors inside it."""
        return self.texts.get((*self.base, *path), 0) or self(*path)

    def within(self, *path: str | int) -> Places:
        """The same places, asked for from further down."""
        return Places(self.lines, self.texts, (*self.base, *path))


def find_places(text: str) -> Places:
    """Find the line of every key and array element.

    Args:
        text: A text that `tomllib.loads` accepts.
    """
    scanner = _Scanner(text)
    scanner.scan()
    return Places(scanner.lines, scanner.texts)


class _Scanner:
    """One trip through a text, from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self.texts: dict[KeyPath, int] = {}
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._tables: dict[KeyPath, int] = {}  # how many tables an array of tables has so far

    def scan(self) -> None:
        table: KeyPath = ()
        self._match(_BLANK)
        while self.at < len(self.text):
            if self._take("[["):
                table = self._header(array=True)
            elif self._take("["):
                table = self._header(array=False)
            else:
                self._pair(table)
            self._match(_BLANK)

    def _header(self, *, array: bool) -> KeyPath:
        line = self._line()
        keys = self._keys()
        self._match(_BLANK)
        self.at += 2 if array else 1
        path: KeyPath = ()
        for key in keys[:-1]:
            path = (*path, key)
            self.lines.setdefault(path, line)
            if path in self._tables:
                path = (*path, self._tables[path] - 1)
        path = (*path, keys[-1])
        if array:
            self.lines.setdefault(path, line)
            count = self._tables.get(path, 0)
            self._tables[path] = count + 1
            path = (*path, count)
        self.lines[path] = line
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for key in self._keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self._match(_BLANK)
        self._take("=")
        self._match(_BLANK)
        self._value(path)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._match(_SPACE)
            raw = self._match(_KEY)
            keys.append(str(tomllib.loads(f"key = {raw}")["key"]) if raw[0] in "\"'" else raw)
            self._match(_SPACE)
            if not self._take("."):
                return keys

    def _value(self, path: KeyPath) -> None:
        start = self.text[self.at]
        if start in "\"'":
            self._string(path)
        elif start == "[":
            self._array(path)
        elif start == "{":
            self._inline_table(path)
        else:
            self._match(_SCALAR)

    def _string(self, path: KeyPath) -> None:
        line = self._line()
        raw = self._match(_STRING)
        # A line end straight after the opening marks is not part of the text.
        if raw[:3] in {'"""', "'''"} and raw[3:].removeprefix("\r").startswith("\n"):
            self.texts[path] = line + 1

    def _array(self, path: KeyPath) -> None:
        self._take("[")
        self._match(_BLANK)
        index = 0
        while not self._take("]"):
            element = (*path, index)
            self.lines[element] = self._line()
            self._value(element)
            self._match(_BLANK)
            self._take(",")
            self._match(_BLANK)
            index += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._take("{")
        self._match(_BLANK)
        while not self._take("}"):
            self._pair(path)
            self._match(_BLANK)
            self._take(",")
            self._match(_BLANK)

    def _line(self) -> int:
        return bisect_right(self._ends, self.at - 1) + 1

    def _take(self, mark: str) -> bool:
        found = self.text.startswith(mark, self.at)
        self.at += len(mark) if found else 0
        return found

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError(f"line {self._line()} is not TOML")
        self.at = match.end()
        return match.group()
