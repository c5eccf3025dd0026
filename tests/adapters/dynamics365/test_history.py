"""Stage history from the audit log."""

import msgspec

from tests.adapters.dynamics365.desk import adapter, desk, mark, pull, records, rows


def changed(double, identity, at, **values):
    attributes = [{"logicalName": name, "oldValue": None, "newValue": value} for name, value in values.items()]
    double.insert("audits", {
        "_objectid_value": identity, "objecttypecode": "opportunity", "operation": "2", "createdon": at,
        "changedata": msgspec.json.encode({"changedAttributes": attributes}).decode(),
    })  # fmt: skip


def moves(pages):
    return [(one.id, one.stage, one.at) for page in pages for one in page.moves]


def test_moves_come_from_the_audit_log():
    """Each change of the stage's column is a move to the label of its new value; other changes are none."""
    with desk(records(3)) as (double, server):
        at = "2026-11-01T10:00:00Z"
        changed(double, "id-000001", at, salesstage="2", name="x")
        changed(double, "id-000002", at, name="y")
        double.insert("audits", {"_objectid_value": "id-000002", "objecttypecode": "opportunity", "operation": "2",
                                 "createdon": at, "changedata": "{broken"})  # fmt: skip
        made = adapter(server.url, history="audit", history_days=36_500)
        assert made.capabilities.history
        pages = pull(made)

    assert moves(pages) == [("id-000001", "Propose", at)]


def test_increments_read_the_newer_part():
    """An increment asks for entries since the last pull alone."""
    with desk(records(3)) as (double, server):
        first = pull(adapter(server.url, history="audit"))
        double.advance(3_600)
        changed(double, "id-000001", "2020-01-01T00:00:00Z", salesstage="2")
        changed(double, "id-000002", double.now().isoformat(), salesstage="3")
        later = pull(adapter(server.url, history="audit"), mark(first))

    assert [(one, stage) for one, stage, _ in moves(later)] == [("id-000002", "Close")]


def test_a_log_that_cannot_be_read():
    """Without the right to read the log there is no history, a note says so, and the records come all the same."""
    with desk(records(3)) as (double, server):
        double.forbidden.add("audits")
        pages = pull(adapter(server.url, history="audit"))

    assert len(rows(pages)) == 3
    assert any("audit log cannot be read" in note for page in pages for note in page.notes)
