"""Reads JSON Lines: one object a line.

Numbers with a fraction become Decimal, exactly as written. What msgspec refuses is tried by the decoder of JSON
documents, so that a number that is none, or beyond all bounds, costs one value here as there and not the record.

Not for: JSON documents (`adapters.file.jsondoc`).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from adapters.file import cells, jsondoc
from adapters.file.files import OpenFile
from adapters.file.records import PAGE_ROWS, Records
from adapters.file.settings import FileSettings
from adapters.file.text import UNDECODABLE, LineFile, TextFile
from syncd.adapter import Page
from syncd.errors import SourceIncomplete

_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


def read(file: OpenFile, settings: FileSettings) -> Iterator[Page]:
    """Yield the records of one file of JSON Lines.

    Raises:
        SourceUnavailable: It is not text.
        SourceIncomplete: Its last line was cut.
    """
    text = TextFile(file, settings.encoding)
    lines = LineFile(text, settings.max_cell)
    records = Records(file.name, "line", settings.max_cell)
    number = 0
    advised = False
    for block in lines.blocks():
        for line in block:
            number += 1
            reason = lines.too_long(number, number)
            record = _UNREADABLE if reason else _decoded(line)
            if record is not _BLANK and record is not _UNREADABLE:
                records.add(number, record, suspect=number <= lines.suspect or "\\u" in line)
            elif record is _UNREADABLE:
                if lines.unfinished and number == lines.count:
                    raise SourceIncomplete(f"{file.name} was cut: its last line ends in mid-record", "Export it again.")
                records.reject(number, reason or _reason(line, text.encoding))
            if len(records) >= PAGE_ROWS:
                yield records.page(file.position)
        if text.undecodable and not advised:
            advised = True
            records.notes.append(f"{file.name} {cells.ENCODING_REMEDY.format(encoding=text.encoding)}")
    if len(records) or records.notes:
        yield records.page(file.position)


_BLANK: Final = object()
_UNREADABLE: Final = object()


def _decoded(line: str) -> Any:
    try:
        return _DECODER.decode(line)
    except (ValueError, ArithmeticError, RecursionError):  # numbers beyond all bounds, and what msgspec raises
        if not line.strip():
            return _BLANK
    try:
        return _UNREADABLE if UNDECODABLE in line else jsondoc.decode(line)
    except (ValueError, RecursionError):
        return _UNREADABLE


def _reason(line: str, encoding: str) -> str:
    return f"it holds text that is not valid {encoding}" if UNDECODABLE in line else "it is not valid JSON"
