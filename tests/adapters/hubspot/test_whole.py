"""A whole pull: complete or an error, whatever goes wrong and whatever changes meanwhile."""

from __future__ import annotations

import asyncio
import logging
import random

import msgspec
import pytest

from adapters.hubspot.double import TOKEN
from adapters.hubspot.ids import Ids
from syncd.adapter import MISSING
from syncd.errors import AuthFailed, ConfigError, SourceIncomplete
from syncd.logs import configure_logs
from syncd.rehearsal import Fault, Reply, once, sprinkled
from tests.adapters.hubspot.accounts import FIELDS, ROLES, gone, pages, rows

CURED = [
    Fault.RESET_BEFORE, Fault.RESET_INSIDE, Fault.CUT_BODY, Fault.CUT_JSON, Fault.HTML, Fault.WRONG_TYPE,
    Fault.BAD_UTF8, Fault.EMPTY, Fault.STATUS_429, Fault.STATUS_429_WAIT, Fault.STATUS_500, Fault.STATUS_503,
    Fault.STATUS_503_DATE,
]  # fmt: skip
REFUSED = [Fault.STATUS_401, Fault.STATUS_403, Fault.STATUS_404, Fault.ELSEWHERE]
SLOW = [Fault.SILENT, Fault.TRICKLE]


def test_every_fault_is_in_one_of_the_lists():
    """No way in which an answer can go wrong is left out below."""
    assert set(Fault) == {*CURED, *REFUSED, *SLOW}


def is_list(request):
    return request.path.endswith("/objects/deals")


def ids(account):
    return {one.id for one in account.double.deals.records.values() if one.archived is None}


@pytest.mark.parametrize("fault", CURED, ids=lambda fault: fault.value)
def test_a_passing_fault_is_got_over(account, fault):
    """What goes wrong once, with the second page, is asked again, and every deal comes once."""
    account.double.load(account.deals(120))
    account.serve(once(fault, 1, is_list))

    pulled = rows(pages(account.adapter()))

    assert sorted(one["hs_object_id"] for one in pulled) == sorted(ids(account))


@pytest.mark.parametrize("fault", REFUSED, ids=lambda fault: fault.value)
def test_a_refusal_is_an_error(account, fault):
    """What no repeat cures ends the pull with a reason and a remedy."""
    account.double.load(account.deals(120))
    account.serve(once(fault, 1, is_list))

    with pytest.raises(SourceIncomplete) as caught:
        pages(account.adapter())

    assert caught.value.reason
    assert caught.value.remedy


@pytest.mark.parametrize("fault", SLOW, ids=lambda fault: fault.value)
def test_an_answer_that_does_not_come_is_an_error(account, fault):
    """Silence, and a body that comes too slowly, end the pull."""
    account.double.load(account.deals(120))
    account.serve(lambda _, request: fault if is_list(request) and "after" in request.query else None)

    with pytest.raises(SourceIncomplete):
        pages(account.adapter(timeout_seconds=0.05, patience_seconds=0.1))


def test_many_faults_change_nothing(account):
    """With one answer in ten spoilt, the pull gives what it gives without, row by row."""
    account.double.load(account.deals(1_000))
    expected = rows(pages(account.serve().adapter()))
    account.serve(sprinkled(CURED, 0.1, seed=7))

    assert rows(pages(account.adapter())) == expected


@pytest.mark.parametrize("history", [True, False])
def test_asks_no_more_often_than_the_page_size_demands(account, history):
    """A pull makes one request for each page, two counts, two for metadata, and one for what is archived."""
    account.double.load(account.deals(1_000))

    pages(account.adapter(history=history))

    assert account.server.requests == 1_000 // (50 if history else 100) + 5


def test_the_next_page_is_asked_for_while_one_is_used(account):
    """The request for a page is under way before the page ahead of it is given."""
    account.double.load(account.deals(150))
    asked = []
    account.double.before = lambda request: asked.append(is_list(request))
    adapter = account.adapter()

    async def after_first():
        async for _ in adapter.pull():
            await account.time.sleep(0)
            for _ in range(200):
                if sum(asked) > 1:
                    break
                await real_sleep(0.01)
            break
        await adapter.close()

    real_sleep = asyncio.sleep
    asyncio.run(after_first())

    assert sum(asked) == 2


