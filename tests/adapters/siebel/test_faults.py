"""What goes wrong on the way: recovered with the right data, or reported as incomplete; never a silent subset."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest

from adapters.siebel.double import SiebelDouble
from syncd.errors import AuthFailed, SourceIncomplete, SourceUnavailable
from syncd.logs import configure_logs
from syncd.rehearsal import Fault, Reply, once, sprinkled
from tests.adapters.siebel.scene import deals, ids_of, keys_of, pages_of, pulled, siebel

ALL = [f"1-{number:05}" for number in range(240)]
CURED = {
    Fault.RESET_BEFORE, Fault.RESET_INSIDE, Fault.CUT_BODY, Fault.CUT_JSON, Fault.HTML, Fault.WRONG_TYPE,
    Fault.BAD_UTF8, Fault.EMPTY, Fault.STATUS_429, Fault.STATUS_429_WAIT, Fault.STATUS_500, Fault.STATUS_503,
    Fault.STATUS_503_DATE,
}  # fmt: skip
SLOW = {Fault.TRICKLE, Fault.SILENT}
HASTE = {"timeout_seconds": 0.05, "patience_seconds": 30}


def is_page(request):
    return "StartRowNum" in request.target


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
@pytest.mark.parametrize("at", [0, 3, 9], ids=["first page", "a page", "last page"])
def test_a_fault_in_passing(fault, at):
    """What goes wrong once is got over with the right data, or the pull says that it is incomplete."""
    with siebel(deals(240), faults=once(fault, at, is_page)) as scene:
        adapter = scene.adapter(page_size=25, **(HASTE if fault in SLOW else {}))
        if fault in CURED | SLOW:
            assert ids_of(pulled(adapter)) == ALL
            return
        with pytest.raises(SourceIncomplete) as caught:
            pulled(adapter)

    assert caught.value.reason
    assert caught.value.remedy


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
def test_a_fault_that_stays(fault):
    """What goes wrong every time ends the pull as incomplete, within patience, with a reason and a remedy."""
    with siebel(deals(240), faults=lambda _, request: fault if is_page(request) else None) as scene:
        with pytest.raises(SourceIncomplete) as caught:
            pulled(scene.adapter(page_size=25, **(HASTE if fault in SLOW else {"patience_seconds": 30})))

        assert sum(scene.waits) <= 60
    assert caught.value.reason
    assert caught.value.remedy


def test_one_request_in_ten_fails():
    """Under faults of every passing kind the data are those of a run without."""
    faults = sprinkled(sorted(CURED, key=lambda one: one.value), 0.1, 7, is_page)
    with siebel(deals(2_000), faults=faults) as scene:
        assert ids_of(pulled(scene.adapter(page_size=25))) == [f"1-{number:05}" for number in range(2_000)]
        assert ids_of([{"Id": key} for key in keys_of(scene.adapter(page_size=25))]) == sorted(
            scene.double.table.records
        )


def test_a_description_that_cannot_be_had_stops_nothing():
    """`describe` is asked for to name what is missing; a pull that lacks nothing does without."""
    faults = once(Fault.STATUS_403, 0, lambda request: request.path.endswith("/describe"))
    with siebel(deals(3), faults=faults) as scene:
        assert ids_of(pulled(scene.adapter())) == ALL[:3]


def test_busy_is_waited_for():
    """A 500 with a code of the server's own trouble is asked again, as is one without a code."""
    with siebel(deals(3)) as scene:
        scene.double.throttle(3)

        assert ids_of(pulled(scene.adapter())) == ALL[:3]
        assert len(scene.waits) == 3


