"""The double's token endpoint: client credentials and signed assertions.

Its tokens say nothing of when they end (https://github.com/jstanden/cerb/issues/836).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from syncd.rehearsal import Reply, Request, json_reply

FIXED: Final = "00DRO0000000001!rehearsal.token"
"""A token that is good from the start; made up, and worth nothing."""
USER: Final = "005RO0000001xyzYAA"
_KEY: Final = "3MVG9rehearsal"
_SECRET: Final = "rehearsal-secret"  # noqa: S105 - made up, and worth nothing
_SUBJECT: Final = "syncd@rehearsal.invalid"
_ORG: Final = "00DRO0000000001EAA"


class Tokens:
    """The tokens of the org.

    Attributes:
        instance_url: Beside a token; None says the host that was asked.
        valid: Those that are good.
    """

    def __init__(self, signed: Callable[[str], bool]) -> None:
        """Args: signed, which looks at the signature of an assertion."""
        self.instance_url: str | None = None
        self.valid = {FIXED}
        self._signed = signed
        self._granted = 0

    def grant(self, request: Request, now: datetime) -> Reply:
        """Answer a request for a token."""
        form = request.form
        grant = form.get("grant_type", "")
        if grant == "client_credentials":
            if (request.basic or (form.get("client_id"), form.get("client_secret"))) != (_KEY, _SECRET):
                return json_reply({"error": "invalid_client", "error_description": "invalid client credentials"}, 400)
        elif grant == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            if wrong := self._wrong_assertion(form.get("assertion", ""), now):
                return json_reply({"error": "invalid_grant", "error_description": wrong}, 400)
        else:
            return json_reply({"error": "unsupported_grant_type"}, 400)  # without a description, as it happens
        self._granted += 1
        token = f"{FIXED}.{self._granted}"
        self.valid.add(token)
        told = {
            "access_token": token, "instance_url": self.instance_url or f"http://{request.headers.get('host', '')}",
            "id": f"https://login.salesforce.com/id/{_ORG}/{USER}", "token_type": "Bearer", "signature": "c2lnbmVk",
            "issued_at": str(int(now.timestamp() * 1000)),
        }  # fmt: skip
        return json_reply(told)

    def _wrong_assertion(self, assertion: str, now: datetime) -> str:
        """What is wrong with an assertion; empty where nothing is."""
        try:
            _, payload, _ = assertion.split(".")
            claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except ValueError:
            return "invalid assertion"
        if not self._signed(assertion):
            return "invalid assertion"
        if claims.get("aud") not in ("https://login.salesforce.com", "https://test.salesforce.com"):
            return "audience is invalid"
        seconds = now.timestamp()
        if not seconds < claims.get("exp", 0) <= seconds + 185:
            return "expired authorization code"
        if (claims.get("iss"), claims.get("sub")) != (_KEY, _SUBJECT):
            return "user hasn't approved this consumer"
        return ""
