"""The plan: one change an opportunity, why it may not be written, what it moves, its limits and its hash."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import msgspec
import pytest

from syncd.judge import Judge
from syncd.model import Change, Edit, Opportunity
from syncd.plan import PlanSums, WriteRights, change_for, changed
from syncd.policy import Limits, Policy
from syncd.rules.custom import CustomRuleSpec, compile_custom
from tests.rules.cases import MSSP, TODAY, day, record, through

RIGHTS = WriteRights(
    source="crm",
    mode="all",
    adapter_writes=True,
    fields=frozenset({"stage", "probability"}),
    na_probability=True,
    unsafe=True,
    builtin=frozenset(Judge(MSSP, Policy(), today=TODAY).codes),
)

SAFE = record("solution", through("develop"), probability=60)
UNSAFE = record("proof", through("develop"))
CLEARS = record("support", through("deploy"), probability=100)
FORECAST = record("support", through("deploy"), forecast=True)


def change(opportunity: Opportunity, rights: WriteRights = RIGHTS, *rules: CustomRuleSpec) -> Change | None:
    judge = Judge(MSSP, Policy(), today=TODAY, extra=compile_custom(rules, MSSP))
    return change_for(MSSP, opportunity, judge.judge(opportunity), rights)


def test_what_a_change_carries():
    """A change names source, record, version, rules, reason and the fields in order, each from its recorded value."""
    opportunity = msgspec.structs.replace(
        record("proof", through("develop"), probability=80), id="1-A1", name="Acme", version="7", currency="EUR"
    )

    found = change(opportunity)

    assert (found.source, found.id, found.name, found.version, found.currency) == ("crm", "1-A1", "Acme", "7", "EUR")
    assert found.rules == ["PRB001", "STG006"]
    assert list(found.set.items()) == [("probability", Edit(80, 40)), ("stage", Edit("proof", "solution"))]
    assert found.reason.startswith("PRB001: probability is 80")
    assert "; STG006: recorded Proof, evidence allows Solution" in found.reason
    assert (found.safety, found.allowed, found.refusal, found.left_out) == ("unsafe", True, "", [])


@pytest.mark.parametrize(
    "opportunity",
    [
        pytest.param(record("solution", through("develop")), id="clean"),
        pytest.param(record("proof", through("develop"), status="lost"), id="lost"),
        pytest.param(record("close", through("solution", rest=None)), id="nothing can be told"),
        pytest.param(record("proof", through("solution") | {"proof.proposal_issued": True}), id="nothing can be cured"),
    ],
)
def test_no_change(opportunity):
    """A record without a discrepancy that has a fix has no change."""
    assert change(opportunity) is None


@pytest.mark.parametrize(
    ("opportunity", "rights", "refusal"),
    [
        pytest.param(SAFE, {"adapter_writes": False}, "the source's adapter only reads", id="adapter"),
        pytest.param(SAFE, {"mode": "off"}, 'write = "off" for source crm', id="switch"),
        pytest.param(
            UNSAFE,
            {"fields": frozenset({"probability"})},
            "the mapping's write list does not have stage",
            id="write list",
        ),
        pytest.param(FORECAST, {}, "the mapping's write list does not have forecast", id="forecast"),
        pytest.param(
            UNSAFE,
            {"fields": frozenset()},
            "the mapping's write list does not have probability, stage",
            id="empty write list",
        ),
        pytest.param(
            CLEARS,
            {"na_probability": False},
            "the mapping does not say what no probability is (na_probability)",
            id="no probability",
        ),
        pytest.param(UNSAFE, {"unsafe": False}, "unsafe: only with --unsafe", id="not asked for"),
        pytest.param(UNSAFE, {"mode": "safe"}, 'unsafe: needs write = "all" for source crm', id="safe only"),
    ],
)
def test_refusals(opportunity, rights, refusal):
    """A change that may not be written is planned all the same, not allowed, with the reason."""
    found = change(opportunity, dataclasses.replace(RIGHTS, **rights))

    assert (found.allowed, found.refusal) == (False, refusal)


@pytest.mark.parametrize(
    ("opportunity", "rights"),
    [
        pytest.param(SAFE, {"mode": "safe", "unsafe": False}, id="safe"),
        pytest.param(SAFE, {"mode": "all", "unsafe": False, "na_probability": False}, id="safe under all"),
        pytest.param(UNSAFE, {"na_probability": False}, id="unsafe, asked for"),
        pytest.param(CLEARS, {"fields": frozenset({"probability"})}, id="clearing"),
        pytest.param(FORECAST, {"fields": frozenset({"forecast"})}, id="forecast on the list"),
    ],
)
def test_allowed(opportunity, rights):
    """A change that the settings permit is allowed."""
    found = change(opportunity, dataclasses.replace(RIGHTS, **rights))

    assert (found.allowed, found.refusal) == (True, "")


def test_nothing_is_allowed_by_default():
    """Without any setting, no change is allowed."""
    assert not change(SAFE, WriteRights(source="crm")).allowed


@pytest.mark.parametrize(
    ("opportunity", "moved"),
    [
        pytest.param(record("solution", through("develop"), probability=60), "-200.00", id="down"),
        pytest.param(record("solution", through("develop"), probability=10), "300.00", id="up"),
        pytest.param(record("solution", through("develop"), probability=33.3), "67.00", id="to the cent"),
        pytest.param(record("solution", through("develop"), probability=None), "0.00", id="blank weighed as its stage"),
        pytest.param(record("proof", through("develop")), "-200.00", id="stage back"),
        pytest.param(record("develop", through("develop", met=day(-30))), "200.00", id="stage up"),
        pytest.param(record("deploy", through("deploy", met=day(-30))), "-1000.00", id="out of the pipeline"),
        pytest.param(record("support", through("close")), "1000.00", id="back into the pipeline"),
        pytest.param(record("support", through("deploy"), probability=50), "0.00", id="never was in the pipeline"),
        pytest.param(FORECAST, "0.00", id="neither stage nor probability"),
    ],
)
def test_weighted_change(opportunity, moved):
    """A change says how much weighted pipeline it moves, with the sign of the move."""
    found = change(msgspec.structs.replace(opportunity, amount=Decimal(1000), currency="EUR"))

    assert (found.weighted_change, found.currency) == (moved, "EUR")


def test_without_an_amount_nothing_is_moved():
    """A record without an amount moves no money."""
    assert change(SAFE).weighted_change == "0.00"


def test_changed_cures_what_could_not_be_read():
    """After a change a field that was unreadable holds its new value; other faults stay."""
    opportunity = record("solution", through("develop"), unreadable=(("probability", "high"), ("amount", "x")))

    after = changed(opportunity, change(opportunity))

    assert (after.probability, after.unreadable) == (40, (("amount", "x"),))


def custom(code: str = "ACME001", condition: str = "stage == 'solution'", **fix: object) -> CustomRuleSpec:
    return CustomRuleSpec(
        code=code, severity="warning", message="ours", condition=condition, fix_safety="safe", fix_set=fix
    )


def test_a_custom_fix_that_contradicts_is_left_out():
    """The catalogue's fix stands; a custom one that wants another value gives way, whatever its code, and is named."""
    for code in ("ACME001", "ZULU001"):
        found = change(SAFE, RIGHTS, custom(code, probability=20))

        assert found.set == {"probability": Edit(60, 40)}
        assert (found.rules, found.left_out) == (["PRB001"], [f"{code}.probability"])


