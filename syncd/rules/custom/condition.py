"""Conditions: type-checked once by the CEL library, then evaluated by three-valued logic.

What is unknown is simply not given to CEL. Its `&&` and `||` absorb the error of a missing value exactly as Kleene's
logic absorbs an unknown: `false && error` is false and `true || error` is true, in either order.

Not for: wording mistakes for people (`syncd.rules.custom.mistakes`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from syncd.facts import Fact
from syncd.model import Opportunity
from syncd.policy import did_you_mean
from syncd.rules.custom.mistakes import Mistake, Source, explain, kind_name
from syncd.rules.custom.variables import Variable

_CHECKED_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "duration": ("duration({})", 'not a duration: write hours, minutes or seconds, as in duration("720h") for 30 days'),
    "timestamp": ("timestamp({})", 'not a time: write it whole, as in timestamp("2026-12-31T00:00:00Z")'),
    "matches": ('"".matches({})', "not a regular expression that RE2 can read"),
}
"""Functions whose text CEL looks at only when it evaluates: how to try one, and what to say when it fails.

A condition with such a text could never be decided, for any record; that should be known at the start.
"""


class ConditionError(Exception):
    """A condition that cannot be used. Holds every mistake found in it, from left to right."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__(*(mistake.message for mistake in mistakes))
        self.mistakes = sorted(mistakes, key=lambda mistake: mistake.offset or 0)


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition.

    Attributes:
        text: As written.
        reads: The variables it names; nothing else is looked up in a record.
    """

    text: str
    reads: tuple[Variable, ...]
    program: Any

    def holds(self, opportunity: Opportunity, derived: Mapping[str, Any]) -> Fact:
        """Whether the condition is true: met, not met, or unknown where a value it hangs on is unknown or unusable."""
        values = {}
        for variable in self.reads:
            value = variable.bound(opportunity, derived)
            if value is not Fact.UNKNOWN:
                values[variable.name] = value
        result = self.program.eval(data=values).value()
        if result is True:
            return Fact.MET
        return Fact.NOT_MET if result is False else Fact.UNKNOWN


class Compiler:
    """Compiles conditions over one set of variables.

    Attributes:
        words: The words that a variable which takes only a few of them can hold, by variable.
    """

    def __init__(self, variables: Mapping[str, Variable], words: Mapping[str, Collection[str]]) -> None:
        # The library costs some milliseconds to load, and most configurations have no rule of their own.
        from cel_expr_python import cel  # type: ignore[import-untyped]  # noqa: PLC0415

        self.variables = variables
        self.words = words
        self._types: Mapping[str, Any] = {
            "string": cel.Type.STRING,
            "double": cel.Type.DOUBLE,
            "int": cel.Type.INT,
            "bool": cel.Type.BOOL,
            "timestamp": cel.Type.TIMESTAMP,
        }
        self._env: Any = cel.NewEnv(variables={name: self._types[one.kind] for name, one in variables.items()})

    def compile(self, text: str) -> Condition:
        """Compile one condition.

        Raises:
            ConditionError: It is not CEL, uses a name there is not, mixes types, or is not a yes/no question.
        """
        source = Source(text, tuple(self.variables))
        try:
            program = self._env.compile(text)
        except RuntimeError as error:  # the only error the library has; its text tells which
            raise ConditionError(*explain(str(error), source), *self._traps(source)) from error
        mistakes = [*self._traps(source)]
        returned = program.return_type()
        if returned != self._types["bool"]:
            meaning = kind_name(str(returned.name()).lower())
            message = f"the condition is {meaning}, where something true or false is needed: compare it with something"
            mistakes.append(Mistake(source.start, message))
        if mistakes:
            raise ConditionError(*mistakes)
        return Condition(text, tuple(self._reads(program.serialize())), program)

    def _reads(self, checked: bytes) -> Iterator[Variable]:
        """The variables whose names the checked expression refers to.

        Each reference is kept with its resolved name (`cel.expr.Reference`, whose first field is the name), so that the
        name's own protobuf encoding is found there. A chance find costs one look-up too many and changes no answer.
        """
        for name, variable in self.variables.items():
            if b"\n" + _varint(len(name)) + name.encode() in checked:
                yield variable

    def _traps(self, source: Source) -> Iterator[Mistake]:
        yield from source.pointless()
        for name, offset, text in source.texts_compared_with(self.words):
            if text and text not in self.words[name]:
                guess = did_you_mean(text, self.words[name]) or f"; there are {', '.join(self.words[name])}"
                yield Mistake(offset, f"{name} is never {text!r}{guess}")
        for function, offset, text in source.texts_given_to(_CHECKED_TEXTS):
            trial, message = _CHECKED_TEXTS[function]
            try:
                result = self._env.compile(trial.format(text)).eval()
            except RuntimeError:
                continue  # the text itself is malformed, which compiling the whole has said
            if str(result.type()) == "ERROR":
                yield Mistake(offset, message)


def _varint(number: int) -> bytes:
    """A length as protobuf writes it: seven bits a byte, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
