"""The floor: the least any tool must do that reads a CSV export, keeps it and reports on it.

The csv module gives a list a row, SQLite takes each whole row into one table with a unique index on the CRM's id in one
transaction (WAL, a real file), and json.dumps writes the discrepancies. Nothing is parsed, compared, judged or logged.

The floor cannot know which rows are wrong without judging, so it is told how many discrepancies a judged run reported
and spreads as many evenly over the rows: objects with the keys, and about the length, of those `syncd check` writes.
Rows go through in batches, as any tool that must hold its memory flat would do it.

    python benchmarks/floor.py pipeline.csv floor.db floor.json --rows 100000 --discrepancies 44000

Not for: use by anyone; it is one side of the comparison in `check.py`.
"""

from __future__ import annotations

import argparse
import csv
import json
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

BATCH: Final = 5_000

_MESSAGE: Final = "the record says Solution with 60 %, but the chart's figure for Solution is 40 %: set it to 40 %"
_PHRASE: Final = "Confirm verifiable outcome, update opty assessment and Siebel"


def run(source: Path, database: Path, output: Path, discrepancies: int, rows: int) -> None:
    """Read, insert and dump.

    Args:
        source: A canonical CSV file.
        database: The SQLite file to create.
        output: The JSON file to create.
        discrepancies: How many to write, over
        rows: how many rows.
    """
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    with source.open(encoding="utf-8-sig", newline="") as text, output.open("w", encoding="utf-8") as sink:
        reader = csv.reader(text)
        header = next(reader)
        names = ", ".join(f'"{name}"' for name in header)
        connection.execute(f"CREATE TABLE opportunity ({names})")
        connection.execute("CREATE UNIQUE INDEX opportunity_id ON opportunity (id)")
        insert = f"INSERT INTO opportunity VALUES ({', '.join('?' * len(header))})"
        connection.execute("BEGIN")
        done, separator = 0, ""
        sink.write('{"discrepancies": [')
        while batch := list(islice(reader, BATCH)):
            connection.executemany(insert, batch)
            found = list(_discrepancies(header, batch, done, discrepancies, rows))
            if found:
                sink.write(separator + json.dumps(found)[1:-1])
                separator = ", "
            done += len(batch)
        sink.write("]}\n")
        connection.execute("COMMIT")
    connection.close()


def _discrepancies(
    header: Sequence[str], batch: Sequence[Sequence[str]], done: int, discrepancies: int, rows: int
) -> Iterator[dict[str, Any]]:
    at = {name: place for place, name in enumerate(header)}
    wanted = ("id", "name", "owner", "territory", "account", "stage", "probability", "amount", "currency")
    places = [at[name] for name in wanted]
    for number, row in enumerate(batch, done):
        for _ in range((number + 1) * discrepancies // rows - number * discrepancies // rows):
            identity, name, owner, territory, account, stage, probability, amount, currency = [row[at] for at in places]
            yield {
                "rule": "PRB001",
                "severity": "error",
                "source": "export",
                "id": identity,
                "name": name,
                "owner": owner,
                "territory": territory,
                "account": account,
                "stage": stage,
                "probability": probability,
                "amount": amount,
                "currency": currency,
                "proven_stage": stage,
                "possible_stage": stage,
                "field": "probability",
                "actual": probability,
                "expected": 40,
                "message": _MESSAGE,
                "phrase": _PHRASE,
                "headline": "",
                "state": "new",
                "first_seen": "2026-01-15",
                "last_seen": "2026-01-15",
                "waiver": None,
                "fix": {"safety": "safe", "set": {"probability": {"from": probability, "to": 40}}},
            }


def main() -> None:
    """Run the floor over one file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("source", type=Path)
    parser.add_argument("database", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--discrepancies", type=int, required=True)
    parser.add_argument("--rows", type=int, required=True, help="the rows of the file")
    given = parser.parse_args()
    run(given.source, given.database, given.output, given.discrepancies, given.rows)


if __name__ == "__main__":
    main()
