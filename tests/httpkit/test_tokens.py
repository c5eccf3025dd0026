"""What token endpoints are told of the configuration, and for how long they are listened to."""

import asyncio

import msgspec
import pytest

from syncd.errors import SourceUnavailable
from syncd.rehearsal import Fault, Reply, json_reply, serving
from tests.httpkit.servers import GOOD, client, get, good

TOKEN = {"access_token": "abc", "token_type": "Bearer"}


@pytest.fixture(autouse=True)
def _secret(monkeypatch):
    monkeypatch.setenv("CLIENT_SECRET", "s3cret")


def credentials(url):
    return {"type": "client_credentials", "token_url": url, "client_id": "x", "client_secret": {"env": "CLIENT_SECRET"}}


def asked(*, own_host):
    """The headers that a token endpoint and the system behind it were sent."""
    seen = {"token": {}, "data": {}}

    def token(request):
        seen["token"] = dict(request.headers)
        return json_reply(TOKEN)

    def data(request):
        if request.path == "/token":
            return token(request)
        seen["data"] = dict(request.headers)
        return json_reply(GOOD)

    with serving(token) as authority, serving(data) as server:
        url = (server if own_host else authority).url
        get(client(server.url, headers={"X-Gateway-Key": "key"}, auth=credentials(f"{url}/token")))
    return seen


def test_headers_of_the_configuration_stay_on_their_host():
    """The key of a gateway goes to the gateway, and not to whoever issues the tokens."""
    seen = asked(own_host=False)

    assert seen["data"]["x-gateway-key"] == "key"
    assert "x-gateway-key" not in seen["token"]


def test_a_token_endpoint_on_the_same_host_gets_them():
    """Where the gateway stands before the token endpoint as well, it wants its key there, too."""
    assert asked(own_host=True)["token"]["x-gateway-key"] == "key"


def test_a_token_endpoint_that_trickles():
    """An answer that comes byte by byte is given up although it never falls silent."""
    with (
        serving(lambda _: json_reply(TOKEN), faults=lambda *_: Fault.TRICKLE) as authority,
        serving(good) as server,
        pytest.raises(SourceUnavailable, match="longer"),
    ):
        get(client(server.url, timeout_seconds=0.1, patience_seconds=0, auth=credentials(authority.url)))


def test_a_token_endpoint_that_wants_to_be_left_alone_for_long():
    """It is, for the rest of the run, as the system would be."""

    async def ask_twice(made):
        async with made:
            for _ in range(2):
                with pytest.raises(SourceUnavailable):
                    await made.get_json("things", decode=msgspec.json.decode)

    with serving(lambda _: Reply(429, b"", {"Retry-After": "86400"})) as authority, serving(good) as server:
        asyncio.run(ask_twice(client(server.url, auth=credentials(authority.url))))

    assert authority.requests == 1
