"""Increments: what changed and what went, all of it and hardly more, past the limits of HubSpot's search."""

from __future__ import annotations

import random

import msgspec
import pytest

from adapters.hubspot.watermark import MOST_REMEMBERED, Recent, Watermark, read_watermark
from syncd.errors import SourceIncomplete
from syncd.rehearsal import Reply
from tests.adapters.hubspot.accounts import gone, mark, pages, rows


@pytest.fixture
def known(account):
    """An account of 300 deals that was read whole, and its watermark."""
    account.double.load(account.deals(300))
    since = mark(pages(account.adapter()))
    account.double.clock.advance(3_600)
    account.serve()
    return since


def names(given):
    return {one["hs_object_id"] for one in rows(given)}


def test_nothing_changed_takes_a_handful_of_requests(account, known):
    """An increment of nothing asks for metadata, for what was archived and for what changed."""
    given = pages(account.adapter(), known)

    assert rows(given) == []
    assert account.server.requests == 4


def test_what_changed_is_read_and_little_else(account, known):
    """One deal in a hundred changed: each comes once, as it is now, for few requests."""
    for number in (3, 77, 211):
        account.double.edit(str(1_000 + number), {"amount": "5"})

    given = pages(account.adapter(), known)

    assert {one["hs_object_id"]: one["amount"] for one in rows(given)} == dict.fromkeys(["1003", "1077", "1211"], "5")
    assert account.server.requests == 5


def test_more_changes_than_a_search_gives(account):
    """More than 10,000 deals that all changed in the same millisecond come once each, by searches from the start."""
    account.double.load(account.deals(10_450))
    since = mark(pages(account.adapter(history=False)))
    account.double.clock.advance(3_600)
    for identity in list(account.double.deals.records):
        account.double.deals.change(identity, {"amount": "9"})
    asked = []
    account.double.before = lambda request: asked.append(request.json()) if "search" in request.path else None

    given = pages(account.adapter(history=False), since)

    assert len(rows(given)) == 10_450
    assert len(names(given)) == 10_450
    assert {one["after"] for one in asked} == {"0"}
    assert len(asked) == 53


def test_a_late_index_loses_nothing(account, known):
    """A change that the search shows only after the next increment is brought by the one after that."""
    account.double.lag_seconds = 240
    account.double.edit("1005", {"amount": "5"})
    first = pages(account.adapter(), known)
    account.double.clock.advance(300)
    second = pages(account.adapter(), mark(first))

    assert (names(first), names(second)) == (set(), {"1005"})


def test_what_a_stale_index_names_is_read_as_it_is(account, known):
    """The search's copy of a deal is not believed: the deal is read by id."""
    account.double.edit("1005", {"amount": "5"})
    account.double.clock.advance(1)
    account.double.lag_seconds = 240
    account.double.edit("1005", {"amount": "6"})

    assert [one["amount"] for one in rows(pages(account.adapter(), known))] == ["6"]


def test_looking_back_gives_nothing_twice(account, known):
    """A deal that changed within the overlap comes again only when it has changed again."""
    account.double.edit("1005", {"amount": "5"})
    first = pages(account.adapter(), known)
    account.double.clock.advance(60)
    second = pages(account.adapter(), mark(first))
    account.double.edit("1005", {"amount": "6"})
    third = pages(account.adapter(), mark(second))

    assert (names(first), names(second), names(third)) == ({"1005"}, set(), {"1005"})


def test_what_a_whole_pull_gave_is_not_given_again(account):
    """The watermark of a whole pull knows the deals that had changed just before it."""
    account.double.load(account.deals(20))
    account.double.edit("1005", {"amount": "5"})
    since = mark(pages(account.adapter()))
    account.double.clock.advance(60)

    assert rows(pages(account.adapter(), since)) == []


def test_archived_deals_are_gone_and_restored_ones_come_back(account, known):
    """Archiving is told by id; a deal that was restored is yielded again."""
    account.double.deals.archive("1005")
    first = pages(account.adapter(), known)
    account.double.clock.advance(3_600)
    account.double.deals.restore("1005")
    second = pages(account.adapter(), mark(first))

    assert (gone(first), names(first)) == ({"1005"}, set())
    assert (gone(second), names(second)) == (set(), {"1005"})


def test_a_deal_that_is_had_back_unchanged_comes_back(account, known):
    """Should restoring not count as a change in HubSpot, the deal is noticed since it is archived no longer."""
    account.double.deals.restoring_changes = False
    account.double.deals.archive("1005")
    first = pages(account.adapter(), known)
    account.double.clock.advance(3_600)
    second = pages(account.adapter(), mark(first))
    account.double.deals.restore("1005")
    third = pages(account.adapter(), mark(second))

    assert (gone(first), names(second), names(third)) == ({"1005"}, set(), {"1005"})


