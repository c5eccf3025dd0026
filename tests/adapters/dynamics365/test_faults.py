"""Everything that goes wrong on the way: recovered with the right data, or reported; never a silent subset."""

import socket

import pytest

from syncd.errors import AuthFailed, SourceIncomplete, SourceUnavailable
from syncd.rehearsal import Fault, Reply, once, sprinkled
from tests.adapters.dynamics365.desk import adapter, desk, pull, records, rows, until_cut
from tests.httpkit.servers import Time

CURED = {
    Fault.RESET_BEFORE, Fault.RESET_INSIDE, Fault.CUT_BODY, Fault.CUT_JSON, Fault.HTML, Fault.WRONG_TYPE,
    Fault.BAD_UTF8, Fault.EMPTY, Fault.STATUS_429, Fault.STATUS_429_WAIT, Fault.STATUS_500, Fault.STATUS_503,
    Fault.STATUS_503_DATE, Fault.SILENT, Fault.TRICKLE,
}  # fmt: skip
SAID = {
    Fault.STATUS_401: (AuthFailed, "credentials"),
    Fault.STATUS_403: (AuthFailed, "may not read"),
    Fault.STATUS_404: (SourceIncomplete, "404"),
    Fault.ELSEWHERE: (SourceUnavailable, "another host"),
}


@pytest.mark.parametrize("at", [0, 2], ids=["first", "third"])
@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
def test_every_fault(fault, at):
    """A fault that passes costs a request; one that no repeat cures says what is wrong."""
    with desk(records(30), faults=once(fault, at)) as (_, server):
        slow = fault in {Fault.SILENT, Fault.TRICKLE}
        made = adapter(server.url, page_size=10, timeout_seconds=0.2 if slow else 60.0)
        if fault in CURED:
            assert len(rows(pull(made))) == 30
            return
        _, error = until_cut(made)

    kind, words = SAID[fault]
    assert isinstance(error, kind)
    assert words in error.reason
    assert error.remedy


def test_one_answer_in_ten_goes_wrong():
    """Many faults of all kinds that pass leave the data as they are."""
    faults = sprinkled(sorted(CURED - {Fault.SILENT, Fault.TRICKLE}, key=lambda one: one.value), 0.1, seed=7)
    with desk(records(600), faults=faults) as (_, server):
        found = rows(pull(adapter(server.url, page_size=10)))

    assert len(found) == 600


def test_service_protection_is_waited_for():
    """Each of the three limits is waited for as long as the system says, and the pull goes on."""
    time = Time()
    with desk(records(30)) as (double, server):
        for code in ("0x80072321", "0x80072322", "0x80072326"):
            double.throttle(code, seconds=27)
        found = rows(pull(adapter(server.url, page_size=10, time=time)))

    assert len(found) == 30
    assert [round(one) for one in time.waits if one > 1] == [27, 27, 27]


def test_service_protection_under_another_status():
    """A limit is one by its code, whatever status a gateway gives it."""
    body = b'{"error":{"code":"0x80072326","message":"Number of concurrent requests exceeded the limit of 52."}}'

    def masked(double):
        left = [Reply(403, body, {"Retry-After": "3"})]
        return lambda request: left.pop() if left else double.handle(request)

    with desk(records(30), handler=masked) as (_, server):
        assert len(rows(pull(adapter(server.url)))) == 30


def test_missing_privilege():
    """A privilege the account lacks is a matter for a person, and the remedy names the role."""
    with desk(records(3)) as (double, server):
        double.forbidden.add("opportunities")
        _, error = until_cut(adapter(server.url))

    assert isinstance(error, AuthFailed)
    assert "security role" in error.remedy


def test_nobody_there():
    """A refused connection is unavailable."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        _, error = until_cut(adapter(f"http://127.0.0.1:{taken.getsockname()[1]}", patience_seconds=0))

    assert isinstance(error, SourceUnavailable)


def test_a_record_without_end():
    """An answer larger than one may be is refused, with the setting that makes it smaller."""
    with desk(records(1, name="x" * (65 << 20))) as (_, server):
        _, error = until_cut(adapter(server.url))

    assert "page_size" in error.remedy


def test_an_unexplained_error_keeps_its_code():
    """What has no words of ours is reported by status and code, without the text of the system."""
    body = b'{"error":{"code":"0x80040265","message":"Plug-in fell over record SECRETNAME"}}'
    support = {"x-ms-service-request-id": "0d3ad7b1-0000-4000-8000-000000000001"}
    with desk(handler=lambda _: lambda _request: Reply(422, body, support)) as (_, server):
        _, error = until_cut(adapter(server.url))

    assert "(0x80040265)" in error.reason
    assert support["x-ms-service-request-id"] in error.remedy
    assert "SECRETNAME" not in f"{error.reason} {error.remedy}"
