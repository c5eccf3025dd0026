"""How Siebel is asked and how it answers: addresses, search expressions, dates, error codes.

Sources, by the title of the page in Oracle's Siebel bookshelf unless said otherwise
    parameters  REST API Guide, "About URI Parameters"; spelled as the product's own `describe` spells them
    search      REST API Guide, "Querying a Siebel CRM Business Component with Search Specification"; Object Interfaces
                Reference, "SetSearchSpec Method" (what must be quoted) and "SetSearchExpr Method" (dates)
    errors      REST API Guide, "About Standard HTTP Status Codes and Error Messages"

Not for: paging (`walk`), or what fields there are (`described`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import msgspec

from syncd.errors import AuthFailed, SourceIncomplete
from syncd.httpkit import Answer, Reaction, Refused, usual_reaction

HEADERS: Final[Mapping[str, str]] = {"Accept": "application/json", "Content-Type": "application/json"}
"""`Content-Type` selects the format of the answer, on GET too. REST API Guide, "About Supported HTTP Header Fields"."""

BLANK: Final = "No Match Row Id"
"""What an unset foreign key may read as; seen in a live answer of 2025."""

TIME_FORMAT: Final = "%m/%d/%Y %H:%M:%S"
"""Times are written month first whatever the locale. Object Interfaces Reference, "SetSearchExpr Method"."""

TOGETHER: Final = 20
"""Opportunities asked about in one search: its length has a limit, which is documented for predefined queries alone
(2,000 characters; Object Interfaces Reference)."""

UNKNOWN_FIELD: Final = "SBL-EAI-50258"

_NOTHING: Final = "There is no data for the requested resource"
"""What 404 says where nothing matches, or what matches is hidden; any other text is a fault."""

_CODE: Final = re.compile(r"SBL-[A-Z]{3}-\d{5}")

_BUSY_FAMILIES: Final = frozenset({"SBL-NET", "SBL-SCB", "SBL-SMI", "SBL-SSM", "SBL-SVR"})
"""Codes of the network, the connection broker, the server's tasks and sessions: its own trouble, which may pass.

