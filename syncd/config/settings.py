"""What a configuration says, as frozen values, and the keys it may say it with.

Not for: reading or checking it (`syncd.config.load`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from syncd.model import Severity
from syncd.places import Places
from syncd.policy import Limits, OutcomeSemantics, Policy
from syncd.secrets import Secret

WriteMode = Literal["off", "safe", "all"]

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "": ("syncd", "rules", "limits", "sources"),
    "syncd": ("database", "process", "timezone", "outcome_semantics"),
    "syncd.database": ("url", "password"),
    "rules": ("select", "ignore", "severity", "fix", "options", "custom"),
    "rules.custom.CODE": ("severity", "message", "when", "field", "phrase", "fix"),
    "rules.custom.CODE.fix": ("safety", "set"),
    "limits": ("max_changes", "max_percent", "max_weighted_change", "canary", "halt_percent"),
    "sources.NAME": (
        "adapter", "mapping", "timezone", "currency", "schedule", "write", "min_rows_percent", "sweep_hours",
    ),
}  # fmt: skip
"""Every key of every table, whatever else the tables of `sources` hold for their adapters."""


@dataclass(frozen=True, kw_only=True)
class CustomFix:
    """What a custom rule would set.

    Attributes:
        set: By canonical field: stage, owner, name and account as str, probability as int or float in percent, amount
            as Decimal in major units, close_date as date.
    """

    safety: Literal["safe", "unsafe"]
    set: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class CustomRuleSettings:
    """A rule of the company's own, as written; its condition is not compiled yet.

    Attributes:
        condition: A CEL expression that is true where the rule is broken (the key `when`).
        field: The canonical field or evidence id it is about; empty for several.
        line: Where the rule's table begins.
        condition_line: Where the text of the condition begins.
        sound: Whether all of its table could be read.
    """

    code: str
    severity: Severity
    message: str
    condition: str
    phrase: str = ""
    fix: CustomFix | None = None
    field: str = ""
    line: int = 0
    condition_line: int = 0
    sound: bool = True


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """One source.

    Attributes:
        adapter: The entry point's name.
        mapping: A name in `mappings/` or a path.
        timezone: Of times the source gives without a zone; the business zone unless said otherwise.
        timezone_told: The table itself says so.
        currency: Of amounts the source gives without one, or None.
        schedule: Five cron fields, or None.
        min_rows_percent: A full pull that gives fewer than this percentage of the records known before is incomplete.
        sweep_hours: How long increments may go on before it is asked again which records are gone.
        options: Everything else in the table, for the adapter; see `validate_options`.
        refused: Those of the options that hold a secret written out.
        file: The configuration file, as the person named it.
        locate: Gives the line of a key of this source: `locate("auth", "password")`.
    """

    name: str
    adapter: str
    mapping: str
    timezone: ZoneInfo
    timezone_told: bool = False
    currency: str | None = None
    schedule: str | None = None
    write: WriteMode = "off"
    min_rows_percent: float = 50.0
    sweep_hours: float = 24.0
    options: Mapping[str, Any] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
    file: str = ""
    line: int = 0
    locate: Places = field(default=Places({}, {}), repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A whole configuration.

    Attributes:
        file: As the person named it.
        folder: Where relative paths start; absolute.
        database: A SQLAlchemy URL without a password. A relative SQLite path has been made absolute.
        database_password: Where its password is, or None.
        process: A name in `mappings/` or a path.
        timezone: The business zone, which decides what "today" is.
        locate: Gives the line of a key: `locate("rules", "select", 0)`.
    """

    file: Path
    folder: Path
    database: str
    database_password: Secret | None
    process: str
    timezone: ZoneInfo
    outcome_semantics: OutcomeSemantics
    policy: Policy
    limits: Limits
    sources: Mapping[str, SourceSettings]
    custom_rules: tuple[CustomRuleSettings, ...]
    locate: Places = field(repr=False, compare=False)
