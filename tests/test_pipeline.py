"""The weighted pipeline: which records count, by which percentage, in which currency, to the cent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from syncd.judge import Judge
from syncd.model import Opportunity
from syncd.pipeline import Pipeline, recorded_share
from syncd.policy import Policy
from tests.rules.cases import FIGURES, MSSP, OTHER, STAGES, TODAY, record, through

NOTHING: dict[str, dict[str, str]] = {}


def deal(stage: str = "solution", reach: str | None = "develop", rest: object = False, **fields: object) -> Opportunity:
    """A record worth 1000 EUR whose outcomes are met up to `reach`."""
    return record(stage, through(reach, rest=rest), **{"amount": Decimal(1000), "currency": "EUR", **fields})


def added(*opportunities: Opportunity, process=MSSP) -> Pipeline:
    judge, pipeline = Judge(process, Policy(), today=TODAY), Pipeline(process)
    for opportunity in opportunities:
        verdict = judge.judge(opportunity)
        pipeline.add(opportunity, verdict.proven_index, verdict.possible_index)
    return pipeline


def sums(*opportunities: Opportunity, process=MSSP) -> dict[str, tuple[str, ...]]:
    """By currency: recorded, proven, possible, over-stated, under-stated."""
    totals = added(*opportunities, process=process).totals()
    return {
        currency: (one.recorded, one.proven, one.possible, one.over_stated, one.under_stated)
        for currency, one in totals.items()
    }


@pytest.mark.parametrize(
    ("opportunity", "expected"),
    [
        pytest.param(deal(), ("400.00", "400.00", "400.00", "0.00", "0.00"), id="as the chart says"),
        pytest.param(deal(probability=60), ("600.00", "400.00", "400.00", "200.00", "0.00"), id="its own probability"),
        pytest.param(deal(probability=33.3), ("333.00", "400.00", "400.00", "0.00", "67.00"), id="an illegal one too"),
        pytest.param(deal(probability=0), ("0.00", "400.00", "400.00", "0.00", "400.00"), id="zero is a probability"),
        pytest.param(deal(probability=None), ("400.00", "400.00", "400.00", "0.00", "0.00"), id="blank: its stage's"),
        pytest.param(
            deal(unreadable=(("probability", "high"),)),
            ("400.00", "400.00", "400.00", "0.00", "0.00"),
            id="unreadable: its stage's",
        ),
        pytest.param(
            deal(missing=("probability",)), ("400.00", "400.00", "400.00", "0.00", "0.00"), id="missing: its stage's"
        ),
        pytest.param(
            deal(reach="prospect"), ("400.00", "100.00", "100.00", "300.00", "0.00"), id="less proven than recorded"
        ),
        pytest.param(
            deal(reach="proof"), ("400.00", "800.00", "800.00", "0.00", "400.00"), id="more proven than recorded"
        ),
        pytest.param(
            deal(reach="prospect", rest=None),
            ("400.00", "100.00", "1000.00", "300.00", "0.00"),
            id="unknown is possible",
        ),
        pytest.param(
            deal("deploy", "deploy"), ("1000.00", "1000.00", "1000.00", "0.00", "0.00"), id="Support proven weighs 100"
        ),
        pytest.param(
            deal("prospect", None), ("0.00", "0.00", "0.00", "0.00", "0.00"), id="Prospect counts with weight zero"
        ),
        pytest.param(
            deal("deploy", "close", status="won"),
            ("1000.00", "1000.00", "1000.00", "0.00", "0.00"),
            id="won records count",
        ),
        pytest.param(
            deal("develop", "close", status="won"),
            ("200.00", "1000.00", "1000.00", "0.00", "800.00"),
            id="won where recorded",
        ),
        pytest.param(
            deal(amount=Decimal(-500), probability=60),
            ("-300.00", "-200.00", "-200.00", "0.00", "100.00"),
            id="a negative amount",
        ),
    ],
)
def test_what_one_record_weighs(opportunity, expected):
    """Recorded by its own percentage, proven and possible by their stage's; differences split by sign."""
    assert sums(opportunity) == {"EUR": expected}


