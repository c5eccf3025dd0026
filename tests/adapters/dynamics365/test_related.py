"""What stands beside the records: flow, currency, child rows; and what they make changed."""

from urllib.parse import unquote

import pytest

from adapters.dynamics365.double.tables import child_table
from adapters.dynamics365.shape import CURRENCY, FORMATTED
from syncd.adapter import MISSING
from syncd.errors import AuthFailed, ConfigError, WatermarkLost
from syncd.rehearsal import Fault, once
from tests.adapters.dynamics365.desk import FIELDS, adapter, desk, mark, pull, records, rows, until_cut

TASKS = {"tasks": frozenset({"subject", "statecode"})}
PROCESS = FIELDS | {"process.stage", "process.activestagestartedon", "process.traversedpath"}


def task(subject, state="1"):
    return {"subject": subject, "statecode": state}


def batches(double):
    return [one for one in double.targets if one.endswith("$batch")]


def test_child_rows_come_with_their_records():
    """A record has the list of its rows, with the mapped fields alone, and an empty list where there are none."""
    loaded = records(3)
    loaded[0]["tasks"] = [task("Partner selected"), task("Eval plan", "0")]
    with desk(loaded) as (_, server):
        found = rows(pull(adapter(server.url, children=TASKS)))

    shown = {one["subject"]: one["statecode"] for one in found["id-000000"]["tasks"]}
    assert shown == {"Partner selected": 1, "Eval plan": 0}
    assert found["id-000001"]["tasks"] == []


def test_child_rows_of_a_page_take_one_request():
    """However many records and tables, what belongs to a page is asked for in one batch."""
    loaded = records(2_000)
    for one in loaded:
        one["tasks"] = [task("Partner selected")]
    children = {**TASKS, "phonecalls": frozenset({"subject"}), "annotations": frozenset({"subject", "isdocument"})}
    with desk(loaded) as (double, server):
        found = rows(pull(adapter(server.url, page_size=1_000, children=children)))

    assert len(batches(double)) == 2
    assert {len(one["tasks"]) for one in found.values()} == {1}
    assert server.requests == 2 + 2 + 1


def test_more_child_rows_than_a_page():
    """Rows beyond one page of a batch's part are fetched by its link."""
    loaded = records(1)
    loaded[0]["tasks"] = [task(f"Task {number}") for number in range(25)]
    with desk(loaded) as (_, server):
        found = rows(pull(adapter(server.url, page_size=10, children=TASKS)))

    assert len({one["subject"] for one in found["id-000000"]["tasks"]}) == 25


def test_a_child_table_that_cannot_be_read_is_unknown():
    """Its column is `MISSING`, a note says so once, the other tables are read, and the pull is whole."""
    children = {**TASKS, "annotations": frozenset({"subject"})}
    with desk(records(30)) as (double, server):
        double.forbidden.add("tasks")
        pages = pull(adapter(server.url, page_size=10, children=children))

    found = rows(pages)
    assert {one["tasks"] for one in found.values()} == {MISSING}
    assert all(one["annotations"] == [] for one in found.values())
    assert [note for page in pages for note in page.notes] == [
        "tasks cannot be read (status 403): its evidence is unknown"
    ]


def test_a_child_field_that_is_not_there():
    """A table without a mapped column cannot be read either."""
    with desk(records(3)) as (_, server):
        pages = pull(adapter(server.url, children={"tasks": frozenset({"syn_gone"})}))

    assert {one["tasks"] for one in rows(pages).values()} == {MISSING}


@pytest.mark.parametrize("identity", ["x'] or true", "a\r\nGET /x HTTP/1.1", "né", "x" * 200])
def test_an_id_cannot_change_a_query(identity):
    """An id that is none is left out of conditions, and what belongs to it is unknown."""
    loaded = [*records(2), {"opportunityid": identity, "name": "Odd"}]
    with desk(loaded) as (double, server):
        bodies = []
        double.before = lambda request: bodies.append(unquote(request.body.decode()))
        found = rows(pull(adapter(server.url, children=TASKS)))

    assert found[identity]["tasks"] is MISSING
    assert found["id-000000"]["tasks"] == []
    assert not any(identity in one for one in bodies)


