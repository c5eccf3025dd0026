"""A report as SARIF 2.1.0, the format code scanning services read.

An opportunity is a logical location, `source/id`. What this run no longer found follows as results that are `absent`.
Specification: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO, Final

import msgspec

from syncd import __version__
from syncd.model import Discrepancy, Severity, SourceSummary, State
from syncd.report.model import Report, RuleInfo
from syncd.report.to_json import encoded_lines, write_array

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVEL: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "info": "note"}

# The baseline is the run before: what is reopened was not in it, so it is new against it (section 3.27.24).
_BASELINE: Final[dict[State, str]] = {"new": "new", "reopened": "new", "unchanged": "unchanged", "fixed": "absent"}

_INCOMPLETE: Final = "SOURCE_INCOMPLETE"
_REJECTED: Final = "RECORD_REJECTED"
_NOTIFICATIONS: Final = (
    {
        "id": _INCOMPLETE,
        "shortDescription": {"text": "A source could not be read whole, so nothing was judged for it."},
    },
    {"id": _REJECTED, "shortDescription": {"text": "A record could not be told apart or taken apart."}},
)

_ENCODER: Final = msgspec.json.Encoder()


def to_sarif(report: Report, out: BinaryIO) -> None:
    """Write the report as a SARIF log of one run."""
    summary = report.summary
    driver = {
        "name": "syncd",
        "semanticVersion": __version__,
        "notifications": _NOTIFICATIONS,
        "rules": [_descriptor(info) for info in report.rules.values()],
    }
    properties = {
        "run": summary.run,
        "as_of": summary.as_of,
        "process": summary.process,
        "outcome_semantics": summary.outcome_semantics,
    }
    head = _ENCODER.encode({"tool": {"driver": driver}, "properties": properties})
    out.write(b'{"$schema":' + _ENCODER.encode(_SCHEMA) + b',"version":"2.1.0","runs":[\n' + head[:-1])
    _write_invocation(report, out)
    indexes = {code: index for index, code in enumerate(report.rules)}
    # SARIF identifies a run's baseline by its results' states alone; there is no log file to point to.
    results = (_result(one, indexes) for one in chain(report.discrepancies(), report.fixed()))
    write_array(out, "results", encoded_lines(results))
    out.write(b"}\n]}\n")


def _write_invocation(report: Report, out: BinaryIO) -> None:
    summary = report.summary
    invocation: dict[str, Any] = {"executionSuccessful": all(source.complete for source in summary.sources)}
    if summary.finished_at is not None:
        invocation["endTimeUtc"] = summary.finished_at
    out.write(b',\n"invocations":[' + _ENCODER.encode(invocation)[:-1])
    write_array(out, "toolExecutionNotifications", encoded_lines(_notifications(report)))
    out.write(b"}]")


def _notifications(report: Report) -> Iterator[dict[str, Any]]:
    for source in report.summary.sources:
        if not source.complete:
            yield _notification(_INCOMPLETE, "error", _incomplete(source), source.name)
    for refused in report.rejected():
        place = f" ({refused.place})" if refused.place else ""
        told = f"{refused.id or 'a record without an id'}{place}: {refused.reason}"
        yield _notification(_REJECTED, "warning", told, f"{refused.source}/{refused.id}")


def _incomplete(source: SourceSummary) -> str:
    return f"{source.name} was not read whole and not judged: {source.reason} {source.remedy}".strip()


def _notification(kind: str, level: str, told: str, name: str) -> dict[str, Any]:
    return {
        "descriptor": {"id": kind},
        "level": level,
        "message": {"text": _message(told)},
        "locations": [{"logicalLocations": [{"fullyQualifiedName": name, "kind": "resource"}]}],
    }


def _descriptor(info: RuleInfo) -> dict[str, Any]:
    return {
        "id": info.code,
        "shortDescription": {"text": info.title},
        "fullDescription": {"text": " · ".join(info.phrases) or info.title},
        "help": {"text": info.explanation, "markdown": info.explanation},
        "defaultConfiguration": {"level": _LEVEL[info.severity]},
        "properties": {"evidence": info.evidence, "fix": info.fix},
    }


def _result(found: Discrepancy, indexes: dict[str, int]) -> dict[str, Any]:
    result: dict[str, Any] = {"ruleId": found.rule}
    if found.rule in indexes:
        result["ruleIndex"] = indexes[found.rule]
    location = {"name": found.id, "fullyQualifiedName": f"{found.source}/{found.id}", "kind": "resource"}
    return result | {
        "level": _LEVEL[found.severity],
        "message": {"text": _message(found.message)},
        "locations": [{"logicalLocations": [location]}],
        "partialFingerprints": {"discrepancy/v1": _fingerprint(found)},
        "baselineState": _BASELINE[found.state],
        "properties": _properties(found),
    }


def _properties(found: Discrepancy) -> dict[str, Any]:
    return {
        "name": found.name,
        "owner": found.owner,
        "stage": found.stage,
        "probability": found.probability,
        "amount": found.amount,
        "currency": found.currency,
        "proven_stage": found.proven_stage,
        "field": found.field,
        "actual": found.actual,
        "expected": found.expected,
        "phrase": found.phrase,
        "state": found.state,
        "headline": found.headline,
        "ended": found.ended,
        "fix": found.fix,
    }


def _fingerprint(found: Discrepancy) -> str:
    # Whom and which rule, not what was found: a discrepancy whose figures move stays the same discrepancy.
    identity = f"{found.source}\0{found.id}\0{found.rule}"
    return hashlib.sha256(identity.encode(errors="replace")).hexdigest()[:32]


def _message(text: str) -> str:
    # "[text](target)" is a link even in plain text (section 3.11.6); CRM text must not make one.
    if "](" not in text:
        return text
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
