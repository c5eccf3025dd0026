"""The composition root: turns a configuration into the parts of a run. The one place that looks up adapters.

Everything that can be wrong before a source is opened is found here, all of it at once.

Not for: making the run (`syncd.run`) or talking to people (`syncd.cli`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec

from syncd import __version__
from syncd.adapter import Adapter, SourceContext
from syncd.config import CustomRuleSettings, Settings, SourceSettings, read_config, validate_options
from syncd.coverage import PhraseCoverage, load_coverage
from syncd.errors import ConfigError, Problem, UsageError
from syncd.judge import ExtraRule
from syncd.mapping import Mapper, Mapping, check_mapping, load_mapping
from syncd.mapping.values import Reading
from syncd.plan import WriteRights
from syncd.policy import Policy, check_policy, did_you_mean, nearest
from syncd.process import Process, load_process
from syncd.pull import Source
from syncd.rules import RuleInfo, catalogue
from syncd.run import Assignment
from syncd.secrets import resolve
from syncd.store import Store, open_store
from syncd.tomlfile import read_toml

DEFAULT_CONFIGS: Final = ("syncd.toml", "config.example.toml")
"""Configuration files looked for in the current folder, the first hit wins."""

DEFAULT_PROCESS: Final = "mssp"

_TUNING: Final = frozenset({
    "page_size", "max_connections", "requests_per_second", "timeout_seconds", "patience_seconds", "verify",
})  # fmt: skip
"""Settings of a source that decide how fast it is read, and never what."""


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A configuration with everything it names, checked and ready.

    Attributes:
        settings: As written.
        policy: Of the file, narrowed by the command line.
        infos: The catalogue of this process, own rules included, by code.
        sources: Those the command asked for.
        extra: The company's own rules, compiled.
        digest: Identifies whatever decides what the rules say of the same records.
        ruling: Identifies whatever decides what they say of one record as it is in the store.
    """

    settings: Settings
    process: Process
    policy: Policy
    infos: dict[str, RuleInfo]
    sources: tuple[Source, ...]
    extra: tuple[ExtraRule, ...]
    digest: str
    ruling: str

    def open_store(self) -> Store:
        """Open the configured database."""
        password = self.settings.database_password
        value = None if password is None else resolve(password, folder=self.settings.folder).reveal()
        return open_store(self.settings.database, password=value)

    def assignment(
        self,
        command: str,
        *,
        today: date,
        pinned: bool,
        plan: bool = False,
        unsafe: bool = False,
        full: bool = False,
    ) -> Assignment:
        """What a run of this configuration is to do.

        Args:
            command: The command that asks for it.
            today: The day to judge by.
            pinned: The day was given on the command line.
            plan: A plan is to be made as well.
            unsafe: Unsafe changes were asked for.
            full: Every source is to be read whole.
        """
        return Assignment(
            command=command,
            process=self.process,
            policy=self.policy,
            sources=self.sources,
            today=today,
            pinned=pinned,
            timezone=self.settings.timezone.key,
            extra=self.extra,
            digest=self.digest,
            ruling=self.ruling,
            full=full,
            rights={source.name: self._rights(source, unsafe=unsafe) for source in self.sources} if plan else None,
        )

    def _rights(self, source: Source, *, unsafe: bool) -> WriteRights:
        write = source.mapper.mapping.write
        return WriteRights(
            source=source.name,
            mode=self.settings.sources[source.name].write,
            adapter_writes=source.adapter.capabilities.write,
            fields=frozenset(write.fields),
            na_probability=write.na_probability is not None,
            unsafe=unsafe,
            builtin=frozenset(self.infos) - {rule.code for rule in self.extra},
        )


def find_config(given: Path | None) -> Path:
    """The configuration file: the one given, else the first default that exists.

    Raises:
        UsageError: There is none.
    """
    if given is not None:
        return given
    for name in DEFAULT_CONFIGS:
        if Path(name).is_file():
            return Path(name)
    raise UsageError(
        f"there is no {' and no '.join(DEFAULT_CONFIGS)} here; `syncd init` writes one, `-c FILE` names one"
    )


