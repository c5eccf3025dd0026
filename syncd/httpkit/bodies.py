"""Bodies of answers, read whole and within a limit, so that none fills the memory however small it comes.

Not for: what a body means (`syncd.httpkit.client`, adapters).
"""

from __future__ import annotations

from typing import Final

import httpx

_ENCODINGS: Final = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
"""What is asked for, and taken. A piece off the network grows at most a thousandfold by one of these; by one within
another, or by those that others may have installed for httpx, it grows without a limit before anybody can count it."""


Body = bytes | bytearray
"""The body of an answer. A large one is handed on as it was gathered, since a copy would take as much again."""


class TooLarge(Exception):
    """A body is larger than its limit."""


async def whole_body(response: httpx.Response, limit: int) -> bytearray:
    """The body of an answer that is being streamed.

    Args:
        response: Of a stream that is still open.
        limit: Bytes, uncompressed.

    Raises:
        TooLarge: There are more.
        httpx.DecodingError: It is encoded in a way that was not asked for, or not as it says.
    """
    if response.headers.get("content-encoding", "").strip().lower() not in _ENCODINGS:
        raise httpx.DecodingError("an encoding that was not asked for")
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > limit:
            raise TooLarge
    return body