def test_deals_archived_long_ago_are_not_told_again(account):
    """Of the archived deals only those count that went since."""
    account.double.load(account.deals(20))
    account.double.deals.archive("1001")
    account.double.clock.advance(86_400)
    since = mark(pages(account.adapter()))
    account.double.clock.advance(3_600)
    account.double.deals.archive("1002")

    assert gone(pages(account.adapter(), since)) == {"1002"}


def test_merged_deals_are_gone(account, known):
    """A merge gives a deal with a new id, and both old ones are gone although they are not archived."""
    survivor = account.double.merge("1005", "1006")

    given = pages(account.adapter(), known)

    assert gone(given) == {"1005", "1006"}
    assert names(given) == {survivor}


def test_deals_merged_into_one_that_was_archived_are_gone(account, known):
    """Where the deal that remained of a merge was archived as well, all three are gone."""
    survivor = account.double.merge("1005", "1006")
    account.double.deals.archive(survivor)

    assert gone(pages(account.adapter(), known)) == {"1005", "1006", survivor}


def test_a_deal_that_went_after_it_was_found_is_gone(account, known):
    """What the search still names and can no longer be read is told as gone."""
    account.double.edit("1005", {"amount": "5"})
    account.double.lag_seconds = 600
    account.double.deals.remove("1005")

    given = pages(account.adapter(), known)

    assert (gone(given), names(given)) == ({"1005"}, set())


def test_a_deal_of_another_pipeline_is_gone(account):
    """A deal that moved out of the pipelines that are read counts as gone, and one that moved in comes."""
    account.double.load(account.deals(20))
    settings = {"pipelines": ["sales pipeline"]}
    first = pages(account.adapter(**settings))
    account.double.clock.advance(3_600)
    account.double.edit("1003", {"pipeline": "74001"})
    second = pages(account.adapter(**settings), mark(first))
    account.double.clock.advance(3_600)
    account.double.edit("1003", {"pipeline": "default"})
    third = pages(account.adapter(**settings), mark(second))

    assert (len(names(first)), gone(second), names(second), names(third)) == (20, {"1003"}, set(), {"1003"})


def test_a_renamed_stage_reads_everything_anew(account, known):
    """When the pipelines changed, deals read differently though none was modified, so all are read; gone is told."""
    account.double.pipelines[0].stages[2].label = "Qualified"
    account.double.deals.archive("1005")

    given = pages(account.adapter(), known)

    assert len(names(given)) == 299
    assert {one["dealstage.label"] for one in rows(given)} == {"Qualified"}
    assert gone(given) == {"1005"}


def test_a_watermark_nobody_can_read_starts_anew(account, known):
    """A watermark of another version reads everything."""
    assert len(names(pages(account.adapter(), "something else"))) == 300
    assert read_watermark(known) is not None


@pytest.mark.parametrize("multi_status", [True, False])
def test_batches_are_read_by_their_body(account, known, multi_status):
    """Whether a batch with errors answers 207 or 200, what it lacks is told as gone and the rest is read."""
    account.double.multi_status = multi_status
    for identity in ("1005", "1006"):
        account.double.edit(identity, {"amount": "5"})
    account.double.lag_seconds = 600
    account.double.deals.archive("1005")

    given = pages(account.adapter(), known)

    assert (gone(given), names(given)) == ({"1005"}, {"1006"})


def test_a_batch_that_leaves_some_out_is_an_error(account, known):
    """An id of which a batch says neither that it is there nor that it is not makes the source incomplete."""
    account.double.edit("1005", {"amount": "5"})
    altered(account, "/batch/read", lambda body: body | {"results": []})

    with pytest.raises(SourceIncomplete, match="left out"):
        pages(account.adapter(), known)


def test_a_search_that_gives_less_than_it_counts_is_an_error(account, known):
    """A page of a search that shrinks is noticed by its count, however often it is asked for."""
    for number in range(250):
        account.double.edit(str(1_000 + number), {"amount": "5"})
    altered(account, "/search", lambda body: body | {"results": body["results"][1:]})

    with pytest.raises(SourceIncomplete, match="fewer"):
        pages(account.adapter(), known)


