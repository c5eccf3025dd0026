"""Tokens and limits: HubSpot's ways to say no, and what each asks for."""

from __future__ import annotations

from pathlib import Path

import httpx
import msgspec
import pytest

from adapters.hubspot import HubSpotAdapter
from adapters.hubspot.double import CLIENT, REFRESH, HubSpotDouble
from adapters.hubspot.double_search import found_by
from adapters.hubspot.errors import react, scopes_in
from adapters.hubspot.settings import HubSpotSettings
from syncd.adapter import SourceContext
from syncd.errors import AuthFailed, ConfigError, SourceIncomplete, SourceUnavailable
from syncd.httpkit import Answer, Reaction
from syncd.rehearsal import Request
from tests.adapters.hubspot.accounts import pages, rows


@pytest.fixture
def oauth(account, monkeypatch):
    """The settings of an app that uses OAuth."""
    monkeypatch.setenv("HUBSPOT_CLIENT", CLIENT["client_secret"])
    monkeypatch.setenv("HUBSPOT_REFRESH", REFRESH)
    account.double.load(account.deals(120))
    account.serve()
    return {
        "type": "refresh_token", "token_url": f"{account.server.url}/oauth/v1/token",
        "client_id": CLIENT["client_id"], "client_secret": {"env": "HUBSPOT_CLIENT"},
        "refresh_token": {"env": "HUBSPOT_REFRESH"},
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/oauth/v1/token", "/oauth/2026-03/token"])
def test_a_refresh_token_gives_a_token(account, oauth, path):
    """OAuth's refresh token is turned into a token, once for a pull."""
    asked = []
    account.double.before = lambda request: asked.append(request.path)
    oauth["token_url"] = f"{account.server.url}{path}"

    assert len(rows(pages(account.adapter(auth=oauth)))) == 120
    assert asked.count(path) == 1


def test_a_token_that_ends_in_mid_pull_is_renewed(account, oauth):
    """A token that HubSpot refuses in the midst of a pull is replaced, once, and nothing is lost."""
    asked = []

    def expire(request):
        asked.append(request.path)
        if len(asked) == 5:
            account.double.expire_tokens()

    account.double.before = expire

    assert len(rows(pages(account.adapter(auth=oauth)))) == 120
    assert asked.count("/oauth/v1/token") == 2


def test_a_refresh_token_that_was_taken_back(account, oauth, monkeypatch):
    """A refusal at the token endpoint is an error of credentials that repeats no secret."""
    monkeypatch.setenv("HUBSPOT_REFRESH", "very-secret-and-wrong")

    with pytest.raises(AuthFailed) as caught:
        pages(account.adapter(auth=oauth))

    assert "invalid_grant" in caught.value.reason
    assert "very-secret" not in str(caught.value) + caught.value.remedy


@pytest.mark.parametrize("searches", [False, True], ids=["general", "search"])
@pytest.mark.parametrize("policy", ["TEN_SECONDLY_ROLLING", "SECONDLY"])
def test_a_limit_that_passes_is_waited_for(account, policy, searches):
    """Too many requests in seconds are waited for, though HubSpot does not say how long."""
    account.double.load(account.deals(120))
    account.serve()
    account.double.throttle(3, policy, searches=searches)

    assert len(rows(pages(account.adapter()))) == 120
    assert sum(account.time.waits) >= 3


def test_the_limit_of_a_day_is_not(account):
    """When the day's requests are used up the pull ends at once, and says until when."""
    account.double.load(account.deals(120))
    account.double.daily = 5

    with pytest.raises(SourceUnavailable) as caught:
        pages(account.adapter())

    assert "daily" in caught.value.reason
    assert "midnight" in caught.value.remedy
    assert account.server.requests == 6


def test_few_requests_left_slow_it_down(account):
    """When the headers say that the ten seconds' requests run out, each request waits for a tenth of them."""
    account.double.load(account.deals(120))
    account.double.headers_at = 3

    pages(account.adapter())

    assert account.time.waits.count(1.0) >= 3


def test_a_missing_scope_is_named(account):
    """A 403 ends the pull with the scope that is missing, and what to do."""
    account.double.scopes.discard("crm.objects.deals.read")

    with pytest.raises(AuthFailed) as caught:
        pages(account.adapter())

    assert "crm.objects.deals.read" in caught.value.reason
    assert "token" in caught.value.remedy


def test_a_scope_is_repeated_only_where_it_looks_like_one():
    """What a refusal calls a scope may be anything; only names that look like scopes are shown."""
    body = {"context": {"missingScopes": ["crm.objects.deals.read", "<script>", 7]}, "errors": "none"}
    answer = Answer(403, httpx.Headers(), msgspec.json.encode(body))

    assert scopes_in(answer) == ["crm.objects.deals.read"]


@pytest.mark.parametrize(
    ("status", "body", "reaction"),
    [
        (200, {}, Reaction.ACCEPT), (207, {}, Reaction.ACCEPT), (401, {}, Reaction.RENEW),
        (429, {"policyName": "DAILY"}, Reaction.REFUSE), (429, {"policyName": "SECONDLY"}, Reaction.WAIT),
        (429, "<html>", Reaction.WAIT), (423, {}, Reaction.WAIT), (477, {}, Reaction.WAIT), (502, {}, Reaction.WAIT),
        (521, {}, Reaction.WAIT), (524, {}, Reaction.WAIT), (403, {}, Reaction.REFUSE), (404, {}, Reaction.REFUSE),
    ],
)  # fmt: skip
def test_what_an_answer_asks_for(status, body, reaction):
    """Each status of HubSpot's list has its reaction; of a body every field may be absent."""
    assert react(Answer(status, httpx.Headers(), msgspec.json.encode(body))) is reaction


def test_a_pipeline_that_is_not_there(account):
    """A pipeline that the configuration names and HubSpot does not have stops at the start, with those it has."""
    with pytest.raises(ConfigError, match=r"Nowhere.*Sales Pipeline"):
        pages(account.adapter(pipelines=["Nowhere"]))


def test_settings_that_cannot_work():
    """A page larger than HubSpot's, and another id than its own, are refused when the adapter is made."""
    context = SourceContext(name="crm", folder=Path(), roles={"id": "deal_number"})
    with pytest.raises(ConfigError, match="100"):
        HubSpotAdapter.create(HubSpotSettings(page_size=101), context)
    with pytest.raises(ConfigError, match="hs_object_id"):
        HubSpotAdapter.create(HubSpotSettings(), context)


def test_the_limits_of_the_double_are_hubspots(account):
    """The double refuses what HubSpot refuses: pages too large, searches too far, addresses too long, no token."""
    token = {"authorization": f"Bearer {next(iter(HubSpotDouble.secrets.values()))}"}
    search = {"filterGroups": [], "sorts": [], "properties": [], "limit": 200, "after": "0"}
    deals = "/crm/v3/objects/deals"

    def status(method, target, body=None, headers=token):
        content = b"" if body is None else msgspec.json.encode(body)
        return account.double.handle(Request(method, target, headers, content)).status

    assert status("GET", f"{deals}?limit=100") == 200
    assert status("GET", f"{deals}?limit=101") == 400
    assert status("GET", f"{deals}?limit=51&propertiesWithHistory=dealstage") == 400
    assert status("GET", f"{deals}?properties={'x' * 9_000}") == 414
    assert status("GET", deals, headers={}) == 401
    assert status("GET", "/crm/v3/nothing") == 404
    assert status("POST", f"{deals}/search", search) == 200
    assert status("POST", f"{deals}/search", search | {"after": "9800"}) == 200
    assert status("POST", f"{deals}/search", search | {"after": "9801"}) == 400
    assert status("POST", f"{deals}/search", search | {"limit": 201}) == 400
    assert status("POST", f"{deals}/search", search | {"properties": ["x" * 3_000]}) == 400
    assert status("POST", f"{deals}/search", search | {"filterGroups": [{"filters": []}] * 6}) == 400
    assert status("POST", f"{deals}/search", {"limit": 5}) == 400
    assert status("POST", f"{deals}/batch/read", {"inputs": [{"id": "1"}]}) == 400


def test_the_search_of_the_double_joins_groups(account):
    """Conditions in one group must all hold, and one group of several suffices, as in HubSpot's search."""
    account.double.load(account.deals(10))
    early, late = {"operator": "LT", "value": "1"}, {"operator": "GTE", "value": "1"}
    above = {"propertyName": "hs_object_id", "operator": "GT", "value": "1006"}

    def found(*groups):
        filters = [{"filters": [one if "propertyName" in one else one | {"propertyName": "hs_lastmodifieddate"}
                                for one in group]} for group in groups]  # fmt: skip
        return [one[0] for one in found_by(account.double.deals, filters)]

    assert found() == [str(number) for number in range(1_000, 1_010)]
    assert found([above, late]) == ["1007", "1008", "1009"]
    assert found([above, early]) == []
    assert found([early], [above, late]) == ["1007", "1008", "1009"]


def test_unreadable_answers_of_the_start_are_errors(account):
    """A wrong base URL, which answers with something else, ends with a remedy."""
    account.serve()
    with pytest.raises(SourceIncomplete) as caught:
        pages(account.adapter(base_url=f"{account.server.url}/elsewhere"))

    assert "base_url" in caught.value.remedy