@pytest.mark.parametrize("status", ["open", "won", "lost"])
@pytest.mark.parametrize("stage", [*STAGES, None])
def test_who_counts(stage, status):
    """Open and won records in Prospect to Deploy count; NA columns, lost records and unknown stages do not."""
    opportunity = deal(stage, "deploy", status=status, probability=50)
    counts = FIGURES.get(stage) is not None and status != "lost"

    assert set(sums(opportunity)) == ({"EUR"} if counts else set())
    assert (recorded_share(MSSP, opportunity) is not None) == counts


@pytest.mark.parametrize("stage", [*STAGES, None])
@pytest.mark.parametrize("fields", [{}, {"unreadable": (("amount", "about 50k"),)}, {"missing": ("amount",)}])
def test_without_an_amount(stage, fields):
    """A record that would count but has no readable amount is counted apart, and no other is."""
    pipeline = added(record(stage, **fields), record(stage, status="lost", **fields))

    assert pipeline.totals() == {}
    assert pipeline.no_amount == (1 if FIGURES.get(stage) is not None else 0)


def test_an_amount_of_zero_is_an_amount():
    """Zero is added, not counted apart."""
    pipeline = added(deal(amount=Decimal(0)))

    assert pipeline.no_amount == 0
    assert pipeline.totals()["EUR"].recorded == "0.00"


def test_over_and_under_stated_are_never_netted():
    """A record claiming too much and one claiming too little stand beside each other."""
    over, under = deal(probability=60), deal(probability=20)

    assert sums(over, under) == {"EUR": ("800.00", "800.00", "800.00", "200.00", "200.00")}


def test_opposite_signs_are_never_netted():
    """An amount and its reversal, both over-claimed, are over- and under-stated."""
    amount = Decimal(1000)

    assert sums(deal(probability=60, amount=amount), deal(probability=60, amount=-amount)) == {
        "EUR": ("0.00", "0.00", "0.00", "200.00", "200.00")
    }


def test_currencies_are_kept_apart():
    """Each currency has sums of its own, in the order of the codes; without one they stand under XXX."""
    totals = sums(deal(currency="USD"), deal(currency=None), deal(currency="EUR"), deal(currency="USD"))

    assert list(totals) == ["EUR", "USD", "XXX"]
    assert [one[0] for one in totals.values()] == ["400.00", "800.00", "400.00"]


def test_sums_are_exact():
    """Amounts that floats would get wrong add up to the cent, whatever the order."""
    odd = [deal(amount=Decimal(text), probability=33.3) for text in ("0.10", "0.20", "9007199254740993.07", "0.63")]

    forwards, backwards = sums(*odd), sums(*reversed(odd))

    assert forwards == backwards
    # 33.3 % of 9007199254740994.00
    assert forwards["EUR"][0] == "2999397351828751.00"


def test_cents_are_rounded_once():
    """Fractions of a cent add up before they are rounded."""
    tenths = [deal("qualify", "prospect", amount=Decimal("0.04")) for _ in range(10)]

    assert sums(*tenths)["EUR"][0] == "0.04"


def test_another_chart_weighs_by_its_own_figures():
    """The percentages are those of the chart in use."""
    facts = {"discovery.need_confirmed": True, "evaluation.trial_passed": False}
    opportunity = record("contract", facts, process=OTHER, amount=Decimal(100), currency="EUR")

    assert sums(opportunity, process=OTHER) == {"EUR": ("75.00", "35.00", "35.00", "40.00", "0.00")}


def test_an_empty_pipeline():
    """Without records there is no currency."""
    assert sums() == NOTHING


@pytest.mark.parametrize(
    ("amounts", "probability", "recorded"),
    [
        (["1e26", "0.01"], 40, f"4{'0' * 25}.00"),
        (["9" * 40, "1"], 100, f"1{'0' * 40}.00"),
        ([f"1{'0' * 39}"], 999999999999999, f"999999999999999{'0' * 37}.00"),
        (["100000000000000000000000000000.01", "-100000000000000000000000000000"], 100, "0.01"),
    ],
)
def test_large_amounts_are_summed_exactly(amounts, probability, recorded):
    """The largest amount and probability that can be read neither stop the run nor round the others away."""
    deals = [deal(amount=Decimal(amount), probability=probability) for amount in amounts]

    assert sums(*deals)["EUR"][0] == recorded
