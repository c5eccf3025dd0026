"""The store: what was read, what was found, and when, in SQLite or PostgreSQL through SQLAlchemy Core.

`engine` opens it and brings its tables up to date, `snapshots` keeps opportunities as last read and their observed
history, `discrepancies` keeps the life of each discrepancy, `runs` keeps the runs. Everything a run reports is read
back from here, so that a report made a year later is the report of that day.

Not for: judging, or talking to a source.
"""

from __future__ import annotations

from syncd.store.engine import Store, open_store

__all__ = ["Store", "open_store"]
