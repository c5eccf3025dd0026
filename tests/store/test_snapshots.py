"""Snapshots: what is written of a pull, what is kept of the past, and what is not written at all."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import event, select

from syncd.model import Opportunity
from syncd.process import load_process
from syncd.store.readback import SnapshotReader
from syncd.store.runs import begin_run
from syncd.store.schema import snapshot, snapshot_past, visit
from syncd.store.snapshots import Repeat, SnapshotWriter
from syncd.store.sources import keep_source, source_row
from tests.store.runs import FIRST_DAY, MAPPINGS, MSSP, Onlooker, day


class Pulls:
    """Writes pulls of one source, without judging."""

    def __init__(self, store):
        self.store = store
        self.process = MSSP
        self.number = 0

    def pull(self, *chunks, today=None):
        self.number += 1
        today = today or day(self.number)
        with self.store.write() as connection:
            seq = begin_run(connection, command="check", as_of=today, pinned=False, now=_noon(today))
            writer = SnapshotWriter(
                connection, source_row(connection, "crm"), self.process, Onlooker(), seq=seq, today=today
            )
            repeats = [writer.add(chunk) for chunk in chunks]
            writer.presence.sweep()
            gone = writer.presence.went
            keep_source(
                connection, writer._row.source_id, next_number=writer.next_number, records=writer.records,
                complete_run=seq,
            )  # fmt: skip
        return writer, repeats, gone

    def present(self, process=None):
        with self.store.read() as connection:
            row = source_row(connection, "crm")
            return [
                one
                for chunk in SnapshotReader(connection, row.source_id, process or self.process).all()
                for one in chunk
            ]

    def ids(self):
        return [one.opportunity.id for one in self.present()]

    def rows(self, table, *names):
        columns = [table.c[name] for name in names]
        with self.store.read() as connection:
            return [tuple(row) for row in connection.execute(select(*columns).order_by(*columns))]


@pytest.fixture
def pulls(store):
    return Pulls(store)


@pytest.fixture
def statements(store):
    """Every statement sent from now on that changes a snapshot."""
    sent = []

    def note(_connection, _cursor, statement, *_):
        if statement.startswith(
            ("INSERT INTO snapshot", "UPDATE snapshot", "DELETE FROM snapshot", "INSERT INTO visit")
        ):
            sent.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    return sent


def _noon(today):
    return datetime(today.year, today.month, today.day, 12, tzinfo=UTC)


def opportunity(identity, **fields):
    return Opportunity(id=identity, stage=fields.pop("stage", "prospect"), **fields)


def many(count, **fields):
    return [opportunity(f"1-{number}", **fields) for number in range(count)]


def test_keeps_every_record_as_read(pulls):
    """What is read back is what was written, in the order it was first read."""
    given = [opportunity("b", name="Zoë \u202e\n"), opportunity("a", met=5, dates={0: FIRST_DAY}, by={2: "Ann"})]

    writer, repeats, gone = pulls.pull(given)

    assert [one.opportunity for one in pulls.present()] == given
    assert (writer.seen, writer.changed, repeats, gone) == (2, 2, [[]], 0)


def test_unchanged_records_write_nothing(pulls, statements):
    """A pull that finds everything as it was sends no statement that changes a snapshot."""
    pulls.pull(many(50))
    written = len(statements)

    writer, _, gone = pulls.pull(many(50))

    assert written > 0
    assert statements[written:] == []
    assert (writer.seen, writer.changed, gone) == (50, 0, 0)
    assert pulls.rows(snapshot_past, "key") == []


def test_a_changed_record_keeps_its_past(pulls):
    """Only the record that changed is written, and what it held before stays with the runs it was true for."""
    pulls.pull(many(3))
    edited = [opportunity("1-1", name="renamed") if one.id == "1-1" else one for one in many(3)]

    writer, _, _ = pulls.pull(edited)

    assert writer.changed == 1
    assert [one.opportunity for one in pulls.present()] == edited
    assert pulls.rows(snapshot, "id", "first_run", "changed_run") == [("1-0", 1, 1), ("1-1", 1, 2), ("1-2", 1, 1)]
    past = pulls.rows(snapshot_past, "changed_run", "until_run", "payload")
    assert [(changed, until) for changed, until, _ in past] == [(1, 2)]
    assert "renamed" not in past[0][2]


def test_a_record_that_changes_back_has_two_pasts(pulls):
    """Every version is kept, also when a record returns to what it was."""
    for name in ("x", "y", "x"):
        pulls.pull([opportunity("1", name=name)])

    assert pulls.rows(snapshot_past, "changed_run", "until_run") == [(1, 2), (2, 3)]


def test_gone_records_are_not_read_and_come_back(pulls):
    """A record the source no longer gives is gone, and when it returns it is the same record."""
    pulls.pull(many(3))
    key = pulls.present()[1].key

    writer, _, gone = pulls.pull([one for one in many(3) if one.id != "1-1"])
    assert (gone, writer.changed, pulls.ids()) == (1, 1, ["1-0", "1-2"])
    assert pulls.rows(snapshot, "id", "gone_run") == [("1-0", None), ("1-1", 2), ("1-2", None)]

    _, _, again = pulls.pull([one for one in many(3) if one.id != "1-1"])
    assert again == 0

    writer, _, _ = pulls.pull(many(3))
    assert writer.changed == 1
    assert pulls.present()[1].key == key


def test_an_empty_pull_leaves_nothing(pulls):
    """Every record is gone after a pull without any."""
    pulls.pull(many(3))

    _, _, gone = pulls.pull([])

    assert (gone, pulls.ids()) == (3, [])


def test_marks_more_records_than_a_page(pulls):
    """With more than ten thousand records, known and new ones, each is seen once and only the absent ones go."""
    chunks = [many(12_345)[start : start + 1_000] for start in range(0, 12_345, 1_000)]
    writer, repeats, _ = pulls.pull(*chunks)
    assert (writer.seen, writer.changed, sum(map(len, repeats))) == (12_345, 12_345, 0)

    fresh = [opportunity(f"2-{number}") for number in range(9_000)]
    writer, repeats, gone = pulls.pull(*chunks[1:], fresh, chunks[3][:2], fresh[-1:])

    assert (writer.seen, writer.changed, gone) == (11_345 + 9_000, 10_000, 1_000)
    assert [len(one) for one in repeats[-2:]] == [2, 1]
    assert len(pulls.ids()) == 20_345
    assert pulls.ids()[0] == "1-1000"


def test_repeats_within_and_across_chunks(pulls):
    """An id seen before in the same pull is not written again; whether it said the same is told."""
    first, other = opportunity("1", name="first"), opportunity("1", name="other")

    writer, repeats, _ = pulls.pull([first, first, other, opportunity("2")], [other, first, opportunity("3")])

    assert repeats == [[Repeat(1, same=True), Repeat(2, same=False)], [Repeat(0, same=False), Repeat(1, same=True)]]
    assert [one.opportunity.name for one in pulls.present()] == ["first", None, None]
    assert writer.seen == 3


def test_repeats_of_known_records(pulls):
    """The same holds when the records were known before the pull."""
    pulls.pull([opportunity("1", name="old")])
    first, other = opportunity("1", name="new"), opportunity("1", name="other")

    _, repeats, _ = pulls.pull([first], [other, first])

    assert repeats == [[], [Repeat(0, same=False), Repeat(1, same=True)]]
    assert pulls.present()[0].opportunity.name == "new"


def test_content_tells_pulls_apart(pulls):
    """Two pulls have the same content when they gave the same records in the same order, and only then."""
    a, b = opportunity("a"), opportunity("b")

    contents = [pulls.pull(*chunks)[0].content for chunks in ([[a, b]], [[a], [b]], [[b, a]], [[a]], [[a, b]])]

    assert contents[0] == contents[1] == contents[4]
    assert len(set(contents)) == 3


def test_sources_with_the_same_ids_are_apart(store, pulls):
    """The same id in another source is another record."""
    pulls.pull(many(2))
    with store.write() as connection:
        seq = begin_run(connection, command="check", as_of=day(2), pinned=False, now=_noon(day(2)))
        writer = SnapshotWriter(connection, source_row(connection, "other"), MSSP, Onlooker(), seq=seq, today=day(2))
        writer.add([opportunity("1-0", name="theirs")])
        keep_source(connection, writer._row.source_id, next_number=writer.next_number, records=writer.records)

    assert [one.opportunity.name for one in pulls.present()] == [None, None]
    assert len(pulls.rows(snapshot, "key")) == 3


class TestTrails:
    """The stays in stages that runs observed."""

    def trail(self, pulls, identity):
        return next(one.trail for one in pulls.present() if one.opportunity.id == identity)

    def visits(self, pulls, identity):
        trail = self.trail(pulls, identity)
        return [(one.stage, one.seen, one.entered) for one in trail.visits] if trail else None

    def test_what_was_always_there_has_no_trail(self, pulls):
        """A record of the first pull has no observed history until it moves."""
        pulls.pull([opportunity("1")])
        pulls.pull([opportunity("1", name="renamed")])

        assert self.trail(pulls, "1") is None
        assert pulls.rows(visit, "key") == []

    def test_moves_are_observed(self, pulls):
        """Each move adds a stay; when the record came to its first stage nobody saw."""
        for stage in ("prospect", "prospect", "qualify", "solution"):
            pulls.pull([opportunity("1", stage=stage)])

        assert self.visits(pulls, "1") == [
            ("prospect", day(1), None),
            ("qualify", day(3), day(3)),
            ("solution", day(4), day(4)),
        ]
        assert self.trail(pulls, "1").from_creation is False

    def test_what_appears_later_is_seen_from_creation(self, pulls):
        """A record that comes into a source read whole before was seen from its beginning."""
        pulls.pull([opportunity("1")])
        pulls.pull([opportunity("1"), opportunity("2", stage="solution")])

        assert self.visits(pulls, "2") == [("solution", day(2), day(2))]
        assert self.trail(pulls, "2").from_creation is True

    def test_the_record_may_say_when_it_entered(self, pulls):
        """A day the record gives is worth more than the day of the run."""
        pulls.pull([opportunity("1", stage_entered_at=date(2026, 1, 5))])
        pulls.pull([opportunity("1", stage="qualify", stage_entered_at=date(2026, 3, 1))])

        assert self.visits(pulls, "1") == [
            ("prospect", day(1), date(2026, 1, 5)),
            ("qualify", day(2), date(2026, 3, 1)),
        ]

    def test_the_assessment_seen_at_a_stay_s_end_is_kept(self, pulls):
        """A stay remembers the assessment's day as it was when the record moved on."""
        assessed = MSSP.evidence_index["qualify.assessment_completed"]

        def record(stage, number):
            return opportunity("1", stage=stage, met=1 << assessed, dates={assessed: day(number)})

        pulls.pull([record("develop", 1)])
        pulls.pull([record("develop", 2)])
        pulls.pull([record("solution", 2)])
        pulls.pull([record("solution", 4)])
        pulls.pull([record("proof", 4)])

        assert [one.assessed for one in self.trail(pulls, "1").visits] == [day(2), day(4), None]

    def test_an_unreadable_stage_is_no_stay(self, pulls):
        """A record whose stage cannot be recognised for a while is not seen to enter anything then."""
        pulls.pull([opportunity("1")])
        pulls.pull([Opportunity(id="1", stage_label="???")])
        pulls.pull([opportunity("1", stage="qualify")])

        assert [stage for stage, *_ in self.visits(pulls, "1")][-1] == "qualify"

    def test_a_move_seen_on_return(self, pulls):
        """A record that went and came back in another stage has moved."""
        pulls.pull([opportunity("1"), opportunity("2")])
        pulls.pull([opportunity("2")])
        pulls.pull([opportunity("1", stage="qualify"), opportunity("2")])

        assert [stage for stage, *_ in self.visits(pulls, "1")] == ["prospect", "qualify"]


