"""The fast server: answers of a system's double, rendered once and then repeated as bytes.

The first time something is asked, the double answers and the bytes are kept; after that they are sent as they are. A
warm-up run therefore renders every page. Times close to now in a request, such as the start of an increment, do not
make another request of it.

    python benchmarks/pages.py FOLDER --crm dynamics365 --rows 100000

It writes what runs must find (`truth-base.json`, `truth-changed.json`) and prints its port on a line. Requests below
`/__bench/` steer it and are not counted: `reset?state=base&latency=0.05&faults=0.05&trace=1`, and `report`.

Not for: use by anyone; it is the other side of the network in `pull.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from dialects import CHANGED_EVERY, DIALECTS, SELECTIONS, Shape, changed
from generate import AS_OF, rows
from truth import Truth, fired

from syncd.rehearsal import Reply, Request

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TIME: Final = re.compile(
    r"(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)"
    r"|(?P<american>\d\d/\d\d/\d{4} \d\d:\d\d:\d\d)|(?<!\d)(?P<milliseconds>1\d{12})(?!\d)"
)
_CLOSE: Final = timedelta(days=2)
_TOO_MANY: Final = (
    b"HTTP/1.1 429 Too Many\r\nContent-Type: application/json\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\n{}"
)
_BROKEN: Final = b"HTTP/1.1 500 Broken\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Holdings:
    """One system in two states: as generated, and after some records were edited."""

    def __init__(self, crm: str, count: int, seed: int, fields: str, folder: Path) -> None:
        """Args: system, size, seed, selection of columns; folder for the truth."""
        self._dialect = DIALECTS[crm]
        self._shape = Shape(self._dialect, SELECTIONS[fields])
        self._count, self._seed = count, seed
        self._doubles: dict[str, Any] = {}
        self._write_truth(folder)

    def answer(self, state: str, request: Request) -> Reply:
        """What the double says in a state."""
        if state not in self._doubles:
            self._doubles[state] = self._made(edited=state == "changed")
            gc.collect()
            gc.freeze()  # a walk through all those records would show as a pause in what is measured
        reply: Reply = self._doubles[state].handle(request)
        return reply

    def _write_truth(self, folder: Path) -> None:
        base, edited, today = Truth(), Truth(), AS_OF.isoformat()
        for number, cells in enumerate(rows(self._count, self._seed)):
            known = self._shape.known(cells)
            found = fired(known, today)
            base.add(known[0], found)
            edited.add(known[0], found if number % CHANGED_EVERY else fired(changed(known), today))
        base.save(folder / "truth-base.json")
        edited.save(folder / "truth-changed.json")

    def _made(self, *, edited: bool) -> Any:
        double, shape = self._dialect.make(), self._shape
        known = [shape.known(cells) for cells in rows(self._count, self._seed)]
        double.load([shape.native(cells) for cells in known])
        if edited:
            for cells in known[::CHANGED_EVERY]:
                self._dialect.edit(double, cells[0], shape.changes(changed(cells)))
        return double


@dataclass(slots=True)
class Desk:
    """What the server is set to, and what it counted since.

    Attributes:
        requests: Answered.
        sent: Bytes of the answers.
        misses: Answered by the double, for the first time.
        faults: Answered wrongly on purpose.
        waiting: Answers that are late and not sent yet.
        at_once: The most that were under way together, where answers come late.
        trace: Each request: method, target, headers and body.
    """

    holdings: Holdings
    state: str = "base"
    latency: float = 0.0
    share: float = 0.0
    tracing: bool = False
    requests: int = 0
    sent: int = 0
    misses: int = 0
    faults: int = 0
    waiting: int = 0
    at_once: int = 0
    trace: list[tuple[str, str, Mapping[str, str], str]] = field(default_factory=list)
    chance: random.Random = field(default_factory=random.Random)
    kept: dict[tuple[str, bytes, bytes], bytes] = field(default_factory=dict)

    def reset(self, given: Mapping[str, str]) -> None:
        """Set it anew and begin to count."""
        self.state = given.get("state", "base")
        self.latency, self.share = float(given.get("latency", 0)), float(given.get("faults", 0))
        self.tracing = given.get("trace") == "1"
        self.requests = self.sent = self.misses = self.faults = self.waiting = self.at_once = 0
        self.trace.clear()
        self.chance.seed(int(given.get("seed", 7)))

    def report(self) -> bytes:
        """What was counted, as JSON."""
        counted = {"requests": self.requests, "sent": self.sent, "misses": self.misses, "faults": self.faults}
        return json.dumps({**counted, "at_once": self.at_once, "trace": self.trace}).encode()

    def answer(self, head: bytes, body: bytes) -> tuple[bytes, bool]:
        """The bytes of an answer, and whether the connection breaks after them."""
        line = head.partition(b"\r\n")[0]
        if b" /__bench/" in line:
            return self._steer(line), False
        self.requests += 1
        if self.tracing:
            request = _parsed(head, body)
            self.trace.append((request.method, request.target, request.headers, body.decode()))
        key = (self.state, line, body)
        found = self.kept.get(key)
        if found is None:
            found = self.kept[key] = self._answered(head, line, body)
        self.sent += len(found)
        if self.share and self.chance.random() < self.share:
            self.faults += 1
            kind = self.chance.randrange(3)
            if kind == 2:
                return found[: len(found) - (len(found) - found.index(b"\r\n\r\n")) // 2], True
            return (_TOO_MANY, _BROKEN)[kind], False
        return found, False

    def _answered(self, head: bytes, line: bytes, body: bytes) -> bytes:
        loose = (self.state, _timeless(line), _timeless(body))
        found = self.kept.get(loose)
        if found is None:
            self.misses += 1
            found = self.kept[loose] = _rendered(self.holdings.answer(self.state, _parsed(head, body)))
        return found

    def _steer(self, line: bytes) -> bytes:
        target = urlsplit(line.split(b" ")[1].decode())
        if target.path.endswith("/reset"):
            self.reset({name: values[0] for name, values in parse_qs(target.query).items()})
            return _rendered(Reply(200, b"{}"))
        return _rendered(Reply(200, self.report()))


def _parsed(head: bytes, body: bytes) -> Request:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Request(method, target, headers, body)


def _rendered(reply: Reply) -> bytes:
    given = {"Content-Length": str(len(reply.body)), "Content-Type": reply.content_type, **reply.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {reply.status} Answered\r\n{lines}\r\n".encode("latin-1") + reply.body


def _timeless(part: bytes) -> bytes:
    """A request line or a body in which times close to now are all the same."""
    now = datetime.now(UTC)

    def placed(found: re.Match[str]) -> str:
        try:
            moment = _moment(found)
        except ValueError:
            return found[0]
        return "<now>" if abs(moment - now) < _CLOSE else found[0]

    return b"~" + _TIME.sub(placed, unquote(part.decode())).encode()


def _moment(found: re.Match[str]) -> datetime:
    if found["milliseconds"]:
        return datetime.fromtimestamp(int(found["milliseconds"]) / 1_000, UTC)
    if found["american"]:
        return datetime.strptime(found["american"], "%m/%d/%Y %H:%M:%S").replace(tzinfo=UTC)
    moment = datetime.fromisoformat(found["iso"])
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Conversation(asyncio.Protocol):
    """One connection."""

    def __init__(self, desk: Desk) -> None:
        """Args: desk, shared by all."""
        self._desk = desk
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Answer the request once it is there whole; clients send the next one after the answer."""
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(found[1]) if (found := _LENGTH.search(head)) else 0
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        answer, breaks = self._desk.answer(head, rest[:length])
        if self._desk.latency and b" /__bench/" not in head:
            self._desk.waiting += 1
            self._desk.at_once = max(self._desk.at_once, self._desk.waiting)
            asyncio.get_running_loop().call_later(self._desk.latency, self._send_late, answer, breaks)
        else:
            self._send(answer, breaks)

    def _send_late(self, answer: bytes, breaks: bool) -> None:
        self._desk.waiting -= 1
        self._send(answer, breaks)

    def _send(self, answer: bytes, breaks: bool) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(answer)
        if breaks:
            self._transport.close()


async def _serve(desk: Desk) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Conversation(desk), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Generate, load, serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path, help="where the truth is written")
    parser.add_argument("--crm", choices=[*DIALECTS], required=True)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--fields", choices=[*SELECTIONS], default="few")
    given = parser.parse_args()
    holdings = Holdings(given.crm, given.rows, given.seed, given.fields, given.folder)
    asyncio.run(_serve(Desk(holdings)))


if __name__ == "__main__":
    main()
