"""Pulling a source: whole or not at all, every record accounted for, and places as the source's users count."""

import asyncio

import pytest

from syncd.adapter import Broken, Capabilities, Page
from syncd.errors import ConfigError, SourceIncomplete
from syncd.pull import Pull, Source
from syncd.store.runs import begin_run, read_rejections
from syncd.store.schema import snapshot, source
from syncd.store.sources import source_row
from tests.store.runs import MSSP, Onlooker, day, deal
from tests.store.test_snapshots import _noon


class Pages:
    """An adapter that yields the pages it is given."""

    Settings = None
    capabilities = Capabilities(place="row")

    def __init__(self, *pages):
        self.pages = pages

    async def pull(self, since=None):  # noqa: ARG002 - the port's shape
        for page in self.pages:
            if isinstance(page, Exception):
                raise page
            yield page

    async def close(self):
        pass


COLUMNS = ("id", "stage", "name")


def pull(runs, *pages, number=1, min_rows_percent=50.0):
    mapper = runs.source([]).mapper
    made = Source(
        name="crm", adapter_name="pages", adapter=Pages(*pages), mapper=mapper, min_rows_percent=min_rows_percent
    )
    told = []
    noon = _noon(day(number))
    with runs.store.write() as connection:
        seq = begin_run(connection, command="check", as_of=day(number), pinned=False, now=_noon(day(number)))
        row = source_row(connection, "crm")
        pull = Pull(connection, made, MSSP, row, seq=seq, today=day(number), now=noon, since=None, follower=Onlooker())
        pulled = asyncio.run(pull.run(lambda *news: told.append(news)))
        rejected = list(read_rejections(connection, seq))
    return pulled, rejected, told


def kept(runs):
    return runs.count(snapshot)


def present(runs):
    return sum(gone is None for (gone,) in runs.rows(snapshot, snapshot.c.gone_run))


def page(*rows, **more):
    return Page(COLUMNS, rows, **more)


def test_counts_add_up(runs):
    """Everything the source gave is kept, refused, or an identical repeat."""
    torn = (Broken("row 9", "torn", "9"),)
    pulled, rejected, told = pull(
        runs,
        page(("1", "prospect", "a"), ("1", "prospect", "a"), ("", "prospect", "b"), first=2, done=10, total=30),
        page(
            ("1", "prospect", "x"),
            ("2", "prospect", "c"),
            first=5,
            broken=torn,
            done=30,
            total=30,
        ),
    )

    assert (pulled.read, kept(runs), pulled.rejected, pulled.repeated, pulled.changed) == (6, 2, 3, 1, 2)
    assert pulled.read == kept(runs) + pulled.rejected + pulled.repeated
    assert [(one.id, one.place) for one in rejected] == [("", "row 4"), ("9", "row 9"), ("1", "row 5")]
    assert told == [("crm", 3, 10, 30), ("crm", 6, 30, 30)]
    assert any("identical repeat" in note for note in pulled.notes)


def test_places_may_be_given(runs):
    """Where rows do not follow one another, each has its own place."""
    _, rejected, _ = pull(runs, page(("1", "prospect", ""), ("", "prospect", ""), places=(3, 17)))

    assert [one.place for one in rejected] == ["row 17"]


def test_an_error_in_the_middle_leaves_nothing(runs):
    """A source that breaks off after some pages has not been read."""
    with pytest.raises(SourceIncomplete, match="gone"):
        pull(runs, page(("1", "prospect", "a")), SourceIncomplete("gone"))

    assert runs.count(snapshot) == 0
    assert runs.count(source) == 0


@pytest.mark.parametrize(
    ("before", "now", "percent", "whole"),
    [(100, 50, 50, True), (100, 49, 50, False), (3, 1, 50, False), (3, 2, 50, True), (1, 0, 50, False),
     (0, 0, 50, True), (100, 0, 0, True), (100, 99, 100, False), (100, 100, 100, True)],
)  # fmt: skip
def test_suspiciously_few(runs, before, now, percent, whole):
    """Fewer than the set percentage of what was known is incomplete, and what was known stays."""
    rows = [(str(number), "prospect", "") for number in range(before)]
    pull(runs, page(*rows))
    if whole:
        pull(runs, page(*rows[:now]), number=2, min_rows_percent=percent)
        assert present(runs) == now
        return
    with pytest.raises(SourceIncomplete, match=f"gave {now}") as caught:
        pull(runs, page(*rows[:now]), number=2, min_rows_percent=percent)

    assert "min_rows_percent" in caught.value.remedy
    assert {gone for (gone,) in runs.rows(snapshot, snapshot.c.gone_run)} == {None}


