"""From the double through the shipped mappings to opportunities."""

from datetime import date
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from adapters.dynamics365 import Dynamics365
from adapters.dynamics365.shape import FORMATTED
from syncd.adapter import SourceContext
from syncd.mapping import Mapper, load_mapping
from syncd.mapping.values import Reading
from syncd.process import load_process
from tests.adapters.dynamics365.desk import desk, pull
from tests.httpkit.servers import Time

SHIPPED = Path(str(files("mappings")))
PROCESS = load_process(SHIPPED / "mssp.toml")
UTC = ZoneInfo("UTC")
OWNER = f"_ownerid_value@{FORMATTED}"

RECORD = {
    "opportunityid": "0d3ad7b1-0000-4000-8000-000000000001",
    "name": "Zoë's rollout",
    f"_customerid_value@{FORMATTED}": "Contoso",
    OWNER: "Anna",
    f"salesstage@{FORMATTED}": "Proof",
    "closeprobability": "60",
    "estimatedvalue": "1234567890123.4567",
    "transactioncurrencyid/isocurrencycode": "CHF",
    "estimatedclosedate": "2026-12-31",
    f"statecode@{FORMATTED}": "Open",
    "finaldecisiondate": "2026-12-01",
    "createdon": "2026-01-02T03:04:05Z",
    "modifiedon": "2026-02-03T04:05:06Z",
    "syn_territory": "West",
    "syn_prospecttype": "MQP",
    "syn_supportclosed": "no",
    "syn_qualifiedprospect": "yes",
    "syn_qualifiedprospecton": "2026-01-03",
    f"syn_sponsorletter@{FORMATTED}": "Agreed",
    "syn_sponsorletteron": "2026-01-10",
    f"syn_assessment@{FORMATTED}": "Started",
    "syn_evalplanagreed": "no",
    "evaluatefit": "yes",
    "confirminterest": "no",
    "customerpainpoints": "It takes too long",
    "tasks": [
        {"subject": "Partner selected", "statecode": "1", "actualend": "2026-01-20T10:00:00Z", OWNER: "Ben"},
        {"subject": "Services selected", "statecode": "0"},
    ],
    "phonecalls": [{"subject": "Verbal approval", "statecode": "1", "actualend": "2026-02-01T10:00:00Z", OWNER: "Eva"}],
    "annotations": [{"subject": "Signed contract", "isdocument": "no", "createdon": "2026-02-02T00:00:00Z"}],
}


def read(url, name, **settings):
    mapping = load_mapping(name, PROCESS, [SHIPPED], Path())
    context = SourceContext(
        name="crm", folder=Path(), fields=mapping.native_fields(), children=mapping.children(), roles=mapping.fields
    )
    auth = {"type": "bearer", "token": {"env": "SYNCD_REHEARSAL_DYNAMICS365"}}
    given = msgspec.convert({"base_url": url, "auth": auth, **settings}, Dynamics365.Settings)
    pages = pull(Dynamics365.create(given, context, clock=Time().clock()))
    mapper = Mapper(mapping, PROCESS, Reading(business_zone=UTC, source_zone=UTC))
    return [one for page in pages if page.rows for one in mapper.bind(page.columns).map_rows(page.rows)]


@pytest.mark.parametrize("name", ["dynamics365", "dynamics365-flow"])
def test_the_shipped_mapping_reads_the_double(name):
    """Every canonical field and every kind of evidence arrives as it was loaded."""
    record = dict(RECORD)
    if name == "dynamics365-flow":
        record |= {f"salesstage@{FORMATTED}": None, "process.stage": "Proof"}
        record["process.activestagestartedon"] = "2026-02-01T08:00:00Z"
    with desk([record]) as (_, server):
        [found] = read(server.url, name, **({"flow": {}} if name == "dynamics365-flow" else {}))

    assert (found.id, found.name, found.account, found.owner) == (
        record["opportunityid"],
        "Zoë's rollout",
        "Contoso",
        "Anna",
    )
    assert (found.stage, found.probability, found.status, found.territory) == ("proof", 60, "open", "West")
    assert (found.amount, found.currency) == (Decimal("1234567890123.4567"), "CHF")
    assert (found.close_date, found.decision_due) == (date(2026, 12, 31), date(2026, 12, 1))
    assert (found.created_at.isoformat(), found.closed) == ("2026-01-02T03:04:05+00:00", False)
    assert found.version.startswith('W/"')
    assert found.unreadable == ()
    assert found.stage_entered_at == (date(2026, 2, 1) if name == "dynamics365-flow" else None)
    met = {one for one in PROCESS.evidence if found.met >> PROCESS.evidence_index[one] & 1}
    not_met = {one for one in PROCESS.evidence if found.not_met >> PROCESS.evidence_index[one] & 1}
    assert met == {
        "demand_generation.qualified_prospect", "qualify.sponsor_letter_agreed", "prospect.meets_criteria",
        "qualify.sponsor_pain", "develop.partner_selected", "proof.verbal_approval",
    }  # fmt: skip
    assert {"qualify.assessment_completed", "develop.eval_plan_agreed", "develop.services_selected",
            "qualify.sponsor_explores", "close.documents_signed"} <= not_met  # fmt: skip
    call = PROCESS.evidence_index["proof.verbal_approval"]
    assert (found.dates[call], found.by[call]) == (date(2026, 2, 1), "Eva")
    assert found.ref[call]
