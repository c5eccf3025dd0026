"""What a source of the REST adapter can be told: where the records are, how pages follow, what has changed.

Paths in an answer are dotted: `meta.page.total`. Texts with placeholders are templates (`adapters.rest.templates`).

Not for: credentials, limits and time limits, which every HTTP source has (`syncd.httpkit.settings`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec

from adapters.rest import templates
from adapters.rest.templates import TimeFormat
from syncd.errors import ConfigError, Problem
from syncd.httpkit import HttpSettings

USUAL_PAGE: Final = 100

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class NoPaging(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="none"):
    """One answer holds every record."""


class NextLink(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="next_link"
):
    """Each answer holds the address of the next page; of it only path and query are used.

    Attributes:
        link: Where it stands in the answer, such as `links.next`; absent, null or empty at the end.
        size: The parameter that takes the page size.
    """

    link: _Text
    size: str | None = None


class LinkHeader(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="link_header"
):
    """The header `Link` holds the address of the next page (RFC 8288).

    Attributes:
        relation: The relation of that link.
        size: The parameter that takes the page size.
    """

    relation: _Text = "next"
    size: str | None = None


class Offset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="offset"):
    """A page begins at the n-th record. Each page is asked for with the last record of the one before it.

    Attributes:
        offset: The parameter that takes the position.
        size: The parameter that takes the page size.
        first: The position of the first record.
        more: Where the answer says whether there is more; without it an empty page is the end.
        stable: Records keep their positions while they are read, so that pages need not overlap.
    """

    offset: _Text = "offset"
    size: _Text = "limit"
    first: Literal[0, 1] = 0
    more: str | None = None
    stable: bool = False


class PageNumber(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="page"):
    """Pages are counted. After each page the last record of the one before it is asked for once more.

    Attributes:
        page: The parameter that takes the number.
        size: The parameter that takes the page size; None where the system decides.
        first: The number of the first page.
        more: Where the answer says whether there is more; without it an empty page is the end.
        stable: Records keep their positions while they are read, so that nothing need be asked twice.
    """

    page: _Text = "page"
    size: str | None = None
    first: Literal[0, 1] = 1
    more: str | None = None
    stable: bool = False


class Cursor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="cursor"):
    """Each answer holds a token that asks for the next page.

    Attributes:
        param: The parameter that takes it.
        next: Where it stands in the answer; absent, null or empty at the end.
        more: Where the answer says whether there is more, for systems that always give a token.
        size: The parameter that takes the page size.
    """

    param: _Text
    next: _Text
    more: str | None = None
    size: str | None = None


Paging = NoPaging | NextLink | LinkHeader | Offset | PageNumber | Cursor


class Total(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an answer says how many records there are in all: a path in it, or a header."""

    path: str | None = None
    header: str | None = None


