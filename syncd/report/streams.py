"""Text for byte streams.

Every format that is written to a file is UTF-8 with line ends of its own choosing, whatever the platform's habits.
"""

from __future__ import annotations

from typing import BinaryIO, Final


class Utf8:
    """Writes text to a byte stream as UTF-8. Never closes the stream."""

    def __init__(self, out: BinaryIO) -> None:
        """Args: the stream to write to."""
        self._out: Final = out

    def write(self, text: str, /) -> int:
        """Write the text. What UTF-8 cannot hold, half a surrogate pair, becomes a question mark and stops nothing."""
        return self._out.write(text.encode("utf-8", "replace"))
