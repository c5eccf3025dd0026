"""The directory in front of the environment: Entra's token endpoint.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow

Not for: what a token opens (`service`).
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from adapters.dynamics365.double.holdings import TENANT
from syncd.rehearsal import Reply, Request, json_reply

CLIENT_ID: Final = "11110000-0000-4000-8000-00000000bbbb"
CLIENT_SECRET: Final = "rehearsal-secret"  # noqa: S105 - made up, and worth nothing
BEARER: Final = "rehearsal-bearer"
"""A token that is always good, for a source that cannot know where this endpoint is."""
_TOKEN_LIFE: Final = 3_599


class Directory:
    """Gives tokens, and knows them again."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        """Args: now, the time here."""
        self._now = now
        self.tokens: dict[str, datetime] = {}
        self._certificates: dict[str, Callable[[str], bool]] = {}

    def trust(self, thumbprint: str, verify: Callable[[str], bool]) -> None:
        """Accept assertions signed for a certificate.

        Args:
            thumbprint: The SHA-256 of its DER form, base64url.
            verify: Whether an assertion's signature is right.
        """
        self._certificates[thumbprint] = verify

    def knows(self, token: str | None) -> bool:
        """Whether a token is good."""
        return token == BEARER or (token is not None and self.tokens.get(token, self._now()) > self._now())

    def sign_in(self, request: Request) -> Reply:
        """A token for a client with its secret, or with an assertion of its certificate."""
        form = request.form
        if form.get("grant_type") != "client_credentials" or not form.get("scope", "").endswith("/.default"):
            return json_reply({"error": "invalid_scope", "error_description": "AADSTS70011"}, 400)
        proven = form.get("client_secret") == CLIENT_SECRET or self._is_signed(form.get("client_assertion", ""))
        if form.get("client_id") != CLIENT_ID or not proven:
            return json_reply({"error": "invalid_client", "error_description": "AADSTS7000215"}, 401)
        token = uuid.uuid4().hex
        self.tokens[token] = self._now() + timedelta(seconds=_TOKEN_LIFE)
        return json_reply({"token_type": "Bearer", "expires_in": _TOKEN_LIFE, "access_token": token})

    def _is_signed(self, assertion: str) -> bool:
        """https://learn.microsoft.com/entra/identity-platform/certificate-credentials."""
        parts = assertion.split(".")
        if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
            return False
        header, claims = (_decoded(part) for part in parts[:2])
        verify = self._certificates.get(header.get("x5t#S256", ""))
        right = header.get("alg") == "PS256" and claims.get("iss") == claims.get("sub") == CLIENT_ID
        meant = str(claims.get("aud")).endswith(f"/{TENANT}/oauth2/v2.0/token")
        return verify is not None and right and meant and verify(assertion)


def _decoded(part: str) -> dict[str, Any]:
    return msgspec.json.decode(base64.urlsafe_b64decode(part + "==="), type=dict[str, Any])
