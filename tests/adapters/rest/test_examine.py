"""What `syncd doctor` finds in a REST source: each fault by its name, with what cures it."""

from datetime import timedelta

import pytest

from syncd.rehearsal import Fault, Reply, json_reply, serving
from tests.adapters.rest.parts import STYLES, Time, adapter, deals, gathered, system

LABELS = {"context": {"labels": {"prospect": ["new"], "qualify": ["qualification"]}}}


def examined(double, url, **more):
    source = adapter(double, url, **more)
    return {check.name: check for check in gathered(source, source.examine())}


def found(double, server, name, **more):
    check = examined(double, server.url, **more)[name]
    assert check.outcome in {"ok", "skipped"} or check.remedy
    return check.outcome, check.says


@pytest.mark.parametrize("style", STYLES)
def test_a_sound_source(style):
    """Nothing is found where nothing is wrong; every part that is configured was looked at."""
    with system(style, 120) as (double, server):
        checks = examined(double, server.url)

    assert {check.outcome for check in checks.values()} <= {"ok", "skipped"}
    assert {"reachable", "credentials", "fields of the mapping", "paging", "count", "clock"} <= checks.keys()
    assert {"increments", "deletions", "single records"} <= checks.keys()


def test_nobody_there():
    """A system that cannot be reached fails one check, and nothing else is claimed."""
    with system("cursor", 3) as (double, _):
        checks = examined(double, "http://127.0.0.1:1", patience_seconds=0)

    assert [(check.name, check.outcome) for check in checks.values()] == [("reachable", "failed")]


@pytest.mark.parametrize(
    ("fault", "name"),
    [(Fault.STATUS_401, "credentials"), (Fault.STATUS_403, "permission to read"), (Fault.STATUS_404, "path"),
     (Fault.HTML, "records"), (Fault.ELSEWHERE, "reachable")],
)  # fmt: skip
def test_what_the_system_refuses(fault, name):
    """Credentials, permission and path are told apart."""
    with system("cursor", 3, faults=lambda *_: fault) as (double, server):
        outcome, _ = found(double, server, name)

    assert outcome == "failed"


def test_parameters_the_system_does_not_take():
    """A request the system calls bad points at the parameters."""
    with system("cursor") as (double, _), serving(lambda _: json_reply({"error": "no"}, 400)) as server:
        assert found(double, server, "request")[0] == "failed"


def test_no_list_where_it_should_be():
    """A wrong path of the list is told with the names that are there."""
    with system("cursor", 3) as (double, server):
        outcome, says = found(double, server, "records", records="items", total=None)

    assert outcome == "failed"
    assert "meta, data" in says


def test_an_id_that_is_not_there():
    """A wrong field of the id is an error of the configuration."""
    with system("cursor", 3) as (double, server):
        assert found(double, server, "configuration", id_field="key")[0] == "failed"


def test_fields_that_are_not_there():
    """Fields no record has are named; without the stage nothing could be judged."""
    fields = frozenset({"id", "title", "colour", "stage"})
    with system("cursor", 3) as (double, server):
        outcome, says = found(double, server, "fields of the mapping", fields=fields)
        lesser, _ = found(double, server, "fields of the mapping", fields=fields - {"stage"})

    assert outcome == "failed"
    assert "colour, stage" in says
    assert lesser == "warning"


def test_labels_without_a_stage():
    """Labels the mapping gives to no stage are named."""
    with system("cursor") as (double, server):
        double.load([one | {"stage": label} for one, label in zip(deals(2), ["New", "On hold"], strict=True)])
        outcome, says = found(double, server, "stage labels", fields=frozenset({"id", "stage"}), **LABELS)

    assert (outcome, says) == ("warning", "no stage of the mapping has the label 'On hold'")


def test_pages_in_no_order():
    """Pages that are counted need an order."""
    with system("offset", 120) as (double, server):
        assert found(double, server, "paging", sort={})[0] == "warning"
        assert found(double, server, "paging", sort={}, paging=double.paging() | {"stable": True})[0] == "ok"


def test_a_next_page_that_is_told_nowhere():
    """A full page without what leads to the next makes one doubt the path."""
    with system("next_link", 120) as (double, server):
        wrong = {"type": "next_link", "link": "paging.next", "size": "limit"}
        outcome, says = found(double, server, "paging", paging=wrong)

    assert outcome == "warning"
    assert "paging.next" in says


def test_a_count_that_is_not_there():
    """A total that is configured and not told is a warning; none is only remarked."""
    with system("cursor", 3) as (double, server):
        assert found(double, server, "count", total={"header": "X-Total-Count"})[0] == "warning"
        assert found(double, server, "count", total=None)[0] == "skipped"


def test_clocks_that_differ():
    """A clock that is minutes off is told, and which way."""
    with system("cursor", 3) as (double, server):
        time = Time(double)
        clock = time.clock()
        early = double.now - timedelta(minutes=5)
        time.clock = lambda: type(clock)(monotonic=clock.monotonic, now=lambda: early, sleep=clock.sleep)
        outcome, says = found(double, server, "clock", time=time)

    assert outcome == "warning"
    assert "300 seconds ahead" in says


def test_a_filter_that_is_ignored():
    """A filter that filters nothing would make every increment a full pull."""
    with system("cursor", 3) as (double, server):
        double.trouble = "ignores the filter"

        assert found(double, server, "increments")[0] == "warning"


def test_a_count_of_everything():
    """A count that does not follow the filter would make every increment look cut."""
    with system("cursor", 3) as (double, _):

        def handle(request):
            reply = double.handle(request)
            return Reply(reply.status, reply.body, {**reply.headers, "X-Total-Count": "3"})

        with serving(handle) as server:
            assert found(double, server, "increments", total={"header": "X-Total-Count"})[0] == "failed"


def test_times_in_another_form():
    """Times of last change that are not what `format` says are told."""
    with system("cursor", 3) as (double, server):
        wrong = {"params": {"changed_since": "{since}"}, "format": "epoch_s"}

        assert found(double, server, "increments", increment=wrong)[0] in {"warning", "failed"}


def test_deletions_and_single_records_that_are_not_there():
    """Paths that lead nowhere are found before a run needs them."""
    with system("cursor", 3) as (double, server):
        gone = {"path": "deals/nowhere", "records": "data", "params": {"s": "{since}"}}

        assert found(double, server, "deletions", deletions=gone)[0] == "failed"
        assert found(double, server, "single records", detail="nowhere/{id}")[0] == "failed"


def test_how_many_requests_are_left():
    """Where a header tells how many requests are left, it is repeated."""
    with system("cursor", 3) as (double, _):

        def handle(request):
            reply = double.handle(request)
            return Reply(reply.status, reply.body, {**reply.headers, "X-RateLimit-Remaining": "4321"})

        with serving(handle) as server:
            assert found(double, server, "rate limit") == ("ok", "4,321 more requests are allowed for now")


def test_a_connection_anyone_can_read():
    """A system elsewhere without encryption is warned of."""
    with system("cursor", 3) as (double, server):
        source = adapter(double, server.url)
        from adapters.rest.examination import _encrypted  # noqa: PLC0415

        settings = type(source._settings)
        plain = settings(base_url="http://crm.example.test", path="deals")

        assert _encrypted(plain).outcome == "warning"
        assert _encrypted(settings(base_url="https://crm.example.test", path="deals")).outcome == "ok"


def test_the_template_for_writing():
    """A template for writing is well formed and unused, and nothing is written to find that out."""
    with system("cursor", 3) as (double, server):
        assert found(double, server, "write", write={"path": "deals/{id}"})[0] == "skipped"
