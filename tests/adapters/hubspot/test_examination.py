"""What `syncd doctor` finds: each thing that can be wrong is named, with what cures it, and nothing is written."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.hubspot.double import HubSpotDouble
from adapters.hubspot.examination import Examination
from adapters.hubspot.settings import HubSpotSettings
from syncd.rehearsal import Fault, Reply
from tests.adapters.hubspot.accounts import FIELDS, NOON, ROLES, checks

ALL = {
    "fields": FIELDS | {"hubspot_owner_id.email", "hs_primary_associated_company.name"},
    "children": {"tasks": frozenset({"hs_task_subject"}), "contacts": frozenset({"association.label"})},
}


@pytest.fixture
def small(account):
    """An account of three deals."""
    account.double.load(account.deals(3))
    return account


def test_a_sound_account_passes(small):
    """Where nothing is wrong every check says so, and no request writes or reads more than a few records."""
    asked = []
    small.double.before = lambda request: asked.append((request.method, request.path, request.query.get("limit")))

    found = checks(small.adapter(now=NOON, **ALL))

    assert {one.outcome for one in found.values()} == {"ok"}
    assert {method for method, _, _ in asked} == {"GET", "POST"}
    assert not [path for method, path, _ in asked if method == "POST" and not path.endswith("/search")]
    assert {limit for _, path, limit in asked if path.endswith("/objects/deals")} == {"1"}


def test_every_finding_has_a_remedy(small):
    """Whatever is not well says what to do about it."""
    small.double.scopes.clear()

    found = checks(small.adapter(now=NOON, **ALL))

    assert {one.outcome for one in found.values()} > {"failed", "warning"}
    assert [name for name, one in found.items() if one.outcome in {"failed", "warning"} and not one.remedy] == []


def test_a_system_that_is_not_there(small):
    """When nobody answers, that is the only finding."""
    made = small.adapter(base_url="http://127.0.0.1:9", patience_seconds=1)

    found = checks(made)

    assert [(name, one.outcome) for name, one in found.items()] == [("connection", "failed")]


def test_credentials_that_are_refused(small):
    """A token that is good no longer is a finding of its own; the connection is fine."""
    small.double.revoke()

    found = checks(small.adapter())

    assert [(name, one.outcome) for name, one in found.items()] == [("connection", "ok"), ("credentials", "failed")]
    assert "auth" in found["credentials"].remedy


def test_a_secret_that_cannot_be_had(small):
    """A secret that is not where the configuration says is a finding that names the place."""
    found = checks(small.adapter(auth={"type": "bearer", "token": {"env": "NOT_SET_AT_ALL"}}))

    assert [(name, one.outcome) for name, one in found.items()] == [("configuration", "failed")]
    assert "NOT_SET_AT_ALL" in found["configuration"].says


def test_a_scope_that_is_missing(small):
    """Reading deals without the scope fails, and says which."""
    small.double.scopes.discard("crm.objects.deals.read")

    found = checks(small.adapter())

    assert found["permission to read deals"].outcome == "failed"
    assert "crm.objects.deals.read" in found["permission to read deals"].says


@pytest.mark.parametrize(
    ("scope", "name", "outcome"),
    [
        ("crm.objects.owners.read", "owners", "warning"),
        ("crm.objects.companies.read", "companies", "warning"),
        ("crm.objects.contacts.read", "child component tasks", "warning"),
        ("crm.schemas.deals.read", "fields of the mapping", "skipped"),
    ],
)
def test_scopes_of_what_is_beside_deals(small, scope, name, outcome):
    """What can do without is a warning, not a failure."""
    small.double.scopes.discard(scope)

    assert checks(small.adapter(**ALL))[name].outcome == outcome


def test_fields_that_are_not_there(small):
    """Properties of the mapping that HubSpot does not have are named, those of child components as well."""
    children = {"tasks": frozenset({"hs_task_nothing"}), "unicorns": frozenset({"horn"})}

    found = checks(small.adapter(fields=FIELDS | {"nowhere", "dealstage.label"}, children=children))

    assert (found["fields of the mapping"].outcome, "nowhere" in found["fields of the mapping"].says) == (
        "warning",
        True,
    )
    assert "hs_task_nothing" in found["child component tasks"].says
    assert found["child component unicorns"].outcome == "warning"


def test_stages_without_a_meaning(small):
    """A stage whose label the mapping does not know is named, with the stage it looks like; lost ones need none."""
    small.double.pipelines[0].stages[2].label = "Qualifying"

    found = checks(small.adapter())["stages"]

    assert found.outcome == "warning"
    assert "Qualifying in Sales Pipeline, which looks like qualify" in found.says
    assert "Closed Lost" not in found.says


def test_stages_by_id(small):
    """A mapping that takes stages by id is told ids; one that takes them from elsewhere is not judged."""
    by_id = checks(small.adapter(fields=FIELDS | {"dealstage"}, roles={**ROLES, "stage": "dealstage"}))["stages"]
    elsewhere = checks(small.adapter(roles={**ROLES, "stage": "dealname"}))["stages"]

    assert "contractsent (Close)" in by_id.says
    assert elsewhere.outcome == "skipped"


def test_stages_in_a_property_of_ones_own(small):
    """Where the mapping takes stages from a custom property, its values are looked at, but for hidden ones."""
    values = [("Qualify", False), ("Developing", False), ("Old", True)]
    small.double.deals.types["our_stage"] = "enumeration"
    small.double.options["our_stage"] = [
        {"label": f"The {value}", "value": value, "hidden": hidden, "displayOrder": 0} for value, hidden in values
    ]

    found = checks(small.adapter(fields=FIELDS | {"our_stage"}, roles={**ROLES, "stage": "our_stage"}))["stages"]

    assert found.says == "stages the mapping does not know: Developing, which looks like develop"


def test_stages_of_pipelines_that_are_not_read(small):
    """Only the pipelines of the setting are looked at; one that is not there fails."""
    small.double.pipelines[1].stages.append(
        type(small.double.pipelines[0].stages[0])("77", "Renewal", "1.0", closed=True)
    )

    outcomes = [
        checks(small.adapter(pipelines=given)).get("stages", None) for given in ([], ["Sales Pipeline"], ["Nowhere"])
    ]
    failed = checks(small.adapter(pipelines=["Nowhere"]))["pipelines"]

    assert [one and one.outcome for one in outcomes] == ["warning", "ok", None]
    assert "Nowhere" in failed.says


def test_probabilities_that_are_not_those_of_the_chart(small):
    """Where HubSpot's stage has another probability than the chart, both figures are named."""
    small.double.pipelines[0].stages[4].probability = "0.5"

    found = checks(small.adapter())["probabilities of stages"]

    assert found.outcome == "warning"
    assert "Solution in Sales Pipeline has 50 %, the chart 40 % for solution" in found.says


