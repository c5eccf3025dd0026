"""Which rule checks which phrase of the chart, and why the others cannot be checked: read from a TOML file.

An entry repeats the phrase it is about, so that a chart which was reworded or reordered is noticed, not misquoted.

Not for: whether records carry the evidence (`syncd.model.Coverage`), or what a rule does (`syncd.rules`).
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import msgspec

from syncd.errors import ConfigError, Problem
from syncd.process import Process

Kind = Literal["name", "probability", "objective", "outcome", "checkpoint", "key_step"]

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    phrase: _Text
    rules: tuple[_Text, ...] = ()
    not_checkable: str = ""


@dataclass(frozen=True, kw_only=True)
class PhraseCoverage:
    """What is checked of one phrase of the chart.

    Attributes:
        id: The phrase's id: one of `Stage.phrases()`, or `<stage>.name` or `<stage>.probability`.
        stage: The id of its stage.
        text: The phrase itself; a probability as the chart prints it, `10%` or `NA`.
        rules: The codes of the rules that check it; empty when none can.
        reason: Why none can, for people; empty when one does.
    """

    id: str
    stage: str
    kind: Kind
    text: str
    rules: tuple[str, ...]
    reason: str


def load_coverage(path: Path, process: Process) -> tuple[PhraseCoverage, ...]:
    """Read a coverage file and hold it against the chart it is about.

    Returns:
        One value a phrase, in chart order: of each stage its name and probability, then its phrases.

    Raises:
        ConfigError: The file cannot be read or is not TOML, a phrase has no entry, an entry names no phrase or quotes
            another text, or an entry says both that rules check the phrase and that none can, or neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
        given = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(Problem(message=f"cannot be read: {error.strerror}", file=str(path))) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(Problem(message=str(error), file=str(path))) from error
    blanks = {blank.id: blank for blank in _blanks(process)}
    near = _nearest(given, blanks)
    faults = [(name, f"the process {process.name!r} has no such phrase{hint}") for name, hint in near.items()]
    filled: list[PhraseCoverage] = []
    for name, blank in blanks.items():
        try:
            filled.append(_filled(blank, given))
        except ValueError as fault:
            faults.append((name, str(fault)))
    if faults:
        raise ConfigError(
            *(Problem(message=f"{name}: {fault}", file=str(path), line=_line(text, name)) for name, fault in faults)
        )
    return tuple(filled)


def _blanks(process: Process) -> Iterator[PhraseCoverage]:
    """Every phrase of the chart, not yet filled in."""
    for stage in process.stages:
        figure = "NA" if stage.probability is None else f"{stage.probability}%"
        own = ((f"{stage.id}.name", stage.name, ()), (f"{stage.id}.probability", figure, ()))
        for name, text, _ in (*own, *stage.phrases()):
            kind = cast("Kind", name.split(".")[1])
            yield PhraseCoverage(id=name, stage=stage.id, kind=kind, text=text, rules=(), reason="")


def _nearest(given: Mapping[str, Any], blanks: Mapping[str, PhraseCoverage]) -> dict[str, str]:
    """The entries that name no phrase, each with a hint at what may have been meant."""
    hints = {name: difflib.get_close_matches(name, blanks, n=1) for name in given if name not in blanks}
    return {name: f"; did you mean {close[0]}?" if close else "" for name, close in hints.items()}


def _filled(blank: PhraseCoverage, given: Mapping[str, Any]) -> PhraseCoverage:
    """The phrase with what its entry says.

    Raises:
        ValueError: It has no entry, or one that cannot be right; the text says why. (msgspec's own error is one, too.)
    """
    if blank.id not in given:
        raise ValueError(f"no entry says what checks the phrase {blank.text!r}")
    entry = msgspec.convert(given[blank.id], _Entry)
    if entry.phrase != blank.text:
        raise ValueError(f"the chart says {blank.text!r}, the entry is about {entry.phrase!r}")
    if bool(entry.rules) == bool(entry.not_checkable):
        raise ValueError(f"needs either rules or not_checkable, and has {'both' if entry.rules else 'neither'}")
    return replace(blank, rules=entry.rules, reason=entry.not_checkable)


def _line(text: str, name: str) -> int:
    """The line an entry starts on, or 0: the parser tells no places, and each entry starts a line of its own."""
    lines = enumerate(text.splitlines(), 1)
    return next((number for number, line in lines if line.startswith((f'"{name}"', f'["{name}"'))), 0)
