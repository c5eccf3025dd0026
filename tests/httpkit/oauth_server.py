"""An OAuth 2.0 authorization server and a resource it protects, both of Authlib, on Flask and Werkzeug.

Nobody on this project wrote what decides here: the grants, the authentication of clients, the checks of assertions and
of bearer tokens are Authlib's. What stands here is what its users must supply: who the clients are, and where tokens
are kept.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion, JWTBearerGrant
from flask import Flask, jsonify, request
from joserfc import jwt
from joserfc.jwk import RSAKey
from joserfc.jws import extract_compact
from werkzeug.serving import make_server

ASSERTION = "client_assertion_jwt"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
USER = "svc_syncd@example.test"


@dataclass
class Client(ClientMixin):
    """One registered client."""

    name: str
    method: str = "client_secret_post"
    secret: str = ""
    public_key: bytes = b""
    grants: tuple[str, ...] = ("client_credentials",)
    scope: str = "crm.read"

    def get_client_id(self):
        return self.name

    def check_client_secret(self, client_secret):
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method, endpoint):
        return endpoint == "token" and method == self.method

    def check_grant_type(self, grant_type):
        return grant_type in self.grants

    def get_allowed_scope(self, scope):
        return " ".join(one for one in (scope or "").split() if one in self.scope.split())


@dataclass
class Token(TokenMixin):
    """One token that was issued."""

    client: Client
    scope: str
    ends: float
    user: str | None
    revoked: bool = False

    def check_client(self, client):
        return client is self.client

    def get_scope(self):
        return self.scope

    def is_expired(self):
        return time.time() > self.ends

    def is_revoked(self):
        return self.revoked


@dataclass
class Authority:
    """What the server knows and has seen.

    Attributes:
        refreshable: What each refresh token stands for.
        algorithm: That assertions of clients must be signed with; None leaves it to Authlib.
        life: Seconds a token lives; None leaves `expires_in` out of the answer.
        seen_headers: The headers of each assertion.
    """

    clients: dict[str, Client] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    refreshable: dict[str, Token] = field(default_factory=dict)
    jtis: set[str] = field(default_factory=set)
    algorithm: str | None = None
    seen_headers: list[dict] = field(default_factory=list)
    life: int | None = 3600
    asked: int = 0
    served: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def token_url(self):
        return f"{self.url}/oauth/token"

    def add(self, client):
        self.clients[client.name] = client

    def revoke(self):
        for token in self.tokens.values():
            token.revoked = True


class _CredentialsGrant(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", ASSERTION]


def _assertions(authority):
    class Assertion(JWTBearerClientAssertion):
        def get_audiences(self):
            return [authority.token_url]

        def validate_jti(self, claims, jti):  # noqa: ARG002 - Authlib's shape
            known = jti in authority.jtis
            authority.jtis.add(jti)
            return not known

        def resolve_client_public_key(self, client):
            return RSAKey.import_key(client.public_key)

        def process_assertion_claims(self, assertion, resolve_key):
            if authority.algorithm is None:  # Authlib's own choice
                return super().process_assertion_claims(assertion, resolve_key)
            claims = jwt.decode(assertion, resolve_key, algorithms=[authority.algorithm]).claims
            self.verify_claims(claims)
            return claims

    return Assertion()


def _refresh_grant(authority):
    class Grant(RefreshTokenGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_post"]

        def authenticate_refresh_token(self, refresh_token):
            return authority.refreshable.get(refresh_token)

        def authenticate_user(self, refresh_token):
            return refresh_token.user

        def revoke_old_credential(self, refresh_token):
            pass  # it keeps the refresh token as it is

    return Grant


def _bearer_grant(authority):
    class Grant(JWTBearerGrant):
        def get_audiences(self):
            return [authority.token_url, "https://login.example.test"]

        def resolve_issuer_client(self, issuer):
            return authority.clients.get(issuer)

        def resolve_client_public_key(self, client):
            return RSAKey.import_key(client.public_key)

        def authenticate_user(self, subject):
            return subject if subject == USER else None

        def has_granted_permission(self, client, user):  # noqa: ARG002 - Authlib's shape
            return bool(user)

    return Grant


def _application(authority):
    application = Flask("authority")
    server = AuthorizationServer(
        application, authority.clients.get, lambda token, asked: _keep(authority, token, asked)
    )
    server.register_token_generator("default", lambda *_, **given: _made(authority, given))
    server.register_client_auth_method(ASSERTION, _assertions(authority))
    server.register_grant(_CredentialsGrant)
    server.register_grant(_bearer_grant(authority))
    server.register_grant(_refresh_grant(authority))

    class Validator(BearerTokenValidator):
        def authenticate_token(self, token_string):
            return authority.tokens.get(token_string)

    protect = ResourceProtector()
    protect.register_token_validator(Validator())

    @application.post("/oauth/token")
    def token():
        authority.asked += 1
        if assertion := request.form.get("client_assertion") or request.form.get("assertion"):
            authority.seen_headers.append(dict(extract_compact(assertion.encode()).headers()))
        return server.create_token_response()

    @application.get("/api/things")
    @protect("crm.read")
    def things():
        authority.served.append(request.headers["Authorization"].removeprefix("Bearer "))
        return jsonify(items=["Zoë"])

    return application


def _made(authority, given):
    token = {"token_type": "Bearer", "access_token": f"token-{len(authority.tokens)}-{time.time_ns()}"}
    if authority.life is not None:
        token["expires_in"] = authority.life
    return token | ({"scope": given["scope"]} if given.get("scope") else {})


def _keep(authority, token, asked):
    life = authority.life if authority.life is not None else 3600
    authority.tokens[token["access_token"]] = Token(
        asked.client, token.get("scope", ""), time.time() + life, asked.user and str(asked.user)
    )


@contextlib.contextmanager
def running() -> Iterator[Authority]:
    """The server, on the loopback address, for as long as the block runs."""
    authority = Authority()
    server = make_server("127.0.0.1", 0, _application(authority), threaded=True)
    authority.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield authority
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
