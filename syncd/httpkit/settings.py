"""What every source with an HTTP API may carry in the configuration, credentials included.

An adapter's `Settings` derives from `HttpSettings` and adds its own.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec

from syncd.secrets import Secret

USUAL_TOKEN_FIELD: Final = "access_token"  # noqa: S105 - the name of a field
"""Where the answer of a token endpoint holds the token (RFC 6749 section 5.1)."""

_Text = Annotated[str, msgspec.Meta(min_length=1)]

_ADDRESS: Final = re.compile(r"https?://[^/?#\s@]+(/\S*)?")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~]*")
"""A field of a header that httpx can send (RFC 9110 section 5.1 and 5.5)."""


class NoAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="none"):
    """No credentials."""


class BasicAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="basic"):
    """User and password with every request (RFC 7617)."""

    username: _Text
    password: Secret


class BearerAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="bearer"):
    """A token that somebody else issued and renews, such as that of a private app; sent as it is (RFC 6750)."""

    token: Secret


class ClientCredentials(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="client_credentials"
):
    """OAuth 2.0, client credentials (RFC 6749 section 4.4).

    Attributes:
        token_url: Where the token is asked for.
        send_as: How the client proves itself: in the form (`post`) or in the header (`basic`).
        token_field: Which field of the answer is sent as the bearer; some servers want their `id_token`.
        extra: Further fields of the form, such as `audience`.
    """

    token_url: _Text
    client_id: _Text
    client_secret: Secret
    scope: str = ""
    send_as: Literal["post", "basic"] = "post"
    token_field: _Text = USUAL_TOKEN_FIELD
    extra: dict[str, str] = {}


class RefreshToken(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="refresh_token"
):
    """OAuth 2.0 with a refresh token that a person once obtained in a browser (RFC 6749 section 6).

    For servers that keep the refresh token as it is; a new one in an answer is not kept.
    """

    token_url: _Text
    client_id: _Text
    client_secret: Secret
    refresh_token: Secret
    scope: str = ""
    token_field: _Text = USUAL_TOKEN_FIELD


class JwtBearer(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="jwt_bearer"
):
    """OAuth 2.0 with a signed assertion about a user as the grant (RFC 7523 section 2.1).

    Attributes:
        private_key: RSA key in PEM.
        subject: The user the token is for.
        audience: Whom the assertion is for; the token URL unless the server wants another.
    """

    token_url: _Text
    client_id: _Text
    subject: _Text
    private_key: Secret
    audience: str = ""
    scope: str = ""
    token_field: _Text = USUAL_TOKEN_FIELD


class CertificateAuth(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="certificate"
):
    """OAuth 2.0, client credentials proven by a certificate (RFC 7523 section 2.2).

    Attributes:
        private_key: RSA key in PEM.
        certificate: The certificate in PEM, whose thumbprint names the key; a path, as it is no secret.
        algorithm: How the assertion is signed. Microsoft Entra wants PS256; servers that know only what every one must
            know want RS256 (RFC 7518 section 3.1).
    """

    token_url: _Text
    client_id: _Text
    private_key: Secret
    certificate: _Text
    scope: str = ""
    token_field: _Text = USUAL_TOKEN_FIELD
    algorithm: Literal["PS256", "RS256"] = "PS256"


Auth = NoAuth | BasicAuth | BearerAuth | ClientCredentials | RefreshToken | JwtBearer | CertificateAuth


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of any source with an HTTP API.

    Attributes:
        base_url: Where the API begins; every request goes to this host and no other.
        page_size: Records asked for at a time; None is what suits the system.
        max_connections: Requests under way at once.
        requests_per_second: Requests begun in a second at most; None sets no limit.
        timeout_seconds: How long the system may stay silent within one request.
        patience_seconds: How long one request is repeated before the source counts as unavailable.
        headers: Sent with every request to the host of `base_url`, such as a key of a gateway; not for credentials.
        verify: A file with the certificates to trust in place of the system's, or None.
    """

    base_url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^/?#\s]+[^?#\s]*$")]
    auth: Auth = NoAuth()
    page_size: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_connections: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    requests_per_second: Annotated[float, msgspec.Meta(gt=0)] | None = None
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    patience_seconds: Annotated[float, msgspec.Meta(ge=0)] = 300.0
    headers: dict[str, str] = {}
    verify: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no request can carry.

        Raises:
            ValueError: An address is none, or a header.
        """
        if not _is_address(self.base_url):
            raise ValueError("base_url is no address, or holds a user or a password; say `auth` instead")
        if not all(_HEADER.fullmatch(f"{name}: {value}") for name, value in self.headers.items()):
            raise ValueError("headers: a name or a value in it cannot be sent; both are plain ASCII, in one line")
        if not _is_address(getattr(self.auth, "token_url", self.base_url)):
            raise ValueError("auth.token_url is no address such as https://login.example.com/token, without a user")


def _is_address(url: str) -> bool:
    """Whether a request can be sent there. A user in it httpx would send in the place of the configured credentials."""
    try:
        _ = urlsplit(url).port  # a port that is no number is noticed no earlier
    except ValueError:
        return False
    return _ADDRESS.fullmatch(url) is not None
