"""The life of a discrepancy over runs, from new to gone, and what earlier runs said of it."""

import msgspec
import pytest

from syncd.model import Discrepancy
from syncd.store import open_store
from syncd.store.schema import discrepancy
from tests.store.runs import Runs, day, deal

SPONSOR = "prospect.sponsor_identified"
CRITERIA = "prospect.meets_criteria"


def qualified(identity, sponsor="no", criteria="yes", **fields):
    """A record in Qualify that breaks OUT002 unless it has a sponsor, and CHK002 unless it meets the criteria."""
    return deal(identity, stage="qualify", probability="10", **{SPONSOR: sponsor, CRITERIA: criteria}, **fields)


ONE, BOTH = ("OUT002",), ("OUT002", "CHK002")


def test_new_then_unchanged(runs):
    """What a run finds first is new; the next run that finds it again says it is unchanged, since when, until when."""
    first = runs.run(qualified("1"), select=ONE)
    second = runs.run(qualified("1"), select=ONE)

    assert [(one.rule, one.state, one.first_seen, one.last_seen) for one in runs.open(second)] == [
        ("OUT002", "unchanged", day(1).isoformat(), day(2).isoformat())
    ]
    assert runs.states(first) == {("1", "OUT002"): "new"}
    assert first.summary.by_state == {"new": 1, "unchanged": 0, "reopened": 0, "fixed": 0} | first.summary.by_state
    assert second.summary.by_state["unchanged"] == 1


def test_fixed_once(runs):
    """What a run no longer finds is fixed in that run, and no longer mentioned after it."""
    runs.run(qualified("1"), select=ONE)
    second = runs.run(qualified("1", "yes"), select=ONE)
    third = runs.run(qualified("1", "yes"), select=ONE)

    (fixed,) = runs.closed(second)
    assert (fixed.state, fixed.ended, fixed.first_seen, fixed.last_seen) == (
        "fixed",
        "fixed",
        day(1).isoformat(),
        day(1).isoformat(),
    )
    assert runs.open(second) == []
    assert second.summary.by_state["fixed"] == 1
    assert runs.states(third) == {}
    assert third.summary.by_state["fixed"] == 0


def test_reopened_keeps_its_first_day(runs):
    """A relapse is reopened, not new, and remembers when it was first seen."""
    for sponsor in ("no", "yes"):
        runs.run(qualified("1", sponsor), select=ONE)
    third = runs.run(qualified("1"), select=ONE)
    fourth = runs.run(qualified("1"), select=ONE)

    (again,) = runs.open(third)
    assert (again.state, again.first_seen, again.last_seen) == ("reopened", day(1).isoformat(), day(3).isoformat())
    assert third.summary.by_state["reopened"] == 1
    assert runs.states(fourth) == {("1", "OUT002"): "unchanged"}
    assert runs.open(fourth)[0].first_seen == day(1).isoformat()


@pytest.mark.parametrize(
    ("after", "ended"),
    [
        ([qualified("1", "yes")], "fixed"),
        ([qualified("1", "")], "undecidable"),
        ([qualified("1", "no", status="lost")], "lost"),
        ([deal("2")], "gone"),
        ([], "gone"),
    ],
)
def test_why_it_ended(runs, after, ended):
    """What ends a discrepancy is told apart: cured, no longer decidable, the deal lost, or the record gone."""
    runs.run(qualified("1"), select=ONE)
    second = runs.run(*after, select=ONE)

    assert runs.states(second) == {("1", "OUT002"): f"fixed: {ended}"}
    assert second.summary.by_state["fixed"] == 1


def test_a_record_that_went_and_returns_relapses(runs):
    """When a record comes back with its fault, the fault is reopened."""
    runs.run(qualified("1"), deal("2"), select=ONE)
    runs.run(deal("2"), select=ONE)
    third = runs.run(qualified("1"), deal("2"), select=ONE)

    assert runs.states(third) == {("1", "OUT002"): "reopened"}


def test_a_narrower_selection_leaves_others_alone(runs):
    """The life of a rule that a run does not judge stands still: neither fixed nor seen."""
    runs.run(qualified("1", criteria="no"), select=BOTH)
    narrow = runs.run(qualified("1", criteria="yes"), select=ONE)
    assert runs.states(narrow) == {("1", "OUT002"): "unchanged"}

    gone = runs.run(deal("2"), select=ONE)
    assert runs.states(gone) == {("1", "OUT002"): "fixed: gone"}

    whole = runs.run(qualified("1", criteria="no"), select=BOTH)
    assert runs.states(whole) == {("1", "OUT002"): "reopened", ("1", "CHK002"): "unchanged"}


