"""Pages: what is asked for, how links are followed, and what proves that all pages came."""

import asyncio
import re
import time

import msgspec
import pytest

from adapters.dynamics365 import counting
from adapters.dynamics365.shape import FORMATTED
from syncd.errors import ConfigError
from syncd.rehearsal import Reply
from tests.adapters.dynamics365.desk import FIELDS, STAGE, adapter, desk, keys, pull, records, rows, until_cut


def changed(page, **how):
    """A handler that changes the body of the page with this number, counted from 1."""

    def around(double):
        def handle(request):
            reply = double.handle(request)
            number = (
                int(found[1])
                if (
                    found := re.search("pagenumber%3D%22(\\d+)", request.target.replace('"', "%22").replace("=", "%3D"))
                )
                else 1
            )
            if "$apply" in request.target or "opportunities" not in request.target or number != page:
                return reply
            body = msgspec.json.decode(reply.body)
            return Reply(
                reply.status,
                msgspec.json.encode({**body, **{key: value(body) for key, value in how.items()}}),
                reply.headers,
            )

        return handle

    return around


@pytest.mark.parametrize("tracking", [True, False])
def test_asks_for_the_fields_of_the_mapping_alone(tracking):
    """`$select` names what is mapped and the two times, and the same preferences go with each page."""
    seen = []
    with desk(records(25)) as (double, server):
        double.before = seen.append
        pull(adapter(server.url, page_size=10, change_tracking=tracking))

    pages = [one for one in seen if "opportunities" in one.path and "$apply" not in one.target]
    assert len(pages) == 3
    assert pages[0].query["$select"] == "closeprobability,createdon,modifiedon,name,opportunityid,salesstage"
    assert len({one.headers["prefer"] for one in pages}) == 1
    assert "odata.maxpagesize=10" in pages[0].headers["prefer"]
    assert ("odata.track-changes" in pages[0].headers["prefer"]) is tracking
    assert ("$orderby" in pages[0].query) is not tracking
    assert {one.headers["if-none-match"] for one in pages} == {"null"}


def test_links_are_followed_untouched_on_our_own_host():
    """The cookie goes back byte for byte as it came, and never to the host the link names."""
    links = []

    def noting(double):
        def handle(request):
            reply = double.handle(request)
            body = msgspec.json.decode(reply.body)
            links.append(body.get("@odata.nextLink"))
            return reply

        return handle

    with desk(records(25), handler=noting) as (double, server):
        pull(adapter(server.url, page_size=10))
        targets = double.targets

    given = [one for one in links if one]
    assert len(given) == 2
    assert all(one.startswith("https://contoso.crm.dynamics.com/") for one in given)
    assert [one.removeprefix("https://contoso.crm.dynamics.com") for one in given] == targets[1:3]


def test_as_few_requests_as_the_page_size_allows():
    """25,000 records take five pages and one count; the page size is the largest there is."""
    with desk(records(25_000)) as (_, server):
        found = rows(pull(adapter(server.url)))

    assert len(found) == 25_000
    assert server.requests == 6


def test_the_next_page_is_under_way_while_one_is_worked_on():
    """A consumer that blocks finds the next page already asked for; no more than that one is."""

    async def slowly(server):
        asked = []
        made = adapter(server.url, page_size=10)
        async for page in made.pull():
            if page.rows:
                time.sleep(0.1)  # noqa: ASYNC251 - a consumer that blocks
                asked.append(server.requests)
        await made.close()
        return asked

    with desk(records(50)) as (_, server):
        assert asyncio.run(slowly(server)) == [2, 3, 4, 5, 5]


def test_a_link_that_comes_twice_is_no_loop():
    """A service that leads back to a page it has given is reported."""
    with desk(records(40), handler=repeating) as (_, server):
        _, error = until_cut(adapter(server.url, page_size=10))
    assert "same next page twice" in error.reason
    assert error.remedy


def repeating(double):
    first = []

    def handle(request):
        reply = double.handle(request)
        body = msgspec.json.decode(reply.body)
        if "@odata.nextLink" in body:
            first.append(body["@odata.nextLink"])
            body["@odata.nextLink"] = first[0]
        return Reply(200, msgspec.json.encode(body), reply.headers)

    return handle


def test_a_page_that_comes_twice_is_an_error():
    """The same rows under another link are not data."""
    first = []

    def twice(double):
        def handle(request):
            reply = double.handle(request)
            body = msgspec.json.decode(reply.body)
            if len(body.get("value", [])) == 10:
                first.append(body["value"])
                body["value"] = first[0] if len(first) == 3 else body["value"]
            return Reply(200, msgspec.json.encode(body), reply.headers)

        return handle

    with desk(records(40), handler=twice) as (_, server):
        _, error = until_cut(adapter(server.url, page_size=10))

    assert "same page twice" in error.reason


