"""Increments: what changed, what went, what is beside a record, its history, and the watermark."""

from datetime import timedelta

import msgspec
import pytest

from adapters.salesforce.double_tables import time_text
from syncd.adapter import MISSING, Move
from syncd.errors import SourceIncomplete, WatermarkLost
from tests.adapters.salesforce.orgs import FIELDS, ROLES, Org, by_id, deal, mark_of

DEALS = [deal(number) for number in range(20)]
TASKS = {"Task": frozenset({"Type", "Status", "Owner.Name"})}


def names(pages):
    return {row["Name"] for row in by_id(pages).values()}


def moves(pages):
    return [move for page in pages for move in page.moves]


def test_one_change_among_many_is_one_record(monkeypatch):
    """An increment reads what changed, in as few requests as there are questions."""
    with Org(monkeypatch, [deal(number) for number in range(3_000)]) as org:
        mark = mark_of(org.pull())
        org.double.edit(org.double.ids()[7], Name="Changed")
        before = org.server.requests
        pages = org.pull(mark)

    assert {"Changed"} == names(pages)
    assert org.server.requests - before == 4  # describe, deletions, changes, history of the one


def test_nothing_changed_makes_three_requests(monkeypatch):
    """Where nothing happened, three questions are asked and nothing is given."""
    with Org(monkeypatch, DEALS) as org:
        mark = mark_of(org.pull())
        org.double.advance(hours=1)
        before = org.server.requests
        pages = org.pull(mark)

    assert names(pages) == set()
    assert org.server.requests - before == 3
    assert msgspec.json.decode(mark_of(pages))["at"] > msgspec.json.decode(mark)["at"]


def test_what_became_visible_late_is_found(monkeypatch):
    """A record whose transaction ended after the watermark, under an earlier stamp, is in the overlap."""
    with Org(monkeypatch, DEALS) as org:
        now = org.double.now
        org.double.insert(deal("late"), at=now - timedelta(minutes=2), visible=now + timedelta(minutes=1))
        first = org.pull()
        org.double.advance(minutes=3)
        second = org.pull(mark_of(first))
        third = org.pull(mark_of(second))

    assert len(by_id(first)) == 20
    assert {"Deal late"} == names(second)
    assert names(third) == set()


def test_a_long_transaction_holds_the_watermark_back(monkeypatch):
    """While one is under way the watermark goes no further than the org vouches for."""
    with Org(monkeypatch, DEALS) as org:
        now = org.double.now
        org.double.open_since = now - timedelta(minutes=30)
        org.double.insert(deal("late"), at=now - timedelta(minutes=29), visible=now + timedelta(minutes=1))
        first = org.pull()
        org.double.open_since = None
        org.double.advance(minutes=10)
        second = org.pull(mark_of(first))

    assert {"Deal late"} == names(second)


def test_what_is_known_in_the_overlap_is_left_out(monkeypatch):
    """A record that changed shortly before the watermark is not given again unless it changed again."""
    with Org(monkeypatch, DEALS) as org:
        one, other = org.double.ids()[:2]
        org.double.edit(one, Name="One")
        org.double.edit(other, Name="Other")
        org.double.advance(seconds=30)
        first = org.pull()
        org.double.edit(other, Name="Other again")
        second = org.pull(mark_of(first))

    assert {"Other again"} == names(second)


def test_a_second_change_in_the_same_second_is_found(monkeypatch):
    """A stamp as fresh as the pull does not count as known."""
    with Org(monkeypatch, DEALS) as org:
        one = org.double.ids()[0]
        org.double.edit(one, Name="One")
        first = org.pull()
        row = org.double.tables["Opportunity"].rows[one]
        row["Name"] = "Changed in the same second"
        second = org.pull(mark_of(first))

    assert {"Changed in the same second"} == names(second)


def test_many_records_under_one_stamp_are_all_found(monkeypatch):
    """A mass update stamps more records alike than a page holds."""
    with Org(monkeypatch, [deal(number) for number in range(500)]) as org:
        mark = mark_of(org.pull())
        for one in org.double.ids():
            org.double.edit(one, Name="Mass")
        stamp = time_text(org.double.now)
        for row in org.double.tables["Opportunity"].rows.values():
            row["SystemModstamp"] = stamp
        org.double.queries.page_cap = 200
        found = by_id(org.pull(mark))

    assert len(found) == 500


def test_deletions_are_told(monkeypatch):
    """Records in the recycle bin, and those gone from it, are told; those that came back are not."""
    with Org(monkeypatch, DEALS) as org:
        binned, purged, back, late = org.double.ids()[:4]
        mark = mark_of(org.pull())
        org.double.delete(binned)
        org.double.purge(purged)
        org.double.delete(back)
        org.double.undelete(back)
        org.double.advance(minutes=2)  # the log of deletions tells of those in minutes that are over
        org.double.delete(late)
        pages = org.pull(mark)

    assert {binned, purged, late} == set(pages[-1].gone)
    assert {back} == set(by_id(pages))


