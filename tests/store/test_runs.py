"""Runs in the store: their numbers, their names, and when a run is the one before it."""

from datetime import UTC, datetime

import pytest

from syncd.model import Rejected
from syncd.store import open_store
from syncd.store.runs import (
    add_rejections,
    begin_run,
    fail_run,
    last_finished,
    list_runs,
    read_rejections,
    summary_of,
)
from syncd.store.schema import discrepancy, run
from syncd.store.sources import source_row
from tests.store.runs import Runs, day, deal
from tests.store.test_discrepancies import ONE, qualified


def pinned(runs, *records, number=1, **wishes):
    return runs.run(*records, today=day(number), pinned=True, select=ONE, **wishes)


def test_a_pinned_repeat_is_the_same_run(runs):
    """The same input judged as of the same given day again is the same run: number, id, summary and findings."""
    first = pinned(runs, qualified("1"), qualified("2", "yes"))
    told = runs.open_raw(first)
    again = pinned(runs, qualified("1"), qualified("2", "yes"))

    assert (again.seq, again.summary.run) == (first.seq, first.summary.run)
    assert runs.open_raw(again) == told
    assert again.summary.by_state == first.summary.by_state
    assert runs.count(run) == 1


def test_a_pinned_repeat_says_fixed_and_reopened_again(runs):
    """Repeating a run that fixed and reopened something says the same once more."""
    pinned(runs, qualified("1"), qualified("2", "yes"), qualified("3"))
    pinned(runs, qualified("1", "yes"), qualified("2"), qualified("3"), number=2)
    third = pinned(runs, qualified("1"), qualified("2", "yes"), number=3)
    expected = {
        ("1", "OUT002"): "reopened",
        ("2", "OUT002"): "fixed: fixed",
        ("3", "OUT002"): "fixed: gone",
    }
    assert runs.states(third) == expected

    again = pinned(runs, qualified("1"), qualified("2", "yes"), number=3)

    assert runs.states(again) == expected
    assert again.summary.by_state == third.summary.by_state
    assert runs.count(run) == 3


def test_a_run_by_the_clock_is_its_own(runs):
    """Without a given day every run is a new one, also over the same input at the same second."""
    moment = datetime(2026, 3, 2, 9, tzinfo=UTC)
    names = {runs.run(qualified("1"), select=ONE, today=day(1), clock=moment).summary.run for _ in range(3)}

    assert len(names) == 3
    assert runs.count(run) == 3


@pytest.mark.parametrize("what", ["day", "input", "rules", "clock"])
def test_what_makes_a_pinned_run_another(runs, what):
    """Another day, other input, other rules, or a run by the clock in between: then it is a run of its own."""
    first = pinned(runs, qualified("1"))
    match what:
        case "day":
            second = pinned(runs, qualified("1"), number=2)
        case "input":
            second = pinned(runs, qualified("1", name="x"))
        case "rules":
            second = runs.run(qualified("1"), today=day(1), pinned=True, select=("OUT002", "CHK002"))
        case _:
            runs.run(qualified("1"), select=ONE, today=day(1))
            second = pinned(runs, qualified("1"))

    assert second.summary.run != first.summary.run
    assert runs.states(second)["1", "OUT002"] == "unchanged"


def test_the_same_input_in_two_stores_is_the_same_run(runs, tmp_path):
    """A pinned run over the same input has the same id and findings wherever it is made."""
    other = Runs(open_store(f"sqlite:///{tmp_path}/other.db"))

    here, there = pinned(runs, qualified("1")), pinned(other, qualified("1"))

    assert there.summary.run == here.summary.run
    assert other.open_raw(there) == runs.open_raw(here)
    other.store.close()


def test_a_broken_off_repeat_is_forgotten(runs):
    """A run that was killed before it changed anything does not come between a run and its repeat."""
    first = pinned(runs, qualified("1"))
    with runs.store.write() as connection:
        begin_run(connection, command="check", as_of=day(1), pinned=True, now=datetime(2026, 3, 2, tzinfo=UTC))

    again = pinned(runs, qualified("1"))

    assert again.summary.run == first.summary.run


