"""The settings of a source that belong to its adapter.

Not for: making adapters of them (`syncd.bootstrap`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec

from syncd.config.database import holds_password, read_secret
from syncd.config.places import KeyPath
from syncd.config.settings import KEYS, SourceSettings
from syncd.config.table import Document, Table, dotted, shown
from syncd.errors import Problem
from syncd.policy import did_you_mean
from syncd.secrets import FORMS, looks_secret

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


def refuse_literal_secrets(document: Document, path: KeyPath, options: dict[str, Any]) -> None:
    """Note each secret that is written out, at any depth, without repeating it."""
    for key, value in options.items():
        table = Table(document, path, options)
        if looks_secret(key):
            read_secret(table, key)
        else:
            _refuse_within(document, (*path, key), value)


def _refuse_within(document: Document, path: KeyPath, value: Any) -> None:
    if isinstance(value, dict):
        refuse_literal_secrets(document, path, value)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            _refuse_within(document, (*path, index), one)
    elif isinstance(value, str) and "://" in value and holds_password(value):
        document.report(path, f"a password is never written here, not in a URL either; refer to it with {FORMS}")


def validate_options(source: SourceSettings, settings_type: type[msgspec.Struct]) -> list[Problem]:
    """What a source says that its adapter does not understand: unknown names, missing ones, wrong types.

    Args:
        source: Its settings as read from the file.
        settings_type: The adapter's `Settings`.

    Returns:
        The problems with their lines; when there are none, `msgspec.convert(source.options, settings_type)` works.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(settings_type)}
    problems: list[Problem] = []
    for name, value in source.options.items():
        if name in fields:
            problems.extend(_wrong_value(source, name, value, fields[name].type))
        else:
            problems.append(_problem(source, (name,), f"unknown key{_nearest(source, name, tuple(fields))}"))
    for name, field in fields.items():
        if field.required and name not in source.options:
            problems.append(_problem(source, (), f"{name} is missing: the adapter {source.adapter!r} needs it"))
    if not problems:
        problems.extend(_contradictions(source, settings_type))
    return sorted(problems, key=lambda problem: problem.line)


def _nearest(source: SourceSettings, name: str, fields: tuple[str, ...]) -> str:
    names = (*KEYS["sources.NAME"], *fields)
    return (
        did_you_mean(name, names) or f"; the adapter {source.adapter!r} takes {', '.join(fields) or 'none of its own'}"
    )


def _wrong_value(source: SourceSettings, name: str, value: Any, wanted: Any) -> Iterator[Problem]:
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        message, inner = _split(str(error))
        words = _words(wanted)
        if words and isinstance(value, str):
            yield _problem(source, (name,), f"{' or '.join(words)}, not {shown(value)}{did_you_mean(value, words)}")
        else:
            yield _problem(source, (name, *inner), _plain(message, _at(value, inner)))


def _words(wanted: Any) -> tuple[str, ...]:
    """The words a setting is a choice of; none where it is something else."""
    if get_origin(wanted) is Literal:
        return tuple(word for word in get_args(wanted) if isinstance(word, str))
    parts = get_args(wanted) if get_origin(wanted) in {Union, UnionType} else ()
    return tuple(word for part in parts for word in _words(part))


def _contradictions(source: SourceSettings, settings_type: type[msgspec.Struct]) -> Iterator[Problem]:
    """What only the settings as a whole refuse."""
    try:
        msgspec.convert(dict(source.options), settings_type)
    except msgspec.ValidationError as error:
        message, path = _split(str(error))
        yield _problem(source, path, message)


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


def _problem(source: SourceSettings, path: KeyPath, message: str) -> Problem:
    name = dotted(("sources", source.name, *path))
    return Problem(message=f"{name}: {message}", file=source.file, line=source.locate(*path))
