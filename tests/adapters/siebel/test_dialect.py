"""How Siebel is asked: quoting, times, codes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.siebel.dialect import any_of, both, error_code, is_nothing, literal, react, resource, since, with_query
from adapters.siebel.double_data import Record
from adapters.siebel.double_search import Search, SearchRefused
from syncd.httpkit import Answer, Reaction
from syncd.rehearsal import Request

ZONES = ["America/New_York", "UTC", "Asia/Kolkata", "Australia/Lord_Howe", "Europe/London", "Pacific/Apia"]
NEW_YORK = ZoneInfo("America/New_York")


def search(text, fields=("Id", "Name", "Updated"), zone=UTC):
    return Search(text, set(fields), lambda moment: moment.replace(tzinfo=zone))


def answer(status, text=""):
    return Answer(status, httpx.Headers(), text.encode())


@given(st.text())
def test_a_value_cannot_leave_its_quotes(value):
    """Whatever a value holds, a search for it finds records with that value and no others; or there is no search."""
    written = literal(value)
    if written is None:
        assert ("'" in value and '"' in value) or any(ord(sign) < 32 for sign in value)
        return
    matches = search(f"[Name] = {written}").matches

    assert matches({"Name": value})
    assert not matches({"Name": value + "x"})


def test_what_an_unquoted_value_would_do():
    """The double evaluates what follows a quote, as the real one does, so that careless quoting would show."""
    evil = 'x" OR [Name] LIKE "*'

    assert search(f'[Name] = "{evil}"').matches({"Name": "somebody else's"})
    assert not search(f"[Name] = {literal(evil)}").matches({"Name": "somebody else's"})


def test_several_values():
    """A search for any of some values leaves out those that cannot be written."""
    assert any_of("Id", ["1-A1", "1-'A2", "1-'\"A3"]) == """[Id] = "1-A1" OR [Id] = "1-'A2\""""
    assert both("", "[A] = 'x'") == "[A] = 'x'"
    assert both("[A] = 'x' OR [B] = 'y'", "[C] = 'z'") == "([A] = 'x' OR [B] = 'y') AND ([C] = 'z')"


def test_addresses():
    """Names are quoted whole, a space is %20 and a plus %2B, in the path as in the query."""
    assert resource("Opportunity", "Sales Assessment #1") == "data/Opportunity/Sales%20Assessment%20%231"
    target = with_query("data/x", {"searchspec": '[A] = "1 + 1"', "fields": "Name,Sales Stage", "sortspec": "Id:asc"})

    assert target == "data/x?searchspec=%5BA%5D%20%3D%20%221%20%2B%201%22&fields=Name,Sales%20Stage&sortspec=Id:asc"
    assert Request("GET", target, {}).query["searchspec"] == '[A] = "1 + 1"'


@given(st.integers(1_700_000_000, 1_850_000_000), st.sampled_from(ZONES), st.sampled_from([0, 1]))
def test_no_change_after_a_moment_is_missed(seconds, name, fold):
    """Whichever of two hours Siebel takes a time for, a change at the moment or after it is found."""
    zone, moment = ZoneInfo(name), datetime.fromtimestamp(seconds, UTC)
    told = since("Updated", moment, zone)
    asks = Search(told, {"Updated"}, lambda local: local.replace(tzinfo=zone, fold=fold))

    assert asks.matches({"Updated": moment})
    assert not asks.matches({"Updated": moment - timedelta(hours=2, seconds=1)})


