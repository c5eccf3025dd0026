import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from syncd.model import Coverage, Weighted
from syncd.report.plan_to_text import plan_to_text
from syncd.report.terminal import fit, wrap
from syncd.report.to_text import to_text
from tests.report.samples import (
    COVERAGE,
    SAMPLES,
    discrepancy,
    empty,
    hostile,
    incomplete,
    many,
    over_stated,
    plan,
    report,
)


def _text(given, width=100, write=to_text, **options):
    out = io.StringIO()
    write(given, Console(file=out, width=width, legacy_windows=False), **options)
    return out.getvalue()


ONE = """\
1-A1  Contoso renewal                                             USD 200,000.00
  Solution, 60 % · proven Solution · owner Kim Lee
  PRB001 error    probability is 60, the chart gives 40 for Solution
  fix (safe): probability 60 → 40

By rule
  count  rule    severity  fault
      1  PRB001  error     Probability is not the stage's

Sources
  source  adapter   read  judged  rejected  repeated  was read
  siebel  file     1,200   1,187         0         0  whole

Found 1 discrepancy in 1 of 1,187 records: 1 error.
Nothing of this was found by an earlier run.
MSSP, exit reading, as of 2026-11-23 (UTC).

Next
  syncd explain PRB001       the most frequent: Probability is not the stage's
  syncd reconcile --dry-run  shows the changes that would cure 1 opportunity
"""


def test_one_discrepancy_reads_like_this():
    """The whole text of a run that found one discrepancy."""
    assert _text(SAMPLES["one"](), 80) == ONE


def test_clean_run_says_so():
    """A run that found nothing says how much it judged, and suggests nothing."""
    text = _text(empty())

    assert "No discrepancies: 1,187 records judged." in text
    assert "Next" not in text


def test_headline_has_its_causes_beneath():
    """An opportunity's block starts with the headline, the same root cause indented beneath it."""
    text = _text(report(over_stated("1-A2")))
    codes = [line.split()[0] for line in text.splitlines() if line.strip().startswith(("STG", "OUT", "CHK"))]

    assert codes[:4] == ["STG006", "OUT002", "OUT003", "CHK002"]
    assert "\n  STG006 error  " in text
    assert "\n    OUT002 error  " in text


@pytest.mark.parametrize("sample", [*SAMPLES.values(), hostile], ids=[*SAMPLES, "hostile"])
@pytest.mark.parametrize("width", [80, 100])
def test_lines_fit_the_terminal(sample, width):
    """No line is wider than the terminal, whatever the records hold."""
    lines = _text(sample(), width).splitlines()

    assert [line for line in lines if cell_len(line) > width] == []


def test_limit_shows_the_most_pressing_and_counts_the_rest():
    """With a limit, the most pressing come first and the rest is counted, with how to see it."""
    found = [discrepancy(number=f"n{number}", amount=str(number)) for number in range(60)]

    text = _text(report(found), limit=2)

    assert text.startswith("n59 ")
    assert [f"n{number} " in text for number in (59, 58, 57)] == [True, True, False]
    assert "… and 58 more opportunities; `-v` shows all" in text


def test_without_limit_all_stand_in_store_order():
    """Without a limit every opportunity is shown, in the order of the stream."""
    found = [discrepancy(number=f"n{number}", amount=str(number)) for number in range(60)]
    text = _text(report(found), limit=None)

    assert [line.split()[0] for line in text.splitlines() if line.startswith("n")] == [f"n{one}" for one in range(60)]
    assert "more opportunities" not in text


def test_incomplete_source_cannot_be_missed():
    """A source that was not read whole is announced with reason and remedy, and the next step is about it."""
    text = " ".join(_text(incomplete()).split())

    assert "INCOMPLETE maven was not read whole and not judged: the file ends inside a quoted cell" in text
    assert "Export it again." in text
    assert "Next syncd status" in text


def test_rejected_records_are_listed_with_reasons():
    """Rejected records stand with place, id and reason; past ten they are only counted."""
    text = _text(many())
    assert "siebel line 90 1-A9: this id was seen before with other content" in text

    crowd = _text(report(rejected=[next(many().rejected())] * 12))
    assert crowd.count("line 17") == 10
    assert "… and 2 more" in crowd


def test_gaps_are_compact():
    """Rules that nothing is known for are one sentence a source, rules with equal gaps another."""
    text = " ".join(_text(report(coverage=COVERAGE)).split())

    assert "1 rule could not be judged for any of 1,187 records: the source shows no evidence (CHK013)." in text
    assert "OUT002, OUT003 could not be judged for 287 records." in text
    assert "PRB001" not in text