def test_one_that_comes_back_later_is_given_again(monkeypatch):
    """A record that was told as gone and is undeleted is yielded by the increment after."""
    with Org(monkeypatch, DEALS) as org:
        one = org.double.ids()[0]
        mark = mark_of(org.pull())
        org.double.delete(one)
        second = org.pull(mark)
        org.double.advance(minutes=2)
        org.double.undelete(one)
        third = org.pull(mark_of(second))

    assert [one] == list(second[-1].gone)
    assert {one} == set(by_id(third))
    assert not third[-1].gone


@pytest.mark.parametrize("days", [16, 40])
def test_a_watermark_that_is_too_old_is_refused(monkeypatch, days):
    """Beyond what the org knows of deletions an increment could not tell them, and says that a full pull is needed."""
    with Org(monkeypatch, DEALS) as org:
        mark = mark_of(org.pull())
        org.double.advance(days=days)
        with pytest.raises(SourceIncomplete) as caught:
            org.pull(mark)

    assert "--full" in caught.value.remedy


@pytest.mark.parametrize("mark", ["", "7", "{}", '{"at":"2026-01-01T00:00:00"}', '{"at":1}'])
def test_a_foreign_watermark_is_refused(monkeypatch, mark):
    """A text that is no watermark of this adapter ends the pull before anything is asked."""
    with Org(monkeypatch, DEALS) as org, pytest.raises(SourceIncomplete, match="watermark"):
        org.pull(mark)

    assert org.server.requests == 0


def test_a_large_increment_goes_by_a_job(monkeypatch):
    """Many changes are read by a job that sees deleted records too."""
    with Org(monkeypatch, [deal(number) for number in range(300)]) as org:
        mark = mark_of(org.pull())
        gone, *rest = org.double.ids()
        for one in rest:
            org.double.edit(one, Name="Changed")
        org.double.delete(gone)
        org.double.queries.page_cap = 100
        pages = org.pull(mark, bulk_above=200)

    assert set(by_id(pages)) == set(rest)
    assert [gone] == list(pages[-1].gone)
    assert org.asked("/results")


def test_a_slow_span_is_halved(monkeypatch):
    """An increment the org takes too long over is read in parts, and nothing of it is lost."""
    with Org(monkeypatch, DEALS) as org:
        mark = mark_of(org.pull())
        for minute, one in enumerate(org.double.ids()):
            org.double.advance(minutes=minute)
            org.double.edit(one, Name=f"Changed {minute}")

        def slow(text):
            whole = "SystemModstamp <" not in text and "SystemModstamp >=" in text
            return whole and len([one for one in org.double.asked if one[1].endswith("/queryAll")]) < 4

        org.double.queries.slow = slow
        pages = org.pull(mark)

        assert len(by_id(pages)) == 20

        org.double.queries.slow = lambda text: "SystemModstamp" in text
        with pytest.raises(SourceIncomplete, match="QUERY_TIMEOUT"):
            org.pull(mark)


def test_children_come_with_their_record(monkeypatch):
    """The rows of a component are a list of dicts by native name, archived ones too, deleted ones not."""
    with Org(monkeypatch, DEALS) as org:
        one, other = org.double.ids()[:2]
        task = {"Type": "Call", "Status": "Completed", "Owner.Name": "Li"}
        org.double.attach("Task", one, task)
        archived = org.double.attach("Task", one, task | {"Type": "Old"})
        org.double.tables["Task"].rows[archived]["IsArchived"] = True
        org.double.detach("Task", org.double.attach("Task", other, task))
        found = by_id(org.pull(children=TASKS))

    assert [task, task | {"Type": "Old"}] == found[one]["Task"]
    assert found[other]["Task"] == []


def test_children_in_great_number_are_asked_for_by_parents(monkeypatch):
    """Where a component has many rows, those of some hundred parents are asked for at a time."""
    with Org(monkeypatch, [deal(number) for number in range(700)]) as org:
        for one in org.double.ids():
            for _ in range(8):
                org.double.attach("Task", one, {"Type": one[-9:], "Status": "Open"})
        found = by_id(org.pull(children=TASKS, history=False))

    assert all([one[-9:]] * 8 == [task["Type"] for task in row["Task"]] for one, row in found.items())
    # Describe of two objects, deletions, a look at the tasks and the page ahead of it, one page of records; then the
    # tasks of 300, 300 and 100 of them, each with a second page.
    assert org.server.requests <= 2 + 1 + 2 + 1 + 3 * 2


