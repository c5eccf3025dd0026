"""A table of a configuration, read key by key; what is wrong is noted with its line and reading goes on.

Not for: knowing what any particular key means (`syncd.config.load`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from syncd.errors import Problem
from syncd.places import KeyPath, Places
from syncd.policy import did_you_mean
from syncd.tomlfile import dotted, shown

Choice = TypeVar("Choice", bound=str)


@dataclass(frozen=True)
class Document:
    """A file being read.

    Attributes:
        problems: What was wrong so far.
    """

    file: str
    places: Places
    problems: list[Problem] = field(default_factory=list)

    def report(self, path: KeyPath, message: str) -> None:
        """Note what is wrong with a key; the message gets the key's whole name in front."""
        name = dotted(path)
        text = f"{name}: {message}" if name else message
        self.problems.append(Problem(message=text, file=self.file, line=self.places(*path)))


@dataclass(frozen=True)
class Table:
    """One table of a document. Each reader gives the default where the key is absent or wrong."""

    document: Document
    path: KeyPath
    values: Mapping[str, Any]

    def report(self, key: str, message: str) -> None:
        """Note what is wrong with one key."""
        self.document.report((*self.path, key), message)

    def refuse_unknown(self, keys: Collection[str]) -> None:
        """Note every key that is not one of these."""
        for key in self.values:
            if key not in keys:
                guess = did_you_mean(key, keys) or f"; the keys here are {', '.join(keys)}"
                self.report(key, f"unknown key{guess}")

    def text(self, key: str, default: str = "") -> str:
        """A text that is not blank."""
        value = self.values.get(key, default)
        if isinstance(value, str) and (value.strip() or key not in self.values):
            return value
        self.report(key, f"a text, not {shown(value)}")
        return default

    def required(self, key: str, meaning: str) -> str:
        """A text that must be there.

        Args:
            key: Its name.
            meaning: What it says, for the message about its absence.
        """
        if key not in self.values:
            meant = [other for other in self.values if did_you_mean(other, (key,))]
            guess = f"; is {meant[0]!r} meant to be it?" if meant else ""
            self.document.report(self.path, f"{key} is missing: {meaning}{guess}")
        return self.text(key)

    def choice(self, key: str, choices: tuple[Choice, ...], default: Choice) -> Choice:
        """One of a few words."""
        value = self.values.get(key, default)
        for one in choices:
            if value == one:
                return one
        guess = did_you_mean(value, choices) if isinstance(value, str) else ""
        self.report(key, f"{' or '.join(choices)}, not {shown(value)}{guess}")
        return default

    def whole(self, key: str, default: int, least: int) -> int:
        """A whole number."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            self.report(key, f"a whole number, not {shown(value)}")
        elif value < least:
            self.report(key, f"a whole number from {least} up, not {shown(value)}")
        else:
            return value
        return default

    def percent(self, key: str, default: float, *, zero: bool = False) -> float:
        """A number up to 100, above 0 or from it on."""
        value = self.values.get(key, default)
        if is_number(value) and 0 <= value <= 100 and (value or zero):  # noqa: PLR2004 - percent
            return float(value)
        span = "from 0 to 100" if zero else "above 0 and up to 100"
        self.report(key, f"a number {span}, not {shown(value)}")
        return default

    def positive(self, key: str, default: float) -> float:
        """A number above 0."""
        value = self.values.get(key, default)
        if is_number(value) and value > 0:
            return float(value)
        self.report(key, f"a number above 0, not {shown(value)}")
        return default

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of texts."""
        value = self.values.get(key, default)
        if not isinstance(value, list | tuple):
            self.report(key, f'a list of texts such as ["PRB", "STG005"], not {shown(value)}')
            return default
        for index, one in enumerate(value):
            if not isinstance(one, str) or not one.strip():
                self.document.report((*self.path, key, index), f"a text, not {shown(one)}")
        return tuple(one for one in value if isinstance(one, str))

    def zone(self, key: str, default: ZoneInfo) -> ZoneInfo:
        """A time zone by its IANA name."""
        if key not in self.values:
            return default
        name = self.values[key]
        if not isinstance(name, str):
            self.report(key, f'a time zone such as "Europe/Berlin", not {shown(name)}')
            return default
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # unknown, not a name at all, a folder of names
            guess = did_you_mean(name, available_timezones()) or '; one is "Europe/Berlin"'
            self.report(key, f"there is no time zone {shown(name)}{guess}")
            return default

    def table(self, key: str) -> Table:
        """A table within this one; an empty one where it is absent or wrong."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            self.report(key, f"a table, not {shown(value)}")
            value = {}
        return Table(self.document, (*self.path, key), value)

    def tables(self) -> list[tuple[str, Table]]:
        """Every key of this table as a table of its own; those that are something else are noted and left out."""
        for key, value in self.values.items():
            if not isinstance(value, dict):
                self.report(key, f"a table, not {shown(value)}")
        return [(key, self.table(key)) for key, value in self.values.items() if isinstance(value, dict)]


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a finite number; true and false are none."""
    return not isinstance(value, bool) and (
        isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    )