def test_another_source_is_left_alone(runs):
    """A run of one source says nothing of another's discrepancies."""
    runs.run(sources=[runs.source([qualified("1")], name="a"), runs.source([qualified("1")], name="b")], select=ONE)
    only = runs.run(sources=[runs.source([qualified("1", "yes")], name="a")], select=ONE)
    both = runs.run(
        sources=[runs.source([qualified("1", "yes")], name="a"), runs.source([qualified("1")], name="b")], select=ONE
    )

    assert only.summary.by_state["fixed"] == 1
    assert [(one.source, one.state) for one in runs.open(both)] == [("b", "unchanged")]


def test_an_incomplete_source_is_left_alone(runs):
    """Nothing is fixed or new for a source that broke off, and the next whole run goes on where it was."""
    runs.run(sources=[runs.source([qualified("1"), qualified("2")])], select=ONE)
    cut = runs.run(sources=[runs.source([qualified("1", "yes"), qualified("2")], cut_after=1)], select=ONE)
    whole = runs.run(sources=[runs.source([qualified("1"), qualified("2", "yes")])], select=ONE)

    assert [one.complete for one in cut.summary.sources] == [False]
    assert cut.summary.by_state == {}
    assert runs.states(whole) == {("1", "OUT002"): "unchanged", ("2", "OUT002"): "fixed: fixed"}


def test_an_earlier_run_reads_as_it_was(runs):
    """Whatever happened since, reading back a run gives the discrepancies of that day."""
    results = [
        runs.run(qualified("1"), qualified("2"), select=ONE),
        runs.run(qualified("1", "yes"), qualified("2"), qualified("3"), select=ONE),
        runs.run(qualified("1"), qualified("3"), select=ONE),
    ]
    runs.run(qualified("1", "yes"), select=ONE)

    assert [runs.states(one) for one in results] == [
        {("1", "OUT002"): "new", ("2", "OUT002"): "new"},
        {("1", "OUT002"): "fixed: fixed", ("2", "OUT002"): "unchanged", ("3", "OUT002"): "new"},
        {("1", "OUT002"): "reopened", ("2", "OUT002"): "fixed: gone", ("3", "OUT002"): "unchanged"},
    ]
    assert [one.last_seen for one in runs.open(results[1])] == [day(2).isoformat()] * 2


def test_an_earlier_run_reads_in_its_own_words(runs):
    """A discrepancy that goes on while its record changes says of each run what it said then."""
    first = runs.run(qualified("1", name="Old", amount="10", currency="USD"), select=ONE)
    second = runs.run(qualified("1", name="New", amount="20", currency="USD"), select=ONE)
    third = runs.run(qualified("1", name="Newest", amount="20", currency="USD"), select=ONE)
    runs.run(qualified("1", "yes", name="Newest", amount="20", currency="USD"), select=ONE)
    runs.run(qualified("1", name="Relapsed", amount="20", currency="USD"), select=ONE)

    told = [[(one.name, one.amount) for one in runs.open(each)] for each in (first, second, third)]

    assert told == [[("Old", "10")], [("New", "20")], [("Newest", "20")]]


def test_raw_reading_is_the_same_reading(runs):
    """The JSON that reports write is the discrepancy that everything else reads, in the same order."""
    records = [qualified(str(number), criteria="no", name='Ü "x" </script>\n') for number in range(3)]
    first = runs.run(*records)
    second = runs.run(*records[1:])

    for each in (first, second):
        decoded = [msgspec.json.decode(line, type=Discrepancy) for line in runs.open_raw(each)]
        assert decoded == runs.open(each)
        assert len(decoded) > 0


def test_more_than_a_page_is_read_whole(runs):
    """Thousands of discrepancies, some of them two a record, are read back each once and in order."""
    records = [qualified(f"{number:05}", criteria="no") for number in range(1_700)]
    result = runs.run(*records, select=BOTH)

    found = [(one.id, one.rule) for one in runs.open(result)]

    assert found == [(f"{number:05}", rule) for number in range(1_700) for rule in ("CHK002", "OUT002")]


def test_a_rerun_of_the_same_writes_no_discrepancy(runs):
    """A run that finds what is known leaves every row as it is."""
    runs.run(qualified("1"), qualified("2"), select=ONE)
    before = runs.rows(discrepancy, *discrepancy.c)

    runs.run(qualified("1"), qualified("2"), select=ONE)

    assert runs.rows(discrepancy, *discrepancy.c) == before


def test_history_survives_reopening_the_store(runs, database_url):
    """Another process that opens the store later goes on with the same lives."""
    runs.run(qualified("1"), select=ONE)
    runs.store.close()
    store = open_store(database_url)
    later = Runs(store)
    later._days = 1

    result = later.run(qualified("1"), select=ONE)

    assert later.states(result) == {("1", "OUT002"): "unchanged"}
    store.close()