def test_a_component_by_the_name_of_its_relationship(monkeypatch):
    """`Tasks`, `OpportunityContactRoles` and the like lead to the same rows as the names of the objects."""
    with Org(monkeypatch, DEALS) as org:
        one = org.double.ids()[0]
        org.double.attach("OpportunityContactRole", one, {"Role": "Decision Maker", "Contact.Name": "Ann"})
        children = {"OpportunityContactRoles": frozenset({"Role", "Contact.Name"})}
        found = by_id(org.pull(children=children))

    assert found[one]["OpportunityContactRoles"] == [{"Role": "Decision Maker", "Contact.Name": "Ann"}]


def test_files_are_asked_for_by_parents_alone(monkeypatch):
    """Links to files cannot be listed, only asked for by what they are linked to."""
    with Org(monkeypatch, DEALS) as org:
        one = org.double.ids()[0]
        org.double.attach("ContentDocumentLink", one, {"ContentDocument.Title": "Sponsor letter"})
        children = {"ContentDocumentLink": frozenset({"ContentDocument.Title"})}
        pages = org.pull(children=children)

    assert by_id(pages)[one]["ContentDocumentLink"] == [{"ContentDocument.Title": "Sponsor letter"}]
    assert not pages[-1].notes


@pytest.mark.parametrize("hide", ["object", "field"])
def test_a_component_that_cannot_be_read_is_unknown(monkeypatch, hide):
    """Its column is missing in every record, a note says so, and the records are read."""
    with Org(monkeypatch, DEALS) as org:
        table = org.double.tables["Task"]
        if hide == "object":
            table.readable = False
        else:
            table.hidden.add("Status")
        pages = org.pull(children=TASKS | {"Nothing__c": frozenset({"Name"})})

    assert {MISSING} == {row["Task"] for row in by_id(pages).values()}
    assert {MISSING} == {row["Nothing__c"] for row in by_id(pages).values()}
    assert sorted(note.split()[3] for note in pages[-1].notes) == ["Nothing__c", "Task"]


def test_a_component_that_is_lost_in_mid_pull_is_unknown(monkeypatch):
    """Read access taken away after describe makes the component unknown from then on."""
    with Org(monkeypatch, DEALS) as org:
        lost = lambda request: "FROM Task" in request.query.get("q", "")  # noqa: E731
        org.double.hooks.append(lambda request: lost(request) and setattr(org.double.tables["Task"], "readable", False))
        pages = org.pull(children=TASKS)

    assert {MISSING} == {row["Task"] for row in by_id(pages).values()}
    assert any("Task" in note for note in pages[-1].notes)


@pytest.mark.parametrize("part", ["FROM Task", "FROM OpportunityHistory"])
def test_a_spent_quota_is_not_taken_for_a_lack_of_access(monkeypatch, part):
    """What the org refuses for another reason than what was asked makes the pull incomplete."""
    with Org(monkeypatch, DEALS) as org:
        org.double.attach("Task", org.double.ids()[0], {"Type": "Call"})
        org.double.hooks.append(
            lambda request: part in request.query.get("q", "") and setattr(org.double, "limit", org.double.used)
        )
        with pytest.raises(SourceIncomplete, match="requests"):
            org.pull(children=TASKS, quota_percent=100)


def test_a_change_beside_a_record_brings_it_again(monkeypatch):
    """A task that came, changed or went moves no stamp of its opportunity, which is given again all the same."""
    with Org(monkeypatch, DEALS) as org:
        one, other, third = org.double.ids()[:3]
        task = {"Type": "Call", "Status": "Open"}
        old = org.double.attach("Task", other, task, at=org.double.now - timedelta(days=1))
        mark = mark_of(org.pull(children=TASKS))
        org.double.attach("Task", one, task)
        org.double.detach("Task", old)
        org.double.attach("Task", third, task)
        org.double.delete(third)
        pages = org.pull(mark, children=TASKS)
        found = by_id(pages)

    assert {one, other} == set(found)
    assert [row["Status"] for row in found[one]["Task"]] == ["Open"]
    assert found[other]["Task"] == []
    assert [third] == list(pages[-1].gone)


def test_history_is_the_moves_between_stages(monkeypatch):
    """A row of history that is no move, such as a new amount, is left out."""
    with Org(monkeypatch, DEALS[:2]) as org:
        one = org.double.ids()[0]
        for change in ({"Amount": "5"}, {"StageName": "Develop"}, {"Probability": "25"}, {"StageName": "Qualify"}):
            org.double.advance(hours=1)
            org.double.edit(one, **change)
        found = moves(org.pull())
        jobs = moves(org.pull(bulk_above=0))

    history = org.double.tables["OpportunityHistory"].rows.values()
    times = [row["CreatedDate"] for row in history if row["OpportunityId"] == one]
    assert [Move(one, "Qualify", times[0]), Move(one, "Develop", times[2]), Move(one, "Qualify", times[4])] == [
        move for move in found if move.id == one
    ]
    assert found == jobs


