"""Addresses that answers carry: what is none ends in words, never in a traceback."""

import pytest

from syncd.errors import SourceIncomplete
from syncd.httpkit.links import joined, on_own_host, query_of, same_origin
from syncd.rehearsal import Reply, serving
from tests.httpkit.servers import client, get

NONE = ["https://[crm/x", "//[crm/x", "https://crm:port/x", "https://crm:99999/x"]


@pytest.mark.parametrize("link", NONE)
def test_an_address_that_is_none(link):
    """A link from an answer is foreign text."""
    for use in (on_own_host, same_origin, lambda _, link: query_of(link)):
        with pytest.raises(SourceIncomplete, match="no address"):
            use("https://crm.example.com", link)


def test_a_place_that_is_none():
    """Nor can a redirect lead anywhere."""
    with pytest.raises(SourceIncomplete, match="no address"):
        joined("https://crm.example.com", "https://[crm/x")


@pytest.mark.parametrize("link", NONE)
def test_a_redirect_to_no_address(link):
    """It is not followed."""
    answer = Reply(302, b"", {"Location": link})
    with serving(lambda _: answer) as server, pytest.raises(SourceIncomplete):
        get(client(server.url))
