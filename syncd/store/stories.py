"""What the store can tell a person: the state of sources and runs, and one opportunity from first sight to now.

Not for: reports of a run (`syncd.report`).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from syncd.model import DiscrepancyBody, Opportunity
from syncd.process import Process
from syncd.store.discrepancies import open_count, stretches_of
from syncd.store.runs import list_runs, summary_of
from syncd.store.schema import layout, run, snapshot, snapshot_past, source

_FIELDS: Final = (
    "name", "account", "owner", "territory", "stage", "stage_label", "probability", "amount", "currency", "close_date",
    "status", "closed", "decision_due", "source_type", "forecast",
)  # fmt: skip
_ORDER: Final = {"first seen": 0, "changed": 1, "gone": 2, "fixed": 3, "ended": 3, "relapsed": 4, "found": 4}


def store_status(connection: Connection, *, configured: list[str], runs: int) -> dict[str, Any]:
    """The state of every source, known or configured, and of the newest runs, as plain JSON data."""
    names = dict(connection.execute(select(run.c.seq, run.c.run)).all())
    columns = select(source.c.name, source.c.records, source.c.complete_run).order_by(source.c.name)
    known = {
        row.name: {"name": row.name, "records": row.records, "complete_run": names.get(row.complete_run)}
        for row in connection.execute(columns)
    }
    for name in configured:
        known.setdefault(name, {"name": name, "records": 0, "complete_run": None})
    listed = []
    for one in list_runs(connection, limit=runs):
        summary = summary_of(connection, one.seq)
        state = one.state if one.state != "running" else "unfinished"
        listed.append(
            {
                "run": one.run,
                "command": one.command,
                "state": state,
                "as_of": one.as_of.isoformat(),
                "started_at": one.started_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "counts": summary.counts if summary else {},
                "incomplete": [source.name for source in summary.sources if not source.complete] if summary else [],
            }
        )
    return {"sources": list(known.values()), "open": open_count(connection), "runs": listed}


def opportunity_stories(
    connection: Connection, identity: str, *, sources: tuple[str, ...], process: Process
) -> list[dict[str, Any]]:
    """Everything known of an id, one story for each source that has it, as plain JSON data.

    Args:
        connection: A reading connection.
        identity: The CRM's own id.
        sources: Only these; empty means all.
        process: Gives evidence ids their place in the order of events.
    """
    joined = (
        select(snapshot, source.c.name.label("source_name"))
        .join(source, source.c.source_id == snapshot.c.source_id)
        .where(snapshot.c.id == identity)
    )
    if sources:
        joined = joined.where(source.c.name.in_(sources))
    return [_story(connection, row, process) for row in connection.execute(joined.order_by(source.c.name)).all()]


def _story(connection: Connection, row: Any, process: Process) -> dict[str, Any]:
    days = {seq: day.isoformat() for seq, day in connection.execute(select(run.c.seq, run.c.as_of))}
    past = select(snapshot_past).where(snapshot_past.c.key == row.key).order_by(snapshot_past.c.changed_run)
    versions = [(one.changed_run, one.payload, one.layout_id) for one in connection.execute(past)]
    versions.append((row.changed_run, row.payload, row.layout_id))
    events: list[dict[str, Any]] = []
    before: dict[str, Any] | None = None
    for seq, payload, laid in versions:
        now = _plain(connection, payload, laid)
        if before is None:
            events.append(_event(days, seq, "first seen", _introduction(now)))
        elif text := _difference(before, now, process):
            events.append(_event(days, seq, "changed", text))
        before = now
    if row.gone_run is not None:
        events.append(_event(days, row.gone_run, "gone", "no longer in the source"))
    for stretch in stretches_of(connection, row.key):
        body = msgspec.json.decode(stretch.body, type=DiscrepancyBody)
        found = "found" if stretch.opened_run == stretch.first_run else "relapsed"
        events.append(_event(days, stretch.opened_run, found, f"{body.rule} ({body.severity}) {body.message}"))
        if stretch.closed_run is not None:
            kind = "fixed" if stretch.ended == "fixed" else "ended"
            text = body.rule if kind == "fixed" else f"{body.rule}: {stretch.ended}"
            events.append(_event(days, stretch.closed_run, kind, text))
    events.sort(key=lambda event: (event["seq"], _ORDER[event["kind"]]))
    current = msgspec.json.decode(row.payload, type=Opportunity)
    return {"source": row.source_name, "id": row.id, "name": current.name, "events": events}


def _event(days: dict[int, str], seq: int, kind: str, text: str) -> dict[str, Any]:
    return {"seq": seq, "day": days.get(seq, ""), "kind": kind, "text": text}


def _plain(connection: Connection, payload: str, laid: int) -> dict[str, Any]:
    """A snapshot as field: value and evidence id: state, with the evidence ids of its own day."""
    opportunity = msgspec.json.decode(payload, type=Opportunity)
    plain = {name: getattr(opportunity, name) for name in _FIELDS}
    names = connection.execute(select(layout.c.evidence).where(layout.c.layout_id == laid)).scalar_one().split("\n")
    for index, name in enumerate(names):
        seen = opportunity.evidence_of(index)
        day = f" on {seen.date.isoformat()}" if seen.date else ""
        plain[name] = seen.state.value.replace("_", " ") + day
    return plain


def _introduction(now: dict[str, Any]) -> str:
    stage = now["stage"] or f"unrecognised stage {now['stage_label']!r}"
    probability = "no probability" if now["probability"] is None else f"{now['probability']} %"
    amount = "no amount" if now["amount"] is None else f"{now['amount']} {now['currency'] or ''}".rstrip()
    return f"{stage}, {probability}, {amount}, {now['status']}"


def _difference(before: dict[str, Any], now: dict[str, Any], process: Process) -> str:
    names = [*_FIELDS, *process.evidence, *(name for name in before if name not in process.evidence_index)]
    seen = dict.fromkeys(name for name in names if before.get(name) != now.get(name))
    return "; ".join(f"{name}: {_shown(before.get(name))} → {_shown(now.get(name))}" for name in seen)


def _shown(value: Any) -> str:
    return "(blank)" if value is None else str(value)
