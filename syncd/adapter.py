"""The port between the core and the systems it reads: what an adapter is given and what it must give back.

Adapters speak *raw records*, tables of native values, and know nothing of stages, rules or evidence.

Terminology
    record     what a system holds about one opportunity, raw: native field names and values
    page       some records that share their columns, in the source's own order
    complete   everything that was asked for has been yielded; only then does `pull` end normally
    watermark  a text, the adapter's own, that stands for "everything up to here has been yielded"
    broken     a record that cannot be told apart or taken apart; it is rejected, the rest goes on
    gone       a record that was there and is no longer: deleted, or merged into another
    move       a record's coming into a stage, from the system's own history
    check      one thing `syncd doctor` looks at, and what came of it

Not for: mapping native fields to ours (`syncd.mapping`) and deciding what an incomplete pull means (`syncd.pull`).
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Protocol, runtime_checkable
from zoneinfo import ZoneInfo


class Missing(enum.Enum):
    """The type of `MISSING`."""

    MISSING = "missing"
    """This record has no such field, which is not the same as an empty one: a JSON object without the key."""


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Percent:
    """A number that its source shows as a percentage, so that its scale is beyond doubt: 0.4 shown as `40%`.

    Attributes:
        figure: The number before the sign.
    """

    figure: Decimal

    def __str__(self) -> str:
        """As it is shown."""
        return f"{self.figure:f}%"


@dataclass(frozen=True, slots=True)
class Broken:
    """A record the adapter could not take apart.

    Attributes:
        place: Where it stands, for people: `line 17`, `row 4 of sheet Pipeline`.
        reason: Why it was refused, for people. Holds no text of the record beyond its id.
        id: The record's id where it could be read, else empty.
    """

    place: str
    reason: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """A record came into a stage, by the system's own history.

    Attributes:
        id: The record's id.
        stage: The native label of the stage it came to.
        at: When; a text is read as a field of the source would be.
    """

    id: str
    stage: str
    at: date | datetime | str


@dataclass(frozen=True, slots=True)
class Page:
    """Some records that share their columns.

    Attributes:
        columns: Native field names, in the order of each row's values. The same tuple object for as long as the
            columns do not change, so that the mapping is compiled once.
        rows: One sequence of native values a record, as long as `columns`. Values are str, int, float, Decimal, bool,
            None (empty), date, datetime, `Percent`, `MISSING`, or for a child component a list of dicts.
        declared: The source itself lists its columns (a header, a sheet). False where they are only those seen so far,
            as in JSON, so that a field that is absent here may still come.
        text: Every value is a str, as in a CSV file.
        first: The place of the first row, counted as the source's users count (a line, a row), for messages.
        places: The place of each row, where they do not simply follow `first`; else empty.
        broken: Records of this stretch that could not be taken apart.
        notes: Things a person should know about this stretch that are not errors. Holds no text of records.
        done: How far the pull has come and
        total: of how much, in any one unit (bytes, records); 0 where the source cannot say. For progress only.
        gone: Ids of records that are known to be gone. An id may be yielded again later, when the record came back.
        moves: History of any records, given in this or an earlier pull; repeats do no harm.
        watermark: Everything up to here, this page included, has been yielded; None where that cannot be said yet.
        doubtful: The source may have been cut here, so records that are absent may only be missing.
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    declared: bool = True
    text: bool = False
    first: int = 0
    places: Sequence[int] = ()
    broken: Sequence[Broken] = ()
    notes: Sequence[str] = ()
    done: int = 0
    total: int = 0
    gone: Sequence[str] = ()
    moves: Sequence[Move] = ()
    watermark: str | None = None
    doubtful: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an adapter can do, as data; the core decides what follows from a lack.

    Attributes:
        write: It can change records.
        incremental: `pull` honours a watermark.
        deletions: An incremental pull tells every record that is gone. Otherwise it is a `KeyReader`.
        history: Pages carry `moves`.
        place: How its users call a record's place: `line`, `row`, `record`.
    """

    write: bool = False
    incremental: bool = False
    deletions: bool = False
    history: bool = False
    place: str = "record"


Outcome = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check of `syncd doctor` found.

    Attributes:
        name: What was looked at, in a few words: `credentials`, `fields of the mapping`.
        says: What was found, for people. May hold names of the system's own objects, fields and labels, never the
            content of records.
        remedy: What to do about it; empty where nothing is to be done.
    """

    name: str
    outcome: Outcome
    says: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext:
    """What every adapter is told about the source it serves.

    Attributes:
        name: The source's name in the configuration.
        folder: The folder of the configuration file; relative paths start there.
        fields: The native fields the mapping uses, so that no other is asked for; empty means all.
        children: The child components the mapping looks for evidence in, each with the native fields it uses of them.
        roles: Which native field holds a canonical one: `id`, `stage`, `probability`, `version`, `updated_at`, ...
        labels: The native labels the mapping gives to each stage, by stage id. For `examine` alone.
        chart: The probability the chart gives each stage, by stage id; None for those without. For `examine` alone.
        timezone: The zone of times that the source gives without one.
        timezone_told: The configuration says so of this source; otherwise it is the business zone.
        options: The source's own settings, already validated against the adapter's `Settings`.
    """

    name: str
    folder: Path
    fields: frozenset[str] = field(default_factory=frozenset)
    children: Mapping[str, frozenset[str]] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    chart: Mapping[str, int | float | None] = field(default_factory=dict)
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    timezone_told: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Adapter(Protocol):
    """One connected system.

    An adapter is made by `create`, used for one run and then closed. It opens nothing before `pull`.
    """

    Settings: ClassVar[type[Any]]
    """A `msgspec.Struct` (`forbid_unknown_fields=True`) of the settings a source of this kind takes."""

    capabilities: ClassVar[Capabilities]

    @classmethod
    def create(cls, settings: Any, context: SourceContext) -> Adapter:
        """Make the adapter of one source. Does no I/O.

        Raises:
            ConfigError: The settings contradict one another.
        """
        ...

    def pull(self, since: str | None = None) -> AsyncIterator[Page]:
        """Yield every record of the source, page by page, in an order that is the same each time.

        Ending normally is the promise that the source was read whole.

        Args:
            since: A watermark from an earlier pull, for adapters that are `incremental`: then every record that
                changed since is yielded, and may be yielded though it did not. None asks for everything.

        Raises:
            ConfigError: It has no such column, sheet or object as the configuration names, so that no retry helps.
            SourceUnavailable: It cannot be reached or opened.
            AuthFailed: It refuses the credentials.
            SourceIncomplete: It ended early, was cut, or promised more than it gave.
            WatermarkLost: Nobody can say what changed since then; it is read whole instead.
        """
        ...

    def examine(self) -> AsyncIterator[Check]:
        """Look at everything that must be right for a pull, and say of each what was found and what cures it.

        Never raises for what it finds wrong, writes nothing, and reads no more than a few records.
        """
        ...

    async def close(self) -> None:
        """Let go of files and connections. Safe to call twice."""
        ...


@runtime_checkable
class KeyReader(Protocol):
    """What an adapter offers as well that is `incremental` but does not learn of every deletion."""

    def keys(self) -> AsyncIterator[Sequence[Any]]:
        """Yield the id of every record there is, some at a time, as cheaply as the system allows.

        Each is the same native value that `pull` gives for the id, and is read in the same way; None is a record whose
        id cannot be read. Asked now and then, to learn which records are gone, and which no increment told of.

        Raises:
            As `pull`.
        """
        ...
