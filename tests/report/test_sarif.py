import io
import json
from collections import Counter
from pathlib import Path

import jsonschema
import pytest

from syncd.report.to_sarif import to_sarif
from tests.report.samples import BACK, RULES, SAMPLES, discrepancy, hostile, incomplete, many, report

SCHEMA = jsonschema.Draft4Validator(
    json.loads((Path(__file__).parents[1] / "data" / "sarif-schema-2.1.0.json").read_text(encoding="utf-8"))
)


def _read(given):
    out = io.BytesIO()
    to_sarif(given, out)
    return json.loads(out.getvalue())


def _run(given):
    return _read(given)["runs"][0]


@pytest.mark.parametrize("sample", [*SAMPLES.values(), hostile], ids=[*SAMPLES, "hostile"])
def test_log_follows_the_schema(sample):
    """Every report is valid SARIF 2.1.0."""
    assert [error.message for error in SCHEMA.iter_errors(_read(sample()))] == []


def test_schema_can_refuse():
    """The schema the tests use does refuse a log with a wrong level."""
    log = _read(many())
    log["runs"][0]["results"][0]["level"] = "fatal"

    assert not SCHEMA.is_valid(log)


def test_result_names_rule_place_and_level():
    """A result points to its rule's entry and names its opportunity; info is a note."""
    run = _run(report([discrepancy("CHK013", "1-A5")]))
    result = run["results"][0]

    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "CHK013"
    assert result["level"] == "note"
    assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "siebel/1-A5"


def test_rules_explain_themselves():
    """Each rule of the catalogue comes with its fault, its explanation and its level."""
    rules = _run(report())["tool"]["driver"]["rules"]

    assert [rule["id"] for rule in rules] == list(RULES)
    assert rules[0]["help"]["markdown"] == RULES["PRB001"].explanation
    assert rules[0]["defaultConfiguration"] == {"level": "error"}


def test_unlisted_rule_has_no_index():
    """A code that the catalogue does not have is reported without pointing to an entry."""
    assert "ruleIndex" not in _run(report([discrepancy("ACME01")]))["results"][0]


def test_baseline_is_the_run_before():
    """New and reopened are new against the run before, the rest unchanged; what is gone is absent."""
    states = Counter(result["baselineState"] for result in _run(many())["results"])

    assert states == {"unchanged": 4, "new": 3, "absent": 1}


def test_fingerprint_outlives_changed_figures():
    """The fingerprint stays when figures change, and differs by source, id and rule."""
    found = [
        discrepancy(),
        discrepancy(probability=50, message="other", fix=BACK),
        discrepancy(source="maven"),
        discrepancy(number="1-A2"),
        discrepancy("OUT002"),
    ]
    prints = [result["partialFingerprints"]["discrepancy/v1"] for result in _run(report(found))["results"]]

    assert prints[0] == prints[1]
    assert len(set(prints)) == 4


def test_incomplete_source_fails_the_invocation():
    """A source that was not read whole makes the execution unsuccessful and says why."""
    invocation = _run(incomplete())["invocations"][0]
    notification = invocation["toolExecutionNotifications"][0]

    assert invocation["executionSuccessful"] is False
    assert (notification["descriptor"]["id"], notification["level"]) == ("SOURCE_INCOMPLETE", "error")
    assert "inside a quoted cell" in notification["message"]["text"]


def test_rejected_records_are_notifications():
    """Each rejected record is a warning of an execution that was successful."""
    invocation = _run(many())["invocations"][0]

    assert invocation["executionSuccessful"] is True
    assert [one["descriptor"]["id"] for one in invocation["toolExecutionNotifications"]] == ["RECORD_REJECTED"] * 2


def test_message_of_a_record_is_no_link():
    """Text that would be a link in a SARIF viewer is escaped."""
    result = _run(report([discrepancy(message="[a](https://evil.example)")]))["results"][0]

    assert result["message"]["text"] == r"\[a\](https://evil.example)"
