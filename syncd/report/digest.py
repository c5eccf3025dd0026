"""The parts of a report for people that say the same in every format: the verdict, what could not be judged, what next.

Pure functions of a run's summary. Texts are plain and already cleaned.

Not for: how a part looks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from syncd.model import SEVERITIES, Coverage, RunSummary, Severity
from syncd.report.entries import Tally
from syncd.report.hostile import clean
from syncd.report.model import Report
from syncd.report.wording import count, listed, value_words

MOST_CODES: Final = 12
"""The most rule codes one sentence names."""

MOST_GAPS: Final = 8
"""The most sentences about partly unknown evidence."""

# From this share of unknown decisions on, mapping more evidence is worth a suggestion of its own.
_MUCH_UNKNOWN: Final = 0.1

_NOUNS: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "info": "info"}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule that was broken: how often, and how severely at most."""

    code: str
    number: int
    severity: Severity
    title: str


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do next: a command to type or a page to read, and why."""

    command: str
    why: str


def open_count(summary: RunSummary) -> int:
    """How many discrepancies are open."""
    return sum(summary.counts.get(severity, 0) for severity in SEVERITIES)


def severities_words(summary: RunSummary) -> str:
    """`10 errors, 4 warnings`; severities that did not occur are left out, and so is `waived`."""
    figures = ((summary.counts.get(severity, 0), _NOUNS[severity]) for severity in SEVERITIES)
    return ", ".join(count(number, noun, "info" if noun == "info" else "") for number, noun in figures if number)


def verdict(summary: RunSummary, tally: Tally) -> str:
    """The whole run in one sentence."""
    judged = sum(source.judged for source in summary.sources)
    total = open_count(summary)
    if total:
        of = f"{tally.opportunities:,} of {count(judged, 'record')}"
        return f"Found {count(total, 'discrepancy', 'discrepancies')} in {of}: {severities_words(summary)}."
    if not judged:
        return "Nothing was judged."
    if any(not source.complete for source in summary.sources):
        return f"No discrepancies in the {count(judged, 'record')} judged; what is incomplete was not judged."
    return f"No discrepancies: {count(judged, 'record')} judged."


def process_line(summary: RunSummary) -> str:
    """`MSSP, exit reading, as of 2026-11-23 (UTC)`."""
    process = clean(summary.process)
    name = process.upper() if process.islower() and len(process) <= len("mssp") else process
    return (
        f"{name}, {clean(summary.outcome_semantics)} reading, as of {clean(summary.as_of)} ({clean(summary.timezone)})"
    )


def reading_words(summary: RunSummary) -> str:
    """What the chosen outcome semantics means."""
    if summary.outcome_semantics == "entry":
        return "A record in a stage must already show that stage's own outcome, and those of every earlier stage."
    return (
        "A record in a stage must show the outcome of every earlier stage; its own outcome is what the stage works for."
    )


def settings_words(summary: RunSummary) -> str:
    """The figures that are ours, named as such; empty when there are none."""
    figures = [f"{clean(name)} = {value_words(value)}" for name, value in summary.settings.items()]
    return f"Settings of syncd, for which the chart has no figure: {', '.join(figures)}" if figures else ""


def rule_rows(report: Report, tally: Tally) -> list[RuleRow]:
    """The broken rules, most frequent first."""
    rows = [
        RuleRow(clean(code), number, tally.severities.get(code, "info"), clean(report.title(code)))
        for code, number in report.summary.by_rule.items()
        if number
    ]
    return sorted(rows, key=lambda row: (-row.number, row.code))


def incomplete_lines(summary: RunSummary) -> list[str]:
    """One sentence for each source that was not read whole."""
    lines = []
    for source in summary.sources:
        if not source.complete:
            reason = f": {clean(source.reason)}" if source.reason else ""
            remedy = f" {_sentence(clean(source.remedy))}" if source.remedy else ""
            lines.append(
                f"{clean(source.name)} was not read whole and not judged{_sentence(reason, upper=False)}{remedy}"
            )
    return lines


def _sentence(text: str, *, upper: bool = True) -> str:
    ended = text if text.endswith((".", "!", "?")) else f"{text}."
    return ended[:1].upper() + ended[1:] if upper else ended


def gap_lines(summary: RunSummary) -> list[str]:
    """What could not be judged and why, as few sentences as say it all."""
    judged = {source.name: source.judged for source in summary.sources}
    whole: dict[str, list[Coverage]] = defaultdict(list)
    partly: dict[tuple[str, int], list[Coverage]] = defaultdict(list)
    for one in summary.coverage:
        if one.unknown and not one.judged:
            whole[one.source].append(one)
        elif one.unknown:
            partly[one.source, one.unknown].append(one)
    lines = [_whole_gap(source, rows, judged.get(source, 0)) for source, rows in whole.items()]
    ordered = sorted(partly.items(), key=lambda item: (-item[0][1], item[0][0]))
    lines += [_part_gap(source, unknown, rows) for (source, unknown), rows in ordered[:MOST_GAPS]]
    if rest := ordered[MOST_GAPS:]:
        lines.append(f"{count(sum(len(rows) for _, rows in rest), 'more rule')} for fewer records; JSON lists each.")
    return lines


def _codes(rows: list[Coverage]) -> str:
    return listed(sorted(clean(row.rule) for row in rows), MOST_CODES)


def _whole_gap(source: str, rows: list[Coverage], judged: int) -> str:
    most = max(row.unknown for row in rows)
    every = all(row.unknown == judged for row in rows)
    of = f"any of {count(judged, 'record')}" if every else f"any record they were due for (up to {most:,})"
    return (
        f"{clean(source)}: {count(len(rows), 'rule')} could not be judged for {of}: the source shows no "
        f"evidence ({_codes(rows)})."
    )


def _part_gap(source: str, unknown: int, rows: list[Coverage]) -> str:
    return f"{clean(source)}: {_codes(rows)} could not be judged for {count(unknown, 'record')}."


def since_words(summary: RunSummary) -> str:
    """What changed since the last run, as a sentence; empty when there is nothing to say."""
    states = {name: summary.by_state.get(name, 0) for name in ("new", "reopened", "fixed", "unchanged")}
    if not any(states.values()):
        return ""
    if states["new"] == sum(states.values()):
        return "Nothing of this was found by an earlier run."
    words = {"fixed": "no longer found"}
    return f"Since the last run: {', '.join(f'{number:,} {words.get(name, name)}' for name, number in states.items())}."


def money_note(summary: RunSummary) -> str:
    """How many records the money leaves out; empty when none."""
    if not summary.no_amount:
        return ""
    verb = "counts" if summary.no_amount == 1 else "count"
    return f"{count(summary.no_amount, 'record')} without a readable amount {verb} as nothing here."


def next_steps(report: Report, tally: Tally) -> Iterator[Step]:
    """What to do next, most urgent first."""
    summary = report.summary
    if any(not source.complete for source in summary.sources):
        yield Step("syncd status", "shows which run last read each source whole")
    if rows := rule_rows(report, tally):
        yield Step(f"syncd explain {rows[0].code}", f"the most frequent: {rows[0].title or 'what it checks'}")
    if tally.fixable:
        what = count(tally.fixable, "opportunity", "opportunities")
        yield Step("syncd reconcile --dry-run", f"shows the changes that would cure {what}")
    unknown = sum(one.unknown for one in summary.coverage)
    decided = sum(one.judged for one in summary.coverage)
    if unknown > _MUCH_UNKNOWN * (unknown + decided):
        what = "tells which evidence it lacks; syncd's mapping guide, how to map it"
        yield Step(f"syncd explain {_least_known(summary.coverage)}", what)


def _least_known(coverage: list[Coverage]) -> str:
    """The rule that could not be judged for most records."""
    unknown: Counter[str] = Counter()
    for one in coverage:
        unknown[one.rule] += one.unknown
    return max(sorted(unknown), key=unknown.__getitem__)
