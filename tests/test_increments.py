"""Increments: what changed is read, everything is judged, and what is gone is found out."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from syncd.adapter import Broken, Capabilities, Move, Page
from syncd.errors import SourceIncomplete, WatermarkLost
from syncd.store.schema import discrepancy, rejection, snapshot, source
from tests.store.runs import day, deal
from tests.store.test_discrepancies import ONE, qualified

SPONSOR = "prospect.sponsor_identified"


class Feed:
    """A system that tells what changed since a tick, but of what is gone only its keys."""

    capabilities = Capabilities(incremental=True)
    Settings = None

    def __init__(self, *records):
        self.records = {record["id"]: record for record in records}
        self.changed = dict.fromkeys(self.records, 1)
        self.tick = 1
        self.asked = []
        self.cut = self.lost = False
        self.moves = ()
        self.late = ()
        """Records that are written between the next sweep and the increment before it."""

    def edit(self, *records):
        self.tick += 1
        self.records |= {record["id"]: record for record in records}
        self.changed |= dict.fromkeys((record["id"] for record in records), self.tick)

    def delete(self, *ids):
        for identity in ids:
            del self.records[identity]

    async def pull(self, since=None) -> AsyncIterator[Page]:
        self.asked.append(since)
        if self.lost and since is not None:
            raise WatermarkLost("too old", "read whole")
        chosen = [one for one in self.records.values() if since is None or self.changed[one["id"]] > int(since)]
        columns = tuple(dict.fromkeys(name for one in self.records.values() for name in one))
        rows = [[one.get(name, "") for name in columns] for one in chosen]
        yield Page(columns, rows, moves=self.moves)
        if self.cut:
            raise SourceIncomplete("cut", "again")
        yield Page(columns, [], watermark=str(self.tick))

    async def keys(self):
        self.asked.append("keys")
        if self.late:
            self.edit(*self.late)
            self.late = ()
        yield [*self.records]

    async def close(self):
        pass


@pytest.fixture
def crm(runs):
    """Makes runs of one feed, each a day after the last."""

    def run(feed, *, hours=24 * 30, **more):
        made = runs.source([])
        object.__setattr__(made, "adapter", feed)
        object.__setattr__(made, "sweep_hours", hours)
        object.__setattr__(made, "digest", more.pop("digest", "d"))
        return runs.run(sources=[made], **({"select": ONE, "full": False} | more))

    return run


def of(result):
    (one,) = result.summary.sources
    return one


def test_only_what_changed_is_read_and_all_is_judged(runs, crm):
    """After a first full pull only changes are asked for; records that did not change are judged as last read."""
    feed = Feed(qualified("1"), qualified("2"), qualified("3", "yes"))
    first = crm(feed)
    feed.edit(qualified("2", "yes"), qualified("4"))
    second = crm(feed)

    assert feed.asked == [None, "1"]
    assert (of(first).increment, of(first).read, of(first).judged) == (False, 3, 3)
    assert (of(second).increment, of(second).read, of(second).judged) == (True, 2, 4)
    assert runs.states(second) == {
        ("1", "OUT002"): "unchanged", ("2", "OUT002"): "fixed: fixed", ("4", "OUT002"): "new",
    }  # fmt: skip
    assert second.summary.coverage[0].judged == 4


def test_nothing_changed(runs, crm):
    """An increment of nothing writes no snapshot and no discrepancy, and says the same."""
    feed = Feed(qualified("1"), qualified("2"))
    first = crm(feed)
    second = crm(feed)

    assert (of(second).read, of(second).judged) == (0, 2)
    assert set(runs.states(second).values()) == {"unchanged"}
    assert {run for (run,) in runs.rows(snapshot, snapshot.c.changed_run)} == {first.seq}
    assert {run for (run,) in runs.rows(discrepancy, discrepancy.c.opened_run)} == {first.seq}


def test_a_cut_increment_moves_nothing(runs, crm):
    """When an increment breaks off nothing of it is kept, the watermark included, and nothing is judged."""
    feed = Feed(qualified("1"))
    crm(feed)
    feed.edit(qualified("2"))
    feed.cut = True
    broken = crm(feed)
    feed.cut = False
    whole = crm(feed)

    assert (of(broken).complete, of(broken).read) == (False, 1)
    assert feed.asked == [None, "1", "1"]
    assert runs.states(whole) == {("1", "OUT002"): "unchanged", ("2", "OUT002"): "new"}


def test_a_lost_watermark_is_a_full_pull(runs, crm):
    """Where a system cannot say any more what changed, it is read whole in the same run, and what is gone is found."""
    feed = Feed(qualified("1"), qualified("2"))
    crm(feed)
    feed.delete("2")
    feed.edit(qualified("3"))
    feed.lost = True
    made = crm(feed)

    assert feed.asked == [None, "1", None]
    assert (of(made).complete, of(made).increment, of(made).judged) == (True, False, 2)
    assert runs.states(made) == {
        ("1", "OUT002"): "unchanged", ("2", "OUT002"): "fixed: gone", ("3", "OUT002"): "new",
    }  # fmt: skip


def test_what_is_due_by_time_fires_without_being_read(runs, crm):
    """The grace of STG005 runs out for a record that no increment gives."""
    feed = Feed(deal("1", **{SPONSOR: day(1).isoformat()}))
    results = [crm(feed, select=("STG005",), today=day(number)) for number in (15, 16)]

    assert [runs.states(one) for one in results] == [{}, {("1", "STG005"): "new"}]
    assert of(results[1]).read == 0


def test_deletions_are_found_by_a_sweep(runs, crm):
    """A system that does not tell what is gone is asked for its keys now and then, and only then."""
    feed = Feed(qualified("1"), qualified("2"), qualified("3"))
    crm(feed)
    feed.delete("2")
    unaware = crm(feed, hours=24 * 30)
    aware = crm(feed, hours=24)
    feed.edit(qualified("2"))
    back = crm(feed)

    assert runs.states(unaware)["2", "OUT002"] == "unchanged"
    assert feed.asked == [None, "1", "1", "keys", "1"]
    assert runs.states(aware) == {
        ("1", "OUT002"): "unchanged", ("2", "OUT002"): "fixed: gone", ("3", "OUT002"): "unchanged",
    }  # fmt: skip
    assert of(aware).judged == 2
    assert runs.states(back)["2", "OUT002"] == "reopened"


def test_a_sweep_that_gives_little_is_not_believed(crm):
    """Keys that are suspiciously few make the source incomplete, as few records do."""
    feed = Feed(*(qualified(str(number)) for number in range(10)))
    crm(feed)
    feed.delete(*map(str, range(9)))
    made = crm(feed, hours=0.1)

    assert of(made).complete  # the tests' source has no least percentage
    assert of(made).judged == 1


def test_a_record_that_no_increment_told_of(runs, crm):
    """What came into view without having changed is noticed by a sweep, and then everything is read."""
    feed = Feed(qualified("1"), qualified("2"))
    crm(feed)
    feed.delete("2")
    swept = crm(feed, hours=24)
    feed.records |= {"2": qualified("2"), "old": qualified("old")}
    feed.changed |= {"2": 0, "old": 0}
    unaware = crm(feed, hours=24 * 30)
    aware = crm(feed, hours=24)

    assert (of(swept).judged, of(unaware).judged) == (1, 1)
    assert feed.asked[-4:] == ["1", "keys", "1", None]
    assert (of(aware).complete, of(aware).increment, of(aware).judged) == (True, False, 3)
    assert runs.states(aware) == {
        ("1", "OUT002"): "unchanged", ("2", "OUT002"): "reopened", ("old", "OUT002"): "new",
    }  # fmt: skip


def test_a_record_made_between_an_increment_and_its_sweep(runs, crm):
    """It is read as well, and nothing else is read twice; what changed meanwhile is left to the next increment."""
    feed = Feed(qualified("1"))
    crm(feed)
    feed.edit(qualified("1"))
    feed.late = (qualified("1", "yes"), qualified("2  "))
    swept = crm(feed, hours=24)
    later = crm(feed, hours=24 * 30)

    assert feed.asked == [None, "1", "keys", "2", "2"]
    assert (of(swept).complete, of(swept).increment, of(swept).judged, of(swept).rejected) == (True, True, 2, 0)
    assert runs.states(swept) == {("1", "OUT002"): "unchanged", ("2", "OUT002"): "new"}
    assert runs.states(later) == {("1", "OUT002"): "fixed: fixed", ("2", "OUT002"): "unchanged"}


def test_a_full_pull_when_asked_and_when_the_mapping_changed(crm):
    """`--full` reads everything, and so does a run after the mapping changed, since snapshots then say other things."""
    feed = Feed(qualified("1"))
    crm(feed)
    crm(feed, full=True)
    crm(feed, digest="another")
    crm(feed, digest="another")

    assert feed.asked == [None, None, None, "1"]


def test_watermark_and_sweep_are_kept(runs, crm):
    """What the next increment starts from stands in the store with the run that read to there."""
    feed = Feed(qualified("1"))
    crm(feed, clock=datetime(2026, 3, 2, 8, tzinfo=UTC))
    with runs.store.read() as connection:
        row = connection.execute(select(source)).one()

    assert (row.watermark, row.records, row.read_digest) == ("1", 1, "d")
    assert row.swept_at.replace(tzinfo=UTC) - datetime(2026, 3, 2, 8, tzinfo=UTC) == timedelta(0)


class Historian(Feed):
    """A feed that also tells through which stages its records went."""

    capabilities = Capabilities(incremental=True, history=True)


def test_history_of_the_system_is_judged(runs, crm):
    """Stages a record skipped by the system's own history are reported in the first run, and repeats do no harm."""
    feed = Historian(deal("1", stage="solution", probability="40", created_at="2026-01-01"))
    feed.moves = (
        Move("1", "Prospect", "2026-01-01T09:00:00Z"), Move("1", "SOLUTION", "2026-02-01T09:00:00Z"),
        Move("1", "no such stage", "2026-02-02"), Move("9", "Prospect", "2026-01-01"),
    )  # fmt: skip
    first = crm(feed, select=("STG002", "STG003"))
    second = crm(feed, select=("STG002", "STG003"))

    assert runs.states(first) == {("1", "STG003"): "new"}
    assert {(one.rule, one.judged) for one in first.summary.coverage} == {("STG002", 1), ("STG003", 1)}
    assert runs.states(second) == {("1", "STG003"): "unchanged"}


