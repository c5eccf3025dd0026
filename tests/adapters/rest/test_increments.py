"""What an increment gives, and what it tells of deletions."""

from datetime import timedelta

import pytest

from syncd.errors import WatermarkLost
from tests.adapters.rest.parts import STYLES, adapter, deals, gathered, ids, mark, pull, records, system


def later(double, seconds=3_600):
    double.now += timedelta(seconds=seconds)


def gone(pages):
    return [key for page in pages for key in page.gone]


@pytest.mark.parametrize("style", STYLES)
def test_an_increment_reads_about_what_changed(style):
    """Of 1,000 records with ten changed, ten are read, in a handful of requests; with none changed, none."""
    with system(style, 1_000) as (double, server):
        first = mark(pull(adapter(double, server.url)))
        later(double)
        for number in range(10):
            double.edit(f"1-{number * 100}", {"title": "changed"})
        before = server.requests
        pages = pull(adapter(double, server.url), first)
        later(double)
        nothing = pull(adapter(double, server.url), mark(pages))

        assert {*ids(pages)} == {f"1-{number * 100}" for number in range(10)}
        assert ids(nothing) == []
        assert server.requests - before <= 10


def test_what_was_given_is_not_given_again():
    """A record that changed just before a pull lies in the next one's overlap, and is not given twice."""
    with system("cursor", 20) as (double, server):
        double.edit("1-4", {"title": "just now"})
        pages = pull(adapter(double, server.url))
        later(double, 60)
        again = pull(adapter(double, server.url), mark(pages))
        double.edit("1-4", {"title": "and again"})
        changed = pull(adapter(double, server.url), mark(again))

        assert ids(again) == []
        assert [one["title"] for one in records(changed)] == ["and again"]


def test_what_shows_late_is_read():
    """A change that was stamped before a pull and shows after it is within the overlap, and comes."""
    with system("cursor", 20) as (double, server):
        first = mark(pull(adapter(double, server.url)))
        stamped = double.now - timedelta(seconds=200)
        later(double, 600)
        double.insert(deals(1, 99)[0], at=stamped)

        assert ids(pull(adapter(double, server.url), first)) == ["1-99"]


def test_what_changes_in_mid_pull_comes_next_time():
    """The watermark is the time at which a pull began, by the system's clock, so later changes are read again."""
    with system("offset", 200) as (double, server):

        def work(number):
            later(double, 400)
            if number == 3:
                double.edit("1-0", {"title": "behind the reader"})

        double.before_each = work
        first = mark(pull(adapter(double, server.url)))

        assert "1-0" in ids(pull(adapter(double, server.url), first))


@pytest.mark.parametrize("style", STYLES)
def test_deletions_are_told(style):
    """The list of deleted records is read by pages as the records are, and each is told."""
    with system(style, 300) as (double, server):
        first = mark(pull(adapter(double, server.url)))
        later(double)
        for number in range(120):
            double.delete(f"1-{number}")
        pages = pull(adapter(double, server.url), first)

        assert {*gone(pages)} == {f"1-{number}" for number in range(120)}
        assert ids(pages) == []


def test_what_came_back_is_there():
    """A record that is told as deleted and was made anew is given after it is told, though it was given before."""
    with system("cursor", 20) as (double, server):
        first = mark(pull(adapter(double, server.url)))
        later(double)
        double.delete("1-3")
        deleted = dict(double._gone)
        double.insert(deals(1, 3)[0])
        double._gone = deleted
        pages = pull(adapter(double, server.url), first)
        again = pull(adapter(double, server.url), mark(pages))

        for found in (pages, again):
            assert gone(found) == ["1-3"]
            assert ids(found) == ["1-3"]


def test_ids_that_are_listed_bare():
    """A list of deleted records may hold ids and nothing else."""
    with system("cursor", 20) as (double, server):
        real = double._deleted
        double._deleted = lambda request: type(real(request))(200, b'{"data":["1-1",7],"meta":{"has_more":false}}')
        deletions = {"path": "deals/deleted", "records": "data", "id_field": "", "params": {"since": "{since}"}}
        deletions["params"] = {"deleted_since": "{since}"}
        first = mark(pull(adapter(double, server.url)))

        assert gone(pull(adapter(double, server.url, deletions=deletions), first)) == ["1-1", "7"]


def test_a_filter_with_an_end():
    """Where the filter takes an end as well, the watermark is no later than that."""
    with system("cursor", 20) as (double, server):
        seen = []
        real = double.handle
        double.before_each = lambda _: None

        def noting(request):
            seen.append(request.query)
            return real(request)

        double.handle = noting
        increment = {"params": {"changed_since": "{since}", "changed_until": "{until}"}, "format": "epoch_ms"}
        from syncd.rehearsal import serving  # noqa: PLC0415

        with serving(noting) as other:
            first = mark(pull(adapter(double, other.url, increment=increment | {"format": "iso"})))
            pull(adapter(double, other.url, increment=increment | {"format": "iso"}), first)

        assert seen[-1]["changed_until"] == double.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert server.requests == 0


def test_without_a_clock_of_the_system():
    """Where answers carry no date, the time of this machine serves."""
    with system("cursor", 20) as (double, server):
        double.dated = False
        first = mark(pull(adapter(double, server.url)))
        later(double)
        double.edit("1-1", {"title": "changed"})

        assert ids(pull(adapter(double, server.url), first)) == ["1-1"]


@pytest.mark.parametrize("text", ["42", "", "{}", '{"at":"then"}'])
def test_a_watermark_of_something_else_is_lost(text):
    """From a watermark that is none of this adapter's nobody can go on, and nothing is asked."""
    with system("cursor", 20) as (double, server):
        with pytest.raises(WatermarkLost):
            pull(adapter(double, server.url), text)

        assert server.requests == 0


def test_many_changes_in_the_overlap_are_read_again():
    """A watermark stays small: where too many records changed just before, they are read once more."""
    with system("none", 0) as (double, server):
        for one in deals(9_000):
            double.insert(one)
        first = mark(pull(adapter(double, server.url)))

        assert len(first) < 200
        assert len(ids(pull(adapter(double, server.url), first))) == 9_000


def test_keys_are_told_where_deletions_are_not():
    """Without a list of deletions, the adapter says so and reads ids."""
    with system("cursor", 20) as (double, server):
        source = adapter(double, server.url, deletions=None)

        assert source.capabilities.incremental
        assert not source.capabilities.deletions
        assert [key for keys in gathered(source, source.keys()) for key in keys] == double.ids()
