"""What goes wrong on the way: each fault is got over with the right data, or makes the source incomplete."""

import logging
from datetime import timedelta

import pytest

from adapters.rest.double import CLIENT, TOKEN
from syncd.errors import AuthFailed, SourceIncomplete
from syncd.rehearsal import Fault, once, sprinkled
from tests.adapters.rest.parts import Time, adapter, ids, pull, system

CURED = [
    Fault.RESET_BEFORE, Fault.RESET_INSIDE, Fault.CUT_BODY, Fault.CUT_JSON, Fault.HTML, Fault.WRONG_TYPE,
    Fault.BAD_UTF8, Fault.EMPTY, Fault.STATUS_429, Fault.STATUS_429_WAIT, Fault.STATUS_500, Fault.STATUS_503,
    Fault.STATUS_503_DATE,
]  # fmt: skip
FINAL = [Fault.STATUS_401, Fault.STATUS_403, Fault.STATUS_404, Fault.ELSEWHERE]
SLOW = [Fault.TRICKLE, Fault.SILENT]


def test_every_fault_is_looked_at():
    """No fault there is was left out here."""
    assert {*CURED, *FINAL, *SLOW} == {*Fault}


@pytest.mark.parametrize("fault", CURED, ids=lambda fault: fault.value)
@pytest.mark.parametrize("at", [0, 2])
def test_what_passes_is_got_over(fault, at):
    """A fault of the first or a later page is asked again, and every record comes once."""
    with system("offset", 120, faults=once(fault, at)) as (double, server):
        assert ids(pull(adapter(double, server.url))) == double.ids()


@pytest.mark.parametrize("fault", FINAL, ids=lambda fault: fault.value)
def test_what_stays_is_incomplete(fault):
    """What asking again does not cure ends the pull, with a remedy."""
    with (
        system("cursor", 120, faults=once(fault, 1)) as (double, server),
        pytest.raises(SourceIncomplete) as caught,
    ):
        pull(adapter(double, server.url))

    assert caught.value.remedy


@pytest.mark.parametrize("fault", SLOW, ids=lambda fault: fault.value)
def test_what_hangs_is_given_up(fault):
    """A page that comes byte by byte or not at all does not hold a pull up for ever."""
    with (
        system("cursor", 120, faults=once(fault, 1)) as (double, server),
        pytest.raises(SourceIncomplete),
    ):
        pull(adapter(double, server.url, timeout_seconds=0.1, patience_seconds=0))


@pytest.mark.parametrize("style", ["next_link", "page"])
def test_many_faults_change_nothing(style):
    """One answer in five is a fault, and the records are those of a pull without."""
    with system(style, 600, faults=sprinkled(CURED, 0.2, seed=7)) as (double, server):
        found = ids(pull(adapter(double, server.url, patience_seconds=10_000)))

        assert found == double.ids()


def test_a_token_that_ends_in_mid_pull():
    """A token of the system's own endpoint that ends between two pages is renewed, once, and nothing is lost."""
    with system("cursor", 300) as (double, server):
        client_id, _ = CLIENT
        auth = {
            "type": "client_credentials", "token_url": f"{server.url}/oauth/token", "client_id": client_id,
            "client_secret": {"command": ["echo", CLIENT[1]]},
        }  # fmt: skip
        double.before_each = lambda number: double.expire_tokens() if number == 3 else None

        assert len(ids(pull(adapter(double, server.url, auth=auth)))) == 300


def test_a_token_that_is_wrong(monkeypatch):
    """A token the system does not know is refused at once, and is not in the message."""
    monkeypatch.setenv("REHEARSAL_REST_TOKEN", "a-wrong-token")
    with system("cursor", 3) as (double, server), pytest.raises(AuthFailed) as caught:
        pull(adapter(double, server.url))

    assert "a-wrong-token" not in f"{caught.value}{caught.value.remedy}"


def test_nothing_of_the_records_is_logged(caplog, capfd):
    """No text of a record and no secret is in a log at any level, whatever goes wrong."""
    caplog.set_level(logging.DEBUG)
    with system("offset", 120, faults=sprinkled(CURED, 0.3, seed=2)) as (double, server):
        for key in double.ids():
            double.edit(key, {"title": f"CONFIDENTIAL {key}"})
        double._held["1-3"].fields["id"] = None
        pages = pull(adapter(double, server.url, patience_seconds=10_000))
        double.trouble = "has no list"
        with pytest.raises(SourceIncomplete) as caught:
            pull(adapter(double, server.url, patience_seconds=10_000))

    said = f"{caught.value}{caught.value.remedy}" + "".join(one.reason for page in pages for one in page.broken)
    said += "".join(note for page in pages for note in page.notes) + caplog.text + "".join(capfd.readouterr())
    assert "CONFIDENTIAL" not in said
    assert TOKEN not in said


def test_waiting_is_not_begun_anew_for_each_page():
    """A system that asks for a pause gets it once, not for every request that comes after."""
    time = Time()
    with system("cursor", 300, faults=once(Fault.STATUS_429_WAIT, 1)) as (double, server):
        time.double = double
        pull(adapter(double, server.url, time=time))

    assert timedelta(seconds=time.passed) < timedelta(seconds=3)