class Select(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fields are asked for, so that no other is sent.

    Attributes:
        params: Parameters; `{fields}` stands for the names.
        separator: Between names.
        whole: Of a nested field such as `account.name` only `account` is named.
    """

    params: dict[str, str]
    separator: str = ","
    whole: bool = False


class Increment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How only changed records are asked for.

    Attributes:
        params: Parameters; `{since}` and `{until}` stand for times.
        format: How times are written, there and in the field `modified_field`.
    """

    params: dict[str, str]
    format: TimeFormat = "iso"


class Deletions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the system lists what was deleted. Its pages follow as those of the records do.

    Attributes:
        path: Below `base_url`.
        records: The path of the list in the answer; empty where the answer is the list.
        id_field: The id in each entry; empty where each entry is the id itself.
        params: Parameters; `{since}` stands for a time.
    """

    path: _Text
    records: str = ""
    id_field: str = "id"
    params: dict[str, str]


class WriteTemplate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a record is changed. Checked, and not used by this version.

    Attributes:
        method: Of HTTP.
        path: Below `base_url`; `{id}` stands for the record's id.
        body: What is sent; a text that is `{changes}` alone stands for the changed fields, `{id}` and `{version}` for
            the record's.
        headers: Such as `If-Match`; the same placeholders.
    """

    method: Literal["PATCH", "PUT", "POST"] = "PATCH"
    path: _Text
    body: str | dict[str, Any] = "{changes}"
    headers: dict[str, str] = {}


class RestSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one REST source.

    Attributes:
        path: Of the list of records, below `base_url`.
        records: The path of the list in the answer; empty where the answer is the list.
        id_field: The field with a record's id; None is the one the mapping names.
        version_field: The field that changes with the record; None is the one the mapping names, if any.
        modified_field: The field with the time of the last change; None is the one the mapping names, if any.
        params: Parameters of every request for records.
        select: How fields are asked for; None asks for what the system gives.
        sort: Parameters that make the order the same each time: by something that never changes, oldest first.
        paging: How pages follow one another.
        total: Where an answer says how many records there are.
        increment: How only changed records are asked for; None reads everything each time.
        overlap_seconds: How far an increment reaches back before the last one, for changes that show late.
        deletions: Where deleted records are listed; None compares the ids now and then.
        detail: The path of one record; `{id}` stands for its id.
        write: How a record is changed.
    """

    path: _Text
    records: str = ""
    id_field: str | None = None
    version_field: str | None = None
    modified_field: str | None = None
    params: dict[str, str] = {}
    select: Select | None = None
    sort: dict[str, str] = {}
    paging: Paging = NoPaging()
    total: Total | None = None
    increment: Increment | None = None
    overlap_seconds: Annotated[float, msgspec.Meta(ge=0)] = 300.0
    deletions: Deletions | None = None
    detail: str | None = None
    write: WriteTemplate | None = None


def page_size(settings: RestSettings) -> int:
    """Records asked for at a time."""
    return settings.page_size or USUAL_PAGE


def check(settings: RestSettings) -> None:
    """Refuse what cannot work.

    Raises:
        ConfigError: The settings contradict one another, or a template is wrong; holds every problem found.
    """
    found = [*_wrong_templates(settings), *_wrong_paths(settings), *_contradictions(settings)]
    if found:
        raise ConfigError(*(Problem(message=one) for one in found))


def _wrong_templates(settings: RestSettings) -> Iterator[str]:
    yield from templates.problems("params", settings.params, ())
    yield from templates.problems("sort", settings.sort, ())
    yield from templates.problems("path", settings.path, ())
    if settings.select is not None:
        yield from templates.problems("select.params", settings.select.params, ("fields",))
        if not templates.uses(settings.select.params, "fields"):
            yield "select.params: none of them has {fields}"
    if settings.increment is not None:
        yield from templates.problems("increment.params", settings.increment.params, ("since", "until"))
        if not templates.uses(settings.increment.params, "since"):
            yield "increment.params: none of them has {since}"
    if settings.deletions is not None:
        yield from templates.problems("deletions.path", settings.deletions.path, ())
        yield from templates.problems("deletions.params", settings.deletions.params, ("since",))
        if not templates.uses(settings.deletions.params, "since"):
            yield "deletions.params: none of them has {since}"
    if settings.detail is not None:
        yield from templates.problems("detail", settings.detail, ("id",))
        if "{id}" not in settings.detail:
            yield "detail: it has no {id}"
    if settings.write is not None:
        known = ("id", "version", "changes")
        yield from templates.problems("write.path", settings.write.path, ("id",))
        yield from templates.problems("write.body", settings.write.body, known)
        yield from templates.problems("write.headers", settings.write.headers, ("id", "version"))


def _wrong_paths(settings: RestSettings) -> Iterator[str]:
    paths = {"path": settings.path, "detail": settings.detail}
    paths["deletions.path"] = settings.deletions.path if settings.deletions else None
    paths["write.path"] = settings.write.path if settings.write else None
    for name, path in paths.items():
        if path is not None and (re.search(r"[?#\s\\]|://", path) or ".." in path.split("/")):
            yield f"{name}: a path below base_url, without a query; parameters belong in `params`"


def _contradictions(settings: RestSettings) -> Iterator[str]:
    paging = settings.paging
    in_answer = [getattr(paging, name, None) for name in ("link", "next", "more")]
    if settings.total is not None:
        in_answer.append(settings.total.path)
        if (settings.total.path is None) == (settings.total.header is None):
            yield "total: give either path or header"
    if not settings.records and any(in_answer):
        yield "records: an answer that is itself the list of records holds nothing beside them; where is the list?"
    if isinstance(paging, Offset) and not paging.stable and page_size(settings) == 1:
        yield "page_size: pages overlap by one record, so 1 is too few"
    if settings.deletions is not None and settings.increment is None:
        yield "deletions: of use with `increment` only"
