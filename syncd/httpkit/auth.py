"""Credentials: from the reference in the configuration to the header of a request.

A token is fetched when first needed, renewed before it expires, and once more when the system refuses it. Secrets are
read when they are sent and kept nowhere else.

Not for: deciding that an answer refuses credentials (`syncd.httpkit.client`).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import math
import ssl
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx
import msgspec

from syncd.errors import AuthFailed, ConfigError, Problem
from syncd.httpkit.again import FEW, Again
from syncd.httpkit.bodies import Body, TooLarge, whole_body
from syncd.httpkit.reactions import Reaction, retry_after, usual_reaction
from syncd.httpkit.settings import (
    Auth,
    BasicAuth,
    BearerAuth,
    CertificateAuth,
    ClientCredentials,
    JwtBearer,
    NoAuth,
    RefreshToken,
)
from syncd.httpkit.trust import untrusted
from syncd.secrets import Secret, SecretValue, resolve

if TYPE_CHECKING:
    from syncd.httpkit.client import Clock

_EARLY: Final = 60.0
"""Seconds before its end that a token is renewed: as long as a slow request may be on its way."""
_USUAL_LIFE: Final = 900.0
"""Of a token whose server does not say how long it lives. Salesforce does not; its shortest setting is this."""
_LARGEST: Final = 1 << 20
"""Bytes of the answer of an authorization server. Tokens with many claims have some thousand."""
_ASSERTION_LIFE: Final = 180
"""Seconds an assertion is good for. Salesforce allows three minutes, others more."""


class Authenticator(ABC):
    """Gives the headers that prove who asks.

    Attributes:
        renewable: Whether asking again with `forget` before may give other credentials.
        granted: What the token endpoint said beside the token, such as whom and which host it is for. Foreign text.
    """

    renewable = False
    granted: Mapping[str, str] = {}

    @abstractmethod
    async def headers(self, client: httpx.AsyncClient) -> Mapping[str, str]:
        """The headers of the next request.

        Raises:
            AuthFailed: The authorization server refuses.
            Again: It cannot be reached, or is busy.
            ConfigError: A secret cannot be had.
        """

    def forget(self, refused: Mapping[str, str]) -> None:  # noqa: B027 - what cannot be renewed has nothing to forget
        """Credentials were refused: get others next time, unless they have been replaced meanwhile.

        Args:
            refused: The headers that were.
        """


def authenticator(
    auth: Auth, *, folder: Path, clock: Clock, name: str, deadline: float, headers: Mapping[str, str]
) -> Authenticator:
    """The authenticator for some settings.

    Args:
        auth: The settings.
        folder: Where relative paths start.
        clock: Time.
        name: Of the source, for messages.
        deadline: Seconds an authorization server may take for a whole answer.
        headers: Sent to it.
    """
    match auth:
        case NoAuth():
            return _Fixed(folder, lambda _: {})
        case BasicAuth():
            return _Fixed(folder, lambda reveal: {"Authorization": _basic(auth.username, reveal(auth.password))})
        case BearerAuth():
            return _Fixed(folder, lambda reveal: {"Authorization": f"Bearer {_sendable(reveal(auth.token), name)}"})
        case ClientCredentials() | RefreshToken() | JwtBearer() | CertificateAuth():
            return _Token(auth, folder=folder, clock=clock, name=name, deadline=deadline, headers=headers)


class _Fixed(Authenticator):
    """The same header every time; the secret is read once."""

    def __init__(self, folder: Path, make: Any) -> None:
        self._folder, self._make = folder, make
        self._header: SecretValue | None = None

    async def headers(self, client: httpx.AsyncClient) -> Mapping[str, str]:  # noqa: ARG002 - the shape of all
        if self._header is None:
            given = self._make(lambda secret: resolve(secret, folder=self._folder).reveal())
            self._header = SecretValue(given.get("Authorization", ""))
        value = self._header.reveal()
        return {"Authorization": value} if value else {}


class _Token(Authenticator):
    """A bearer token from a token endpoint."""

    renewable = True

    def __init__(
        self,
        auth: ClientCredentials | RefreshToken | JwtBearer | CertificateAuth,
        *,
        folder: Path,
        clock: Clock,
        name: str,
        deadline: float,
        headers: Mapping[str, str],
    ) -> None:
        self._auth, self._folder, self._clock, self._name = auth, folder, clock, name
        self._deadline, self._sent_along = deadline, headers
        self._token: SecretValue | None = None
        self._ends = 0.0
        self._one_at_a_time = asyncio.Lock()

    def forget(self, refused: Mapping[str, str]) -> None:
        # Requests under way together are refused one after the other; only the first asks for a new token.
        if self._token is not None and refused.get("Authorization") == f"Bearer {self._token.reveal()}":
            self._token = None

    async def headers(self, client: httpx.AsyncClient) -> Mapping[str, str]:
        async with self._one_at_a_time:
            if self._token is None or self._clock.monotonic() >= self._ends - _EARLY:
                await self._fetch(client)
            assert self._token is not None  # noqa: S101 - just fetched
            return {"Authorization": f"Bearer {self._token.reveal()}"}

    async def _fetch(self, client: httpx.AsyncClient) -> None:
        form, headers = self._form()
        asked = self._clock.monotonic()
        content = await self._ask(client, form, {**self._sent_along, **headers})
        try:
            fields = msgspec.json.decode(content, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            fields = {}
        token = fields.get(self._auth.token_field)
        if not isinstance(token, str) or not _is_sendable(token):
            raise AuthFailed(
                f"the authorization server answered without a token in the field {self._auth.token_field!r}",
                f"check `token_url` and `token_field` of source {self._name}",
            )
        self._token = SecretValue(token)
        self.granted = {
            name: value for name, value in fields.items() if isinstance(value, str) and not name.endswith("token")
        }
        # A token that lives shorter than we renew early would be fetched for every request.
        self._ends = asked + max(_life(fields.get("expires_in")), _EARLY + 1)

    async def _ask(self, client: httpx.AsyncClient, form: Mapping[str, str], headers: Mapping[str, str]) -> Body:
        """The body of the server's answer.

        Raises:
            Again: It is busy or cannot be reached just now.
            AuthFailed: It refuses.
        """
        try:
            async with (
                asyncio.timeout(self._deadline),
                client.stream("POST", self._auth.token_url, data=dict(form), headers=dict(headers)) as answer,
            ):
                content = await whole_body(answer, _LARGEST)
        except TimeoutError:
            raise Again("has an authorization server that took longer to answer than a request may") from None
        except httpx.InvalidURL:
            raise ConfigError(Problem(message=f"auth.token_url of source {self._name} is no address")) from None
        except (httpx.DecodingError, TooLarge):
            raise Again("has an authorization server whose answer cannot be read", attempts=FEW) from None
        except httpx.HTTPError as error:
            if (trust := untrusted(error, self._name)) is not None:
                raise trust from None
            raise Again(f"has an authorization server that could not be reached ({type(error).__name__})") from None
        status = answer.status_code
        if usual_reaction(status) is Reaction.WAIT:
            wait = retry_after(answer.headers.get("retry-after"), self._clock.now())
            raise Again(f"has an authorization server that answered {status}", wait=wait)
        if not answer.is_success:
            raise AuthFailed(
                f"the authorization server refuses (status {status}{_error_code(content)})",
                f"check `auth` of source {self._name}: id, secret or key, scope, and whether the client is enabled",
            )
        return content

    def _form(self) -> tuple[dict[str, str], dict[str, str]]:
        auth = self._auth
        scope = {"scope": auth.scope} if auth.scope else {}
        match auth:
            case ClientCredentials():
                form = {"grant_type": "client_credentials", **scope, **auth.extra}
                secret = self._reveal(auth.client_secret)
                if auth.send_as == "basic":
                    # Both parts are form-encoded before they are joined (RFC 6749 section 2.3.1).
                    return form, {"Authorization": _basic(quote(auth.client_id, safe=""), quote(secret, safe=""))}
                return {**form, "client_id": auth.client_id, "client_secret": secret}, {}
            case RefreshToken():
                form = {"grant_type": "refresh_token", "refresh_token": self._reveal(auth.refresh_token), **scope}
                return {**form, "client_id": auth.client_id, "client_secret": self._reveal(auth.client_secret)}, {}
            case JwtBearer():
                claims = {"iss": auth.client_id, "sub": auth.subject, "aud": auth.audience or auth.token_url}
                assertion = self._signed(claims, auth.private_key)
                grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
                return {"grant_type": grant, "assertion": assertion, **scope}, {}
            case CertificateAuth():
                claims = {"iss": auth.client_id, "sub": auth.client_id, "aud": auth.token_url}
                # Microsoft Entra wants PSS padding with a SHA-256 thumbprint; RS256 belonged to its SHA-1 one:
                # https://learn.microsoft.com/entra/identity-platform/certificate-credentials
                named = _thumbprint(self._folder / auth.certificate)
                assertion = self._signed(claims, auth.private_key, named, algorithm=auth.algorithm)
                proof = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                form = {"grant_type": "client_credentials", "client_id": auth.client_id, **scope}
                return {**form, "client_assertion_type": proof, "client_assertion": assertion}, {}

    def _signed(
        self, claims: dict[str, Any], key: Secret, headers: dict[str, str] | None = None, algorithm: str = "RS256"
    ) -> str:
        # Cryptography takes a while to import, and most sources have no use for it.
        import jwt  # noqa: PLC0415

        now = int(self._clock.now().timestamp())
        times = {"iat": now, "nbf": now - 30, "exp": now + _ASSERTION_LIFE, "jti": uuid.uuid4().hex}
        try:
            return jwt.encode({**claims, **times}, self._reveal(key), algorithm=algorithm, headers=headers)
        except (ValueError, TypeError, jwt.PyJWTError):
            # Not chained: the cause may quote the key.
            message = f"auth.private_key of source {self._name} is no RSA key in PEM"
            raise ConfigError(Problem(message=message)) from None

    def _reveal(self, secret: Secret) -> str:
        return resolve(secret, folder=self._folder).reveal()


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _thumbprint(path: Path) -> dict[str, str]:
    """The header that names the certificate: the SHA-256 of its DER form (RFC 7515 section 4.1.8)."""
    try:
        der = ssl.PEM_cert_to_DER_cert(path.read_text(encoding="ascii").strip() + "\n")
    except (OSError, ValueError) as error:
        raise ConfigError(Problem(message=f"auth.certificate: {path} is no certificate in PEM")) from error
    return {"x5t#S256": base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()}


_ERROR_CODES: Final = (
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
    "invalid_scope",
)  # fmt: skip
"""The error codes of RFC 6749 section 5.2; any other text of the server is not repeated."""


def _error_code(content: Body) -> str:
    try:
        said = msgspec.json.decode(content, type=dict[str, Any]).get("error")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return f", {said}" if isinstance(said, str) and said in _ERROR_CODES else ""


def _life(said: Any) -> float:
    """The seconds a token lives (RFC 6749 section 5.1); some servers write the number as a text."""
    try:
        life = float(said)
    except (TypeError, ValueError, OverflowError):
        return _USUAL_LIFE
    return life if life > 0 and math.isfinite(life) else _USUAL_LIFE


def _is_sendable(token: str) -> bool:
    """Whether a header can hold a token: printable ASCII, as RFC 6750 section 2.1 has it."""
    return bool(token) and token.isascii() and token.isprintable()


def _sendable(token: str, name: str) -> str:
    if not _is_sendable(token):
        what = "what no header can carry, such as a second line or a byte order mark"
        raise ConfigError(Problem(message=f"auth.token of source {name} holds {what}"))
    return token
