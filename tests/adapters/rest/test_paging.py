"""How pages follow one another: every style, what a chain must not do, and what may not get lost in mid-pull."""

import asyncio
import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rest.paging import links
from syncd.errors import ConfigError, SourceIncomplete
from syncd.rehearsal import Reply, json_reply, serving
from tests.adapters.rest.parts import STYLES, adapter, deals, gathered, ids, pull, system

COUNTED = ("offset", "page")
CHAINED = ("next_link", "link_header", "cursor")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("number", [0, 1, 49, 50, 51, 173])
def test_every_style_reads_every_record_once(style, number):
    """Whatever the number of records, at page borders too, each comes once and in order."""
    with system(style, number) as (double, server):
        assert ids(pull(adapter(double, server.url))) == [f"1-{n}" for n in range(number)]


@pytest.mark.parametrize(
    ("style", "most"), [("none", 1), ("next_link", 4), ("link_header", 4), ("offset", 6), ("page", 9), ("cursor", 4)]
)
def test_requests_are_few(style, most):
    """200 records at 50 a page take 4 requests; where pages are counted, some more for the proof."""
    with system(style, 200) as (double, server):
        pull(adapter(double, server.url))

        assert server.requests <= most


@pytest.mark.parametrize("style", COUNTED)
@pytest.mark.parametrize("first", [0, 1])
def test_counting_from_zero_or_one(style, first):
    """Positions and page numbers begin where the configuration says."""
    with system(style, 120) as (double, server):
        double._first = first

        assert len(ids(pull(adapter(double, server.url)))) == 120


@pytest.mark.parametrize("style", STYLES[1:])
def test_a_system_may_give_less_than_a_page(style):
    """A system with a limit of its own gives smaller pages than it is asked for; none is taken for the last."""
    with system(style, 60) as (double, server):
        double.largest = 7

        assert len(ids(pull(adapter(double, server.url)))) == 60


@pytest.mark.parametrize("style", COUNTED)
def test_what_stays_in_its_place_need_not_be_proven(style):
    """Where records keep their positions, `stable` spares the requests for the proof."""
    with system(style, 200) as (double, server):
        stable = adapter(double, server.url, paging=double.paging() | {"stable": True})

        assert len(ids(pull(stable))) == 200
        assert server.requests == 5


def test_pages_of_a_size_the_system_decides():
    """Without a parameter for the size, the page before is read again for the proof."""
    with system("page", 230) as (double, server):
        paging = {name: value for name, value in double.paging().items() if name != "size"}

        assert len(ids(pull(adapter(double, server.url, paging=paging)))) == 230


def test_an_answer_may_say_that_there_is_no_more():
    """With `more`, the last page is known without asking for another."""

    def handle(request):
        start = int(request.query["offset"])
        return json_reply({"data": [{"id": n} for n in range(start, min(start + 10, 30))], "more": start < 20})

    with system("offset") as (double, _), serving(handle) as server:
        paging = double.paging() | {"more": "more"}
        read = adapter(double, server.url, paging=paging, page_size=10, total=None)

        assert len(ids(pull(read))) == 30
        assert server.requests == 4


@pytest.mark.parametrize(
    ("style", "trouble", "says"),
    [
        ("cursor", "repeats its token", "same next page"),
        ("next_link", "repeats its token", "same next page"),
        ("link_header", "repeats its token", "same next page"),
        ("cursor", "gives one page for ever", "same"),
        ("next_link", "gives one page for ever", "same"),
        ("offset", "gives one page for ever", "same page again"),
        ("page", "gives one page for ever", "same page again"),
        ("cursor", "gives empty pages for ever", "without a record"),
        ("link_header", "gives empty pages for ever", "without a record"),
        ("cursor", "has more but no cursor", "not where"),
        *((style, "promises too many", "says there are 201") for style in STYLES),
        *((style, "has no list", "no list at `data`") for style in STYLES),
        *((style, "loses a page", "says there are 200") for style in (*CHAINED, "offset", "page")),
    ],
)
def test_what_is_not_whole_is_incomplete(style, trouble, says):
    """A chain that runs in circles, breaks, or gives less than was promised never passes for the whole."""
    with system(style, 200) as (double, server):
        double.trouble = trouble
        with pytest.raises(SourceIncomplete, match=says) as caught:
            pull(adapter(double, server.url))

        assert caught.value.remedy
        assert server.requests < 60


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_while_others_work(style, seed):
    """Records are made, changed and deleted between any two requests: what was there throughout comes, once."""
    with system(style, 3_000) as (double, server):
        chance, there, gone = random.Random(seed), {*double.ids()}, set()

        def work(number):
            for _ in range(chance.randrange(4) if number else 0):
                key = chance.choice([*there - gone])
                double.delete(key)
                gone.add(key)
                double.insert(deals(1, 10_000 + number)[0] | {"id": f"2-{number}-{len(gone)}"})
                double.edit(chance.choice([*there - gone]), {"title": "changed"})

        double.before_each = work
        found = ids(pull(adapter(double, server.url, page_size=100)))

        assert there - gone <= {*found}
        assert len(found) == len({*found})
        assert server.requests <= (1 if style == "none" else 120)


@pytest.mark.parametrize("style", COUNTED)
def test_a_whole_page_deleted_in_mid_pull(style):
    """Even when more records go than a page holds, those behind them are not skipped."""
    with system(style, 1_000) as (double, server):
        gone = [f"1-{n}" for n in range(130)]
        double.before_each = lambda number: [double.delete(one) for one in gone] if number == 8 else None
        found = ids(pull(adapter(double, server.url)))

        assert {f"1-{n}" for n in range(130, 1_000)} <= {*found}
        assert len(found) == len({*found})


