"""The part of SOQL the double understands: SELECT, WHERE joined by AND, ORDER BY, LIMIT, COUNT(), semi-joins.

Not for: the adapter, which only writes queries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Row = Mapping[str, Any]

_TOKEN: Final = re.compile(
    r"\s+|(?P<text>'(?:[^'\\\n]|\\.)*')|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))"
    r"|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z][\w.]*)|(?P<sign><=|>=|!=|[=<>(),])"
)
_UNESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


class Malformed(Exception):
    """It is no query; answered with MALFORMED_QUERY."""


@dataclass
class Condition:
    """A field, a sign (`=`, `!=`, `<`, `<=`, `>`, `>=`, `in`) and a literal, a list of them, or a query."""

    name: str
    sign: str
    value: Any


@dataclass
class Query:
    """A query, taken apart."""

    fields: list[str]
    table: str
    where: list[Condition] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    limit: int | None = None

    @property
    def counts(self) -> bool:
        """Whether only the number of rows is asked for."""
        return self.fields == ["COUNT()"]

    def names(self) -> list[str]:
        """Every field it names of its own object."""
        named = [] if self.counts else list(self.fields)
        return named + [one.name for one in self.where] + self.order


def parse(text: str) -> Query:
    """Take a query apart.

    Raises:
        Malformed: It is none.
    """
    reader = _Reader(_tokens(text))
    query = reader.query()
    if reader.left:
        raise Malformed
    return query


def matcher(condition: Condition, key: Callable[[str, Any], Any]) -> Callable[[Row], bool]:
    """Whether a row meets a condition; `key` gives what values of a field are compared by. Null meets no comparison."""
    name, sign, wanted = condition.name, condition.sign, condition.value
    if sign == "in":
        among = {_folded(one) for one in wanted}
        return lambda row: _folded(row.get(name)) in among
    if sign in ("=", "!="):
        same = sign == "="
        return lambda row: (_folded(row.get(name)) == _folded(wanted)) is same
    limit = key(name, wanted)

    def compares(row: Row) -> bool:
        if (value := row.get(name)) is None:
            return False
        this = key(name, value)
        return bool({"<": this < limit, "<=": this <= limit, ">": this > limit, ">=": this >= limit}[sign])

    return compares


def _folded(value: Any) -> Any:
    """Texts are compared in any case, but for ids, which are told apart by case in 15 characters."""
    return value.casefold() if isinstance(value, str) and not value.startswith(("006", "005")) else value


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Malformed
        at = match.end()
        if match.lastgroup:
            found.append((match.lastgroup, match.group()))
    return found


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def left(self) -> bool:
        return self._at < len(self._tokens)

    def query(self) -> Query:
        self._word("select")
        fields = [self._field()]
        while self._if("sign", ","):
            fields.append(self._field())
        self._word("from")
        query = Query(fields, self._take("name"))
        if self._if_word("where"):
            query.where.append(self._condition())
            while self._if_word("and"):
                query.where.append(self._condition())
        if self._if_word("order"):
            self._word("by")
            query.order.append(self._ordered())
            while self._if("sign", ","):
                query.order.append(self._ordered())
        if self._if_word("limit"):
            query.limit = int(self._take("number"))
        return query

    def _field(self) -> str:
        name = self._take("name")
        if name.casefold() == "count" and self._if("sign", "("):
            self._sign(")")
            return "COUNT()"
        return name

    def _ordered(self) -> str:
        name = self._take("name")
        if not self._if_word("asc") and self._if_word("desc"):
            raise Malformed  # the double sorts upwards alone
        return name

    def _condition(self) -> Condition:
        name = self._take("name")
        if self._if_word("in"):
            self._sign("(")
            if self._is_word("select"):
                value: Any = self.query()
            else:
                value = [self._literal()]
                while self._if("sign", ","):
                    value.append(self._literal())
            self._sign(")")
            return Condition(name, "in", value)
        sign = self._take("sign")
        if sign in "(),":
            raise Malformed
        return Condition(name, sign, self._literal())

    def _literal(self) -> Any:
        kind, text = self._next()
        if kind == "text":
            return re.sub(r"\\(.)", lambda found: _UNESCAPED.get(found[1], found[1]), text[1:-1], flags=re.DOTALL)
        if kind == "number":
            return float(text)
        if kind == "time":
            return text
        word = text.casefold()
        if kind == "name" and word in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[word]
        raise Malformed

    def _next(self) -> tuple[str, str]:
        if not self.left:
            raise Malformed
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, kind: str) -> str:
        found, text = self._next()
        if found != kind:
            raise Malformed
        return text

    def _sign(self, sign: str) -> None:
        if not self._if("sign", sign):
            raise Malformed

    def _word(self, word: str) -> None:
        if not self._if_word(word):
            raise Malformed

    def _is_word(self, word: str) -> bool:
        return self.left and self._tokens[self._at][0] == "name" and self._tokens[self._at][1].casefold() == word

    def _if_word(self, word: str) -> bool:
        found = self._is_word(word)
        self._at += found
        return found

    def _if(self, kind: str, text: str) -> bool:
        found = self.left and self._tokens[self._at] == (kind, text)
        self._at += found
        return found
