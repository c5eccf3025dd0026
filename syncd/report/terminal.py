"""Lines for a person's terminal: styled where it shows styles, as wide as it is, quick for many of them.

Rich finds out what the terminal can do. The lines themselves are put together here, because laying out a million of
them as rich renderables takes minutes; and CRM text is never read as markup this way.

Not for: deciding what to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final, TextIO

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console
from rich.style import Style

from syncd.model import Severity

Part = str | tuple[str, str]
"""Some text, or text and the name of its style."""

SEVERITY_STYLE: Final[dict[Severity, str]] = {"error": "bold red", "warning": "yellow", "info": "cyan"}

# Wider lines are hard to read, however wide the window is.
_WIDEST: Final = 120
_NARROWEST: Final = 40

# How far the further lines of a text hang in where they cannot start below the first.
_HANG: Final = 4


@cache
def _style(name: str) -> Style:
    return Style.parse(name)


def wrap(text: str, width: int, first: int = 0) -> list[str]:
    """The text in lines of at most `width` cells, the first of at most `first`, broken at spaces if it can be."""
    lines = [""]
    for word in text.split():
        pieces = chop_cells(word, width) if cell_len(word) > width else [word]
        for piece in pieces:
            joined = f"{lines[-1]} {piece}" if lines[-1] else piece
            if cell_len(joined) <= (first or width if len(lines) == 1 else width):
                lines[-1] = joined
            else:
                lines.append(piece)
    return lines


def fit(text: str, width: int) -> str:
    """The text in at most `width` cells, with `…` where it was cut."""
    return text if cell_len(text) <= width else set_cell_size(text, max(width - 1, 0)).rstrip() + "…"


class Terminal:
    """Where lines go: a console, or a stream that a console is made for."""

    def __init__(self, out: TextIO | Console) -> None:
        """Args: the stream or console to write to."""
        console = out if isinstance(out, Console) else Console(file=out)
        self.width: Final = max(_NARROWEST, min(console.width, _WIDEST))
        self._console: Final = console
        # Consoles of Windows before 10 need more than escape sequences; they go without colour.
        self._colours: Final = None if console.legacy_windows or console.no_color else console._color_system  # noqa: SLF001
        self._encoding: Final = console.encoding
        self._begun = False

    def line(self, *parts: Part) -> None:
        """Write one line; an empty one only after others."""
        if not parts and not self._begun:
            return
        self._begun = True
        self._console.file.write("".join(map(self._rendered, parts)).rstrip(" ") + "\n")

    def heading(self, text: str) -> None:
        """Write a section's heading, after an empty line."""
        self.line()
        self.line((text, "bold"))

    def paragraph(self, text: str, *, lead: Sequence[Part] = (), style: str = "", indent: int = 0) -> None:
        """Write a text over as many lines as it needs, the first after `lead`, all starting in the same column.

        After a lead that takes up much of the line, the further lines start near the margin instead.
        """
        column = indent + sum(cell_len(part if isinstance(part, str) else part[0]) for part in lead)
        first = max(self.width - column, 1)
        if column > self.width // 2:
            column = indent + _HANG
        for number, text_line in enumerate(wrap(text, self.width - column, first)):
            if number:
                self.line(" " * column, (text_line, style))
            else:
                self.line(" " * indent, *lead, (text_line, style))

    def table(self, head: Sequence[str], rows: Iterable[Sequence[Part]], *, right: Sequence[int] = ()) -> None:
        """Write a table. Columns numbered in `right` end at the same place; the last one is cut to fit."""
        every = [[(cell, "") if isinstance(cell, str) else cell for cell in row] for row in rows]
        widths = [max(cell_len(text) for text in column) for column in zip(head, *self._texts(every), strict=True)]
        last = len(head) - 1
        widths[last] = min(
            widths[last], max(self.width - 2 - sum(width + 2 for width in widths[:last]), len(head[last]))
        )
        for row in [[(title, "dim") for title in head], *every]:
            cells: list[Part] = [" "]
            for index, (text, style) in enumerate(row):
                shown = fit(text, widths[index])
                gap = " " * (widths[index] - cell_len(shown))
                cells += [" ", gap, (shown, style), " "] if index in right else [" ", (shown, style), gap, " "]
            self.line(*cells)

    @staticmethod
    def _texts(rows: Iterable[Sequence[tuple[str, str]]]) -> list[list[str]]:
        return [[text for text, _ in row] for row in rows]

    def _rendered(self, part: Part) -> str:
        text, style = (part, "") if isinstance(part, str) else part
        if not self._encoding.startswith("utf"):
            text = text.encode(self._encoding, "replace").decode(self._encoding)
        if not style or self._colours is None:
            return text
        return _style(style).render(text, color_system=self._colours)