@pytest.mark.parametrize("style", COUNTED)
def test_the_last_changed_at_the_end(style):
    """In an order by the last change, changed records move to the end; nothing is lost, each comes once."""
    with system(style, 1_000) as (double, server):
        double.order = "modified"
        chance = random.Random(4)

        def work(number):
            double.now += timedelta(seconds=1)
            if number:
                double.edit(f"1-{chance.randrange(1_000)}", {"title": "changed"})

        double.before_each = work
        found = ids(pull(adapter(double, server.url)))

        assert {f"1-{n}" for n in range(1_000)} == {*found}
        assert len(found) == 1_000


def test_a_count_that_moves_is_no_false_alarm():
    """Records made behind a reader that has passed raise the count; the list is read again for them before judging."""
    with system("none", 100) as (double, server):
        double.before_each = lambda number: double.insert(deals(1, 500)[0]) if number == 1 else None
        real, asked = double.handle, []

        def handle(request):
            reply = real(request)
            asked.append(request)
            body = reply.body.replace(b'"total":100', b'"total":101') if len(asked) == 1 else reply.body
            return Reply(reply.status, body, reply.headers)

        with serving(handle) as early:
            found = ids(pull(adapter(double, early.url)))

        assert found == [*(f"1-{n}" for n in range(100)), "1-500"]
        assert len(asked) == 2
        assert server.requests == 0


def test_keys_are_read_with_the_same_care():
    """The sweep of the ids gives each once, and is incomplete where a pull would be."""
    with system("page", 170) as (double, server):
        source = adapter(double, server.url)
        swept = [key for keys in gathered(source, source.keys()) for key in keys]
        double.trouble = "promises too many"
        source = adapter(double, server.url)

        assert swept == double.ids()
        with pytest.raises(SourceIncomplete):
            gathered(source, source.keys())


def test_records_without_an_id_are_broken():
    """A record without an id is refused by its place, however often its page is read, and the others come."""
    with system("offset", 120) as (double, server):
        for key in ("1-0", "1-49", "1-50", "1-119"):
            double._held[key].fields["id"] = None
        pages = pull(adapter(double, server.url))
        broken = [one for page in pages for one in page.broken]

        assert len(ids(pages)) == 116
        assert [one.place for one in broken] == ["record 1", "record 50", "record 51", "record 120"]
        assert {one.reason for one in broken} == {"it has no id in the field id"}


def test_an_id_that_is_there_twice():
    """Two records of one answer with the same id are both given, for the core to refuse one and say so."""
    with system("cursor", 60) as (double, server):
        double._held["1-7"].fields["id"] = "1-6"

        assert ids(pull(adapter(double, server.url)))[5:9] == ["1-5", "1-6", "1-6", "1-8"]


def test_a_source_that_is_closed_in_mid_pull():
    """A pull whose source is closed ends as incomplete, not as if it were whole."""
    with system("cursor", 300) as (double, server):
        source = adapter(double, server.url)

        async def read():
            async for _ in source.pull():
                await source.close()

        with pytest.raises(SourceIncomplete, match="closed"):
            asyncio.run(read())


def test_no_record_has_an_id():
    """When no record has one, the configuration is wrong, and the message names what there is instead."""
    with system("cursor", 5) as (double, server), pytest.raises(ConfigError, match=r"id_field.*'key'.*title"):
        pull(adapter(double, server.url, id_field="key", select=None))


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('<https://a/b?page=2>; rel="next"', ["https://a/b?page=2"]),
        ("<https://a/b>; rel=next, <https://a/c>; rel=last", ["https://a/b"]),
        ('<https://a/b?x=1,2>; title="a, b; c"; rel="prev next"', ["https://a/b?x=1,2"]),
        ('<https://a/b>; rel="nextish"', []),
        ("</b>;REL=Next", ["/b"]),
        ("no link at all", []),
    ],
)
def test_link_headers(header, found):
    """The header is read as RFC 8288 writes it: quotes or none, several relations, commas in addresses."""
    assert links(header, "next") == found


@given(st.text(alphabet='<>;,="rel next/ab', max_size=60))
def test_a_strange_link_header_does_no_harm(header):
    """Any text in its place is either a link or none, and takes no time."""
    assert isinstance(links(header, "next"), list)


def test_a_link_is_followed_on_the_configured_host_alone():
    """A link that names another host is followed on ours, so that nobody else gets the credentials."""
    with system("next_link", 120) as (double, server):
        double.internal_host = "https://elsewhere.example.test"

        assert len(ids(pull(adapter(double, server.url)))) == 120


@pytest.mark.parametrize(
    "link", ["?cursor=2", "things?cursor=2", "/api/things?cursor=2", "//evil.example.test/api/things?cursor=2"]
)
def test_relative_links(link):
    """A link may be relative to the page it stands on, to the host, or leave out the scheme."""

    def handle(request):
        if request.path != "/api/things":
            return json_reply({}, 404)
        more = "cursor" not in request.query
        return json_reply({"data": [{"id": 1 if more else 2}], "links": {"next": link if more else None}})

    with system("next_link") as (double, _), serving(handle) as server:
        assert ids(pull(adapter(double, server.url, path="things", total=None))) == [1, 2]