def test_what_was_refused_is_refused_until_it_is_read_or_gone(runs, crm):
    """An increment gives a refused record only when it has changed; until then no report may pass over it."""
    long, blank = "x" * 2_000, qualified("") | {"id": ""}
    feed = Feed(qualified("1"), qualified(long), qualified("3"))
    feed.records[""] = blank
    feed.changed[""] = 1
    first, second = crm(feed), crm(feed)
    feed.edit(qualified("1", "yes"))
    third = crm(feed)
    del feed.records[""]
    whole = crm(feed, full=True)

    assert [of(one).rejected for one in (first, second, third, whole)] == [2, 2, 2, 1]
    assert [of(one).increment for one in (first, second, third, whole)] == [False, True, True, False]
    told = [reason for seq, reason in runs.rows(rejection, rejection.c.seq, rejection.c.reason) if seq == third.seq]
    assert len(set(told)) == 2


def test_a_refused_record_that_is_gone_is_told_of_no_more(crm):
    """A sweep that does not name it, or a later reading, settles what was refused."""
    feed = Feed(qualified("1"), qualified("2", "yes") | {"id": "2"})
    feed.records["twice"] = qualified("2")
    feed.changed["twice"] = 1
    first, second = crm(feed), crm(feed)
    del feed.records["2"], feed.records["twice"]
    third = crm(feed, hours=1)

    assert [of(one).rejected for one in (first, second, third)] == [1, 1, 0]
    assert of(third).judged == 1


