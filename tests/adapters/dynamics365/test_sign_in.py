"""Sign-in with Entra: by secret, by certificate, renewed in mid-run; and nothing of it ever shown."""

import base64
import hashlib
import logging
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from adapters.dynamics365.double.directory import BEARER, CLIENT_ID, CLIENT_SECRET
from adapters.dynamics365.double.holdings import TENANT
from syncd.errors import AuthFailed
from syncd.rehearsal import Fault, sprinkled
from tests.adapters.dynamics365.desk import adapter, checks, desk, mark, pull, records, rows, until_cut

TOKEN = f"/{TENANT}/oauth2/v2.0/token"
SCOPE = "https://contoso.crm.dynamics.com/.default"


@pytest.fixture(autouse=True)
def _client_secret(monkeypatch):
    monkeypatch.setenv("SYNCD_TEST_SECRET", CLIENT_SECRET)


def by_secret(url, **more):
    return {"type": "client_credentials", "token_url": f"{url}{TOKEN}", "client_id": CLIENT_ID,
            "client_secret": {"env": "SYNCD_TEST_SECRET"}, "scope": SCOPE, **more}  # fmt: skip


def token_requests(double):
    return sum("oauth2" in one for one in double.targets)


def test_a_client_with_its_secret():
    """One token serves a whole pull."""
    with desk(records(30)) as (double, server):
        found = rows(pull(adapter(server.url, page_size=10, auth=by_secret(server.url))))

    assert len(found) == 30
    assert token_requests(double) == 1


def test_a_token_that_ends_in_mid_run():
    """A token refused in the middle is renewed once, and the pull goes on."""
    with desk(records(30)) as (double, server):

        def expire(request):
            if "skiptoken" in request.target and token_requests(double) == 1:
                double.expire_tokens()

        double.before = expire
        found = rows(pull(adapter(server.url, page_size=10, auth=by_secret(server.url))))

    assert len(found) == 30
    assert token_requests(double) == 2


@pytest.mark.parametrize("wrong", [{"client_id": "other"}, {"scope": "openid"}])
def test_a_client_that_is_refused(wrong):
    """A wrong client or scope is a matter for a person."""
    with desk(records(3)) as (_, server):
        _, error = until_cut(adapter(server.url, auth=by_secret(server.url, **wrong)))

    assert isinstance(error, AuthFailed)
    assert "auth" in error.remedy


def test_a_client_with_its_certificate(tmp_path):
    """The assertion is signed with PS256 and names the certificate by SHA-256, as Entra's documentation asks."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "syncd")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    der = certificate.public_bytes(serialization.Encoding.DER)
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()

    def verify(assertion):
        return bool(jwt.decode(assertion, key.public_key(), algorithms=["PS256"], options={"verify_aud": False}))

    with desk(records(3)) as (double, server):
        double.directory.trust(thumbprint, verify)
        auth = {"type": "certificate", "token_url": f"{server.url}{TOKEN}", "client_id": CLIENT_ID, "scope": SCOPE,
                "certificate": "cert.pem", "private_key": {"file": "key.pem"}}  # fmt: skip
        found = rows(pull(adapter(server.url, folder=tmp_path, auth=auth)))

    assert len(found) == 3


def test_nothing_secret_is_shown(caplog, capsys):
    """No secret, no token and no text of a record stands in logs, errors, notes, findings or addresses."""
    caplog.set_level(logging.DEBUG)
    faults = sprinkled([Fault.STATUS_500, Fault.CUT_JSON, Fault.RESET_INSIDE, Fault.HTML], 0.15, seed=3)
    with desk(records(100, name="CONFIDENTIAL"), faults=faults) as (double, server):
        given = {"page_size": 10, "auth": by_secret(server.url), "children": {"tasks": frozenset({"subject"})}}
        pages = pull(adapter(server.url, **given))
        double.edit("opportunities", "id-000001", {"name": "CONFIDENTIAL again"})
        pages += pull(adapter(server.url, **given), mark(pages))
        found = checks(adapter(server.url, **given))
        double.forbidden.add("opportunities")
        _, error = until_cut(adapter(server.url, **given))
        tokens, targets = [*double.directory.tokens], " ".join(double.targets)

    out = capsys.readouterr()
    notes = " ".join(note for page in pages for note in page.notes)
    marks = " ".join(page.watermark or "" for page in pages)
    shown = f"{caplog.text} {out.out} {out.err} {error} {error.remedy} {notes} {marks} {found} {targets}"
    assert tokens
    for secret in (CLIENT_SECRET, BEARER, "CONFIDENTIAL", *tokens):
        assert secret not in shown
