"""Queries: names are checked, literals quoted, and what is quoted reads back as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.salesforce import double_soql, soql
from syncd.errors import SourceIncomplete


@given(st.text())
def test_a_quoted_text_reads_back(text):
    """Whatever a literal holds, the query has one condition, and its value is the text."""
    query = double_soql.parse(soql.select(["Id"], "Opportunity", [f"Name = {soql.quoted(text)}"]))

    assert [double_soql.Condition("Name", "=", text)] == query.where


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_a_list_of_texts_reads_back(texts):
    """The same for a list of literals."""
    query = double_soql.parse(soql.select(["Id"], "Opportunity", [soql.is_one_of("Name", texts)]))

    assert [double_soql.Condition("Name", "in", texts)] == query.where


@given(st.text())
def test_a_name_says_nothing_else(text):
    """What passes for a name is one name to the org, too."""
    if soql.is_name(text):
        assert [text] == double_soql.parse(f"SELECT {text} FROM Opportunity").fields


@pytest.mark.parametrize("name", ["Id, Name", "Id FROM User", "", "a'", "Id\n", "Id ", "é", "1a", "A..B", ".A", "A."])
def test_a_query_is_made_of_names_alone(name):
    """A name that the org told is no more trusted than any other text of it."""
    for fields, table in (([name], "Opportunity"), (["Id"], name)):
        with pytest.raises(SourceIncomplete):
            soql.select(fields, table)


@pytest.mark.parametrize(
    "text",
    ["", "SELECT", "SELECT Id", "SELECT Id FROM", "SELECT Id FROM A WHERE", "DELETE", "SELECT Id FROM A WHERE B = 'x",
     "SELECT Id FROM A; DROP", "SELECT Id FROM A B"],
)  # fmt: skip
def test_what_is_no_query_is_refused_by_the_double(text):
    """The double refuses what it does not understand whole."""
    with pytest.raises(double_soql.Malformed):
        double_soql.parse(text)
