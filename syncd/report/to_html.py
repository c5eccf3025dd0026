"""A report as one HTML page that needs nothing else: no script, no picture, no request to anybody.

Not for: every discrepancy of a large pipeline; the page holds the most pressing ones and says how to get all.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from itertools import islice
from typing import Any, BinaryIO, Final

from syncd import __version__
from syncd.model import RunSummary
from syncd.report import digest
from syncd.report.entries import Entry, Ranking, Tally, most_pressing
from syncd.report.hostile import clean, clip
from syncd.report.html_style import STYLE
from syncd.report.model import Report
from syncd.report.streams import Utf8
from syncd.report.wording import (
    amount_words,
    count,
    currency_words,
    edits_words,
    money,
    probability_words,
    stage_words,
)

ROWS: Final = 5_000
"""How many discrepancies the page holds."""

REJECTED: Final = 1_000
"""How many rejected records the page holds."""

# The most characters of one CRM text: more makes a page unreadable, never more informative.
_LONGEST: Final = 400

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"

_SECTIONS: Final = (
    ("pipeline", "Weighted pipeline"),
    ("rules", "By rule"),
    ("discrepancies", "Discrepancies"),
    ("sources", "Sources"),
    ("rejected", "Rejected records"),
    ("coverage", "Could not be judged"),
    ("judged", "How it was judged"),
)


def to_html(report: Report, out: BinaryIO, *, rows: int = ROWS) -> None:
    """Write the report as a page.

    Args:
        report: The report.
        out: Where to; UTF-8.
        rows: How many discrepancies the page may hold, those of the most pressing opportunities.
    """
    text = Utf8(out)
    ranking = most_pressing(report.discrepancies(), rows, lambda entry: len(entry.discrepancies))
    _write_top(report, ranking.tally, text)
    text.write("<main>\n")
    _write_pipeline(report.summary, text)
    _write_rules(report, ranking.tally, text)
    _write_discrepancies(report.summary, ranking, text, rows)
    _write_sources(report.summary, text)
    _write_rejected(report, text)
    _write_coverage(report.summary, text)
    _write_judged(report.summary, text)
    text.write(f"</main>\n<footer><p>Made by syncd {__version__}.</p></footer>\n</body>\n</html>\n")


def _safe(text: str) -> str:
    return escape(clip(text, _LONGEST))


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _write_top(report: Report, tally: Tally, text: Utf8) -> None:
    summary = report.summary
    title = f"Pipeline discrepancies as of {_safe(summary.as_of)}"
    text.write(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n"
    )
    ended = f", ended {summary.finished_at:%Y-%m-%d %H:%M} UTC" if summary.finished_at else ""
    text.write(f'<p class="soft">{_safe(digest.process_line(summary))} · run {_safe(summary.run)}{ended}</p>\n')
    for told in digest.incomplete_lines(summary):
        text.write(f'<p class="alert" role="alert">Incomplete: {_safe(told)}</p>\n')
    text.write(f'<p class="verdict">{_safe(digest.verdict(summary, tally))}</p>\n')
    _write_cards(summary, tally, text)
    links = "".join(f'<li><a href="#{anchor}">{name}</a></li>' for anchor, name in _SECTIONS)
    text.write(f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n</header>\n')


def _write_cards(summary: RunSummary, tally: Tally, text: Utf8) -> None:
    judged = sum(source.judged for source in summary.sources)
    fixed = summary.by_state.get("fixed", 0)
    cards = [
        ("error", "Errors", summary.counts.get("error", 0)),
        ("warning", "Warnings", summary.counts.get("warning", 0)),
        ("info", "Info", summary.counts.get("info", 0)),
        ("", "Records affected", tally.opportunities),
        ("", "Records judged", judged),
        ("", "New or reopened", summary.by_state.get("new", 0) + summary.by_state.get("reopened", 0)),
        ("good", "No longer found", fixed),
    ]
    cells = (
        f"<div{_class(kind if number else '')}><dt>{name}</dt><dd>{number:,}</dd></div>" for kind, name, number in cards
    )
    text.write(f'<dl class="cards">{"".join(cells)}</dl>\n')


def _heading(anchor: str, text: Utf8) -> None:
    text.write(f'<h2 id="{anchor}">{dict(_SECTIONS)[anchor]}</h2>\n')


def _write_table(head: Iterable[tuple[str, bool]], rows: Iterable[Iterable[str]], text: Utf8) -> None:
    """Write a table of ready cells; the head says of each column whether it holds figures."""
    columns = list(head)
    text.write('<div class="scroll"><table>\n<thead><tr>')
    for name, figures in columns:
        text.write(f'<th scope="col"{_class("num" if figures else "")}>{name}</th>')
    text.write("</tr></thead>\n<tbody>\n")
    for row in rows:
        cells = (
            f"<td{_class('num' if figures else '')}>{cell}</td>"
            for cell, (_, figures) in zip(row, columns, strict=True)
        )
        text.write(f"<tr>{''.join(cells)}</tr>\n")
    text.write("</tbody>\n</table></div>\n")


def _write_pipeline(summary: RunSummary, text: Utf8) -> None:
    _heading("pipeline", text)
    if summary.pipeline:
        names = ("Recorded", "Proven", "Possible", "Over-stated", "Under-stated")
        head = [("Currency", False), *((name, True) for name in names)]
        rows = (
            [f"<b>{escape(currency_words(currency))}</b>"]
            + [_safe(money(one)) for one in (row.recorded, row.proven, row.possible, row.over_stated, row.under_stated)]
            for currency, row in summary.pipeline.items()
        )
        _write_table(head, rows, text)
        text.write(
            '<p class="soft">Amount times probability over open and won records in the stages that have a probability. '
            "Recorded: as the records say. Proven: as far as evidence shows. Possible: with unknown evidence counted "
            "as met. Over-stated and under-stated are the differences between recorded and proven, never netted.</p>\n"
        )
    else:
        text.write("<p>No amounts that count.</p>\n")
    if note := digest.money_note(summary):
        text.write(f'<p class="soft">{_safe(note)}</p>\n')


def _write_rules(report: Report, tally: Tally, text: Utf8) -> None:
    _heading("rules", text)
    rows = digest.rule_rows(report, tally)
    if not rows:
        text.write("<p>No rule was broken.</p>\n")
        return
    most = rows[0].number
    head = [("Rule", False), ("Severity", False), ("Count", True), ("Share", False), ("What is wrong", False)]
    _write_table(
        head,
        (
            [
                f'<span class="code">{escape(row.code)}</span>',
                _pill(row.severity),
                f"{row.number:,}",
                _bar(100 * row.number / most),
                _explained(report, row),
            ]
            for row in rows
        ),
        text,
    )


def _bar(percent: float) -> str:
    # Attributes of the drawing, as the page's policy allows no style outside the style sheet.
    rect = f'<rect width="{percent:.1f}" height="10"/>'
    return f'<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{rect}</svg>'


def _pill(severity: str) -> str:
    return f'<span class="pill {severity}">{severity}</span>'


def _explained(report: Report, row: digest.RuleRow) -> str:
    info = report.rules.get(row.code)
    if info is None:
        return escape(row.title)
    phrases = f'<p class="phrase">{escape(clean(" · ".join(info.phrases)))}</p>' if info.phrases else ""
    evidence = f"<h3>Evidence</h3><p>{escape(clean(info.evidence))}</p>" if info.evidence else ""
    inside = phrases + _paragraphs(info.explanation) + evidence
    return f"<details><summary>{escape(row.title)}</summary><div>{inside}</div></details>"


def _paragraphs(markdown: str) -> str:
    """The headings and paragraphs of an explanation. Anything else in it is shown as it was written."""
    parts = []
    for block in markdown.split("\n\n"):
        line = block.strip()
        if line.startswith("#"):
            parts.append(f"<h3>{escape(clean(line.lstrip('# ')))}</h3>")
        elif line:
            parts.append(f"<p>{escape(clean(line))}</p>")
    return "".join(parts)


def _write_discrepancies(summary: RunSummary, ranking: Ranking, text: Utf8, rows: int) -> None:
    _heading("discrepancies", text)
    if not ranking.entries:
        text.write("<p>None.</p>\n")
        return
    text.write(
        '<div class="scroll"><table>\n<caption>By opportunity: the most severe first, then the most money at stake.'
    )
    if (total := ranking.tally.discrepancies) > rows:
        more = f"The {rows:,} most pressing of {total:,} are shown."
        text.write(f" {more} <code>syncd report --format csv -o findings.csv</code> writes all.")
    text.write('</caption>\n<thead><tr><th scope="col">Rule</th><th scope="col">Severity</th>')
    text.write('<th scope="col">What is wrong</th><th scope="col">Fix</th><th scope="col">State</th></tr></thead>\n')
    left = rows
    for entry in ranking.entries:
        _write_entry(entry, len(summary.sources) > 1, text, left)
        left -= len(entry.discrepancies)
    text.write("</table></div>\n")


def _write_entry(entry: Entry, several_sources: bool, text: Utf8, left: int) -> None:
    first = entry.first
    facts = [
        _safe(first.source) if several_sources else "",
        escape(f"{stage_words(first.stage)}, {probability_words(first.probability)}"),
        escape(f"proven {stage_words(first.proven_stage)}") if first.proven_stage else "",
        escape(amount_words(first.amount, first.currency)),
        f"owner {_safe(first.owner)}" if first.owner else "no owner",
        f"account {_safe(first.account)}" if first.account else "",
    ]
    spans = "".join(f"<span>{fact}</span>" for fact in facts if fact)
    text.write(f'<tbody>\n<tr class="who"><th scope="rowgroup" colspan="5"><b>{_safe(first.id)}</b>')
    text.write(f"<b>{_safe(first.name or '')}</b><br>{spans}</th></tr>\n")
    for found, beneath in islice(entry.flat(), left):
        fix = ""
        if found.fix:
            grade = f'<b class="{found.fix.safety}">{found.fix.safety}</b>'
            fix = f"{grade}: {_safe(edits_words(found.fix.set))}"
        since = f'<br><span class="soft">since {_safe(found.first_seen)}</span>' if found.first_seen else ""
        phrase = f'<br><span class="phrase">{_safe(found.phrase)}</span>' if found.phrase and not beneath else ""
        text.write(
            f'<tr{_class("beneath" if beneath else "")}><td class="code">{_safe(found.rule)}</td>'
            f"<td>{_pill(found.severity)}</td><td>{_safe(found.message)}{phrase}</td>"
            f'<td class="fix">{fix}</td><td class="state">{found.state}{since}</td></tr>\n'
        )
    text.write("</tbody>\n")


def _write_sources(summary: RunSummary, text: Utf8) -> None:
    _heading("sources", text)
    figures = ("Read", "Judged", "Rejected", "Repeated")
    head = [("Source", False), ("Adapter", False), *((name, True) for name in figures), ("Was read", False)]
    rows: Iterable[list[Any]] = (
        [
            f"<b>{_safe(source.name)}</b>",
            _safe(source.adapter),
            f"{source.read:,}",
            f"{source.judged:,}" if source.complete else "not judged",
            f"{source.rejected:,}",
            f"{source.repeated:,}",
            "whole" if source.complete else '<span class="pill error">incomplete</span>',
        ]
        for source in summary.sources
    )
    _write_table(head, rows, text)
    notes = [f"<li>{_safe(source.name)}: {_safe(note)}</li>" for source in summary.sources for note in source.notes]
    if notes:
        text.write(f'<ul class="soft">{"".join(notes)}</ul>\n')


def _write_rejected(report: Report, text: Utf8) -> None:
    _heading("rejected", text)
    shown = list(islice(report.rejected(), REJECTED))
    if not shown:
        text.write("<p>None.</p>\n")
        return
    head = [(name, False) for name in ("Source", "Id", "Place", "Reason")]
    _write_table(head, ([_safe(one.source), _safe(one.id), _safe(one.place), _safe(one.reason)] for one in shown), text)
    total = sum(source.rejected for source in report.summary.sources)
    if total > len(shown):
        text.write(f"<p>The first {len(shown):,} of {total:,}; <code>--format json</code> lists all.</p>\n")


def _write_coverage(summary: RunSummary, text: Utf8) -> None:
    _heading("coverage", text)
    gaps = digest.gap_lines(summary)
    if not gaps:
        text.write("<p>Every rule that was due could be decided for every record.</p>\n")
        return
    text.write(
        "<p>Unknown evidence is neither passed nor failed. Mapping more evidence lets these rules judge.</p>\n<ul>"
    )
    text.write("".join(f"<li>{escape(gap)}</li>" for gap in gaps) + "</ul>\n")
    head = [("Source", False), ("Rule", False), ("Judged", True), ("Unknown", True)]
    unknown = [one for one in summary.coverage if one.unknown]
    text.write(f"<details><summary>{count(len(unknown), 'rule')} with unknown evidence, one by one</summary><div>\n")
    cells = ([_safe(one.source), _safe(one.rule), f"{one.judged:,}", f"{one.unknown:,}"] for one in unknown)
    _write_table(head, cells, text)
    text.write("</div></details>\n")


def _write_judged(summary: RunSummary, text: Utf8) -> None:
    _heading("judged", text)
    text.write(f"<p>By the {_safe(summary.outcome_semantics)} reading of the chart {_safe(summary.process)}: ")
    text.write(f"{escape(digest.reading_words(summary))}</p>\n")
    text.write(f"<p>“Today” is {_safe(summary.as_of)} in {_safe(summary.timezone)}.</p>\n")
    if settings := digest.settings_words(summary):
        text.write(f"<p>{escape(settings)}.</p>\n")
