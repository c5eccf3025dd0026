"""Reading a whole column the short way gives what reading each value gives, or nothing."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
