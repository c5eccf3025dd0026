"""Whole pulls: paging, counts, what changes meanwhile, jobs."""

import asyncio
import random
from decimal import Decimal

import pytest

from adapters.salesforce.seen import Seen
from syncd.adapter import MISSING
from syncd.errors import ConfigError, SourceIncomplete
from tests.adapters.salesforce.orgs import FIELDS, ROLES, Org, by_id, deal, mark_of, pages_of, rows_of

MANY = [deal(number) for number in range(3_000)]


def cut_pages(double, *, at, change):
    """Call `change` once, before the `at`-th further page of a query is answered."""
    seen = []

    def hook(request):
        if "/query/01g" in request.path or "/results" in request.path:
            seen.append(request)
            if len(seen) == at:
                change(double)

    double.hooks.append(hook)


def test_values_come_in_their_types(monkeypatch):
    """Numbers are exact, times alike from both APIs, what is empty is None, related fields are columns with a dot."""
    record = deal(1, Amount="240000.50", CreatedDate="2026-01-02T03:04:05Z", IsClosed="no", NextStep=None)
    fields = {"Id", "Amount", "CreatedDate", "IsClosed", "NextStep", "Owner.Name", "Account.Name"}
    with Org(monkeypatch, [record]) as org:
        found = [org.rows(fields=fields, **settings)[0] for settings in ({}, {"bulk_above": 0})]

    assert found[0] == found[1]
    assert {
        "Id": org.double.ids()[0], "Amount": Decimal("240000.5"), "CreatedDate": "2026-01-02T03:04:05.000Z",
        "IsClosed": False, "NextStep": None, "Owner.Name": "Zoë", "Account.Name": None,
    } == found[0]  # fmt: skip


def test_only_the_fields_of_the_mapping_are_asked_for(monkeypatch):
    """The query names mapped fields and what a pull needs, and nothing else."""
    with Org(monkeypatch, [deal(1)]) as org:
        queries = []
        org.double.hooks.append(lambda request: queries.append(request.query.get("q", "")))
        org.pull(fields={"Id", "Name"}, history=False)

    (query,) = filter(None, queries)
    assert query == "SELECT SystemModstamp,IsDeleted,Id,Name FROM Opportunity ORDER BY Id"


def test_without_a_list_of_fields_all_are_asked_for(monkeypatch):
    """An empty set of fields means every field whose values are of one kind."""
    with Org(monkeypatch, [deal(1)]) as org:
        (row,) = org.rows(fields=())

    assert {"Id", "Name", "StageName", "Amount", "SystemModstamp"} <= set(row)
    assert "Owner.Name" not in row


def test_names_in_any_case_are_found(monkeypatch):
    """A mapping may spell a name as it likes; the column keeps the mapping's spelling."""
    with Org(monkeypatch, [deal(1)]) as org:
        (row,) = org.rows(fields={"id", "STAGENAME", "owner.name"})

    assert (row["STAGENAME"], row["owner.name"]) == ("Qualify", "Zoë")


@pytest.mark.parametrize("name", ["Id FROM User", "Name'", "Amount)", "A.B.C.D.E.F.G", "", "Ünï", "COUNT()"])
def test_what_is_no_name_is_refused_at_once(monkeypatch, name):
    """A name in the mapping that could say something else in a query is a configuration error."""
    with Org(monkeypatch) as org, pytest.raises(ConfigError, match="API name"):
        org.adapter(fields={"Id", name})


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"base_url": "https://contoso.lightning.force.com"}, "browsers"),
     ({"base_url": "https://contoso.my.salesforce.com/services/data"}, "ends at the host"),
     ({"page_size": 100}, "page_size"), ({"page_size": 5_000}, "page_size")],
    ids=["lightning", "path", "small", "large"],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused_at_once(monkeypatch, settings, says):
    """A host for browsers, a path of the API and pages of a size that is not given are configuration errors."""
    with Org(monkeypatch) as org, pytest.raises(ConfigError, match=says):
        org.adapter(**settings)


