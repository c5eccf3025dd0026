"""Finds the files of a source, opens them, and notices when one changed while it was read.

Not for: what stands in them.
"""

from __future__ import annotations

import glob
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from adapters.file.pipe import PipeReader
from syncd.errors import SourceIncomplete, SourceUnavailable

COUNT_ENDING: Final = ".count"
"""`opportunities.csv.count` holds, as one integer, how many records `opportunities.csv` has."""

_READING: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Without blocking, as opening a pipe or a device may take for ever. Ordinary files do not care."""


@dataclass(frozen=True, slots=True)
class Found:
    """One file of a source.

    Attributes:
        name: The file as its user would name it: relative to the folder of the configuration.
    """

    path: Path
    name: str


class OpenFile:
    """A file being read.

    Attributes:
        name: For messages.
        stream: The open file, for readers that need to seek.
        size: In bytes when it was opened; 0 for a pipe.
        regular: Whether it is an ordinary file, which can be read twice.
    """

    def __init__(self, found: Found, stream: BinaryIO) -> None:
        """Args: found and the stream opened for it."""
        status = os.fstat(stream.fileno())
        self.name = found.name
        self.stream = stream
        self.size = status.st_size
        self.regular = stat.S_ISREG(status.st_mode)
        self.position = 0
        """Bytes read so far."""

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; empty at the end.

        Raises:
            SourceIncomplete: The file cannot be read on.
        """
        try:
            block = self.stream.read(size)
        except OSError as exc:
            raise SourceIncomplete(f"{self.name} could not be read on: {exc.strerror}") from exc
        self.position += len(block)
        return block


def find(folder: Path, path: str) -> list[Found]:
    """The files a path or pattern stands for, sorted by name.

    Raises:
        SourceUnavailable: There is none.
    """
    literal = folder / Path(path).expanduser()
    if literal.exists() or not glob.has_magic(path):
        return [Found(literal, path)]
    pattern = os.path.join(glob.escape(str(folder)), os.path.expanduser(path))  # noqa: PTH111,PTH118 - Path would normalise `**/`
    names = sorted(name for name in glob.glob(pattern, recursive=True) if not name.endswith(COUNT_ENDING))  # noqa: PTH207 - sees a literal folder
    found = [Found(Path(name), _shown(Path(name), folder)) for name in names if not Path(name).is_dir()]
    if not found:
        raise SourceUnavailable(
            f"no file matches {path}", f"Check `path`; it is looked for below {folder}, and whether the export has run."
        )
    return found


def _shown(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def size_of(found: Found) -> int:
    """The size in bytes as far as it can be known; 0 otherwise, since opening it tells the trouble better."""
    try:
        return found.path.stat().st_size
    except OSError:
        return 0


@contextmanager
def opened(found: Found) -> Iterator[OpenFile]:
    """Open a file for reading; leaving normally is the promise that it did not change meanwhile.

    Raises:
        SourceUnavailable: It cannot be opened.
        SourceIncomplete: It is empty, or it changed while it was read.
    """
    with _open(found) as stream:
        file = OpenFile(found, stream)
        before = os.fstat(stream.fileno())
        if file.regular and not file.size:
            raise SourceIncomplete(
                f"{found.name} is empty: not even a header",
                "Check whether the export failed or is still being written.",
            )
        yield file
        after = os.fstat(stream.fileno())
        if file.regular and (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise SourceIncomplete(
                f"{found.name} changed while it was read",
                "Run again once the export is done; export to another name, then rename.",
            )


def _open(found: Found) -> BinaryIO:
    if found.path.is_dir():
        raise SourceUnavailable(
            f"{found.name} is a directory", f"Name the files in it: `{found.name.rstrip('/')}/*.csv`."
        )
    try:
        descriptor = os.open(found.path, _READING)
    except FileNotFoundError as exc:
        raise SourceUnavailable(
            f"{found.name} does not exist", f"Check `path`; it was looked for at {found.path}."
        ) from exc
    except PermissionError as exc:
        raise SourceUnavailable(
            f"{found.name} may not be read", "Give the account that runs syncd read access to it."
        ) from exc
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the name
        reason = getattr(exc, "strerror", None) or str(exc)
        raise SourceUnavailable(f"{found.name} cannot be opened: {reason}") from exc
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    if stat.S_ISFIFO(mode):
        return io.BufferedReader(PipeReader(descriptor, found.name))
    os.close(descriptor)
    raise SourceUnavailable(f"{found.name} is a device, not a file", "Name an ordinary file, or a pipe.")


def promised(found: Found) -> int | None:
    """How many records the file beside it promises, or None where there is no such file.

    Raises:
        SourceIncomplete: There is one, but it holds no count.
    """
    try:
        text = found.path.with_name(found.path.name + COUNT_ENDING).read_text("utf-8-sig").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        text = ""
    if not (text.isascii() and text.isdigit()):
        raise SourceIncomplete(
            f"{found.name}{COUNT_ENDING} does not hold a count",
            "It must hold one integer, the number of records, or be removed.",
        )
    return int(text)
