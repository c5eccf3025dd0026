"""What `syncd doctor` finds in an org, each finding with its remedy."""

from importlib.resources import files
from pathlib import Path

import pytest

from syncd.mapping import load_mapping
from syncd.process import load_process
from syncd.rehearsal import Fault
from tests.adapters.salesforce.orgs import FIELDS, ROLES, Org, checks_of, deal

SHIPPED = Path(str(files("mappings")))
PROCESS = load_process(SHIPPED / "mssp.toml")
MAPPING = load_mapping("salesforce", PROCESS, (SHIPPED,), SHIPPED)
CHART = {stage.id: stage.probability for stage in PROCESS.stages}
TASKS = {"Task": frozenset({"Type", "Status", "Owner.Name"})}


@pytest.fixture
def org(monkeypatch):
    with Org(monkeypatch, [deal(1)]) as made:
        yield made


def checks(org, **options):
    given = {"labels": MAPPING.labels(), "chart": CHART, **options}
    found = checks_of(org.adapter(**given))
    for check in found.values():
        assert check.says
        assert check.remedy or check.outcome in ("ok", "skipped")
    return found


def test_a_sound_org(org):
    """Everything that is looked at is in order; what a token of one's own does not tell is skipped."""
    found = checks(org, children=TASKS)

    assert {"instance", "every opportunity"} == {name for name, one in found.items() if one.outcome == "skipped"}
    assert {"ok", "skipped"} == {one.outcome for one in found.values()}


def test_nothing_is_written_and_hardly_anything_read(org):
    """An examination asks only, and for no more than one record."""
    checks(org, children=TASKS)

    assert {"GET"} == {method for method, _ in org.double.asked}
    assert org.server.requests <= 12


def test_an_org_that_is_not_there(monkeypatch):
    """Where nobody answers the rest is skipped, and no check raises."""
    with Org(monkeypatch, faults=lambda *_: Fault.RESET_BEFORE) as org:
        found = checks(org, patience_seconds=1)

    assert [one.outcome for one in found.values()] == ["failed", "skipped", "skipped"]


def test_credentials_that_are_refused(org):
    """The org is reached and refuses: it is the credentials that failed."""
    org.double.expire_tokens()
    found = checks(org)

    assert found["credentials"].outcome == "failed"
    assert "auth" in found["credentials"].remedy


def test_a_version_the_org_does_not_know(org):
    """A version of the API that is too new is named, and so is the newest one."""
    found = checks(org, api_version="99.0")

    assert found["connection"].outcome == "failed"
    assert "66.0" in found["connection"].says
    assert "api_version" in found["connection"].remedy


def test_opportunities_that_may_not_be_read(org):
    """Without read access there is nothing to pull."""
    org.double.tables["Opportunity"].readable = False

    assert checks(org)["opportunities"].outcome == "failed"


def test_fields_that_are_not_there(org):
    """Missing fields are named; without the id or the stage nothing works."""
    found = checks(org, fields={*FIELDS, "Mssp_Nowhere__c", "Account.Secret__c"})

    assert found["fields of the mapping"].outcome == "warning"
    assert "Account.Secret__c, Mssp_Nowhere__c" in found["fields of the mapping"].says

    org.double.tables["Opportunity"].hidden.add("StageName")
    assert checks(org)["fields of the mapping"].outcome == "failed"


def test_fields_that_are_formulas(org, monkeypatch):
    """A formula changes without its record, which an increment does not see."""
    plain = org.double.tables.describe

    def describe(table):
        told = plain(table)
        return told | {"fields": [one | {"calculated": one["name"] == "Name"} for one in told["fields"]]}

    monkeypatch.setattr(org.double.tables, "describe", describe)
    found = checks(org)

    assert found["fields of the mapping"].outcome == "warning"
    assert "Name" in found["fields of the mapping"].says


def test_labels_that_are_not_in_the_mapping(org):
    """A stage of the org without a label in the mapping is named, with the stage it looks like."""
    org.double.stage_table("Proofs", DefaultProbability=60.0)
    org.double.stage_table("Zzz", DefaultProbability=0.0)
    org.double.stage_table("Disqualified", IsClosed=True)
    found = checks(org)["stage labels"]

    assert found.outcome == "warning"
    assert "'Proofs' (looks like proof), 'Zzz'" in found.says
    assert "Disqualified" not in found.says


def test_probabilities_that_are_not_the_charts(org):
    """A stage that gives another probability than the chart is drift at the root."""
    org.double.stage_table("Proof", DefaultProbability=75.0)
    found = checks(org)["probabilities of the stages"]

    assert found.outcome == "warning"
    assert found.says == "'Proof' gives 75 %, the chart 60 %"


def test_a_probability_where_the_chart_has_none(org):
    """The stages outside the weighted pipeline should give none, or 100 % where they win, as they must."""
    org.double.stage_table("Demand Generation", DefaultProbability=5.0)
    found = checks(org)["probabilities of the stages"]

    assert found.outcome == "warning"
    assert found.says == "'Demand Generation' gives 5 %, the chart none"


def test_stages_that_close_in_the_wrong_place(org):
    """A stage that wins too early, and one that loses though it has a stage of the chart, are named."""
    org.double.stage_table("Proof", IsWon=True, IsClosed=True)
    org.double.stage_table("Solution", IsClosed=True)
    found = checks(org)["stages that close"]

    assert found.outcome == "warning"
    assert "'Proof' wins" in found.says
    assert "'Solution' loses" in found.says


def test_a_stage_table_that_cannot_be_read(org):
    """Without the table there is a warning, and the labels are still looked at."""
    org.double.tables["OpportunityStage"].readable = False
    found = checks(org)

    assert found["stage table"].outcome == "warning"
    assert "stage labels" in found


def test_components_that_cannot_be_read(org):
    """Components and fields of them that are missing are named."""
    org.double.tables["Task"].hidden.add("Status")
    found = checks(org, children=TASKS | {"Nothing__c": frozenset({"Name"})})["child components"]

    assert found.outcome == "warning"
    assert "Nothing__c, Task.Status" in found.says


def test_history_that_is_not_tracked(org):
    """For a stage field of one's own, history must be tracked."""
    org.double.load([deal(1, Mssp_Stage__c="Develop")])
    found = checks(org, fields={*FIELDS, "Mssp_Stage__c"}, roles=ROLES | {"stage": "Mssp_Stage__c"})

    assert found["history of stages"].outcome == "warning"
    assert "tracking" in found["history of stages"].remedy

    org.double.tables["OpportunityHistory"].readable = False
    assert checks(org)["history of stages"].outcome == "warning"
    assert checks(org, history=False)["history of stages"].outcome == "skipped"


def test_several_currencies(org):
    """An org with several currencies has a field for them, which the mapping must use."""
    assert checks(org)["currency"].outcome == "ok"

    org.double.load([deal(1, CurrencyIsoCode="USD")])
    assert checks(org)["currency"].outcome == "warning"
    assert checks(org, roles=ROLES | {"currency": "CurrencyIsoCode"})["currency"].outcome == "ok"


def test_a_clock_that_is_off(org):
    """A difference of minutes between the clocks is told."""
    org.double.advance(minutes=5)

    assert checks(org)["clock"].outcome == "warning"


def test_a_quota_that_is_nearly_used(org):
    """The requests of the day are counted for the org as a whole."""
    assert checks(org)["requests of the day"].outcome == "ok"

    org.double.limit, org.double.used = 1_000, 850
    found = checks(org)["requests of the day"]
    assert found.outcome == "warning"
    assert "of 1,000 are used" in found.says
