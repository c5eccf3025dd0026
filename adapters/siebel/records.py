"""Taking answers apart: of each record only the fields that were asked for are decoded.

Not for: which records are asked for (`walk`), or where their fields are known from (`described`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from adapters.siebel.dialect import BLANK
from syncd.adapter import MISSING
from syncd.httpkit import Body
from syncd.httpkit.links import query_of

_BLANK_BYTES: Final = BLANK.encode()


@dataclass(frozen=True, slots=True)
class Answered:
    """One page of a query.

    Attributes:
        rows: A tuple of values for each record; the id comes first.
        text: Every value is a str.
        more: The answer says that there are more records after these.
        last: It says that there are none.
        next_start: Where they begin, by the answer's own link; None without one.
        total: How many records the query selects, where that was asked for and told.
    """

    rows: Sequence[tuple[Any, ...]]
    text: bool = True
    more: bool = False
    last: bool = False
    next_start: int | None = None
    total: int | None = None


NOTHING: Final = Answered(())


class _Link(msgspec.Struct):
    rel: Any = ""
    href: Any = ""


class Decoder:
    """Decodes answers to queries for the same fields."""

    def __init__(self, fields: Sequence[str]) -> None:
        """Args: fields, by their names in answers; the first is the id."""
        self._texts = _envelope(fields, strict=True)
        self._any = _envelope(fields, strict=False)

    def __call__(self, body: Body) -> Answered:
        """Take an answer apart.

        Raises:
            msgspec.MsgspecError: It is not one.
        """
        text = True
        try:
            found = self._texts.decode(body)
        except msgspec.ValidationError:
            # All values are texts in every answer seen so far, but nothing promises it, and a field may be absent.
            found, text = self._any.decode(body), False
        # Without `uniformresponse`, and in some builds with it, a single record is no list, nor is a single link.
        items = found.items if isinstance(found.items, list) else [found.items]
        links = found.Link if isinstance(found.Link, list) else [found.Link]
        rows = [msgspec.structs.astuple(one) for one in items]
        if not all(isinstance(row[0], str) and row[0] for row in rows):
            raise msgspec.ValidationError("a record without an id")
        if _BLANK_BYTES in body:
            rows = [tuple("" if value == BLANK else value for value in row) for row in rows]
        ahead = next((link.href for link in links if str(link.rel).casefold() == "nextset"), None)
        start = None if ahead is None else _start(str(ahead))
        last = str(found.lastpage).casefold() == "true"
        more = (ahead is not None and not last) or str(found.lastpage).casefold() == "false"
        return Answered(rows, text, more=more, last=last, next_start=start)


def _envelope(fields: Sequence[str], *, strict: bool) -> msgspec.json.Decoder[Any]:
    """The decoder of an answer: with every field there and a text, or with any value and what is absent missing."""
    names = {f"f{index}": field for index, field in enumerate(fields)}
    shape: list[Any] = [(name, str) if strict else (name, Any, MISSING) for name in names]
    record: Any = msgspec.defstruct("Record", shape, rename=names, gc=False)
    links: Any = list[_Link] | _Link
    answer = msgspec.defstruct(
        "Answer", [("items", list[record] | record), ("Link", links, msgspec.field(default_factory=list)),
                   ("lastpage", Any, "")],
    )  # fmt: skip
    return msgspec.json.Decoder(answer)


def _start(link: str) -> int | None:
    """Where a link leads. It may name another host, of which nothing is used."""
    start = {name.casefold(): value for name, value in query_of(link).items()}.get("startrownum", "")
    return int(start) if start.isascii() and start.isdigit() else None
