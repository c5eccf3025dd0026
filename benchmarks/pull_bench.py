"""One system, one pipeline, and the measured runs over it: floor, syncd, other tools, each checked before it counts.

Not for: which runs follow which, and what is made of their figures (`pull.py`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote, urlencode
from urllib.request import ProxyHandler, build_opener

from dialects import DIALECTS, SELECTIONS, Shape, configuration
from generate import AS_OF
from measure import Cost, RunFailed, WrongResult, environment, measure
from reports import read_report
from truth import Truth

_HERE: Final = Path(__file__).resolve().parent
_OWN_HEADERS: Final = frozenset({"host", "connection", "accept-encoding", "content-length", "user-agent"})
_TABLES: Final = ("snapshot", "snapshot_past", "discrepancy", "discrepancy_past", "visit", "move", "rejection")
_OPEN: Final = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run.

    Attributes:
        cost: What its process took.
        requests: What the server answered it.
        sent: Bytes of those answers.
        misses: Of those, what was not rendered before.
        faults: Of those, what was answered wrongly on purpose.
        at_once: The most that were under way together, where answers come late.
    """

    cost: Cost
    requests: int
    sent: int
    misses: int
    faults: int
    at_once: int


@dataclass(slots=True)
class PullBench:
    """One system holding one pipeline, in a folder of its own.

    Attributes:
        crm: Its adapter.
        folder: Holds configuration, databases and reports.
        rows: The size of the pipeline.
        fields: The selection of columns.
        url: Where the server listens.
        truths: What a correct run must find, by the state of the system.
        pages: Requests for pages of opportunities in a full pull.
        discrepancies: How many a full run reports.
    """

    crm: str
    folder: Path
    rows: int
    fields: str
    url: str
    truths: dict[str, Truth]
    server: subprocess.Popen[str]
    pages: int = 0
    discrepancies: int = 0
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def start(cls, crm: str, folder: Path, rows: int, seed: int, fields: str) -> Self:
        """Start the server and write the configuration."""
        secrets = DIALECTS[crm].kind().secrets
        surroundings = {**environment(folder), **secrets}
        options = ["--crm", crm, "--rows", str(rows), "--seed", str(seed), "--fields", fields]
        command = [sys.executable, str(_HERE / "pages.py"), str(folder), *options]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=surroundings)
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        if not port:
            raise RunFailed(f"the server of {crm} did not start")
        url = f"http://127.0.0.1:{port}"
        shape = Shape(DIALECTS[crm], SELECTIONS[fields])
        (folder / "syncd.toml").write_text(configuration(crm, url), encoding="utf-8")
        (folder / "bench.toml").write_text(shape.mapping(), encoding="utf-8")
        truths = {state: Truth.load(folder / f"truth-{state}.json") for state in ("base", "changed")}
        return cls(crm, folder, rows, fields, url, truths, server, environment=surroundings)

    @property
    def width(self) -> int:
        """Requests that may be under way at once while pages are read."""
        return DIALECTS[self.crm].width

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.terminate()
        self.server.wait()

    def check(self, *, fresh: bool = False, full: bool = False, state: str = "base", **server: Any) -> Run:
        """One `syncd check`, verified.

        Args:
            fresh: On a fresh database, and not on the one the last run left.
            full: Reading everything, changed or not.
            state: Of the system.
            server: What else the server is set to; see `pages.py`.

        Raises:
            RunFailed: It ended with another status than "discrepancies found".
            WrongResult: It found something else than the truth, or did not read what it had to.
        """
        if fresh:
            self._remove("bench.db")
        output = self.folder / "check.json"
        output.unlink(missing_ok=True)
        command = [sys.executable, "-m", "syncd", "check", "-c", "syncd.toml", "--source", "crm", "-q"]
        command += ["--output-format", "json", "-o", output.name, "--as-of", AS_OF.isoformat(), *["--full"] * full]
        run = self.measured(command, accept=(1,), state=state, **server)
        self._verify(output, self.truths[state], whole=fresh or full)
        return run

    def learn_pages(self) -> Run:
        """A first run, which renders every page and tells the floor what to ask for."""
        run = self.check(fresh=True, trace=1)
        dialect = DIALECTS[self.crm]
        asked = [
            {"method": method, "target": target, "body": body, "headers": _kept(headers)}
            for method, target, headers, body in self._ask("report")["trace"]
            if dialect.is_page(method, unquote(target))
        ]
        self.pages = len(asked)
        shape = Shape(dialect, SELECTIONS[self.fields])
        plan = {"url": self.url, "key": dialect.key, "wire": shape.wire(), "pages": asked}
        (self.folder / "pages.json").write_text(json.dumps(plan), encoding="utf-8")
        return run

    def floor(self, client: str) -> Run:
        """One run of the floor, verified; `learn_pages` must have come before.

        Raises:
            RunFailed: It failed.
            WrongResult: It did not store every row.
        """
        command = [sys.executable, str(_HERE / "pull_floor.py"), "pages.json", "floor.db", "--client", client]
        return self.stored(command, "floor.db")

    def peer(self, python: Path, destination: str) -> Run:
        """One run of another tool, which must store every row too; see `pull_dlt.py`."""
        shutil.rmtree(self.folder / "peer", ignore_errors=True)
        command = [str(python), str(_HERE / "pull_dlt.py"), "pages.json", "peer", "--to", destination]
        run = self.measured([*command, "--rows", str(self.rows)])
        shutil.rmtree(self.folder / "peer", ignore_errors=True)
        return run

    def stored(self, command: Sequence[str], database: str) -> Run:
        """One run of a command that must leave every row in a fresh database."""
        self._remove(database)
        run = self.measured(command)
        with closing(sqlite3.connect(self.folder / database)) as connection:
            stored = connection.execute("SELECT count(*) FROM opportunity").fetchone()[0]
        if stored != self.rows:
            raise WrongResult(f"{database} holds {stored:,} of {self.rows:,} rows")
        return run

    def measured(self, command: Sequence[str], accept: Sequence[int] = (0,), **server: Any) -> Run:
        """Run a command against the server, set as it is asked to be."""
        self._ask(f"reset?{urlencode(server)}")
        cost = measure(command, folder=self.folder, environment=self.environment, accept=accept)
        counted = self._ask("report")
        return Run(cost, **{name: count for name, count in counted.items() if name != "trace"})

    def digests(self) -> dict[str, str]:
        """For each table of the store, what stands in it, row by row, in few characters."""
        with closing(sqlite3.connect(self.folder / "bench.db")) as connection:
            return {table: _digest(connection, table) for table in _TABLES}

    def _verify(self, output: Path, truth: Truth, *, whole: bool) -> None:
        if not output.exists():
            raise RunFailed(f"syncd wrote no report about {self.crm}")
        report = read_report(output)
        wrong = [f"{self.crm}: {one}" for one in truth.differences((one.rule, one.id) for one in report.discrepancies)]
        wrong += [
            f"of {self.rows} rows the source gave {source}"
            for source in report.sources
            if not source.complete or source.judged != self.rows or source.rejected or source.increment is whole
        ]
        if wrong:
            raise WrongResult("; ".join(wrong))
        if whole:
            self.discrepancies = len(report.discrepancies)

    def _ask(self, what: str) -> Any:
        with _OPEN.open(f"{self.url}/__bench/{what}", timeout=600) as answer:
            return json.load(answer)

    def _remove(self, name: str) -> None:
        for path in self.folder.glob(f"{name}*"):
            path.unlink()


def _kept(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in _OWN_HEADERS}


def _digest(connection: sqlite3.Connection, table: str) -> str:
    digest = hashlib.sha256()
    for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3"):
        digest.update(repr(row).encode())
    return digest.hexdigest()
