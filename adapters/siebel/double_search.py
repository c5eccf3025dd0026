"""Search expressions as the double of Siebel understands them.

    [Sales Stage] = "Develop" AND ([Updated] >= "06/12/2025 15:59:39" OR [Name] LIKE 'A*')

Syntax: Siebel Tools Online Help, "Using a Simple Query"; REST API Guide, "Querying a Siebel CRM Business Component with
Search Specification". A quote inside a literal of the same quotes closes it, as it does in the real one, so that a
careless client finds out.

Not for: the adapter, which only writes such expressions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

Row = Mapping[str, str | datetime]
"""What a record holds under the names of its business component."""

Test = Callable[[Row], bool]

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<field>\[[^\]]*\])|(?P<text>"[^"]*"|'[^']*')|(?P<sign>~=|<>|<=|>=|[=<>(),])"""
    r"""|(?P<word>~LIKE|[A-Za-z]+)|(?P<number>[-+]?\d+(?:\.\d+)?))""",
    re.VERBOSE | re.IGNORECASE,
)
_TIMES: Final = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y")


class SearchRefused(Exception):
    """The expression cannot be evaluated.

    Attributes:
        code: Siebel's code for what is wrong with it.
    """

    def __init__(self, code: str) -> None:
        """Args: code."""
        super().__init__(code)
        self.code = code


class Search:
    """One expression.

    Attributes:
        matches: Whether a record satisfies it.
        any_of: Where it only asks for records whose one field equals one of some texts: the field and the texts.
    """

    def __init__(self, text: str, fields: set[str], localize: Callable[[datetime], datetime]) -> None:
        """Parse.

        Args:
            text: The expression.
            fields: What the business component has.
            localize: From a literal's time without a zone to the moment it means.

        Raises:
            SearchRefused: It names a field there is not, holds a date that is none, or is no expression.
        """
        self._tokens = _tokens(text)
        self._at = 0
        self._fields, self._localize = fields, localize
        self._equals: list[tuple[str, str]] = []
        self._plain = True
        self.matches = self._either()
        if self._at < len(self._tokens):
            raise SearchRefused("SBL-DAT-00477")
        named = {field for field, _ in self._equals}
        self.any_of = (named.pop(), [value for _, value in self._equals]) if self._plain and len(named) == 1 else None

    def _either(self) -> Test:
        tests = [self._every()]
        while self._took("OR"):
            tests.append(self._every())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _every(self) -> Test:
        tests = [self._one()]
        while self._took("AND"):
            self._plain = False
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        if self._took("NOT"):
            self._plain = False
            test = self._one()
            return lambda row: not test(row)
        if self._took("EXISTS"):
            self._plain = False
            return self._in_parentheses()
        if self._peek() == "(":
            return self._in_parentheses()
        return self._comparison()

    def _in_parentheses(self) -> Test:
        self._expect("(")
        test = self._either()
        self._expect(")")
        return test

    def _comparison(self) -> Test:
        field = self._next()
        if not field.startswith("["):
            raise SearchRefused("SBL-DAT-00477")
        name = field[1:-1]
        if name not in self._fields:
            raise SearchRefused("SBL-DAT-00416")
        operator = self._next().upper()
        if operator == "IS":
            self._plain = False
            wanted = not self._took("NOT")
            self._expect("NULL")
            return lambda row: (not row.get(name)) is wanted
        return self._compare(name, operator, self._literal())

    def _compare(self, name: str, operator: str, value: str) -> Test:
        if operator == "=":
            self._equals.append((name, value))
        else:
            self._plain = False
        if operator in {"LIKE", "~LIKE"}:
            flags = re.IGNORECASE if operator[0] == "~" else 0
            pattern = re.compile(
                "".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in value), flags | re.DOTALL
            )
            return lambda row: pattern.fullmatch(str(row.get(name, ""))) is not None
        if operator == "~=":
            return lambda row: str(row.get(name, "")).casefold() == value.casefold()
        if operator not in _ORDERS:
            raise SearchRefused("SBL-DAT-00477")
        order, moment = _ORDERS[operator], self._moment(value)

        def test(row: Row) -> bool:
            held = row.get(name, "")
            if isinstance(held, datetime):
                if moment is None:
                    raise SearchRefused("SBL-DAT-00359")
                return order(held.timestamp(), moment.timestamp())
            return order(held, value)

        return test

    def _moment(self, value: str) -> datetime | None:
        for pattern in _TIMES:
            try:
                return self._localize(datetime.strptime(value, pattern))  # noqa: DTZ007 - the zone is the account's
            except ValueError:
                continue
        return None

    def _literal(self) -> str:
        token = self._next()
        if token[0] in "\"'":
            return token[1:-1]
        if token[0] in "+-0123456789":
            return token
        raise SearchRefused("SBL-DAT-00477")

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise SearchRefused("SBL-DAT-00477")
        self._at += 1
        return token

    def _took(self, word: str) -> bool:
        if self._peek().upper() != word:
            return False
        self._at += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._took(word):
            raise SearchRefused("SBL-DAT-00477")


_ORDERS: Final[Mapping[str, Callable[..., bool]]] = {
    "=": lambda held, value: held == value,
    "<>": lambda held, value: held != value,
    "<": lambda held, value: held < value,
    "<=": lambda held, value: held <= value,
    ">": lambda held, value: held > value,
    ">=": lambda held, value: held >= value,
}


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise SearchRefused("SBL-DAT-00477")
        tokens.append(found[0].strip())
        at = found.end()
    return tokens