def test_a_custom_fix_that_agrees_is_merged():
    """A custom fix that wants the same, or another field, is part of the change, which has the lowest grade."""
    agreeing = change(SAFE, RIGHTS, custom(probability=40))
    beside = change(UNSAFE, RIGHTS, custom(condition="stage == 'proof'", owner="Ann"))

    assert (agreeing.rules, agreeing.safety, agreeing.left_out) == (["PRB001", "ACME001"], "safe", [])
    assert beside.set.keys() == {"stage", "probability", "owner"}
    assert (beside.safety, beside.rules, beside.left_out) == ("unsafe", ["STG006", "ACME001"], [])


def test_a_custom_fix_is_left_out_whole():
    """Of a custom fix that contradicts in one field, no other field is written either."""
    found = change(SAFE, RIGHTS, custom(probability=20, owner="Ann"))

    assert set(found.set) == {"probability"}
    assert found.left_out == ["ACME001.probability"]


def test_two_custom_fixes_that_contradict():
    """Between two custom rules the first code stands."""
    found = change(SAFE, RIGHTS, custom("BETA001", owner="Bob"), custom("ACME001", owner="Ann"))

    assert found.set["owner"].after == "Ann"
    assert found.left_out == ["BETA001.owner"]


def moving(amount: object, probability: float = 60, currency: str | None = "EUR", name: str = "1") -> Change:
    """A change of a record in Solution that moves (40 - probability) % of an amount."""
    opportunity = record(
        "solution", through("develop"), probability=probability, amount=Decimal(str(amount)), currency=currency
    )
    return change(msgspec.structs.replace(opportunity, id=name))


def plan(*changes: Change) -> PlanSums:
    sums = PlanSums()
    for one in changes:
        sums.add(one)
    return sums


def limits_hit(sums: PlanSums, limits: Limits, opportunities: int = 1000) -> dict[str, tuple[object, object]]:
    return {one["limit"]: (one["value"], one["allowed"]) for one in sums.exceeded(limits, opportunities)}


def test_totals():
    """A plan counts changes by grade, and money by currency: net with its sign, gross without."""
    sums = plan(moving(1000), moving(1000, 10), moving(500, currency=None), change(UNSAFE))

    assert (sums.changes, sums.safe, sums.unsafe) == (4, 3, 1)
    assert sums.net == {"EUR": Decimal(100), "XXX": Decimal(-100)}
    assert sums.gross == {"EUR": Decimal(500), "XXX": Decimal(100)}


