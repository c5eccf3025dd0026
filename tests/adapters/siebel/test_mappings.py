"""The shipped mappings: from what Siebel holds to opportunities."""

from __future__ import annotations

import csv
import re
import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from adapters.file import FileAdapter
from adapters.siebel.double import SiebelDouble
from syncd.adapter import SourceContext
from syncd.facts import Fact
from syncd.mapping import Mapper, load_mapping
from syncd.mapping.values import Reading
from syncd.process import load_process
from tests.adapters.siebel.scene import pages_of, siebel

SHIPPED = Path(str(files("mappings")))
PROCESS = load_process(SHIPPED / "mssp.toml")
DOCS = Path(__file__).parents[3] / "docs" / "adapters" / "siebel.md"


def mapper_of(name, zone):
    mapping = load_mapping(name, PROCESS, (SHIPPED,), Path())
    reading = Reading(
        business_zone=ZoneInfo("UTC"),
        source_zone=ZoneInfo(zone),
        date_formats=mapping.date_formats,
        thousands_mark=mapping.thousands_mark,
    )
    return Mapper(mapping, PROCESS, reading)


def fact(opportunity, name):
    return opportunity.evidence_of(PROCESS.evidence_index[name])


def native(record):
    """A record of canonical values under the fields of the shipped mapping, as a rehearsal would load it."""
    mapping = load_mapping("siebel", PROCESS, (SHIPPED,), Path())
    return {mapping.fields.get(name, name): value for name, value in record.items()}


RECORD = {
    "id": "1-A1", "name": 'Contoso "Q3" refresh', "account": "Contoso", "owner": "KAI", "stage": "Develop",
    "probability": "20", "amount": "300000", "currency": "USD", "close_date": "2026-12-31", "status": "Open",
    "decision_due": "2026-12-01", "created_at": "2026-06-01T14:30:00Z", "stage_entered_at": "2026-07-15",
    "forecast": "yes", "source_type": "SQP", "closed": "no", "territory": None,
    "MSSP Sponsor": "Dana Ruiz", "MSSP Sponsor Date": "2026-06-20",
    "MSSP Sponsor Letter": "Agreed", "MSSP Sponsor Letter Date": "2026-07-10",
    "MSSP Eval Plan": "Proposed", "MSSP Sponsor Pain Flag": "yes", "MSSP Power Access Flag": "no",
    "MSSP Power Pain Flag": None, "MSSP Proposal Issued Date": "2026-11-02",
    "Action": [
        {"Id": "A-2", "Type": "Verbal Approval", "Status": "Done", "Done": "2026-11-20T03:00:00Z", "Owner": "MIA"},
        {"Id": "A-1", "Type": "Call", "Status": "Done", "Done": "2026-11-01T10:00:00Z", "Owner": "KAI"},
    ],
    "Sales Assessment": [],
}  # fmt: skip


def test_from_siebel_to_an_opportunity():
    """What was loaded in canonical values comes back as the opportunity they mean, through HTTP and the mapping."""
    mapper = mapper_of("siebel", "America/New_York")
    with siebel([native(RECORD)]) as scene:
        context = SourceContext(
            name="crm", folder=Path(), fields=mapper.mapping.native_fields(), children=mapper.mapping.children(),
            roles=mapper.mapping.fields, timezone=ZoneInfo("America/New_York"),
        )  # fmt: skip
        pages = pages_of(scene.adapter(context=context))
    (read,) = [one for page in pages for one in mapper.bind(page.columns, text=page.text).map_rows(page.rows)]

    assert (read.id, read.name, read.account, read.owner) == ("1-A1", 'Contoso "Q3" refresh', "Contoso", "KAI")
    assert (read.stage, read.probability, read.amount, read.currency) == ("develop", 20, Decimal(300_000), "USD")
    assert (read.close_date, read.decision_due) == (date(2026, 12, 31), date(2026, 12, 1))
    assert (read.status, read.closed, read.forecast, read.source_type) == ("open", False, True, "SQP")
    assert (read.created_at, read.stage_entered_at) == (datetime(2026, 6, 1, 14, 30, tzinfo=UTC), date(2026, 7, 15))
    assert read.territory is None
    assert read.unreadable == ()
    assert read.lacks("updated_at")
    assert (fact(read, "prospect.sponsor_identified").state, fact(read, "prospect.sponsor_identified").date) == (
        Fact.MET, date(2026, 6, 20),
    )  # fmt: skip
    assert fact(read, "qualify.sponsor_letter_agreed").date == date(2026, 7, 10)
    assert fact(read, "develop.eval_plan_proposed").state is Fact.MET
    assert fact(read, "develop.eval_plan_agreed").state is Fact.NOT_MET
    assert fact(read, "qualify.sponsor_pain").state is Fact.MET
    assert fact(read, "develop.power_access").state is Fact.NOT_MET
    assert fact(read, "develop.power_pain").state is Fact.NOT_MET
    assert fact(read, "develop.power_vision").state is Fact.UNKNOWN
    assert fact(read, "proof.proposal_issued").date == date(2026, 11, 2)
    approval = fact(read, "proof.verbal_approval")
    assert (approval.state, approval.date, approval.by) == (Fact.MET, date(2026, 11, 20), "MIA")
    assert fact(read, "qualify.assessment_completed").state is Fact.NOT_MET


