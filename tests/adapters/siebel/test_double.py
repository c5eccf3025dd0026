"""The double has the habits of the real system, one by one: those a client must cope with, and those of writing."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import pytest

from adapters.siebel.double import SiebelDouble
from syncd.rehearsal import Request
from tests.adapters.siebel.scene import deals

NOTHING = {"ERROR": "There is no data for the requested resource"}
AUTH = {"authorization": "Basic " + base64.b64encode(b"SYNCD:sadmin-of-nowhere").decode()}
MINE = {"ViewMode": "Organization", "uniformresponse": "y", "childlinks": "None"}


def ask(double, path="Opportunity/Opportunity", *, headers=AUTH, method="GET", body=None, **query):
    target = f"/siebel/v1.0/data/{quote(path)}?{urlencode(query)}"
    reply = double.handle(Request(method, target, headers, b"" if body is None else json.dumps(body).encode()))
    return reply.status, json.loads(reply.body or b"null"), reply.headers


@pytest.fixture
def double():
    made = SiebelDouble()
    made.load(deals(250))
    return made


def test_ten_records_of_one_s_own_by_default(double):
    """Without parameters: ten records, those of the account's own team, in no order, each with all its child links."""
    assert ask(double)[:2] == (404, NOTHING)
    double.load(deals(30, **{"Primary Sales Rep Login": "SYNCD"}))
    status, body, _ = ask(double)
    ids = [one["Id"] for one in body["items"]]

    assert (status, len(ids)) == (200, 10)
    assert ids != sorted(ids)
    assert len(body["items"][0]["Link"]) > 20
    assert len({link["name"] for link in body["items"][0]["Link"]}) < len(body["items"][0]["Link"])


def test_nothing_and_hidden_look_the_same(double):
    """404 with the same text for what is not there, what is hidden, and a page past the end."""
    double.hide("1-00001", "Manager")

    assert ask(double, "Opportunity/Opportunity/1-00001", **MINE)[:2] == (404, NOTHING)
    assert ask(double, "Opportunity/Opportunity/1-99999", **MINE)[:2] == (404, NOTHING)
    assert ask(double, StartRowNum="250", **MINE)[:2] == (404, NOTHING)
    assert ask(double, "Opportunity/Opportunity/1-00001", **{**MINE, "ViewMode": "Manager"})[0] == 200


def test_one_record_is_no_list_unless_asked(double):
    """`uniformresponse=y` makes a single record a list; by its key it comes bare."""
    search = {"searchspec": '[Id] = "1-00001"', "ViewMode": "Organization"}

    assert isinstance(ask(double, **search)[1]["items"], dict)
    assert isinstance(ask(double, uniformresponse="y", **search)[1]["items"], list)
    assert ask(double, "Opportunity/Opportunity/1-00001", **MINE)[1]["Id"] == "1-00001"


def test_every_value_is_a_text(double):
    """Numbers, flags and what is empty: all texts, unset foreign keys as `No Match Row Id`."""
    record = ask(double, PageSize="1", **MINE)[1]["items"][0]
    values = {name: value for name, value in record.items() if name != "Link"}

    assert {type(value) for value in values.values()} == {str}
    assert (values["Primary Revenue Win Probability"], values["Account"]) == ("20", "")
    assert values["Primary Territory Id"] == "No Match Row Id"


def test_times_are_local_and_month_first(double):
    """A moment loaded in UTC is answered in the zone of the account's profile, and searched in it."""
    double.load([{"Id": "1", "Primary Revenue Close Date": "2026-12-31", "Created Date": "2026-07-04T02:00:00Z"}])
    (record,) = ask(double, **MINE)[1]["items"]

    assert record["Primary Revenue Close Date"] == "12/31/2026"
    assert record["Created Date"] == "07/03/2026 22:00:00"
    status, body, _ = ask(double, searchspec='[Updated] > "2026-07-04"', **MINE)
    assert (status, "SBL-DAT-00359" in body["ERROR"]) == (500, True)


def test_the_link_to_the_next_page(double):
    """It names another host, carries nothing but page and row, and is there only while more rows exist."""
    first = ask(double, PageSize="100", **MINE)[1]["Link"][-1]
    last = ask(double, PageSize="100", StartRowNum="200", **MINE)[1]["Link"]

    assert first["rel"] == "nextSet"
    assert first["href"].endswith("/data/Opportunity/Opportunity?PageSize=100&StartRowNum=100")
    assert "example" in first["href"]
    assert [link["rel"] for link in last] == ["self"]


def test_counting(double):
    """The header counts what the view mode shows, and only the lower-case word asks for it."""
    assert ask(double, recordcountneeded="true", **MINE)[2]["Total-Record-Count"] == "250"
    assert "Total-Record-Count" not in ask(double, recordcountneeded="True", **MINE)[2]


def test_fields(double):
    """Asked-for fields and the id come; an unknown one is an error; answers and searches use two vocabularies."""
    record = ask(double, fields="Name,Sales Stage", PageSize="1", **MINE)[1]["items"][0]

    assert set(record) == {"Id", "Name", "Sales Stage", "Link"}
    for fields in ("Nome", "Updated", "Mod Id", "Created"):
        status, body, _ = ask(double, fields=fields, **MINE)
        assert (status, "SBL-EAI-50258" in body["ERROR"]) == (500, True)
    assert "SBL-DAT-00416" in ask(double, searchspec="[Created Date] IS NOT NULL", **MINE)[1]["ERROR"]
    double.exposes_stamps = True
    assert ask(double, fields="Updated,Mod Id", **MINE)[0] == 200


