"""A report for a person at a terminal: what is most pressing first, then the whole picture, then what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final, TextIO

from rich.cells import cell_len
from rich.console import Console

from syncd.model import Discrepancy, RunSummary
from syncd.report import digest
from syncd.report.entries import Entry, Tally, entries_of, most_pressing
from syncd.report.hostile import clip
from syncd.report.model import Report
from syncd.report.terminal import SEVERITY_STYLE, Part, Terminal, fit
from syncd.report.wording import (
    amount_words,
    count,
    currency_words,
    edits_words,
    money,
    probability_words,
    stage_words,
    whole_money,
)

LIMIT: Final = 25
"""How many opportunities are shown unless asked for all."""

# Enough rejected records to see the pattern.
_MOST_REJECTED: Final = 10

# The most characters of any one CRM text.
_LONGEST: Final = 80

# Enough currencies to see that something is wrong with the column.
_MOST_CURRENCIES: Final = 20

_Money = Callable[[str], str]


def to_text(report: Report, out: TextIO | Console, *, limit: int | None = LIMIT) -> None:
    """Write the report for people.

    Args:
        report: The report.
        out: Where to; colours and width are those of the terminal behind it, if there is one.
        limit: How many opportunities to show, the most pressing first; None shows all in store order, as they come.
    """
    terminal = Terminal(out)
    tally = _write_entries(report, terminal, limit)
    write_picture(report, tally, terminal)
    _write_closing(report, tally, terminal)


def write_picture(report: Report, tally: Tally, terminal: Terminal) -> None:
    """Write what all opportunities together came to: by rule, the sources, what could not be judged, the money."""
    if rows := digest.rule_rows(report, tally):
        terminal.heading("By rule")
        cells: Iterable[list[Part]] = (
            [f"{row.number:,}", row.code, (row.severity, SEVERITY_STYLE[row.severity]), row.title] for row in rows
        )
        terminal.table(["count", "rule", "severity", "fault"], cells, right=[0])
    _write_sources(report.summary, terminal)
    _write_rejected(report, terminal)
    if gaps := digest.gap_lines(report.summary):
        terminal.heading("Could not be judged")
        for gap in gaps:
            terminal.paragraph(gap, lead=["- "], indent=2)
        terminal.paragraph(
            "Mapping more evidence lets these rules judge; unknown is never counted as passed.", indent=4
        )
    _write_money(report.summary, terminal)


def _write_entries(report: Report, terminal: Terminal, limit: int | None) -> Tally:
    writer = _EntryWriter(report.summary, terminal)
    if limit is None:
        tally = Tally()
        for entry in tally.watch(entries_of(report.discrepancies())):
            writer.write(entry)
        return tally
    ranking = most_pressing(report.discrepancies(), limit)
    for entry in ranking.entries:
        writer.write(entry)
    if more := ranking.tally.opportunities - len(ranking.entries):
        rest = f"… and {count(more, 'more opportunity', 'more opportunities')}; `-v` shows all, "
        terminal.line()
        terminal.paragraph(rest + "`--output-format csv -o findings.csv` writes them.", style="bold")
    return ranking.tally


class _EntryWriter:
    """Writes one block an opportunity."""

    def __init__(self, summary: RunSummary, terminal: Terminal) -> None:
        self._terminal: Final = terminal
        self._several_sources: Final = len(summary.sources) > 1
        # Where everything is new, saying so on each line says nothing.
        self._tells_state: Final = any(summary.by_state.get(state) for state in ("unchanged", "reopened", "fixed"))

    def write(self, entry: Entry) -> None:
        terminal, first = self._terminal, entry.first
        terminal.line()
        self._write_name(first)
        for found, beneath in entry.flat():
            state = f" ({found.state})" if self._tells_state and found.state != "unchanged" else ""
            indent = 4 if beneath else 2
            lead = (f"{clip(found.rule, 12):<6} {found.severity:<7}  ", SEVERITY_STYLE[found.severity])
            terminal.paragraph(clip(found.message, 4 * _LONGEST) + state, lead=[lead], indent=indent)
        fixes = entry.fixes()
        for fix, codes in fixes:
            of = f"  [{', '.join(codes)}]" if len(fixes) > 1 else ""
            style = "green" if fix.safety == "safe" else "magenta"
            terminal.paragraph(edits_words(fix.set) + of, lead=[(f"fix ({fix.safety}): ", style)], indent=2)

    def _write_name(self, first: Discrepancy) -> None:
        terminal = self._terminal
        third = terminal.width // 3
        number = fit(clip(first.id, _LONGEST), third)
        amount = fit(amount_words(first.amount, first.currency), third)
        room = terminal.width - cell_len(number) - cell_len(amount) - 4
        name = fit(clip(first.name or "", _LONGEST), room)
        gap = " " * max(terminal.width - cell_len(number) - cell_len(name) - cell_len(amount) - 2, 2)
        terminal.line((number, "bold"), "  ", (name, "bold"), gap, amount)
        facts = [f"{stage_words(first.stage)}, {probability_words(first.probability)}"]
        if self._several_sources:
            facts.insert(0, clip(first.source, 40))
        if first.proven_stage:
            facts.append(f"proven {stage_words(first.proven_stage)}")
        facts.append(f"owner {clip(first.owner, 40)}" if first.owner else "no owner")
        terminal.paragraph(" · ".join(facts), style="dim", indent=2)


def write_incomplete(summary: RunSummary, terminal: Terminal) -> None:
    """Write the sources that were not read whole, so that nobody misses them."""
    if lines := digest.incomplete_lines(summary):
        terminal.line()
        for told in lines:
            terminal.paragraph(told, lead=[("INCOMPLETE ", "bold white on red"), " "], style="bold red")


def _write_sources(summary: RunSummary, terminal: Terminal) -> None:
    if not summary.sources:
        return
    terminal.heading("Sources")
    rows: list[list[Part]] = [
        [
            clip(source.name, 30),
            clip(source.adapter, 20),
            f"{source.read:,}",
            f"{source.judged:,}" if source.complete else "-",
            (f"{source.rejected:,}", "yellow" if source.rejected else ""),
            f"{source.repeated:,}",
            "whole" if source.complete else ("incomplete", "bold red"),
        ]
        for source in summary.sources
    ]
    terminal.table(
        ["source", "adapter", "read", "judged", "rejected", "repeated", "was read"], rows, right=[2, 3, 4, 5]
    )
    for source in summary.sources:
        for note in source.notes:
            terminal.paragraph(
                f"{clip(source.name, 30)}: {clip(note, 4 * _LONGEST)}", lead=["- "], style="dim", indent=2
            )


def _write_rejected(report: Report, terminal: Terminal) -> None:
    shown = list(islice(report.rejected(), _MOST_REJECTED))
    if not shown:
        return
    terminal.heading("Rejected records")
    for one in shown:
        parts = (clip(one.source, 30), clip(one.place, 40), clip(one.id, 30))
        lead = (fit(" ".join(part for part in parts if part), terminal.width - 8) + ": ", "yellow")
        terminal.paragraph(clip(one.reason, 4 * _LONGEST), lead=[lead], indent=2)
    total = sum(source.rejected for source in report.summary.sources)
    if total > len(shown):
        terminal.line(f"  … and {total - len(shown):,} more; JSON, HTML and xlsx list them.")


def _write_money(summary: RunSummary, terminal: Terminal) -> None:
    note = digest.money_note(summary)
    if not summary.pipeline and not note:
        return
    terminal.heading("Weighted pipeline")
    if summary.pipeline:
        head = ["", "recorded", "proven", "possible", "over-stated", "under-stated"]
        rows = money_rows(summary, money)
        if sum(max(map(len, column)) + 2 for column in zip(head, *rows, strict=True)) >= terminal.width:
            rows = money_rows(summary, whole_money)
        terminal.table(head, rows, right=[1, 2, 3, 4, 5])
    if len(summary.pipeline) > _MOST_CURRENCIES:
        terminal.line(f"  … and {len(summary.pipeline) - _MOST_CURRENCIES:,} more currencies; JSON lists them.")
    if note:
        terminal.paragraph(note, indent=2, style="dim")


def money_rows(summary: RunSummary, shown: _Money) -> list[list[str]]:
    """The money of each currency as cells."""
    return [
        [currency_words(currency)]
        + [shown(one) for one in (row.recorded, row.proven, row.possible, row.over_stated, row.under_stated)]
        for currency, row in islice(summary.pipeline.items(), _MOST_CURRENCIES)
    ]


def _write_closing(report: Report, tally: Tally, terminal: Terminal) -> None:
    summary = report.summary
    write_incomplete(summary, terminal)
    terminal.line()
    terminal.paragraph(digest.verdict(summary, tally), style="bold")
    if since := digest.since_words(summary):
        terminal.paragraph(since)
    reading = (digest.process_line(summary), digest.settings_words(summary))
    terminal.paragraph(". ".join(part for part in reading if part) + ".", style="dim")
    steps = list(digest.next_steps(report, tally))
    if steps:
        terminal.heading("Next")
        width = max(len(step.command) for step in steps)
        for step in steps:
            terminal.paragraph(step.why, lead=[(f"{step.command:<{width}}", "bold"), "  "], indent=2)
