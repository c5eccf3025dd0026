"""Token endpoints that answer what no standard says, and what of the configuration they are told."""

import msgspec
import pytest

from syncd.errors import AuthFailed, ConfigError, SourceUnavailable
from syncd.httpkit import HttpSettings
from syncd.rehearsal import Fault, Reply, json_reply, serving
from tests.httpkit.servers import GOOD, Time, client, get, good

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


@pytest.mark.parametrize("token", ["tök\u0113n", "two\nlines", "", None, {"a": 1}])
def test_a_token_that_cannot_be_sent(token):
    """It is refused in words that do not repeat it."""
    answer = json_reply({"access_token": token})
    with serving(lambda _: answer) as authority, serving(good) as server, pytest.raises(AuthFailed) as caught:
        get(client(server.url, auth=credentials(authority.url)))

    assert "access_token" in caught.value.reason
    assert not token or str(token) not in str(caught.value)


@pytest.mark.parametrize("life", ["soon", "", "-5", 0, "inf", "3600"])
def test_a_life_that_is_no_number_of_seconds(life):
    """A token is used all the same, for as long as tokens usually live."""
    with serving(lambda _: json_reply({**TOKEN, "expires_in": life})) as authority, serving(good) as server:
        assert get(client(server.url, auth=credentials(authority.url))) == GOOD


def test_a_token_endpoint_that_trickles():
    """An answer that comes byte by byte is given up although it never falls silent."""
    with (
        serving(lambda _: json_reply(TOKEN), faults=lambda *_: Fault.TRICKLE) as authority,
        serving(good) as server,
        pytest.raises(SourceUnavailable, match="longer"),
    ):
        get(client(server.url, timeout_seconds=0.1, patience_seconds=0, auth=credentials(authority.url)))


def test_a_token_endpoint_that_does_not_end():
    """An answer without end is not kept in memory."""
    with (
        serving(lambda _: Reply(200, b" " * (2 << 20))) as authority,
        serving(good) as server,
        pytest.raises(SourceUnavailable, match="more than a token"),
    ):
        get(client(server.url, auth=credentials(authority.url)))


def test_a_token_endpoint_that_is_busy():
    """Too many requests are no refusal of the credentials."""
    with serving(lambda _: Reply(429, b"")) as authority, serving(good) as server, pytest.raises(SourceUnavailable):
        get(client(server.url, auth=credentials(authority.url)))


@pytest.mark.parametrize("url", ["http://[::1", "http://host:port/", "nonsense"])
def test_a_token_url_that_is_none(url):
    """It ends with what to check."""
    with serving(good) as server, pytest.raises(SourceUnavailable) as caught:
        get(client(server.url, auth=credentials(url)))

    assert "token_url" in caught.value.remedy


@pytest.mark.parametrize("secret", ["\ufefftoken", "two\nlines"])
def test_a_bearer_that_cannot_be_sent(secret, monkeypatch):
    """A secret with a byte order mark or a second line is a mistake in the set-up, and is not repeated."""
    monkeypatch.setenv("CLIENT_SECRET", secret)
    time = Time()
    with serving(good) as server, pytest.raises(ConfigError, match="crm") as caught:
        get(client(server.url, time, auth={"type": "bearer", "token": {"env": "CLIENT_SECRET"}}))

    assert secret not in str(caught.value)
    assert time.waits == []


@pytest.mark.parametrize(
    "wrong", [{"headers": {"X-Key": "ä"}}, {"headers": {"X-Key": "a\nb"}}, {"base_url": "https://[crm/"}]
)
def test_settings_that_no_request_can_carry(wrong):
    """They are refused with the configuration."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"base_url": "https://crm.example.com", **wrong}, HttpSettings)
