"""Brings a database to the newest schema with Alembic, by the connection that holds the lock.

Not for: deciding whether that is needed (`syncd.store.engine`).
"""

from __future__ import annotations

from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run every migration that is missing up to one, inside the connection's transaction."""
    with as_file(files("syncd.store") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
