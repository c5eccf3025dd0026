"""The settings of a source that belong to its adapter.

Not for: making adapters of them (`syncd.bootstrap`).
"""

from __future__ import annotations

from typing import Any

import msgspec

from syncd.config.database import holds_password, read_secret
from syncd.config.settings import KEYS, SourceSettings
from syncd.config.table import Document, Table
from syncd.errors import Problem
from syncd.places import KeyPath
from syncd.policy import did_you_mean
from syncd.secrets import FORMS, looks_secret
from syncd.tomlfile import dotted, misfits


def refuse_literal_secrets(document: Document, path: KeyPath, options: dict[str, Any]) -> bool:
    """Note each secret that is written out, at any depth, without repeating it; tells whether there is one."""
    before = len(document.problems)
    for key, value in options.items():
        table = Table(document, path, options)
        if looks_secret(key):
            read_secret(table, key)
        else:
            _refuse_within(document, (*path, key), value)
    return len(document.problems) > before


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
        if name in source.refused:
            continue  # a secret written out, of which nothing more may be said
        if name in fields:
            found = misfits(value, fields[name].type, (name,))
            problems.extend(_problem(source, path, message) for path, message in found)
        else:
            problems.append(_problem(source, (name,), f"unknown key{_nearest(source, name, tuple(fields))}"))
    for name, field in fields.items():
        if field.required and name not in source.options:
            problems.append(_problem(source, (), f"{name} is missing: the adapter {source.adapter!r} needs it"))
    if not problems and not source.refused:
        found = misfits(dict(source.options), settings_type)
        problems.extend(_problem(source, path, message) for path, message in found)
    return sorted(problems, key=lambda problem: problem.line)


def _nearest(source: SourceSettings, name: str, fields: tuple[str, ...]) -> str:
    names = (*KEYS["sources.NAME"], *fields)
    return (
        did_you_mean(name, names) or f"; the adapter {source.adapter!r} takes {', '.join(fields) or 'none of its own'}"
    )


def _problem(source: SourceSettings, path: KeyPath, message: str) -> Problem:
    name = dotted(("sources", source.name, *path))
    return Problem(message=f"{name}: {message}", file=source.file, line=source.locate(*path))
