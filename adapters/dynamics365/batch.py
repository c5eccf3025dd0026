"""Several queries in one request: `$batch`, which takes addresses too long for a request of their own.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/execute-batch-operations-using-web-api

Not for: what is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import msgspec

from syncd.httpkit import Body, HttpClient

BOUNDARY: Final = "batch_syncd"
LARGEST: Final = 1_000
"""Queries in one request at most."""
_END: Final = b"\r\n"
_BUSY: Final = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Part:
    """The answer to one query."""

    status: int
    body: Body


async def ask(client: HttpClient, queries: Sequence[str], headers: Sequence[Mapping[str, str]]) -> list[Part]:
    """The answer to each of some queries, in their order. One that is refused does not stop the others.

    Args:
        client: Of the source.
        queries: Addresses below the base URL, at most `LARGEST`.
        headers: Of each query.

    Raises:
        Refused, AuthFailed, SourceUnavailable, SourceIncomplete: As the kit.
    """
    root = urlsplit(client.base_url).path
    lines: list[str] = []
    for query, given in zip(queries, headers, strict=True):
        lines += [f"--{BOUNDARY}", "Content-Type: application/http", "Content-Transfer-Encoding: binary", ""]
        lines += [f"GET {root}/{query} HTTP/1.1", "Accept: application/json"]
        lines += [*(f"{name}: {value}" for name, value in given.items()), "", ""]
    lines += [f"--{BOUNDARY}--", ""]
    parts, _ = await client.request_json(
        "POST", "$batch",
        decode=lambda body: _parts(body, len(queries)),
        content="\r\n".join(lines).encode(),
        headers={
            "Content-Type": f"multipart/mixed; boundary={BOUNDARY}",
            "Accept": "multipart/mixed",
            "Prefer": "odata.continue-on-error",
            "OData-MaxVersion": "4.0",
            "OData-Version": "4.0",
        },
        repeatable=True,  # it only reads
    )  # fmt: skip
    return parts


def _parts(body: Body, count: int) -> list[Part]:
    """Take an answer apart. An outer 200 says nothing of its parts."""
    line, _, _ = body.partition(_END)
    if not line.startswith(b"--") or not body.rstrip().endswith(line + b"--"):
        raise msgspec.ValidationError("no whole multipart body")
    parts = [_part(piece) for piece in body.split(line)[1:-1]]
    if len(parts) != count or any(part.status in _BUSY for part in parts):
        raise msgspec.ValidationError("not every query was answered")
    return parts


def _part(piece: Body) -> Part:
    _, _, message = piece.partition(_END * 2)
    head, _, body = message.partition(_END * 2)
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():  # noqa: PLR2004 - `HTTP/1.1 200 OK`
        raise msgspec.ValidationError("a part without a status")
    return Part(int(words[1]), body.strip())
