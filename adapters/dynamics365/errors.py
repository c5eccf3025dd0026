"""What the service's errors mean: what to do with an answer, and what to tell people.

Codes are those of "Web service error codes"
(https://learn.microsoft.com/power-apps/developer/data-platform/reference/web-service-error-codes) and of "Service
protection API limits" (https://learn.microsoft.com/power-apps/developer/data-platform/api-limits). The text of an error
may quote records, and is never repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from syncd.errors import AuthFailed, ConfigError, Problem, SourceIncomplete, SyncdError
from syncd.httpkit import Answer, Reaction, Refused, usual_reaction

THROTTLED: Final = frozenset({
    "0x80072321", "0x80072322", "0x80072326", "-2147015903", "-2147015902", "-2147015898",
})  # fmt: skip
"""Execution time, number of requests, requests at once: the three limits of service protection."""

_FORBIDDEN: Final = frozenset({"0x80040220", "0x80040231", "0x8004e024", "0x80048306"})
"""Privilege denied, principal privilege denied."""
_EXPIRED: Final = frozenset({"0x80044352", "-2147204270"})
"""`ExpiredVersionStamp`."""
TOO_MANY_TO_COUNT: Final = frozenset({"0x8004e023", "-2147164125"})
"""`AggregateQueryRecordLimitExceeded`: more than 50,000 rows."""
_LOST_TOKEN: Final = re.compile(r"full sync|delta ?token|version stamp", re.IGNORECASE)
_REQUEST: Final = re.compile(r"[0-9a-fA-F-]{36}")
_NO_PROPERTY: Final = re.compile(r"property named '([A-Za-z0-9_.]+)'")
_NOT_TRACKED: Final = re.compile(r"change tracking|track-changes", re.IGNORECASE)


class _Said(msgspec.Struct):
    code: str | int | None = None
    message: str | None = None


class _Body(msgspec.Struct):
    error: _Said | str | None = None


def react(answer: Answer) -> Reaction:
    """What an answer asks for. A service protection limit is one whatever status it comes with."""
    usual = usual_reaction(answer.status)
    if usual in {Reaction.ACCEPT, Reaction.WAIT}:
        return usual
    return Reaction.WAIT if code_of(answer) in THROTTLED else usual


def code_of(answer: Answer) -> str:
    """The code of an error, in lower case; empty where it has none."""
    code = _said(answer).code
    return "" if code is None else str(code).lower()


def has_expired(refused: Refused) -> bool:
    """Whether a delta link is refused because of the link.

    Expiry is a code or a text; its status is not documented, so that any refusal of the request itself counts.
    https://github.com/MicrosoftDocs/powerapps-docs/issues/3845
    """
    answer = refused.answer
    if code_of(answer) in _EXPIRED or _LOST_TOKEN.search(_said(answer).message or ""):
        return True
    return 400 <= answer.status < 500 and answer.status not in {401, 403, 408, 429}  # noqa: PLR2004 - not the link's fault


def is_untracked(refused: Refused) -> bool:
    """Whether change tracking itself is refused: the table does not have it, or the account may not use it."""
    said = _said(refused.answer).message or ""
    return refused.answer.status in {400, 403, 501} and bool(_NOT_TRACKED.search(said))


def explained(refused: Refused, source: str, asked: Iterable[str]) -> SyncdError:
    """The same in words of the project.

    Args:
        refused: What the kit raised.
        source: Its name.
        asked: The fields that were asked for; only their names are repeated.
    """
    answer = refused.answer
    said = _said(answer).message or ""
    if answer.status == 400 and (found := _NO_PROPERTY.search(said)):  # noqa: PLR2004 - bad request
        names = [name for name in asked if name == found[1]]
        named = f"no column {names[0]}" if names else "not every column"
        message = f"source {source}: the table has {named} that the mapping names; `syncd doctor` lists them"
        return ConfigError(Problem(message=message))
    code = code_of(answer)
    if answer.status == 403 or code in _FORBIDDEN:  # noqa: PLR2004 - forbidden
        return AuthFailed(
            "the account may not read what the mapping names",
            f"give the application user of source {source} the security role of docs/adapters/dynamics365.md; "
            "`syncd doctor` says what is missing",
        )
    shown = f" ({code})" if re.fullmatch(r"0x[0-9a-f]{8}", code) else ""
    request = answer.headers.get("x-ms-service-request-id", "")
    known = f"; for Microsoft's support its id is {request}" if _REQUEST.fullmatch(request) else ""
    return SourceIncomplete(f"{refused.reason}{shown}", f"{refused.remedy}{known}")


def _said(answer: Answer) -> _Said:
    try:
        error = msgspec.json.decode(answer.body, type=_Body).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Said()
    return error if isinstance(error, _Said) else _Said(message=error)