def test_the_mapping_covers_the_chart():
    """Every evidence id of the chart has a place, and every stage a label."""
    mapping = load_mapping("siebel", PROCESS, (SHIPPED,), Path())

    assert set(mapping.evidence) == set(PROCESS.evidence)
    assert set(mapping.first_labels) == set(PROCESS.stage_index)
    assert set(mapping.first_labels.values()) == set(SiebelDouble().stages)


def test_an_exported_list(tmp_path):
    """A list export, with display names and dates of its user's locale, reads through the file adapter."""
    mapper = mapper_of("siebel-export", "America/New_York")
    row = {
        "Row Id": "1-A1", "Opportunity Name": "Contoso", "Account": "Contoso", "Primary": "KAI",
        "Sales Stage": "03 - Develop", "Probability %": "20%", "Revenue": "1,300,000.50", "Currency": "USD",
        "Close Date": "12/31/2026", "Sales Status": "Open", "Created": "06/01/2026 10:30:00 AM", "Committed": "Y",
        "Sponsor Letter": "Agreed", "Sponsor Letter Date": "07/10/2026",
    }  # fmt: skip
    with (tmp_path / "opportunities.csv").open("w", encoding="utf-16", newline="") as file:
        writer = csv.DictWriter(file, list(row), delimiter="\t")
        writer.writeheader()
        writer.writerow(row)
    settings = msgspec.convert({"path": "opportunities.csv"}, FileAdapter.Settings)
    pages = pages_of(FileAdapter.create(settings, SourceContext(name="list", folder=tmp_path)))
    (read,) = [one for page in pages for one in mapper.bind(page.columns, text=page.text).map_rows(page.rows)]

    assert (read.id, read.stage, read.probability, read.amount) == ("1-A1", "develop", 20, Decimal("1300000.50"))
    assert (read.close_date, read.created_at) == (date(2026, 12, 31), datetime(2026, 6, 1, 14, 30, tzinfo=UTC))
    assert fact(read, "qualify.sponsor_letter_agreed").date == date(2026, 7, 10)
    assert read.unreadable == ()


TABLES = {
    "S_OPTY": "ROW_ID, MODIFICATION_NUM, NAME, CURR_STG_ID, SUM_WIN_PROB, SUM_REVN_AMT, SUM_EFFECTIVE_DT, CURCY_CD,"
              " CREATED, LAST_UPD, PR_DEPT_OU_ID, PR_POSTN_ID, BU_ID",
    "S_STG": "ROW_ID, NAME", "S_ORG_EXT": "ROW_ID, NAME", "S_POSTN": "ROW_ID, PR_EMP_ID", "S_USER": "ROW_ID, LOGIN",
    "S_BU": "ROW_ID, NAME", "S_OPTY_X": "PAR_ROW_ID, ATTRIB_01, ATTRIB_26, ATTRIB_02, ATTRIB_27, ATTRIB_03, ATTRIB_28",
    "S_EVT_ACT": "OPTY_ID, TODO_CD, EVT_STAT_CD, TODO_ACTL_END_DT",
}  # fmt: skip


@pytest.mark.skipif(not DOCS.exists(), reason="the page is not written yet")
def test_the_documented_query():
    """The query of the documentation runs, and its columns are those of the mapping."""
    query = re.search(r"```sql\n(.*?)```", DOCS.read_text("utf-8"), flags=re.DOTALL)[1]
    database = sqlite3.connect(":memory:")
    for table, columns in TABLES.items():
        database.execute(f"CREATE TABLE {table} ({columns})")
    database.executemany(
        "INSERT INTO S_OPTY VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [("1-A1", 7, "Contoso", "S3", 20, 300_000, "2026-12-31 00:00:00", "USD", "2026-06-01 14:30:00",
          "2026-11-20 03:00:00", "O1", "P1", "B1"),
         ("1-A2", 1, "Fabrikam", None, None, 0, None, None, "2026-06-01 14:30:00", "2026-06-01 14:30:00", None, None,
          None)],
    )  # fmt: skip
    for table, row in {
        "S_STG": ("S3", "Develop"), "S_ORG_EXT": ("O1", "Contoso"), "S_POSTN": ("P1", "E1"), "S_USER": ("E1", "KAI"),
        "S_BU": ("B1", "West"), "S_OPTY_X": ("1-A1", "Dana", "2026-06-20", "Agreed", "2026-07-10", "None", None),
        "S_EVT_ACT": ("1-A1", "Verbal Approval", "Done", "2026-11-20 03:00:00"),
    }.items():  # fmt: skip
        database.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)
    cursor = database.execute(query)
    columns = tuple(one[0] for one in cursor.description)
    mapper = mapper_of("siebel-sql", "UTC")
    read, other = mapper.bind(columns).map_rows(sorted(cursor.fetchall()))

    assert set(columns) == mapper.mapping.native_fields()
    assert (read.id, read.version, read.stage, read.owner, read.territory) == ("1-A1", "7", "develop", "KAI", "West")
    assert (read.probability, read.amount, read.close_date) == (20, Decimal(300_000), date(2026, 12, 31))
    assert read.updated_at == datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
    assert fact(read, "qualify.sponsor_letter_agreed").date == date(2026, 7, 10)
    assert fact(read, "proof.verbal_approval").date == date(2026, 11, 20)
    assert (other.stage, other.probability, other.owner) == (None, None, None)
    assert read.unreadable == other.unreadable == ()
