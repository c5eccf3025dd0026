"""What goes wrong on the way, and what the org refuses: got over with the right data, or incomplete and said why."""

import asyncio
import logging
from contextlib import aclosing

import pytest
import structlog

from syncd import logs
from syncd.errors import AuthFailed, SourceIncomplete, SourceUnavailable
from syncd.rehearsal import Fault, Reply, json_reply, once, serving, sprinkled
from tests.adapters.salesforce.orgs import Org, by_id, checks_of, deal, mark_of

DEALS = [deal(number, Name=f"Confidential {number}") for number in range(300)]
CURED = [
    Fault.RESET_BEFORE, Fault.RESET_INSIDE, Fault.CUT_BODY, Fault.CUT_JSON, Fault.HTML, Fault.WRONG_TYPE,
    Fault.BAD_UTF8, Fault.EMPTY, Fault.STATUS_429, Fault.STATUS_429_WAIT, Fault.STATUS_500, Fault.STATUS_503,
    Fault.STATUS_503_DATE,
]  # fmt: skip
FINAL = {
    Fault.STATUS_401: AuthFailed, Fault.STATUS_403: SourceIncomplete, Fault.STATUS_404: SourceIncomplete,
    Fault.ELSEWHERE: SourceUnavailable,
}  # fmt: skip
SLOW = [Fault.TRICKLE, Fault.SILENT]
WAYS = {"pages": {}, "job": {"bulk_above": 100, "bulk_page_size": 125}}


def is_page(request):
    return "/query/01g" in request.path


def is_part(request):
    return "/results" in request.path


def test_every_fault_is_looked_at():
    """No way in which an answer may go wrong is left out below."""
    assert {*CURED, *FINAL, *SLOW} == set(Fault)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", CURED, ids=lambda fault: fault.value)
def test_a_passing_fault_is_got_over(monkeypatch, fault, way):
    """What goes wrong once in mid-pull is asked again, and the data are right."""
    faults = once(fault, 1, is_page if way == "pages" else is_part)
    with Org(monkeypatch, DEALS, faults=faults) as org:
        org.double.queries.page_cap = 100

        assert set(by_id(org.pull(history=False, **WAYS[way]))) == set(org.double.ids())


@pytest.mark.parametrize("fault", SLOW, ids=lambda fault: fault.value)
def test_slow_answers_are_given_up_and_asked_again(monkeypatch, fault):
    """A page that does not come in time is asked for anew."""
    with Org(monkeypatch, DEALS, faults=once(fault, 0, is_page)) as org:
        org.double.queries.page_cap = 150

        assert len(by_id(org.pull(history=False, timeout_seconds=0.15))) == 300


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", FINAL, ids=lambda fault: fault.value)
def test_a_refusal_in_mid_pull_makes_it_incomplete(monkeypatch, fault, way):
    """What asking again would not cure ends the pull with reason and remedy, and no watermark."""
    faults = once(fault, 0, is_page if way == "pages" else is_part)
    with Org(monkeypatch, DEALS, faults=faults) as org:
        org.double.queries.page_cap = 100
        with pytest.raises(FINAL[fault]) as caught:
            org.pull(history=False, **WAYS[way])

    assert caught.value.reason
    assert caught.value.remedy
    assert not org.double.jobs.left


@pytest.mark.parametrize("fault", [one for one in CURED if one is not Fault.BAD_UTF8], ids=lambda fault: fault.value)
def test_a_lasting_fault_makes_the_pull_incomplete(monkeypatch, fault):
    """What goes wrong every time ends within patience, never with data."""
    with Org(monkeypatch, DEALS, faults=lambda _, request: fault if is_page(request) else None) as org:
        org.double.queries.page_cap = 100
        with pytest.raises(SourceIncomplete) as caught:
            org.pull(patience_seconds=20)

    assert caught.value.remedy


def test_text_that_is_none_makes_the_pull_incomplete(monkeypatch):
    """A byte that no text holds is no value of a field; where nobody reads, it does no harm."""
    with Org(monkeypatch, DEALS) as org:
        plain = org.double.handle

        def damaged(request):
            reply = plain(request)
            body = reply.body.replace(b"Confidential 7", b"Confidential \xff") if "q" in request.query else reply.body
            return Reply(reply.status, body, reply.headers, reply.content_type)

        org.server._handler = damaged
        with pytest.raises(SourceIncomplete, match="cannot be read"):
            org.pull()


