"""What `syncd doctor` finds, one thing wrong at a time."""

from __future__ import annotations

import socket

import pytest

from syncd.rehearsal import Fault
from tests.adapters.siebel.scene import FIELDS, checks_of, deals, siebel

LABELS = {
    "prospect": ["Prospect"],
    "develop": ["Develop", "03 - develop"],
    "solution": ["Solution"],
    "support": ["Support"],
}
CHART = {"prospect": 0, "develop": 20, "solution": 40, "support": None}
ACTION = {"Action": frozenset({"Type", "Done"})}
BULK = {"Action": {"resource": "Action/Action", "parent": "Opportunity Id"}}


def examined(scene, *, context=None, **settings):
    given = {"labels": LABELS, "chart": CHART, **(context or {})}
    return checks_of(scene.adapter(context=scene.context(**given), **settings))


def test_nothing_wrong():
    """Where all is well every check is ok, has been named, and needs no remedy."""
    with siebel(deals(30)) as scene:
        checks = examined(scene)

        assert {check.outcome for check in checks.values()} == {"ok"}
        assert set(checks) == {
            "reachable", "reading", "credentials", "visibility", "fields of the mapping", "stages",
            "probabilities of the stages", "increments", "zone", "clock", "connections",
        }  # fmt: skip
        assert not any(check.remedy for check in checks.values() if check.name != "reachable")


def test_it_reads_little_and_writes_nothing():
    """Its requests are few, none of them changes anything, and no page is larger than one of a pull."""
    with siebel(deals(5_000)) as scene:
        methods = []
        scene.double.on_request = lambda request: methods.append(request.method)
        examined(scene)

        assert set(methods) == {"GET"}
        assert len(methods) < 30


def test_nobody_there():
    """A refused connection is the one thing said."""
    with socket.socket() as taken, siebel() as scene:
        taken.bind(("127.0.0.1", 0))
        checks = examined(scene, base_url=f"http://127.0.0.1:{taken.getsockname()[1]}", patience_seconds=1)

        assert {name: check.outcome for name, check in checks.items()} == {"reachable": "failed"}
        assert checks["reachable"].remedy


def test_wrong_credentials():
    """A password that is refused is told from not being reachable."""
    with siebel(deals(3)) as scene:
        checks = examined(scene, password="wrong")

        assert (checks["reachable"].outcome, checks["credentials"].outcome) == ("ok", "failed")
        assert checks["credentials"].remedy


def test_guests_who_see_the_same():
    """Anonymous REST lets everybody in: an answer does not prove the credentials."""
    with siebel() as scene:
        checks = examined(scene)

        assert checks["credentials"].outcome == "warning"
        assert "Anonymous REST" in checks["credentials"].remedy


def test_guests_who_are_refused():
    """Where Anonymous REST is off, being let in proves the credentials."""
    with siebel(deals(3)) as scene:
        scene.double.guests = False

        assert examined(scene)["credentials"].outcome == "ok"


def test_an_account_that_sees_nothing():
    """Nothing visible and nothing there look the same, and both are said."""
    with siebel(deals(3)) as scene:
        checks = examined(scene, view_mode="Sales Rep")

        assert checks["visibility"].outcome == "warning"
        assert "Sales Rep" in checks["visibility"].says


def test_another_view_mode_shows_more():
    """The number of records in each view mode is compared; none is sure to show what another does."""
    with siebel(deals(10)) as scene:
        scene.double.hide("1-00001", "Manager", "All")
        checks = examined(scene)

        assert checks["visibility"].outcome == "warning"
        assert checks["visibility"].says == "9 opportunities in view mode Organization; Manager 10, All 10"