@pytest.mark.parametrize(("count", "exceeded"), [(2, False), (3, True)])
def test_max_changes(count, exceeded):
    """A plan may have exactly `max_changes` changes, and not one more."""
    hit = limits_hit(plan(*[moving(1)] * count), Limits(max_changes=2))

    assert hit == ({"max_changes": (3, 2)} if exceeded else {})


@pytest.mark.parametrize(
    ("changes", "opportunities", "hit"),
    [
        (3, 10, {}),
        (4, 10, {"max_percent": (40.0, 30.0)}),
        (1, 3, {"max_percent": (33.3, 30.0)}),
        (1, 1, {"max_percent": (100.0, 30.0)}),
        (1, 4, {}),
        (0, 0, {}),
        (0, 5, {}),
        # Won records alone: there is no open one that they would be a share of.
        (1, 0, {"max_percent": (100.0, 30.0)}),
        # 30.04 % is shown as 30.0, and is more than 30 all the same.
        (751, 2500, {"max_percent": (30.0, 30.0), "max_changes": (751, 500)}),
    ],
)
def test_max_percent(changes, opportunities, hit):
    """A plan may change exactly `max_percent` of the open opportunities judged, small sets included."""
    assert limits_hit(plan(*[moving(1)] * changes), Limits(), opportunities) == hit


@pytest.mark.parametrize(
    ("limit", "hit"),
    [("200.00", {}), ("199.99", {"max_weighted_change.EUR": ("200.00", "199.99")})],
)
def test_max_weighted_change(limit, hit):
    """The limit on money is by currency, and exactly the limit may move; a currency without one has none."""
    limits = Limits(max_weighted_change={"EUR": Decimal(limit), "USD": Decimal(1)})

    assert limits_hit(plan(moving(1000), moving(10**9, currency="GBP")), limits) == hit


def test_moves_up_and_down_do_not_hide_each_other():
    """The limit on money looks at what moves in either direction, not at the difference."""
    sums = plan(moving(1000, 60), moving(1000, 20))

    assert sums.net["EUR"] == 0
    assert limits_hit(sums, Limits(max_weighted_change={"EUR": Decimal(300)})) == {
        "max_weighted_change.EUR": ("400.00", "300.00")
    }


def test_every_limit_that_is_exceeded_is_told():
    """A plan over several limits names each."""
    limits = Limits(max_changes=1, max_percent=10, max_weighted_change={"EUR": Decimal(1), "USD": Decimal(1)})

    hit = limits_hit(plan(moving(1000), moving(1000, currency="USD")), limits, 10)

    assert set(hit) == {"max_changes", "max_percent", "max_weighted_change.EUR", "max_weighted_change.USD"}


@pytest.mark.parametrize(
    ("changes", "opportunities", "percent"), [(1, 3, 33.3), (2, 3, 66.7), (1, 1187, 0.1), (0, 0, 0.0), (0, 9, 0.0)]
)
def test_percent(changes, opportunities, percent):
    """The share is told in percent, to one place."""
    assert plan(*[moving(1)] * changes).percent(opportunities) == percent


def test_the_hash_is_of_the_content():
    """The same changes in the same order have the same hash; no changes have one too."""
    assert plan(moving(1), moving(2, name="2")).hash() == plan(moving(1), moving(2, name="2")).hash()
    assert plan().hash() == plan().hash()
    assert plan().hash().startswith("sha256:")


def test_the_hash_does_not_depend_on_the_order_fields_were_set_in():
    """The hash of a change is that of its content, not of how its fields happen to be ordered."""
    one = change(UNSAFE)
    other = msgspec.structs.replace(one, set=dict(reversed(one.set.items())))

    assert list(one.set) != list(other.set)
    assert plan(one).hash() == plan(other).hash()


@pytest.mark.parametrize(
    "edited",
    [
        {"set": {"probability": Edit(60, 20)}},
        {"set": {"probability": Edit(80, 40)}},
        {"set": {"stage": Edit(60, 40)}},
        {"version": "8"},
        {"id": "2"},
        {"source": "other"},
        {"safety": "unsafe"},
        {"allowed": False},
        {"rules": ["PRB002"]},
        {"weighted_change": "1.00"},
    ],
)
def test_the_hash_changes_with_the_content(edited):
    """Whatever is edited in a change, the plan has another hash."""
    original = change(SAFE)

    assert plan(original).hash() != plan(msgspec.structs.replace(original, **edited)).hash()


def test_the_hash_covers_every_change():
    """A change more, a change less or another order is another plan."""
    one, two = moving(1), moving(2, name="2")

    assert len({plan(*some).hash() for some in ((), (one,), (two,), (one, two), (two, one), (one, two, two))}) == 6