@pytest.mark.parametrize("way", WAYS)
def test_one_answer_in_ten_is_wrong(monkeypatch, way):
    """Faults all over a pull change nothing in what it gives."""
    with Org(monkeypatch, DEALS, faults=sprinkled(CURED, 0.1, 7)) as org:
        org.double.queries.page_cap = 50
        first = org.pull(**WAYS[way])
        org.double.edit(org.double.ids()[5], Name="Changed")
        second = org.pull(mark_of(first))

        assert set(by_id(first)) == set(org.double.ids())
        assert {org.double.ids()[5]} == set(by_id(second))


def refusing(code, status=400, message="text of a record: Confidential 7"):
    return json_reply([{"errorCode": code, "message": message}], status)


def answering(org, reply, matching):
    """Let the org answer matching requests with this."""
    plain = org.double.handle
    org.server._handler = lambda request: reply if matching(request) else plain(request)


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [("API_DISABLED_FOR_ORG", 403, "API Enabled"), ("INVALID_TYPE", 400, "read access"),
     ("INVALID_FIELD", 400, "read access"), ("MALFORMED_QUERY", 400, "api_version"),
     ("INSUFFICIENT_ACCESS_OR_READONLY", 403, "read access"), ("NOT_FOUND", 404, "base_url"),
     ("API_CURRENTLY_DISABLED", 403, "administrator"), ("SOMETHING_NEW", 400, "doctor"),
     ("REQUEST_LIMIT_EXCEEDED", 403, "less often"), ("QUERY_TIMEOUT", 400, "bulk")],
)  # fmt: skip
def test_codes_of_the_org_become_remedies(monkeypatch, code, status, says):
    """Each code that people can do something about has its own remedy, and no message of the org is repeated."""
    with Org(monkeypatch, DEALS) as org:
        answering(org, refusing(code, status), lambda request: "q" in request.query)
        with pytest.raises(SourceIncomplete) as caught:
            org.pull(bulk=False)

    assert says in caught.value.remedy
    assert "Confidential" not in str(caught.value) + caught.value.remedy
    assert "NEW" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "status"),
    [("SERVER_UNAVAILABLE", 503), ("UNABLE_TO_LOCK_ROW", 400), ("UNKNOWN_EXCEPTION", 500), ("", 406)],
)
def test_what_passes_is_waited_for(monkeypatch, code, status):
    """Codes of an org that is busy are asked again after a while."""
    with Org(monkeypatch, DEALS) as org:
        left = [1, 1]
        answering(org, refusing(code, status), lambda request: "q" in request.query and bool(left and left.pop()))

        assert len(by_id(org.pull())) == 300
        assert len(org.time.waits) == 2


def test_a_query_that_takes_too_long_goes_by_a_job(monkeypatch):
    """A full pull over which the org takes too long is asked for as a job, which may take its time."""
    with Org(monkeypatch, DEALS) as org:
        org.double.queries.slow = lambda text: "FROM Opportunity " in text

        assert len(by_id(org.pull())) == 300
        assert org.asked("/results")


def test_too_many_calls_at_once_are_waited_for(monkeypatch):
    """The code of the spent quota also says that too many calls run at once, which passes."""
    with Org(monkeypatch, DEALS) as org:
        org.double.busy = 3

        assert len(by_id(org.pull())) == 300
        assert len(org.time.waits) == 3


def test_a_spent_quota_is_not_waited_for(monkeypatch):
    """Once the requests of the day are used up the pull ends at once."""
    with Org(monkeypatch, DEALS) as org:
        org.double.limit = org.double.used = 1_000
        with pytest.raises(SourceIncomplete, match="REQUEST_LIMIT_EXCEEDED"):
            org.pull()

        assert org.server.requests == 1
        assert not org.time.waits


