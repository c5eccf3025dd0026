"""The rehearsal: records put into a system's fields by its mapping backwards mean the same when read forwards."""

from datetime import date
from pathlib import Path

import pytest

from syncd.bootstrap import mapping_folders
from syncd.mapping import load_mapping
from syncd.rehearse import known_doubles, native_record, pipeline, truth_of
from tests.store.runs import MSSP

DAY = date(2026, 11, 23)


def test_the_canonical_mapping_there_and_back():
    """Through the canonical mapping nothing is lost: the truth is what the pipeline itself breaks."""
    mapping = load_mapping("canonical", MSSP, mapping_folders(Path.cwd()), Path.cwd())
    records = pipeline(1)
    there = truth_of(mapping, MSSP, records, DAY)

    assert len(there) > 20
    assert truth_of(mapping, MSSP, [native_record(mapping, one) for one in records], DAY) == there


def test_copies_differ_by_id_alone():
    """Repeating the pipeline gives other records with the same faults."""
    once, twice = pipeline(1), pipeline(2)

    assert twice[: len(once)] == once
    assert len({one["id"] for one in twice}) == 2 * len(once)
    assert [{**one, "id": ""} for one in twice[len(once) :]] == [{**one, "id": ""} for one in once]


@pytest.mark.parametrize("name", sorted(known_doubles()))
def test_every_double_is_given_a_pipeline_worth_reading(name):
    """Put into a system's own fields, the pipeline still shows faults of most families."""
    mapping = load_mapping(known_doubles()[name].mapping, MSSP, mapping_folders(Path.cwd()), Path.cwd())
    records = [native_record(mapping, one) for one in pipeline(1)]
    found = truth_of(mapping, MSSP, records, DAY)
    families = {code[:3] for codes in found.values() for code in codes}

    assert {"PRB", "STG", "OUT", "CHK"} <= families