def load_workspace(
    path: Path,
    *,
    only: Sequence[str] = (),
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> Workspace:
    """Load a configuration and everything it names.

    Args:
        path: The configuration file.
        only: Names of the sources wanted; empty means all.
        select: Selectors of the command line, in place of the configured ones.
        ignore: Selectors of the command line, on top of the configured ones.

    Raises:
        ConfigError: Anything in the configuration, the process, a mapping or an own rule is wrong; holds all of it.
        UsageError: The command line names a source that is not configured.
    """
    settings, problems = read_config(path)
    if not problems and (unknown := [name for name in only if name not in settings.sources]):
        near, known = did_you_mean(unknown[0], settings.sources), ", ".join(settings.sources)
        raise UsageError(f"--source: there is no source {unknown[0]!r}{near}; configured: {known}")
    process = _process(settings, problems)
    extra, infos = _own_rules(settings, process, problems)
    policy = settings.policy.narrowed(select, ignore)
    if infos:
        given = Policy(select=tuple(select) or ("ALL",), ignore=tuple(ignore))
        asked = check_policy(settings.policy, set(infos), file=str(settings.file), locate=settings.locate)
        asked += check_policy(given, set(infos))
        problems += asked or check_policy(policy, set(infos))
    made = [_source(settings, one, process, problems) for one in settings.sources.values()]
    if process is None or problems:
        raise ConfigError(*_in_order(problems, str(settings.file)))
    sources = tuple(one for one in made if one is not None and (not only or one.name in only))
    return Workspace(
        settings=settings,
        process=process,
        policy=policy,
        infos=infos,
        sources=sources,
        extra=extra,
        digest=_digest(settings, process, policy, sources),
        ruling=_ruling(settings, process, policy),
    )


def find_process(name: str, folder: Path) -> Process:
    """Load a process by its name in `mappings/`, the configuration's own folder first, or by its path.

    Raises:
        ConfigError: There is none, or it cannot work.
    """
    if _is_path(name):
        path = folder / name
        if not path.is_file():
            near = did_you_mean(path.name, (one.name for one in path.parent.glob("*.toml")))
            raise ConfigError(Problem(message=f"process: there is no file {name}{near}"))
        return load_process(path)
    for place in mapping_folders(folder):
        if (place / f"{name}.toml").is_file():
            return load_process(place / f"{name}.toml")
    known = _known_processes(folder)
    near = did_you_mean(name, known)
    raise ConfigError(
        Problem(message=f"process: there is no process {name!r}{near}; known: {', '.join(known)}, or give a path")
    )


def _is_path(name: str) -> bool:
    return name.endswith(".toml") or "/" in name


def _known_processes(folder: Path) -> list[str]:
    """The names of the processes there are: of the files where mappings lie, those that have stages as a list."""
    found: dict[str, None] = {}
    for path in (path for place in mapping_folders(folder) for path in sorted(place.glob("*.toml"))):
        try:
            if isinstance(read_toml(path).values.get("stages"), list):
                found[path.stem] = None
        except ConfigError:
            continue
    return list(found)


def _process(settings: Settings, problems: list[Problem]) -> Process | None:
    """The process, or None where there is none that anything could be checked against."""
    try:
        return find_process(settings.process, settings.folder)
    except ConfigError as error:
        problems += (_placed(one, str(settings.file), settings.locate("syncd", "process")) for one in error.problems)
    # Of a name with a slip in it the rest is checked as if it were right, so that people need not come twice.
    meant = "" if _is_path(settings.process) else nearest(settings.process, _known_processes(settings.folder))
    try:
        return find_process(meant, settings.folder) if meant else None
    except ConfigError:
        return None


def _placed(problem: Problem, file: str, line: int) -> Problem:
    """The problem with a place, if it has none of its own."""
    return problem if problem.file else replace(problem, file=file, line=line)


def _in_order(problems: list[Problem], file: str) -> list[Problem]:
    """Each problem once, those of the configuration itself first, by line."""
    return sorted(dict.fromkeys(problems), key=lambda one: (one.file != file, one.file, one.line, one.column))


def coverage_of(process: Process, folder: Path) -> tuple[PhraseCoverage, ...] | None:
    """Which phrase of the chart is checked by which rule; None for a process without such a table."""
    for place in mapping_folders(folder):
        if (path := place / f"{process.name}-coverage.toml").is_file():
            return load_coverage(path, process)
    return None


def mapping_folders(folder: Path) -> tuple[Path, ...]:
    """Where names of mappings and processes are looked up: beside the configuration first, then what syncd ships."""
    return (folder / "mappings", Path(str(files("mappings"))))


def known_adapters() -> dict[str, EntryPoint]:
    """Every installed adapter, by name."""
    return {entry.name: entry for entry in sorted(entry_points(group="syncd.adapters"))}


def _own_rules(
    settings: Settings, process: Process | None, problems: list[Problem]
) -> tuple[tuple[ExtraRule, ...], dict[str, RuleInfo]]:
    """The company's own rules and the whole catalogue; nothing of either without a process."""
    if process is None:
        return (), {}
    infos = {info.code: info for info in catalogue(process)}
    if not settings.custom_rules:
        return (), infos
    # Most configurations have none, and need not wait for what compiles them.
    from syncd.rules.custom import CustomRuleSpec, compile_custom  # noqa: PLC0415

    specs = [
        CustomRuleSpec(
            code=one.code,
            severity=settings.policy.severity_of(one.code, one.severity),
            message=one.message,
            condition=one.condition,
            field=one.field,
            phrase=one.phrase,
            fix_safety=settings.policy.grade_of(one.code, one.fix.safety) if one.fix else None,
            fix_set=one.fix.set if one.fix else {},
            file=str(settings.file),
            line=one.condition_line,
            rule_line=one.line,
        )
        for one in settings.custom_rules
    ]
    for spec in specs:
        infos[spec.code] = RuleInfo(
            code=spec.code,
            severity=spec.severity,
            title=spec.message,
            phrases=(spec.phrase,) if spec.phrase else (),
            evidence="the condition's variables",
            what=f"Fires where this holds:\n\n    {spec.condition}",
            why=f"A rule of the company's own, written in {settings.file} at line {spec.rule_line}.",
            example="See the condition.",
            fix=f"{spec.fix_safety}: sets {', '.join(spec.fix_set)}" if spec.fix_safety else "None.",
        )
    try:
        sound = {one.code for one in settings.custom_rules if one.sound}
        return tuple(compile_custom([one for one in specs if one.code in sound], process)), infos
    except ConfigError as error:
        problems += error.problems
        return (), infos


def _source(
    settings: Settings, given: SourceSettings, process: Process | None, problems: list[Problem]
) -> Source | None:
    """One source; None where something of it is wrong. Adapter and mapping are looked at each for itself."""
    mapping = _load_mapping(settings, given, process, problems)
    adapter = _make_adapter(settings, given, mapping, process, problems)
    if process is None or mapping is None:
        return None
    reading = Reading(
        business_zone=settings.timezone,
        source_zone=given.timezone,
        date_formats=mapping.date_formats,
        decimal_mark=mapping.decimal_mark,
        thousands_mark=mapping.thousands_mark,
        probability_scale=mapping.probability_scale,
    )
    try:
        mapper = Mapper(mapping, process, reading, currency=given.currency)
    except ConfigError as error:
        problems += error.problems
        return None
    if adapter is None:
        return None
    return Source(
        name=given.name,
        adapter_name=given.adapter,
        adapter=adapter,
        mapper=mapper,
        min_rows_percent=given.min_rows_percent,
        sweep_hours=given.sweep_hours,
        digest=_reading_digest(mapper, process, given),
    )


def _make_adapter(
    settings: Settings,
    given: SourceSettings,
    mapping: Mapping | None,
    process: Process | None,
    problems: list[Problem],
) -> Adapter | None:
    adapter_class = _load_adapter(given, problems)
    if adapter_class is None:
        return None
    if (found := validate_options(given, adapter_class.Settings)) or given.refused:
        problems += found
        return None
    context = SourceContext(
        name=given.name,
        folder=settings.folder,
        fields=mapping.native_fields() if mapping is not None else frozenset[str](),
        children=mapping.children() if mapping is not None else {},
        roles=mapping.fields if mapping is not None else {},
        labels=mapping.labels() if mapping is not None else {},
        chart={stage.id: stage.probability for stage in process.stages} if process is not None else {},
        timezone=given.timezone,
        timezone_told=given.timezone_told,
        options=given.options,
    )
    try:
        return adapter_class.create(msgspec.convert(dict(given.options), adapter_class.Settings), context)
    except ConfigError as error:
        problems += (_placed(one, given.file, _line_of(one, given)) for one in error.problems)
        return None


def _line_of(problem: Problem, given: SourceSettings) -> int:
    """The line of the setting that an adapter's complaint names first, in back-ticks; else that of the source."""
    named = [key for key in given.options if f"`{key}`" in problem.message]
    return given.locate(*sorted(named, key=problem.message.index)[:1])


def _load_adapter(given: SourceSettings, problems: list[Problem]) -> type[Adapter] | None:
    if not given.adapter:
        return None  # which was said when the configuration was read
    adapters = known_adapters()
    entry = adapters.get(given.adapter)
    if entry is None:
        near, known = did_you_mean(given.adapter, adapters), ", ".join(adapters)
        message = f"adapter: there is no adapter {given.adapter!r}{near}; installed: {known}"
        problems.append(Problem(message=message, file=given.file, line=given.locate("adapter")))
        return None
    try:
        loaded: Any = entry.load()
    except (ImportError, AttributeError) as error:
        # `adapters` is a common name: another distribution that ships one hides ours, and the later install wins.
        said = f"adapter {entry.name!r} cannot be loaded from {entry.value!r} ({error})"
        message = f"{said}; install syncd in an environment of its own"
        problems.append(Problem(message=message, file=given.file, line=given.locate("adapter")))
        return None
    adapter: type[Adapter] = loaded
    return adapter


def _load_mapping(
    settings: Settings, given: SourceSettings, process: Process | None, problems: list[Problem]
) -> Mapping | None:
    if not given.mapping:
        return None  # which was said when the configuration was read
    folders = mapping_folders(settings.folder)
    found: Iterable[Problem]
    if process is None:
        found = check_mapping(given.mapping, folders, settings.folder)
    else:
        try:
            return load_mapping(given.mapping, process, folders, settings.folder)
        except ConfigError as error:
            found = error.problems
    problems += (_placed(one, given.file, given.locate("mapping")) for one in found)
    return None


def _reading_digest(mapper: Mapper, process: Process, given: SourceSettings) -> str:
    """Identifies what decides which records are read, and how; when it changes, all is read once more.

    Another address, account or filter shows other records, of which an increment would tell none that did not change.
    """
    asked = sorted((name, repr(value)) for name, value in given.options.items() if name not in _TUNING)
    how = (mapper.mapping.digest, str(mapper.reading), sorted(map(str, mapper.constants.items())), process.digest)
    told = (given.adapter, asked, *how)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:32]


def _ruling(settings: Settings, process: Process, policy: Policy) -> str:
    told = (process.digest, policy.digest(), _own_told(settings), __version__)
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _own_told(settings: Settings) -> list[CustomRuleSettings]:
    """The company's own rules but for where they stand: everything else shows in what they say."""
    return [replace(one, line=0, condition_line=0) for one in settings.custom_rules]


def _digest(settings: Settings, process: Process, policy: Policy, sources: Iterable[Source]) -> str:
    own = _own_told(settings)
    read = [
        (one.name, one.mapper.mapping.digest, str(one.mapper.reading), sorted(map(str, one.mapper.constants.items())))
        for one in sources
    ]
    return hashlib.sha256(repr((process.digest, policy.digest(), own, read)).encode()).hexdigest()[:16]
