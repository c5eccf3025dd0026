import pytest

from syncd.report.hostile import cell, clean, clip, number_cell
from tests.report.samples import HOSTILE


@pytest.mark.parametrize("text", HOSTILE)
def test_cleaned_text_is_one_printable_line(text):
    """Cleaned text holds nothing that moves a cursor, starts a line or reorders what is read."""
    assert clean(text).isprintable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil.example\x07link\x1b]8;;\x07", "link"),
        ("a\r\nb\tc", "a b c"),
        ("\u202egnp.exe", "gnp.exe"),
        ("Müller  & Söhne", "Müller  & Söhne"),
        ("क्\u200dष", "क्\u200dष"),
        ("half\ud83d", "half\ufffd"),
        ("\ufeffid", "id"),
    ],
)
def test_cleaning_keeps_what_people_read(text, expected):
    """Escape sequences, controls and bidi overrides go; letters, joiners and double spaces stay."""
    assert clean(text) == expected


def test_clipping_marks_where_it_cut():
    """A text longer than allowed ends in an ellipsis and is as long as allowed; any other is whole."""
    assert (clip("abcdef", 4), clip("abcd", 4)) == ("abc…", "abcd")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_formula_gets_an_apostrophe(start):
    """Whatever a spreadsheet could take for a formula starts with an apostrophe, also behind a control character."""
    assert cell(f"{start}1+1") == f"'{start}1+1"
    assert cell(f"\x00{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize(
    ("text", "expected"), [("-5", "-5"), ("+40", "+40"), ("-5.25", "-5.25"), ("-5+1", "'-5+1"), ("", "")]
)
def test_numbers_stay_numbers(text, expected):
    """A plain number in a column of figures is left alone; what only begins like one is not."""
    assert number_cell(text) == expected