def test_dates_are_month_first_and_nothing_else():
    """ISO 8601 in a search is an error, as in the real one."""
    row = {"Updated": datetime(2026, 7, 4, tzinfo=UTC)}

    assert search('[Updated] >= "07/03/2026"').matches(row)
    with pytest.raises(SearchRefused, match="00359"):
        search('[Updated] >= "2026-07-03"').matches(row)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[Name] LIKE 'Con*' AND [Id] <> '1'", True), ("[Name] ~= 'CONTOSO'", True), ("[Name] = 'CONTOSO'", False),
        ("[Name] ~LIKE 'c?ntoso'", True), ("[Name] = 'Con*'", False), ("[Id] IS NULL", False),
        ("[Id] IS NOT NULL", True), ("NOT [Name] = 'x'", True), ("EXISTS([Name] = 'Contoso')", True),
        ("[Name] = 'x' OR [Name] = 'Contoso' AND [Id] = '2'", True),
        ("([Name] = 'x' OR [Id] = '2') AND [Id] = '3'", False),
    ],
)  # fmt: skip
def test_searches_of_the_double(text, found):
    """The double reads operators as Siebel does: case counts unless a tilde says otherwise, AND binds more than OR."""
    assert search(text).matches({"Id": "2", "Name": "Contoso"}) is found


@pytest.mark.parametrize(
    "text", ["[Name]", "[Name] =", "Name = 'x'", "[Name] = 'x' [Id]", "[Name] = x", "[Name] ! 'x'"]
)
def test_what_is_no_search(text):
    """What cannot be read is refused."""
    with pytest.raises(SearchRefused, match="00477"):
        search(text)


def test_a_search_for_an_unknown_field():
    """It has its own code."""
    with pytest.raises(SearchRefused, match="00416"):
        search("[Created Date] > '01/01/2026'")


@pytest.mark.parametrize(
    ("status", "text", "reaction"),
    [
        (200, "{}", Reaction.ACCEPT),
        (204, "", Reaction.REFUSE),
        (401, '{"ERROR":"x(SBL-DAT-00553)"}', Reaction.RENEW),
        (404, '{"ERROR":"There is no data for the requested resource"}', Reaction.REFUSE),
        (500, '{"ERROR":"x(SBL-DAT-00500)(SBL-EAI-04451)"}', Reaction.REFUSE),
        (500, '{"ERROR":"x(SBL-EAI-04376)"}', Reaction.REFUSE),
        (500, '{"ERROR":"x(SBL-SSM-00005)"}', Reaction.WAIT),
        (500, '{"ERROR":"x"}', Reaction.WAIT),
        (500, "oops", Reaction.WAIT),
        (503, "", Reaction.WAIT),
        (429, "", Reaction.WAIT),
        (403, '{"ERROR":"x(SBL-DAT-00825)"}', Reaction.REFUSE),
    ],
)
def test_what_an_answer_asks_for(status, text, reaction):
    """A 500 is mostly about the request; only the codes of the server's own trouble, or none, are worth a wait."""
    assert react(answer(status, text)) is reaction


def test_codes_and_nothing():
    """The innermost code counts; only one text of 404 means that there is nothing."""
    assert error_code(answer(500, '{"ERROR":"a(SBL-DAT-00225)b(SBL-EAI-04451)"}')) == "SBL-DAT-00225"
    assert error_code(answer(500, "SBL-DAT-00225")) == ""
    assert is_nothing(answer(204))
    assert is_nothing(answer(404, '{"ERROR":"There is no data for the requested resource"}'))
    assert not is_nothing(answer(404, '{"ERROR":"No such resource"}'))
    assert not is_nothing(answer(500, '{"ERROR":"There is no data for the requested resource"}'))


def test_the_hour_that_comes_twice():
    """In autumn the search begins with the earlier of the two hours that a clock shows alike."""
    first, second = datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)

    assert since("Updated", first, NEW_YORK) == '[Updated] >= "11/01/2026 00:30:00"'
    assert since("Updated", second, NEW_YORK) == '[Updated] >= "11/01/2026 01:30:00"'


def test_a_search_sees_the_names_of_the_business_component():
    """`Updated` can be searched though no answer holds it."""
    record = Record("1", {}, created=datetime(2026, 1, 1, tzinfo=UTC), updated=datetime(2026, 7, 1, tzinfo=UTC))

    assert search('[Updated] > "06/30/2026 00:00:00"').matches(record.searchable())
