"""From a TOML file to settings, with every problem at once.

Not for: what needs the adapters (`syncd.config.options`), the rules (`syncd.policy.check_policy`) or the mappings.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from syncd.config.custom import read_custom_rules
from syncd.config.database import read_database
from syncd.config.options import refuse_literal_secrets
from syncd.config.schedule import is_schedule
from syncd.config.settings import KEYS, Settings, SourceSettings, WriteMode
from syncd.config.table import Document, Table, is_number
from syncd.errors import ConfigError, Problem
from syncd.model import SEVERITIES, Safety
from syncd.policy import EVERYTHING, Limits, OutcomeSemantics, Policy, SeveritySetting
from syncd.tomlfile import parse_toml, shown

_SEMANTICS: Final[tuple[OutcomeSemantics, ...]] = ("exit", "entry")
_WRITE: Final[tuple[WriteMode, ...]] = ("off", "safe", "all")
_SEVERITIES: Final[tuple[SeveritySetting, ...]] = (*SEVERITIES, "off")
_GRADES: Final[tuple[Safety, ...]] = ("safe", "unsafe", "none")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_SOURCE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def load_config(path: Path) -> Settings:
    """Read a configuration file.

    Raises:
        ConfigError: It cannot be read, is not TOML, or says something that cannot work; holds every problem found.
    """
    settings, problems = read_config(path)
    if problems:
        raise ConfigError(*problems)
    return settings


def read_config(path: Path) -> tuple[Settings, list[Problem]]:
    """Read a configuration file as far as it goes, so that what it names can be looked at as well.

    Returns:
        The settings, with the default in the place of each that is wrong, and the problems by line.

    Raises:
        ConfigError: It cannot be read, or is not TOML.
    """
    parsed = parse_toml(str(path), _read(path))
    document = Document(str(path), parsed.places)
    folder = Path(os.path.abspath(path)).parent  # noqa: PTH100 - resolve() would follow links, as of mounted files
    settings = _settings(path, folder, Table(document, (), parsed.values))
    return settings, sorted(document.problems, key=lambda problem: problem.line)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        message = "there is no such file; run `syncd init` to make one, or name another with --config"
        raise ConfigError(Problem(message=message, file=str(path))) from error
    except IsADirectoryError as error:
        message = "is a folder; name the file in it, or run `syncd init` there to make one"
        raise ConfigError(Problem(message=message, file=str(path))) from error
    except OSError as error:
        message = f"cannot be read: {error.strerror}; check its permissions, or run `syncd init` to make another"
        raise ConfigError(Problem(message=message, file=str(path))) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        message = "is not UTF-8 text; save it as UTF-8, or run `syncd init` to make another"
        # Not chained: the cause carries the file's content.
        raise ConfigError(Problem(message=message, file=str(path), line=line)) from None


def _settings(path: Path, folder: Path, root: Table) -> Settings:
    root.refuse_unknown(KEYS[""])
    syncd = root.table("syncd")
    syncd.refuse_unknown(KEYS["syncd"])
    zone = syncd.zone("timezone", ZoneInfo("UTC"))
    semantics = syncd.choice("outcome_semantics", _SEMANTICS, "exit")
    database, password = read_database(syncd, folder)
    rules = root.table("rules")
    return Settings(
        file=path,
        folder=folder,
        database=database,
        database_password=password,
        process=syncd.text("process", "mssp"),
        timezone=zone,
        outcome_semantics=semantics,
        policy=_policy(rules, semantics),
        limits=_limits(root.table("limits")),
        sources=_sources(root, zone),
        custom_rules=read_custom_rules(rules),
        locate=root.document.places,
    )


def _policy(rules: Table, semantics: OutcomeSemantics) -> Policy:
    rules.refuse_unknown(KEYS["rules"])
    severity, fix = rules.table("severity"), rules.table("fix")
    return Policy(
        select=rules.texts("select", (EVERYTHING,)),
        ignore=rules.texts("ignore", ()),
        severity={code: severity.choice(code, _SEVERITIES, "warning") for code in severity.values},
        fix={code: fix.choice(code, _GRADES, "none") for code in fix.values},
        options={code: dict(options.values) for code, options in rules.table("options").tables()},
        outcome_semantics=semantics,
    )


def _limits(table: Table) -> Limits:
    table.refuse_unknown(KEYS["limits"])
    usual = Limits()
    return Limits(
        max_changes=table.whole("max_changes", usual.max_changes, least=1),
        max_percent=table.percent("max_percent", usual.max_percent),
        max_weighted_change=_money(table.table("max_weighted_change")),
        canary=table.whole("canary", usual.canary, least=1),
        halt_percent=table.percent("halt_percent", usual.halt_percent),
    )


def _money(table: Table) -> Mapping[str, Decimal]:
    amounts = {}
    for currency, value in table.values.items():
        if not _CURRENCY.fullmatch(currency):
            table.report(currency, "a currency is three capital letters, such as USD")
        elif not is_number(value) or value <= 0:
            table.report(currency, f"a number above 0, not {shown(value)}")
        else:
            amounts[currency] = Decimal(str(value))
    return amounts


def _sources(root: Table, zone: ZoneInfo) -> Mapping[str, SourceSettings]:
    tables = root.table("sources").tables()
    if not root.values.get("sources"):
        root.document.report((), "there is no source to read; add a table [sources.NAME] with adapter and mapping")
    return {name: _source(name, table, zone) for name, table in tables}


def _source(name: str, table: Table, zone: ZoneInfo) -> SourceSettings:
    if not _SOURCE_NAME.fullmatch(name):
        table.document.report(table.path, "a source's name is letters, digits, and _ . - between them")
    options = {key: value for key, value in table.values.items() if key not in KEYS["sources.NAME"]}
    refused = frozenset(
        key for key, value in options.items() if refuse_literal_secrets(table.document, table.path, {key: value})
    )
    places = table.document.places.within(*table.path)
    return SourceSettings(
        name=name,
        adapter=table.required("adapter", 'the kind of system, such as "file"'),
        mapping=table.required("mapping", 'what its fields mean, such as "canonical", or a path to a .toml'),
        timezone=table.zone("timezone", zone),
        timezone_told="timezone" in table.values,
        currency=_currency(table),
        schedule=_schedule(table),
        write=table.choice("write", _WRITE, "off"),
        min_rows_percent=table.percent("min_rows_percent", SourceSettings.min_rows_percent, zero=True),
        sweep_hours=table.positive("sweep_hours", SourceSettings.sweep_hours),
        options=options,
        refused=refused,
        file=table.document.file,
        line=places(),
        locate=places,
    )


def _currency(table: Table) -> str | None:
    if "currency" not in table.values:
        return None
    value = table.values["currency"]
    if isinstance(value, str) and _CURRENCY.fullmatch(value):
        return value
    table.report("currency", f'three capital letters such as "USD", not {shown(value)}')
    return None


def _schedule(table: Table) -> str | None:
    if "schedule" not in table.values:
        return None
    value = table.values["schedule"]
    if isinstance(value, str) and is_schedule(value):
        return value
    form = 'minute, hour, day, month and weekday as in cron, such as "*/15 * * * *"'
    table.report("schedule", f"{form}, not {shown(value)}")
    return None
