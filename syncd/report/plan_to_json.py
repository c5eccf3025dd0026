"""A plan as JSON, schema `syncd/plan/1`: what `reconcile --dry-run` prints and what the plan file holds."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import msgspec

from syncd.report.model import PlanReport, PlanTotals
from syncd.report.to_json import encoded_lines, write_array

SCHEMA: Final = "syncd/plan/1"

_ENCODER: Final = msgspec.json.Encoder()


def plan_to_json(plan: PlanReport, out: BinaryIO) -> None:
    """Write the plan as JSON, one change a line."""
    head = {
        "schema": SCHEMA,
        "id": plan.id,
        "hash": plan.hash,
        "created_at": plan.created_at,
        "expires_at": plan.expires_at,
        "run": plan.report.summary.run,
        "as_of": plan.report.summary.as_of,
    }
    out.write(_ENCODER.encode(head)[:-1])
    write_array(out, "changes", encoded_lines(plan.changes()))
    out.write(b',\n"totals":' + _ENCODER.encode(_totals(plan.totals)))
    out.write(b',\n"limits":' + _ENCODER.encode({"exceeded": plan.exceeded}))
    write_array(out, "sources", encoded_lines(plan.report.summary.sources))
    out.write(b"}\n")


def _totals(totals: PlanTotals) -> dict[str, Any]:
    return {
        "changes": totals.changes,
        "safe": totals.safe,
        "unsafe": totals.unsafe,
        "opportunities": totals.opportunities,
        "percent": totals.percent,
        "weighted_change": totals.weighted_change,
    }
