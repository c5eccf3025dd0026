"""Evidence from child components: only what the mapping asks for, as few requests as there is a way."""

from __future__ import annotations

import pytest

from syncd.adapter import MISSING
from syncd.errors import SourceIncomplete
from tests.adapters.siebel.scene import deals, pages_of, pulled, siebel

ACTION = {"Action": frozenset({"Type", "Done", "Owner"})}
BOTH = {**ACTION, "Sales Assessment": frozenset({"Status"})}
BULK = {"Action": {"resource": "Action/Action", "parent": "Opportunity Id"}}


def with_actions(count):
    """Opportunities of which each third has no activity, and the others one or two."""
    return [
        {**deal, "Action": [{"Id": f"A-{number}-{one}", "Type": "Call", "Done": "2026-11-20T10:00:00Z", "Owner": "KAI"}
                            for one in range(number % 3)]}
        for number, deal in enumerate(deals(count))
    ]  # fmt: skip


@pytest.mark.parametrize("settings", [{}, {"children": BULK}], ids=["one by one", "in bulk"])
def test_rows_come_with_their_opportunity(settings):
    """Each opportunity has its own child rows, with the fields of the mapping; none is an empty list."""
    with siebel(with_actions(150)) as scene:
        got = pulled(scene.adapter(context=scene.context(children=ACTION), page_size=50, **settings))

        assert [len(row["Action"]) for row in got] == [number % 3 for number in range(150)]
        assert got[1]["Action"][0] == {
            "Id": "A-1-0", "Done": "11/20/2026 05:00:00", "Owner": "KAI", "Type": "Call",
        } | ({"Opportunity Id": "1-00001"} if settings else {})  # fmt: skip


def test_requests_for_children():
    """One for each opportunity and component; in bulk, one for twenty opportunities."""
    with siebel(with_actions(100)) as scene:
        pulled(scene.adapter(context=scene.context(children=BOTH)))
        alone, scene.server.requests = scene.server.requests, 0
        pulled(scene.adapter(context=scene.context(children=ACTION), children=BULK))

        assert alone == 1 + 1 + 2 * 100
        assert scene.server.requests == 1 + 1 + 5


def test_children_that_nobody_asks_for_are_left_alone():
    """Without child components in the mapping, no request goes below an opportunity, and no child link comes."""
    with siebel(with_actions(30)) as scene:
        pulled(scene.adapter())

        assert {path for path, _ in scene.double.asked} == {
            "Opportunity/Opportunity", "Opportunity/Opportunity/describe",
        }  # fmt: skip
        assert {query.get("childlinks") for path, query in scene.double.asked if "describe" not in path} == {"None"}


def test_rows_in_bulk_may_need_another_view_mode():
    """A child component has a view mode of its own where one is set."""
    with siebel(with_actions(30)) as scene:
        bulk = {"Action": {**BULK["Action"], "view_mode": "All"}}
        pulled(scene.adapter(context=scene.context(children=ACTION), children=bulk))

        modes = {path.partition("/")[0]: query.get("ViewMode") for path, query in scene.double.asked if query}
        assert modes == {"Opportunity": "Organization", "Action": "All"}


def test_more_rows_than_a_page():
    """An opportunity with hundreds of activities has them all."""
    rows = [{"Id": f"A-{number:04}", "Type": "Call"} for number in range(350)]
    with siebel([{**deals(1)[0], "Action": rows}]) as scene:
        for settings in ({}, {"children": BULK}):
            context = scene.context(children={"Action": frozenset({"Type"})})
            (got,) = pulled(scene.adapter(context=context, **settings))

            assert sorted(row["Id"] for row in got["Action"]) == [row["Id"] for row in rows]


@pytest.mark.parametrize("code", ["SBL-DAT-00553", "SBL-EAI-50257"])
def test_a_component_that_cannot_be_read_is_unknown(code):
    """It is missing in every record, a note says so once, and it is not asked for again."""
    with siebel(with_actions(60)) as scene:
        scene.double.refused_children["Action"] = code
        pages = pages_of(scene.adapter(context=scene.context(children=BOTH), page_size=25))
        values = [row[page.columns.index("Action")] for page in pages for row in page.rows]
        notes = [note for page in pages for note in page.notes]

        assert values == [MISSING] * 60
        assert [code in note and "Action" in note for note in notes] == [True]
        assert sum(path.endswith("/Action") for path, _ in scene.double.asked) == 1


def test_a_component_without_the_field():
    """A field of a child that Siebel does not have makes the component unknown, not the pull incomplete."""
    with siebel(with_actions(5)) as scene:
        context = scene.context(children={"Action": frozenset({"Verbal Approval"})})
        pages = pages_of(scene.adapter(context=context))

        assert all(row[-1] is MISSING for page in pages for row in page.rows)
        assert "SBL-EAI-50258" in pages[-1].notes[0]


def test_children_are_asked_for_within_the_connections():
    """The fan-out keeps to `max_connections`."""
    with siebel(with_actions(100), latency_seconds=0.005) as scene:
        pulled(scene.adapter(context=scene.context(children=BOTH), max_connections=3, page_size=50))

        assert scene.server.most_at_once <= 3


def test_an_opportunity_that_went_meanwhile_has_no_children():
    """A record deleted between its page and its children is given without any; the keys tell that it is gone."""
    with siebel(with_actions(10)) as scene:
        seen = []

        def strike(request):
            if "/1-00005/" in request.path and not seen:
                seen.append(request)
                scene.double.delete("1-00005")

        scene.double.on_request = strike
        got = pulled(scene.adapter(context=scene.context(children=ACTION)))

        assert [row["Action"] for row in got if row["Id"] == "1-00005"] == [[]]


def test_ids_that_no_search_can_hold():
    """An id with both quotes in it cannot be searched for: its rows in bulk are unknown, those of others come."""
    odd = """1-'x"OR"""
    records = with_actions(3)
    records[0]["Id"] = odd
    with siebel(records) as scene:
        pages = pages_of(scene.adapter(context=scene.context(children=ACTION), children=BULK))
        values = {row[0]: row[-1] for page in pages for row in page.rows}

        assert values[odd] is MISSING
        assert len(values["1-00002"]) == 2


@pytest.mark.parametrize("tells_last", [True, False])
def test_a_version_that_gives_children_ten_at_a_time(tells_last):
    """What a page of children leaves out is noticed, though nothing links to it, and a setting cures it."""
    rows = [{"Id": f"A-{number:02}", "Type": "Call"} for number in range(25)]
    with siebel([{**deal, "Action": rows[: 10 + 15 * number]} for number, deal in enumerate(deals(2))]) as scene:
        scene.double.child_page, scene.double.tells_last = 10, tells_last
        context = scene.context(children=ACTION)
        with pytest.raises(SourceIncomplete, match="10 records a page") as caught:
            pulled(scene.adapter(context=context))
        got = pulled(scene.adapter(context=context, page_size=10))

    assert "page_size" in caught.value.remedy
    assert [len(row["Action"]) for row in got] == [10, 25]
