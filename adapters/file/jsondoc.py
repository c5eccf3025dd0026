"""Reads JSON documents: an array of objects, or one inside an object.

Decoded record by record from a window on the text, by the standard library's decoder. ijson would be the part for this,
but must not be given files of strangers: a number of 5,000 digits ends the process (seen with 3.6.0 and its C backend),
and its memory grows with the square of the nesting.
Numbers with a fraction become Decimal, exactly as written.

Not for: JSON Lines (`adapters.file.jsonlines`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

from adapters.file import cells
from adapters.file.files import OpenFile
from adapters.file.records import PAGE_ROWS, Records
from adapters.file.settings import FileSettings
from adapters.file.text import TextFile
from syncd.adapter import Page
from syncd.errors import ConfigError, Problem, SourceIncomplete, SourceUnavailable

_DECODER: Final = json.JSONDecoder(strict=False, parse_float=Decimal, parse_constant=str)
"""`NaN`, which is not JSON, stays a text that no typed field can read, and so costs one value and not the source."""


def _unless_boundless(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def number(text: str) -> Any:
        try:
            return read(text)
        except (ValueError, ArithmeticError):
            return text

    return number


_TOLERANT: Final = json.JSONDecoder(
    strict=False, parse_float=_unless_boundless(Decimal), parse_int=_unless_boundless(int), parse_constant=str
)
"""For records with numbers beyond all bounds, which stay texts. It takes longer."""

_SPACE: Final = re.compile(r"[ \t\r\n]*")


def decode(text: str) -> Any:
    """The one value a text holds.

    Raises:
        ValueError: It holds none, or more.
        RecursionError: It is nested too deeply.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        raise
    except (ValueError, ArithmeticError):
        return _TOLERANT.decode(text)


class _NotJsonError(ValueError):
    """The text ends early or is not JSON."""


def read(file: OpenFile, settings: FileSettings) -> Iterator[Page]:
    """Yield the records of one JSON document.

    Raises:
        ConfigError: `records` names no array, or is needed and absent.
        SourceUnavailable: It is not text, or holds no array.
        SourceIncomplete: It was cut, is not valid JSON, or is nested beyond all bounds.
    """
    text = TextFile(file, settings.encoding)
    window = _Window(text.texts(), max(16 << 20, 4 * settings.max_cell))
    records = Records(file.name, "record", settings.max_cell)
    number = 0
    advised = False
    try:
        for record in _Document(file.name, settings.records, window).records():
            number += 1
            records.add(number, record, suspect=True)
            if text.undecodable and not advised:
                advised = True
                records.notes.append(f"{file.name} {cells.ENCODING_REMEDY.format(encoding=text.encoding)}")
            if len(records) >= PAGE_ROWS:
                yield records.page(file.position)
    except _NotJsonError as exc:
        reason = f"{file.name} was cut, or is not valid JSON after record {number}"
        raise SourceIncomplete(reason, "Export it again.") from exc
    except RecursionError as exc:
        raise SourceIncomplete(f"{file.name} is nested too deeply after record {number}", "Check the export.") from exc
    if len(records):
        yield records.page(file.position)


class _Window:
    """A stretch of the text, large enough for the value being read."""

    def __init__(self, texts: Iterator[str], ceiling: int) -> None:
        """Args: texts in blocks, and the characters one value may have before the source is given up."""
        self._texts = texts
        self._ceiling = ceiling
        self._text = ""
        self._at = 0

    def next(self) -> str:
        """The next character that is not white space, without taking it; empty at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._widen():
                return ""

    def take(self, signs: str) -> str:
        """The next character, which must be one of these.

        Raises:
            _NotJsonError: It is not.
        """
        sign = self.next()
        if not sign or sign not in signs:
            raise _NotJsonError
        self._at += 1
        return sign

    def value(self) -> Any:
        """The next value, decoded.

        Raises:
            _NotJsonError: There is none, or it is not whole.
        """
        self.next()
        decoder = _DECODER
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as exc:
                if not self._widen():
                    raise _NotJsonError from exc
            except (ValueError, ArithmeticError):
                decoder = _TOLERANT
            else:
                # A number at the very end of the window may go on behind it.
                if end < len(self._text) or not self._widen():
                    self._at = end
                    return value

    def _widen(self) -> bool:
        """Forget what was read and double the rest, so that a long value is not decoded again for every block."""
        blocks = [self._text[self._at :]]
        size = wanted = len(blocks[0])
        self._at = 0
        if size < self._ceiling:
            for block in self._texts:
                blocks.append(block)
                size += len(block)
                if size >= 2 * wanted:
                    break
        self._text = "".join(blocks)
        return size > wanted


class _Document:
    """Finds the records in a document."""

    def __init__(self, name: str, wanted: str | None, window: _Window) -> None:
        self._name = name
        self._wanted = wanted
        self._window = window
        self._seen = False
        self._chosen: str | None = None

    def records(self) -> Iterator[Any]:
        """The elements of the array that holds the records; ends normally only with the whole document."""
        start = self._window.next()
        if start == "[" and self._wanted is not None:
            raise self._no_such_array()
        if start == "[":
            yield from self._elements()
        elif start == "{":
            yield from self._members("")
            self._check_seen()
        else:
            self._window.value()
            raise SourceUnavailable(
                f"{self._name} holds a single value, not records", "Check whether the export failed."
            )
        if self._window.next():
            raise _NotJsonError

    def _elements(self) -> Iterator[Any]:
        window = self._window
        window.take("[")
        if window.next() == "]":
            window.take("]")
            return
        yield window.value()
        while window.take(",]") == ",":
            yield window.value()

    def _members(self, prefix: str) -> Iterator[Any]:
        """The records among the members of the object that starts here, whose own path is `prefix`."""
        window = self._window
        window.take("{")
        if window.next() == "}":
            window.take("}")
            return
        sign = ","
        while sign == ",":
            key = window.value()
            if not isinstance(key, str):
                raise _NotJsonError
            window.take(":")
            yield from self._member(f"{prefix}{key}", window.next())
            sign = window.take(",}")

    def _member(self, path: str, start: str) -> Iterator[Any]:
        if start == "[" and self._wanted in {None, path}:
            yield from self._array(path)
        elif path == self._wanted:
            raise self._no_such_array()
        elif start == "{" and self._wanted is not None and self._wanted.startswith(f"{path}."):
            yield from self._members(f"{path}.")
        elif start == "[":
            for _ in self._elements():  # one by one, since all at once may be as large as the records
                pass
        else:
            self._window.value()

    def _array(self, path: str) -> Iterator[Any]:
        """The elements of an array. Without `records`, only one array may have any."""
        self._seen = True
        for element in self._elements():
            if self._chosen not in {None, path}:
                message = f"{self._chosen} and {path} are both arrays; name one with `records`"
                raise ConfigError(Problem(message=message, file=self._name))
            self._chosen = path
            yield element

    def _check_seen(self) -> None:
        if self._seen:
            return
        if self._wanted is not None:
            raise self._no_such_array()
        raise SourceUnavailable(
            f"{self._name} holds an object without an array of records",
            "Check whether the export failed, or name the array with `records`.",
        )

    def _no_such_array(self) -> ConfigError:
        return ConfigError(Problem(message=f'there is no array at records = "{self._wanted}"', file=self._name))