def test_a_field_that_is_not_there_is_left_out(monkeypatch):
    """A field that is hidden or does not exist has no column, and the rest is read."""
    with Org(monkeypatch, [deal(1)]) as org:
        org.double.tables["Opportunity"].hidden.add("Probability")
        (page, *_) = org.pull(fields={*FIELDS, "Mssp_Nowhere__c", "Nobody.Name", "Owner.Nothing__c"})

    assert {"Id", "Name", "StageName", "SystemModstamp", "Owner.Name"} == set(page.columns)
    assert page.declared


def test_requests_are_as_few_as_pages(monkeypatch):
    """A pull asks for describe, deletions, and each page of records and of their history once."""
    with Org(monkeypatch, MANY) as org:
        assert len(by_id(org.pull())) == len(MANY)
        assert org.server.requests == 1 + 1 + 2 + 2


def test_smaller_pages_than_asked_for_are_followed(monkeypatch):
    """How many records a page has says nothing; the link does."""
    with Org(monkeypatch, MANY[:100]) as org:
        org.double.queries.page_cap = 7

        assert len(by_id(org.pull())) == 100


def test_the_next_page_is_asked_for_on_our_own_host(monkeypatch):
    """Of the link to the next page the host is not used, and a gateway's path in front of it does no harm."""
    with Org(monkeypatch, MANY[:30]) as org:
        org.double.queries.page_cap = 10
        plain = org.double.handle

        def elsewhere(request):
            reply = plain(request)
            body = reply.body.replace(b'"/services/data/', b'"https://elsewhere.invalid/gateway/services/data/')
            return type(reply)(reply.status, body, reply.headers, reply.content_type)

        org.server._handler = elsewhere

        assert len(by_id(org.pull())) == 30


@pytest.mark.parametrize("link", [b'"/services/data/v66.0/sobjects/User"', b"null", b'"https://x"'])
def test_a_link_that_leads_elsewhere_is_not_followed(monkeypatch, link):
    """What is no cursor ends the pull as incomplete."""
    with Org(monkeypatch, MANY[:30]) as org:
        org.double.queries.page_cap = 10
        plain = org.double.handle

        def wrong(request):
            reply = plain(request)
            start, found, rest = reply.body.partition(b'"nextRecordsUrl":')
            body = start + found + link + b"}" if found else start + rest
            return type(reply)(reply.status, body, reply.headers, reply.content_type)

        org.server._handler = wrong
        with pytest.raises(SourceIncomplete, match="not where"):
            org.pull()


def test_a_page_that_comes_twice_ends_the_pull(monkeypatch):
    """The same cursor position given again is no progress."""
    with Org(monkeypatch, MANY[:30]) as org:
        org.double.queries.page_cap = 10
        plain = org.double.handle

        def again(request):
            reply = plain(request)
            body = reply.body.replace(b'AAA-20"', b'AAA-10"')
            return type(reply)(reply.status, body, reply.headers, reply.content_type)

        org.server._handler = again
        with pytest.raises(SourceIncomplete, match="twice"):
            org.pull()


def test_a_page_that_was_skipped_is_fetched(monkeypatch):
    """Where the org leaves a page out, the records of it are asked for by id."""
    with Org(monkeypatch, MANY[:50]) as org:
        org.double.queries.page_cap = 10
        plain = org.double.handle
        once = []

        def skip(request):
            reply = plain(request)
            if b'AAA-20"' in reply.body and not once:
                once.append(1)
                body = reply.body.replace(b'AAA-20"', b'AAA-30"')
                return type(reply)(reply.status, body, reply.headers, reply.content_type)
            return reply

        org.server._handler = skip
        found = by_id(org.pull(history=False))

    assert set(found) == set(org.double.ids())


def test_records_that_are_withheld_make_the_pull_incomplete(monkeypatch):
    """An org that counts more records than it gives, and does so again, was not read whole."""
    with Org(monkeypatch, MANY[:50]) as org:
        org.double.queries.lose = 1
        with pytest.raises(SourceIncomplete, match="fewer records"):
            org.pull()


def test_a_forgotten_cursor_is_taken_up_again(monkeypatch):
    """The rest is asked for from the last record on; nothing comes twice and nothing is lost."""
    with Org(monkeypatch, MANY) as org:
        org.double.queries.page_cap = 400
        cut_pages(org.double, at=3, change=lambda double: double.forget_cursors())

        assert set(by_id(org.pull(history=False))) == set(org.double.ids())
        assert org.server.requests == 2 + 3 + 1 + 5  # three pages, one refused, and five of what was left


