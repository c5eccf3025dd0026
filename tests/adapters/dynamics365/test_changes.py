"""What changes: while a pull is under way, and between two pulls."""

import asyncio
import random

import msgspec
import pytest

from syncd.errors import ConfigError, SourceIncomplete
from syncd.rehearsal import Reply
from tests.adapters.dynamics365.desk import FIELDS, adapter, desk, keys, mark, pull, records, rows, until_cut

WAYS = pytest.mark.parametrize("tracking", [True, False], ids=["tracked", "by time"])


def gone(pages):
    return [one for page in pages for one in page.gone]


def names(found):
    return {identity: record["name"] for identity, record in found.items()}


@WAYS
@pytest.mark.parametrize("seed", range(4))
def test_changes_in_mid_pull(tracking, seed):
    """What was there throughout comes once, and with the increment after it all is as the system has it."""
    chance = random.Random(seed)
    with desk(records(2_000)) as (double, server):
        there = {one["opportunityid"] for one in records(2_000)}
        throughout = set(there)

        def meddle(_request):
            for number in range(3):
                double.insert("opportunities", {"opportunityid": f"id-{chance.random()}", "name": f"New {number}"})
            for identity in chance.sample(sorted(throughout), 6):
                double.edit("opportunities", identity, {"name": f"Edited {chance.random()}"})
            for identity in chance.sample(sorted(throughout), 3):
                double.delete("opportunities", identity)
                throughout.discard(identity)

        double.before = meddle
        first = pull(adapter(server.url, page_size=100, change_tracking=tracking))
        double.before = None
        found = rows(first)
        later = pull(adapter(server.url, page_size=100, change_tracking=tracking), mark(first))
        merged = found | rows(later)
        if tracking:
            merged = {one: record for one, record in merged.items() if one not in gone(later)}
        else:
            left = set(keys(adapter(server.url, change_tracking=False)))
            merged = {one: record for one, record in merged.items() if one in left}
        now = {one: row["name"] for one, row in double.tables["opportunities"].rows.items()}

    assert throughout <= found.keys()
    assert names(merged) == now


@WAYS
def test_an_increment_reads_what_changed(tracking):
    """One percent changed is one percent read, in one request."""
    with desk(records(3_000)) as (double, server):
        first = pull(adapter(server.url, change_tracking=tracking))
        double.advance(3_600)
        for number in range(30):
            double.edit("opportunities", f"id-{number:06}", {"name": "Edited"})
        before = server.requests
        later = pull(adapter(server.url, change_tracking=tracking), mark(first))

    assert {record["name"] for record in rows(later).values()} == {"Edited"}
    assert len(rows(later)) == 30
    assert server.requests - before == 1


@WAYS
def test_increments_chain(tracking):
    """Each increment goes on from the last, over several pages, and nothing changed is nothing read."""
    with desk(records(100)) as (double, server):
        since = mark(pull(adapter(server.url, page_size=10, change_tracking=tracking)))
        for turn in range(3):
            double.advance(3_600)
            for number in range(25):
                double.edit("opportunities", f"id-{number:06}", {"name": f"Turn {turn}"})
            pages = pull(adapter(server.url, page_size=10, change_tracking=tracking), since)
            since = mark(pages)
            assert len(rows(pages)) == 25
        double.advance(3_600)
        idle = pull(adapter(server.url, page_size=10, change_tracking=tracking), since)

    assert rows(idle) == {}
    assert mark(idle)


def test_the_overlap_gives_late_rows_and_no_repeats():
    """By time, a row that is seen late with an older stamp comes, and those known in this version do not."""
    with desk(records(50)) as (double, server):
        for number in range(10):
            double.edit("opportunities", f"id-{number:06}", {"name": "Just before"})
        first = pull(adapter(server.url, change_tracking=False))
        late = dict(double.tables["opportunities"].rows["id-000003"], name="Late")
        double.advance(60)
        double.tables["opportunities"].put(late, double.next_version())
        double.insert("opportunities", {"opportunityid": "id-new", "name": "New"})
        later = pull(adapter(server.url, change_tracking=False), mark(first))
        again = pull(adapter(server.url, change_tracking=False), mark(later))

    assert names(rows(later)) == {"id-000003": "Late", "id-new": "New"}
    assert rows(again) == {}


def test_deletions_come_with_the_feed():
    """Deleted records are told by their ids, also those that came and went in between."""
    with desk(records(20)) as (double, server):
        first = pull(adapter(server.url))
        double.delete("opportunities", "id-000004")
        passing = double.insert("opportunities", {"name": "Passing"})
        double.delete("opportunities", passing)
        later = pull(adapter(server.url, page_size=1), mark(first))

    assert sorted(gone(later)) == sorted(["id-000004", passing])
    assert rows(later) == {}


