"""What a system, a gateway or an authorization server may answer to break the client, and what it comes to."""

import gzip
import tracemalloc

import msgspec
import pytest

from syncd.errors import AuthFailed, ConfigError, SourceIncomplete, SourceUnavailable
from syncd.httpkit import HttpSettings
from syncd.rehearsal import Fault, Reply, json_reply, once, serving
from tests.httpkit.servers import GOOD, Time, client, get, good


def test_a_redirect_brings_no_credentials_along():
    """A user in the address of a redirect would be sent in the place of the configured one."""

    def handler(request):
        if request.path == "/api/things":
            host = request.headers["host"]
            return Reply(302, b"", {"Location": f"http://somebody:else@{host}/api/other"})
        return json_reply({"user": request.basic})

    with serving(handler) as server, pytest.raises(SourceUnavailable, match="another host"):
        get(client(server.url))


@pytest.mark.parametrize(
    "said",
    ["0", "Fri, 31 Dec 1999 23:59:59 GMT", f"Mon, 01 Jan 2024 00:00:00 +{'9' * 14}",
     "Mon, 02 Mar 99999999999999 10:00:00 GMT"],
)  # fmt: skip
def test_no_storm_of_repeats(said):
    """However little a system asks to wait, or in whatever writing, the pauses grow as if it had not said so."""
    clock = Time()
    busy = Reply(429, b"{}", {"Retry-After": said})
    with serving(lambda _: busy) as server, pytest.raises(SourceUnavailable):
        get(client(server.url, clock, patience_seconds=60))

    assert clock.waits[:3] == [0.5, 1.0, 2.0]


def test_a_bomb_within_a_bomb():
    """What is packed twice grows a millionfold in one step; it is refused before it is unpacked."""
    bomb = gzip.compress(gzip.compress(bytes(100 << 20)))
    reply = Reply(200, bomb, {"Content-Encoding": "gzip, gzip"})
    tracemalloc.start()
    try:
        with serving(lambda _: reply) as server, pytest.raises(SourceIncomplete, match="cannot be read"):
            get(client(server.url))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert most < 20 << 20


def test_json_without_bottom():
    """JSON nested deeper than any decoder goes is an answer that cannot be read."""
    deep = Reply(200, b"[" * 100_000 + b"]" * 100_000)
    with serving(lambda _: deep) as server, pytest.raises(SourceIncomplete, match="cannot be read"):
        get(client(server.url))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("base_url", "https://user:password@crm.example"),
        ("base_url", "https://user@crm.example/api"),
        ("base_url", "https://[crm/"),
        ("base_url", "https://crm.example:port"),
        ("headers", {"X-Team": "Vertrieb “Süd”"}),
        ("headers", {"X-Team": "one\r\nX-Two: two"}),
        ("headers", {"X Team": "one"}),
        *(
            ("auth", {"type": "client_credentials", "token_url": url, "client_id": "i", "client_secret": {"env": "S"}})
            for url in (
                "login.example",
                "https://id:secret@login.example/token",
                "file:///etc/passwd",
                "http://[::1",
                "http://host:port/",
            )
        ),
    ],
)
def test_settings_that_cannot_be_sent(setting, value):
    """They are refused with the configuration, before anything is opened, and without the secret."""
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"base_url": "https://crm.example"} | {setting: value}, HttpSettings)

    assert setting in str(caught.value)
    assert "secret@" not in str(caught.value)


@pytest.mark.parametrize("token", ["s\u00e9same", "open\nsesame", "\ufeffsesame"])
def test_a_token_no_header_can_hold(monkeypatch, token):
    """A token file with a stray sign in it is named as what is wrong, and not asked with for minutes."""
    monkeypatch.setenv("TOKEN", token)
    with serving(good) as server, pytest.raises(ConfigError, match=r"auth\.token of source crm") as caught:
        get(client(server.url, auth={"type": "bearer", "token": {"env": "TOKEN"}}))

    assert "sesame" not in str(caught.value)


def granting(answer):
    """A system whose authorization server gives one answer; what it was asked with is told back."""

    def handler(request):
        return answer if request.path == "/token" else json_reply({"token": request.bearer})

    return handler


@pytest.fixture
def credentials(monkeypatch):
    monkeypatch.setenv("CLIENT_SECRET", "s3cret")
    return lambda url: {
        "type": "client_credentials", "token_url": f"{url}/token", "client_id": "syncd",
        "client_secret": {"env": "CLIENT_SECRET"},
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [b'{"access_token": null}', b'{"access_token": ""}', b'{"access_token": ["x"]}', b'{"access_token": "a\\nb"}',
     b'{"access_token": "\xc3\xa9"}', b"[" * 100_000, b"null", b""],
)  # fmt: skip
def test_a_token_that_is_none(credentials, body):
    """What is no token is never sent as one."""
    with serving(granting(Reply(200, body))) as server, pytest.raises(AuthFailed, match="without a token"):
        get(client(server.url, auth=credentials(server.url)))


@pytest.mark.parametrize(
    "life", ['"abc"', '""', '"nan"', '"inf"', "-5", "0", "true", "null", '"3600"', "1" + "0" * 300]
)
def test_whatever_the_life_of_a_token_is_said_to_be(credentials, life):
    """A life that means nothing is the usual one."""
    body = f'{{"access_token": "t", "expires_in": {life}}}'.encode()
    with serving(granting(Reply(200, body))) as server:
        assert get(client(server.url, auth=credentials(server.url))) == {"token": "t"}


@pytest.mark.parametrize(
    "fault", [Fault.STATUS_429_WAIT, Fault.STATUS_503, Fault.RESET_INSIDE], ids=lambda one: one.value
)
def test_an_authorization_server_that_stumbles_is_asked_again(credentials, fault):
    """A passing fault of the authorization server is got over as one of the system is, and refuses nobody."""
    answer = json_reply({"access_token": "t"})
    with serving(granting(answer), faults=once(fault, 0)) as server:
        assert get(client(server.url, auth=credentials(server.url))) == {"token": "t"}


def test_an_authorization_server_with_a_bomb(credentials):
    """Its answer is read within a limit of its own."""
    bomb = Reply(200, gzip.compress(bytes(50 << 20)), {"Content-Encoding": "gzip"})
    with serving(granting(bomb)) as server, pytest.raises(SourceIncomplete, match="cannot be read"):
        get(client(server.url, auth=credentials(server.url)))


def test_only_known_encodings_are_asked_for():
    """Whatever else is installed beside httpx, only what grows within bounds is asked for."""
    seen = []
    with serving(lambda request: seen.append(request.headers["accept-encoding"]) or json_reply(GOOD)) as server:
        get(client(server.url))

    assert seen == ["gzip, deflate"]