def test_numbers_rise_and_newest_come_first(runs):
    """Runs are numbered in their order and listed newest first."""
    for _ in range(3):
        runs.run(deal("1"))
    with runs.store.read() as connection:
        listed = list_runs(connection, limit=2)

    assert [one.seq for one in listed] == [3, 2]
    assert [one.state for one in listed] == ["finished", "finished"]
    assert listed[0].previous == listed[1].run
    assert listed[0].started_at.tzinfo is not None


def test_the_last_run_as_of_a_day(runs):
    """The newest finished run on or before a day is found; unfinished and later ones are not."""
    for number in (1, 3):
        runs.run(deal("1"), today=day(number))
    with runs.store.write() as connection:
        seq = begin_run(connection, command="check", as_of=day(2), pinned=False, now=datetime(2026, 3, 9, tzinfo=UTC))
        fail_run(connection, seq=seq, now=datetime(2026, 3, 9, tzinfo=UTC), state="interrupted")
    with runs.store.read() as connection:
        found = [last_finished(connection, on_or_before=day(number)) for number in (1, 2, 3, 4)]
        newest = last_finished(connection)

    assert [one.seq for one in found] == [1, 1, 2, 2]
    assert newest.seq == 2
    with runs.store.read() as connection:
        assert last_finished(connection, on_or_before=day(0)) is None


def test_the_nearest_day_wins_whenever_it_was_judged(runs):
    """A run as of an earlier day that was made later is not nearer; of the runs of one day the newest is meant."""
    for number in (3, 3, 1):
        runs.run(deal("1"), today=day(number))
    with runs.store.read() as connection:
        found = [last_finished(connection, on_or_before=day(number)).seq for number in (1, 2, 3, 9)]
        before = last_finished(connection, before_seq=4).seq

    assert found == [3, 3, 2, 2]
    assert before == 3


def test_a_summary_is_read_back_as_it_was(runs):
    """What a run reported can be read back later, whole."""
    result = runs.run(qualified("1", amount="12.50", currency="USD"))
    runs.run(deal("1"))

    with runs.store.read() as connection:
        assert summary_of(connection, result.seq) == result.summary


def test_refused_records_are_kept_in_order(runs):
    """Rejections are read back by source in the order they were read, and a repeat replaces them."""
    records = [deal("1"), deal("1", name="x"), deal(""), deal("2")]
    first = pinned(runs, *records)
    again = pinned(runs, *records)

    with runs.store.read() as connection:
        kept = list(read_rejections(connection, again.seq))

    assert [(one.id, one.place) for one in kept] == [("1", "record 2"), ("", "record 3")]
    assert first.summary.sources[0].rejected == 2


def test_rejections_of_several_pages_are_numbered_on(store):
    """Further rejections of the same run and source are added to those kept already."""
    with store.write() as connection:
        row = source_row(connection, "crm")
        seq = begin_run(connection, command="check", as_of=day(1), pinned=False, now=datetime(2026, 3, 2, tzinfo=UTC))
        for start in (0, 1):
            one = Rejected(source="crm", id=str(start), reason="r", place=f"line {start}")
            add_rejections(connection, seq=seq, source_id=row.source_id, start=start, rejected=[one])
        kept = [one.id for one in read_rejections(connection, seq)]

    assert kept == ["0", "1"]


def test_a_record_no_longer_judged_counts_nowhere(runs):
    """A run over no records at all finishes and closes what was open."""
    runs.run(qualified("1"), select=ONE)
    empty = runs.run(select=ONE)

    assert empty.summary.counts["error"] == 0
    assert empty.summary.by_state["fixed"] == 1
    assert runs.rows(discrepancy, discrepancy.c.ended) == [("gone",)]
