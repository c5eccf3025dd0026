"""What an increment gives, where it starts, and what it knows already."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from adapters.siebel.double import SiebelDouble
from syncd.errors import SourceIncomplete, WatermarkLost
from syncd.httpkit import Clock
from tests.adapters.siebel.scene import FIELDS, deals, ids_of, keys_of, mark_of, pages_of, pulled, rows_of, siebel

STAMPED = {*FIELDS, "Updated", "Mod Id"}
ACTION = {"Action": frozenset({"Type", "Done"})}
BULK = {"Action": {"resource": "Action/Action", "parent": "Opportunity Id"}}


def test_one_in_a_hundred_changed():
    """An increment reads what changed and asks accordingly seldom."""
    with siebel(deals(5_000)) as scene:
        mark = mark_of(pages_of(scene.adapter()))
        for number in range(0, 5_000, 100):
            scene.double.change(f"1-{number:05}", {"Name": "changed"})
        before = scene.server.requests
        got = pulled(scene.adapter(), mark)

        assert ids_of(got) == [f"1-{number:05}" for number in range(0, 5_000, 100)]
        assert {row["Name"] for row in got} == {"changed"}
        assert scene.server.requests == before + 1


def test_nothing_changed():
    """An increment of nothing is one request, answered with 404, and gives the next watermark."""
    with siebel(deals(500)) as scene:
        mark = mark_of(pages_of(scene.adapter()))
        before = scene.server.requests
        pages = pages_of(scene.adapter(), mark)

        assert rows_of(pages) == []
        assert mark_of(pages)
        assert scene.server.requests == before + 1


def test_the_search_is_by_time_in_the_zone_of_the_account():
    """The watermark is a moment; the search says it month first, in the zone of the source, less the overlap."""
    with siebel(deals(3)) as scene:
        moment = datetime(2026, 7, 3, 2, 30, tzinfo=UTC)
        scene.double._now = lambda: moment
        clock = Clock(now=lambda: moment + timedelta(seconds=2))
        mark = mark_of(pages_of(scene.adapter(clock=clock, overlap_seconds=600)))
        pulled(scene.adapter(), mark)

        assert json.loads(mark)["at"] == "2026-07-03T02:20:00Z"
        assert scene.double.asked[-1][1]["searchspec"] == '[Updated] >= "07/02/2026 22:20:00"'


def test_a_server_whose_clock_is_behind():
    """The watermark goes by whichever clock is behind, so that what the server dates early is not missed."""
    with siebel(deals(3)) as scene:
        scene.double.advance(-7_200)
        mark = mark_of(pages_of(scene.adapter()))
        scene.double.change("1-00001", {"Name": "changed"})

        assert ids_of(pulled(scene.adapter(), mark)) == ["1-00001"]


def test_a_change_in_the_overlap_comes_once_more_without_stamps():
    """As delivered, answers do not say when a record changed: what changed before a full pull comes again, once."""
    with siebel(deals(20)) as scene:
        scene.double.change("1-00003", {"Name": "changed"})
        first = mark_of(pages_of(scene.adapter()))
        second = pages_of(scene.adapter(), first)
        third = pages_of(scene.adapter(), mark_of(second))

        assert ids_of(rows_of(second)) == ["1-00003"]
        assert rows_of(third) == []


def test_a_change_in_the_overlap_is_known_with_stamps():
    """Where `Updated` is exposed, what changed just before a pull is known to the next one, until it changes again."""
    with siebel(deals(20)) as scene:
        scene.double.exposes_stamps = True
        context = scene.context(fields=STAMPED)
        scene.double.change("1-00003", {"Name": "changed"})
        first = mark_of(pages_of(scene.adapter(context=context)))
        second = pages_of(scene.adapter(context=context), first)
        scene.double.change("1-00003", {"Name": "changed again"})
        third = pages_of(scene.adapter(context=context), mark_of(second))

        assert rows_of(second) == []
        assert [(row["Id"], row["Name"], row["Mod Id"]) for row in rows_of(third)] == [
            ("1-00003", "changed again", "2")
        ]


def test_a_watermark_stays_small():
    """After an import of thousands, the watermark does not hold them all; they come once more instead."""
    with siebel(deals(3_000)) as scene:
        scene.double.exposes_stamps = True
        for number in range(2_000):
            scene.double.change(f"1-{number:05}", {"Name": "imported"})
        context = scene.context(fields=STAMPED)
        mark = mark_of(pages_of(scene.adapter(context=context)))

        assert len(mark) < 1_000
        assert len(pulled(scene.adapter(context=context), mark)) == 2_000


def test_only_the_last_page_has_a_watermark():
    """Pages come by id and not by time, so that nothing is given up to any moment before the end."""
    with siebel(deals(300)) as scene:
        marks = [page.watermark for page in pages_of(scene.adapter())]

        assert all(mark is None for mark in marks[:-1])
        assert marks[-1]


def test_a_watermark_of_another_making_means_everything():
    """What cannot be read as a watermark does not narrow the pull."""
    with siebel(deals(5)) as scene:
        for odd in ("", "x", "{}", '{"at": "2026-01-01T00:00:00"}'):
            assert len(pulled(scene.adapter(), odd)) == 5


def test_a_field_that_went_since():
    """An increment finds out by itself that a field is no longer there, and goes on without it."""
    with siebel([{**deal, "MSSP Sponsor": "Dana"} for deal in deals(20)]) as scene:
        context = scene.context(fields={*FIELDS, "MSSP Sponsor"})
        mark = mark_of(pages_of(scene.adapter(context=context)))
        del scene.double.fields["MSSP Sponsor"]
        scene.double.change("1-00003", {"Name": "changed"})
        pages = pages_of(scene.adapter(context=context), mark)

        assert ids_of(rows_of(pages)) == ["1-00003"]
        assert "MSSP Sponsor" not in pages[0].columns
        assert json.loads(mark_of(pages))["absent"] == ["MSSP Sponsor"]


def test_deletions_are_missing_among_the_keys():
    """Siebel tells no deletions; the keys do, at a field each."""
    with siebel(deals(1_200)) as scene:
        scene.double.delete("1-00007")

        assert "1-00007" not in keys_of(scene.adapter())
        assert len(keys_of(scene.adapter())) == 1_199
        assert {query["fields"] for _, query in scene.double.asked} == {"Id"}


def test_a_changed_child_brings_its_opportunity():
    """A new activity leaves its opportunity untouched; where `children` says how to ask, the increment finds it."""
    with siebel([{**deal, "Action": []} for deal in deals(60)]) as scene:
        context = scene.context(children=ACTION)
        given = {"context": context, "children": BULK}
        mark = mark_of(pages_of(scene.adapter(**given)))
        row = {"Id": "A-1", "Type": "Call", "Done": "2026-11-20T10:00:00Z"}
        scene.double.change("1-00041", {"Action": [row]})
        scene.double.change("1-00007", {"Name": "changed", "Action": [{**row, "Id": "A-2"}]})
        got = pulled(scene.adapter(**given), mark)

        assert sorted(ids_of(got)) == ["1-00007", "1-00041"]
        assert [row["Action"][0]["Type"] for row in got] == ["Call", "Call"]


def test_a_component_that_was_refused_for_a_while():
    """What changed in it meanwhile is not known, so once it can be read again, everything has to be."""
    with siebel([{**deal, "Action": []} for deal in deals(30)]) as scene:
        given = {"context": scene.context(children=ACTION), "children": BULK}
        first = pages_of(scene.adapter(**given))
        scene.double.advance(7_200)
        scene.double.refused_children["Action"] = "SBL-DAT-00553"
        scene.double.change("1-00011", {"Action": [{"Id": "A-1", "Type": "Call"}]})
        scene.double.advance(7_200)
        second = pages_of(scene.adapter(**given), mark_of(first))
        third = pages_of(scene.adapter(**given), mark_of(second))
        scene.double.refused_children.clear()
        with pytest.raises(WatermarkLost, match="Action"):
            pages_of(scene.adapter(**given), mark_of(third))

        assert [rows_of(pages) for pages in (second, third)] == [[], []]
        assert json.loads(mark_of(third))["unread"] == ["Action"]


def test_a_component_that_lacks_a_field():
    """It is refused with every pull, which is no reason to read everything each time."""
    with siebel([{**deal, "Action": []} for deal in deals(30)]) as scene:
        given = {"context": scene.context(children={"Action": frozenset({"No Such"})}), "children": BULK}
        mark = mark_of(pages_of(scene.adapter(**given)))

        assert json.loads(mark)["unread"] == ["Action"]
        assert rows_of(pages_of(scene.adapter(**given), mark)) == []


def test_a_changed_child_is_not_seen_otherwise():
    """Without `children`, an increment does not look at the children of what did not change itself."""
    with siebel([{**deal, "Action": []} for deal in deals(20)]) as scene:
        context = scene.context(children=ACTION)
        mark = mark_of(pages_of(scene.adapter(context=context)))
        scene.double.change("1-00011", {"Action": [{"Id": "A-1", "Type": "Call"}]})

        assert pulled(scene.adapter(context=context), mark) == []


def test_an_own_search_narrows_everything():
    """`searchspec` of the source holds for pulls, increments and keys alike."""
    records = [*deals(10), *({**deal, "Id": f"2-{deal['Id']}", "Name": "other"} for deal in deals(10))]
    with siebel(records) as scene:
        own = {"searchspec": "[Name] LIKE 'Deal*'"}
        mark = mark_of(pages_of(scene.adapter(**own)))
        scene.double.change("1-00001", {"Sales Stage": "Qualify"})
        scene.double.change("2-1-00001", {"Sales Stage": "Qualify"})

        assert len(pulled(scene.adapter(**own))) == 10
        assert ids_of(pulled(scene.adapter(**own), mark)) == ["1-00001"]
        assert len(keys_of(scene.adapter(**own))) == 10


def test_a_search_that_siebel_does_not_understand():
    """An unknown field in `searchspec` is named as the cause, at once."""
    with siebel(deals(3)) as scene, pytest.raises(SourceIncomplete, match="00416") as caught:
        pulled(scene.adapter(searchspec="[No Such Field] = 'x'"))

    assert "searchspec" in caught.value.remedy


def test_a_zone_other_than_utc_in_winter_and_summer():
    """A record changed right after the watermark is found whatever the clocks of the zone do."""
    for moment in (
        datetime(2026, 3, 8, 6, 59, tzinfo=UTC), datetime(2026, 3, 8, 7, 1, tzinfo=UTC),
        datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 1, 6, 30, tzinfo=UTC),
    ):  # fmt: skip
        with siebel(deals(5), double=SiebelDouble(now=lambda moment=moment: moment)) as scene:
            clock = Clock(now=lambda moment=moment: moment)
            mark = mark_of(pages_of(scene.adapter(clock=clock, overlap_seconds=0)))
            scene.double.advance(1)
            scene.double.change("1-00002", {"Name": "changed"})

            assert ids_of(pulled(scene.adapter(), mark)) == ["1-00002"]