def test_fields_that_are_not_there():
    """Missing fields are named; without the stage nothing can be judged."""
    with siebel(deals(3)) as scene:
        lacking = examined(scene, context={"fields": {*FIELDS, "MSSP Sponsor", "Mod Id"}})["fields of the mapping"]
        roles = {"id": "Id", "stage": "Stage"}
        stage = examined(scene, context={"fields": {"Id", "Stage"}, "roles": roles})["fields of the mapping"]

        assert (lacking.outcome, lacking.says) == ("warning", "Siebel has no field MSSP Sponsor, Mod Id")
        assert (stage.outcome, stage.says) == ("failed", "Siebel has no field Stage")


def test_children_that_are_not_there():
    """A component, or a field of it, that cannot be read is named; so is what an increment would not see."""
    with siebel(deals(3)) as scene:
        none = examined(scene, context={"children": {"No Such": frozenset({"Type"})}})["child components"]
        slow = examined(scene, context={"children": ACTION})["child components"]
        quick = examined(scene, context={"children": ACTION}, children=BULK)["child components"]

        assert (none.outcome, none.says) == ("warning", "No Such: there is no such component")
        assert slow.outcome == "warning"
        assert "increments" in slow.says
        assert quick.outcome == "ok"


def test_labels_without_a_stage():
    """A label that no stage has is named, with the stage it looks like."""
    with siebel([*deals(3), {**deals(1)[0], "Id": "2", "Sales Stage": "Developing"}]) as scene:
        stages = examined(scene)["stages"]

        assert (stages.outcome, stages.says) == ("warning", "no stage for 'Developing', which looks like develop")


def test_records_without_a_stage():
    """When no record has a stage, that is what is said."""
    with siebel([{**deal, "Sales Stage": None} for deal in deals(3)]) as scene:
        assert examined(scene)["stages"].outcome == "warning"


def test_a_sales_method_that_drifted():
    """Where the stages of Siebel propose other probabilities than the chart has, that is the root of many a drift."""
    solution = {**deals(1)[0], "Id": "9", "Sales Stage": "Solution"}
    with siebel([*deals(200), solution]) as scene:
        scene.double.stages |= {"Develop": 25, "Solution": 45, "Support": 100}
        drift = examined(scene)["probabilities of the stages"]

        assert drift.outcome == "warning"
        assert drift.says == "Siebel proposes Develop 25 and not 20, Solution 45 and not 40"


def test_a_time_that_cannot_be_searched():
    """Without a field to search by, increments would fail: that is said before."""
    with siebel(deals(3)) as scene:
        assert examined(scene, updated_field="Last Update - SDQ")["increments"].outcome == "failed"


def test_a_zone_that_is_wrong():
    """Records from the future mean that the account's profile is in another zone than the configuration says."""
    with siebel(deals(3)) as scene:
        scene.double.change("1-00001", {"Name": "just changed"})

        assert examined(scene)["zone"].outcome == "ok"
        assert examined(scene, context={"zone": "America/Los_Angeles"})["zone"].outcome == "warning"
        behind = examined(scene, context={"zone": "UTC"})["zone"]

    assert (behind.outcome, behind.says) == ("warning", "the last change seems more than 1 h ago, if times are in UTC")


def test_a_clock_that_is_wrong():
    """A server minutes off is told, with what to do."""
    with siebel(deals(3)) as scene:
        scene.double.advance(600)
        clock = examined(scene)["clock"]

        assert clock.outcome == "warning"
        assert "ahead" in clock.says


def test_too_many_connections():
    """More than half of a node's connections are not one client's to take."""
    with siebel(deals(3)) as scene:
        assert examined(scene, max_connections=12)["connections"].outcome == "warning"


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
def test_it_never_raises(fault):
    """Whatever is wrong becomes a check that says so."""
    with siebel(deals(3), faults=lambda number, _: fault if number > 1 else None) as scene:
        checks = examined(scene, timeout_seconds=0.02, patience_seconds=0.1)

        assert any(check.outcome in {"failed", "warning"} for check in checks.values()) or fault is Fault.TRICKLE
        assert all(check.remedy for check in checks.values() if check.outcome in {"failed", "warning"})
