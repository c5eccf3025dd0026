"""Reports: what a run found, in every format.

Each `to_<format>.py` is one pure function of a `Report` and an output stream, and each streams: a million discrepancies
take no more memory than a few. The tables below say which name stands for which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, cast

from syncd.report.model import PlanReport, PlanTotals, Report, RuleInfo

__all__ = ["FORMATS", "PLAN_FORMATS", "Format", "PlanReport", "PlanTotals", "Report", "RuleInfo"]


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        function: The function that writes it, in the module of the same name.
        binary: The stream takes bytes (UTF-8 where the format is text, with the line ends the format asks for); else
            it takes text, or is a rich console.
        opaque: What it writes is not for a terminal.
    """

    function: str
    binary: bool = True
    opaque: bool = False

    @property
    def write(self) -> Callable[[Any, Any], None]:
        """Writes a report, or for a plan's format a plan, to a stream."""
        # Imported when asked for: a run that prints JSON need not wait for what writes workbooks.
        module = import_module(f"syncd.report.{self.function}")
        return cast("Callable[[Any, Any], None]", getattr(module, self.function))


FORMATS: Final[Mapping[str, Format]] = {
    "text": Format("to_text", binary=False),
    "json": Format("to_json"),
    "csv": Format("to_csv"),
    "sarif": Format("to_sarif"),
    "junit": Format("to_junit"),
    "github": Format("to_github"),
    "html": Format("to_html"),
    "xlsx": Format("to_xlsx", opaque=True),
    "md": Format("to_md"),
}
"""The formats of a report, by name."""

PLAN_FORMATS: Final[Mapping[str, Format]] = {
    "text": Format("plan_to_text", binary=False),
    "json": Format("plan_to_json"),
}
"""The formats of a plan, by name."""
