"""Turns the bytes of a file into text and lines, block by block, whatever its encoding and line endings.

Bytes that do not decode become `UNDECODABLE`, a lone surrogate: no text that does decode can hold one.

Not for: what the lines mean.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import Final

from adapters.file.files import OpenFile
from syncd.errors import SourceIncomplete, SourceUnavailable

BLOCK: Final = 1 << 16
"""Bytes read at once. Larger blocks push the lines out of the processor's cache before they are parsed."""

UNDECODABLE: Final = "\udcff"

VERBATIM: Final = 1 << 16
"""Characters of a line too long to be held that are kept as they are, so that its id can be told."""

_HANDLER: Final = "adapters.file.undecodable"

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_SIGNATURES: Final = (
    (b"PK\x03\x04", "a zip archive or workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"%PDF-", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"PAR1", "a Parquet file"),
)

_CONTROLS: Final = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1a\x1b")
"""Bytes that text does not hold; DOS ends a file with 0x1A, and 0x1B switches character sets in ISO-2022."""

_MANY_CONTROLS: Final = 16
"""As many, and one byte in twenty, are not damage but another kind of file."""

_OTHER_BREAKS: Final = "\v\f\x1c\x1d\x1e"
_OTHER_WIDE_BREAKS: Final = "\x85\u2028\u2029"
"""What `str.splitlines` takes for the end of a line and no file format does."""


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNDECODABLE, error.end


def encoding_of(sample: bytes) -> str:
    """The encoding of a file that starts with these bytes: by its mark, else UTF-16 by its NULs, else UTF-8."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    even, odd = sample[::2], sample[1::2]
    for name, low, high in (("utf-16-le", even, odd), ("utf-16-be", odd, even)):
        # Latin text in UTF-16 has little but NULs in the upper halves, and text in the lower ones.
        if high.count(0) > 0.4 * len(high) and not _full_of_controls(low):
            return name
    return "utf-8"


def _full_of_controls(sample: bytes) -> bool:
    """Whether it holds so many control characters that it is not damaged text but something else."""
    controls = sum(map(sample.count, _CONTROLS))
    return controls >= _MANY_CONTROLS and controls * 20 > len(sample)


class TextFile:
    """A file as text.

    Attributes:
        encoding: The one given or found, for messages; set by the first text.
        undecodable: Whether bytes that do not decode have been seen so far.
    """

    def __init__(self, file: OpenFile, encoding: str | None) -> None:
        """Args: file, and its encoding or None to find it."""
        self.file = file
        self.encoding = encoding or "utf-8"
        self.undecodable = False
        self._given = encoding

    def texts(self) -> Iterator[str]:
        """The text in blocks, without its byte order mark.

        Raises:
            SourceUnavailable: It is not text.
            SourceIncomplete: It ends in the middle of a character, or cannot be read on.
        """
        codecs.register_error(_HANDLER, _mark_undecodable)
        block = self.file.read(BLOCK)
        self._refuse_foreign(block[:4096])
        self.encoding = self._given or encoding_of(block[:4096])
        decoder = codecs.getincrementaldecoder(self.encoding)(errors=_HANDLER)
        started = False
        while block:
            text = decoder.decode(block)
            if text and not started:
                started = True
                text = text.removeprefix("\ufeff")
            if UNDECODABLE in text:
                self.undecodable = True
            if text:
                yield text
            block = self.file.read(BLOCK)
        rest = decoder.decode(b"", final=True)
        if UNDECODABLE in rest and not self.undecodable:
            raise SourceIncomplete(
                f"{self.file.name} ends in the middle of a character: it was cut", "Export it again."
            )
        if rest:
            yield rest

    def _refuse_foreign(self, sample: bytes) -> None:
        kind = next((kind for signature, kind in _SIGNATURES if sample.startswith(signature)), "")
        if not kind and self._given is None and encoding_of(sample) == "utf-8":
            kind = "of another kind, full of control characters" if _full_of_controls(sample) else ""
        if kind:
            raise SourceUnavailable(
                f"{self.file.name} does not look like text: it is {kind}",
                "Check `path` and `format`, or export it again.",
            )


class LineFile:
    """A file as lines, which end in LF, CR or CRLF, mixed as they come.

    Attributes:
        count: Lines handed out so far.
        suspect: Lines up to this number may hold a NUL, undecodable bytes or a cell above the limit; those after it,
            as far as handed out, do not. It spares the readers a look at every cell.
        unfinished: Whether the last line had no end; known once all are handed out.
        squeezed: Numbers of the lines that were too long to be held, and are handed out as a skeleton: whole up to
            `VERBATIM` characters, and from there on one character for each run of those that mean nothing.
        signs: The characters that mean something, since they tell cells apart.
    """

    def __init__(self, text: TextFile, max_cell: int, signs: str = "") -> None:
        """Args: text, max_cell in characters, and signs."""
        self.text = text
        self.count = 0
        self.suspect = 0
        self.unfinished = False
        self.squeezed: set[int] = set()
        self.signs = signs
        self.ceiling = max(16 << 20, 4 * max_cell)
        """Characters of a line or a cell that are held at all, for memory has an end."""
        self._max_cell = max_cell

    def blocks(self) -> Iterator[list[str]]:
        """The lines with their ends, in lists that are never empty.

        Raises:
            SourceUnavailable: The file is not text.
            SourceIncomplete: It was cut, cannot be read on, or has a line of which even the skeleton is too long.
        """
        parts: list[str] = []  # of the line that is not yet whole
        size = 0
        squeezing = False
        for block in self.text.texts():
            parts.append(self._skeleton(block) if squeezing and "\n" not in block and "\r" not in block else block)
            size += len(parts[-1])
            if "\n" in block or "\r" in block:
                text = "".join(parts)
                lines = split(text)
                # A CR at the end of a block may be half of a CRLF.
                parts = [] if lines[-1].endswith("\n") else [lines.pop()]
                size = sum(map(len, parts))
                squeezing = self._account(text, len(lines), squeezing)
                if lines:
                    yield lines
            elif size > self.ceiling - BLOCK and not squeezing:
                text = "".join(parts)
                parts = [text[:VERBATIM], self._skeleton(text[VERBATIM:])]
                size, squeezing = sum(map(len, parts)), True
            if size > self.ceiling - BLOCK:
                raise SourceIncomplete(
                    f"line {self.count + 1} of {self.text.file.name} is far longer than {self.ceiling:,} characters",
                    "Check whether the file is what it should be, and its `delimiter` and `encoding`.",
                )
        rest = "".join(parts)
        if rest:
            lines = split(rest)
            self.unfinished = not rest.endswith("\r")
            self._account(rest, len(lines), squeezing)
            yield lines

    def _skeleton(self, text: str) -> str:
        return re.sub(f"[^{re.escape(self.signs)}\r\n]{{2,}}" if self.signs else r"[^\r\n]{2,}", "x", text)

    def _account(self, text: str, lines: int, squeezed: bool) -> bool:
        """Note what was handed out; gives whether the next line to be is squeezed."""
        if squeezed and lines:
            self.squeezed.add(self.count + 1)
        self.count += lines
        if len(text) > self._max_cell or "\0" in text or UNDECODABLE in text or (squeezed and lines):
            self.suspect = self.count
        return squeezed and not lines

    def too_long(self, first: int, last: int) -> str:
        """Why a record on these lines is broken, if one of them was squeezed; else empty."""
        long = not self.squeezed.isdisjoint(range(first, last + 1))
        return f"its line is longer than {self.ceiling:,} characters" if long else ""


def split(text: str) -> list[str]:
    """The lines of a text with their ends; only LF, CR and CRLF end one."""
    if any(sign in text for sign in _OTHER_BREAKS) or (
        not text.isascii() and any(sign in text for sign in _OTHER_WIDE_BREAKS)
    ):
        return list(io.StringIO(text, newline=""))
    return text.splitlines(keepends=True)
