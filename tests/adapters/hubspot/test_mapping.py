"""From the double through the shipped mapping to opportunities."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from syncd.facts import Fact
from syncd.mapping import Mapper, load_mapping
from syncd.mapping.values import Reading
from syncd.process import load_process
from tests.adapters.hubspot.accounts import checks, pages

MAPPINGS = Path(str(files("mappings")))
PROCESS = load_process(MAPPINGS / "mssp.toml")
MAPPING = load_mapping("hubspot", PROCESS, (MAPPINGS,), MAPPINGS)
UTC_ZONE = ZoneInfo("UTC")


@pytest.fixture
def mapped(account):
    """Loads deals, pulls them through the mapping, and gives opportunities by id."""

    def pull(*records):
        account.double.load(records)
        adapter = account.adapter(fields=MAPPING.native_fields(), children=MAPPING.children(), roles=MAPPING.fields)
        reading = Reading(business_zone=UTC_ZONE, source_zone=UTC_ZONE, probability_scale=MAPPING.probability_scale)
        mapper = Mapper(MAPPING, PROCESS, reading, currency="USD")
        return {
            one.id: one
            for page in pages(adapter)
            for one in mapper.bind(page.columns, text=page.text).map_rows(page.rows)
        }

    return pull


def deal(**fields):
    """A deal by canonical names, as the double takes it."""
    return {MAPPING.fields[name]: value for name, value in fields.items()}


def test_a_deal_in_full(mapped):
    """Every canonical field of the mapping comes back as it was loaded."""
    loaded = deal(
        id="20567891234", name="Fabrikam rollout", account="Fabrikam", owner="zoe@example.com", territory="North",
        stage="Solution", probability="40", amount="240000.50", currency="EUR", close_date="2026-06-30", status="open",
        closed="no", decision_due="2026-06-01", created_at="2026-01-10T08:00:00Z", updated_at="2026-02-02T09:15:44Z",
        stage_entered_at="2026-01-20", source_type="MQP",
    )  # fmt: skip

    (found,) = mapped(loaded).values()

    assert (found.id, found.name, found.account) == ("20567891234", "Fabrikam rollout", "Fabrikam")
    assert (found.owner, found.territory, found.source_type) == ("zoe@example.com", "North", "MQP")
    assert (found.stage, found.probability, found.status, found.closed) == ("solution", 40, "open", False)
    assert (found.amount, found.currency) == (Decimal("240000.50"), "EUR")
    assert (found.close_date, found.decision_due) == (date(2026, 6, 30), date(2026, 6, 1))
    assert found.created_at == datetime(2026, 1, 10, 8, tzinfo=UTC)
    assert found.updated_at == datetime(2026, 2, 2, 9, 15, 44, tzinfo=UTC)
    assert (found.stage_entered_at, found.version) == (date(2026, 1, 20), "2026-02-02T09:15:44Z")
    assert found.unreadable == ()


def test_values_people_left_odd(mapped):
    """What is blank or makes no sense is held as it is, and nothing goes wrong; unreadable values are named."""
    odd = {"close_date": "soon", "amount": "1,000 or so", "created_at": "yesterday", "updated_at": None, "owner": ""}

    found = mapped(deal(id="1", stage="Whatever", status=None, **odd), deal(id="2", stage=None, status="lost"))

    assert (found["1"].stage, found["1"].stage_label, found["1"].owner) == (None, "Whatever", None)
    assert {name for name, _ in found["1"].unreadable} == {"close_date", "amount", "created_at"}
    assert (found["2"].stage, found["2"].status) == (None, "lost")


@pytest.mark.parametrize("status", ["open", "won", "lost"])
def test_every_stage_with_every_status(mapped, status):
    """HubSpot's status hangs on the stage; the double can hold any pair of the two all the same."""
    stages = list(PROCESS.stages)
    loaded = [deal(id=str(number), stage=stage.name, status=status) for number, stage in enumerate(stages, 1)]

    found = mapped(*loaded)

    assert [(found[str(number)].stage, found[str(number)].status) for number, _ in enumerate(stages, 1)] == [
        (stage.id, status) for stage in stages
    ]


@pytest.mark.parametrize("probability", ["0", "10", "55", "100", "", None])
def test_probabilities_are_fractions(mapped, probability):
    """HubSpot keeps 0.4 for 40 %; blank stays blank."""
    (found,) = mapped(deal(id="1", stage="Qualify", probability=probability)).values()

    assert found.probability == (int(probability) if probability else None)


def test_every_evidence_id_can_be_shown(mapped):
    """Each evidence id of the chart has its place in HubSpot, in a property or an activity, with a day where it may."""
    record = deal(id="1", stage="Support", probability="100")
    for spec in MAPPING.evidence.values():
        if spec.field:
            record[spec.field] = "yes"
            record |= {name: "2026-02-03" for name in (spec.date,) if name}
            record |= {name: "zoe" for name in (spec.by, spec.ref) if name}
        else:
            row = dict(spec.where) | {spec.date: "2026-02-03", spec.by: "77"}
            record.setdefault(spec.child, []).append(row)

    (found,) = mapped(record).values()

    assert set(MAPPING.evidence) == set(PROCESS.evidence)
    assert found.met == (1 << len(PROCESS.evidence)) - 1
    assert (found.not_met, found.bare) == (0, 0)
    assert len(found.dates) == sum(spec.date is not None for spec in MAPPING.evidence.values())
    assert set(found.dates.values()) == {date(2026, 2, 3)}


def test_evidence_that_is_not_there(mapped):
    """A blank property is unknown, a checkbox that is not ticked is not met, and no matching activity is not met."""
    record = deal(id="1", stage="Qualify") | {"mssp_sponsor_pain": "no", "tasks": [{"hs_task_subject": "Call"}]}

    (found,) = mapped(record).values()

    def state(name):
        bit = 1 << PROCESS.evidence_index[name]
        return Fact.MET if found.met & bit else Fact.NOT_MET if found.not_met & bit else Fact.UNKNOWN

    assert state("qualify.sponsor_pain") is Fact.NOT_MET
    assert state("proof.business_asked") is Fact.NOT_MET
    assert state("qualify.sponsor_vision") is Fact.UNKNOWN


def test_the_shipped_mapping_passes_the_examination(account):
    """Every property the mapping names is in the double, every stage has its meaning and the chart's probability."""
    account.double.load([deal(id="1", stage="Qualify", status="open")])
    adapter = account.adapter(fields=MAPPING.native_fields(), children=MAPPING.children(), roles=MAPPING.fields)

    found = checks(adapter)
    found.pop("clock")

    assert {name: one.says for name, one in found.items() if one.outcome != "ok"} == {}
