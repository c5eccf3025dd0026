"""What `syncd doctor` looks at in a REST source. Reads one page and a few records, and writes nothing.

Not for: reading for a run (`adapters.rest.adapter`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from adapters.rest import templates
from adapters.rest.decode import Answered
from adapters.rest.mark import Mark
from adapters.rest.paging import body_paths
from adapters.rest.settings import LinkHeader, NoPaging, Offset, PageNumber, RestSettings, page_size
from syncd.adapter import MISSING, Check, SourceContext
from syncd.errors import AuthFailed, ConfigError, SourceUnavailable, SyncdError
from syncd.httpkit import Answer, Clock, Refused

if TYPE_CHECKING:
    from adapters.rest.adapter import RestAdapter

_SAMPLE: Final = 50
"""Records looked at."""
_LISTED: Final = 8
_SKEW: Final = 60.0
"""Seconds the clocks may differ; an increment reaches back further than that."""
_LONGEST_LABEL: Final = 60
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What the checks look at."""

    adapter: RestAdapter
    settings: RestSettings
    context: SourceContext
    clock: Clock
    first: Answered
    answer: Answer


async def examine(
    adapter: RestAdapter, settings: RestSettings, context: SourceContext, clock: Clock
) -> AsyncIterator[Check]:
    """Yield every check of one source; those that need an answer are left out where none came."""
    sized = _sized(settings)
    try:
        first, answer = await adapter.ask(adapter.decoder(), settings.path, {**adapter.params(), **sized})
    except (SyncdError, ValueError) as error:
        yield _failure(error)
        return
    yield Check(name="reachable", outcome="ok", says=f"{settings.base_url} answers")
    yield _encrypted(settings)
    yield Check(name="credentials", outcome="ok", says="they are accepted, and the records may be read")
    look = _Look(adapter=adapter, settings=settings, context=context, clock=clock, first=first, answer=answer)
    yield _fields(look)
    yield _labels(look)
    yield _paging(look)
    yield _total(look)
    yield _clock(look)
    yield _rate(look)
    if settings.increment is not None:
        yield await _increment(look)
    if settings.deletions is not None:
        yield await _deletions(look)
    if settings.detail is not None:
        yield await _detail(look)
    if settings.write is not None:
        yield Check(name="write", outcome="skipped", says="the template is well formed; this version writes nothing")


def _sized(settings: RestSettings) -> dict[str, str]:
    """The parameters that ask for the first few records."""
    paging, size = settings.paging, str(min(_SAMPLE, page_size(settings)))
    params = {} if isinstance(paging, NoPaging) or not paging.size else {paging.size: size}
    if isinstance(paging, Offset):
        params[paging.offset] = str(paging.first)
    if isinstance(paging, PageNumber):
        params[paging.page] = str(paging.first)
    return params


def _failure(error: Exception) -> Check:
    """The one check that failed so that no other makes sense."""
    remedy = getattr(error, "remedy", "") or "correct the configuration"
    name = "records"
    if isinstance(error, AuthFailed):
        name = "credentials"
    elif isinstance(error, Refused):
        status = error.answer.status
        name = {_FORBIDDEN: "permission to read", _NOT_FOUND: "path"}.get(status, "request")
        if status == _NOT_FOUND:
            remedy = "correct `base_url` and `path`"
        elif status != _FORBIDDEN:
            remedy = "check `params`, `sort`, `select` and `page_size` against what the system takes"
    elif isinstance(error, SourceUnavailable):
        name = "reachable"
    elif isinstance(error, ConfigError):
        name = "configuration"
    return Check(name=name, outcome="failed", says=str(error), remedy=remedy)


def _encrypted(settings: RestSettings) -> Check:
    parts = urlsplit(settings.base_url)
    if parts.scheme == "https":
        return Check(name="encryption", outcome="ok", says="the connection is encrypted and its certificate trusted")
    if parts.hostname in {"127.0.0.1", "localhost", "::1"}:
        return Check(name="encryption", outcome="skipped", says="the system is on this machine")
    says = "the connection is not encrypted, so that credentials and records can be read on the way"
    return Check(name="encryption", outcome="warning", says=says, remedy="use https in `base_url`")


def _fields(look: _Look) -> Check:
    name = "fields of the mapping"
    if not look.first.rows:
        return Check(name=name, outcome="skipped", says="there is no record to look at")
    wanted = look.context.fields | look.context.children.keys()
    lacking = [one for one in sorted(wanted) if all(value is MISSING for value in _column(look.first, one))]
    if not lacking:
        return Check(name=name, outcome="ok", says="all there")
    says = f"none of the first {len(look.first.rows)} records has {_listed(lacking)}"
    remedy = "correct the mapping, or let the account see these fields; what is not there is unknown to the rules"
    fatal = {look.context.roles.get("id"), look.context.roles.get("stage")} & set(lacking)
    return Check(name=name, outcome="failed" if fatal else "warning", says=says, remedy=remedy)


def _labels(look: _Look) -> Check:
    name, field = "stage labels", look.context.roles.get("stage", "")
    found = {str(value) for value in _column(look.first, field) if isinstance(value, str | int)}
    if not found or not look.context.labels:
        return Check(name=name, outcome="skipped", says="there is no stage to look at")
    known = {_folded(label) for labels in look.context.labels.values() for label in labels}
    unknown = sorted(label[:_LONGEST_LABEL] for label in found if _folded(label) not in known)
    if not unknown:
        return Check(name=name, outcome="ok", says="every label among the first records has its stage")
    says = f"no stage of the mapping has the label {_listed([repr(one) for one in unknown])}"
    return Check(name=name, outcome="warning", says=says, remedy="add each label to its stage under [stages]")


