"""The sentence of a rule of a company's own: a text with names in braces, such as `{owner}`.

The braces hold a name and nothing else: no attribute, index or format of Python can be reached from a configuration,
and what a record's text contains is never read as a template.

Not for: escaping; every report does that for its own format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from syncd.facts import Fact
from syncd.model import Opportunity
from syncd.policy import did_you_mean
from syncd.process import Process
from syncd.rules.custom.variables import STAGES, Variable, plain

_PART: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class Message:
    """A message whose names are known to exist."""

    text: str
    variables: Mapping[str, Variable]
    process: Process

    def fill(self, opportunity: Opportunity, derived: Mapping[str, Any]) -> str:
        """The sentence for one opportunity."""

        def put(found: re.Match[str]) -> str:
            if found[1] is None:
                return found[0][0]
            name = found[1].strip()
            return self._shown(name, self.variables[name].read(opportunity, derived))

        return _PART.sub(put, self.text)

    def _shown(self, name: str, value: Any) -> str:
        if value is Fact.UNKNOWN:
            return "(unknown)"
        if value is None:
            return "(blank)"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if name in STAGES and value in self.process.stage_index:
            return self.process.stages[self.process.stage_index[value]].name
        return " ".join(str(plain(value)).split())


def mistakes_of(text: str, names: Mapping[str, Variable]) -> list[str]:
    """What is wrong with a message's braces."""
    wrong = []
    for found in _PART.finditer(text):
        if found[0] in ("{", "}"):
            wrong.append(f"a single {found[0]!r}: a name stands as in {{owner}}, and a brace itself is written twice")
        elif found[1] is not None and found[1].strip() not in names:
            wrong.append(f"there is no name {found[1].strip()!r} to put in{did_you_mean(found[1].strip(), names)}")
    return wrong