def test_tables_of_ones_own_need_their_lookup():
    """Which lookup leads to the opportunity cannot be guessed for a custom table, and can be said."""
    children = {"syn_milestones": frozenset({"syn_name"})}
    with pytest.raises(ConfigError, match="syn_milestones"):
        adapter("http://localhost", children=children)


def test_a_custom_child_table():
    """A custom table is read by the lookup the settings name."""
    with desk(records(2)) as (double, server):
        double.tables["syn_milestones"] = child_table("syn_milestones", "syn_opportunityid")
        double.insert("syn_milestones", {"_syn_opportunityid_value": "id-000001", "subject": "Signed"})
        children = {"syn_milestones": frozenset({"subject"})}
        made = adapter(server.url, children=children, lookups={"syn_milestones": "syn_opportunityid"})
        found = rows(pull(made))

    assert [one["subject"] for one in found["id-000001"]["syn_milestones"]] == ["Signed"]


def test_the_flow_holds_the_stage():
    """The active instance's stage comes by its name, with when it began, which is a move as well."""
    loaded = records(3)
    loaded[0] |= {"process.stage": "Proof", "process.activestagestartedon": "2026-03-01T10:00:00Z"}
    with desk(loaded) as (double, server):
        double.put_in_stage("id-000001", "Close", flow_state=1, at="2026-04-01T10:00:00Z")
        aborted = {"_opportunityid_value": "id-000000", "statecode": "1", "statuscode": "3"}
        double.insert("opportunitysalesprocesses", {**aborted, f"_activestageid_value@{FORMATTED}": "Aborted stage"})
        made = adapter(server.url, fields=PROCESS, flow={})
        assert made.capabilities.history
        pages = pull(made)

    found = rows(pages)
    assert [found[f"id-00000{number}"]["process.stage"] for number in range(3)] == ["Proof", "Close", None]
    assert found["id-000000"]["process.activestagestartedon"] == "2026-03-01T10:00:00Z"
    assert sorted((one.id, one.stage, one.at) for page in pages for one in page.moves) == [
        ("id-000000", "Proof", "2026-03-01T10:00:00Z"),
        ("id-000001", "Close", "2026-04-01T10:00:00Z"),
    ]


def test_a_flow_that_cannot_be_read_stops_the_pull():
    """Without the flow no record has a stage: a person must give the right, which only administrators have at first."""
    with desk(records(3)) as (double, server):
        double.forbidden.add("opportunitysalesprocesses")
        _, error = until_cut(adapter(server.url, fields=PROCESS, flow={}))

    assert isinstance(error, AuthFailed)
    assert "opportunitysalesprocesses" in error.remedy


def test_a_mapping_with_a_flow_needs_the_setting():
    """Fields of a flow without `flow` are an error of the configuration."""
    with pytest.raises(ConfigError, match="flow"):
        adapter("http://localhost", fields=PROCESS)


@pytest.mark.parametrize("tracking", [True, False])
def test_changes_beside_a_record_are_changes_of_it(tracking):
    """A child row or a flow that changed makes its record come again, though the record's own version is the same."""
    with desk(records(50)) as (double, server):
        for number in range(50):
            double.put_in_stage(f"id-{number:06}", "Develop")
        given = {"fields": PROCESS, "flow": {}, "children": TASKS, "change_tracking": tracking}
        double.advance(3_600)
        first = pull(adapter(server.url, **given))
        double.advance(3_600)
        double.insert("tasks", {"_regardingobjectid_value": "id-000007", **task("Partner selected")})
        double.put_in_stage("id-000009", "Proof")
        double.edit("opportunities", "id-000011", {"name": "Edited"})
        later = pull(adapter(server.url, **given), mark(first))

    found = rows(later)
    assert sorted(found) == ["id-000007", "id-000009", "id-000011"]
    assert [one["subject"] for one in found["id-000007"]["tasks"]] == ["Partner selected"]
    assert found["id-000009"]["process.stage"] == "Proof"


