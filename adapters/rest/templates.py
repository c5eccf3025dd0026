"""Texts of the configuration with `{placeholders}`, and the forms a system wants times in.

A placeholder is a plain name between braces; nothing is looked up in what it stands for.

Not for: encoding into a URL; httpx does that with parameters, and paths are quoted here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, Literal
from urllib.parse import quote

TimeFormat = Literal["iso", "epoch_s", "epoch_ms"]

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


def problems(setting: str, template: Any, known: Collection[str]) -> Iterator[str]:
    """What is wrong with a template, at any depth of tables and lists.

    Args:
        setting: Its name in the configuration.
        template: A text, or a table or list of such.
        known: The placeholders it may use.
    """
    if isinstance(template, Mapping):
        for key, value in template.items():
            yield from problems(f"{setting}.{key}", value, known)
    elif isinstance(template, list | tuple):
        for index, value in enumerate(template):
            yield from problems(f"{setting}[{index}]", value, known)
    elif isinstance(template, str):
        for name in _PLACEHOLDER.findall(template):
            if name not in known:
                allowed = " and ".join(f"{{{one}}}" for one in sorted(known)) or "none"
                yield f"{setting}: there is no placeholder {{{name}}} here; known: {allowed}"


def uses(template: Mapping[str, str], name: str) -> bool:
    """Whether any text of a table has a placeholder."""
    return any(name in _PLACEHOLDER.findall(text) for text in template.values())


def filled(template: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """A table of parameters with its placeholders filled; httpx encodes the result."""
    return {key: _PLACEHOLDER.sub(lambda match: values[match[1]], text) for key, text in template.items()}


def filled_path(template: str, values: Mapping[str, str]) -> str:
    """A path with its placeholders filled, each quoted so that it stays one segment."""
    return _PLACEHOLDER.sub(lambda match: quote(values[match[1]], safe=""), template)


def written(moment: float, kind: TimeFormat) -> str:
    """A moment, in seconds since 1970, as the system wants it; cut, never rounded up."""
    if kind == "epoch_s":
        return str(int(moment))
    if kind == "epoch_ms":
        return str(int(moment * 1000))
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(value: Any, kind: TimeFormat, zone: tzinfo) -> float | None:
    """The moment a value of a record tells, in seconds since 1970; None where it cannot be read.

    Args:
        value: A number, or a text with one or with a time in ISO 8601.
        kind: What numbers count.
        zone: Of times that come without one.
    """
    try:
        if kind == "iso":
            moment = datetime.fromisoformat(str(value))
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
        return float(value) / (1000 if kind == "epoch_ms" else 1)
    except (ValueError, TypeError, OverflowError):
        return None
