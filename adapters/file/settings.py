"""What a source of the file adapter can be told.

Not for: finding or opening files (`adapters.file.files`).
"""

from __future__ import annotations

import codecs
from pathlib import PurePath
from typing import Annotated, Final, Literal

import msgspec

from syncd.errors import ConfigError, Problem

Format = Literal["csv", "jsonl", "json", "xlsx"]

FORMAT_BY_ENDING: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xls": "xlsx",  # not readable, but refused with the remedy that fits
    ".xlsb": "xlsx",
}

_ONLY_FOR: Final[dict[str, tuple[Format, ...]]] = {
    "delimiter": ("csv",),
    "encoding": ("csv", "jsonl", "json"),
    "records": ("json",),
    "sheet": ("xlsx",),
}


class FileSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one source of files.

    Attributes:
        path: The file, or a pattern such as `exports/*.csv`; relative to the folder of the configuration.
        format: How the files are written; None goes by each file's ending.
        encoding: A Python codec name; None finds it: a byte order mark, UTF-16 by its pattern of NULs, else UTF-8.
        delimiter: One character; None finds it among comma, semicolon, tab and bar.
        sheet: The sheet of a workbook; None is the first one.
        records: The path of the array in a JSON document, such as `data.items`; None is the document itself, or its
            only array.
        max_cell: Characters one cell may have; a record with a larger one is broken.
        expect_rows: How many records the files hold together; fewer make the source incomplete.
    """

    path: Annotated[str, msgspec.Meta(min_length=1)]
    format: Format | None = None
    encoding: str | None = None
    delimiter: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] | None = None
    sheet: str | None = None
    records: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    max_cell: Annotated[int, msgspec.Meta(ge=1)] = 1 << 20
    expect_rows: Annotated[int, msgspec.Meta(ge=0)] | None = None


def format_of(settings: FileSettings, name: str) -> Format | None:
    """The format of the file or pattern with this name; None when its ending says nothing."""
    return settings.format or FORMAT_BY_ENDING.get(PurePath(name).suffix.lower())


def unknown_format(name: str) -> Problem:
    """What to say about a file whose ending says nothing about its format."""
    return Problem(
        message=f'the ending of {name} says nothing about its format; add format = "csv", "jsonl", "json" or "xlsx"'
    )


def check(settings: FileSettings) -> Format | None:
    """The format of the whole source, or None where a pattern may match several.

    Raises:
        ConfigError: The settings contradict one another; holds every problem found.
    """
    problems: list[Problem] = []
    wanted = format_of(settings, settings.path)
    if wanted is None and not any(sign in settings.path for sign in "*?["):
        problems.append(unknown_format(settings.path))
    if wanted is not None:
        problems += [
            Problem(message=f"`{name}` is for {' and '.join(formats)} files, and {settings.path} is read as {wanted}")
            for name, formats in _ONLY_FOR.items()
            if getattr(settings, name) is not None and wanted not in formats
        ]
    if settings.delimiter is not None and settings.delimiter in '"\r\n\0':
        problems.append(Problem(message="`delimiter` cannot be a quote, a line break or a NUL"))
    if settings.encoding is not None and not _is_text_encoding(settings.encoding):
        problems.append(
            Problem(
                message=f'there is no text encoding "{settings.encoding}"; well-known ones are utf-8, utf-16, cp1252'
            )
        )
    if problems:
        raise ConfigError(*problems)
    return wanted


def _is_text_encoding(name: str) -> bool:
    try:
        codecs.getincrementaldecoder(name)
        "a".encode(name)  # refuses codecs that are not about text, such as base64
    except LookupError:
        return False
    return True
