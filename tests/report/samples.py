"""The reports every format is tested on: empty, one discrepancy, many, hostile text, an incomplete source, no money."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from syncd.model import Change, Coverage, Discrepancy, Edit, Fix, Rejected, RunSummary, SourceSummary, Weighted
from syncd.report.model import PlanReport, PlanTotals, Report

HOSTILE = (
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\x1b[31mred\x1b[0m\x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "two\nlines\r\n::error::forged",
    "\u202egnp.exe\u2066",
    "]]><!-- x -->",
    "[bold red]markup[/] **md** | [a](https://evil.example) `code`",
    "@mention +1 \t tab",
    "\x00\x07\x9bnul\ufffe",
    "日本語の案件" * 30,
    '"><img src=x onerror=alert(1)>',
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    code: str
    severity: str
    title: str
    phrases: tuple[str, ...] = ("0% 10% 20% 40% 60% 80% 100%",)
    evidence: str = "stage, probability"
    fix: str = "None: a person must supply the fact."
    explanation: str = (
        "## What it checks\n\nThe figure.\n\n## Why\n\nMoney.\n\n## Example\n\n60 at Solution.\n\n## Fix\n\nNone."
    )


RULES = {
    rule.code: rule
    for rule in (
        Rule(code="PRB001", severity="error", title="Probability is not the stage's"),
        Rule(code="STG006", severity="error", title="Stage is over-stated"),
        Rule(code="OUT002", severity="error", title="No potential sponsor"),
        Rule(code="OUT003", severity="error", title="Qualify's outcome is missing"),
        Rule(code="CHK002", severity="warning", title="Sales criteria not recorded as met"),
        Rule(code="CHK013", severity="info", title="New prospects not captured", phrases=()),
    )
}

SAFE = Fix("safe", {"probability": Edit(60, 40)})
BACK = Fix("unsafe", {"stage": Edit("close", "prospect"), "probability": Edit(80, 0)})


def discrepancy(rule="PRB001", number="1-A1", **given):
    """One discrepancy, as good as real."""
    values = {
        "rule": rule,
        "severity": RULES[rule].severity if rule in RULES else "warning",
        "source": "siebel",
        "id": number,
        "name": "Contoso renewal",
        "owner": "Kim Lee",
        "territory": "North",
        "account": "Contoso Ltd",
        "stage": "solution",
        "probability": 60,
        "amount": "200000.00",
        "currency": "USD",
        "proven_stage": "solution",
        "possible_stage": "solution",
        "field": "probability",
        "actual": 60,
        "expected": 40,
        "message": "probability is 60, the chart gives 40 for Solution",
        "phrase": "0% 10% 20% 40% 60% 80% 100%",
    }
    return Discrepancy(**(values | given))


def over_stated(number, **given):
    """The discrepancies of a record whose recorded stage claims more than its evidence, out of order."""
    at_close = {
        "stage": "close",
        "probability": 80,
        "proven_stage": "prospect",
        "possible_stage": "prospect",
        "field": "",
        "actual": None,
        "expected": None,
        **given,
    }
    lacking = {"headline": "STG006", **at_close}
    return [
        discrepancy("CHK002", number, **at_close | {"message": "sales criteria: recorded at Close, but not met"}),
        discrepancy("OUT002", number, **lacking | {"message": "the outcome of Prospect is not met"}),
        discrepancy("OUT003", number, **lacking | {"message": "the outcome of Qualify is not met"}),
        discrepancy(
            "STG006", number, **at_close | {"message": "recorded Close, evidence allows Prospect", "fix": BACK}
        ),
    ]


def report(found: Iterable[Discrepancy] = (), *, fixed=(), rejected=(), raw=None, **given):
    """A report over these discrepancies, with a summary that agrees with them."""
    found, fixed, rejected = list(found), list(fixed), list(rejected)
    counts, by_rule, by_state = {}, {}, {}
    for one in found:
        counts[one.severity] = counts.get(one.severity, 0) + 1
        by_rule[one.rule] = by_rule.get(one.rule, 0) + 1
    for one in [*found, *fixed]:
        by_state[one.state] = by_state.get(one.state, 0) + 1
    source = SourceSummary(name="siebel", adapter="file", complete=True, read=1200, judged=1187, rejected=len(rejected))
    summary = {
        "run": "01JD0000000000000000000001",
        "as_of": "2026-11-23",
        "process": "mssp",
        "outcome_semantics": "exit",
        "finished_at": datetime(2026, 11, 23, 10, 0, 5, tzinfo=UTC),
        "sources": [source],
        "counts": counts,
        "by_rule": by_rule,
        "by_state": by_state,
        "opportunities": 1100,
    }
    return Report(
        summary=RunSummary(**(summary | given)),
        discrepancies=lambda: iter(found),
        fixed=lambda: iter(fixed),
        rejected=lambda: iter(rejected),
        rules=RULES,
        raw=raw,
    )


def empty():
    """A run that found nothing."""
    return report(coverage=[Coverage(source="siebel", rule="PRB001", judged=1187, unknown=0)])


def one():
    """A run that found one discrepancy."""
    return report([discrepancy(fix=SAFE)])


PIPELINE = {
    "USD": Weighted(
        recorded="98400000.00",
        proven="61200000.50",
        possible="90000000.00",
        over_stated="40000000.00",
        under_stated="2.50",
    ),
    "EUR": Weighted(recorded="1200.00", proven="1200.00", possible="1200.00", over_stated="0.00", under_stated="0.00"),
    "XXX": Weighted(recorded="5.00", proven="1.00", possible="5.00", over_stated="4.00", under_stated="0.00"),
}

COVERAGE = [
    Coverage(source="siebel", rule="PRB001", judged=1187, unknown=0),
    Coverage(source="siebel", rule="CHK013", judged=0, unknown=1187),
    Coverage(source="siebel", rule="OUT003", judged=900, unknown=287),
    Coverage(source="siebel", rule="OUT002", judged=900, unknown=287),
]


def many():
    """A run with several opportunities, states, rejected records, gaps and money."""
    found = [
        *over_stated(
            "1-A2", name="Fabrikam data centre", amount="1200000.00", state="unchanged", first_seen="2026-11-01"
        ),
        discrepancy("CHK002", "1-A3", name="Litware pilot", amount="9000000.00", fix=None, state="reopened"),
        discrepancy(number="1-A4", fix=SAFE),
        discrepancy("CHK013", "1-A5", name=None, owner=None, stage=None, probability=None, amount=None, currency=None),
    ]
    rejected = [
        Rejected(source="siebel", id="", reason="the row has 3 cells, the header 41", place="line 17"),
        Rejected(source="siebel", id="1-A9", reason="this id was seen before with other content", place="line 90"),
    ]
    return report(
        found,
        fixed=[discrepancy(number="1-A0", state="fixed", ended="fixed")],
        rejected=rejected,
        pipeline=PIPELINE,
        no_amount=3,
        coverage=COVERAGE,
        settings={"STG005.grace_days": 14},
    )


def hostile():
    """A run over records whose every text attacks what shows it."""
    found = []
    for number, text in enumerate(HOSTILE):
        texts = dict.fromkeys(("name", "owner", "territory", "account", "message", "phrase", "currency"), text)
        found.append(
            discrepancy(
                "CHK002",
                f"{number} {text}",
                source="hostile",
                actual=text,
                fix=Fix("safe", {"owner": Edit(text, None)}),
                **texts,
            )
        )
    rejected = [Rejected(source="siebel", id=text, reason=text, place=text) for text in HOSTILE]
    source = SourceSummary(
        name="siebel", adapter="file", complete=False, reason=HOSTILE[0], remedy=HOSTILE[3], notes=list(HOSTILE)
    )
    judged = SourceSummary(name="hostile", adapter="file", complete=True, read=12, judged=12)
    return report(found, rejected=rejected, sources=[judged, source])


def incomplete():
    """A run in which one of two sources could not be read whole."""
    sources = [
        SourceSummary(name="siebel", adapter="file", complete=True, read=10, judged=10),
        SourceSummary(
            name="maven",
            adapter="file",
            complete=False,
            read=7,
            reason="the file ends inside a quoted cell at line 8",
            remedy="export it again",
        ),
    ]
    return report([discrepancy(fix=SAFE)], sources=sources)


SAMPLES = {"empty": empty, "one": one, "many": many, "incomplete": incomplete}
"""The reports whose texts are harmless."""


def plan(**given):
    """A plan of two changes, one of which would not be written."""
    changes = [
        Change(
            source="siebel",
            id="1-A4",
            name="Contoso renewal",
            version="7",
            safety="safe",
            rules=["PRB001"],
            set=SAFE.set,
            reason="probability is 60, the chart gives 40 for Solution",
            allowed=True,
            weighted_change="-40000.00",
            currency="USD",
        ),
        Change(
            source="siebel",
            id="1-A2",
            name="Fabrikam data centre",
            version=None,
            safety="unsafe",
            rules=["STG006", "PRB001"],
            set=BACK.set,
            reason="recorded Close, evidence allows Prospect",
            allowed=False,
            refusal="unsafe changes are written only with --unsafe",
            weighted_change="-960000.00",
            currency="USD",
            left_out=["ACME01.owner"],
        ),
    ]
    values = {
        "id": "01JD0000000000000000000002",
        "hash": "sha256:" + "ab" * 32,
        "created_at": datetime(2026, 11, 23, 10, 0, 5, tzinfo=UTC),
        "expires_at": datetime(2026, 11, 24, 10, 0, 5, tzinfo=UTC),
        "changes": lambda: iter(changes),
        "totals": PlanTotals(
            changes=2, safe=1, unsafe=1, opportunities=1187, percent=0.17, weighted_change={"USD": "-1000000.00"}
        ),
        "report": many(),
    }
    return PlanReport(**(values | given))
