"""The shipped mapping, from the double to opportunities."""

from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.salesforce import SalesforceAdapter
from adapters.salesforce.double import SalesforceDouble
from syncd.mapping import Mapper, load_mapping
from syncd.mapping.values import Reading
from syncd.process import load_process
from tests.adapters.salesforce.orgs import Org, pages_of

SHIPPED = Path(str(files("mappings")))
PROCESS = load_process(SHIPPED / "mssp.toml")
UTC = ZoneInfo("UTC")

DEALS = [
    {
        "id": "006RO000001abcDYAQ", "name": "Fabrikam rollout", "account": "Fabrikam", "owner": "Zoë",
        "territory": "West", "stage": "develop", "probability": "20", "amount": "240000.50", "currency": "USD",
        "close_date": "2026-06-30", "status": "open", "closed": "no", "decision_due": "2026-06-01",
        "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-03-02T09:15:44Z", "stage_entered_at": "2026-02-01",
        "source_type": "MQP", "forecast": "yes", "qualify.sponsor_letter_agreed": "yes",
        "qualify.sponsor_letter_agreed.date": "2026-01-20", "qualify.sponsor_letter_agreed.by": "Ann",
        "qualify.sponsor_letter_agreed.ref": "letter.pdf", "qualify.sponsor_pain": "no",
        "prospect.sponsor_identified": "yes", "prospect.sponsor_identified.date": "2026-01-10",
        "prospect.sponsor_identified.by": "Li", "develop.power_access": "2026-02-11",
        "prospect.in_territory_or_account": "yes",
    },
    {
        "id": "006RO000001abcEYAQ", "name": "Old <script>", "account": "Contoso", "owner": "Li", "territory": None,
        "stage": "deploy", "probability": "100", "amount": None, "currency": None, "close_date": "2026-05-31",
        "status": "won", "closed": None, "decision_due": None, "created_at": "2025-01-02T03:04:05Z",
        "updated_at": "2026-03-02T09:15:44Z", "stage_entered_at": None, "source_type": None, "forecast": "no",
        "proof.business_asked": "2026-02-14", "proof.verbal_approval": "yes",
        "prospect.in_territory_or_account": "yes",
    },
    {
        "id": "006RO000001abcFYAQ", "name": "Gone", "account": "Fabrikam", "owner": "Li", "territory": None,
        "stage": "prospect", "probability": "0", "amount": "1", "currency": "EUR", "close_date": "2026-05-31",
        "status": "lost", "closed": None, "decision_due": None, "created_at": "2025-01-02T03:04:05Z",
        "updated_at": "2026-03-02T09:15:44Z", "stage_entered_at": None, "source_type": "Web", "forecast": "no",
        "prospect.in_territory_or_account": "yes",
    },
]  # fmt: skip
CHILD_EVIDENCE = ("develop.power_access", "proof.proposal_reviewed", "proof.business_asked")
COMPARED = (
    "id", "name", "account", "owner", "territory", "stage", "stage_label", "probability", "amount", "currency",
    "close_date", "status", "closed", "decision_due", "created_at", "updated_at", "stage_entered_at", "source_type",
    "forecast", "unreadable", "met", "not_met", "dates", "by",
)  # fmt: skip


@pytest.fixture(scope="module")
def mapping():
    return load_mapping("salesforce", PROCESS, (SHIPPED,), SHIPPED)


def native(deal, mapping):
    """A canonical record as the double loads it."""
    labels = dict(mapping.first_labels)
    record = {}
    for name, field in mapping.fields.items():
        if name in deal:
            record[field] = labels[deal[name]] if name == "stage" else deal[name]
    for name, spec in mapping.evidence.items():
        said = deal.get(name)
        if spec.child is None:
            if spec.field not in mapping.fields.values():
                record[spec.field] = said
            for beside in ("date", "by", "ref"):
                if getattr(spec, beside):
                    record[getattr(spec, beside)] = deal.get(f"{name}.{beside}")
        elif said:
            row = {key: one if isinstance(one, str) else one[0] for key, one in spec.where.items()}
            record.setdefault(spec.child, []).append({**row, spec.date: said})
    return record


def context_of(mapping):
    return {"fields": mapping.native_fields(), "children": mapping.children(), "roles": mapping.fields}


def mapped(pages, mapping):
    mapper = Mapper(mapping, PROCESS, Reading(business_zone=UTC, source_zone=UTC))
    return [one for page in pages if page.rows for one in mapper.bind(page.columns).map_rows(page.rows)]


@pytest.mark.parametrize("settings", [{}, {"bulk_above": 0}], ids=["pages", "job"])
def test_what_is_loaded_is_what_is_judged(monkeypatch, mapping, settings):
    """Records come through double, adapter and mapping as the canonical mapping reads them from a file."""
    canonical = load_mapping("canonical", PROCESS, (SHIPPED,), SHIPPED)
    columns = tuple(dict.fromkeys(name for deal in DEALS for name in deal)) + CHILD_EVIDENCE
    full = [dict.fromkeys(CHILD_EVIDENCE, "no") | deal for deal in DEALS]
    rows = [[deal.get(name) or "" for name in dict.fromkeys(columns)] for deal in full]
    reading = Reading(business_zone=UTC, source_zone=UTC)
    expected = Mapper(canonical, PROCESS, reading).bind(tuple(dict.fromkeys(columns)), text=True).map_rows(rows)

    with Org(monkeypatch, [native(deal, mapping) for deal in DEALS]) as org:
        found = mapped(pages_of(org.adapter(**context_of(mapping), **settings)), mapping)

    for name in COMPARED:
        assert [getattr(one, name) for one in expected] == [getattr(one, name) for one in found], name


def test_every_field_of_the_mapping_is_a_name(mapping):
    """No field of the shipped mapping could say anything else in a query, and each stage of the chart has a label."""
    with_labels = {stage for stage, label in mapping.first_labels.items() if label}

    assert {stage.id for stage in PROCESS.stages} == with_labels
    assert set(PROCESS.evidence) == set(mapping.evidence)


def test_adapter_and_double_are_found_by_their_name():
    """The entry points lead to the adapter and to its double."""
    found = [next(iter(entry_points(group=f"syncd.{kind}", name="salesforce"))) for kind in ("adapters", "doubles")]

    assert [SalesforceAdapter, SalesforceDouble] == [one.load() for one in found]


def test_an_org_without_the_custom_fields_can_be_read(monkeypatch, mapping):
    """What the org does not have is unknown, and nothing else is."""
    record = {"Name": "Bare", "StageName": "Develop", "Owner.Name": "Zoë", "Account.Name": "Fabrikam"}

    with Org(monkeypatch, [record]) as org:
        (one,) = mapped(pages_of(org.adapter(**context_of(mapping))), mapping)

    assert (one.stage, one.status, one.probability) == ("develop", "open", 20)
    assert one.lacks("decision_due")
    assert not one.met & 1 << PROCESS.evidence_index["qualify.sponsor_letter_agreed"]
    assert not one.not_met & 1 << PROCESS.evidence_index["qualify.sponsor_letter_agreed"]
