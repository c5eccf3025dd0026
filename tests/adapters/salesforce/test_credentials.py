"""Tokens: both flows, their renewal in mid-pull, and the host they are for."""

from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from syncd.errors import AuthFailed, ConfigError
from tests.adapters.salesforce.orgs import Org, by_id, checks_of, deal

DEALS = [deal(number) for number in range(300)]
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


def signed(assertion):
    try:
        jwt.decode(
            assertion, KEY.public_key(), algorithms=["RS256"], options={"verify_aud": False, "verify_exp": False}
        )
    except jwt.InvalidSignatureError:
        return False
    return True


def client_credentials(org, secret="rehearsal-secret", **more):
    org.monkeypatch.setenv("SECRET", secret)
    url = f"{org.server.url}/services/oauth2/token"
    given = {"client_id": "3MVG9rehearsal", "client_secret": {"env": "SECRET"}, "token_url": url}
    return {"type": "client_credentials", **given, **more}


def jwt_bearer(org, pem=PEM, **more):
    org.monkeypatch.setenv("PEM", pem)
    given = {
        "token_url": f"{org.server.url}/services/oauth2/token", "client_id": "3MVG9rehearsal",
        "subject": "syncd@rehearsal.invalid", "audience": "https://login.salesforce.com", "private_key": {"env": "PEM"},
    }  # fmt: skip
    return {"type": "jwt_bearer", **given, **more}


@pytest.fixture
def org(monkeypatch):
    with Org(monkeypatch, DEALS, signed=signed) as made:
        made.monkeypatch = monkeypatch
        yield made


@pytest.mark.parametrize("flow", [client_credentials, jwt_bearer])
def test_a_token_is_fetched_once(org, flow):
    """One token serves a whole pull."""
    assert len(by_id(org.pull(auth=flow(org)))) == 300
    assert len(org.asked("/oauth2/token")) == 1


def test_the_secret_may_travel_in_a_header(org):
    """Client credentials are taken in the form and in the header."""
    assert len(by_id(org.pull(auth=client_credentials(org, send_as="basic")))) == 300


@pytest.mark.parametrize("flow", [client_credentials, jwt_bearer])
def test_a_token_that_ends_in_mid_pull_is_renewed(org, flow):
    """A session that ended is renewed once, and the page is asked for again."""
    org.double.queries.page_cap = 100
    ended = []

    def end(request):
        if "/query/01g" in request.path and not ended:
            ended.append(1)
            org.double.expire_tokens()

    org.double.hooks.append(end)

    assert len(by_id(org.pull(auth=flow(org)))) == 300
    assert len(org.asked("/oauth2/token")) == 2


def test_an_org_that_refuses_every_token(org):
    """A token refused as soon as it is made is not asked for without end."""
    org.double.hooks.append(lambda request: "/data/" in request.path and org.double.expire_tokens())
    with pytest.raises(AuthFailed):
        org.pull(auth=client_credentials(org))

    assert len(org.asked("/oauth2/token")) == 2


@pytest.mark.parametrize(
    ("more", "code"),
    [({"subject": "nobody@rehearsal.invalid"}, "invalid_grant"), ({"client_id": "other"}, "invalid_grant"),
     ({"audience": ""}, "invalid_grant")],
    ids=["user", "app", "audience"],
)  # fmt: skip
def test_an_assertion_that_is_not_accepted(org, more, code):
    """A user who did not approve the app, another app and another audience are refused with the code alone."""
    with pytest.raises(AuthFailed, match=code) as caught:
        org.pull(auth=jwt_bearer(org, **more))

    assert "approved" not in str(caught.value)


def test_an_assertion_of_another_key(org):
    """A signature that is not the app's is refused."""
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()

    with pytest.raises(AuthFailed, match="invalid_grant"):
        org.pull(auth=jwt_bearer(org, pem=other.private_bytes(*encoding).decode()))


def test_a_clock_that_is_off(org):
    """An assertion that is too old by the org's clock is refused."""
    org.double.offset = timedelta(minutes=10)

    with pytest.raises(AuthFailed, match="invalid_grant"):
        org.pull(auth=jwt_bearer(org))


def test_a_wrong_secret(org):
    """A wrong secret is refused, and is in no message."""
    with pytest.raises(AuthFailed, match="invalid_client") as caught:
        org.pull(auth=client_credentials(org, secret="hunter2"))

    assert "hunter2" not in str(caught.value) + caught.value.remedy


def test_a_secret_that_is_not_there(org):
    """A secret that cannot be had is a matter of configuration, in a pull and in an examination."""
    auth = client_credentials(org)
    org.monkeypatch.delenv("SECRET")

    with pytest.raises(ConfigError):
        org.pull(auth=auth)
    checks = checks_of(org.adapter(auth=auth))
    assert checks["credentials"].outcome == "failed"
    assert {"skipped"} == {checks[name].outcome for name in ("connection", "opportunities")}


def test_another_host_is_told_and_not_followed(org):
    """A token for another host than the configured one is used on the configured one, and doctor says so."""
    org.double.tokens.instance_url = "https://other.my.salesforce.invalid"
    auth = client_credentials(org)

    assert len(by_id(org.pull(auth=auth))) == 300
    check = checks_of(org.adapter(auth=auth))["instance"]
    assert check.outcome == "warning"
    assert "other" not in check.says.replace("another", "")
    assert "base_url" in check.remedy


def test_the_same_host_is_in_order(org):
    """The instance of the token is the configured host, and the user of the token is known to see everything."""
    checks = checks_of(org.adapter(auth=client_credentials(org)))

    assert (checks["instance"].outcome, checks["every opportunity"].outcome) == ("ok", "ok")


def test_a_user_who_may_not_see_everything(org):
    """Without View All on opportunities doctor warns: what is not shared is not read."""
    for row in org.double.tables["ObjectPermissions"].rows.values():
        row["PermissionsViewAllRecords"] = False
    auth = client_credentials(org)

    assert checks_of(org.adapter(auth=auth))["every opportunity"].outcome == "warning"
    org.double.tables["ObjectPermissions"].readable = False
    assert checks_of(org.adapter(auth=auth))["every opportunity"].outcome == "skipped"
