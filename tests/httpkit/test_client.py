"""One request: what is repeated, for how long, and what never passes for an answer."""

import asyncio
import socket
import ssl

import httpx
import msgspec
import pytest
import respx
import trustme

from syncd.errors import AuthFailed, SourceIncomplete, SourceUnavailable
from syncd.httpkit import Reaction, Refused
from syncd.rehearsal import Fault, Reply, json_reply, once, serving
from tests.httpkit.servers import GOOD, Time, client, get, good

CURED = [
    Fault.RESET_BEFORE, Fault.RESET_INSIDE, Fault.CUT_BODY, Fault.CUT_JSON, Fault.HTML, Fault.WRONG_TYPE,
    Fault.BAD_UTF8, Fault.EMPTY, Fault.STATUS_429, Fault.STATUS_429_WAIT, Fault.STATUS_500, Fault.STATUS_503,
    Fault.STATUS_503_DATE,
]  # fmt: skip


@pytest.mark.parametrize("fault", CURED, ids=lambda fault: fault.value)
def test_a_passing_fault_is_got_over(fault):
    """What goes wrong once is asked again, and the data are right."""
    with serving(good, faults=once(fault, 0)) as server:
        assert get(client(server.url)) == GOOD
        assert server.requests == 2


@pytest.mark.parametrize("fault", CURED, ids=lambda fault: fault.value)
def test_a_lasting_fault_makes_the_source_incomplete(fault):
    """What goes wrong every time ends with a sentence, within patience, and never with data."""
    time = Time()
    with serving(good, faults=lambda *_: fault) as server, pytest.raises(SourceIncomplete) as caught:
        get(client(server.url, time, patience_seconds=60))

    assert caught.value.reason
    assert caught.value.remedy
    assert sum(time.waits) <= 60
    assert 2 <= server.requests <= 70


def test_a_trickle_ends_in_time():
    """An answer that comes byte by byte is given up although it never falls silent."""
    with (
        serving(lambda _: json_reply(GOOD), faults=lambda *_: Fault.TRICKLE) as server,
        pytest.raises(SourceUnavailable, match="longer"),
    ):
        get(client(server.url, timeout_seconds=0.1, patience_seconds=0))


def test_silence_ends_in_time():
    """A system that says nothing is given up."""
    with serving(good, faults=lambda *_: Fault.SILENT) as server, pytest.raises(SourceUnavailable, match="in time"):
        get(client(server.url, timeout_seconds=0.1, patience_seconds=0))


