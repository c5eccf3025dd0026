"""Reading a whole column the short way gives what reading each value gives, or nothing."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.adapter import Percent
from syncd.mapping.values import UNREADABLE, Reading

READING = Reading(business_zone=ZoneInfo("UTC"), source_zone=ZoneInfo("America/New_York"))
COMMA = Reading(business_zone=ZoneInfo("UTC"), source_zone=ZoneInfo("UTC"), decimal_mark=",", thousands_mark=".")

numbers = st.one_of(st.text("+-.0129eE_ ", max_size=5), st.decimals(allow_nan=False).map(str), st.just("1" * 41))
times = st.one_of(
    st.datetimes().map(str),
    st.datetimes(timezones=st.timezones()).map(lambda one: one.isoformat()),
    st.dates().map(str),
    st.sampled_from(("", " ", "2026-01-02T03:04:05Z", "2026W01T12", "20260102T03", "2026-01-02Z03:04", "tomorrow")),
)


@pytest.mark.parametrize("reading", [READING, COMMA], ids=["point", "comma"])
@pytest.mark.parametrize(
    ("whole", "single", "cells"),
    [
        ("texts", "text", st.text("tbd/nA.- x", max_size=5)),
        ("numbers", "number", numbers),
        ("moments", "moment", times),
    ],
    ids=["texts", "numbers", "moments"],
)
def test_whole_columns(reading, whole, single, cells):
    """Where a column is read at once, each of its values is what it is alone."""

    @settings(max_examples=300, deadline=None)
    @given(st.lists(cells, max_size=4))
    def check(column):
        read = getattr(reading, whole)(column)
        assert read is None or read == [getattr(reading, single)(cell) for cell in column]

    check()


@pytest.mark.parametrize(
    ("whole", "column"),
    [
        ("texts", [" a ", "tbd", "n/a", ""]),
        ("numbers", ["1", "-2.50", "+.5", "3.", ""]),
        ("moments", ["2026-01-02T03:04:05Z", "2026-01-02 03:04", ""]),
    ],
)
def test_what_most_columns_hold_is_read_at_once(whole, column):
    """The short way is taken where it matters, and not with values that are no text."""
    read = getattr(READING, whole)(column)

    assert read is not None
    assert UNREADABLE not in read
    assert getattr(READING, whole)([*column, 5]) is None


MARKED = Reading(
    business_zone=ZoneInfo("UTC"),
    source_zone=ZoneInfo("UTC"),
    decimal_mark=",",
    thousands_mark=".",
    probability_scale="fraction",
)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1234.5, Decimal("1234.5")),
        (Decimal("1234.5"), Decimal("1234.5")),
        (1234, Decimal(1234)),
        (1000.0, Decimal(1000)),
        ("1.234,5", Decimal("1234.5")),
        (float("inf"), UNREADABLE),
        (Decimal("sNaN"), UNREADABLE),
        (True, UNREADABLE),
    ],
)
def test_typed_numbers_have_no_marks(value, number):
    """What is a number already is that number, however the source writes numbers in texts."""
    assert MARKED.number(value) == number


@pytest.mark.parametrize(
    ("value", "percent"),
    [
        (0.4, 40),
        (Decimal("0.4"), 40),
        (1, 100),
        ("0,4", 40),
        ("12,5 %", 12.5),
        (Percent(Decimal("12.5")), 12.5),
        (Percent(Decimal(40)), 40),
        ("%", UNREADABLE),
        (True, UNREADABLE),
    ],
)
def test_typed_probabilities_have_the_scale_of_the_source(value, percent):
    """A fraction is one as text and as number; what is shown as a percentage is one already."""
    assert MARKED.probability(value) == percent


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.234.567,89", Decimal("1234567.89")),
        ("-12.345", Decimal(-12345)),
        ("+999.000,", Decimal(999000)),
        ("1234567,89", Decimal("1234567.89")),
        ("12.10.2026", UNREADABLE),
        ("1.5", UNREADABLE),
        ("1234.567", UNREADABLE),
        (".123", UNREADABLE),
        ("1..234", UNREADABLE),
        ("1.2345", UNREADABLE),
        ("1,234.567", UNREADABLE),
        ("1.234e2", UNREADABLE),
    ],
)
def test_thousands_marks_group_in_threes(text, number):
    """A number that is grouped in any other way is a day, a version or a slip, and nothing is guessed."""
    assert COMMA.number(text) == number


@pytest.mark.parametrize("value", ["1e99", "1e40", 1e40, "-1e-41"])
def test_numbers_beyond_all_bounds(value):
    """A text and a typed number have the same bounds."""
    assert READING.number(value) is UNREADABLE


def test_the_largest_numbers():
    """Forty digits are read, whatever they are good for."""
    assert READING.number("9" * 40) == READING.number(int("9" * 40)) == Decimal("9" * 40)
