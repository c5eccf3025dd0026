"""What Salesforce's answers ask for, and what its error codes mean to people.

Errors come in two shapes: a list of `{"errorCode", "message"}` from the data APIs and an object `{"error"}` from the
token endpoint (https://github.com/restforce/restforce/tree/main/spec/fixtures). Their messages may quote records, so
only codes that are known here are ever repeated.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from syncd.errors import SourceIncomplete
from syncd.httpkit import Answer, Reaction, Refused, usual_reaction


class _Said(msgspec.Struct):
    errorCode: str = ""  # noqa: N815 - the API's own name
    message: str = ""


_BUSY: Final = frozenset({"SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW", "UNKNOWN_EXCEPTION"})
"""Worth another try (https://github.com/restforce/restforce/blob/main/lib/restforce/error_code.rb)."""

_NOT_ACCEPTABLE: Final = 406
"""Seen now and then for good requests, and cured by repeating them
(https://github.com/singer-io/tap-salesforce/blob/master/CHANGELOG.md)."""

_DENIED: Final = frozenset({"INVALID_TYPE", "INVALID_FIELD", "MALFORMED_QUERY", "NOT_FOUND", "QUERY_TIMEOUT"})
"""What does not exist, may not be seen, may not be asked like this, or takes too long."""

DEAD_CURSOR: Final = "INVALID_QUERY_LOCATOR"
TIMED_OUT: Final = "QUERY_TIMEOUT"

_MEANINGS: Final = {
    "REQUEST_LIMIT_EXCEEDED": (
        "the org has used up its requests of the last 24 hours",
        "run again when there are requests left, or less often; Setup shows them under Company Information",
    ),
    "API_DISABLED_FOR_ORG": (
        "the API is disabled for this org or this user",
        "give the integration user the permission API Enabled",
    ),
    "API_CURRENTLY_DISABLED": (
        "the API is disabled for this org at present",
        "try again later, or ask the administrator of the org",
    ),
    "INSUFFICIENT_ACCESS": (
        "the integration user may not read what was asked for",
        "give it read access to the objects and fields of the mapping; `syncd doctor` names what is missing",
    ),
    "INVALID_TYPE": (
        "the org has no such object, or the integration user may not read it",
        "give it read access to the objects of the mapping; `syncd doctor` names what is missing",
    ),
    "INVALID_FIELD": (
        "the org has no such field, or the integration user may not read it",
        "correct the mapping, or give it read access to the fields; `syncd doctor` names what is missing",
    ),
    "MALFORMED_QUERY": (
        "the org does not understand a query",
        "check the names in the mapping, and `api_version`",
    ),
    "QUERY_TIMEOUT": (
        "the org took too long over a query, however small its part",
        "run again when the org is less busy; a Bulk API job may take longer, where `bulk` allows one",
    ),
    "INVALID_QUERY_LOCATOR": (
        "the org forgot a query again and again before it was read to its end",
        "run again; a cursor lives two days unless something in the org ends it",
    ),
    "EXCEEDED_ID_LIMIT": (
        "more records were deleted since the last pull than the org can list",
        "run once with --full",
    ),
    "INVALID_REPLICATION_DATE": (
        "the watermark reaches further back than the org knows of deletions",
        "run once with --full",
    ),
    "UNSUPPORTED_API_VERSION": (
        "the org does not know this version of its API",
        "set `api_version` to one that `syncd doctor` lists",
    ),
    "NOT_FOUND": (
        "the org does not have what was asked for",
        "check `base_url` and `api_version`",
    ),
    "URI_TOO_LONG": (
        "the mapping names more fields than fit into one request",
        "let `bulk` allow Bulk API jobs, which take the query in their body, or map fewer fields",
    ),
}  # fmt: skip
"""Reason and remedy of the codes that people can do something about
(https://developer.salesforce.com/docs/platform/api-rest/guide/errorcodes.md)."""


def code_of(answer: Answer) -> str:
    """The error code of an answer; empty where it has none."""
    return _said(answer).errorCode


def is_denied(refused: Refused) -> bool:
    """Whether the org refused because of what was asked, so that other questions may still be answered."""
    code = code_of(refused.answer)
    return code in _DENIED or code.startswith("INSUFFICIENT_ACCESS")


def react(answer: Answer) -> Reaction:
    """What an answer asks for."""
    usual = usual_reaction(answer.status)
    if usual is Reaction.ACCEPT:
        return usual
    said = _said(answer)
    if said.errorCode == "INVALID_SESSION_ID":
        return Reaction.RENEW
    if said.errorCode == "REQUEST_LIMIT_EXCEEDED":
        # One code for two things: too many long calls at once, which passes, and the quota of 24 hours, for which it
        # is pointless to wait (https://github.com/airbytehq/airbyte/issues/8690).
        return Reaction.WAIT if "concurrent" in said.message.casefold() else Reaction.REFUSE
    if said.errorCode in (DEAD_CURSOR, TIMED_OUT):
        return Reaction.REFUSE
    return Reaction.WAIT if said.errorCode in _BUSY or answer.status == _NOT_ACCEPTABLE else usual


def explained(refused: Refused) -> SourceIncomplete:
    """A refusal in words that say what to do."""
    answer = refused.answer
    code = code_of(answer)
    if answer.status in (414, 431):  # the address or the headers are too long
        code = "URI_TOO_LONG"
    if code.startswith("INSUFFICIENT_ACCESS"):
        code = "INSUFFICIENT_ACCESS"
    if code not in _MEANINGS:
        return refused
    reason, remedy = _MEANINGS[code]
    return SourceIncomplete(f"{reason} ({code})", remedy)


class Quota:
    """How many of the org's requests of the day are used, as the last answer said.

    Attributes:
        used, limit: Requests; 0 while no answer said.
    """

    def __init__(self) -> None:
        self.used = self.limit = 0

    def note(self, answer: Answer) -> None:
        """Read `Sforce-Limit-Info`; it may hold a second part, for the app: `api-usage=25/5000; per-app-api-usage=...`.

        Both forms: https://github.com/simple-salesforce/simple-salesforce/blob/master/simple_salesforce/tests/test_api.py
        """
        found = re.match(r"\s*api-usage=([0-9]{1,12})/([0-9]{1,12})", answer.headers.get("sforce-limit-info", ""))
        if found:
            self.used, self.limit = int(found[1]), int(found[2])

    @property
    def percent(self) -> float:
        """The share that is used."""
        return 100 * self.used / self.limit if self.limit else 0.0


def _said(answer: Answer) -> _Said:
    try:
        said = msgspec.json.decode(answer.body, type=list[_Said])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Said()
    return said[0] if said else _Said()
