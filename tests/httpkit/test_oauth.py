"""The OAuth flows against a server that nobody here wrote: what it grants, what it refuses, and when it is asked."""

import asyncio
import base64
import hashlib
import logging
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from syncd.errors import AuthFailed, ConfigError, SourceUnavailable
from syncd.httpkit import Refused
from tests.httpkit.oauth_server import ASSERTION, JWT_BEARER, USER, Client, Token, running
from tests.httpkit.servers import Time, client

SECRET = "s3cret: with %, + & = ü"


@pytest.fixture(autouse=True)
def _quiet():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)


@pytest.fixture
def authority(monkeypatch):
    monkeypatch.setenv("CLIENT_SECRET", SECRET)
    with running() as made:
        yield made


@pytest.fixture(scope="session")
def pair():
    """An RSA key and its self-signed certificate, both in PEM, with the public key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "syncd")])
    day = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(day - timedelta(days=1))
        .not_valid_after(day + timedelta(days=30)).sign(key, hashes.SHA256())
    )  # fmt: skip
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    public = key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, certificate, public


@pytest.fixture
def keyed(pair, tmp_path):
    """The key and the certificate as files, and the public key."""
    private, certificate, public = pair
    (tmp_path / "key.pem").write_bytes(private)
    (tmp_path / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return tmp_path, public


def credentials(authority, **more):
    given = {"client_id": "syncd", "client_secret": {"env": "CLIENT_SECRET"}, "scope": "crm.read", **more}
    return {"type": "client_credentials", "token_url": authority.token_url, **given}


def bearer(authority, folder, **more):
    given = {
        "client_id": "syncd",
        "subject": USER,
        "private_key": {"file": str(folder / "key.pem")},
        "scope": "crm.read",
    }
    return {"type": "jwt_bearer", "token_url": authority.token_url, **given, **more}


def certified(authority, folder, **more):
    given = {"client_id": "syncd", "private_key": {"file": str(folder / "key.pem")}, "scope": "crm.read"}
    certificate = str(folder / "certificate.pem")
    return {"type": "certificate", "token_url": authority.token_url, "certificate": certificate, **given, **more}


def asking(authority, auth, *, time=None, between=(lambda: None,)):
    """Ask for the protected resource once after each thing done between; gives what came."""

    async def ask():
        async with client(authority.url, time, auth=auth) as made:
            answers = []
            for act in between:
                act()
                answers.append((await made.get_json("things", decode=msgspec.json.decode))[0])
            return answers

    return asyncio.run(ask())


@pytest.mark.parametrize("way", ["post", "basic"])
def test_client_credentials(authority, way):
    """Id and secret, in the form or in the header, give a token that opens the resource; odd signs arrive intact."""
    authority.add(Client("syncd", f"client_secret_{way}", SECRET))

    assert asking(authority, credentials(authority, send_as=way)) == [{"items": ["Zoë"]}]
    assert authority.served == list(authority.tokens)


def test_the_way_the_client_proves_itself_is_the_configured_one(authority):
    """A server that wants the header refuses the form, and the message says so without the secret."""
    authority.add(Client("syncd", "client_secret_basic", SECRET))

    with pytest.raises(AuthFailed, match="invalid_client") as caught:
        asking(authority, credentials(authority, send_as="post"))

    assert SECRET not in f"{caught.value}{caught.value.remedy}"


def test_an_assertion_about_a_user(authority, keyed):
    """A signed assertion is a grant: the token is the user's."""
    folder, public = keyed
    authority.add(Client("syncd", public_key=public, grants=(JWT_BEARER,)))

    assert asking(authority, bearer(authority, folder)) == [{"items": ["Zoë"]}]
    assert [token.user for token in authority.tokens.values()] == [USER]


def test_an_assertion_for_another_audience(authority, keyed):
    """The audience may be another than the token's address, where the server wants that; a wrong one is refused."""
    folder, public = keyed
    authority.add(Client("syncd", public_key=public, grants=(JWT_BEARER,)))

    assert asking(authority, bearer(authority, folder, audience="https://login.example.test"))
    with pytest.raises(AuthFailed, match="invalid_grant"):
        asking(authority, bearer(authority, folder, audience="https://elsewhere.example.test"))


def test_an_assertion_about_somebody_unknown(authority, keyed):
    """A user the server does not know gets no token."""
    folder, public = keyed
    authority.add(Client("syncd", public_key=public, grants=(JWT_BEARER,)))

    with pytest.raises(AuthFailed, match="invalid_grant"):
        asking(authority, bearer(authority, folder, subject="nobody@example.test"))


@pytest.mark.parametrize(("given", "used"), [({}, "PS256"), ({"algorithm": "RS256"}, "RS256")])
def test_a_client_proven_by_its_certificate(authority, keyed, pair, given, used):
    """The client signs an assertion, whose header names the certificate by its thumbprint; no secret is sent."""
    folder, public = keyed
    authority.add(Client("syncd", ASSERTION, public_key=public))
    # Authlib by itself takes only what every server must know; Microsoft Entra wants the other.
    authority.algorithm = None if used == "RS256" else used

    assert asking(authority, certified(authority, folder, **given)) == [{"items": ["Zoë"]}]
    thumbprint = hashlib.sha256(pair[1].public_bytes(serialization.Encoding.DER)).digest()
    header = authority.seen_headers[0]
    assert header["x5t#S256"] == base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode()
    assert header["alg"] == used


