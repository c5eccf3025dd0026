"""Addresses that answers carry: what is none ends in words, never in a traceback."""

import pytest

from syncd.errors import SourceIncomplete
from syncd.httpkit.links import joined, on_own_host, query_of, same_origin
from syncd.rehearsal import Reply, serving
from tests.httpkit.servers import client, get

NONE = ["https://[crm/x", "https://crm:port/x", "https://crm:99999999/x"]


@pytest.mark.parametrize("link", NONE)
def test_an_address_that_is_none(link):
    """A link from an answer is foreign text."""
    for use in (lambda: on_own_host("https://crm.example.com", link), lambda: query_of(link)):
        with pytest.raises(SourceIncomplete, match="address"):
            use()
    assert not same_origin(link, "https://crm.example.com")


def test_a_place_that_is_none():
    """Nor can a redirect lead anywhere."""
    with pytest.raises(SourceIncomplete, match="address"):
        joined("https://crm.example.com", "https://[crm/x")


@pytest.mark.parametrize("link", NONE)
def test_a_redirect_to_no_address(link):
    """It is not followed."""
    with serving(lambda _: Reply(302, b"", {"Location": link})) as server, pytest.raises(SourceIncomplete):
        get(client(server.url))


def test_a_year_that_no_calendar_has():
    """A `Retry-After` beyond all dates says nothing."""
    answer = Reply(503, b"", {"Retry-After": "Mon, 02 Mar 99999999999999 10:00:00 GMT"})
    with serving(lambda _: answer) as server, pytest.raises(SourceIncomplete):
        get(client(server.url, patience_seconds=1))
