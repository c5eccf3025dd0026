"""Three-valued logic: the truth tables of Kleene's strong logic."""

from __future__ import annotations

import itertools

import pytest

from syncd.facts import Fact, all_of, any_of

MET, NOT_MET, UNKNOWN = Fact.MET, Fact.NOT_MET, Fact.UNKNOWN
WORLDS = {MET: (True,), NOT_MET: (False,), UNKNOWN: (True, False)}
"""What a fact may turn out to be."""


@pytest.mark.parametrize(
    ("one", "other", "both", "either"),
    [
        (MET, MET, MET, MET),
        (MET, NOT_MET, NOT_MET, MET),
        (MET, UNKNOWN, UNKNOWN, MET),
        (NOT_MET, NOT_MET, NOT_MET, NOT_MET),
        (NOT_MET, UNKNOWN, NOT_MET, UNKNOWN),
        (UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
    ],
)
def test_two_facts(one, other, both, either):
    """The tables of *and* and *or*, in either order."""
    assert [all_of(pair) for pair in ((one, other), (other, one))] == [both, both]
    assert [any_of(pair) for pair in ((one, other), (other, one))] == [either, either]


@pytest.mark.parametrize("length", range(4))
@pytest.mark.parametrize(("combine", "plain"), [(all_of, all), (any_of, any)])
def test_any_number_of_facts(combine, plain, length):
    """The result is what every way to settle the unknown facts agrees on, and unknown where they differ."""
    for facts in itertools.product(Fact, repeat=length):
        outcomes = {plain(world) for world in itertools.product(*(WORLDS[fact] for fact in facts))}
        expected = UNKNOWN if len(outcomes) > 1 else MET if outcomes.pop() else NOT_MET
        assert combine(iter(facts)) is expected, facts


def test_names_are_part_of_the_contract():
    """Facts are spelled in reports and in the store as met, not_met and unknown."""
    assert [fact.value for fact in Fact] == ["met", "not_met", "unknown"]
