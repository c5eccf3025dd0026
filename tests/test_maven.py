"""A real export that nobody on this project wrote, judged from end to end: the figures must be the file's own."""

import csv
from collections import Counter
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from syncd.model import Opportunity
from syncd.store import open_store
from syncd.store.readback import SnapshotReader
from syncd.store.schema import snapshot
from syncd.store.sources import source_row
from tests.store.runs import MSSP

PIPELINE = Path(__file__).parent / "data" / "maven-crm" / "sales_pipeline.csv"

CONFIGURATION = f"""
[syncd]
database = "DATABASE"
[sources.maven]
adapter = "file"
path = "{PIPELINE}"
mapping = "maven-crm"
"""


@pytest.fixture
def maven(desk):
    """A desk that reads the export."""
    desk.write("syncd.toml", CONFIGURATION.replace("DATABASE", "sqlite:///store.db"))
    return desk


@pytest.fixture
def any_maven(database_url, desk):
    """The same with each kind of database in turn."""
    desk.write("syncd.toml", CONFIGURATION.replace("DATABASE", database_url))
    return desk


def test_the_figures_are_the_file_s_own(any_maven, database_url):
    """Every record is judged, each stage holds what the file says, and only the missing accounts are faults."""
    with PIPELINE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    done = any_maven.check("--as-of", "2017-12-31")

    assert done.code == 1
    (source,) = done.json["sources"]
    assert (source["read"], source["judged"], source["rejected"], source["repeated"]) == (8800, 8800, 0, 0)
    assert source["complete"] is True
    engaged_without_account = [
        one["opportunity_id"] for one in rows if one["deal_stage"] == "Engaging" and not one["account"]
    ]
    assert len(engaged_without_account) == 1088
    assert sorted(done.found()) == sorted((one, "CHK001") for one in engaged_without_account)
    won = sum(Decimal(one["close_value"]) for one in rows if one["deal_stage"] == "Won")
    assert done.json["pipeline"].keys() == {"USD"}
    assert Decimal(done.json["pipeline"]["USD"]["recorded"]) == won == Decimal(10_005_534)
    assert stored_stages(database_url) == {
        ("prospect", "open"): 500,
        ("qualify", "open"): 1589,
        ("deploy", "won"): 4238,
        (None, "lost"): 2473,
    }


def stored_stages(url):
    store = open_store(url)
    with store.read() as connection:
        row = source_row(connection, "maven")
        opportunities = [
            one.opportunity for chunk in SnapshotReader(connection, row.source_id, MSSP).all() for one in chunk
        ]
    store.close()
    return Counter((one.stage, one.status) for one in opportunities)


def test_lost_records_are_frozen(maven):
    """No rule finds anything in the 2,473 lost records, and none but STG004 so much as asks."""
    coverage = {one["rule"]: one for one in maven.check("--as-of", "2017-12-31").json["coverage"]}

    judged = 8800 - 2473
    assert all(one["judged"] + one["unknown"] <= judged for code, one in coverage.items() if code != "STG004")
    assert coverage["STG004"]["judged"] + coverage["STG004"]["unknown"] == 8800


def test_coverage_shows_what_the_export_lacks(maven):
    """The export has no probability and no evidence but the account; coverage says so and nothing passes for judged."""
    coverage = {one["rule"]: one for one in maven.check("--as-of", "2017-12-31").json["coverage"]}

    for code in ("PRB001", "PRB002", "PRB004"):
        assert (coverage[code]["judged"], coverage[code]["unknown"]) == (0, 6327)
    assert (coverage["CHK001"]["judged"], coverage["CHK001"]["unknown"]) == (1589 + 4238, 0)
    assert (coverage["OUT002"]["judged"], coverage["OUT002"]["unknown"]) == (0, 1589 + 4238)
    for code in ("OUT003", "OUT007", "CHK006", "ASM001"):
        assert (coverage[code]["judged"], coverage[code]["unknown"]) == (0, 4238)


def test_the_text_for_people_names_what_matters(maven):
    """A person reads how many, how much money, what could not be judged, and what to do next."""
    text = maven.syncd("check", "--as-of", "2017-12-31").out

    assert "Found 1,088 discrepancies in 1,088 of 8,800 records: 1,088 warnings." in text
    assert "10,005,534.00" in text
    assert "USD" in text
    assert "Could not be judged" in text
    assert "the source shows no evidence" in " ".join(text.split())
    assert "Next" in text
    assert "syncd explain CHK001" in text
    assert "\x1b" not in text


def test_a_second_run_changes_nothing(any_maven, database_url):
    """Reading the same file again leaves every snapshot as it is and finds every discrepancy unchanged."""
    any_maven.check()
    before = snapshots(database_url)

    again = any_maven.check()

    assert again.json["summary"]["by_state"] == {"new": 0, "unchanged": 1088, "reopened": 0, "fixed": 0}
    assert snapshots(database_url) == before


def snapshots(url):
    store = open_store(url)
    columns = (snapshot.c.key, snapshot.c.content, snapshot.c.changed_run, snapshot.c.payload)
    with store.read() as connection:
        rows = [tuple(row) for row in connection.execute(select(*columns).order_by(snapshot.c.key))]
    store.close()
    assert all(msgspec.json.decode(row[3], type=Opportunity) for row in rows[:10])
    return rows
