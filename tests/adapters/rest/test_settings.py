"""What the settings may say, and what is refused before anything is opened."""

from pathlib import Path

import msgspec
import pytest

from adapters.rest import RestAdapter, templates
from syncd.adapter import SourceContext
from syncd.errors import ConfigError

MINE = {"base_url": "https://crm.example.test/api", "path": "deals", "records": "data"}


def made(**settings):
    given = msgspec.convert({**MINE, **settings}, RestAdapter.Settings)
    return RestAdapter.create(given, SourceContext(name="crm", folder=Path()))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"params": {"a": "{since}"}}, r"params\.a: there is no placeholder \{since\} here; known: none"),
        ({"sort": {"a": "{x}"}}, r"sort\.a"),
        ({"select": {"params": {"fields": "{filds}"}}}, r"select\.params\.fields: .*known: \{fields\}"),
        ({"select": {"params": {"fields": "all"}}}, r"select\.params: none of them has \{fields\}"),
        ({"increment": {"params": {"q": "{from}"}}}, r"increment\.params\.q: .*\{since\} and \{until\}"),
        ({"increment": {"params": {"q": "x"}}}, r"increment\.params: none of them has \{since\}"),
        ({"detail": "deals/{key}"}, r"detail: there is no placeholder \{key\}"),
        ({"detail": "deals"}, r"detail: it has no \{id\}"),
        ({"path": "deals?x=1"}, "path: a path below base_url"),
        ({"path": "https://elsewhere.example.test/deals"}, "path: a path below base_url"),
        ({"path": "../admin"}, "path: a path below base_url"),
        ({"write": {"path": "deals/{id}", "body": {"data": {"v": "{versoin}"}}}}, r"write\.body\.data\.v: .*versoin"),
        ({"write": {"path": "deals/{id}", "headers": {"If-Match": "{etag}"}}}, r"write\.headers\.If-Match"),
        ({"deletions": {"path": "gone", "params": {"s": "{since}"}}}, "deletions: of use with `increment` only"),
        (
            {"increment": {"params": {"q": "{since}"}}, "deletions": {"path": "gone", "params": {"s": "x"}}},
            r"deletions\.params: none of them has \{since\}",
        ),
        ({"total": {}}, "total: give either path or header"),
        ({"total": {"path": "a", "header": "b"}}, "total: give either path or header"),
        ({"records": "", "total": {"path": "meta.total"}}, "records: an answer that is itself the list"),
        ({"paging": {"type": "offset"}, "page_size": 1}, "page_size: pages overlap"),
    ],
)
def test_what_is_refused(settings, says):
    """Each mistake is told with the name of its setting and what would be right."""
    with pytest.raises(ConfigError, match=says):
        made(**settings)


def test_all_mistakes_are_told_at_once():
    """A person mends a configuration once."""
    with pytest.raises(ConfigError) as caught:
        made(params={"a": "{x}"}, sort={"b": "{y}"}, path="../x")

    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    "settings",
    [
        {"paging": {"type": "none"}},
        {"paging": {"type": "next_link", "link": "@odata.nextLink"}, "total": {"path": "@odata.count"}},
        {"paging": {"type": "link_header"}, "records": "", "total": {"header": "X-Total-Count"}},
        {"paging": {"type": "offset", "offset": "skip", "size": "take", "first": 1}},
        {"paging": {"type": "page", "first": 0, "more": "meta.more"}},
        {"paging": {"type": "cursor", "param": "after", "next": "paging.next.after"}},
        {"write": {"path": "deals/{id}", "body": {"deal": "{changes}"}, "headers": {"If-Match": "{version}"}}},
        {"write": {"path": "deals/{id}", "method": "PUT", "body": {"list": ["{id}", 7, None]}}},
    ],
)
def test_what_is_taken(settings):
    """Every style of paging, and templates at any depth, are accepted."""
    assert made(**settings).capabilities.incremental is False


@pytest.mark.parametrize("settings", [{"paging": {"type": "keyset"}}, {"pagging": {}}, {"select": {"fields": "x"}}])
def test_unknown_names_are_refused(settings):
    """A name that does not exist is an error and not a wish."""
    with pytest.raises(msgspec.ValidationError):
        made(**settings)


def test_placeholders_are_quoted_in_paths_and_never_looked_into():
    """An id cannot leave its segment of a path, and what looks like a placeholder in a value stays text."""
    assert templates.filled_path("deals/{id}", {"id": "../a?b#c/{id}"}) == "deals/..%2Fa%3Fb%23c%2F%7Bid%7D"
    assert templates.filled({"q": "t >= '{since}'"}, {"since": "{until}"}) == {"q": "t >= '{until}'"}


@pytest.mark.parametrize(
    ("kind", "text"), [("iso", "2026-03-01T09:00:00Z"), ("epoch_s", "1772355600"), ("epoch_ms", "1772355600900")]
)
def test_forms_of_times(kind, text):
    """A time is written in the system's form, cut and never rounded up, and read back as itself."""
    moment = 1_772_355_600.9
    written = templates.written(moment, kind)

    assert written == text
    assert moment - 1 < templates.read(written, kind, None) <= moment
