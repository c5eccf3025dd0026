"""A report as JSON, schema `syncd/check/1`: one discrepancy a line, in store order.

Byte for byte the same for the same report. Fields are only ever added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO, Final, TypeVar

import msgspec

from syncd.model import SEVERITIES, RunSummary
from syncd.report.model import Report

SCHEMA: Final = "syncd/check/1"

# Values encoded at a time: enough to make the calls cheap, little enough not to matter in memory.
_BATCH: Final = 512

_ENCODER: Final = msgspec.json.Encoder()

_T = TypeVar("_T")


def to_json(report: Report, out: BinaryIO) -> None:
    """Write the report as JSON."""
    summary = report.summary
    process = {"name": summary.process, "outcome_semantics": summary.outcome_semantics}
    head = {"schema": SCHEMA, "run": summary.run, "as_of": summary.as_of, "process": process}
    out.write(_ENCODER.encode(head)[:-1])
    write_array(out, "sources", encoded_lines(summary.sources))
    if report.raw is None:
        write_array(out, "discrepancies", encoded_lines(report.discrepancies()))
    else:
        write_array(out, "discrepancies", _joined_lines(report.raw()))
    write_array(out, "fixed", encoded_lines(report.fixed()))
    write_array(out, "rejected", encoded_lines(report.rejected()))
    write_array(out, "coverage", encoded_lines(summary.coverage))
    out.write(b',\n"pipeline":' + _ENCODER.encode(summary.pipeline))
    out.write(b',\n"summary":' + _ENCODER.encode(_summary(summary)) + b"}\n")


def write_array(out: BinaryIO, name: str, blocks: Iterable[bytes]) -> None:
    """Write a further key of an open JSON object, whose value is an array of blocks of elements."""
    out.write(b",\n" + _ENCODER.encode(name) + b":[")
    separator = b"\n"
    for block in blocks:
        out.write(separator)
        out.write(block)
        separator = b",\n"
    out.write(b"]" if separator == b"\n" else b"\n]")


def encoded_lines(values: Iterable[Any]) -> Iterator[bytes]:
    """The values as JSON, one a line with commas between, in blocks."""
    for batch in _batches(values):
        # Inside a JSON value a line feed is always escaped, so each one here ends a value.
        yield _ENCODER.encode_lines(batch)[:-1].replace(b"\n", b",\n")


def _joined_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    for batch in _batches(lines):
        yield b",\n".join(batch)


def _batches(values: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(values)
    while batch := list(islice(iterator, _BATCH)):
        yield batch


def _summary(summary: RunSummary) -> dict[str, Any]:
    counts = {name: summary.counts.get(name, 0) for name in (*SEVERITIES, "waived")}
    return counts | {
        "by_rule": summary.by_rule,
        "by_state": summary.by_state,
        "no_amount": summary.no_amount,
        "opportunities": summary.opportunities,
    }