def test_old_snapshots_are_read_in_the_bits_of_a_new_chart(pulls, tmp_path):
    """When the chart's evidence moves, old snapshots still say the same; what is no longer asked is dropped."""
    signed, power = (MSSP.evidence_index[name] for name in ("close.documents_signed", "develop.power_access"))
    campaigns = MSSP.evidence_index["demand_generation.campaigns_executed"]
    pulls.pull(
        [
            opportunity(
                "1", met=1 << signed | 1 << campaigns, not_met=1 << power, bare=1 << signed, dates={signed: day(1)}
            )
        ]
    )
    text = (MAPPINGS / "mssp.toml").read_text()
    assert 'facts = ["campaigns_executed"]' in text
    changed = tmp_path / "mssp.toml"
    changed.write_text(text.replace('facts = ["campaigns_executed"]', "facts = []"))
    process = load_process(changed)

    (read,) = pulls.present(process)

    index = process.evidence_index
    assert index["close.documents_signed"] != signed
    assert read.opportunity.met == 1 << index["close.documents_signed"]
    assert read.opportunity.not_met == 1 << index["develop.power_access"]
    assert read.opportunity.bare == read.opportunity.met
    assert read.opportunity.dates == {index["close.documents_signed"]: day(1)}


def test_a_new_layout_is_a_change_of_content(pulls, tmp_path):
    """The same bits under another chart mean other evidence, so the snapshot is written anew with its past kept."""
    pulls.pull([opportunity("1", met=1)])
    text = (MAPPINGS / "mssp.toml").read_text().replace('facts = ["campaigns_executed"]', "facts = []")
    (tmp_path / "mssp.toml").write_text(text)
    pulls.process = load_process(tmp_path / "mssp.toml")

    writer, _, _ = pulls.pull([opportunity("1", met=1)])

    assert writer.changed == 1
    assert len(pulls.rows(snapshot_past, "layout_id")) == 1
    assert pulls.rows(snapshot, "layout_id") != pulls.rows(snapshot_past, "layout_id")