def test_a_record_that_changes_again_while_it_is_read():
    """When a feed gives a record twice, the older state is kept, and the next increment begins where this one did."""

    def twice(double):
        def handle(request):
            reply = double.handle(request)
            if "skiptoken" not in request.target or "deltatoken" not in request.target:
                return reply
            body = msgspec.json.decode(reply.body)
            newer = {**body["value"][0], "opportunityid": "id-000000", "name": "Newer", "@odata.etag": 'W/"9"'}
            return Reply(200, msgspec.json.encode({**body, "value": [*body["value"], newer]}), reply.headers)

        return handle

    with desk(records(20), handler=twice) as (double, server):
        first = pull(adapter(server.url, page_size=10))
        for number in range(15):
            double.edit("opportunities", f"id-{number:06}", {"name": "Edited"})
        later = pull(adapter(server.url, page_size=10), mark(first))

    assert rows(later)["id-000000"]["name"] == "Edited"
    assert len(rows(later)) == 15
    assert all(page.watermark is None for page in later)


def test_a_column_that_vanishes_in_mid_pull():
    """A column that an administrator removes while pages are read ends the pull, by its name."""
    with desk(records(30, syn_note="x")) as (double, server):

        def remove(request):
            if "skiptoken" in request.target:
                double.tables["opportunities"].kinds.pop("syn_note", None)

        double.before = remove
        with pytest.raises(ConfigError, match="syn_note"):
            pull(adapter(server.url, page_size=10, fields=FIELDS | {"syn_note"}))


def test_an_ordinary_row_with_a_context_is_no_deletion():
    """Only the context of a deletion marks one; a column called `reason` or a context of its own does not."""
    with desk(records(5, reason="deleted")) as (double, server):
        first = pull(adapter(server.url, fields=FIELDS | {"reason"}))
        double.edit("opportunities", "id-000001", {"name": "Edited"})
        later = pull(adapter(server.url, fields=FIELDS | {"reason"}), mark(first))

    assert [*rows(later)] == ["id-000001"]
    assert gone(later) == []


def test_an_expired_delta_token():
    """A token that is too old ends with what to do, and never with silence."""
    with desk(records(20)) as (double, server):
        first = pull(adapter(server.url))
        double.expire_tracking()
        pages, error = until_cut(adapter(server.url), mark(first))

    assert pages == []
    assert "no longer knows" in error.reason
    assert "--full" in error.remedy


@pytest.mark.parametrize(
    "refusal",
    [Reply(400, b'{"error":{"code":"","message":"The delta token is no longer valid."}}'), Reply(410, b"{}"),
     Reply(412, b'{"error":{"code":"-2147204270","message":""}}')],
    ids=["by its words", "by its status", "by its number"],
)  # fmt: skip
def test_a_delta_token_that_is_refused_otherwise(refusal):
    """Its status is not documented: whatever refuses the link itself means that it is no longer good."""

    def refusing(double):
        return lambda request: refusal if "deltatoken" in request.target else double.handle(request)

    with desk(records(20), handler=refusing) as (_, server):
        first = pull(adapter(server.url))
        _, error = until_cut(adapter(server.url), mark(first))

    assert "no longer knows" in error.reason


def test_a_service_that_gives_no_delta_link():
    """Where the preference is passed over in silence, all is read, and no watermark is given."""

    def silent(double):
        def handle(request):
            reply = double.handle(request)
            return Reply(reply.status, reply.body.replace(b"@odata.deltaLink", b"@odata.nothing"), reply.headers)

        return handle

    with desk(records(20), handler=silent) as (_, server):
        pages = pull(adapter(server.url))

    assert len(rows(pages)) == 20
    assert pages[-1].watermark is None
    assert "no link to later changes" in pages[-1].notes[0]


@pytest.mark.parametrize("how", ["off", "not at organisation level"])
def test_without_change_tracking_every_pull_is_whole(how):
    """Where tracking is refused all is read, a note says why, and no watermark claims what cannot be kept."""
    with desk(records(30)) as (double, server):
        if how == "off":
            double.tracked = False
        else:
            double.depth = "Local"
        pages = pull(adapter(server.url, page_size=10))

    assert len(rows(pages)) == 30
    assert all(page.watermark is None for page in pages)
    assert any("change_tracking = false" in note for page in pages for note in page.notes)


@pytest.mark.parametrize("since", ["", "nonsense", "{}", '{"at":"2026-01-01T00:00:00Z","asked":"other"}'])
def test_a_watermark_of_something_else_is_refused(since):
    """A watermark of another mapping, another setting or another tool is not gone on from."""
    with desk(records(3)) as (_, server):
        _, error = until_cut(adapter(server.url), since)
        first = pull(adapter(server.url))
        _, other = until_cut(adapter(server.url, fields=FIELDS | {"stepname"}), mark(first))
        _, way = until_cut(adapter(server.url, change_tracking=False), mark(first))

    assert all("--full" in one.remedy for one in (error, other, way))


def test_a_pull_whose_source_was_closed_is_incomplete():
    """Closing in mid-pull ends it as incomplete, not as read."""

    async def close_early(made):
        async for _ in made.pull():
            await made.close()

    with desk(records(30)) as (_, server), pytest.raises(SourceIncomplete):
        asyncio.run(close_early(adapter(server.url, page_size=10)))
