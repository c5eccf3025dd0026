"""From a run in the store to a report: opens the streams a format goes through."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from sqlalchemy import select

from syncd.model import RunSummary
from syncd.report import Report, RuleInfo
from syncd.store import Store
from syncd.store.discrepancies import DiscrepancyReader
from syncd.store.runs import read_rejections
from syncd.store.schema import source


@contextlib.contextmanager
def read_run(store: Store, infos: Mapping[str, RuleInfo], seq: int, summary: RunSummary) -> Iterator[Report]:
    """The report of a run, readable for as long as the block runs.

    Args:
        store: Where the run is.
        infos: The catalogue by code.
        seq: The run's number.
        summary: What it reported.
    """
    judged = [one.name for one in summary.sources if one.complete]
    with store.read() as connection:
        ids = [one for (one,) in connection.execute(select(source.c.source_id).where(source.c.name.in_(judged)))]
        reader = DiscrepancyReader(connection, seq=seq, rules=summary.rules, sources=ids)
        yield Report(
            summary=summary,
            discrepancies=reader.open,
            fixed=reader.closed,
            rejected=lambda: read_rejections(connection, seq),
            rules=infos,
            raw=reader.open_raw,
        )
