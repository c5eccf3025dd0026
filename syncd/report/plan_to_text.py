"""A plan for a person at a terminal: each change field by field, whether it would be written, and why or why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TextIO

from rich.cells import cell_len
from rich.console import Console

from syncd.model import Change
from syncd.report.digest import process_line
from syncd.report.entries import Tally, entries_of
from syncd.report.hostile import clean, clip
from syncd.report.model import PlanReport, PlanTotals
from syncd.report.terminal import Terminal
from syncd.report.to_text import write_incomplete, write_picture
from syncd.report.wording import count, currency_words, edit_words, figure, money, value_words

LIMIT: Final = 50
"""How many changes are shown unless asked for all."""

_LONGEST: Final = 80


def plan_to_text(plan: PlanReport, out: TextIO | Console, *, limit: int | None = LIMIT) -> None:
    """Write the plan for people.

    Args:
        plan: The plan.
        out: Where to; colours and width are those of the terminal behind it, if there is one.
        limit: How many changes to show, in the plan's order; None shows all.
    """
    terminal = Terminal(out)
    terminal.line(("Plan ", "bold"), (clean(plan.id), "bold"), "  ", process_line(plan.report.summary))
    times = f"made {plan.created_at:%Y-%m-%d %H:%M} UTC, expires {plan.expires_at:%Y-%m-%d %H:%M} UTC"
    terminal.paragraph(f"{times}, {clean(plan.hash)}", style="dim")
    allowed = 0
    for number, change in enumerate(plan.changes()):
        allowed += change.allowed
        if limit is None or number < limit:
            terminal.line()
            _write_change(change, terminal)
    if limit is not None and plan.totals.changes > limit:
        terminal.line()
        more = count(plan.totals.changes - limit, "more change")
        terminal.paragraph(f"… and {more}; `-v` shows all, `--out plan.json` writes them.", style="bold")
    tally = Tally()
    for _ in tally.watch(entries_of(plan.report.discrepancies())):
        pass
    write_picture(plan.report, tally, terminal)
    write_incomplete(plan.report.summary, terminal)
    terminal.line()
    _write_totals(plan.totals, allowed, terminal)
    if plan.exceeded:
        _write_exceeded(plan, terminal)


def _write_change(change: Change, terminal: Terminal) -> None:
    style = "green" if change.safety == "safe" else "magenta"
    mark = "~" if change.allowed else "!"
    grade = f"{change.safety}  {', '.join(clean(rule) for rule in change.rules)}"
    number = f"{clip(change.source, 30)} {clip(change.id, 40)}"
    name = clip(change.name or "", _LONGEST)
    terminal.line((f"{mark} ", style), (number, "bold"), "  ", name, "  ", (grade, style))
    sides = [(clean(field), *edit_words(field, edit)) for field, edit in change.set.items()]
    widest = max((len(field) for field, _, _ in sides), default=0)
    before = max((cell_len(old) for _, old, _ in sides), default=0)
    for field, old, new in sides:
        gap = " " * (before - cell_len(old))
        terminal.line(f"    {field:<{widest}}  ", (old, "red"), gap, " → ", (new, "green"))
    if change.reason:
        terminal.paragraph(clip(change.reason, 6 * _LONGEST), lead=[("why  ", "dim")], indent=4)
    if change.left_out:
        left = ", ".join(clean(one) for one in change.left_out)
        terminal.paragraph(f"{left}: contradicts another fix", lead=[("left out  ", "yellow")], indent=4)
    if not change.allowed:
        refusal = clip(change.refusal or "no reason was given", 4 * _LONGEST)
        terminal.paragraph(refusal, lead=[("would not be written: ", "yellow")], indent=4)


def _write_totals(totals: PlanTotals, allowed: int, terminal: Terminal) -> None:
    if not totals.changes:
        terminal.paragraph("Nothing to change.", style="bold")
        return
    judged = count(totals.opportunities, "open opportunity", "open opportunities")
    share = f"{figure(round(totals.percent, 1))} % of {judged}"
    grades = f"{totals.safe:,} safe, {totals.unsafe:,} unsafe"
    terminal.paragraph(
        f"{count(totals.changes, 'change')} ({share}): {grades}; {allowed:,} would be written.", style="bold"
    )
    moved = [f"{currency_words(currency)} {_signed(amount)}" for currency, amount in totals.weighted_change.items()]
    if moved:
        terminal.paragraph("Weighted pipeline would move by " + ", ".join(moved) + ".")


def _signed(amount: str) -> str:
    shown = money(amount)
    return shown if shown.startswith("-") or not shown.strip("0.,") else f"+{shown}"


def _write_exceeded(plan: PlanReport, terminal: Terminal) -> None:
    terminal.line()
    terminal.paragraph("Refused: nothing of this plan will be written, because it exceeds a limit.", style="bold red")
    for one in plan.exceeded:
        limit = clean(str(one.get("limit", "")))
        figures = f"{_limit_value(one.get('value'))}, allowed are {_limit_value(one.get('allowed'))}"
        terminal.paragraph(figures, lead=[(f"{limit}: ", "bold red")], indent=2)
    terminal.paragraph(
        "Narrow the plan with --source, --select or --ignore; or, when the changes are meant, raise the limit under "
        "[limits] in the configuration.",
        indent=2,
    )


def _limit_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{currency_words(str(name))} {_limit_value(one)}" for name, one in value.items())
    if isinstance(value, str):
        return money(value)
    return f"{value:,}" if isinstance(value, int | float) else value_words(value)
