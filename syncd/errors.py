"""The errors of syncd, named after the reaction they ask for.

    SyncdError
    ├── ConfigError          stop at the start: a person must change a file            exit 2
    ├── UsageError           stop: the command cannot mean what it says                 exit 2
    ├── SourceIncomplete     this source is judged not at all; the others go on         exit 3
    │   ├── SourceUnavailable    it could not be reached or opened
    │   ├── AuthFailed           it refused the credentials; call a person
    │   └── WatermarkLost        no increment can go on from there; the run reads the source whole instead
    ├── StoreBusy            another process holds the database; try again              exit 75
    │   └── StoreUnreachable     its server does not answer; try again
    └── StoreFailed          the database cannot be used: disk full, damaged, too new   exit 2

They carry facts, not sentences: `syncd.cli.failures` turns each into a sentence, an exit code and what to do next.
A record that cannot be read is not an error but a value, `syncd.adapter.Broken`: one bad record never stops the rest.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong in something a person wrote, and where.

    Attributes:
        message: What is wrong, and what would be right.
        file: The file it stands in, as the person named it; empty when it came from the command line.
        line: The line, counted from 1; 0 when it is about the file as a whole.
        column: The column, counted from 1; 0 when unknown.
    """

    message: str
    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """`file:line:column: message`, with what is unknown left out."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        return f"{place}: {self.message}" if place else self.message


class SyncdError(Exception):
    """The root of every error syncd raises on purpose."""


class ConfigError(SyncdError):
    """Something a person configured cannot work. Holds every problem found, not only the first."""

    def __init__(self, *problems: Problem) -> None:
        """Args: problems, at least one."""
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class UsageError(SyncdError):
    """The command line asks for something that cannot be done."""


class SourceIncomplete(SyncdError):
    """A source could not be read whole, so nothing may be judged for it.

    Attributes:
        reason: What happened, for people.
        remedy: What to do about it, for people; may be empty.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        """Args: reason and remedy, both for people."""
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class SourceUnavailable(SourceIncomplete):
    """The source could not be reached or opened at all."""


class AuthFailed(SourceIncomplete):
    """The source refused the credentials."""


class WatermarkLost(SourceIncomplete):
    """What changed since a watermark cannot be told any more: it is too old, or was another system's."""


class StoreBusy(SyncdError):
    """Another process holds the database; the same command may work in a moment."""


class StoreUnreachable(StoreBusy):
    """The database's server does not answer; it may in a moment."""


class StoreFailed(SyncdError):
    """The database cannot be used. What was committed before is intact, unless the file is damaged.

    Attributes:
        remedy: What to do about it, for people; may be empty.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        """Args: reason and remedy, both for people."""
        super().__init__(reason)
        self.remedy = remedy