@pytest.mark.parametrize("odd", [0, 1])
def test_a_share_of_the_quota_is_left_to_others(monkeypatch, odd):
    """At the share of the setting no more is asked, in either form of the header."""
    with Org(monkeypatch, DEALS) as org:
        org.double.limit, org.double.used = 1_000, 798 + odd
        with pytest.raises(SourceIncomplete, match="80 %"):
            org.pull(quota_percent=80)

        assert org.server.requests <= 3


def test_a_token_that_ends_in_mid_pull(monkeypatch):
    """With a token that somebody else renews there is nothing to renew: the credentials are refused."""
    with Org(monkeypatch, DEALS) as org:
        org.double.queries.page_cap = 100
        org.double.hooks.append(lambda request: is_page(request) and org.double.expire_tokens())
        with pytest.raises(AuthFailed):
            org.pull()


def test_closing_in_mid_pull(monkeypatch):
    """A pull whose adapter was closed is incomplete, and opens nothing again."""

    async def close_early(adapter):
        async for _ in adapter.pull():
            await adapter.close()

    with Org(monkeypatch, DEALS) as org:
        org.double.queries.page_cap = 100
        with pytest.raises(SourceIncomplete):
            asyncio.run(close_early(org.adapter()))


def test_leaving_in_mid_job_deletes_it(monkeypatch):
    """Who leaves a pull early leaves no job behind."""

    async def leave(adapter):
        async with aclosing(adapter.pull()) as pages:
            async for _ in pages:
                break
        await adapter.close()

    with Org(monkeypatch, DEALS) as org:
        org.double.queries.page_cap = 100
        asyncio.run(leave(org.adapter(bulk_above=50, bulk_page_size=100)))

        assert org.asked("/results")
        assert not org.double.jobs.left


def test_nothing_of_a_record_and_no_secret_is_logged(monkeypatch, caplog, capsys):
    """Through faults, refusals and an examination no text of a record and no token is in logs, errors or addresses."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(logs, "_level", logging.WARNING)
    logs.configure_logs(2)
    said = []
    with Org(monkeypatch, DEALS, faults=sprinkled([*CURED, *FINAL], 0.2, 3)) as org:
        org.double.queries.page_cap = 50
        for settings in WAYS.values():
            for _ in range(4):
                try:
                    org.pull(**settings)
                except SourceIncomplete as error:
                    said += [str(error), error.remedy]
        said += [f"{check.says} {check.remedy}" for check in checks_of(org.adapter()).values()]
        addresses = [path for _, path in org.double.asked]
    structlog.reset_defaults()
    out, err = capsys.readouterr()
    everything = "\n".join([caplog.text, out, err, *said, *addresses])

    assert said
    assert "http.retried" in err
    for secret in ("Confidential", "Zoë", "rehearsal.token"):
        assert secret not in everything


def test_a_proxy_that_answers_without_json(monkeypatch):
    """A refusal without a body that can be read is still a refusal."""
    with Org(monkeypatch, DEALS) as org:
        answering(org, Reply(403, b"<html>no</html>", content_type="text/html"), is_page)
        org.double.queries.page_cap = 100
        with pytest.raises(SourceIncomplete, match="403"):
            org.pull()


@pytest.mark.parametrize(
    ("whole", "changed"),
    [
        (b'"Id":', b'"Idx":'),
        (b'"nextRecordsUrl":"', b'"nextRecordsUrl":"https://[x'),
        (b'"nextRecordsUrl":"', b'"nextRecordsUrl":"https://x:y'),
        (b'"SystemModstamp":', b'"Elsewhere":'),
        (b'"IsDeleted":', b'"Elsewhere":'),
    ],
    ids=["no id", "no host", "no port", "no stamp", "no state"],
)
def test_what_a_gateway_may_do_to_an_answer(monkeypatch, whole, changed):
    """Records without an id, and links that are none, make the pull incomplete; they raise nothing else."""
    with Org(monkeypatch, DEALS) as org:
        answer = org.double.handle

        def changing(request):
            reply = answer(request)
            return Reply(reply.status, reply.body.replace(whole, changed), reply.headers, reply.content_type)

        org.server = org.stack.enter_context(serving(changing))
        with pytest.raises(SourceIncomplete):
            org.pull(page_size=200)
