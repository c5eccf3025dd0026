"""The same input judged as of the same day says the same, to the byte, and changed input says what changed."""

import json

import pytest

DAY = ("--as-of", "2026-03-02")


def deal(identity, stage="qualify", probability=10, sponsor="no", **fields):
    base = {"id": identity, "name": f"Deal {identity}", "stage": stage, "probability": probability, "amount": "1000.50"}
    known = {"currency": "EUR", "status": "open", "owner": "ann", "prospect.sponsor_identified": sponsor}
    return base | known | fields


DEALS = [deal("1"), deal("2", sponsor="yes"), deal("3", probability=20), deal("4", stage="solution", probability="x")]


def states(outcome):
    document = outcome.json
    return {(one["id"], one["rule"]): one["state"] for key in ("discrepancies", "fixed") for one in document[key]}


def test_two_runs_on_one_database(any_desk):
    """Two runs over the same input as of the same day give the same bytes, run id and all."""
    any_desk.deals(*DEALS)

    first, second = any_desk.check(*DAY), any_desk.check(*DAY)

    assert len(first.json["discrepancies"]) > 3
    assert second.raw == first.raw
    assert (second.code, second.err) == (first.code, first.err) == (1, f"run {first.json['run']}\n")


@pytest.mark.parametrize("form", ["json", "csv", "github", "text"])
def test_two_fresh_databases(desk, form):
    """The same holds between databases that never heard of one another, in every format."""
    desk.deals(*DEALS)
    outputs = []
    for name in ("one", "two"):
        desk.configure(f"sqlite:///{name}.db")
        outputs.append(desk.syncd("check", "--output-format", form, *DAY))

    assert outputs[1].raw == outputs[0].raw
    assert len(outputs[0].raw) > 100


@pytest.mark.postgresql
def test_both_kinds_of_database(desk, postgresql_url):
    """SQLite and PostgreSQL give the same bytes, over changes as well."""
    told = []
    for url in ("sqlite:///store.db", postgresql_url):
        desk.configure(url)
        desk.deals(*DEALS)
        first = desk.check(*DAY)
        desk.deals(*DEALS[1:], deal("5"), deal("2", sponsor="no"))
        told.append((first.raw, desk.check(*DAY).raw))

    assert told[1] == told[0]


def test_changed_input_on_the_same_day(any_desk):
    """Over changed input the same day's next run tells new, fixed and reopened from unchanged."""
    any_desk.deals(deal("1"), deal("2"), deal("3"), deal("4", sponsor="yes"))
    select = (*DAY, "--select", "OUT002")
    first = any_desk.check(*select)
    any_desk.deals(deal("1"), deal("2", sponsor="yes"), deal("4"))
    second = any_desk.check(*select)
    again = any_desk.check(*select)
    any_desk.deals(deal("1"), deal("2"), deal("3"), deal("4", sponsor=""))
    third = any_desk.check(*select)

    assert states(first) == {("1", "OUT002"): "new", ("2", "OUT002"): "new", ("3", "OUT002"): "new"}
    assert states(second) == {
        ("1", "OUT002"): "unchanged",
        ("4", "OUT002"): "new",
        ("2", "OUT002"): "fixed",
        ("3", "OUT002"): "fixed",
    }
    assert again.raw == second.raw
    assert states(third) == {
        ("1", "OUT002"): "unchanged",
        ("2", "OUT002"): "reopened",
        ("3", "OUT002"): "reopened",
        ("4", "OUT002"): "fixed",
    }
    ended = {one["id"]: one["ended"] for one in second.json["fixed"] + third.json["fixed"]}
    assert ended == {"2": "fixed", "3": "gone", "4": "undecidable"}
    assert third.json["summary"]["by_state"] == {"new": 0, "unchanged": 1, "reopened": 2, "fixed": 1}
    assert len({one.json["run"] for one in (first, second, third)}) == 3


def test_the_same_changes_elsewhere_say_the_same(desk):
    """A whole sequence of runs repeated on a fresh database gives the same bytes run by run."""
    steps = [DEALS, [deal("1", sponsor="yes"), *DEALS[1:]], DEALS[:3], DEALS]
    told = []
    for name in ("one", "two"):
        desk.configure(f"sqlite:///{name}.db")
        for step in steps:
            desk.deals(*step)
            told.append(desk.check(*DAY).raw)

    assert told[4:] == told[:4]
    assert len(set(told)) == 4


def test_without_a_day_a_second_run_is_unchanged(any_desk):
    """Two runs by the clock are two runs; the second one finds nothing new."""
    any_desk.deals(*DEALS)

    first, second = any_desk.check(), any_desk.check()

    assert first.json["run"] != second.json["run"]
    assert set(states(first).values()) == {"new"}
    assert set(states(second).values()) == {"unchanged"}
    assert second.found() == first.found()


def test_history_tells_the_story(any_desk):
    """One opportunity's story: first seen, found, changed, fixed, relapsed, gone, each on its day and in order."""
    days = ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05"]
    for day, deals in zip(
        days,
        ([deal("1"), deal("2")], [deal("1", sponsor="yes"), deal("2")], [deal("1"), deal("2")], [deal("2")]),
        strict=True,
    ):
        any_desk.deals(*deals)
        any_desk.check("--as-of", day, "--select", "OUT002")

    text = any_desk.syncd("history", "1").out
    (story,) = any_desk.syncd("history", "1", "--json").json

    assert [(one["day"], one["kind"]) for one in story["events"]] == [
        (days[0], "first seen"),
        (days[0], "found"),
        (days[1], "changed"),
        (days[1], "fixed"),
        (days[2], "changed"),
        (days[2], "relapsed"),
        (days[3], "gone"),
        (days[3], "ended"),
    ]
    changed = next(one["text"] for one in story["events"] if one["kind"] == "changed")
    assert changed == "prospect.sponsor_identified: not met → met"
    assert "OUT002" in text
    assert text.splitlines()[0] == "1  Deal 1  (source crm)"
    assert len(text.splitlines()) == 9


def test_a_report_of_an_earlier_day_says_what_was_said_then(any_desk):
    """`report --as-of` gives the report of that day to the byte, whatever has changed since."""
    any_desk.deals(*DEALS)
    first = any_desk.check("--as-of", "2026-03-02")
    any_desk.deals(deal("1", name="renamed"), deal("2"), deal("6"), deal("3", probability=40))
    second = any_desk.check("--as-of", "2026-03-10")
    any_desk.deals(deal("1", sponsor="yes"), deal("2"), deal("6"))
    any_desk.check("--as-of", "2026-03-20")

    told = [any_desk.syncd("report", "--format", "json", "--as-of", day) for day in ("2026-03-09", "2026-03-10")]

    assert [one.code for one in told] == [0, 0]
    assert [one.raw for one in told] == [first.raw, second.raw]


def test_the_plan_is_the_same_but_for_its_times(desk):
    """Two dry runs over the same input plan the same changes under the same hash."""
    desk.deals(*DEALS)
    plans = [desk.syncd("reconcile", "--dry-run", "--output-format", "json", *DAY).json for _ in range(2)]
    for plan in plans:
        assert plan.pop("created_at") < plan.pop("expires_at")

    assert json.dumps(plans[0]) == json.dumps(plans[1])
    assert plans[0]["changes"] != []