def test_nobody_there():
    """A refused connection is unavailable, after as many tries as patience allows."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        time = Time()
        with pytest.raises(SourceUnavailable, match="could not be reached"):
            get(client(url, time, patience_seconds=10))

    assert 0 < sum(time.waits) <= 10


def test_an_unknown_host():
    """A name that leads nowhere is unavailable."""
    with pytest.raises(SourceUnavailable, match="could not be reached"):
        get(client("http://nowhere.invalid", patience_seconds=0))


def test_a_certificate_nobody_vouches_for(tmp_path):
    """An unknown authority is named as the cause at once; trusted by `verify`, it is fine."""
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with serving(good, tls=tls) as server:
        with pytest.raises(SourceUnavailable, match="not trusted") as caught:
            get(client(server.url))
        assert "verify" in caught.value.remedy
        assert get(client(server.url, verify=str(tmp_path / "ca.pem"))) == GOOD


def test_waits_as_long_as_it_is_asked_to():
    """`Retry-After` decides the wait, and holds every other request of the source back as well."""
    time = Time()
    with serving(good, faults=once(Fault.STATUS_429_WAIT, 0)) as server:
        get(client(server.url, time))

    assert time.waits[0] == pytest.approx(1.0)


def test_a_wait_beyond_patience_is_not_begun():
    """When the system asks for more time than there is, the run says so at once."""
    time = Time()
    busy = Reply(429, b"{}", {"Retry-After": "3600"})
    with serving(lambda _: busy) as server, pytest.raises(SourceUnavailable):
        get(client(server.url, time, patience_seconds=300))

    assert time.waits == []


def test_waits_grow_and_stay_bounded():
    """Without being told, each wait is twice the last, up to half a minute."""
    time = Time()
    with serving(good, faults=lambda *_: Fault.STATUS_503) as server, pytest.raises(SourceUnavailable):
        get(client(server.url, time, patience_seconds=120))

    assert time.waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert max(time.waits) <= 30


def test_what_is_not_safe_is_sent_once():
    """A write whose outcome is not known is never repeated by the kit."""
    with serving(good, faults=lambda *_: Fault.RESET_BEFORE) as server:
        made = client(server.url)

        async def write():
            async with made:
                await made.request("PUT", "things/1", json={"Stage": "Close"})

        with pytest.raises(SourceUnavailable):
            asyncio.run(write())
        assert server.requests == 1


def test_a_refusal_is_not_repeated():
    """A status that no repeat would change comes back at once, with the answer for the adapter to read."""
    with serving(good, faults=lambda *_: Fault.STATUS_404) as server:
        with pytest.raises(Refused) as caught:
            get(client(server.url))
        assert (caught.value.answer.status, server.requests) == (404, 1)


def test_an_adapter_reads_answers_its_own_way():
    """What a status means is the system's own habit: here 404 is an empty page and 403 a limit."""

    def react(answer):
        return {404: Reaction.ACCEPT, 403: Reaction.WAIT}.get(answer.status, Reaction.ACCEPT)

    with serving(good, faults=once(Fault.STATUS_403, 0)) as server:
        assert get(client(server.url, react=react)) == GOOD
    with serving(good, faults=lambda *_: Fault.STATUS_404) as server:
        assert get(client(server.url, react=react)) == {"error": "not found"}


@pytest.mark.parametrize("link", ["http://elsewhere.invalid/api/things?after=2", "/api/things?after=2"])
def test_links_stay_on_the_host(link):
    """A link that an answer carries is followed on the configured host, whatever host it names."""
    seen = []

    def handler(request):
        seen.append((request.target, request.headers["host"], request.bearer))
        return json_reply(GOOD)

    with serving(handler) as server:
        made = client(server.url)

        async def follow():
            async with made:
                path = link if "://" in link else f"{server.url}{link}"
                await made.get_json(path, decode=msgspec.json.decode)

        asyncio.run(follow())
        host = server.url.removeprefix("http://")

    assert seen == [("/api/things?after=2", host, None)]


def test_redirects_to_another_host_are_not_followed():
    """The credentials go to the configured host and to no other."""
    with (
        serving(good, faults=lambda *_: Fault.ELSEWHERE) as server,
        pytest.raises(SourceUnavailable, match="another host"),
    ):
        get(client(server.url))


def test_redirects_on_the_host_are_followed():
    """A system that moved a path on its own host is read there."""

    def handler(request):
        if request.path == "/api/things":
            return Reply(307, b"", {"Location": "/api/v2/things"})
        return json_reply({"path": request.path})

    with serving(handler) as server:
        assert get(client(server.url)) == {"path": "/api/v2/things"}
    circle = Reply(301, b"", {"Location": "/api/things"})
    with serving(lambda _: circle) as server, pytest.raises(SourceUnavailable, match="circles"):
        get(client(server.url))


def test_an_answer_without_end_is_cut():
    """An answer beyond the limit is not taken into memory, and the remedy names the setting."""
    big = Reply(200, b'{"a":"' + b"x" * (65 << 20) + b'"}')
    with serving(lambda _: big) as server, pytest.raises(SourceIncomplete, match="larger") as caught:
        get(client(server.url))

    assert "page_size" in caught.value.remedy


