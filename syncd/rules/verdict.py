"""What the judge says of one opportunity.

Not for: coming to it (`syncd.rules.compiled`, `syncd.judge`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from syncd.model import Finding

NAMED: Final = 20_000
"""Sets of codes remembered at most."""


class Names(msgspec.Struct, frozen=True):
    """What bits and numbers stand for; a part of its own, so that a remembered verdict holds no judge that holds it.

    Attributes:
        codes: The codes of the rules; a rule's place is its bit.
        stages: The ids of the columns.
        known: Sets of codes made before.
    """

    codes: tuple[str, ...]
    stages: tuple[str, ...]
    known: dict[int, frozenset[str]]

    def codes_of(self, bits: int) -> frozenset[str]:
        """The codes a set of bits stands for."""
        known = self.known.get(bits)
        if known is None:
            if len(self.known) >= NAMED:
                self.known.clear()
            known = frozenset(code for index, code in enumerate(self.codes) if bits >> index & 1)
            self.known[bits] = known
        return known


class Verdict(msgspec.Struct, frozen=True, eq=False, gc=False):
    """What the judge says of one opportunity; opportunities of one state may share it.

    Attributes:
        findings: One a rule broken, in the order of the rules' codes.
        proven_index, possible_index: The proven and possible column; None where the stage is not recognised.
        due_bits, unknown_bits: Which rules were due, and which of those could not be decided, by `Judge.codes`.
    """

    names: Names
    findings: tuple[Finding, ...]
    due_bits: int
    unknown_bits: int
    proven_index: int | None = None
    possible_index: int | None = None

    @property
    def proven(self) -> str | None:
        """The proven stage's id."""
        return None if self.proven_index is None else self.names.stages[self.proven_index]

    @property
    def possible(self) -> str | None:
        """The possible stage's id."""
        return None if self.possible_index is None else self.names.stages[self.possible_index]

    @property
    def due(self) -> frozenset[str]:
        """The codes of the rules that were due."""
        return self.names.codes_of(self.due_bits)

    @property
    def unknown(self) -> frozenset[str]:
        """The codes of the rules that were due and could not be decided."""
        return self.names.codes_of(self.unknown_bits)