@pytest.mark.parametrize("seed", range(3))
def test_changes_in_mid_pull_lose_nothing(account, seed):
    """While thousands of deals come, go and change, those that stay all come, none of them twice."""
    double, chance = account.double, random.Random(seed)
    double.load(account.deals(3_000))
    double.lag_seconds = chance.choice([0, 30, 3_600])
    stay = {f"{1_000 + number}" for number in range(3_000)}

    def disturb(_request):
        double.clock.advance(1)
        for _ in range(chance.randrange(6)):
            chosen = str(1_000 + chance.randrange(3_000))
            if double.deals.records.get(chosen) is None or double.deals.records[chosen].archived is not None:
                continue
            change = chance.choice(["edit", "insert", "insert before", "archive", "merge"])
            if change == "edit":
                double.edit(chosen, {"amount": str(chance.randrange(9_999))})
            elif change == "archive":
                double.deals.archive(chosen)
                stay.discard(chosen)
            elif change == "merge" and (other := next((one for one in sorted(stay) if one != chosen), None)):
                double.merge(chosen, other)
                stay.difference_update({chosen, other})
            else:
                place = {"hs_object_id": str(chance.randrange(1, 999))} if change == "insert before" else {}
                if place.get("hs_object_id") not in double.deals.records:
                    double.insert({**account.deals(1)[0], "hs_object_id": None, **place})

    double.before = disturb
    given = pages(account.adapter())
    pulled = [one["hs_object_id"] for one in rows(given)]

    assert len(pulled) == len(set(pulled))
    assert stay <= set(pulled)
    assert set(pulled) - set(double.deals.records) <= gone(given) | (set(pulled) - stay)


def test_the_next_increment_brings_what_changed_in_mid_pull(account):
    """After a pull that was disturbed and one increment, everything is as in the account."""
    double, chance = account.double, random.Random(11)
    double.load(account.deals(1_000))

    def disturb(_request):
        double.clock.advance(5)
        chosen = str(1_000 + chance.randrange(1_000))
        if chosen in ids(account):
            chance.choice([lambda: double.edit(chosen, {"amount": "7"}), lambda: double.deals.archive(chosen)])()

    double.before = disturb
    first = pages(account.adapter())
    double.before = lambda _: None
    double.clock.advance(30)
    second = pages(account.adapter(), first[-1].watermark)
    known = {one["hs_object_id"]: one["amount"] for one in rows(first)}
    known |= {one["hs_object_id"]: one["amount"] for one in rows(second)}
    known = {identity: amount for identity, amount in known.items() if identity not in gone(second)}

    assert known == {one: double.deals.records[one].properties["amount"] for one in ids(account)}


def altered(account, change):
    """Serve the double with some answers to lists changed."""
    plain = account.double.handle

    def handle(request):
        reply = plain(request)
        if not is_list(request):
            return reply
        body = msgspec.json.decode(reply.body)
        return Reply(reply.status, msgspec.json.encode(change(request, body)), reply.headers, reply.content_type)

    account.double.handle = handle
    account.serve()


def test_a_skipped_page_is_made_good(account):
    """Deals that the list leaves out although they are there are read by id."""
    account.double.load(account.deals(200))

    def skip(request, body):
        return body | {"results": body["results"][-1:]} if request.query.get("after") == "1049" else body

    altered(account, skip)
    pulled = rows(pages(account.adapter()))

    assert {one["hs_object_id"] for one in pulled} == ids(account)
    assert len(pulled) == 200


def test_a_list_that_ends_early_is_made_good(account):
    """A page that does not lead on although there are more deals does not pass for the last."""
    account.double.load(account.deals(200))
    altered(account, lambda _, body: {"results": body["results"]})

    assert {one["hs_object_id"] for one in rows(pages(account.adapter()))} == ids(account)