def test_a_refresh_token(authority, monkeypatch):
    """A refresh token that the server keeps gives one token after the other; one it does not know gives none."""
    client_of = Client("syncd", "client_secret_post", SECRET, grants=("refresh_token",))
    authority.add(client_of)
    authority.refreshable["lasting"] = Token(client_of, "crm.read", 0, USER)
    auth = credentials(authority) | {"type": "refresh_token", "refresh_token": {"env": "REFRESH"}}
    monkeypatch.setenv("REFRESH", "lasting")

    assert len(asking(authority, auth, between=[lambda: None, authority.revoke])) == 2
    monkeypatch.setenv("REFRESH", "forgotten")
    with pytest.raises(AuthFailed, match="invalid_grant"):
        asking(authority, auth)


def test_every_assertion_is_used_once(authority, keyed):
    """A server that remembers assertions and takes none twice serves a second token all the same."""
    folder, public = keyed
    authority.add(Client("syncd", ASSERTION, public_key=public))

    asking(authority, certified(authority, folder, algorithm="RS256"), between=[lambda: None, authority.revoke])

    assert len(authority.jtis) == 2
    assert authority.asked == 2


@pytest.mark.parametrize("kind", [bearer, certified])
def test_another_key_is_refused(authority, keyed, kind):
    """An assertion that is signed with a key the server does not know gives no token."""
    folder, public = keyed
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "key.pem").write_bytes(
        other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    grants = ("client_credentials", JWT_BEARER)
    authority.add(Client("syncd", ASSERTION, public_key=public, grants=grants))

    with pytest.raises(AuthFailed, match=r"status 40[01]"):
        asking(authority, kind(authority, folder))
    assert not authority.tokens


def test_a_file_that_holds_no_key(authority, keyed):
    """What is no key is an error of the configuration, and not repeated."""
    folder, _ = keyed
    (folder / "key.pem").write_text("hush-hush", encoding="ascii")

    with pytest.raises(ConfigError, match="no RSA key") as caught:
        asking(authority, bearer(authority, folder))

    assert "hush" not in str(caught.value)


def test_a_token_serves_until_shortly_before_its_end(authority):
    """One token serves many requests, and a minute before its end it is renewed without a refusal in between."""
    authority.add(Client("syncd", "client_secret_post", SECRET))
    time = Time()

    def pass_by(seconds):
        time.at += seconds

    moments = [lambda: None, lambda: pass_by(3_500), lambda: pass_by(41), lambda: pass_by(60)]
    asking(authority, credentials(authority), time=time, between=moments)

    first, second = authority.tokens
    assert authority.served == [first, first, second, second]


def test_a_token_of_unknown_life_is_renewed_all_the_same(authority):
    """Where the server does not say how long a token lives, it is taken to live a quarter of an hour."""
    authority.add(Client("syncd", "client_secret_post", SECRET))
    authority.life = None
    time = Time()

    def pass_by():
        time.at += 800

    asking(authority, credentials(authority), time=time, between=[lambda: None, pass_by, pass_by])

    assert len(authority.tokens) == 2


def test_a_token_that_is_refused_is_renewed_once(authority):
    """A token revoked before its time is replaced, and the request goes through."""
    authority.add(Client("syncd", "client_secret_post", SECRET))

    answers = asking(authority, credentials(authority), between=[lambda: None, authority.revoke])

    assert answers == [{"items": ["Zoë"]}] * 2
    assert authority.asked == 2


def test_a_token_that_is_refused_again_ends_it(authority):
    """When the new token is refused as well, no third is asked for."""
    authority.add(Client("syncd", "client_secret_post", SECRET))
    authority.life = -1

    with pytest.raises(AuthFailed, match="401"):
        asking(authority, credentials(authority))

    assert authority.asked == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [({"client_id": "stranger"}, "invalid_client"), ({"client_secret": {"env": "OTHER"}}, "invalid_client")],
)
def test_refused_credentials(authority, monkeypatch, change, code):
    """A wrong id or secret is told by the server's code, once, and without what was sent."""
    monkeypatch.setenv("OTHER", "wrong-secret")
    authority.add(Client("syncd", "client_secret_post", SECRET))

    with pytest.raises(AuthFailed, match=code) as caught:
        asking(authority, credentials(authority, **change))

    assert authority.asked == 1
    assert "wrong-secret" not in f"{caught.value}{caught.value.remedy}"


def test_a_scope_that_is_not_enough(authority):
    """A token without the scope the resource wants is good and does not suffice: forbidden, and not asked anew."""
    authority.add(Client("syncd", "client_secret_post", SECRET))

    with pytest.raises(Refused, match="403"):
        asking(authority, credentials(authority, scope="something.else"))

    assert authority.asked == 1


def test_many_requests_share_one_token(authority):
    """Requests that begin together wait for one token."""
    authority.add(Client("syncd", "client_secret_post", SECRET))

    async def ask():
        async with client(authority.url, auth=credentials(authority)) as made:
            await asyncio.gather(*(made.get_json("things", decode=msgspec.json.decode) for _ in range(12)))

    asyncio.run(ask())

    assert authority.asked == 1


def test_an_authority_that_is_not_there(authority):
    """Without the authorization server the source is unavailable."""
    auth = credentials(authority) | {"token_url": "http://127.0.0.1:1/oauth/token"}

    with pytest.raises(SourceUnavailable, match="authorization server that could not be reached"):
        asking(authority, auth)
