"""A mapping file: which native field holds what, which labels mean which stage, where evidence is seen.

Checked against the process when it is loaded, so that a typing error stops the start and not the thousandth record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from syncd.errors import ConfigError, Problem
from syncd.model import FIELDS
from syncd.places import KeyPath
from syncd.policy import did_you_mean, nearest
from syncd.process import Process
from syncd.tomlfile import Misfit, TomlFile, misfits, read_toml

Blank = Literal["not_met", "unknown"]

_TIME_HINT = 'strptime formats such as "%d.%m.%Y"'
_STATUS = ("open", "won", "lost")
_ENTRY = 2
"""How many keys lead to an entry: a table of the file, and a key of that."""


class EvidenceSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where one evidence id is seen.

    Attributes:
        field: The native field; or
        child: the child component whose rows are looked through.
        where: What a child row must hold to count, by its field.
        met, not_met: Values that mean met and not met; without `met`, any non-blank value is met.
        yes_no: The field holds yes, no, or the day on which it was met; anything else is unreadable.
        blank: What a blank field means.
        date, by, ref: Where its day, confirmer and document stand; for a child, fields of the row.
    """

    field: str | None = None
    child: str | None = None
    where: dict[str, str | list[str]] = {}
    met: list[str] | None = None
    not_met: list[str] = []
    yes_no: bool = False
    blank: Blank = "not_met"
    date: str | None = None
    by: str | None = None
    ref: str | None = None


class WriteSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be written.

    Attributes:
        fields: Canonical fields that may be written; nothing else ever is.
        na_probability: What "no probability" is in the source; absent: it is never written.
    """

    fields: list[str] = []
    na_probability: Literal["null", 0] | None = None


_NO_WRITES = WriteSpec()


class _MappingFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    extends: str | None = None
    probability_scale: Literal["percent", "fraction"] = "percent"
    date_formats: list[str] = []
    decimal_mark: Literal[".", ","] = "."
    thousands_mark: Literal["", ".", ",", " ", "'"] = ""
    fields: dict[str, str] = {}
    constants: dict[str, str] = {}
    stages: dict[str, list[str]] = {}
    status: dict[str, list[str]] = {}
    evidence: dict[str, EvidenceSpec] = {}
    write: WriteSpec = WriteSpec()


_KEYS = tuple(one.encode_name for one in msgspec.structs.fields(_MappingFile))


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """A mapping, checked and bound to a process.

    Attributes:
        name: As configured.
        fields: Native field by canonical field.
        constants: Value by canonical field, for what the source never says.
        stages: Stage id by folded label.
        first_labels: The label written for each stage id.
        status: Status by folded word.
        evidence: Evidence specs by id.
        digest: Identifies its content together with the process's evidence ids.
        complain: Makes a problem of what is wrong with one of its keys, with file and line.
    """

    name: str
    fields: Table[str, str]
    constants: Table[str, str] = field(default_factory=dict)
    stages: Table[str, str] = field(default_factory=dict)
    first_labels: Table[str, str] = field(default_factory=dict)
    status: Table[str, str] = field(default_factory=dict)
    evidence: Table[str, EvidenceSpec] = field(default_factory=dict)
    write: WriteSpec = _NO_WRITES
    probability_scale: str = "percent"
    date_formats: tuple[str, ...] = ()
    decimal_mark: str = "."
    thousands_mark: str = ""
    digest: str = ""
    complain: Callable[[KeyPath, str], Problem] = field(
        default=lambda _, message: Problem(message=message), repr=False, compare=False
    )

    def native_fields(self) -> frozenset[str]:
        """Every native field the mapping reads."""
        named = set(self.fields.values())
        for spec in self.evidence.values():
            if spec.field:
                named.update(one for one in (spec.field, spec.date, spec.by, spec.ref) if one)
        return frozenset(named)

    def children(self) -> dict[str, frozenset[str]]:
        """Every child component the mapping looks through, with the fields it reads of its rows."""
        named: dict[str, set[str]] = {}
        for spec in self.evidence.values():
            if spec.child:
                fields = named.setdefault(spec.child, set())
                fields.update(spec.where, (one for one in (spec.date, spec.by, spec.ref) if one))
        return {child: frozenset(fields) for child, fields in named.items()}

    def labels(self) -> dict[str, list[str]]:
        """The labels of each stage, folded, the one that is written first."""
        found: dict[str, list[str]] = {stage: [label] for stage, label in self.first_labels.items()}
        for label, stage in self.stages.items():
            known = found.setdefault(stage, [])
            if label not in map(fold, known):
                known.append(label)
        return found


def fold(label: str) -> str:
    """A label as it is compared: any case, any run of white space."""
    return " ".join(label.casefold().split())


def load_mapping(name: str, process: Process, folders: Iterable[Path], base: Path) -> Mapping:
    """Read a mapping, those it extends first.

    Args:
        name: A name in one of the folders, or a path to a `.toml` file, relative to `base`.
        process: The chart its stages and evidence ids belong to.
        folders: Where names are looked up, the first hit wins.
        base: The folder of the configuration file.

    Raises:
        ConfigError: There is no such mapping, it cannot be read, or it names what does not exist.
    """
    parsed, layers, problems = _examined(name, process, tuple(folders), base)
    if parsed is None or problems:
        raise ConfigError(*problems)
    return _bound(name, parsed, process, layers)


def check_mapping(name: str, folders: Iterable[Path], base: Path) -> list[Problem]:
    """What is wrong with a mapping as far as it can be told without its process; parameters as in `load_mapping`."""
    try:
        return _examined(name, None, tuple(folders), base)[2]
    except ConfigError as error:
        return list(error.problems)


def _examined(
    name: str, process: Process | None, folders: tuple[Path, ...], base: Path
) -> tuple[_MappingFile | None, list[TomlFile], list[Problem]]:
    """A mapping as its files have it together, those files, and everything wrong with them.

    Raises:
        ConfigError: Its own file cannot be read.
    """
    layers, problems = _layers(name, folders, base)
    whole = not problems
    table: dict[str, Any] = {}
    wrong: list[KeyPath] = []
    for layer in reversed(layers):
        found = misfits(layer.values, _MappingFile)
        problems += [_problem(layer, path, message) for path, message in found]
        wrong += [path for path, _ in found]
        _merge(table, _sound(layer.values, [path for path, _ in found]))
    meant = {nearest(str(path[0]), _KEYS) for path in wrong if path[0] not in _KEYS}
    if not whole or "extends" in meant:
        # Of a mapping that builds on one that cannot be found, nobody can say what it lacks.
        return None, layers, problems
    wrong += [(key,) for key in meant if key]
    parsed = msgspec.convert(table, _MappingFile)
    for path, message in _problems(parsed, process):
        if not any(_overlap(path, other) for other in wrong):
            problems.append(_problem(_home(layers, path), path, message))
    return parsed, layers, problems


def _overlap(path: KeyPath, other: KeyPath) -> bool:
    """Whether two places are about the same entry, or one about the table of the other."""
    common = min(len(path), len(other), _ENTRY)
    return path[:common] == other[:common]


def _layers(name: str, folders: tuple[Path, ...], base: Path) -> tuple[list[TomlFile], list[Problem]]:
    """A mapping and those it extends, as far as they can be read, and why they cannot."""
    layers = [read_toml(_find(name, folders, base))]
    while isinstance(extended := layers[-1].values.get("extends"), str):
        last = layers[-1]
        try:
            path = _find(extended, folders, Path(last.file).parent)
            if any(str(path) == seen.file for seen in layers):
                return layers, [last.problem(("extends",), f"extends itself, by way of {extended!r}")]
            layers.append(read_toml(path))
        except ConfigError as error:
            named = (one if one.file else last.problem(("extends",), one.message) for one in error.problems)
            return layers, list(named)
    return layers, []


def _find(name: str, folders: tuple[Path, ...], base: Path) -> Path:
    if name.endswith(".toml") or "/" in name:
        path = base / name
        if not path.is_file():
            near = did_you_mean(path.name, (one.name for one in path.parent.glob("*.toml")))
            raise ConfigError(Problem(message=f"there is no mapping file {name}{near}"))
        return path
    known: list[str] = []
    for folder in folders:
        if (path := folder / f"{name}.toml").is_file():
            return path
        known += [one.stem for one in sorted(folder.glob("*.toml")) if not one.stem.startswith("mssp")]
    raise ConfigError(
        Problem(message=f"there is no mapping {name!r}{did_you_mean(name, known)}; known: {', '.join(known)}")
    )


def _home(layers: list[TomlFile], path: KeyPath) -> TomlFile:
    """The file that says what stands there in the end: the first that has the key, or at least the table around it."""
    ways = [path[:length] for length in range(len(path), 0, -1)]
    return next((layer for way in ways for layer in layers if layer.has(way)), layers[0])


def _problem(layer: TomlFile, path: KeyPath, message: str) -> Problem:
    return layer.problem(path, f"{message} ({_TIME_HINT})" if path[:1] == ("date_formats",) else message)


def _sound(values: dict[str, Any], wrong: Iterable[KeyPath]) -> dict[str, Any]:
    """What is left of a file without the entries in which something does not fit; it can be looked at all the same."""
    kept: dict[str, Any] = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
    for table, *inner in wrong:
        entries = kept.get(str(table))
        if inner and isinstance(entries, dict):
            entries.pop(str(inner[0]), None)
        else:
            kept.pop(str(table), None)
    return kept


def _merge(table: dict[str, Any], layer: dict[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, dict) and isinstance(table.get(key), dict) and key != "write":
            table[key] = {**table[key], **value}
        else:
            table[key] = value


def _problems(parsed: _MappingFile, process: Process | None) -> Iterator[Misfit]:
    for needed in ("id", "stage"):
        if needed not in parsed.fields:
            yield ("fields",), f"{needed} is needed: which field of the source holds it?"
    if parsed.thousands_mark == parsed.decimal_mark:
        yield ("thousands_mark",), f"cannot be {parsed.decimal_mark!r}, which is the decimal mark"
    for name, spec in parsed.evidence.items():
        if (spec.field is None) == (spec.child is None):
            yield ("evidence", name), "needs either field or child"
    yield from _name_problems(parsed)
    if process is not None:
        yield from _process_problems(parsed, process)


def _name_problems(parsed: _MappingFile) -> Iterator[Misfit]:
    for section, names in (("fields", parsed.fields), ("constants", parsed.constants)):
        for name in names:
            if name not in FIELDS:
                yield (section, name), f"there is no such canonical field{did_you_mean(name, FIELDS)}"
    for name in parsed.status:
        if name not in _STATUS:
            yield ("status", name), f"must be {' or '.join(_STATUS)}{did_you_mean(name, _STATUS)}"
    for index, name in enumerate(parsed.write.fields):
        if name not in FIELDS:
            yield ("write", "fields", index), f"there is no canonical field {name!r}{did_you_mean(name, FIELDS)}"


def _process_problems(parsed: _MappingFile, process: Process) -> Iterator[Misfit]:
    for name in parsed.evidence:
        if name != "*" and name not in process.evidence_index:
            yield ("evidence", name), f"the process has no such evidence id{did_you_mean(name, process.evidence)}"
    for name in parsed.stages:
        if name != "*" and name not in process.stage_index:
            yield ("stages", name), f"the process has no such stage{did_you_mean(name, process.stage_index)}"
    taken: dict[str, str] = {}
    for stage, labels in _stage_labels(parsed, process):
        for label in labels:
            other = taken.setdefault(fold(label), stage)
            if other != stage:
                yield ("stages", stage), f"the label {label!r} already means {other}"


def _stage_labels(parsed: _MappingFile, process: Process) -> Iterator[tuple[str, list[str]]]:
    for stage in process.stages:
        given = parsed.stages.get(stage.id, parsed.stages.get("*", []))
        yield (
            stage.id,
            [label.format(id=stage.id, name=stage.name) if "*" in parsed.stages else label for label in given],
        )


def _bound(name: str, parsed: _MappingFile, process: Process, layers: list[TomlFile]) -> Mapping:
    labels = dict(_stage_labels(parsed, process))
    evidence = {one: parsed.evidence[one] for one in process.evidence if one in parsed.evidence}
    if pattern := parsed.evidence.get("*"):
        evidence = {one: evidence.get(one) or _filled(pattern, one) for one in process.evidence}
    content = msgspec.json.encode((msgspec.to_builtins(parsed), process.evidence, labels), order="sorted")
    return Mapping(
        name=name,
        fields=parsed.fields,
        constants=parsed.constants,
        stages={fold(label): stage for stage, given in labels.items() for label in given},
        first_labels={stage: given[0] for stage, given in labels.items() if given},
        status={fold(word): status for status, words in parsed.status.items() for word in words},
        evidence=evidence,
        write=parsed.write,
        probability_scale=parsed.probability_scale,
        date_formats=tuple(parsed.date_formats),
        decimal_mark=parsed.decimal_mark,
        thousands_mark=parsed.thousands_mark,
        digest=hashlib.sha256(content).hexdigest()[:16],
        complain=lambda path, message: _problem(_home(layers, path), path, message),
    )


def _filled(pattern: EvidenceSpec, name: str) -> EvidenceSpec:
    def put(text: str | None) -> str | None:
        return text.replace("{id}", name) if text else text

    return msgspec.structs.replace(
        pattern,
        field=put(pattern.field),
        child=put(pattern.child),
        date=put(pattern.date),
        by=put(pattern.by),
        ref=put(pattern.ref),
    )
