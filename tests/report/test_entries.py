import pytest

from syncd.model import Edit, Fix
from syncd.report.entries import Entry, entries_of, most_pressing
from tests.report.samples import BACK, SAFE, discrepancy, over_stated


def _ids(ranking):
    return [entry.first.id for entry in ranking.entries]


def test_discrepancies_of_one_opportunity_are_one_entry():
    """Consecutive discrepancies of one id and source come together; the same id in another source does not."""
    found = [discrepancy("PRB001", "1"), discrepancy("CHK002", "1"), discrepancy(number="1", source="maven")]

    assert [len(entry.discrepancies) for entry in entries_of(found)] == [2, 1]


def test_headline_stands_first_with_its_causes_beneath():
    """The finding that names the root cause comes first, those of the same cause beneath it, the others after."""
    entry = Entry(tuple(over_stated("1")))

    shape = [(top.rule, [one.rule for one in beneath]) for top, beneath in entry.nested()]

    assert shape == [("STG006", ["OUT002", "OUT003"]), ("CHK002", [])]


def test_finding_without_its_headline_stands_for_itself():
    """A finding whose headline was not selected is not lost."""
    entry = Entry(tuple(one for one in over_stated("1") if one.rule != "STG006"))

    assert [top.rule for top, _ in entry.nested()] == ["OUT002", "OUT003", "CHK002"]


def test_equal_fixes_are_one():
    """A fix that several rules offer is named once, with each of the rules."""
    same = Fix("safe", {"probability": Edit(60, 40)})
    entry = Entry((discrepancy("PRB001", fix=SAFE), discrepancy("OUT002", fix=same), discrepancy("STG006", fix=BACK)))

    assert entry.fixes() == [(SAFE, ["OUT002", "PRB001"]), (BACK, ["STG006"])]


def test_most_severe_then_most_money_then_first_seen():
    """Severity decides before money, money before place; an amount that is none counts least."""
    found = [
        discrepancy("CHK002", "rich warning", amount="9000000"),
        discrepancy("PRB001", "no amount", amount=None),
        discrepancy("PRB001", "poor", amount="10"),
        discrepancy("PRB001", "rich", amount="200"),
        discrepancy("PRB001", "also poor", amount="10"),
        discrepancy("PRB001", "odd", amount="NaN"),
    ]

    assert _ids(most_pressing(found, 9)) == ["rich", "poor", "also poor", "no amount", "odd", "rich warning"]


@pytest.mark.parametrize("limit", [0, 1, 3, 100])
def test_ranking_keeps_the_top_and_counts_all(limit):
    """However little is kept, it is the top of the full ranking, and the tally is of everything."""
    found = [discrepancy(number=str(number), amount=str(number * 37 % 101)) for number in range(100)]
    everything = sorted(found, key=lambda one: -int(one.amount))

    ranking = most_pressing(iter(found), limit)

    assert _ids(ranking) == [one.id for one in everything[:limit]]
    assert (ranking.tally.opportunities, ranking.tally.discrepancies) == (100, 100)


def test_weighed_ranking_is_bounded_by_weight():
    """With a weight, only so many entries are kept as it takes to reach the limit."""
    found = [one for number in range(9) for one in over_stated(str(number), amount=str(number))]

    ranking = most_pressing(found, 10, lambda entry: len(entry.discrepancies))

    assert _ids(ranking) == ["8", "7", "6"]