def test_deals_the_index_still_counts_are_no_alarm(account):
    """Where the late index counts deals that have gone, their ids are looked up, and the pull is whole."""
    account.double.load(account.deals(120))
    account.double.lag_seconds = 60
    for identity in ("1003", "1004"):
        account.double.deals.archive(identity)

    assert {one["hs_object_id"] for one in rows(pages(account.adapter()))} == ids(account)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _, body: body | {"paging": {"next": {"after": "1049"}}}, "circle"),
        (lambda request, body: body | {"results": []} if "after" in request.query else body, "without records"),
    ],
    ids=["repeated token", "empty page"],
)
def test_pages_that_do_not_chain_are_an_error(account, change, said):
    """A cursor that was given before, and a page without records that leads on, end the pull."""
    account.double.load(account.deals(200))
    altered(account, change)

    with pytest.raises(SourceIncomplete, match=said):
        pages(account.adapter())


def test_a_page_given_twice_is_an_error(account):
    """The same records under another cursor are no progress."""
    account.double.load(account.deals(200))
    first = []

    def repeat(_request, body):
        first.append(body["results"])
        return body | {"results": first[0]}

    altered(account, repeat)

    with pytest.raises(SourceIncomplete, match="same page twice"):
        pages(account.adapter())


def test_an_answer_without_results_is_no_empty_account(account):
    """A JSON object that is no list does not pass for one without deals."""
    account.double.load(account.deals(10))
    altered(account, lambda *_: {"status": "ok"})

    with pytest.raises(SourceIncomplete):
        pages(account.adapter())


def test_a_page_with_history_shrinks_when_hubspot_wants_it(account):
    """The largest page with history is documented nowhere: a refused size is halved, and the pull goes on."""
    account.double.load(account.deals(100))
    account.double.history_limit = 20

    pulled = rows(pages(account.adapter()))

    assert len(pulled) == 100


def test_more_properties_than_an_address_holds_are_read_by_id(account):
    """Where the names would make the address too long, the list gives ids and the properties come in batches."""
    many = {f"custom_property_number_{number:04}": "x" for number in range(400)}
    account.double.load([{**one, **many} for one in account.deals(60)])

    pulled = rows(pages(account.adapter(fields=FIELDS | many.keys())))

    assert len(pulled) == 60
    assert all(one[name] == "x" for one in pulled for name in many)


def test_an_address_that_hubspot_finds_too_long_is_got_over(account):
    """A 414 to the first page turns to batches as well."""
    account.double.load(account.deals(60))
    plain = account.double.handle
    account.double.handle = lambda request: (
        Reply(414, b"", content_type="text/html") if is_list(request) and "amount" in request.target else plain(request)
    )

    assert len(rows(pages(account.serve().adapter()))) == 60


def test_blank_null_and_absent_are_kept_apart(account):
    """An empty text stays one, null is None, and a property nobody defined is MISSING."""
    account.double.load([*account.deals(1, description=""), *account.deals(2, description=None)[1:]])

    first, second = rows(pages(account.adapter(fields=FIELDS | {"description", "nowhere"})))

    assert (first["description"], second["description"]) == ("", None)
    assert (first["nowhere"], second["nowhere"]) == (MISSING, MISSING)


def test_a_property_that_is_not_there_is_said(account):
    """HubSpot ignores names it does not know, so a note names them."""
    account.double.load(account.deals(3))

    notes = [note for page in pages(account.adapter(fields=FIELDS | {"nowhere"})) for note in page.notes]

    assert notes == ["HubSpot has no such properties: nowhere"]


def test_a_stage_property_that_vanished_is_an_error(account):
    """Without the field that holds the stage nothing could be judged, so a person must mend it."""
    account.double.load(account.deals(3, our_stage="Qualify"))
    del account.double.deals.types["our_stage"]

    with pytest.raises(ConfigError, match="our_stage"):
        pages(account.adapter(fields=FIELDS | {"our_stage"}, roles={**ROLES, "stage": "our_stage"}))


def test_times_in_milliseconds_are_read(account):
    """A property that is a time comes as ISO 8601, whichever way HubSpot writes it; other long numbers stay."""
    account.double.load(account.deals(1, closedate="1772441400000", description="1772441400000"))

    (deal,) = rows(pages(account.adapter(fields=FIELDS | {"closedate", "description"})))

    assert (deal["closedate"], deal["description"]) == ("2026-03-02T08:50:00.000Z", "1772441400000")


