"""Writes `docs/rules/` from the rule catalogue: one page a rule, an index, and the coverage of the chart.

Run it as `python -m scripts.write_rule_docs` after changing a rule; a test compares the pages with the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Final

from syncd.coverage import PhraseCoverage, load_coverage
from syncd.process import load_process
from syncd.rules import RuleInfo, catalogue

FOLDER: Final = Path(__file__).parent.parent / "docs" / "rules"

FAMILIES: Final = {
    "PRB": "Probability",
    "STG": "Stage",
    "OUT": "Verifiable outcomes",
    "CHK": "Checkpoints",
    "ASM": "Opportunity assessment",
    "REV": "Revenue",
    "DAT": "Data quality",
    "OWN": "Ownership",
    "SYN": "Several systems",
}

_LATER: Final = "It compares two sources, which this version does not do yet, so it is listed but never judged."
_KINDS: Final = {"objective": "objective", "outcome": "outcome", "checkpoint": "checkpoint", "key_step": "key step"}


def rule_pages() -> dict[str, str]:
    """Every page of the folder, by file name."""
    mappings = Path(str(files("mappings")))
    process = load_process(mappings / "mssp.toml")
    infos = catalogue(process)
    pages = {f"{info.code}.md": _page(info) for info in infos}
    pages["README.md"] = _index(infos)
    pages["coverage.md"] = _coverage(load_coverage(mappings / "mssp-coverage.toml", process))
    return pages


def write(folder: Path = FOLDER) -> None:
    """Write every page, and remove the pages of rules that are gone."""
    pages = rule_pages()
    for stale in folder.glob("*.md"):
        if stale.name not in pages:
            stale.unlink()
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


def _page(info: RuleInfo) -> str:
    facts = [
        "| | |",
        "| --- | --- |",
        f"| severity | {info.severity} |",
        f"| chart | {_quoted(info)} |",
        f"| reads | {info.evidence} |",
    ]
    note = [] if info.judged else ["", _LATER]
    lines = [f"# {info.code}: {info.title}", "", *facts, *note, "", *_sentences(info.explanation), ""]
    lines += ["---", "", f"[All rules](README.md) · `syncd explain {info.code}` says the same on the command line."]
    return "\n".join(lines) + "\n"


def _index(infos: Iterable[RuleInfo]) -> str:
    lines = [
        "# Rules",
        "",
        "Every rule quotes the words of the process chart that it enforces.",
        "Its code is permanent; the [configuration](../configuration.md#rules) selects and grades by code or family.",
        "A severity is the one a rule has unless configured otherwise; where a rule has two, the lower one.",
        "The words behind the rules: [concepts](../concepts.md).",
        "Which phrase of the chart is checked by which rule, and why others cannot be: [coverage](coverage.md).",
    ]
    for family, group in groupby(infos, key=lambda info: info.code[:3]):
        lines += [
            "",
            f"## {family}: {FAMILIES[family].lower()}",
            "",
            "| rule | severity | fault |",
            "| --- | --- | --- |",
        ]
        lines += [f"| [{one.code}]({one.code}.md) | {one.severity} | {one.title}{_later(one)} |" for one in group]
    return "\n".join(lines) + "\n"


def _coverage(phrases: tuple[PhraseCoverage, ...]) -> str:
    lines = [
        "# What of the chart is checked",
        "",
        "Every objective, outcome, checkpoint and key step of the MSSP chart, with the rules that check it.",
        "Most key steps are activities that leave no record; they are listed as what they are, not guessed at.",
        "`syncd rules --coverage` prints the same for the process you have configured.",
        "",
        "| part | phrases | checked |",
        "| --- | --- | --- |",
    ]
    for kind in _KINDS:
        of_kind = [one for one in phrases if one.kind == kind]
        lines.append(f"| {_KINDS[kind]} | {len(of_kind)} | {sum(bool(one.rules) for one in of_kind)} |")
    for _, group in groupby(phrases, key=lambda one: one.stage):
        column = list(group)
        name = next(one.text for one in column if one.kind == "name")
        figure = next(one.text for one in column if one.kind == "probability")
        lines += ["", f"## {name} ({figure})", "", "| part | phrase | checked by |", "| --- | --- | --- |"]
        lines += [_row(one) for one in column if one.kind in _KINDS]
    return "\n".join(lines) + "\n"


def _row(one: PhraseCoverage) -> str:
    said = ", ".join(f"[{code}]({code}.md)" for code in one.rules) or f"not machine-checkable: {one.reason}"
    return f"| {_KINDS[one.kind]} | {one.text} | {said} |"


def _later(info: RuleInfo) -> str:
    return "" if info.judged else " (needs a second source)"


def _quoted(info: RuleInfo) -> str:
    return " · ".join(f"“{phrase}”" for phrase in info.phrases) or "no phrase: data quality"


def _sentences(text: str) -> Iterator[str]:
    """One sentence a line, as everywhere in the documentation."""
    for line in text.splitlines():
        yield from re.split(r"(?<=[.:]) (?=[A-Z“])", line)


if __name__ == "__main__":
    write()
