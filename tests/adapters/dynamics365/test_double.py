"""The double's own habits, as far as the adapter never meets them: they are what it is built to stay clear of."""

from urllib.parse import quote

import msgspec
import pytest

from adapters.dynamics365.double import Dynamics365Double
from adapters.dynamics365.double.directory import BEARER
from syncd.rehearsal import Double, Request
from tests.adapters.dynamics365.desk import records


def ask(double, target, prefer=""):
    headers = {"authorization": f"Bearer {BEARER}", "prefer": prefer}
    reply = double.handle(Request("GET", target, headers))
    return reply.status, msgspec.json.decode(reply.body) if reply.body[:1] == b"{" else reply.body


def loaded(count=3):
    double = Dynamics365Double()
    double.load(records(count))
    return double


def test_has_the_shape_of_a_double():
    """It can be made, loaded and asked as every double can."""
    double: Double = Dynamics365Double()

    assert double.mapping == "dynamics365"
    assert double.secrets.keys() == {double.settings["auth"]["token"]["env"]}


@pytest.mark.parametrize("option", ["$filter=statecode eq 0", "$orderby=name", "$expand=tasks", "$top=3"])
def test_change_tracking_takes_no_other_option(option):
    """Options that change tracking does not support are refused."""
    status, body = ask(loaded(), f"/opportunities?{quote(option, safe='$=')}", "odata.track-changes")

    assert status == 400
    assert option.partition("=")[0] in body["error"]["message"]


def test_counts_end_at_five_thousand():
    """`$count` goes no further, and says so."""
    double = loaded(5_001)
    _, body = ask(double, "/opportunities?$select=name&$count=true")

    assert body["@odata.count"] == 5_000
    assert body["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] is True
    assert ask(double, "/opportunities/$count")[1] == "\ufeff5000".encode()


def test_a_page_has_five_thousand_rows_at_most():
    """A larger page is not to be had, and there is no `$skip`."""
    double = loaded(5_001)

    assert len(ask(double, "/opportunities?$select=name", "odata.maxpagesize=9000")[1]["value"]) == 5_000
    assert ask(double, "/opportunities?$skip=3")[0] == 400


@pytest.mark.parametrize("harm", [lambda link: quote(link, safe=":/?&$=,"), lambda link: link.replace("%25", "%")])
def test_a_cookie_that_was_quoted_again_is_refused(harm):
    """The cookie is quoted twice, and neither once more nor once less will do."""
    double = loaded(30)
    _, body = ask(double, "/opportunities?$select=name", "odata.maxpagesize=10")

    assert ask(double, body["@odata.nextLink"], "odata.maxpagesize=10")[0] == 200
    assert ask(double, harm(body["@odata.nextLink"]), "odata.maxpagesize=10")[0] == 400


def test_the_abstract_kind_of_choice_falls_over():
    """Asking for all choices by their abstract type is answered 500; by their own type, with their labels."""
    path = "/EntityDefinitions(LogicalName='opportunity')/Attributes(LogicalName='salesstage')/Microsoft.Dynamics.CRM."

    assert ask(loaded(), f"{path}EnumAttributeMetadata?$expand=OptionSet")[0] == 500
    assert ask(loaded(), f"{path}PicklistAttributeMetadata?$expand=OptionSet")[0] == 200


def test_yes_that_is_labelled_no():
    """One of Microsoft's yes and no columns has its labels the wrong way round, so values are what counts."""
    double = Dynamics365Double()
    double.load([{"opportunityid": "1", "captureproposalfeedback": "yes", "evaluatefit": "yes"}])
    formatted = "OData.Community.Display.V1.FormattedValue"
    _, body = ask(
        double, "/opportunities?$select=captureproposalfeedback,evaluatefit",
        f'odata.include-annotations="{formatted}"',
    )  # fmt: skip

    [row] = body["value"]
    assert (row["captureproposalfeedback"], row[f"captureproposalfeedback@{formatted}"]) == (True, "No")
    assert (row["evaluatefit"], row[f"evaluatefit@{formatted}"]) == (True, "Yes")


def test_child_rows_that_are_loaded_with_one_id():
    """Rows keep the id they are loaded with, even where two of them have the same."""
    tasks = [{"subject": "A", "activityid": "DOC-1"}, {"subject": "B", "activityid": "DOC-1"}]
    double = Dynamics365Double()
    double.load([{"opportunityid": "1", "createdon": None, "tasks": tasks}])
    _, body = ask(double, "/tasks?$select=subject,activityid")

    assert [(row["subject"], row["activityid"]) for row in body["value"]] == [("A", "DOC-1"), ("B", "DOC-1")]
    assert ask(double, "/opportunities?$select=createdon")[1]["value"][0]["createdon"]


def test_nobody_gets_in_without_a_token():
    """A wrong token is refused without a body."""
    reply = loaded().handle(Request("GET", "/opportunities", {"authorization": "Bearer other"}))

    assert (reply.status, reply.body) == (401, b"")


def test_an_address_has_an_end():
    """An address beyond 32,768 characters is refused; that is what batches are for."""
    assert ask(loaded(), f"/opportunities?$filter={'x' * 32_768}")[0] == 414