def test_only_what_is_mapped_is_asked_for(account):
    """A request names the mapped properties and those the adapter needs, and no other."""
    account.double.load(account.deals(3))
    asked = []
    account.double.before = lambda request: asked.append(request.query.get("properties", "hs_object_id"))

    pages(account.adapter())

    assert set(",".join(asked).split(",")) == {
        "hs_object_id",
        "amount", "dealname", "dealstage", "hs_lastmodifieddate", "hs_merged_object_ids", "pipeline",
    }  # fmt: skip


def test_without_a_mapping_every_property_is_read(account):
    """A context that names no field asks for all that are defined."""
    account.double.load(account.deals(1))

    (deal,) = rows(pages(account.adapter(fields=())))

    assert {"hs_object_id", "dealname", "dealstage", "closedate", "hubspot_owner_id"} <= deal.keys()


def test_closing_ends_a_pull_as_incomplete(account):
    """A pull whose adapter is closed does not end normally."""
    account.double.load(account.deals(200))
    adapter = account.adapter()

    async def close_meanwhile():
        async for _ in adapter.pull():
            await adapter.close()

    with pytest.raises(SourceIncomplete, match="closed"):
        asyncio.run(close_meanwhile())


def test_the_newer_naming_scheme_gives_the_same(account):
    """With `api = "2026-03"` the same deals come, by other paths."""
    account.double.load(account.deals(60, tasks=[{"hs_task_subject": "Call"}]))
    fields = {"fields": FIELDS, "children": {"tasks": frozenset({"hs_task_subject"})}}
    asked = []
    expected = rows(pages(account.adapter(**fields)))
    account.double.before = lambda request: asked.append(request.path)

    pulled = rows(pages(account.adapter(**fields, api="2026-03")))

    assert pulled == expected
    assert not [path for path in asked if "/v3/" in path or "/v4/" in path]


def test_keys_are_those_of_all_deals(account):
    """A sweep gives each id once, and makes good what the list left out."""
    account.double.load(account.deals(250))
    account.double.deals.archive("1007")

    async def keys(adapter):
        try:
            parts = adapter.keys()
            return [key async for part in parts for key in part]
        finally:
            await adapter.close()

    found = asyncio.run(keys(account.adapter()))

    assert len(found) == 249
    assert set(found) == ids(account)


def test_ids_are_kept_whatever_their_order():
    """The compact set knows rising numbers, numbers out of order and texts that are none."""
    seen = Ids()
    given = ["5", "9", "7", "007", "1-A", "", "99999999999999999999", "5", "7", "1-A"]

    assert [seen.add(one) for one in given] == [True] * 7 + [False] * 3
    assert all(one in seen for one in given)
    assert "8" not in seen
    assert len(seen) == 7


def test_secrets_and_records_stay_out_of_errors_and_logs(account, capfd, caplog):
    """Neither the token nor a deal's text stands in an error, a note or a log at any level, whatever goes wrong."""
    account.double.load(account.deals(120, dealname="Very Private Deal", tasks=[{"hs_task_subject": "Private Task"}]))
    said = []
    configure_logs(2)
    try:
        with caplog.at_level(logging.DEBUG):
            for fault in [one for one in Fault if one not in SLOW]:
                account.serve(lambda _, request, fault=fault: fault if is_list(request) else None)
                with pytest.raises(SourceIncomplete) as caught:
                    pages(account.adapter(patience_seconds=2))
                said.append(f"{caught.value!r} {caught.value.reason} {caught.value.remedy}")
            account.serve(lambda _, request: Fault.HTML if "associations" in request.path else None)
            given = pages(account.adapter(children={"tasks": frozenset({"hs_task_subject"})}))
            said += [note for page in given for note in page.notes]
    finally:
        configure_logs(0)
    out, err = capfd.readouterr()
    told = "\n".join([*said, out, err, caplog.text])

    assert "http.retried" in told
    assert TOKEN not in told
    assert "Private" not in told


def test_a_refused_token_is_an_error_of_credentials(account):
    """A private app's token that was rotated in mid-pull ends it, with what to do."""
    account.double.load(account.deals(200))
    asked = []

    def rotate(request):
        asked.append(request)
        if len(asked) == 5:
            account.double.revoke()

    account.double.before = rotate

    with pytest.raises(AuthFailed) as caught:
        pages(account.adapter())

    assert "auth" in caught.value.remedy
