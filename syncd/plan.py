"""The plan: the fixes of one opportunity merged into one change, and all changes totalled, limited and hashed.

Pure. By the semantics the fixes of one opportunity never conflict; those of a company's own rules may, and give way.

Not for: deciding what a fix sets (`syncd.rules`), or writing it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from syncd.judge import Verdict
from syncd.model import NO_CURRENCY, UNFORMED, Change, Edit, Finding, Opportunity, Safety
from syncd.pipeline import minus, money, plus, recorded_share, weighted
from syncd.policy import Limits
from syncd.process import Process


@dataclass(frozen=True, kw_only=True)
class WriteRights:
    """What may be written to one source.

    Attributes:
        source: Its name.
        mode: The source's `write` setting.
        adapter_writes: The adapter can change records at all.
        fields: The mapping's write list.
        na_probability: The mapping says what "no probability" is.
        unsafe: Unsafe changes were asked for.
        builtin: Codes of the catalogue; the fixes of all other rules give way in a conflict.
    """

    source: str
    mode: str = "off"
    adapter_writes: bool = False
    fields: frozenset[str] = frozenset()
    na_probability: bool = False
    unsafe: bool = False
    builtin: frozenset[str] = frozenset()


def change_for(process: Process, opportunity: Opportunity, verdict: Verdict, rights: WriteRights) -> Change | None:
    """The change that cures what can be cured of one opportunity, or None."""
    fixed = [one for one in verdict.findings if one.fix is not None]
    fixed.sort(key=lambda one: one.rule not in rights.builtin)
    edits: dict[str, Edit] = {}
    merged: list[Finding] = []
    left_out: list[str] = []
    for finding in fixed:
        wanted = finding.fix.set if finding.fix else {}
        against = [name for name, edit in wanted.items() if name in edits and edits[name].after != edit.after]
        if against:
            left_out += [f"{finding.rule}.{name}" for name in against]
            continue
        edits |= wanted
        merged.append(finding)
    if not merged:
        return None
    edits = _with_forecast(process, opportunity, edits)
    safety: Safety = "safe" if all(one.fix and one.fix.safety == "safe" for one in merged) else "unsafe"
    refusal = _refusal(rights, safety, edits)
    return Change(
        source=rights.source,
        id=opportunity.id,
        name=opportunity.name,
        version=opportunity.version,
        safety=safety,
        rules=[one.rule for one in merged],
        set=dict(sorted(edits.items())),
        reason="; ".join(f"{one.rule}: {one.message}" for one in merged),
        allowed=not refusal,
        refusal=refusal,
        weighted_change=money(_moved(process, opportunity, edits)),
        currency=opportunity.currency,
        left_out=left_out,
    )


def changed(opportunity: Opportunity, change: Change) -> Opportunity:
    """The opportunity as it would be after a change."""
    values: dict[str, Any] = {name: edit.after for name, edit in change.set.items()}
    if isinstance(values.get("amount"), str):
        values["amount"] = Decimal(values["amount"])
    cured = tuple((name, text) for name, text in opportunity.unreadable if name not in values)
    return msgspec.structs.replace(opportunity, unreadable=cured, form=UNFORMED, latest=None, **values)


def _with_forecast(process: Process, opportunity: Opportunity, edits: dict[str, Edit]) -> dict[str, Edit]:
    """A change that moves the stage decides the forecast with it, so that no new contradiction is left behind.

    A record that moves into a column without a probability leaves the forecast (PRB005 would ask for it next); one that
    moves out of such a column may stay in it.
    """
    if "stage" not in edits or opportunity.forecast is not True:
        return edits
    if process.in_pipeline(process.stage_index[edits["stage"].after]):
        return {name: edit for name, edit in edits.items() if name != "forecast"}
    return edits | {"forecast": Edit(before=True, after=False)}


def _refusal(rights: WriteRights, safety: Safety, edits: dict[str, Edit]) -> str:
    if not rights.adapter_writes:
        return "the source's adapter only reads"
    if rights.mode == "off":
        return f'write = "off" for source {rights.source}'
    if foreign := sorted(set(edits) - rights.fields):
        return f"the mapping's write list does not have {', '.join(foreign)}"
    if "probability" in edits and edits["probability"].after is None and not rights.na_probability:
        return "the mapping does not say what no probability is (na_probability)"
    if safety == "unsafe" and not rights.unsafe:
        return "unsafe: only with --unsafe"
    if safety == "unsafe" and rights.mode != "all":
        return f'unsafe: needs write = "all" for source {rights.source}'
    return ""


def _moved(process: Process, opportunity: Opportunity, edits: dict[str, Edit]) -> Decimal:
    """How much weighted pipeline a change moves, in the record's currency."""
    if opportunity.amount is None or not edits.keys() & {"stage", "probability"}:
        return Decimal(0)
    names = edits.keys() & {"stage", "probability"}
    after = msgspec.structs.replace(opportunity, **{name: edits[name].after for name in names})
    before_share, after_share = recorded_share(process, opportunity), recorded_share(process, after)
    return minus(weighted(opportunity.amount, after_share or 0), weighted(opportunity.amount, before_share or 0))


