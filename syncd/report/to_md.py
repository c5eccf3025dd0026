"""A report as Markdown: a summary for a pull request, a ticket or a job's summary page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import BinaryIO, Final

from syncd.model import RunSummary
from syncd.report import digest
from syncd.report.entries import Ranking, Tally, most_pressing
from syncd.report.hostile import clip
from syncd.report.model import Report
from syncd.report.streams import Utf8
from syncd.report.wording import amount_words, count, currency_words, edits_words, money, probability_words, stage_words

LIMIT: Final = 100
"""How many opportunities are shown."""

_MOST_REJECTED: Final = 20
_LONGEST: Final = 300

# Everything that CommonMark or GitHub gives a meaning inside a line; a full stop or hyphen has none in a table cell.
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>|~#!&@$^])")

# Text that becomes a link without any markup.
_ADDRESS: Final = re.compile(r"(?i)\b(https?|ftp|mailto):|\b(www)\.")


def to_md(report: Report, out: BinaryIO, *, limit: int = LIMIT) -> None:
    """Write the summary, with the most pressing opportunities.

    Args:
        report: The report.
        out: Where to; UTF-8.
        limit: How many opportunities to show.
    """
    text = Utf8(out)
    ranking = most_pressing(report.discrepancies(), limit)
    summary = report.summary
    text.write(f"# Pipeline discrepancies as of {_safe(summary.as_of)}\n\n")
    text.write(f"**{_safe(digest.verdict(summary, ranking.tally))}**\n\n")
    if since := digest.since_words(summary):
        text.write(f"{since}\n\n")
    for told in digest.incomplete_lines(summary):
        text.write(f"> **Incomplete:** {_safe(told)}\n\n")
    _write_money(summary, text)
    _write_rules(report, ranking.tally, text)
    _write_entries(ranking, text)
    _write_sources(summary, text)
    _write_rejected(report, text)
    if gaps := digest.gap_lines(summary):
        text.write("## Could not be judged\n\n" + "".join(f"- {_safe(gap)}\n" for gap in gaps) + "\n")
    text.write(f"## How it was judged\n\n{_safe(digest.process_line(summary))}. {digest.reading_words(summary)}\n")
    if settings := digest.settings_words(summary):
        text.write(f"\n{_safe(settings)}.\n")


def _safe(text: str) -> str:
    """CRM text as plain text in Markdown: on one line, without markup, links or mentions."""
    unlinked = _ADDRESS.sub(lambda found: f"{found[1]}&#58;" if found[1] else f"{found[2]}&#46;", _escaped(text))
    return unlinked or " "


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", clip(text, _LONGEST))


def _write_table(head: Sequence[str], rows: Iterable[Sequence[str]], text: Utf8, *, right: Sequence[int] = ()) -> None:
    text.write("| " + " | ".join(head) + " |\n")
    text.write("| " + " | ".join("---:" if index in right else "---" for index in range(len(head))) + " |\n")
    for row in rows:
        text.write("| " + " | ".join(row) + " |\n")
    text.write("\n")


def _write_money(summary: RunSummary, text: Utf8) -> None:
    note = digest.money_note(summary)
    if not summary.pipeline and not note:
        return
    text.write("## Weighted pipeline\n\n")
    if summary.pipeline:
        head = ["Currency", "Recorded", "Proven", "Possible", "Over-stated", "Under-stated"]
        rows = (
            [_safe(currency_words(currency))]
            + [_safe(money(one)) for one in (row.recorded, row.proven, row.possible, row.over_stated, row.under_stated)]
            for currency, row in summary.pipeline.items()
        )
        _write_table(head, rows, text, right=[1, 2, 3, 4, 5])
    if note:
        text.write(f"{note}\n\n")


def _write_rules(report: Report, tally: Tally, text: Utf8) -> None:
    if rows := digest.rule_rows(report, tally):
        text.write("## By rule\n\n")
        cells = ([_safe(row.code), row.severity, f"{row.number:,}", _safe(row.title)] for row in rows)
        _write_table(["Rule", "Severity", "Count", "What is wrong"], cells, text, right=[2])


def _write_entries(ranking: Ranking, text: Utf8) -> None:
    if not ranking.entries:
        return
    text.write("## Opportunities\n\n")
    for entry in ranking.entries:
        first = entry.first
        facts = [
            f"{stage_words(first.stage)}, {probability_words(first.probability)}",
            amount_words(first.amount, first.currency),
            f"owner {first.owner}" if first.owner else "no owner",
            first.source,
        ]
        name = f" {_safe(first.name)}" if first.name else ""
        text.write(f"- **{_safe(first.id)}**{name} ({_safe(' · '.join(fact for fact in facts if fact))})\n")
        for found, beneath in entry.flat():
            indent = "    " if beneath else "  "
            text.write(f"{indent}- {_safe(found.rule)} {found.severity}: {_safe(found.message)}\n")
        for fix, _ in entry.fixes():
            text.write(f"  - *fix ({fix.safety}): {_safe(edits_words(fix.set))}*\n")
    if more := ranking.tally.opportunities - len(ranking.entries):
        text.write(f"\n… and {count(more, 'more opportunity', 'more opportunities')}: ")
        text.write("`syncd report --format csv -o findings.csv` writes them.\n")
    text.write("\n")


def _write_sources(summary: RunSummary, text: Utf8) -> None:
    text.write("## Sources\n\n")
    rows = (
        [
            _safe(source.name),
            f"{source.read:,}",
            f"{source.judged:,}" if source.complete else "not judged",
            f"{source.rejected:,}",
            "whole" if source.complete else "**incomplete**",
        ]
        for source in summary.sources
    )
    _write_table(["Source", "Read", "Judged", "Rejected", "Was read"], rows, text, right=[1, 2, 3])


def _write_rejected(report: Report, text: Utf8) -> None:
    shown = list(islice(report.rejected(), _MOST_REJECTED))
    if not shown:
        return
    text.write("## Rejected records\n\n")
    rows = ([_safe(one.source), _safe(one.id), _safe(one.place), _safe(one.reason)] for one in shown)
    _write_table(["Source", "Id", "Place", "Reason"], rows, text)
    total = sum(source.rejected for source in report.summary.sources)
    if total > len(shown):
        text.write(f"… and {total - len(shown):,} more.\n\n")