SSM and SCB are what an object manager that hangs is known by (123siebel.blogspot.com, "Siebel SCBroker Error", 2015);
the others are taken for the like by what they stand for. Most other codes come with status 500 as well and say that the
request is wrong (REST API Guide, "Using a Siebel CRM Business Service to Insert an Account"): no use asking again."""

_MEANINGS: Final[Mapping[str, tuple[str, str]]] = {
    "SBL-DAT-00359": ("a date in a search is not as Siebel writes it", "check `searchspec`: dates are MM/DD/YYYY"),
    "SBL-DAT-00416": (
        "a search names a field that the business component does not have",
        (
            "check `searchspec` and `updated_field`: a search takes the names of the business component, which may"
            " differ from those in answers"
        ),
    ),
    "SBL-DAT-00500": (
        "the search selects more records than Siebel gives at once",
        "narrow it with `searchspec`, or let an administrator allow ExecutionMode=ForwardOnly",
    ),
    "SBL-DAT-00553": ("the account may not read these records", "give its responsibility the right to read them"),
    "SBL-DAT-00825": ("the account may not use this part of the API", "give its responsibility access to it"),
    "SBL-EAI-50238": (
        "the integration object does not fit the schema",
        "let an administrator check `Base ...` objects",
    ),
    "SBL-EAI-50257": (
        "there is no such business object, component or child",
        "check `business_object`, `business_component` and the children that the mapping names",
    ),
    UNKNOWN_FIELD: (
        "the mapping names a field that the integration object does not have",
        "`syncd doctor` says which; add it to the integration object, or take it out of the mapping",
    ),
    "SBL-EAI-50297": (
        "the business object is not open to the REST API",
        "enable it under Administration - Web Services, Inbound REST API Access",
    ),
}


def resource(*names: str) -> str:
    """The path of a resource below the base URL; names hold spaces and signs."""
    return "/".join(["data", *(quote(part, safe="") for name in names for part in name.split("/"))])


def path_of(*names: str) -> str:
    """As `resource` for names that are ids or components as they stand, slashes included."""
    return "/".join(["data", *(quote(name, safe="") for name in names)])


def with_query(path: str, params: Mapping[str, str]) -> str:
    """The address of a query. A space is `%20`: whether Siebel reads `+` as one is documented nowhere."""
    return f"{path}?{urlencode(params, quote_via=quote, safe=',:')}"


def literal(value: str) -> str | None:
    """A text as a search expression holds it, or None where no way of writing it is safe.

    A quote inside a literal of the same quotes closes it, and what follows is evaluated. Doubling it is documented for
    a sister product alone, so each value gets the quote that it does not hold.
    """
    if any(ord(sign) < ord(" ") for sign in value):
        return None
    for sign in "\"'":
        if sign not in value:
            return f"{sign}{value}{sign}"
    return None


def any_of(field: str, values: Sequence[str]) -> str:
    """The search for records whose field holds one of some texts that `literal` can write; others are left out."""
    told = [f"[{field}] = {written}" for value in values if (written := literal(value)) is not None]
    return " OR ".join(told)


def both(*conditions: str) -> str:
    """The search for records that satisfy all of some conditions; empty ones are none."""
    given = [one for one in conditions if one]
    return given[0] if len(given) == 1 else " AND ".join(f"({one})" for one in given)


def since(field: str, moment: datetime, zone: ZoneInfo) -> str:
    """The search for records whose field is not before a moment.

    Siebel reads the literal in the zone of the account's profile (Global Deployment Guide, "About the UTC Time Zone
    Conversion"). In the hour that a clock goes through twice it may mean either, so the earlier one is asked for.
    """
    local = moment.astimezone(zone)
    twice = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    if local.fold == 0 and twice[0] is not None and twice[1] is not None and twice[0] > twice[1]:
        local = (moment - (twice[0] - twice[1])).astimezone(zone)
    return f'[{field}] >= "{local.strftime(TIME_FORMAT)}"'


def error_code(answer: Answer) -> str:
    """The innermost code of an error; wrappers come after it. Empty where there is none."""
    found = _CODE.search(_error(answer))
    return found[0] if found else ""


def is_nothing(answer: Answer) -> bool:
    """Whether an answer says that nothing matches, or that what matches is hidden."""
    if answer.status == 204:  # noqa: PLR2004 - documented in the guide; live systems send the 404
        return True
    return answer.status == 404 and _error(answer).strip() == _NOTHING  # noqa: PLR2004 - not found


def react(answer: Answer) -> Reaction:
    """What an answer asks for: a code of the server's own trouble, or no code at all, may pass; any other will not."""
    if answer.status == 204:  # noqa: PLR2004 - no content, which is an answer without a body to decode
        return Reaction.REFUSE
    code = error_code(answer) if answer.status >= 400 else ""  # noqa: PLR2004 - errors
    if code and answer.status != 401:  # noqa: PLR2004 - unauthorised
        return Reaction.WAIT if code[:7] in _BUSY_FAMILIES else Reaction.REFUSE
    return usual_reaction(answer.status)


def explained(refused: Refused) -> SourceIncomplete:
    """The error to raise for an answer that was refused. Repeats none of its text but the code."""
    code, status = error_code(refused.answer), refused.answer.status
    if code in _MEANINGS:
        reason, remedy = _MEANINGS[code]
        return SourceIncomplete(f"{reason} ({code})", remedy)
    if status == 403:  # noqa: PLR2004 - forbidden
        return AuthFailed(f"the account is not let in (status 403{code and ', '}{code})", refused.remedy)
    if status == 404:  # noqa: PLR2004 - not found
        return SourceIncomplete("the system has no such address (status 404)", refused.remedy)
    said = f"{code}, status {status}" if code else f"status {status}"
    return SourceIncomplete(f"Siebel refuses the request ({said})", "look the code up in Siebel's error messages")


class _Error(msgspec.Struct):
    text: str = msgspec.field(default="", name="ERROR")


def _error(answer: Answer) -> str:
    try:
        return msgspec.json.decode(answer.body, type=_Error).text
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
