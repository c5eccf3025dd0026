"""A mapping file: which native field holds what, which labels mean which stage, where evidence is seen.

Checked against the process when it is loaded, so that a typing error stops the start and not the thousandth record.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from syncd.errors import ConfigError, Problem
from syncd.model import FIELDS
from syncd.process import Process

Blank = Literal["not_met", "unknown"]

_TIME_HINT = 'strptime formats such as "%d.%m.%Y"'


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
    searched = tuple(folders)
    layers: list[tuple[Path, dict[str, Any]]] = []
    next_name: str | None = name
    start = base
    while next_name is not None:
        path = _find(next_name, searched, start)
        if any(path == seen for seen, _ in layers):
            raise ConfigError(Problem(message=f"extends itself, by way of {next_name!r}", file=str(path)))
        layers.append((path, _read(path)))
        next_name, start = layers[-1][1].get("extends"), path.parent
    table: dict[str, Any] = {}
    for _, layer in reversed(layers):
        _merge(table, layer)
    path = layers[0][0]
    try:
        parsed = msgspec.convert(table, _MappingFile)
    except msgspec.ValidationError as error:
        raise ConfigError(Problem(message=_hinted(str(error)), file=str(path))) from error
    if problems := [Problem(message=one, file=str(path)) for one in _problems(parsed, process)]:
        raise ConfigError(*problems)
    return _bound(name, parsed, process)


def _find(name: str, folders: tuple[Path, ...], base: Path) -> Path:
    if name.endswith(".toml") or "/" in name:
        path = base / name
        if not path.is_file():
            raise ConfigError(Problem(message=f"there is no mapping file {name}", file=str(path)))
        return path
    known: list[str] = []
    for folder in folders:
        if (path := folder / f"{name}.toml").is_file():
            return path
        known += [one.stem for one in sorted(folder.glob("*.toml")) if not one.stem.startswith("mssp")]
    raise ConfigError(
        Problem(message=f"there is no mapping {name!r}{_nearest(name, known)}; known: {', '.join(known)}")
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(Problem(message=f"cannot be read: {error.strerror}", file=str(path))) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(Problem(message=str(error), file=str(path))) from error


def _merge(table: dict[str, Any], layer: dict[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, dict) and isinstance(table.get(key), dict) and key != "write":
            table[key] = {**table[key], **value}
        else:
            table[key] = value


def _hinted(message: str) -> str:
    return f"{message} ({_TIME_HINT})" if "date_formats" in message else message


def _problems(parsed: _MappingFile, process: Process) -> Iterator[str]:
    fields = list(FIELDS)
    for needed in ("id", "stage"):
        if needed not in parsed.fields:
            yield f"[fields]: {needed} is needed: which field of the source holds it?"
    for section, names in (("fields", parsed.fields), ("constants", parsed.constants)):
        for name in names:
            if name not in fields:
                yield f"[{section}] {name}: there is no such canonical field{_nearest(name, fields)}"
    for name in parsed.status:
        if name not in ("open", "won", "lost"):
            yield f"[status] {name}: must be open, won or lost"
    for name in parsed.write.fields:
        if name not in fields:
            yield f"[write] fields: there is no canonical field {name!r}{_nearest(name, fields)}"
    yield from _label_problems(parsed, process)
    yield from _evidence_problems(parsed, process)


def _evidence_problems(parsed: _MappingFile, process: Process) -> Iterator[str]:
    for name, spec in parsed.evidence.items():
        if name != "*" and name not in process.evidence_index:
            yield f"[evidence] {name}: the process has no such evidence id{_nearest(name, process.evidence)}"
        if (spec.field is None) == (spec.child is None):
            yield f"[evidence] {name}: needs either field or child"


def _label_problems(parsed: _MappingFile, process: Process) -> Iterator[str]:
    for name in parsed.stages:
        if name != "*" and name not in process.stage_index:
            yield f"[stages] {name}: the process has no such stage{_nearest(name, process.stage_index)}"
    taken: dict[str, str] = {}
    for stage, labels in _stage_labels(parsed, process):
        for label in labels:
            other = taken.setdefault(fold(label), stage)
            if other != stage:
                yield f"[stages] {stage}: the label {label!r} already means {other}"


def _stage_labels(parsed: _MappingFile, process: Process) -> Iterator[tuple[str, list[str]]]:
    for stage in process.stages:
        given = parsed.stages.get(stage.id, parsed.stages.get("*", []))
        yield (
            stage.id,
            [label.format(id=stage.id, name=stage.name) if "*" in parsed.stages else label for label in given],
        )


def _bound(name: str, parsed: _MappingFile, process: Process) -> Mapping:
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


def _nearest(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
