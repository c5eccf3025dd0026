"""Child components and history: read in batches, and unknown rather than wrong where they cannot be read."""

from __future__ import annotations

import pytest

from syncd.adapter import MISSING, Move
from syncd.errors import SourceUnavailable
from syncd.rehearsal import Fault
from tests.adapters.hubspot.accounts import FIELDS, mark, pages, rows

TASKS = {"tasks": frozenset({"hs_task_subject", "hs_task_status", "hs_task_completion_date"})}


def task(subject, **more):
    return {"hs_task_subject": subject, "hs_task_status": "COMPLETED", **more}


def tasks_of(given):
    return {one["hs_object_id"]: one["tasks"] for one in rows(given)}


def test_children_are_read_in_batches(account):
    """The tasks of 1,200 deals take a request for each thousand deals and one for each hundred tasks."""
    deals = account.deals(1_200)
    for number in range(0, 1_200, 4):
        deals[number]["tasks"] = [task("Ask for business")]
    account.double.load(deals)
    counted = []
    account.double.before = lambda request: counted.append(request.path)

    pulled = tasks_of(pages(account.adapter(children=TASKS)))

    assert pulled["1004"] == [
        {"hs_task_subject": "Ask for business", "hs_task_status": "COMPLETED", "hs_task_completion_date": None}
    ]
    assert pulled["1005"] == []
    assert len([path for path in counted if "associations" in path]) == 2
    assert len([path for path in counted if "objects/tasks/batch" in path]) == 4


def test_many_children_of_one_deal_are_read_by_page(account):
    """More associations than come at once are all read."""
    account.double.association_page = 7
    account.double.load(account.deals(2, tasks=[task(f"Task {number}") for number in range(40)]))

    pulled = tasks_of(pages(account.adapter(children=TASKS)))

    assert [len(pulled[one]) for one in ("1000", "1001")] == [40, 40]


def test_times_of_children_are_read_whichever_way_they_are_written(account):
    """A completion date in milliseconds comes as ISO 8601."""
    account.double.load(account.deals(1, tasks=[task("Call", hs_task_completion_date="1772441400000")]))

    (child,) = tasks_of(pages(account.adapter(children=TASKS)))["1000"]

    assert child["hs_task_completion_date"] == "2026-03-02T08:50:00.000Z"


def test_labels_of_associations_are_a_field(account):
    """A contact's role stands in `association.label`; under two labels it gives two rows, and without one a blank."""
    contacts = [
        {"email": "a@example.com", "association.label": "Sponsor"},
        {"email": "b@example.com", "association.label": None},
    ]
    account.double.load(account.deals(1, contacts=contacts))
    wanted = {"contacts": frozenset({"email", "association.label"})}

    (deal,) = rows(pages(account.adapter(children=wanted)))

    assert deal["contacts"] == [
        {"email": "a@example.com", "association.label": "Sponsor"},
        {"email": "b@example.com", "association.label": None},
    ]


def test_labels_alone_need_no_records(account):
    """Where only the role is mapped, the contacts themselves are not read."""
    account.double.load(account.deals(1, contacts=[{"email": "a@example.com", "association.label": "Sponsor"}]))
    counted = []
    account.double.before = lambda request: counted.append(request.path)

    (deal,) = rows(pages(account.adapter(children={"contacts": frozenset({"association.label"})})))

    assert deal["contacts"] == [{"association.label": "Sponsor"}]
    assert not [path for path in counted if "objects/contacts" in path]


@pytest.mark.parametrize("since", [False, True], ids=["whole", "increment"])
def test_a_type_that_may_not_be_read_is_unknown(account, since):
    """Without the scope the component is MISSING for every deal, with one note, and the deals are read."""
    account.double.load(account.deals(5, tasks=[task("Call")]))
    before = mark(pages(account.adapter(children=TASKS))) if since else None
    account.double.clock.advance(3_600)
    account.double.edit("1001", {"amount": "5"})
    account.double.scopes.discard("crm.objects.contacts.read")

    given = pages(account.adapter(children=TASKS), before)
    notes = [note for page in given for note in page.notes]

    assert set(map(str, tasks_of(given).values())) == {str(MISSING)}
    assert len(notes) == 1
    assert "tasks" in notes[0]
    assert "crm.objects.contacts.read" in notes[0]


