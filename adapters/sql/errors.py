"""What the database's errors mean. Their own words are kept out: they may quote rows, statements and passwords.

Not for: errors of the configuration that are seen without the database (`adapters.sql.settings`).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from syncd.errors import AuthFailed, ConfigError, Problem, SourceIncomplete, SourceUnavailable, SyncdError

_MEANINGS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("auth", (r"28\w{3}", "password", "authentication failed", "access denied", "login failed", "ORA-01017")),
    ("timeout", ("57014", "interrupted", "statement timeout", "max_execution_time", "ORA-01013")),
    ("forbidden", ("42501", "permission denied", "permission was denied", "command denied", "ORA-01031")),
    ("names", (
        "42P01", "4270[23]", "3F000", "no such (?:table|column)", "unknown column", "ambiguous column",
        "invalid (?:object|column) name", "ORA-00942", "ORA-00904",
    )),
    ("syntax", (r"42\w{3}", "syntax error", "incomplete input", "unrecognized token", r"ORA-009\d\d")),
    ("written", ("25006", "read-?only", "read only")),
    ("absent", (
        r"08\w{3}", r"57P\w\d", r"53\w{3}", "connection", "connect to", "unable to open", "could not translate",
        "timed out", "database is locked", "does not exist", "unknown database", "no such host", "refused",
    )),
    ("damaged", ("not a database", "malformed", "disk image", "disk I/O")),
)  # fmt: skip
"""By SQLSTATE or the words of the driver, the first that fits.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""


@contextlib.contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn errors of the database into ours, at the one place where they are met.

    Args:
        name: Of the source.
    """
    try:
        yield
    except SyncdError:
        raise
    except DBAPIError as error:
        raise _meant(error, name) from None
    except SQLAlchemyError as error:
        raise SourceIncomplete(
            f"the rows cannot be read ({type(error).__name__})", f"try the query of source {name} in another program"
        ) from None


def _meant(error: DBAPIError, name: str) -> SyncdError:
    origin = error.orig
    code = str(getattr(origin, "sqlstate", None) or getattr(origin, "sqlite_errorname", None) or "")
    said = f"{code} {origin}"
    meaning = next((one for one, signs in _MEANINGS if re.search("|".join(signs), said, re.IGNORECASE)), "")
    kind = f"{type(origin).__name__}{f', {code}' if code else ''}"
    if meaning in {"names", "syntax"}:
        what = "it names a table or column that is not there" if meaning == "names" else "it cannot be understood"
        return ConfigError(
            Problem(message=f"source {name}: the database refuses the query: {what}{_named(said)} ({kind})")
        )
    if meaning == "auth":
        return AuthFailed(f"the database refuses the credentials ({kind})", f"check user and password of source {name}")
    if meaning == "absent":
        return SourceUnavailable(f"the database cannot be reached or opened ({kind})", f"check `url` of source {name}")
    reasons = {
        "timeout": ("a statement took too long", "raise `timeout_seconds`, or give the database an index it can use"),
        "forbidden": ("the account may not read this", "grant it SELECT on what the query names"),
        "written": ("the query tries to write, which is not allowed", "let the query only read"),
        "damaged": ("this is no database, or a damaged one", "check `url`, or restore the database"),
    }
    reason, remedy = reasons.get(meaning, ("the database broke off", f"try the query of source {name} elsewhere"))
    return SourceIncomplete(f"{reason} ({kind})", remedy)


def _named(said: str) -> str:
    """The table or column that SQLite misses: a name out of the query, never a value."""
    match = re.search(r"no such (?:table|column): ([\w.]{1,80})", said)
    return f": {match[1]}" if match else ""