@pytest.mark.parametrize(
    ("code", "status", "error", "said"),
    [
        ("SBL-DAT-00500", 500, SourceIncomplete, "more records"),
        ("SBL-EAI-50257", 404, SourceIncomplete, "no such business object"),
        ("SBL-EAI-50297", 500, SourceIncomplete, "not open to the REST API"),
        ("SBL-EAI-50258", 500, SourceIncomplete, "field"),
        ("SBL-DAT-00553", 500, SourceIncomplete, "may not read"),
        ("SBL-DAT-00825", 403, SourceIncomplete, "may not use"),
        ("SBL-DAT-12345", 500, SourceIncomplete, "SBL-DAT-12345"),
        ("", 403, AuthFailed, "403"),
        ("", 418, SourceIncomplete, "418"),
    ],
)
def test_what_siebel_refuses_is_said_at_once(code, status, error, said):
    """A business error comes as 500 as well; it is not asked again, and none of its text is repeated."""
    body = (
        b'{"ERROR":"Method Query of business component Account of Contoso failed('
        + code.encode()
        + b')(SBL-EAI-04376)"}'
    )
    with siebel(deals(3)) as scene:
        handle = scene.double.handle
        scene.server._handler = lambda request: (
            Reply(status, body if code else b"{}") if is_page(request) else handle(request)
        )
        with pytest.raises(error, match=said) as caught:
            pulled(scene.adapter())

        assert scene.waits == []
    assert "Contoso" not in str(caught.value)


def test_wrong_credentials():
    """A password that is not the account's ends the pull at once."""
    with siebel(deals(3)) as scene, pytest.raises(AuthFailed, match="401"):
        pulled(scene.adapter(password="wrong"))


def test_tokens_are_renewed():
    """With OAuth the token comes from the company's server, which field is configured, and is renewed when refused."""
    with siebel(deals(300)) as scene:
        scene.double.oauth = True
        seen = []

        def expire(request):
            seen.append(request)
            if len(seen) == 5:
                scene.double.expire_tokens()

        scene.double.on_request = expire
        auth = {
            "type": "client_credentials", "token_url": f"{scene.server.url}/oauth/token", "client_id": "syncd",
            "client_secret": {"command": ["printf", "%s", "sadmin-of-nowhere"]}, "token_field": "id_token",
        }  # fmt: skip

        assert len(pulled(scene.adapter(auth=auth, page_size=25, max_connections=1))) == 300
        assert sum(request.path.endswith("/oauth/token") for request in seen) == 2


def test_nobody_there():
    """A refused connection is unavailable once patience ends."""
    with socket.socket() as taken, siebel() as scene:
        taken.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SourceUnavailable, match="could not be reached"):
            pulled(scene.adapter(base_url=base, patience_seconds=5))


def test_more_connections_than_a_node_takes():
    """Siebel refuses the twenty-first connection; the adapter keeps to what it is told and never gets there."""
    with siebel(deals(3_000), latency_seconds=0.01) as scene:
        assert len(pulled(scene.adapter(max_connections=8))) == 3_000
        assert scene.waits == []
    with siebel(deals(3_000), latency_seconds=0.01) as scene:
        assert len(pulled(scene.adapter(max_connections=40))) == 3_000


def test_an_answer_beyond_reason():
    """An answer of 70 MB is given up, with the setting that makes it smaller."""
    with siebel([{**deals(1)[0], "Name": "x" * (70 << 20)}]) as scene, pytest.raises(SourceIncomplete) as caught:
        pulled(scene.adapter())

    assert "page_size" in caught.value.remedy


def test_a_pull_that_is_closed_is_not_whole():
    """Closing the adapter in mid-pull does not make the pull end in order."""

    async def run(adapter):
        async for _ in adapter.pull():
            await adapter.close()

    with siebel(deals(500)) as scene, pytest.raises(SourceIncomplete, match="closed"):
        asyncio.run(run(scene.adapter(page_size=25)))


def test_no_secret_and_no_text_of_records_is_told(capsys, caplog):
    """Neither logs of any level nor errors nor notes hold the password or what records say."""
    caplog.set_level(logging.DEBUG)
    configure_logs(2)
    told = []
    try:
        for fault in Fault:
            records = deals(60, Name="Contoso secret deal")
            with siebel(records, faults=once(fault, 1, is_page)) as scene:
                try:
                    pages = pages_of(scene.adapter(page_size=25, timeout_seconds=0.05, patience_seconds=3))
                    told += [note for page in pages for note in page.notes]
                except SourceIncomplete as error:
                    told += [repr(error), error.reason, error.remedy]
    finally:
        configure_logs(0)
    out, err = capsys.readouterr()

    whole = "\n".join([out, err, caplog.text, *told])
    assert "http.retried" in whole
    assert "Contoso" not in whole
    assert "sadmin" not in whole
    assert SiebelDouble.secrets["SYNCD_DOUBLE_SIEBEL_PASSWORD"] not in whole