def test_no_more_at_once_than_allowed():
    """However many ask, no more requests are under way than configured, and none begins too early."""

    async def many(made, count):
        async with made:
            await asyncio.gather(*(made.get_json("things", decode=msgspec.json.decode) for _ in range(count)))

    with serving(good, latency_seconds=0.01) as server:
        asyncio.run(many(client(server.url, max_connections=3), 20))
        assert server.most_at_once == 3
    time = Time()
    with serving(good) as server:
        asyncio.run(many(client(server.url, time, requests_per_second=10), 5))
    assert time.at - 1_000.0 == pytest.approx(0.4)


def test_connections_are_reused():
    """One connection serves a sequence of requests."""
    accepted = []
    with serving(good) as server:
        accept = server._accept

        async def counted(*streams):
            accepted.append(1)
            await accept(*streams)

        server._accept = counted

        async def several():
            async with client(server.url) as made:
                for _ in range(5):
                    await made.get_json("things", decode=msgspec.json.decode)

        asyncio.run(several())
    assert len(accepted) <= 1


@respx.mock
def test_credentials_refused():
    """A fixed credential that is refused is asked about once, and the remedy names the setting."""
    route = respx.get("https://crm.example/api/things").mock(return_value=httpx.Response(401))
    with pytest.raises(AuthFailed) as caught:
        get(client("https://crm.example"))

    assert route.call_count == 1
    assert "auth" in caught.value.remedy


def test_requests_under_way_together_renew_a_token_once():
    """When a token is refused, whoever else used it takes the new one, and those who still wait use no old one."""
    good_tokens, grants = set(), []

    def answer(request):
        if request.path == "/token":
            grants.append(f"t{len(grants)}")
            # Servers exist that let a new token end those before it.
            good_tokens.clear()
            good_tokens.add(grants[-1])
            return json_reply({"access_token": grants[-1], "expires_in": 3600})
        return json_reply(GOOD) if request.bearer in good_tokens else Reply(401, b"{}")

    with serving(answer, latency_seconds=0.01) as server:
        auth = {"type": "client_credentials", "token_url": f"{server.url}/token", "client_id": "x",
                "client_secret": {"command": ["printf", "s"]}}  # fmt: skip

        async def several():
            async with client(server.url, auth=auth, max_connections=4) as made:
                await made.get_json("things", decode=msgspec.json.decode)
                good_tokens.clear()
                await asyncio.gather(*(made.get_json("things", decode=msgspec.json.decode) for _ in range(12)))

        asyncio.run(several())

    assert grants == ["t0", "t1"]


def test_closing_twice_is_safe():
    """A client may be closed before it was used, and twice."""

    async def close():
        made = client("http://127.0.0.1:1")
        await made.close()
        await made.close()

    asyncio.run(close())


def test_a_client_that_is_closed_asks_no_more():
    """After it was closed, and for a request that was under way then, a client opens nothing anew."""

    async def ask(url):
        made = client(url)
        under_way = asyncio.ensure_future(made.get_json("things", decode=msgspec.json.decode))
        await asyncio.sleep(0.05)
        await made.close()
        return await asyncio.gather(
            under_way, made.get_json("things", decode=msgspec.json.decode), return_exceptions=True
        )

    with serving(good, latency_seconds=0.2) as server:
        answers = asyncio.run(ask(server.url))
        asked = server.requests

    assert [type(one) for one in answers] == [SourceUnavailable] * 2
    assert asked == 1


def test_a_system_that_wants_to_be_left_alone_for_long():
    """What is asked after the answer that says so ends at once: a day's wait would be a run that hangs."""
    time = Time()

    async def ask_twice(made):
        async with made:
            for _ in range(2):
                with pytest.raises(SourceUnavailable):
                    await made.get_json("things", decode=msgspec.json.decode)

    with serving(lambda _: Reply(503, b"", {"Retry-After": "86400"})) as server:
        asyncio.run(ask_twice(client(server.url, time, patience_seconds=60)))

    assert server.requests == 1
    assert sum(time.waits) == 0
