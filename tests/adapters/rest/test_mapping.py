"""From the double through the shipped mapping to opportunities, and how much it takes."""

import asyncio
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from adapters.rest import RestAdapter
from adapters.rest.double import RestDouble
from syncd.adapter import SourceContext
from syncd.facts import Fact
from syncd.mapping import Mapper, load_mapping
from syncd.mapping.values import Reading
from syncd.process import load_process
from syncd.rehearsal import serving
from tests.adapters.rest.parts import Time, adapter, gathered, system

SHIPPED = Path(str(files("mappings")))
PROCESS = load_process(SHIPPED / "mssp.toml")
MAPPING = load_mapping("rest-example", PROCESS, (SHIPPED,), SHIPPED)

DEAL = {
    "id": "D-1", "title": "Zoë's deal", "account.name": "Globex", "owner.name": "Ann", "territory": "North",
    "stage.label": "Proof", "win_percent": "60", "value": "12500.50", "currency": "EUR", "expected_close": "2026-12-31",
    "state": "open", "closed": "no", "fields.decision_due": "2026-12-01", "created_at": "2026-01-02T03:04:05Z",
    "stage.since": "2026-10-01", "source": "MQP", "fields.sponsor_letter": "Agreed",
    "fields.sponsor_letter_on": "2026-02-03", "fields.evaluation_plan": "Underway", "fields.pain": None,
    "activities": [
        {"type": "Verbal approval", "status": "done", "done_on": "2026-10-14", "owner.name": "Ann", "document": "D7"},
        {"type": "Call", "status": "done", "done_on": "2026-10-15", "owner.name": "Bob", "document": None},
    ],
}  # fmt: skip


def opportunities(records):
    double = RestDouble()
    double.load(records)
    context = SourceContext(
        name="crm", folder=Path(), fields=MAPPING.native_fields(), children=MAPPING.children(), roles=MAPPING.fields,
        labels=MAPPING.labels(), chart={stage.id: stage.probability for stage in PROCESS.stages},
    )  # fmt: skip
    reading = Reading(business_zone=ZoneInfo("UTC"), source_zone=ZoneInfo("UTC"))
    with serving(double.handle) as server:
        given = msgspec.convert({**RestDouble.settings, "base_url": f"{server.url}/api"}, RestAdapter.Settings)
        source = RestAdapter.create(given, context, clock=Time(double).clock())
        pages = gathered(source, source.pull())
        source = RestAdapter.create(given, context, clock=Time(double).clock())
        checks = gathered(source, source.examine())
    mapper = Mapper(MAPPING, PROCESS, reading)
    made = [one for page in pages if page.rows for one in mapper.bind(page.columns).map_rows(page.rows)]
    return made, checks


def test_a_deal_becomes_an_opportunity():
    """Every field of the shipped mapping arrives as it was loaded, typed, nested ones and child rows included."""
    (one,), checks = opportunities([DEAL])

    assert (one.id, one.name, one.account, one.owner) == ("D-1", "Zoë's deal", "Globex", "Ann")
    assert (one.stage, float(one.probability), one.amount, one.currency) == ("proof", 60.0, Decimal("12500.5"), "EUR")
    assert (str(one.close_date), one.status, one.closed) == ("2026-12-31", "open", False)
    assert (str(one.decision_due), str(one.stage_entered_at)) == ("2026-12-01", "2026-10-01")
    assert one.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (one.territory, one.source_type, one.version) == ("North", "MQP", "1")
    assert {check.outcome for check in checks} <= {"ok", "skipped", "warning"}


def test_evidence_of_fields_and_of_child_rows():
    """Evidence is met, not met or unknown as the mapping reads it."""
    (one,), _ = opportunities([DEAL])
    index = PROCESS.evidence_index

    def fact(name):
        bit = 1 << index[name]
        return Fact.MET if one.met & bit else Fact.NOT_MET if one.not_met & bit else Fact.UNKNOWN

    assert fact("qualify.sponsor_letter_agreed") is Fact.MET
    assert fact("solution.eval_plan_underway") is Fact.MET
    assert fact("proof.eval_plan_completed") is Fact.NOT_MET
    assert fact("proof.verbal_approval") is Fact.MET
    assert fact("proof.proposal_issued") is Fact.NOT_MET
    assert fact("qualify.sponsor_pain") is Fact.NOT_MET
    assert fact("qualify.compelling_event") is Fact.UNKNOWN


def test_memory_is_flat():
    """Twenty times the records take no more memory, but for what chance adds."""

    def peak(number):
        with system("cursor", number) as (double, server):
            double.largest = 250
            double.ids()  # the double sorts once, which is not the adapter's memory
            source = adapter(double, server.url, page_size=250)

            async def read():
                tracemalloc.start()
                async for _ in source.pull():
                    pass
                await source.close()
                highest = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
                return highest

            return asyncio.run(read())

    peak(300)  # what is imported and remembered once

    assert peak(20_000) < 2 * peak(1_000)
