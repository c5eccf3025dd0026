"""Every record once, whatever others do meanwhile: paging through a set that changes."""

from __future__ import annotations

import random

import pytest

from adapters.siebel.double import SiebelDouble
from syncd.errors import ConfigError, SourceIncomplete
from syncd.rehearsal import Reply
from tests.adapters.siebel.scene import deals, ids_of, keys_of, mark_of, pages_of, pulled, rows_of, siebel


def is_page(request):
    return "StartRowNum" in request.target and "PageSize=2&" not in request.target


class Meddler:
    """Inserts, changes and deletes records while somebody reads them."""

    def __init__(self, double, seed, *, per_request=3, after=1):
        self.double, self.random, self.per_request = double, random.Random(seed), per_request
        self.left, self.inserted, self.deleted, self.seen = after, set(), set(), 0
        double.on_request = self

    def __call__(self, request):
        self.seen += is_page(request)
        if self.seen <= self.left:
            return
        for _ in range(self.random.randint(0, self.per_request)):
            self.meddle(self.random.choice(["insert", "change", "delete"]))

    def meddle(self, how):
        ids = self.double.table.ids()
        if how == "insert":
            number = self.random.randrange(100_000)
            if f"1-{number:05}x" not in self.double.table.records:
                self.inserted.add(
                    self.double.insert({"Id": f"1-{number:05}x", "Name": "new", "Sales Stage": "Prospect"})
                )
        elif how == "change":
            self.double.change(self.random.choice(ids), {"Name": f"changed {self.random.random()}"})
        else:
            identity = self.random.choice(ids)
            self.double.delete(identity)
            self.deleted.add(identity)


def state(double):
    return {
        identity: (record.values["Name"], record.values["Sales Stage"])
        for identity, record in double.table.records.items()
    }


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_lost_and_nothing_comes_twice(seed):
    """With inserts, changes and deletes at every request, each record that was there throughout comes exactly once."""
    order = [str, lambda one: (len(one), one), lambda one: one[::-1]][seed % 3]
    with siebel(deals(2_000, **{"Sales Stage": "Prospect"}), double=SiebelDouble(order=order)) as scene:
        before = set(scene.double.table.ids())
        meddler = Meddler(scene.double, seed, per_request=4)
        pages = pages_of(scene.adapter(page_size=25, max_connections=8))
        scene.double.on_request = lambda _: None
        got = ids_of(rows_of(pages))

        assert len(got) == len(set(got))
        assert before - meddler.deleted <= set(got)
        assert set(got) <= before | meddler.inserted
        assert meddler.deleted
        assert meddler.inserted


@pytest.mark.parametrize("seed", range(2))
def test_a_pull_and_the_increment_after_it_are_the_state(seed):
    """A full pull through changes, one increment and one reading of the keys give what the system holds then."""
    with siebel(deals(1_500, **{"Sales Stage": "Prospect"})) as scene:
        Meddler(scene.double, seed, per_request=5)
        pages = pages_of(scene.adapter(page_size=25, max_connections=8))
        scene.double.on_request = lambda _: None
        held = {row["Id"]: row for row in rows_of(pages)}
        held |= {row["Id"]: row for row in pulled(scene.adapter(), mark_of(pages))}
        keys = set(keys_of(scene.adapter()))

        assert keys <= held.keys()
        assert state(scene.double) == {
            key: (row["Name"], row["Sales Stage"]) for key, row in held.items() if key in keys
        }


def test_keys_survive_changes_too():
    """The reading of all ids is as complete as that of the records."""
    with siebel(deals(1_000, **{"Sales Stage": "Prospect"})) as scene:
        before = set(scene.double.table.ids())
        meddler = Meddler(scene.double, 5, after=0)
        got = keys_of(scene.adapter(page_size=25))

        assert len(got) == len(set(got))
        assert before - meddler.deleted <= set(got) <= before | meddler.inserted


@pytest.mark.parametrize("gone", [1, 30, 99, 150, 400])
def test_a_deletion_of_many_before_the_page(gone):
    """However many records before the pages under way are deleted at once, the others come."""
    with siebel(deals(1_000)) as scene:
        seen = []

        def strike(request):
            seen.append(request)
            if len(seen) == 6:
                for number in range(gone):
                    scene.double.delete(f"1-{number:05}")

        scene.double.on_request = strike
        got = ids_of(pulled(scene.adapter(page_size=50, max_connections=2)))

        assert {f"1-{number:05}" for number in range(gone, 1_000)} <= set(got)
        assert len(got) == len(set(got))


def test_inserts_beyond_what_is_remembered_are_reported():
    """When so much is inserted that repeats could no longer be told, the pull is incomplete rather than wrong."""
    with siebel(deals(4_000)) as scene:
        seen = []

        def flood(request):
            seen.append(request)
            if len(seen) == 100:
                scene.double.load([{"Id": f"0-{number:05}"} for number in range(1_000)] + deals(4_000))

        scene.double.on_request = flood
        with pytest.raises(SourceIncomplete, match="faster than they can be read") as caught:
            pulled(scene.adapter(page_size=11, max_connections=1))

    assert caught.value.remedy


def test_requests_are_near_the_fewest_possible():
    """25,000 records take 253 pages of 100, each but the first sharing a record, and one description."""
    with siebel(deals(25_000)) as scene:
        got = ids_of(pulled(scene.adapter()))

        assert got == [f"1-{number:05}" for number in range(25_000)]
        assert scene.server.requests == 253 + 1


