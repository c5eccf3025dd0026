"""A report as JUnit XML: a test suite a source, a failing test case a discrepancy, a passing one a rule that holds.

Rules that could not be judged for any record are skipped test cases, an incomplete source and each rejected record are
errors. The counts stand in attributes before the cases, so the discrepancies are gone through once to count them and
once a source that has any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final
from xml.sax.saxutils import escape, quoteattr

from syncd.model import Coverage, Discrepancy, Rejected, SourceSummary
from syncd.report.hostile import clean
from syncd.report.model import Report
from syncd.report.streams import Utf8
from syncd.report.wording import count, fix_words, probability_words, stage_words

_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass(slots=True)
class _Suite:
    """What one source's test suite will hold."""

    source: SourceSummary
    failures: int = 0
    rejected: int = 0
    broken: set[str] = field(default_factory=set)
    held: list[Coverage] = field(default_factory=list)
    unknown: list[Coverage] = field(default_factory=list)

    @property
    def errors(self) -> int:
        return self.rejected + (not self.source.complete)

    @property
    def tests(self) -> int:
        return self.failures + self.errors + len(self.held) + len(self.unknown)

    def counts(self) -> str:
        skipped = len(self.unknown)
        return f'tests="{self.tests}" failures="{self.failures}" errors="{self.errors}" skipped="{skipped}" time="0"'


def to_junit(report: Report, out: BinaryIO) -> None:
    """Write the report as JUnit XML."""
    text = Utf8(out)
    suites = _suites(report)
    text.write(_HEAD)
    tests, failures = sum(suite.tests for suite in suites), sum(suite.failures for suite in suites)
    errors, skipped = sum(suite.errors for suite in suites), sum(len(suite.unknown) for suite in suites)
    name = _attribute(f"syncd {report.summary.process} as of {report.summary.as_of}")
    text.write(
        f'<testsuites name={name} tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}">\n'
    )
    for suite in suites:
        _write_suite(report, suite, text)
    text.write("</testsuites>\n")


def _suites(report: Report) -> list[_Suite]:
    suites = {source.name: _Suite(source) for source in report.summary.sources}
    found: Counter[tuple[str, str]] = Counter((one.source, one.rule) for one in report.discrepancies())
    for (source, rule), number in found.items():
        suite = suites.setdefault(source, _unlisted(source))
        suite.failures += number
        suite.broken.add(rule)
    for refused in report.rejected():
        suites.setdefault(refused.source, _unlisted(refused.source)).rejected += 1
    for one in report.summary.coverage:
        suite = suites.setdefault(one.source, _unlisted(one.source))
        if one.rule in suite.broken:
            continue
        if one.judged:
            suite.held.append(one)
        elif one.unknown:
            suite.unknown.append(one)
    return list(suites.values())


def _unlisted(source: str) -> _Suite:
    return _Suite(SourceSummary(name=source, adapter="", complete=True))


def _write_suite(report: Report, suite: _Suite, text: Utf8) -> None:
    name = suite.source.name
    finished = report.summary.finished_at
    stamp = f' timestamp="{finished:%Y-%m-%dT%H:%M:%S}"' if finished else ""
    text.write(f"<testsuite name={_attribute(name)} {suite.counts()}{stamp}>\n")
    if not suite.source.complete:
        told = clean(f"{suite.source.reason} {suite.source.remedy}".strip())
        text.write(_case(name, "is read whole", _outcome("error", "incomplete", told, told)))
    for one in suite.held:
        text.write(_case(f"{name}.{one.rule}", f"{one.rule} {report.title(one.rule)}: not found in {one.judged:,}"))
    for one in suite.unknown:
        reason = _attribute(f"no evidence for any of the {count(one.unknown, 'record')} it was due for")
        text.write(_case(f"{name}.{one.rule}", f"{one.rule} {report.title(one.rule)}", f"<skipped message={reason}/>"))
    if suite.failures:
        for found in report.discrepancies():
            if found.source == name:
                text.write(_failure(found))
    if suite.rejected:
        for refused in report.rejected():
            if refused.source == name:
                text.write(_refusal(refused))
    text.write("</testsuite>\n")


def _failure(found: Discrepancy) -> str:
    body = "\n".join(clean(line) for line in _detail(found))
    name = f"{found.id} {found.name or ''} {found.rule}"
    return _case(f"{found.source}.{found.rule}", name, _outcome("failure", found.severity, found.message, body))


def _detail(found: Discrepancy) -> Iterator[str]:
    yield found.message
    yield f"opportunity: {found.source}/{found.id} {found.name or ''}"
    yield f"recorded: {stage_words(found.stage)}, {probability_words(found.probability)}"
    if found.proven_stage:
        yield f"proven stage: {stage_words(found.proven_stage)}"
    if found.owner:
        yield f"owner: {found.owner}"
    if found.phrase:
        yield f"chart: {found.phrase}"
    if found.fix:
        yield fix_words(found.fix)


def _refusal(refused: Rejected) -> str:
    place = f" ({refused.place})" if refused.place else ""
    name = f"record {refused.id or 'without an id'}{place}"
    return _case(refused.source, name, _outcome("error", "rejected", refused.reason, clean(refused.reason)))


def _case(group: str, name: str, inside: str = "") -> str:
    attributes = f"classname={_attribute(group)} name={_attribute(name)}"
    return f"<testcase {attributes}>{inside}</testcase>\n" if inside else f"<testcase {attributes}/>\n"


def _outcome(tag: str, kind: str, message: str, body: str) -> str:
    return f"<{tag} type={_attribute(kind)} message={_attribute(message)}>{escape(body)}</{tag}>"


def _attribute(text: str) -> str:
    # Cleaned text holds no character that XML forbids.
    return quoteattr(clean(text))
