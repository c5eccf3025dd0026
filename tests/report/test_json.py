import io
import json

import msgspec
import pytest

from syncd.report.plan_to_json import plan_to_json
from syncd.report.to_json import to_json
from tests.report.samples import BACK, SAMPLES, discrepancy, hostile, many, plan, report


def _bytes(given):
    out = io.BytesIO()
    to_json(given, out)
    return out.getvalue()


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_keys_stand_in_the_documented_order(sample):
    """The contract's keys come in its order, whatever the run found."""
    keys = list(json.loads(_bytes(sample())))
    contract = ["schema", "run", "as_of", "process", "sources"]
    contract += ["discrepancies", "rejected", "coverage", "pipeline", "summary"]

    assert [key for key in keys if key in contract] == contract
    assert set(keys) - set(contract) == {"fixed"}


def test_discrepancy_holds_the_contract():
    """A discrepancy carries every field of the contract, its fix field by field."""
    first = json.loads(_bytes(report([discrepancy("STG006", fix=BACK)])))["discrepancies"][0]
    contract = (
        "rule severity source id name owner stage probability proven_stage field actual expected message phrase state "
        "waiver fix"
    )

    assert set(contract.split()) <= set(first)
    assert first["fix"] == {
        "safety": "unsafe",
        "set": {"stage": {"from": "close", "to": "prospect"}, "probability": {"from": 80, "to": 0}},
    }


def test_empty_run_is_whole():
    """A run without discrepancies gives empty lists and zero counts, not missing ones."""
    read = json.loads(_bytes(report()))

    assert (read["discrepancies"], read["fixed"], read["rejected"], read["coverage"]) == ([], [], [], [])
    assert read["summary"].items() >= {"error": 0, "warning": 0, "info": 0, "waived": 0, "no_amount": 0}.items()
    assert read["pipeline"] == {}


def test_run_is_told_in_full():
    """Sources, gaps, money, rejected and fixed records of the run stand in the JSON as they are."""
    read = json.loads(_bytes(many()))

    assert read["process"] == {"name": "mssp", "outcome_semantics": "exit"}
    assert read["sources"][0].items() >= {"name": "siebel", "adapter": "file", "complete": True, "read": 1200}.items()
    assert {"source": "siebel", "rule": "CHK013", "judged": 0, "unknown": 1187} in read["coverage"]
    assert read["pipeline"]["USD"]["recorded"] == "98400000.00"
    assert [one["id"] for one in read["fixed"]] == ["1-A0"]
    assert read["rejected"][1]["reason"] == "this id was seen before with other content"
    assert (read["summary"]["error"], read["summary"]["by_rule"]["CHK002"], read["summary"]["by_state"]["new"]) == (
        4,
        2,
        2,
    )


def test_each_discrepancy_has_a_line_across_batches():
    """Every discrepancy stands on a line of its own, none lost between blocks."""
    found = [discrepancy(number=str(number), name="a\nb}\n{") for number in range(1_500)]

    written = _bytes(report(found))

    assert sum(line.startswith(b'{"source"') for line in written.splitlines()) == 1_500
    assert [one["id"] for one in json.loads(written)["discrepancies"]] == [one.id for one in found]


def test_encoded_stream_gives_the_same_bytes():
    """Discrepancies that come already encoded give, byte for byte, what the values give; so does a second writing."""
    found = [discrepancy(number=str(number)) for number in range(1_025)]
    raw = [msgspec.json.encode(one) for one in found]

    assert _bytes(report(found)) == _bytes(report(found)) == _bytes(report(found, raw=lambda: iter(raw)))


def test_control_characters_are_escaped():
    """No control character of a record reaches the output as itself."""
    assert not any(byte < 0x20 and byte != 0x0A for byte in _bytes(hostile()))


def test_plan_holds_the_contract():
    """The plan's JSON has the contract's keys and each change its fields, the refusal among them."""
    out = io.BytesIO()
    plan_to_json(plan(exceeded=[{"limit": "max_changes", "value": 2, "allowed": 1}]), out)
    read = json.loads(out.getvalue())

    assert list(read)[:5] == ["schema", "id", "hash", "created_at", "expires_at"]
    assert (read["schema"], read["created_at"]) == ("syncd/plan/1", "2026-11-23T10:00:05Z")
    assert read["limits"] == {"exceeded": [{"limit": "max_changes", "value": 2, "allowed": 1}]}
    assert read["totals"] == {
        "changes": 2,
        "safe": 1,
        "unsafe": 1,
        "opportunities": 1187,
        "percent": 0.17,
        "weighted_change": {"USD": "-1000000.00"},
    }
    assert read["changes"][0]["set"] == {"probability": {"from": 60, "to": 40}}
    assert (
        read["changes"][1].items()
        >= {
            "version": None,
            "safety": "unsafe",
            "rules": ["STG006", "PRB001"],
            "allowed": False,
            "refusal": "unsafe changes are written only with --unsafe",
            "left_out": ["ACME01.owner"],
        }.items()
    )