def test_no_more_requests_at_once_than_allowed():
    """Pages are asked for together, as many as `max_connections` says and no more."""
    for allowed in (1, 3, 8):
        with siebel(deals(2_000), latency_seconds=0.01) as scene:
            pulled(scene.adapter(max_connections=allowed))

            assert min(allowed, 2) <= scene.server.most_at_once <= allowed


@pytest.mark.parametrize("counts", [True, False], ids=["counts", "counts-not"])
def test_the_end_comes_nearer(counts):
    """When the last pages go in mid-pull, what is left is read to its end and nothing more is asked for."""
    with siebel(deals(1_000)) as scene:
        scene.double.counts = counts
        seen = []

        def strike(request):
            seen.append(request)
            if len(seen) == 8:
                for number in range(540, 1_000):
                    scene.double.delete(f"1-{number:05}")

        scene.double.on_request = strike
        got = ids_of(pulled(scene.adapter(page_size=50, max_connections=4)))

        assert got[:540] == [f"1-{number:05}" for number in range(540)]
        assert len(seen) < 30


@pytest.mark.parametrize("counts", [True, False], ids=["counts", "counts-not"])
@pytest.mark.parametrize("links_on", [True, False], ids=["links", "links-not"])
@pytest.mark.parametrize("count", [0, 1, 25, 49, 240])
def test_builds_that_say_less(counts, links_on, count):
    """Without a count, without links to the next page, or without both, every record still comes, for any number."""
    with siebel(deals(count)) as scene:
        scene.double.counts, scene.double.links_on = counts, links_on

        assert len(ids_of(pulled(scene.adapter(page_size=25)))) == count


def test_pages_smaller_than_asked_for():
    """A limit below `page_size` is said as such, not taken for the end."""
    with siebel(deals(300)) as scene:
        scene.double.page_cap = 50
        with pytest.raises(SourceIncomplete, match="50 records a page and not 100") as caught:
            pulled(scene.adapter())

    assert "page_size" in caught.value.remedy


def test_pages_of_one_record_cannot_share_any():
    """`page_size = 1` is refused at the start."""
    with siebel() as scene:
        made = scene.adapter(page_size=1)
        with pytest.raises(ConfigError, match="page_size"):
            type(made).create(made._settings, made._context)


def tampered(scene, change):
    """Let a function change the reply to every request for records."""
    handle = scene.double.handle
    scene.server._handler = lambda request: change(request, handle(request)) if is_page(request) else handle(request)


def test_a_page_that_comes_once_more_is_read_again():
    """An answer that repeats the page before is noticed, and what it should have held is read."""
    with siebel(deals(500)) as scene:
        held = []

        def repeat(_, reply):
            held.append(reply)
            return held[-2] if len(held) == 5 else reply

        tampered(scene, repeat)
        got = ids_of(pulled(scene.adapter(page_size=50, max_connections=1)))

        assert got == [f"1-{number:05}" for number in range(500)]


def test_a_page_that_was_skipped_is_read_again():
    """An answer that holds a page further on is noticed."""
    with siebel(deals(500)) as scene:
        seen = []

        def skip(request, reply):
            seen.append(reply)
            if len(seen) != 5:
                return reply
            return scene.double.handle(type(request)("GET", request.target.replace("=147", "=300"), request.headers))

        tampered(scene, skip)
        got = ids_of(pulled(scene.adapter(page_size=50, max_connections=1)))

        assert sorted(got) == [f"1-{number:05}" for number in range(500)]


@pytest.mark.parametrize("counts", [True, False], ids=["counts", "counts-not"])
def test_the_same_page_for_ever(counts):
    """A gateway that drops the row number is reported, not followed in circles."""
    with siebel(deals(500)) as scene:
        scene.double.counts = counts
        handle = scene.double.handle
        scene.server._handler = lambda request: handle(
            type(request)("GET", request.target.replace("StartRowNum", "Startrow"), request.headers)
        )
        with pytest.raises(SourceIncomplete) as caught:
            pulled(scene.adapter(page_size=50, max_connections=1))

    assert caught.value.remedy


def test_a_set_cut_short_is_not_taken_for_whole():
    """An answer that ends the list early is contradicted by the count."""
    with siebel(deals(500)) as scene:

        def cut(request, reply):
            if "StartRowNum=196" not in request.target:
                return reply
            headers = {**reply.headers}
            return Reply(404, b'{"ERROR":"There is no data for the requested resource"}', headers)

        tampered(scene, cut)
        with pytest.raises(SourceIncomplete) as caught:
            pulled(scene.adapter(page_size=50))

    assert caught.value.remedy


def test_a_link_that_leads_back():
    """A link to where the page itself began is an error, not a circle."""
    with siebel(deals(500)) as scene:
        back = b"StartRowNum=0"
        tampered(
            scene,
            lambda _, reply: Reply(reply.status, reply.body.replace(b"StartRowNum=50", back), reply.headers),
        )
        with pytest.raises(SourceIncomplete, match="leads to itself"):
            pulled(scene.adapter(page_size=50))


@pytest.mark.parametrize("counts", [True, False], ids=["counts", "counts-not"])
@pytest.mark.parametrize("left", [0, 30, 100])
def test_records_that_go_out_of_sight_in_mid_pull(left, counts):
    """An account that suddenly sees few or none gets the answers of a system that has no more, and is not believed."""
    with siebel(deals(1_000)) as scene:
        scene.double.counts = counts
        seen = []

        def strike(request):
            seen.append(request)
            if len(seen) == 12:
                for identity in scene.double.table.ids()[left:]:
                    scene.double.hide(identity, "Manager")

        scene.double.on_request = strike
        with pytest.raises(SourceIncomplete, match="out of sight"):
            pulled(scene.adapter(page_size=50, max_connections=2))
