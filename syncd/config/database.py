"""The database URL: its two forms, where a relative file lies, and no password in it.

Not for: connecting (`syncd.store`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from syncd.config.settings import KEYS
from syncd.config.table import Table
from syncd.secrets import FORMS, Secret, looks_secret

DEFAULT_DATABASE: Final = "sqlite:///syncd.db"

_FORMS: Final = '"sqlite:///syncd.db" or "postgresql+psycopg://user@host/database"'
_SQLITE: Final = "sqlite:///"
_POSTGRESQL: Final = "postgresql+psycopg://"
_PASSWORD_TABLE: Final = (
    'write database = { url = "postgresql+psycopg://user@host/database", password = ... }, '
    f"the password being one of {FORMS}"
)


def read_database(table: Table, folder: Path) -> tuple[str, Secret | None]:
    """The URL, without a password and with an absolute path, and where the password is.

    Args:
        table: The table `[syncd]`.
        folder: Where a relative SQLite path starts; absolute.
    """
    if not isinstance(table.values.get("database"), dict):
        return _checked(table, "database", table.text("database", DEFAULT_DATABASE), folder), None
    inner = table.table("database")
    inner.refuse_unknown(KEYS["syncd.database"])
    url = _checked(inner, "url", inner.required("url", _FORMS), folder)
    password = read_secret(inner, "password") if "password" in inner.values else None
    if password is not None and url.startswith("sqlite:"):
        inner.report("password", "SQLite has none; leave it out")
    return url, password


def read_secret(table: Table, key: str) -> Secret | None:
    """A reference to a secret; None where it is wrong, which is noted without what stands there."""
    value = table.values[key]
    if not isinstance(value, dict):
        table.report(key, f"a secret is never written here; refer to it with {FORMS}")
        return None
    try:
        return msgspec.convert(value, Secret)
    except msgspec.ValidationError:  # its message is left out, and so is what stands there
        table.report(key, f"a reference to a secret is exactly one of {FORMS}")
        return None


def _checked(table: Table, key: str, url: str, folder: Path) -> str:
    # A URL that may hold a password is never shown, not even in part.
    if url.startswith(_POSTGRESQL):
        if holds_password(url):
            table.report(key, f"a password is never written here; {_PASSWORD_TABLE}")
        return url
    if url == "sqlite://" or url.startswith(_SQLITE):
        return _absolute(table, key, url, folder)
    if url:
        scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)", url)
        given = repr(f"{scheme.group()}://...") if scheme else "something else"
        table.report(key, f"a URL, {_FORMS}, not {given}")
    return url


def holds_password(url: str) -> bool:
    """Whether a URL carries a password, before its host or among its parameters."""
    # A web address ends its host at the first slash; SQLAlchemy lets a password hold any character but @.
    password = r"[^@/?#]*" if re.match("https?:", url, re.IGNORECASE) else "[^@]*"
    if re.match(rf"[^/?#]*//[^:/@]*:{password}@", url):
        return True
    return any(looks_secret(name) for name, _ in parse_qsl(url.partition("?")[2]))


def _absolute(table: Table, key: str, url: str, folder: Path) -> str:
    """A SQLite URL with an absolute path; those in memory and SQLite's own `file:` URIs stay as they are."""
    path, mark, parameters = url.removeprefix(_SQLITE).partition("?")
    if url == "sqlite://" or path in {"", ":memory:"} or path.startswith("file:"):
        return url
    absolute = (folder / path).as_posix()
    if "?" in absolute:
        table.report(key, "the folder of this file has a ? in its name, which no URL can hold; write another path")
    return f"{_SQLITE}{absolute}{mark}{parameters}"