def test_a_search_that_gives_one_page_for_ever_is_an_error(account, known):
    """A search that ignores where to go on ends the pull, and does not go round for ever."""
    for number in range(250):
        account.double.edit(str(1_000 + number), {"amount": "5"})
    first = []

    def repeat(body):
        first.append(body)
        return first[0]

    altered(account, "/search", repeat)

    with pytest.raises(SourceIncomplete, match="same page twice"):
        pages(account.adapter(), known)


def test_only_the_last_page_moves_the_watermark(account, known):
    """Until everything was given, nothing is said to have been."""
    for number in range(250):
        account.double.edit(str(1_000 + number), {"amount": "5"})

    marks = [page.watermark for page in pages(account.adapter(), known)]

    assert marks[-1] is not None
    assert set(marks[:-1]) == {None}


def test_searches_keep_their_own_pace(account):
    """Searches begin no faster than HubSpot allows an account, whatever else goes on."""
    account.double.load(account.deals(1_000))
    since = mark(pages(account.adapter()))
    account.double.clock.advance(3_600)
    for identity in list(account.double.deals.records):
        account.double.deals.change(identity, {"amount": "9"})
    account.time.waits.clear()

    pages(account.adapter(search_per_second=4), since)

    assert sum(account.time.waits) == pytest.approx(4 / 4, abs=0.01)


def test_a_watermark_remembers_only_so_much():
    """After a bulk change the watermark stays small; the latest versions are kept."""
    recent = Recent(0)
    for number in range(MOST_REMEMBERED + 10):
        recent.add("deals", str(number), "v", number)
    kept = recent.seen()

    text = Watermark(at=1, stages="x", seen=kept).text()

    assert len(kept) == MOST_REMEMBERED
    assert f"deals:{MOST_REMEMBERED + 9}" in kept
    assert read_watermark(text).seen == kept


def altered(account, path, change):
    """Serve the double with some of its answers changed."""
    plain = account.double.handle

    def handle(request):
        reply = plain(request)
        if not request.path.endswith(path):
            return reply
        body = change(msgspec.json.decode(reply.body))
        return Reply(reply.status, msgspec.json.encode(body), reply.headers, reply.content_type)

    account.double.handle = handle
    account.serve()


@pytest.mark.parametrize("seed", [0, 6, 11, 16])
def test_many_increments_add_up_to_the_account(account, seed):
    """After rounds of changes, some seen late and some in mid-pull, what was told adds up to what is there."""
    double, chance = account.double, random.Random(seed)
    account.double.load(account.deals(120, tasks=[{"hs_task_subject": "Call", "hs_task_status": "NOT_STARTED"}]))
    double.lag_seconds = chance.choice([0, 5, 300])
    double.deals.restoring_changes = chance.random() < 0.5
    wanted = {"children": {"tasks": frozenset({"hs_task_status"})}}
    known, since = {}, None
    for turn in range(8):
        double.before = lambda _, turn=turn: _disturb(double, chance) if turn < 6 else None
        given = pages(account.adapter(**wanted), since)
        for page in given:
            known |= {one["hs_object_id"]: (one["amount"], str(one["tasks"])) for one in rows([page])}
            for identity in page.gone:
                known.pop(identity, None)
        since = mark(given)
        double.clock.advance(chance.choice([20, 900]) if turn < 6 else 900)
        if turn < 6:
            for _ in range(5):
                _disturb(double, chance)

    assert known == {
        one.id: (one.properties["amount"], str(_tasks(double, one.id)))
        for one in double.deals.records.values()
        if one.archived is None
    }


def _disturb(double, chance):
    """Change something in an account, or nothing."""
    double.clock.advance(chance.random())
    alive = [one.id for one in double.deals.records.values() if one.archived is None]
    chosen, other = chance.sample(alive, 2)
    match chance.randrange(14):
        case 0 | 1 | 2:
            double.edit(chosen, {"amount": str(chance.randrange(999))})
        case 3:
            double.insert({"dealname": "New", "dealstage.label": "Proof", "amount": "1"})
        case 4:
            double.deals.archive(chosen)
        case 5:
            if archived := [one.id for one in double.deals.records.values() if one.archived is not None]:
                double.deals.restore(chance.choice(archived))
        case 6:
            double.merge(chosen, other)
        case 7:
            double.attach(chosen, "tasks", {"hs_task_status": "COMPLETED"})
        case 8:
            task = chance.choice(list(double.kinds["tasks"].records))
            double.kinds["tasks"].change(task, {"hs_task_status": chance.choice(["WAITING", "COMPLETED"])})


def _tasks(double, deal):
    linked = double.links.get(("deals", "tasks"), {}).get(deal, [])
    return [{"hs_task_status": double.kinds["tasks"].records[one].properties["hs_task_status"]} for one, _ in linked]