def test_an_increment_brings_the_history_of_what_changed(monkeypatch):
    """Only the records that changed are asked about, and all their moves come."""
    with Org(monkeypatch, DEALS) as org:
        mark = mark_of(org.pull())
        org.double.edit(org.double.ids()[3], StageName="Develop")
        found = moves(org.pull(mark))

    assert {org.double.ids()[3]} == {move.id for move in found}
    assert [move.stage for move in found] == ["Qualify", "Develop"]


def test_the_history_of_a_stage_field_of_ones_own(monkeypatch):
    """Where the mapping reads the stage elsewhere, the tracked history of that field is read."""
    with Org(monkeypatch, [deal(1, Mssp_Stage__c="Develop")]) as org:
        one = org.double.ids()[0]
        history = org.double.tables["OpportunityFieldHistory"]
        for field, value in (("Mssp_Stage__c", "Qualify"), ("Amount", "7"), ("Mssp_Stage__c", "Develop")):
            stamp = time_text(org.double.now)
            history.add({"OpportunityId": one, "Field": field, "NewValue": value, "CreatedDate": stamp})
        pages = org.pull(fields={*FIELDS, "Mssp_Stage__c"}, roles=ROLES | {"stage": "Mssp_Stage__c"})

    assert [move.stage for move in moves(pages)] == ["Qualify", "Develop"]


def test_history_that_cannot_be_read_is_noted(monkeypatch):
    """Without access to the history the records are read, and a note says what is unknown."""
    with Org(monkeypatch, DEALS) as org:
        org.double.tables["OpportunityHistory"].readable = False
        first = org.pull()
        org.double.edit(org.double.ids()[0], StageName="Develop")
        second = org.pull(mark_of(first))

    for pages in (first, second):
        assert moves(pages) == []
        assert any("OpportunityHistory" in note for note in pages[-1].notes)


def test_history_that_is_switched_off_is_not_asked_for(monkeypatch):
    """`history = false` saves its requests."""
    with Org(monkeypatch, DEALS) as org:
        assert moves(org.pull(history=False)) == []
        assert org.server.requests == 3


def test_a_cut_history_makes_the_pull_incomplete(monkeypatch):
    """Fewer rows than promised, and than there are afterwards, is no whole history."""
    with Org(monkeypatch, DEALS) as org:
        org.double.hooks.append(
            lambda request: setattr(org.double.queries, "lose", int("OpportunityHistory" in request.query.get("q", "")))
        )
        with pytest.raises(SourceIncomplete, match="OpportunityHistory"):
            org.pull()


def lost(org, mark, **options):
    with pytest.raises(WatermarkLost) as caught:
        org.pull(mark, **options)
    return caught.value.reason


def test_a_component_that_was_refused_for_a_while(monkeypatch):
    """What changed in it meanwhile is not known, so once it can be read again, everything has to be."""
    with Org(monkeypatch, DEALS) as org:
        mark = mark_of(org.pull(children=TASKS))
        org.double.advance(hours=1)
        org.double.attach("Task", org.double.ids()[3], {"Type": "Call"})
        org.double.queries.slow = lambda text: "FROM Task" in text
        for _ in range(2):
            org.double.advance(hours=1)
            pages = org.pull(mark, children=TASKS)
            mark = mark_of(pages)
        org.double.queries.slow = lambda _: False
        reason = lost(org, mark, children=TASKS)

    assert by_id(pages) == {}
    assert "Task" in reason


@pytest.mark.parametrize("hidden", ["Task", "OpportunityHistory", "Probability"])
def test_what_is_granted_later(monkeypatch, hidden):
    """A field, a component or a history that was hidden is unknown of every record given before."""
    with Org(monkeypatch, DEALS) as org:
        if hidden == "Probability":
            org.double.tables["Opportunity"].hidden.add(hidden)
        else:
            org.double.tables[hidden].readable = False
        first = org.pull(children=TASKS)
        org.double.edit(org.double.ids()[7], Name="Changed")
        second = org.pull(mark_of(first), children=TASKS)
        org.double.tables["Opportunity"].hidden.clear()
        for table in org.double.tables:
            table.readable = True
        org.double.edit(org.double.ids()[7], Name="Changed again")
        reason = lost(org, mark_of(second), children=TASKS)

    assert names(second) == {"Changed"}
    assert hidden in reason
