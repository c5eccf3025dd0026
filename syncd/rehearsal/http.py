"""Requests and replies as a double sees them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        target: Path and query as sent, still quoted.
        headers: By lower-case name.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @cached_property
    def path(self) -> str:
        """The path, unquoted."""
        return unquote(urlsplit(self.target).path)

    @cached_property
    def query(self) -> dict[str, str]:
        """The parameters, unquoted; of one that is there twice, the last."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @cached_property
    def form(self) -> dict[str, str]:
        """The fields of a form that was posted."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            msgspec.DecodeError: It is not.
        """
        return msgspec.json.decode(self.body)

    @property
    def bearer(self) -> str | None:
        """The bearer token it carries."""
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token if kind.lower() == "bearer" else None

    @property
    def basic(self) -> tuple[str, str] | None:
        """User and password it carries."""
        kind, _, coded = self.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        user, _, password = base64.b64decode(coded).decode().partition(":")
        return user, password


@dataclass(frozen=True)
class Reply:
    """What a double answers."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


Handler = Callable[[Request], Reply]
"""A double: answers one request after the other. Called by one thread only."""


def json_reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A reply with a value as JSON."""
    return Reply(status, msgspec.json.encode(value), headers or {})