def test_many_unknown_rules_are_counted():
    """A long list of rules without evidence is cut and counted."""
    coverage = [Coverage(source="maven", rule=f"CHK{number:03d}", judged=0, unknown=50) for number in range(18)]
    text = " ".join(_text(report(coverage=coverage)).split())

    assert "18 rules could not be judged" in text
    assert "CHK011 and 6 more)" in text
    assert "syncd explain CHK000 tells which evidence it lacks; syncd's mapping guide, how to map it" in text


def test_money_has_separators_and_says_what_is_left_out():
    """Money stands per currency with separators, cents where there is room, and what has no amount is counted."""
    assert "98,400,000.00" in _text(many(), 100)
    narrow = _text(many(), 80)
    assert "98,400,000 " in narrow
    assert "no currency" in narrow
    assert "3 records without a readable amount count as nothing here." in narrow


def test_no_money_no_table():
    """A run without amounts has no table of money."""
    assert "Weighted pipeline" not in _text(empty())


def test_absurd_figures_stay_short():
    """An amount with an absurd exponent does not blow up the page."""
    money = Weighted(recorded="1E+99999", proven="0", possible="0", over_stated="0", under_stated="0")

    assert len(_text(report([discrepancy(amount="1E+99999")], pipeline={"USD": money}))) < 5_000


def test_since_last_run():
    """What changed since the last run is told in figures."""
    assert "Since the last run: 2 new, 1 reopened, 1 no longer found, 4 unchanged." in _text(many())


def test_records_cannot_control_the_terminal():
    """No escape, control or override character of a record reaches the terminal, with or without colour."""
    plain = _text(hostile())
    assert all(line.isprintable() for line in plain.split("\n"))
    out = io.StringIO()
    to_text(hostile(), Console(file=out, width=100, force_terminal=True, color_system="standard", legacy_windows=False))

    assert "\x1b[1m" in out.getvalue()
    assert "\x1b[31mred" not in out.getvalue()
    assert "\x1b]8" not in out.getvalue()


def test_markup_of_records_is_text():
    """What looks like console markup in a record is shown as it is."""
    assert "[bold red]markup[/]" in _text(hostile())


def test_no_color_is_honoured(monkeypatch):
    """With NO_COLOR a terminal gets no escape sequence."""
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    to_text(many(), Console(file=out, width=100, force_terminal=True))

    assert "\x1b" not in out.getvalue()


def test_stream_that_is_no_terminal_gets_no_colour():
    """A plain stream gets plain text, and characters its encoding lacks do not stop the report."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    to_text(many(), out)

    assert b"\x1b" not in raw.getvalue()
    assert b"probability 60 ? 40" in raw.getvalue()


def test_plan_reads_field_by_field():
    """A plan shows each change's fields, rules and reason, and why one would not be written."""
    text = _text(plan(), write=plan_to_text)

    assert "~ siebel 1-A4  Contoso renewal  safe  PRB001\n    probability  60 → 40\n" in text
    assert "    stage        Close → Prospect\n    probability  80    → 0\n" in text
    assert "would not be written: unsafe changes are written only with --unsafe" in text
    assert "left out  ACME01.owner" in text
    assert "2 changes (0.2 % of 1,187 open opportunities): 1 safe, 1 unsafe; 1 would be written." in text
    assert "Weighted pipeline would move by USD -1,000,000.00." in text
    assert "Refused" not in text


def test_plan_over_a_limit_is_refused_in_words():
    """A plan over a limit names the limit, the figures and what to do."""
    exceeded = [
        {"limit": "max_changes", "value": 612, "allowed": 500},
        {"limit": "max_weighted_change", "value": {"USD": "-1000000.00"}, "allowed": {"USD": 500_000}},
    ]
    text = " ".join(_text(plan(exceeded=exceeded), write=plan_to_text).split())

    assert "Refused: nothing of this plan will be written" in text
    assert "max_changes: 612, allowed are 500" in text
    assert "max_weighted_change: USD -1,000,000.00, allowed are USD 500,000" in text
    assert "raise the limit under [limits]" in text


def test_plan_is_bounded():
    """A long plan shows so many changes and counts the rest."""
    text = _text(plan(), write=plan_to_text, limit=1)

    assert "1-A4" in text
    assert "1-A2" not in text
    assert "… and 1 more change; `-v` shows all" in text


def test_wrapping_counts_cells():
    """Wide characters take two cells each; a word wider than the line is broken, nothing is lost."""
    lines = wrap("案件" * 9 + " end", 10)

    assert all(cell_len(line) <= 10 for line in lines)
    assert "".join(lines).replace(" ", "") == "案件" * 9 + "end"
    assert cell_len(fit("案件" * 9, 10)) <= 10
