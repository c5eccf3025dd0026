"""The floor of a pull: fetch every page, decode it, insert it; nothing else.

Each page is asked for as syncd asked for it, one after the other over one connection; msgspec takes out the used fields
and nothing more; SQLite takes twenty columns of each record in one transaction (WAL, a real file, a unique index on the
CRM's id, of which a page may hold some of the page before). Nothing is parsed further, compared, judged or logged.

    python benchmarks/pull_floor.py pages.json floor.db --client httpx

Not for: use by anyone; it is one side of the comparison in `pull.py`.
"""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, TypedDict
from urllib.parse import urlsplit

import msgspec

COLUMNS: Final = 20


class Asked(TypedDict):
    """One request for a page."""

    method: str
    target: str
    headers: dict[str, str]
    body: str


class Plan(msgspec.Struct):
    """What is fetched.

    Attributes:
        url: Where the server is.
        key: The key of the records in an answer.
        wire: Where each used field stands in a record, the id first.
        pages: The requests.
    """

    url: str
    key: str
    wire: list[list[str]]
    pages: list[Asked]


Row = tuple[Any, ...]


def run(plan: Plan, database: Path, client: str) -> None:
    """Fetch, decode, insert."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    width = min(COLUMNS, len(plan.wire))
    connection.execute(f"CREATE TABLE opportunity ({', '.join(f'c{place}' for place in range(width))})")
    connection.execute("CREATE UNIQUE INDEX opportunity_id ON opportunity (c0)")
    insert = f"INSERT OR IGNORE INTO opportunity VALUES ({', '.join('?' * width)})"
    take_apart = decoder(plan.key, plan.wire, width)
    connection.execute("BEGIN")
    for body in _CLIENTS[client](plan):
        connection.executemany(insert, take_apart(body))
    connection.execute("COMMIT")
    connection.close()


def decoder(key: str, wire: Sequence[Sequence[str]], width: int) -> Callable[[bytes], list[Row]]:
    """What makes rows of a page, through structs that name the used fields alone."""
    names: dict[tuple[str, ...], str] = {}
    record = _struct([tuple(path) for path in wire], (), names)
    page = msgspec.defstruct("Page", [("rows", list[record])], rename={"rows": key})  # type: ignore[valid-type]
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(page).decode
    wanted = [tuple(path) for path in wire[:width]]
    if all(len(path) == 1 for path in wire):
        as_tuple = msgspec.structs.astuple
        return lambda body: [as_tuple(row)[:width] for row in decode(body).rows]
    take = attrgetter(*(".".join(names[path[:depth]] for depth in range(1, len(path) + 1)) for path in wanted))
    return lambda body: [_taken(take, row, names, wanted) for row in decode(body).rows]


def _struct(paths: Sequence[tuple[str, ...]], above: tuple[str, ...], names: dict[tuple[str, ...], str]) -> Any:
    heads = dict.fromkeys(path[0] for path in paths)
    fields: list[tuple[str, Any, Any]] = []
    for place, head in enumerate(heads):
        names[(*above, head)] = f"f{place}"
        inner = [path[1:] for path in paths if path[0] == head and len(path) > 1]
        kind = _struct(inner, (*above, head), names) | None if inner else Any
        fields.append((f"f{place}", kind, None))
    rename = {f"f{place}": head for place, head in enumerate(heads)}
    return msgspec.defstruct(f"At{len(names)}", fields, rename=rename, gc=False)


def _taken(
    take: Callable[[Any], Row], row: Any, names: dict[tuple[str, ...], str], wanted: list[tuple[str, ...]]
) -> Row:
    try:
        return take(row)
    except AttributeError:  # an object on the way is null
        values = []
        for path in wanted:
            value = row
            for depth in range(1, len(path) + 1):
                value = None if value is None else getattr(value, names[path[:depth]])
            values.append(value)
        return tuple(values)


def with_httpx(plan: Plan) -> Iterator[bytes]:
    """The bodies, by httpx as it comes."""
    import httpx  # noqa: PLC0415 - its import is part of its cost, and not of the other client's

    with httpx.Client(base_url=plan.url, timeout=600, trust_env=False) as client:
        for page in plan.pages:
            answer = client.request(page["method"], page["target"], headers=page["headers"], content=page["body"])
            answer.raise_for_status()
            yield answer.content


def with_http_client(plan: Plan) -> Iterator[bytes]:
    """The bodies, by the standard library's client."""
    from http.client import HTTPConnection  # noqa: PLC0415

    connection = HTTPConnection(urlsplit(plan.url).netloc, timeout=600)
    for page in plan.pages:
        connection.request(page["method"], page["target"], page["body"] or None, page["headers"])
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise OSError(f"status {answer.status}")
        yield body
    connection.close()


_CLIENTS: Final[dict[str, Callable[[Plan], Iterator[bytes]]]] = {"httpx": with_httpx, "http.client": with_http_client}


def main() -> None:
    """Run the floor over one list of pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("plan", type=Path)
    parser.add_argument("database", type=Path)
    parser.add_argument("--client", choices=[*_CLIENTS], default="httpx")
    given = parser.parse_args()
    run(msgspec.json.decode(given.plan.read_bytes(), type=Plan), given.database, given.client)


if __name__ == "__main__":
    main()
