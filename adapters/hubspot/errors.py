"""What HubSpot's refusals ask for, and how they are put to people.

The text of a refusal may quote records, so only its codes, and names that look like those of scopes, are repeated.

Facts: https://developers.hubspot.com/docs/api-reference/error-handling
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from syncd.errors import AuthFailed, SourceIncomplete, SourceUnavailable
from syncd.httpkit import Answer, Reaction, Refused, usual_reaction

_BUSY: Final = frozenset({423, 477, 521, 522, 523, 524})
"""Locked by a bulk change, the account is being moved, and the network in front of HubSpot."""

_DAILY: Final = "DAILY"
_SCOPE: Final = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9_-]+)*")


class _Said(msgspec.Struct, rename="camel"):
    """The body of a refusal. Every field may be absent."""

    category: Any = None
    policy_name: Any = None
    errors: Any = None
    context: Any = None


class Forbidden(AuthFailed):
    """The credentials are good, but the app may not read this."""


def _said(answer: Answer) -> _Said:
    try:
        return msgspec.json.decode(answer.body, type=_Said)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Said()


def react(answer: Answer) -> Reaction:
    """What an answer asks for."""
    if answer.status == 429 and _said(answer).policy_name == _DAILY:  # noqa: PLR2004 - too many requests
        # The day's requests come back at midnight, which no patience outlasts.
        return Reaction.REFUSE
    return Reaction.WAIT if answer.status in _BUSY else usual_reaction(answer.status)


def is_status(refused: Refused, *statuses: int) -> bool:
    """Whether a refusal has one of these statuses."""
    return refused.answer.status in statuses


def explained(refused: Refused, source: str) -> SourceIncomplete:
    """A refusal as an error that says what to do.

    Args:
        refused: As the HTTP kit raised it.
        source: The source's name.
    """
    answer, said = refused.answer, _said(refused.answer)
    if answer.status == 429:  # noqa: PLR2004 - only the daily limit is refused
        return SourceUnavailable(
            "HubSpot's daily limit of requests is used up",
            "try again after midnight in the account's time zone, or have the limit raised; `syncd doctor` shows it",
        )
    if answer.status == 403:  # noqa: PLR2004 - forbidden
        scopes = scopes_in(answer)
        named = f"lacks the scope {', '.join(scopes)}" if scopes else "may not read this"
        return Forbidden(
            f"HubSpot refuses: the app of source {source} {named}",
            "add the scope to the app in HubSpot, and use the token it then shows",
        )
    code = said.category if isinstance(said.category, str) and said.category.isidentifier() else ""
    return SourceIncomplete(
        f"HubSpot answered {answer.status}{f' ({code})' if code else ''}",
        "check `base_url` and `api`; `syncd doctor` says more",
    )


def scopes_in(answer: Answer) -> list[str]:
    """The scopes that a refusal says are missing."""
    said = _said(answer)
    contexts = [said.context]
    if isinstance(said.errors, list):
        contexts += [one.get("context") for one in said.errors if isinstance(one, dict)]
    found: dict[str, None] = {}
    for context in contexts:
        if isinstance(context, dict):
            for key in ("missingScopes", "requiredScopes", "requiredGranularScopes"):
                given = context.get(key)
                found |= dict.fromkeys(given if isinstance(given, list) else [])
    return [one for one in found if isinstance(one, str) and _SCOPE.fullmatch(one)]
