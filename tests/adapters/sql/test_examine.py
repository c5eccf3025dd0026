"""What `syncd doctor` finds in a database."""

import pytest

from adapters.sql import database as databases
from tests.adapters.sql.parts import adapter, gathered, run


@pytest.fixture
def url(database_url):
    rows = "('1', 'New', '2026-03-01T10:00:00Z'), ('2', 'On hold', '2026-03-01T11:00:00Z')"
    table = "CREATE TABLE deals (id VARCHAR(9), stage VARCHAR(20), changed VARCHAR(30))"
    run(database_url, table, f"INSERT INTO deals VALUES {rows}")
    return database_url


def examined(url, **more):
    labels = {"prospect": ["new"], "qualify": ["on hold"]}
    given = {"table": "deals", "fields": ("id", "stage"), "context": {"labels": labels}, **more}
    source = adapter(url, **given)
    checks = {check.name: check for check in gathered(source, source.examine())}
    assert all(check.remedy for check in checks.values() if check.outcome in {"failed", "warning"})
    return checks


def test_a_sound_source(url):
    """Nothing is found where nothing is wrong."""
    checks = examined(url, modified="changed")

    assert {check.outcome for check in checks.values()} <= {"ok", "skipped"}
    assert {"database", "credentials", "read only", "columns of the mapping", "stage labels", "increments"} <= {*checks}


def test_nobody_there(tmp_path):
    """A database that cannot be opened fails one check."""
    checks = examined("sqlite:///nowhere.db", folder=tmp_path)

    assert [(check.name, check.outcome) for check in checks.values()] == [("database", "failed")]


def test_a_table_that_is_not_there(url):
    """A wrong name is an error of the configuration."""
    assert examined(url, table="nowhere")["configuration"].outcome == "failed"


def test_columns_that_are_not_there(url):
    """Columns the mapping names in vain are named; without the stage nothing could be judged."""
    check = examined(url, fields=("id", "stage", "colour"))["columns of the mapping"]

    assert (check.outcome, check.says) == ("warning", "there is no column colour")
    lacking = examined(url, query="SELECT id FROM deals", table=None)["columns of the mapping"]
    assert lacking.outcome == "failed"


def test_labels_without_a_stage(url):
    """Labels the mapping gives to no stage are named."""
    check = examined(url, context={"labels": {"prospect": ["new"]}})["stage labels"]

    assert (check.outcome, check.says) == ("warning", "no stage of the mapping has the label 'On hold'")


def test_times_nobody_understands(url):
    """A column of times in another form is told before it disappoints."""
    run(url, "UPDATE deals SET changed = '03/01/2026'")

    assert examined(url, modified="changed")["increments"].outcome == "warning"


def test_a_database_that_is_not_told_to_refuse(url, monkeypatch):
    """Where a database cannot be told to refuse writing, the account must be."""
    monkeypatch.setattr(databases, "_BEGIN", {})

    assert examined(url)["read only"].outcome == "warning"