def test_a_page_that_is_left_out_is_an_error():
    """Page numbers that do not follow one another are not believed."""

    def skip(double):
        def handle(request):
            reply = double.handle(request)
            if b"pagenumber=%222%22" not in reply.body:
                return reply
            link = msgspec.json.decode(reply.body)["@odata.nextLink"]
            onward = double._answer("opportunities", link, "odata.maxpagesize=10,odata.track-changes")
            body = {
                **msgspec.json.decode(reply.body),
                "@odata.nextLink": msgspec.json.decode(onward.body)["@odata.nextLink"],
            }
            return Reply(200, msgspec.json.encode(body), reply.headers)

        return handle

    with desk(records(40), handler=skip) as (_, server):
        _, error = until_cut(adapter(server.url, page_size=10))

    assert "from page 1 to page 3" in error.reason


def test_more_records_without_a_link_are_an_error():
    """`morerecords` without a next link, seen after an update of the service, is not the end."""
    cut = changed(2, **{"@odata.nextLink": lambda _: None, "@Microsoft.Dynamics.CRM.morerecords": lambda _: True})
    with desk(records(40), handler=cut) as (_, server):
        _, error = until_cut(adapter(server.url, page_size=10))

    assert "no link" in error.reason


@pytest.mark.parametrize("tracking", [True, False])
def test_records_that_are_left_out_are_missed(tracking):
    """A page that lost a row in its midst is found out by the count."""
    with desk(records(40), handler=changed(2, value=lambda body: body["value"][1:])) as (_, server):
        pages, error = until_cut(adapter(server.url, page_size=10, change_tracking=tracking))

    assert "counts 40 records and gave 39" in error.reason
    assert pages[-1].watermark is None


def test_counts_in_slices_of_what_the_service_can_count(monkeypatch):
    """More records than an aggregate takes are counted by the day of their creation, and one lost is still found."""
    monkeypatch.setattr(counting, "_AT_ONCE", 40)
    many = [one | {"createdon": f"2026-01-{1 + number // 15:02}T10:00:00Z"} for number, one in enumerate(records(60))]
    with desk(many) as (double, server):
        double.aggregate_limit = 50
        pages = pull(adapter(server.url, page_size=10))
        counts = [one for one in double.targets if "$apply" in one]
    with desk(many, handler=changed(5, value=lambda body: body["value"][1:])) as (_, server):
        _, error = until_cut(adapter(server.url, page_size=10))

    assert len(counts) == 2
    assert pages[-1].notes == []
    assert "counts 30 records and gave 29 of them" in error.reason


def test_what_cannot_be_counted_is_said():
    """Where the service refuses to count, the pages alone prove it, and a note says so."""
    with desk(records(40)) as (double, server):
        double.aggregate_limit = 30
        pages = pull(adapter(server.url, page_size=10))

    assert len(rows(pages)) == 40
    assert "could not count" in pages[-1].notes[0]


def test_a_column_that_is_not_there_is_named():
    """A mapped column the table lacks is an error of the configuration, by its name."""
    with desk(records(3)) as (_, server), pytest.raises(ConfigError, match="no column syn_gone"):
        pull(adapter(server.url, fields=FIELDS | {"syn_gone"}))


def test_keys_are_ids_alone():
    """The sweep asks for ids and nothing else, 5,000 at a time."""
    with desk(records(6_000)) as (double, server):
        found = keys(adapter(server.url))
        selects = {part for one in double.targets for part in one.split("&") if "$select" in part}

    assert found == [one["opportunityid"] for one in records(6_000)]
    assert selects == {"/api/data/v9.2/opportunities?$select=opportunityid"}
    assert server.requests == 2


@pytest.mark.parametrize("tracking", [True, False])
def test_without_fields_every_column_comes(tracking):
    """A source of which no field is named gives what the system gives, labels beside values."""
    with desk(records(12, syn_note="x")) as (_, server):
        made = adapter(server.url, fields=frozenset(), page_size=5, change_tracking=tracking)
        pages = pull(made)

    found = rows(pages)
    assert len(found) == 12
    assert found["id-000003"].items() >= {"syn_note": "x", "salesstage": 1, STAGE: "Develop", "name": "Deal 3"}.items()
    assert len({id(page.columns) for page in pages if page.rows}) == 1
    assert found["id-000003"]["@odata.etag"]


def test_values_keep_their_kinds():
    """Numbers stay numbers, money keeps its digits, nulls are blank, and labels stand beside the values."""
    more = {"estimatedvalue": "12345678901234.5678", "syn_note": None}
    more |= {f"_customerid_value@{FORMATTED}": "Contoso"}
    target = "_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"
    fields = FIELDS | {"estimatedvalue", "syn_note", "salesstage", target, f"_customerid_value@{FORMATTED}"}
    with desk(records(1, **more)) as (_, server):
        [found] = rows(pull(adapter(server.url, fields=fields))).values()

    assert (found["salesstage"], found[STAGE], found["closeprobability"]) == (1, "Develop", 20)
    assert str(found["estimatedvalue"]) == "12345678901234.5678"
    assert found["syn_note"] is None
    assert (found[f"_customerid_value@{FORMATTED}"], found[target]) == ("Contoso", "account")