def test_a_change_beside_a_record_that_is_known():
    """By time, a record of the overlap that is known in its version comes again when a child row of it changed."""
    given = {"children": TASKS, "change_tracking": False}
    with desk(records(5)) as (double, server):
        double.edit("opportunities", "id-000001", {"name": "Just before"})
        first = pull(adapter(server.url, **given))
        double.advance(120)
        double.insert("tasks", {"_regardingobjectid_value": "id-000001", **task("Partner selected")})
        later = pull(adapter(server.url, **given), mark(first))

    assert [one["subject"] for one in rows(later)["id-000001"]["tasks"]] == ["Partner selected"]


def test_an_increment_that_cannot_see_a_child_table_says_so():
    """A child table that has become unreadable is noted even where no record changed."""
    with desk(records(5)) as (double, server):
        first = pull(adapter(server.url, children=TASKS))
        double.forbidden.add("tasks")
        later = pull(adapter(server.url, children=TASKS), mark(first))

    assert [note for page in later for note in page.notes] == [
        "tasks cannot be read (status 403): its evidence is unknown"
    ]


@pytest.mark.parametrize("tracking", [True, False])
def test_a_child_table_that_could_not_be_read_for_a_while(tracking):
    """What changed in it meanwhile is not known, so once it can be read again, everything has to be."""
    given = {"children": TASKS, "change_tracking": tracking}
    with desk(records(5)) as (double, server):
        first = pull(adapter(server.url, **given))
        double.advance(3_600)
        double.forbidden.add("tasks")
        double.insert("tasks", {"_regardingobjectid_value": "id-000001", **task("Partner selected")})
        double.advance(3_600)
        second = pull(adapter(server.url, **given), mark(first))
        third = pull(adapter(server.url, **given), mark(second))
        double.forbidden.clear()
        _, error = until_cut(adapter(server.url, **given), mark(third))

    assert (rows(second), rows(third)) == ({}, {})
    assert isinstance(error, WatermarkLost)
    assert "tasks" in error.reason


def test_a_child_table_that_lacks_a_column():
    """It is refused with every pull, which is no reason to read everything each time."""
    given = {"children": {"tasks": frozenset({"syn_gone"})}}
    with desk(records(3)) as (_, server):
        first = pull(adapter(server.url, **given))
        second = pull(adapter(server.url, **given), mark(first))
        third = pull(adapter(server.url, **given), mark(second))

    assert rows(third) == {}


def test_currencies_by_their_code():
    """The ISO code comes from the table of currencies, read once a pull; its label would be a name."""
    loaded = [one | {CURRENCY: "EUR" if number % 2 else "USD"} for number, one in enumerate(records(30))]
    with desk(loaded) as (double, server):
        found = rows(pull(adapter(server.url, page_size=10, fields=FIELDS | {CURRENCY})))
        asked = [one for one in double.targets if "transactioncurrencies" in one]

    assert [found[f"id-00000{number}"][CURRENCY] for number in range(2)] == ["USD", "EUR"]
    assert len(asked) == 1


@pytest.mark.parametrize(
    "fault", [Fault.RESET_INSIDE, Fault.CUT_BODY, Fault.CUT_JSON, Fault.HTML, Fault.EMPTY, Fault.STATUS_503,
              Fault.STATUS_429_WAIT], ids=lambda one: one.value,
)  # fmt: skip
def test_a_batch_that_goes_wrong_is_asked_again(fault):
    """Half a batch is no batch: it is repeated, as it only reads."""
    loaded = records(10)
    for one in loaded:
        one["tasks"] = [task("Partner selected")]
    with desk(loaded, faults=once(fault, 0, lambda request: request.path.endswith("$batch"))) as (_, server):
        found = rows(pull(adapter(server.url, children=TASKS)))

    assert {len(one["tasks"]) for one in found.values()} == {1}
