import base64
import hashlib
import io
import re
from html.parser import HTMLParser

import openpyxl
import pytest

from syncd.report.to_html import to_html
from syncd.report.to_md import to_md
from syncd.report.to_xlsx import to_xlsx
from tests.report.samples import (
    HOSTILE,
    RULES,
    SAFE,
    SAMPLES,
    discrepancy,
    empty,
    hostile,
    incomplete,
    many,
    over_stated,
    report,
)

TAGS = """html head meta title style body header main footer nav h1 h2 h3 p ul li a dl div dt dd table caption thead
    tbody tr th td span b br svg rect details summary code"""
OURS = set(re.findall(r"\w+", TAGS))
VOID = {"meta", "br", "rect"}


class _Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = set(), [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


def _html(given, **options):
    out = io.BytesIO()
    to_html(given, out, **options)
    return out.getvalue().decode()


def _md(given, **options):
    out = io.BytesIO()
    to_md(given, out, **options)
    return out.getvalue().decode()


def _book(given, **options):
    out = io.BytesIO()
    to_xlsx(given, out, **options)
    return openpyxl.load_workbook(out)


@pytest.mark.parametrize("sample", [*SAMPLES.values(), hostile], ids=[*SAMPLES, "hostile"])
def test_page_holds_only_our_tags(sample):
    """Every tag is one of ours and closed in order; no record adds a tag, a script or an event handler."""
    page = _Page(_html(sample()))

    assert page.tags <= OURS
    assert page.open == []
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in {"src", "style"}]
    assert [value for name, value in page.attributes if name == "href" and not value.startswith("#")] == []


def test_page_asks_nobody():
    """The page's policy allows nothing but its own style sheet, and the hash is that of the style sheet it holds."""
    text = _html(many())
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert f"default-src 'none'; style-src 'sha256-{digest}'" in text
    assert "http" not in text.replace("http-equiv", "")


def test_page_tells_the_run():
    """The page names reading, settings, money, rejected records, gaps and each discrepancy with its fix."""
    text = " ".join(_Page(_html(many())).texts)

    for told in (
        "MSSP, exit reading, as of 2026-11-23 (UTC)",
        "STG005.grace_days = 14",
        "98,400,000.00",
        "the row has 3 cells, the header 41",
        "CHK013",
        "recorded Close, evidence allows Prospect",
        "stage Close → Prospect, probability 80 → 0",
        "Fabrikam data centre",
        "What it checks",
    ):
        assert told in text


def test_page_names_incomplete_sources():
    """An incomplete source is an alert at the top of the page."""
    text = _html(incomplete())

    assert text.index('role="alert">Incomplete: maven was not read whole') < text.index("<main>")


def test_page_is_bounded():
    """A large pipeline shows so many rows, exactly, and says how to get all."""
    found = [one for number in range(9) for one in over_stated(str(number), amount=str(number))]
    text = _html(report(found), rows=10)

    assert text.count('<td class="state">') == 10
    assert "The 10 most pressing of 36 are shown." in text
    assert "syncd report --format csv" in text


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_markdown_tells_verdict_and_reading(sample):
    """The summary has one title, the verdict and the reading."""
    text = _md(sample())

    assert text.startswith("# Pipeline discrepancies as of 2026-11-23\n\n**")
    assert "MSSP, exit reading" in text


def test_markdown_lists_opportunities():
    """An opportunity is a list item, its discrepancies beneath it, a root cause's own further in."""
    text = _md(many())

    assert "- **1-A2** Fabrikam data centre (Close, 80 % · USD 1,200,000.00 · owner Kim Lee · siebel)\n" in text
    assert "\n  - STG006 error: recorded Close, evidence allows Prospect\n    - OUT002 error: " in text
    assert "  - *fix (safe): probability 60 → 40*\n" in text
    assert "| USD | 98,400,000.00 |" in text


def test_markdown_of_records_is_text():
    """No record starts a tag, a link, a mention, emphasis or a new line of Markdown."""
    text = _md(hostile())
    bare = re.sub(r"\\.", "", text)

    assert not re.search(r"<\w|<!|\]\(|https?:|@\w|`code", bare)
    assert not re.search(r"^(?![#>|*-]|  |…|MSSP|Found|Nothing|\s*$)", text, re.MULTILINE)


def test_markdown_is_bounded():
    """Past the limit opportunities are only counted."""
    text = _md(report([discrepancy(number=str(number)) for number in range(5)]), limit=2)

    assert text.count("- **") == 2
    assert "… and 3 more opportunities" in text


def test_workbook_has_its_sheets():
    """The workbook has four sheets; a discrepancy's figures are figures."""
    book = _book(report([discrepancy(fix=SAFE)]))
    head, row = book["Discrepancies"].iter_rows(values_only=True)

    assert book.sheetnames == ["Summary", "Discrepancies", "Coverage", "Rejected"]
    read = dict(zip(head, row, strict=True))
    assert (read["id"], read["probability"], read["amount"], read["rule"]) == ("1-A1", 60, 200_000, "PRB001")


def test_workbook_sums_the_run_up():
    """Summary, coverage and rejected records are those of the run."""
    book = _book(many())
    summary = {row[0]: row[1:] for row in book["Summary"].iter_rows(values_only=True)}

    assert summary["USD"][:2] == (98_400_000, 61_200_000.5)
    assert summary["error"][0] == 4
    assert summary["CHK002"][:3] == ("warning", 2, RULES["CHK002"].title)
    assert ("siebel", "CHK013", "New prospects not captured", 0, 1187) in book["Coverage"].iter_rows(values_only=True)
    assert [row[3] for row in book["Rejected"].iter_rows(min_row=2, values_only=True)][1].startswith("this id was seen")


def test_workbook_of_an_empty_run_opens():
    """A run without discrepancies gives sheets with their headers."""
    assert [sheet.max_row for sheet in _book(empty())][1:] == [1, 2, 1]


def test_workbook_holds_no_formula():
    """Whatever the records hold, no cell is a formula or begins like one, and each record is a row."""
    book = _book(hostile())
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]

    assert not [cell for cell in cells if cell.data_type == "f" or cell.value.startswith(("=", "+", "-", "@", "\t"))]
    assert book["Discrepancies"].max_row == len(HOSTILE) + 1


def test_workbook_says_what_does_not_fit():
    """Where a sheet is full, its last row says how much is missing."""
    found = [discrepancy(number=str(number)) for number in range(20)]
    full = list(_book(report(found), sheet_rows=21)["Discrepancies"].iter_rows(values_only=True))
    cut = list(_book(report(found), sheet_rows=11)["Discrepancies"].iter_rows(values_only=True))

    assert (len(full), full[-1][1]) == (21, "19")
    assert (len(cut), cut[-2][1]) == (11, "8")
    assert cut[-1][0] == "11 more rows do not fit on an Excel sheet; the csv and json formats hold all."