def test_cursors_that_are_always_forgotten_end_the_pull(monkeypatch):
    """A query that never gets anywhere is given up, with a sentence."""
    with Org(monkeypatch, MANY[:1000]) as org:
        org.double.queries.page_cap = 400
        org.double.hooks.append(lambda request: "/query/01g" in request.path and org.double.forget_cursors())
        org.double.hooks.append(lambda request: "q" in request.query and setattr(org.double.queries, "page_cap", 0))
        with pytest.raises(SourceIncomplete):
            org.pull()


@pytest.mark.parametrize("settings", [{}, {"bulk_above": 100}], ids=["pages", "job"])
@pytest.mark.parametrize("seed", range(3))
def test_a_pull_survives_what_happens_meanwhile(monkeypatch, seed, settings):
    """Nothing is lost that was there throughout, and nothing comes twice, whatever is changed meanwhile.

    With the increment after it, the pull gives the state of the org.
    """
    chance = random.Random(seed)
    with Org(monkeypatch, MANY) as org:
        org.double.queries.page_cap = 500
        before = set(org.double.ids())

        def stir(_request):
            double, there = org.double, org.double.ids()
            if len(double.asked) > 40:
                return
            for one in chance.sample(there, 3):
                double.delete(one)
            for one in chance.sample(double.ids(), 3):
                double.edit(one, Name=f"Changed {len(double.asked)}")
            double.insert(deal(f"new {len(double.asked)}"))
            double.purge(double.ids()[-7])

        org.double.hooks.append(stir)
        first = org.pull(**settings)
        org.double.hooks.clear()
        org.double.advance(minutes=2)  # what is deleted for good is told when its minute is over
        found = by_id(first)

        assert before & set(org.double.ids()) <= set(found)

        second = org.pull(mark_of(first), **settings)
        state = found | by_id(second)
        for one in second[-1].gone:
            state.pop(one, None)

        rows = org.double.tables["Opportunity"].rows
        assert {one: row["Name"] for one, row in state.items()} == {one: rows[one]["Name"] for one in org.double.ids()}


def test_many_records_are_read_by_a_job(monkeypatch):
    """Above the setting a job is made, waited for, fetched part by part and deleted."""
    with Org(monkeypatch, MANY) as org:
        org.double.jobs.polls = 4
        found = by_id(org.pull(bulk_above=2_500, bulk_page_size=1_000))

        assert set(found) == set(org.double.ids())
        assert not org.double.jobs.left
        assert len(org.asked("/results")) == 3 + 3  # of the records, and of their history
        assert org.time.waits[:3] == [1.0, 2.0, 4.0]


def test_pages_and_jobs_give_the_same(monkeypatch):
    """A record has the same values whichever way it came."""
    odd = ["\x00nul", "a\r\nb", '"', ",", "Ünï\u2028", "", "null", "'; --", "\\"]
    records = [deal(number, Description=text, Amount="0.10") for number, text in enumerate(odd)]
    with Org(monkeypatch, records) as org:
        fields = {*FIELDS, "Description", "Amount", "LastModifiedDate"}

        assert org.rows(fields=fields) == org.rows(fields=fields, bulk_above=0)


def test_an_org_without_jobs_is_read_by_pages(monkeypatch):
    """Where no job can be made, or it fails, the same records come page by page, with a note."""
    for name, value in (("enabled", False), ("fails", True)):
        with Org(monkeypatch, MANY[:100]) as org:
            org.double.queries.page_cap = 50
            setattr(org.double.jobs, name, value)
            pages = org.pull(bulk_above=10)

            assert len(by_id(pages)) == 100
            assert any("page by page" in note for note in pages[-1].notes)
            assert not org.double.jobs.left