def test_a_clock_that_is_wrong(small):
    """A clock minutes from HubSpot's is a warning; answers without a time say nothing of it."""
    late = checks(small.adapter(now=NOON + timedelta(minutes=9)))["clock"]
    plain = small.double.handle
    small.double.handle = lambda request: _without_date(plain(request))

    silent = checks(small.serve().adapter())["clock"]

    assert (late.outcome, "540" in late.says) == ("warning", True)
    assert silent.outcome == "skipped"


def _without_date(reply):
    return Reply(reply.status, reply.body, {}, reply.content_type)


def test_the_day_is_nearly_used_up(small):
    """Few requests left of the day are a warning, with what a whole pull takes."""
    small.double.daily = 40_000

    assert checks(small.adapter())["requests"].outcome == "warning"


def test_the_day_is_used_up(small):
    """When HubSpot answers nothing more today, that is said, and nothing is raised."""
    small.double.daily = 0

    found = checks(small.adapter())

    assert "daily limit" in found["permission to read deals"].says
    assert found["connection"].outcome == "ok"


def test_a_connection_without_tls(small):
    """A base URL without TLS to another machine is a warning."""
    made = small.adapter()
    plain = HubSpotSettings(base_url="http://crm.example.com")

    check = Examination(made._api, plain, made._context)._connection()

    assert check.outcome == "warning"


def test_the_zone_of_the_account(small):
    """The account's zone is shown, since it decides the day of a close date."""
    small.double.time_zone = "America/New_York"

    assert "America/New_York" in checks(small.adapter())["time zone"].says


@pytest.mark.parametrize(
    "fault", [one for one in Fault if one not in {Fault.SILENT, Fault.TRICKLE}], ids=lambda fault: fault.value
)
def test_no_fault_makes_it_raise(small, fault):
    """An examination ends with findings whatever goes wrong, and shows neither token nor deals."""
    small.double.load(small.deals(3, dealname="Very Private Deal"))
    small.serve(lambda _, request: fault if "/objects/" in request.path or "properties" in request.path else None)

    found = checks(small.adapter(patience_seconds=1, **ALL))
    said = " ".join(f"{one.says} {one.remedy}" for one in found.values())

    assert found
    assert not [secret for secret in HubSpotDouble.secrets.values() if secret in said]
    assert "Private" not in said