def test_a_type_that_cannot_be_searched_is_still_read(account):
    """Where HubSpot does not search a type, the components of changed deals are read all the same, with a note."""
    account.double.load(account.deals(5, tasks=[task("Call")]))
    since = mark(pages(account.adapter(children=TASKS)))
    account.double.clock.advance(3_600)
    account.double.edit("1001", {"amount": "5"})
    account.serve(lambda _, request: Fault.STATUS_404 if "tasks/search" in request.path else None)

    given = pages(account.adapter(children=TASKS), since)

    assert [len(children) for children in tasks_of(given).values()] == [1]
    assert [note for page in given for note in page.notes if "tasks changed" in note]


def test_history_of_a_stage_of_ones_own(account):
    """Where the mapping takes the stage from a custom property, moves are those of that property."""
    account.double.load(account.deals(1, our_stage="Proof"))

    given = pages(account.adapter(fields=FIELDS | {"our_stage"}, roles={"id": "hs_object_id", "stage": "our_stage"}))

    assert [move.stage for page in given for move in page.moves] == ["Proof"]


def test_a_type_that_answers_nonsense_is_unknown(account):
    """An answer that cannot be read makes the component unknown, not the source incomplete."""
    account.double.load(account.deals(5, tasks=[task("Call")]))
    account.serve(lambda _, request: Fault.HTML if "associations" in request.path else None)

    given = pages(account.adapter(children=TASKS))

    assert set(tasks_of(given).values()) == {MISSING}


def test_a_system_that_cannot_be_reached_is_an_error(account):
    """When the whole system is down in the midst of children, the pull ends."""
    account.double.load(account.deals(5, tasks=[task("Call")]))
    account.serve(lambda _, request: Fault.STATUS_503 if "associations" in request.path else None)

    with pytest.raises(SourceUnavailable):
        pages(account.adapter(children=TASKS))


def test_a_child_that_changed_brings_its_deal(account):
    """A task that is completed, or new, makes its deal part of the increment, though the deal did not change."""
    account.double.load(account.deals(50, tasks=[task("Call", hs_task_status="NOT_STARTED")]))
    since = mark(pages(account.adapter(children=TASKS)))
    account.double.clock.advance(3_600)
    first = next(iter(account.double.kinds["tasks"].records))
    account.double.kinds["tasks"].change(first, {"hs_task_status": "COMPLETED"})
    account.double.attach("1007", "tasks", task("Meet"))

    given = pages(account.adapter(children=TASKS), since)
    account.double.clock.advance(60)
    again = pages(account.adapter(children=TASKS), mark(given))

    assert {key: [one["hs_task_status"] for one in value] for key, value in tasks_of(given).items()} == {
        "1000": ["COMPLETED"],
        "1007": ["NOT_STARTED", "COMPLETED"],
    }
    assert rows(again) == []


def test_stage_history_comes_as_moves(account):
    """Each stage a deal came to is told under its label with its time, the oldest first."""
    account.double.load(account.deals(1))
    account.double.edit("1000", {"dealstage.label": "Develop"})
    account.double.clock.advance(3_600)
    account.double.edit("1000", {"dealstage.label": "Solution"})

    moves = [move for page in pages(account.adapter()) for move in page.moves]

    assert moves[1:] == [
        Move(id="1000", stage="Develop", at="2026-03-02T12:00:00.000Z"),
        Move(id="1000", stage="Solution", at="2026-03-02T13:00:00.000Z"),
    ]
    assert moves[0].stage == "Qualify"


def test_history_speaks_as_the_mapping_does(account):
    """Where the mapping takes stages by id, moves name ids; and repeats of a stage are one move."""
    account.double.load(account.deals(1))
    history = account.double.deals.records["1000"].history
    history += [("qualifiedtobuy", history[0][1] + 5_000, "CRM_UI"), ("", history[0][1] + 6_000, "CRM_UI")]

    given = pages(account.adapter(fields=FIELDS | {"dealstage"}, roles={"id": "hs_object_id", "stage": "dealstage"}))

    assert [move.stage for page in given for move in page.moves] == ["qualifiedtobuy"]


