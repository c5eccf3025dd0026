"""A source whose settings were changed between two runs is not the source that the watermark was about."""

import sqlite3

import pytest

CONFIGURATION = """
[syncd]
database = "sqlite:///store.db"
[sources.crm]
adapter = "sql"
mapping = "canonical"
url = "sqlite:///{file}"
query = "SELECT * FROM deals WHERE {condition}"
modified = "updated_at"
page_size = {size}
"""


@pytest.fixture
def crm(desk):
    """Runs `check` over a database of deals of two regions, those of one changed long before those of the other."""
    for name, count in (("crm.db", 3), ("other.db", 5)):
        with sqlite3.connect(desk.folder / name) as base:
            base.execute("CREATE TABLE deals (id TEXT, stage TEXT, region TEXT, updated_at TEXT)")
            rows = [
                (f"{region}{number}", "qualify", region, f"{year}-03-0{number + 1}T00:00:00Z")
                for region, year in (("EU", 2026), ("US", 2024))
                for number in range(count)
            ]
            base.executemany("INSERT INTO deals VALUES (?, ?, ?, ?)", rows)
        base.close()

    def check(*, file="crm.db", condition="1 = 1", size=100):
        desk.write("syncd.toml", CONFIGURATION.format(file=file, condition=condition, size=size))
        (source,) = desk.check().json["sources"]
        return source["increment"], source["judged"]

    return check


def test_a_wider_query_is_read_whole(crm):
    """Records that the old query left out and that have not changed since would come in no increment."""
    before = crm(condition="region = 'EU'")
    wider = crm()

    assert before == (False, 3)
    assert wider == (False, 6)


def test_another_system_is_read_whole(crm):
    """The watermark of one system says nothing about another, as after a test with a copy."""
    crm()

    assert crm(file="other.db") == (False, 10)


def test_the_pace_is_nothing_to_read_anew_for(crm):
    """A setting that only decides how fast a source is read keeps its watermark."""
    crm()

    assert crm(size=7) == (True, 6)
