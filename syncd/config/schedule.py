"""Whether a schedule is written as cron writes it.

Not for: deciding when to run (`syncd.schedule`).
"""

from __future__ import annotations

import re
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final[tuple[tuple[int, int, tuple[str, ...]], ...]] = (
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, _MONTHS),
    (0, 7, _DAYS),  # cron knows Sunday as 0 and as 7
)
_PART: Final = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/([0-9]{1,4}))?", re.ASCII)


def is_schedule(text: str) -> bool:
    """Whether a text is five cron fields: minute, hour, day of the month, month, weekday."""
    fields = text.split()
    return len(fields) == len(_FIELDS) and all(
        _is_part(part, *span) for field, span in zip(fields, _FIELDS, strict=True) for part in field.lower().split(",")
    )


def _is_part(part: str, low: int, high: int, names: tuple[str, ...]) -> bool:
    match = _PART.fullmatch(part)
    if match is None or (match[3] is not None and int(match[3]) == 0):
        return False
    ends = [_number(end, low, names) for end in match.group(1, 2) if end is not None]
    return all(low <= end <= high for end in ends) and ends == sorted(ends)


def _number(end: str, low: int, names: tuple[str, ...]) -> int:
    """The number of one end of a range; -1 where it is none."""
    if end in names:
        return names.index(end) + low
    return int(end) if re.fullmatch(r"[0-9]{1,2}", end) else -1