def test_records_without_an_id_may_be_any_that_are_missing(runs):
    """Where records were refused that cannot be told apart, none that is missing is taken for gone."""
    rows = [(str(number), "prospect", "") for number in range(10)]
    pull(runs, page(*rows))
    pulled, _, _ = pull(runs, page(*rows[:6], *[("", "prospect", "")] * 2), number=2)

    assert present(runs) == 10
    assert any("taken for gone" in note for note in pulled.notes)
    pull(runs, page(*rows[:6]), number=3)
    assert present(runs) == 6


def test_a_refused_record_is_still_there(runs):
    """A record that cannot be read today, but whose id can, is not gone; others that are missing are."""
    rows = [(str(number), "prospect", "") for number in range(4)]
    pull(runs, page(*rows))
    pull(runs, page(*rows[:2], broken=(Broken("row 3", "torn", "2"),)), number=2)

    gone = {identity for identity, gone in runs.rows(snapshot, snapshot.c.id, snapshot.c.gone_run) if gone is not None}
    assert gone == {"3"}


def test_after_a_cut_nothing_is_gone(runs):
    """Where the source may have been cut, what is missing may only be missing."""
    rows = [(str(number), "prospect", "") for number in range(4)]
    pull(runs, page(*rows))
    pulled, _, _ = pull(runs, page(*rows[:3], doubtful=True), number=2)

    assert present(runs) == 4
    assert any("cut" in note for note in pulled.notes)


@pytest.mark.parametrize(
    ("columns", "named"), [(("name", "stage"), "'id'"), (("id", "name"), "'stage'"), (("x",), "'id'")]
)
def test_columns_that_must_be_there(runs, columns, named):
    """Without an id or a stage column nothing can be judged; a declared header says so before any row."""
    with pytest.raises(ConfigError, match=named):
        pull(runs, Page(columns, ()))


def test_undeclared_columns_may_come_later(runs):
    """Where columns are only those seen so far, a later page may bring the stage; if none does, that is an error."""
    first = Page(("id",), (("1",),), declared=False)

    pull(runs, first, Page(("id", "stage"), (("2", "prospect"),), declared=False))
    assert kept(runs) == 2
    with pytest.raises(ConfigError, match="'stage'"):
        pull(runs, first, number=2)


def test_notes_name_missing_and_ignored_columns(runs):
    """Fields the source lacks and columns the mapping does not use are told, not guessed."""
    pulled, _, _ = pull(runs, Page(("id", "stage", "favourite colour"), ()))

    assert any("favourite colour" in note for note in pulled.notes)
    assert any("probability" in note for note in pulled.notes)


def test_what_is_unchanged_is_not_changed(runs):
    """A second pull of the same tells the same content and no change, whatever the pages."""
    rows = [(str(number), "prospect", "") for number in range(5)]
    first, _, _ = pull(runs, page(*rows))
    second, _, _ = pull(runs, page(*rows[:2]), page(*rows[2:]), number=2)

    assert (first.changed, second.changed) == (5, 0)
    assert second.content == first.content


def test_a_refusal_is_part_of_the_content(runs):
    """Two pulls that kept the same and refused something else are different input."""
    first, _, _ = pull(runs, page(("1", "prospect", "")))
    second, _, _ = pull(runs, page(("1", "prospect", ""), ("", "prospect", "")), number=2)

    assert second.content != first.content


def test_a_run_goes_on_without_a_source_that_breaks(runs):
    """One source that breaks off stops no other, in either order."""
    broken = runs.source([deal("1"), deal("2")], name="broken", cut_after=1)
    result = runs.run(sources=[runs.source([deal("1")], name="a"), broken, runs.source([deal("1")], name="z")])

    assert [(one.name, one.complete, one.judged) for one in result.summary.sources] == [
        ("a", True, 1),
        ("broken", False, 0),
        ("z", True, 1),
    ]
