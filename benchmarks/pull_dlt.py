"""A peer of the pull: dlt reads the same pages and stores them. It maps nothing, judges nothing, and knows no versions.

Runs in a Python of its own, where dlt is installed:

    python -m venv peers && peers/bin/pip install 'dlt[sqlalchemy,duckdb]' pyarrow
    peers/bin/python benchmarks/pull_dlt.py pages.json FOLDER --to sqlite --rows 100000

Rows are appended to an empty database, the cheapest dlt offers; a merge by the id, as syncd does it, takes longer.

Not for: any other environment than that one; it shares no module with the other benchmarks.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main() -> None:
    """Run dlt over one list of pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("plan", type=Path)
    parser.add_argument("folder", type=Path, help="of the database and of dlt's own files")
    parser.add_argument("--to", choices=["sqlite", "duckdb"], default="sqlite")
    parser.add_argument("--rows", type=int, required=True, help="how many must be stored at least")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    stored = run(json.loads(given.plan.read_text(encoding="utf-8")), given.folder.resolve(), given.to)
    if stored < given.rows:
        parser.exit(1, f"dlt stored {stored} of {given.rows} rows\n")


def run(plan: dict[str, Any], folder: Path, destination: str) -> int:
    """Fetch and store; gives how many rows there are then."""
    import dlt  # noqa: PLC0415 - after its environment is set
    from dlt.sources.helpers import requests  # noqa: PLC0415

    def pages() -> Iterator[list[dict[str, Any]]]:
        with requests.Client().session as session:
            for page in plan["pages"]:
                address = plan["url"] + page["target"]
                answer = session.request(page["method"], address, headers=page["headers"], data=page["body"] or None)
                yield answer.json()[plan["key"]]

    places = {
        "sqlite": lambda: dlt.destinations.sqlalchemy(f"sqlite:///{folder / 'peer.db'}"),
        "duckdb": lambda: dlt.destinations.duckdb(str(folder / "peer.duckdb")),
    }
    pipeline = dlt.pipeline(
        "bench", destination=places[destination](), dataset_name="bench", pipelines_dir=str(folder / "pipelines")
    )
    formats = {"loader_file_format": "parquet"} if destination == "duckdb" else {}
    pipeline.run(dlt.resource(pages, name="opportunity", write_disposition="append"), **formats)
    with pipeline.sql_client() as client:
        found = client.execute_sql("SELECT count(*) FROM opportunity")
    return int(found[0][0])


if __name__ == "__main__":
    main()