def test_history_can_be_left_out(account):
    """With `history = false` no history is asked for or told."""
    account.double.load(account.deals(3))
    asked = []
    account.double.before = lambda request: asked.append("propertiesWithHistory" in request.query)

    given = pages(account.adapter(history=False))

    assert not any(asked)
    assert [list(page.moves) for page in given if page.moves] == []


def test_derived_columns(account):
    """Labels, status, probability, owners and companies are read off what a deal's ids stand for."""
    account.double.load([
        account.deals(1)[0] | {"hubspot_owner_id.email": "zoe@example.com",
                               "hs_primary_associated_company.name": "Contoso", "dealstage.status": "won",
                               "dealstage.label": "Deploy"},
        account.deals(2)[1] | {"hubspot_owner_id.email": None, "hs_primary_associated_company.name": None,
                               "dealstage.label": "Proof", "dealstage.status": "lost"},
    ])  # fmt: skip
    columns = {"dealstage.probability", "pipeline.label", "hubspot_owner_id.email", "hubspot_owner_id.name",
               "hs_primary_associated_company.name"}  # fmt: skip

    won, lost = rows(pages(account.adapter(fields=FIELDS | columns)))

    assert (won["dealstage.label"], won["dealstage.status"], won["dealstage.probability"]) == ("Deploy", "won", "1.0")
    assert (won["pipeline.label"], won["hubspot_owner_id.email"]) == ("Won business", "zoe@example.com")
    assert won["hs_primary_associated_company.name"] == "Contoso"
    assert (lost["dealstage.label"], lost["dealstage.status"]) == ("Proof", "lost")
    assert (lost["hubspot_owner_id.email"], lost["hs_primary_associated_company.name"]) == (None, None)


def test_owners_who_left_are_known_and_unknown_ones_keep_their_id(account):
    """A deactivated owner still has a name; an id nobody knows stays an owner."""
    account.double.load([account.deals(1)[0] | {"hubspot_owner_id.name": "Zoë Quist"},
                         account.deals(2)[1] | {"hubspot_owner_id": "77"}])  # fmt: skip
    account.double.owners[0]["archived"] = True

    pulled = rows(pages(account.adapter(fields=FIELDS | {"hubspot_owner_id.name"})))

    assert [one["hubspot_owner_id.name"] for one in pulled] == ["Zoë Quist", "77"]


def test_a_stage_no_pipeline_has_shows_its_id(account):
    """A deal whose stage was taken away is yielded with the id as its label, and an unknown status."""
    account.double.load(account.deals(1))
    account.double.deals.change("1000", {"dealstage": "999"})

    (deal,) = rows(pages(account.adapter()))

    assert (deal["dealstage.label"], deal["dealstage.status"]) == ("999", MISSING)


def test_what_is_found_out_late_is_said(account):
    """A scope whose lack shows only with the last of many deals still gives its note."""
    deals = account.deals(1_001)
    deals[-1]["hs_primary_associated_company.name"] = "Contoso"
    account.double.load(deals)
    account.double.scopes.discard("crm.objects.companies.read")

    given = pages(account.adapter(fields=FIELDS | {"hs_primary_associated_company.name"}))

    assert [note for page in given for note in page.notes if "companies" in note]


def test_names_that_may_not_be_read_are_shown_as_ids(account):
    """Without the scopes for owners and companies, ids take their places, with a note for each."""
    account.double.load(account.deals(1, **{"hubspot_owner_id.email": "z@example.com",
                                            "hs_primary_associated_company.name": "Contoso"}))  # fmt: skip
    account.double.scopes -= {"crm.objects.owners.read", "crm.objects.companies.read"}
    columns = {"hubspot_owner_id.email", "hs_primary_associated_company.name"}

    given = pages(account.adapter(fields=FIELDS | columns))
    (deal,) = rows(given)
    notes = [note for page in given for note in page.notes]

    assert all(deal[name].isdigit() for name in columns)
    assert len(notes) == 2