@dataclass(slots=True)
class PlanSums:
    """Totals of a plan, added up change by change.

    Attributes:
        net: Weighted pipeline moved, by currency.
        gross: The same without regard to sign: what the money limit looks at, so that moves cannot hide each other.
    """

    changes: int = 0
    safe: int = 0
    unsafe: int = 0
    net: dict[str, Decimal] = field(default_factory=dict)
    gross: dict[str, Decimal] = field(default_factory=dict)
    _hash: Any = field(default_factory=hashlib.sha256)

    def add(self, change: Change) -> None:
        """Count one change."""
        self.changes += 1
        if change.safety == "safe":
            self.safe += 1
        else:
            self.unsafe += 1
        moved = Decimal(change.weighted_change)
        if moved:
            currency = change.currency or NO_CURRENCY
            self.net[currency] = plus(self.net.get(currency, Decimal(0)), moved)
            self.gross[currency] = plus(self.gross.get(currency, Decimal(0)), moved.copy_abs())
        self._hash.update(msgspec.json.encode(change, order="deterministic"))

    def percent(self, opportunities: int) -> float:
        """Share of the open opportunities judged that would change, in percent, to one place."""
        return round(100 * self.changes / opportunities, 1) if opportunities else (100.0 if self.changes else 0.0)

    def hash(self) -> str:
        """Ties what was reviewed to what is applied."""
        return f"sha256:{self._hash.hexdigest()}"

    def exceeded(self, limits: Limits, opportunities: int) -> list[dict[str, Any]]:
        """The limits this plan breaks; any one refuses it."""
        found: list[dict[str, Any]] = []
        if self.changes > limits.max_changes:
            found.append({"limit": "max_changes", "value": self.changes, "allowed": limits.max_changes})
        if self._share_exceeds(limits.max_percent, opportunities):
            found.append({"limit": "max_percent", "value": self.percent(opportunities), "allowed": limits.max_percent})
        for currency, allowed in sorted(limits.max_weighted_change.items()):
            moved = self.gross.get(currency, Decimal(0))
            if moved > allowed:
                found.append(
                    {
                        "limit": f"max_weighted_change.{currency}",
                        "value": money(moved),
                        "allowed": money(Decimal(allowed)),
                    }
                )
        return found

    def _share_exceeds(self, percent: float, opportunities: int) -> bool:
        # Not by the rounded figure: 30.04 % are more than 30.
        if opportunities:
            return 100 * self.changes > percent * opportunities
        # Changes of won records alone. Whatever they are a share of, a limit that can stop all must stop them.
        return self.percent(0) > percent


@dataclass(frozen=True, kw_only=True)
class PlanHead:
    """A plan without its changes.

    Attributes:
        id: Of the run that made it, with `plan-` before.
        expires_at: After this the records may have moved on, and the plan is not applied any more.
    """

    id: str
    hash: str
    created_at: datetime
    expires_at: datetime
    sums: PlanSums
    opportunities: int
    exceeded: list[dict[str, Any]]