class Torn(Feed):
    """A feed that gives some of its records as broken."""

    async def pull(self, since=None):
        async for page in super().pull(since):
            torn = [row for row in page.rows if "torn" in row]
            broken = [Broken("", "torn", row[page.columns.index("id")]) for row in torn]
            yield replace(page, rows=[row for row in page.rows if row not in torn], broken=broken)


@pytest.mark.parametrize("name", ["\ud800", "torn"])
def test_a_refused_record_is_known_to_sweeps(crm, name):
    """A record that was refused, whether before, now or after the increment, is no reason to read everything."""
    feed = Torn(qualified("1"), qualified("2") | {"name": name})
    crm(feed)
    swept = [crm(feed, hours=1)]
    feed.edit(qualified("3") | {"name": name})
    swept.append(crm(feed, hours=1))
    feed.late = (qualified("4") | {"name": name},)
    swept += [crm(feed, hours=1), crm(feed, hours=1)]

    assert [of(one).increment for one in swept] == [True] * 4
    assert [of(one).rejected for one in swept] == [1, 2, 3, 3]
    assert of(swept[-1]).judged == 1


@pytest.mark.parametrize("odd", [None, "A\udcff", " "])
def test_a_sweep_with_ids_that_cannot_be_read(crm, odd):
    """A record whose id cannot be read today may be any of those that are missing, so none is taken for gone."""
    feed = Feed(qualified("1"), qualified("2"), qualified("3"))
    crm(feed)
    feed.records[odd] = feed.records.pop("2")
    swept = crm(feed, hours=1)

    assert of(swept).judged == 3


def test_ids_of_a_sweep_are_read_as_those_of_a_pull(crm):
    """An id that a database pads, or holds as a number, is the same record in a sweep as in a pull."""
    feed = Feed(qualified("A1   "), qualified(7), qualified(Decimal("8.00")))
    crm(feed)
    swept = crm(feed, hours=1)

    assert (of(swept).judged, of(swept).increment) == (3, True)
