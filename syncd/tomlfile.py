"""TOML files that people write: what they hold, the line of each key, and whatever in them does not fit a type.

Not for: any particular file (`syncd.config`, `syncd.process`, `syncd.mapping`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from syncd.errors import ConfigError, Problem
from syncd.places import KeyPath, Places, find_places
from syncd.policy import did_you_mean

_LONGEST_SHOWN: Final = 40

_WORDS: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "date": "a day such as 2026-12-31",
}

Misfit = tuple[KeyPath, str]
"""Where something does not fit, and why, for people."""


@dataclass(frozen=True)
class TomlFile:
    """A file as read.

    Attributes:
        file: As the person named it.
        text: Its content.
        values: What it says.
    """

    file: str
    text: str
    values: dict[str, Any]

    @cached_property
    def places(self) -> Places:
        """The lines of its keys; looked for only when asked, as most files have nothing wrong."""
        return find_places(self.text)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """What is wrong with a key, with its place; the message gets the key's whole name in front."""
        name = dotted(path)
        return Problem(message=f"{name}: {message}" if name else message, file=self.file, line=self.places(*path))

    def has(self, path: KeyPath) -> bool:
        """Whether the key stands in this file."""
        return path in self.places.lines


def read_toml(path: Path) -> TomlFile:
    """Read a file.

    Raises:
        ConfigError: It cannot be read, is not UTF-8, or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(Problem(message=f"cannot be read: {error.strerror}", file=str(path))) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        message = "is not UTF-8 text (utf-8); save it as UTF-8"
        raise ConfigError(Problem(message=message, file=str(path), line=line)) from None
    return parse_toml(str(path), text)


def parse_toml(file: str, text: str) -> TomlFile:
    """Read a text.

    Raises:
        ConfigError: It is not TOML.
    """
    try:
        return TomlFile(file, text, tomllib.loads(text))
    except ValueError as error:
        raise ConfigError(_syntax_problem(file, text, str(error))) from error
    except RecursionError as error:
        raise ConfigError(Problem(message="tables or lists are nested too deeply", file=file)) from error


def _syntax_problem(file: str, text: str, message: str) -> Problem:
    """The parser's complaint with the place it names; it says "at end of document" where a text stops too early."""
    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    if place is None:
        return Problem(message=f"is not TOML: {message}", file=file)
    line, column = (int(one) for one in place.groups()) if place[1] else (len(text.splitlines()) or 1, 0)
    return Problem(message=f"is not TOML: {message[: place.start()]}", file=file, line=line, column=column)


def misfits(value: Any, wanted: Any, path: KeyPath = ()) -> list[Misfit]:
    """Everything in a value that does not fit a type: unknown keys, missing ones, wrong types and words.

    Args:
        value: As `tomllib` gives it.
        wanted: The type, which may be a `msgspec.Struct`.
        path: Where the value stands.
    """
    whole = list(_whole(value, wanted, path))
    # Msgspec stops at the first, and knows no nearest names.
    return whole and (list(_parts(value, wanted, path)) or whole)


def _parts(value: Any, wanted: Any, path: KeyPath) -> Iterator[Misfit]:
    """What does not fit inside a table or a list, part by part."""
    kind = get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield from _members(value, kind, path)
    elif isinstance(value, dict) and origin is dict:
        for key, one in value.items():
            yield from misfits(one, inner[1], (*path, key))
    elif isinstance(value, list) and origin in {list, tuple}:
        for index, one in enumerate(value):
            yield from misfits(one, inner[0], (*path, index))


def _members(value: dict[str, Any], kind: type[msgspec.Struct], path: KeyPath) -> Iterator[Misfit]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name, one in value.items():
        if name in fields:
            yield from misfits(one, fields[name].type, (*path, name))
        else:
            guess = did_you_mean(name, fields) or f"; the keys here are {', '.join(fields)}"
            yield (*path, name), f"unknown key{guess}"
    for name, field in fields.items():
        if field.required and name not in value:
            yield path, f"{name} is missing"


def _whole(value: Any, wanted: Any, path: KeyPath) -> Iterator[Misfit]:
    """What only the value as a whole shows."""
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        message, inner = _split(str(error))
        words = _words(wanted)
        if words and isinstance(value, str):
            choice = " or ".join(word if word.isidentifier() else repr(word) for word in words)
            yield path, f"{choice}, not {shown(value)}{did_you_mean(value, words)}"
        else:
            yield (*path, *inner), _plain(message, _at(value, inner))


def _words(wanted: Any) -> tuple[str, ...]:
    """The words a setting is a choice of; none where it is something else."""
    if get_origin(wanted) is Literal:
        return tuple(word for word in get_args(wanted) if isinstance(word, str))
    parts = get_args(wanted) if get_origin(wanted) in {Union, UnionType} else ()
    return tuple(word for part in parts for word in _words(part))


def _split(error: str) -> tuple[str, KeyPath]:
    """Msgspec's complaint and the keys of its place, ``$.auth[2].type``; a key it cannot name (`[...]`) ends them."""
    message, _, place = error.partition(" - at `$")
    known = place.removesuffix("`").partition("[...]")[0]
    parts = re.findall(r"\.([^.\[]+)|\[(\d+)\]", known)
    return message, tuple(int(index) if index else key for key, index in parts)


def _at(value: Any, path: KeyPath) -> Any:
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _plain(message: str, value: Any) -> str:
    """Msgspec's complaint in plain words: ``Expected `int`, got `str` `` becomes "a whole number, not 'many'"."""
    match = re.fullmatch(r"Expected `([^`]+)`(?:, got `[^`]+`|(.*))", message)
    if match is None:
        return message[:1].lower() + message[1:]
    kinds = [kind.strip() for kind in match[1].split("|") if kind.strip() != "null"]
    # A text in place of a table, as in auth = "...", may well be a secret.
    found = "a text" if "object" in kinds and isinstance(value, str) else shown(value)
    return f"{' or '.join(_WORDS.get(kind, kind) for kind in kinds)}{match[2] or ''}, not {found}"


def dotted(path: KeyPath) -> str:
    """A key path as a person would write it: `sources.export.columns[2]`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{_quoted(part)}" for part in path)
    return "".join(parts).removeprefix(".")


def _quoted(key: str) -> str:
    return f'"{key}"' if "." in key else key


def shown(value: object) -> str:
    """A value for a message: as it is written, short."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}...")
    return str(value)