def test_a_part_that_is_short_is_asked_for_again(monkeypatch):
    """A part of a job's result that holds fewer rows than it says makes the pull incomplete if it stays so."""
    with Org(monkeypatch, MANY[:100]) as org:
        org.double.queries.page_cap = 50
        org.double.jobs.short = 1
        once = lambda request: "/results" in request.path and len(org.asked("/results")) > 1  # noqa: E731
        org.double.hooks.append(lambda request: once(request) and setattr(org.double.jobs, "short", 0))

        assert len(by_id(org.pull(bulk_above=10))) == 100

        org.double.hooks.clear()
        org.double.jobs.short = 1
        with pytest.raises(SourceIncomplete, match="as many records"):
            org.pull(bulk_above=10)
        assert not org.double.jobs.left


def test_a_job_without_end_is_given_up(monkeypatch):
    """A job is waited for as long as patience lasts, then stopped and deleted."""
    with Org(monkeypatch, MANY[:100]) as org:
        org.double.queries.page_cap = 50
        org.double.jobs.polls = 10**9
        with pytest.raises(SourceIncomplete, match="in time"):
            org.pull(bulk_above=10, bulk_patience_seconds=100)

        assert not org.double.jobs.left
        assert 70 <= sum(org.time.waits) <= 100


def test_a_query_too_long_for_an_address_goes_by_a_job(monkeypatch):
    """With very many fields the query travels in a body."""
    names = [f"Custom_Field_With_A_Long_Name_{number:04d}__c" for number in range(400)]
    with Org(monkeypatch, [deal(1, **dict.fromkeys(names, "x"))]) as org:
        (row,) = org.rows(fields={*FIELDS, *names})

        assert {"x"} == {row[name] for name in names}
        assert org.asked("/results")
        with pytest.raises(SourceIncomplete, match="URI_TOO_LONG"):
            org.pull(fields={*FIELDS, *names}, bulk=False)


def test_an_absent_key_is_missing(monkeypatch):
    """A record without a key that was asked for says nothing about it."""
    with Org(monkeypatch, [deal(1)]) as org:
        plain = org.double.handle

        def without(request):
            reply = plain(request)
            body = reply.body.replace(b'"Name":"Deal 1",', b"")
            return type(reply)(reply.status, body, reply.headers, reply.content_type)

        org.server._handler = without
        (row,) = org.rows()

    assert row["Name"] is MISSING


def test_keys_are_every_id(monkeypatch):
    """The keys are the ids of all records that are not deleted, asked for alone."""

    async def gather(adapter):
        found = [one async for keys in aiter(adapter.keys()) for one in keys]
        await adapter.close()
        return found

    with Org(monkeypatch, MANY) as org:
        org.double.delete(org.double.ids()[0])

        assert asyncio.run(gather(org.adapter())) == org.double.ids()
        assert org.server.requests == 2


def test_progress_counts_records(monkeypatch):
    """Pages say how far the pull has come, and of how much."""
    with Org(monkeypatch, MANY) as org:
        pages = org.pull(history=False)

    assert [(page.done, page.total) for page in pages] == [(2_000, 3_000), (3_000, 3_000), (3_000, 3_000)]


def test_the_ids_that_came_take_little_room():
    """Rising ids are kept compressed; what is out of order is still told apart."""
    seen = Seen()
    ids = [f"006RO{number:010d}AAA" for number in range(6_000)]
    for start in range(0, 6_000, 2_000):
        assert seen.add(ids[start : start + 2_000]) == list(range(2_000))

    assert sum(map(len, seen._pages)) < 8 * len(ids)
    assert set(ids) == set(seen)
    assert seen.lacking([ids[1_999], "006RO0000000001AAB", ids[2_000], "zzz", "0"]) == [
        "006RO0000000001AAB",
        "zzz",
        "0",
    ]
    assert Seen().lacking(["a"]) == ["a"]
    assert seen.add(["1-9", ids[5], "1-10", "1-9"]) == [0, 2]
    assert len(seen) == 6_002


def test_one_request_is_ahead(monkeypatch):
    """While a page is used the next one is under way."""
    with Org(monkeypatch, MANY, latency=0.02) as org:
        org.double.queries.page_cap = 500
        adapter = org.adapter(history=False, roles=ROLES)

        assert len(rows_of(pages_of(adapter))) == len(MANY)
        assert org.server.most_at_once >= 1
