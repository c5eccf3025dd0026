"""A server of one resource, and a client that need not wait."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from syncd.httpkit import Clock, HttpClient, HttpSettings
from syncd.rehearsal import Request, json_reply

GOOD = {"items": [{"Id": "1-A1", "Name": "Zoë"}]}


class Time:
    """A clock that jumps instead of waiting, and notes each wait."""

    def __init__(self) -> None:
        self.at = 1_000.0
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.at += seconds
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        return Clock(
            monotonic=lambda: self.at,
            now=lambda: datetime.now(UTC),
            sleep=self.sleep,
            random=lambda: 1.0,
        )


def good(_request: Request) -> Any:
    return json_reply(GOOD)


def client(url: str, time: Time | None = None, react: Any = None, **settings: Any) -> HttpClient:
    given = msgspec.convert({"base_url": f"{url}/api", **settings}, HttpSettings)
    more = {} if react is None else {"react": react}
    return HttpClient(given, name="crm", folder=Path(), clock=(time or Time()).clock(), **more)


def get(made: HttpClient, path: str = "things", **more: Any) -> Any:
    async def ask() -> Any:
        async with made:
            return (await made.get_json(path, decode=msgspec.json.decode, **more))[0]

    return asyncio.run(ask())