def test_more_than_9900_records():
    """Beyond that a query fails unless it reads forward only."""
    double = SiebelDouble()
    double.load(deals(9_901))

    status, body, _ = ask(double, **MINE)
    assert (status, "SBL-DAT-00500" in body["ERROR"]) == (500, True)
    assert ask(double, ExecutionMode="ForwardOnly", **MINE)[0] == 200


def test_more_than_twenty_connections(double):
    """The twenty-first request is refused."""
    double.connections = lambda: 21

    assert double.handle(Request("GET", "/data/Opportunity/Opportunity", AUTH)).status == 503


def test_guests(double):
    """Without credentials a guest is let in and sees nothing; with wrong ones nobody is."""
    assert ask(double, headers={}, **MINE)[:2] == (404, NOTHING)
    wrong = {"authorization": "Basic " + base64.b64encode(b"SYNCD:guess").decode()}
    assert ask(double, headers=wrong, **MINE)[0] == 401
    double.guests = False
    assert ask(double, headers={}, **MINE)[0] == 401


def test_put_is_upsert(double):
    """An id that is not known is inserted, under an id of Siebel's own, if there is a name."""
    path = "Opportunity/Opportunity/1-TYPO"
    status, body, _ = ask(double, path, method="PUT", body={"Name": "New"})

    assert status == 200
    assert body["items"]["Id"] != "1-TYPO"
    assert len(double.table) == 251
    assert "SBL-EAI-04397" in ask(double, path, method="PUT", body={"Sales Stage": "Proof"})[1]["ERROR"]


def test_nothing_to_change(double):
    """A write that changes nothing is 304, without a body."""
    same = {"Sales Stage": "Develop"}

    assert ask(double, "Opportunity/Opportunity/1-00001", method="PUT", body=same)[:2] == (304, None)


def test_a_new_stage_sets_the_probability(double):
    """Unless the same request sets it; the stage's date follows too."""
    double._now = lambda: datetime(2026, 11, 23, 15, tzinfo=UTC)
    path = "Opportunity/Opportunity/1-00001"
    ask(double, path, method="PUT", body={"Sales Stage": "Proof"})
    values = double.table.records["1-00001"].values

    assert (values["Primary Revenue Win Probability"], values["Sales Stage Date"]) == ("60", "11/23/2026")
    ask(double, path, method="PUT", body={"Sales Stage": "Close", "Primary Revenue Win Probability": "75"})
    assert double.table.records["1-00001"].values["Primary Revenue Win Probability"] == "75"


def test_a_stage_that_is_not_in_the_list(double):
    """A business error is a 500 with its code innermost."""
    path = "Opportunity/Opportunity/1-00001"
    status, body, _ = ask(double, path, method="PUT", body={"Sales Stage": "Dreaming"})

    assert status == 500
    assert body["ERROR"].endswith("(SBL-DAT-00225)(SBL-EAI-04376)")


def test_batches_are_all_or_nothing(double):
    """One bad record rejects all, and there are at most a hundred."""
    good, bad = {"Id": "1-00001", "Name": "changed"}, {"Id": "1-00002", "Sales Stage": "Dreaming"}

    assert ask(double, method="PUT", body=[good, bad])[0] == 409
    assert double.table.records["1-00001"].values["Name"] == "Deal 1"
    assert ask(double, method="PUT", body=[good])[0] == 200
    assert double.table.records["1-00001"].values["Name"] == "changed"
    assert ask(double, method="PUT", body=[{"Id": "1-00001", "Name": "x"}] * 101)[0] == 400


def test_deleting_and_adding_children(double):
    """A record is deleted by its key; a child is added by PUT, under an id of Siebel's own."""
    assert ask(double, "Opportunity/Opportunity/1-00002", method="DELETE")[0] == 200
    assert ask(double, "Opportunity/Opportunity/1-00002", method="DELETE")[0] == 400
    row = {"Id": "12345", "Type": "Call"}
    status, body, _ = ask(double, "Opportunity/Opportunity/1-00001/Action", method="PUT", body=row)

    assert (status, body["items"]["Action"]["Id"] != "12345") == (200, True)
    found = ask(double, "Opportunity/Opportunity/1-00001/Action", **MINE)[1]
    assert (found["lastpage"], found["items"][0]["Type"]) == ("true", "Call")
    assert ask(double, "Opportunity/Opportunity/1-00001/Action", searchspec="[Type] = 'x'", **MINE)[0] == 500


def test_both_forms_of_describe(double):
    """OpenAPI 3.0, and Swagger 2.0 on request."""
    new = ask(double, "Opportunity/Opportunity/describe")[1]
    old = ask(double, "Opportunity/Opportunity/describe", openapiversion="2")[1]

    properties = new["components"]["schemas"]["data_Opportunity_Opportunity_"]["properties"]
    assert properties["Sales Stage Date"]["x-siebel-datatype"] == "DTYPE_DATE"
    assert old["definitions"]["data_Opportunity_Opportunity_"]["properties"] == properties
