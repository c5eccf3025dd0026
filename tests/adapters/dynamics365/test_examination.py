"""What `syncd doctor` finds, each with its cure."""

import pytest

from adapters.dynamics365.shape import FORMATTED
from syncd.rehearsal import Fault, once
from tests.adapters.dynamics365.desk import CHART, FIELDS, LABELS, ROLES, STAGE, adapter, checks, desk, records

TASKS = {"tasks": frozenset({"subject"})}


def finding(name, change=lambda _: None, loaded=None, faults=None, **given):
    more = {} if faults is None else {"faults": faults}
    with desk(records(20) if loaded is None else loaded, **more) as (double, server):
        change(double)
        found = checks(adapter(server.url, **given))
    one = found[name]
    assert bool(one.remedy) is (one.outcome in {"warning", "failed"})
    return one


def test_a_sound_system():
    """Nothing is to be mended, and nothing is asked that writes or reads more than a few rows."""
    with desk(records(20)) as (double, server):
        methods = set()
        double.before = lambda request: methods.add(request.method)
        found = checks(adapter(server.url, children=TASKS))

    assert {one.outcome for one in found.values()} <= {"ok", "skipped"}
    assert methods == {"GET"}
    assert {"connection", "credentials", "clock", "rate budget", "permission to read", "organisation-level read",
            "change tracking", "fields of the mapping", "column security", "dates", "stage labels",
            "probabilities of stages", "table tasks"} == set(found)  # fmt: skip


def test_nobody_there():
    """A system that cannot be reached fails its connection, and nothing else is tried."""
    found = checks(adapter("http://127.0.0.1:1", patience_seconds=0))

    assert {name: one.outcome for name, one in found.items()} == {"connection": "failed"}


def test_credentials_are_refused():
    """A wrong token is told from a missing right."""
    one = finding("credentials", faults=lambda *_: Fault.STATUS_401)

    assert one.outcome == "failed"
    assert "auth" in one.remedy


def test_a_wrong_address():
    """A base URL that leads elsewhere is a failed connection."""
    assert finding("connection", faults=once(Fault.STATUS_404, 0)).outcome == "failed"


def test_no_right_to_read():
    """Without the privilege the check of it fails, with the role as its cure."""
    one = finding("permission to read", lambda double: double.forbidden.add("opportunities"))

    assert one.outcome == "failed"
    assert "security role" in one.remedy


def test_a_part_of_the_records():
    """A privilege below organisation level shows a part of the pipeline as if it were all."""
    one = finding("organisation-level read", lambda double: setattr(double, "depth", "Local"))

    assert (one.outcome, "Local" in one.says) == ("failed", True)


def test_tracking_is_off():
    """A table without change tracking is read whole each time."""
    one = finding("change tracking", lambda double: setattr(double, "tracked", False))

    assert (one.outcome, "Track changes" in one.remedy) == ("warning", True)
    assert finding("change tracking", change_tracking=False).outcome == "skipped"
    assert "7 days" in finding("change tracking").says


def test_fields_that_are_not_there():
    """Columns the table lacks are named."""
    one = finding("fields of the mapping", fields=FIELDS | {"syn_gone", f"_syn_bossid_value@{FORMATTED}"})

    assert one.outcome == "failed"
    assert "syn_gone" in one.says
    assert "_syn_bossid_value" in one.says


def test_secured_columns():
    """A secured column is empty for who may not read it, which looks like blank evidence."""
    one = finding("column security", lambda double: double.secured.add("closeprobability"))

    assert (one.outcome, "closeprobability" in one.says) == ("warning", True)


def test_days_kept_as_times():
    """A date column of an upgraded organisation may still be a time."""
    roles = {**ROLES, "close_date": "estimatedclosedate"}
    given = {"roles": roles, "fields": FIELDS | {"estimatedclosedate"}}
    one = finding("dates", lambda double: double.behavior.update(estimatedclosedate="UserLocal"), **given)

    assert (one.outcome, "estimatedclosedate" in one.says) == ("warning", True)
    assert finding("dates", **given).outcome == "ok"


def test_labels_without_a_stage():
    """A label of the choice that the mapping does not know is named, and the stage it looks like."""
    loaded = [*records(3), {"opportunityid": "x", STAGE: "4 - Close"}, {"opportunityid": "y", STAGE: "Parked"}]
    one = finding("stage labels", loaded=loaded)

    assert one.outcome == "warning"
    assert "'4 - Close' looks like close" in one.says
    assert "'Parked'" in one.says
    assert "'Develop'" not in one.says


def test_labels_of_a_flow():
    """With a flow its stages are compared."""
    fields = FIELDS | {"process.stage"}
    roles = {**ROLES, "stage": "process.stage"}
    one = finding("stage labels", lambda double: double.put_in_stage("id-000001", "Kick-off"),
                  fields=fields, roles=roles, flow={})  # fmt: skip

    assert (one.outcome, "'Kick-off'" in one.says) == ("warning", True)


def test_other_probabilities_than_the_chart():
    """Where most records of a stage have another probability, something in the CRM sets it."""
    one = finding("probabilities of stages", loaded=records(20, closeprobability="35"))

    assert one.outcome == "warning"
    assert "'Develop' has 35 % where the chart says 20 %" in one.says
    assert finding("probabilities of stages", lambda double: setattr(double, "aggregate_limit", 5)).outcome == "skipped"


def test_a_clock_that_is_wrong():
    """Two clocks far apart spoil tokens and overlaps."""
    one = finding("clock", lambda double: double.advance(900))

    assert (one.outcome, "ahead" in one.says) == ("warning", True)


def test_a_budget_that_is_used_up():
    """Few requests left are a warning; no figure is no check."""

    def poor(double):
        given = double._headers
        double._headers = lambda: {**given(), "x-ms-ratelimit-burst-remaining-xrm-requests": "12"}

    assert finding("rate budget", poor).outcome == "warning"


@pytest.mark.parametrize(("name", "outcome"), [("tasks", "warning"), ("opportunitysalesprocesses", "failed"),
                                               ("audits", "warning")])  # fmt: skip
def test_other_tables(name, outcome):
    """A child table that cannot be read costs evidence; a flow that cannot be read costs the stage."""
    one = finding(f"table {name}", lambda double: double.forbidden.add(name), children=TASKS, history="audit",
                  flow={}, fields=FIELDS | {"process.stage"})  # fmt: skip

    assert one.outcome == outcome


def test_metadata_that_cannot_be_read():
    """Without metadata nothing is compared, and that is said."""
    one = finding("fields of the mapping", table="syn_other")

    assert one.outcome == "warning"
    assert LABELS
    assert CHART
