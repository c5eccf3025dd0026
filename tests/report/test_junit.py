import io
from dataclasses import replace
from xml.etree import ElementTree as ET

import msgspec
import pytest

from syncd.model import Coverage
from syncd.report.to_junit import to_junit
from tests.report.samples import HOSTILE, SAMPLES, discrepancy, empty, hostile, incomplete, many, report


def _suites(given):
    out = io.BytesIO()
    to_junit(given, out)
    return ET.fromstring(out.getvalue())


@pytest.mark.parametrize("sample", [*SAMPLES.values(), hostile], ids=[*SAMPLES, "hostile"])
def test_counts_agree_with_the_cases(sample):
    """The counts in the attributes, of each suite and of all, are those of the cases that follow."""
    root = _suites(sample())

    for place in [root, *root]:
        found = {
            "tests": len(place.findall(".//testcase")),
            "failures": len(place.findall(".//failure")),
            "errors": len(place.findall(".//error")),
            "skipped": len(place.findall(".//skipped")),
        }
        assert {name: int(place.get(name)) for name in found} == found


def test_rules_that_hold_pass():
    """A rule without a discrepancy is one passing case."""
    root = _suites(empty())

    assert [(suite.get("name"), len(suite), suite[0].get("classname")) for suite in root] == [
        ("siebel", 1, "siebel.PRB001")
    ]
    assert len(root[0][0]) == 0


def test_cases_tell_failed_from_undecided():
    """Discrepancies fail, rules without evidence are skipped, rejected records are errors."""
    unknown = Coverage(source="siebel", rule="OUT001", judged=0, unknown=5)
    given = many()
    suite = _suites(replace(given, summary=msgspec.structs.replace(given.summary, coverage=[unknown])))[0]

    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("7", "2", "1")
    assert suite.find("testcase[@classname='siebel.OUT001']/skipped") is not None
    failure = suite.find("testcase[@classname='siebel.STG006']/failure")
    assert (failure.get("type"), failure.get("message")) == ("error", "recorded Close, evidence allows Prospect")
    assert "fix (unsafe): stage Close → Prospect, probability 80 → 0" in failure.text


def test_incomplete_source_is_an_error():
    """A source that was not read whole has an error with the reason, in a suite of its own."""
    suite = _suites(incomplete())[1]

    assert (suite.get("name"), suite.get("errors")) == ("maven", "1")
    assert "inside a quoted cell" in suite.find("testcase/error").get("message")


def test_source_without_a_summary_has_a_suite():
    """A discrepancy of a source the summary does not list is not lost."""
    root = _suites(report([discrepancy(source="ghost"), discrepancy()]))

    assert [(suite.get("name"), suite.get("failures")) for suite in root] == [("siebel", "1"), ("ghost", "1")]


def test_hostile_records_stay_text():
    """No text of a record becomes an element, and every record is one failure."""
    root = _suites(hostile())

    assert {element.tag for element in root.iter()} == {"testsuites", "testsuite", "testcase", "failure", "error"}
    assert len(root.findall(".//failure")) == len(HOSTILE)