def _paging(look: _Look) -> Check:
    name, paging, said = "paging", look.settings.paging, look.first.said
    if isinstance(paging, Offset | PageNumber) and not look.settings.sort and not paging.stable:
        says = "pages are counted, and nothing says in which order the records come"
        return Check(name=name, outcome="warning", says=says, remedy="set `sort` to a field that never changes")
    full = len(look.first.rows) >= min(_SAMPLE, page_size(look.settings))
    lacking = [path for path in body_paths(paging) if path not in said]
    if isinstance(paging, LinkHeader) and not look.first.links:
        lacking = ["the header Link"]
    if lacking and full:
        says = f"a full page came without {_listed(lacking)}"
        remedy = "correct `paging`, unless there are no more records than that"
        return Check(name=name, outcome="warning", says=says, remedy=remedy)
    return Check(name=name, outcome="ok", says="as configured")


def _total(look: _Look) -> Check:
    name = "count"
    if look.settings.total is None:
        says = "nothing says how many records there are, so a pull cannot be counted"
        return Check(name=name, outcome="skipped", says=says, remedy="set `total` if an answer tells it")
    if look.first.total is None:
        where = look.settings.total.path or look.settings.total.header
        return Check(name=name, outcome="warning", says=f"there is no number at {where}", remedy="correct `total`")
    return Check(name=name, outcome="ok", says=f"the system says that there are {look.first.total:,} records")


def _clock(look: _Look) -> Check:
    name = "clock"
    if look.first.date is None:
        says = "the system does not tell its time, so increments go by the time of this machine"
        return Check(name=name, outcome="skipped", says=says)
    skew = look.first.date - look.clock.now().timestamp()
    if abs(skew) <= _SKEW:
        return Check(name=name, outcome="ok", says="the clocks agree")
    way = "ahead of" if skew > 0 else "behind"
    says = f"the system's clock is {abs(skew):,.0f} seconds {way} this machine's"
    return Check(name=name, outcome="warning", says=says, remedy="set the clock that is wrong; NTP keeps it right")


def _rate(look: _Look) -> Check:
    """Of the headers in use; none is a standard yet."""
    for header in ("ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining"):
        value = look.answer.headers.get(header, "")
        if value.isascii() and value.isdigit():
            says = f"{int(value):,} more requests are allowed for now"
            return Check(name="rate limit", outcome="ok", says=says)
    return Check(name="rate limit", outcome="skipped", says="the system does not tell how many requests it allows")


async def _increment(look: _Look) -> Check:
    name = "increments"
    now = look.first.date or look.clock.now().timestamp()
    moments = [one for one in look.first.moments if one is not MISSING and one is not None]
    kind = look.settings.increment.format if look.settings.increment else "iso"
    unread = [one for one in moments if templates.read(one, kind, look.context.timezone) is None]
    if unread and len(unread) == len(moments):
        remedy = "correct `increment.format`"
        return Check(name=name, outcome="warning", says=f"times of last change are not {kind}", remedy=remedy)
    try:
        # A day ahead: nothing has changed since then.
        mark = Mark(at=now + 86_400 + look.settings.overlap_seconds)
        params = {**look.adapter.params(mark, mark.at + 1), **_sized(look.settings)}
        later, _ = await look.adapter.ask(look.adapter.decoder(), look.settings.path, params)
    except (SyncdError, ValueError) as error:
        return Check(name=name, outcome="failed", says=str(error), remedy="correct `increment`")
    if later.rows:
        says = "records come although none can have changed: the system seems to ignore the filter"
        return Check(name=name, outcome="warning", says=says, remedy="correct `increment.params`")
    if later.total:
        says = "the count is of all records and not of those that changed, so that no increment would be whole"
        return Check(name=name, outcome="failed", says=says, remedy="leave `total` out")
    return Check(name=name, outcome="ok", says="the system lists only what changed")


async def _deletions(look: _Look) -> Check:
    name = "deletions"
    try:
        async for _ in look.adapter.deleted(Mark(at=look.first.date or look.clock.now().timestamp())):
            break
    except (SyncdError, ValueError) as error:
        return Check(name=name, outcome="failed", says=str(error), remedy="correct `deletions`")
    return Check(name=name, outcome="ok", says="the list of deleted records can be read")


async def _detail(look: _Look) -> Check:
    name = "single records"
    key = next((one for index, one in enumerate(look.first.keys) if index not in look.first.faults), None)
    if key is None:
        return Check(name=name, outcome="skipped", says="there is no record to look at")
    try:
        await look.adapter.one(key)
    except SyncdError as error:
        return Check(name=name, outcome="failed", says=str(error), remedy="correct `detail`")
    return Check(name=name, outcome="ok", says="a record can be read by its id")


def _column(first: Answered, name: str) -> Sequence[Any]:
    if name not in first.columns:
        return [MISSING]
    index = first.columns.index(name)
    return [row[index] for row in first.rows]


def _folded(label: str) -> str:
    return " ".join(label.casefold().split())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
