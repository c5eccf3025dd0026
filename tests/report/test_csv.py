import csv
import io
import json

import pytest

from syncd.report.to_csv import to_csv
from tests.report.samples import HOSTILE, SAFE, SAMPLES, discrepancy, hostile, report

HEADER = (
    "source,id,name,owner,territory,account,stage,probability,amount,currency,proven_stage,rule,severity,state,field,"
    "actual,expected,message,phrase,fix_safety,fix_set,waiver"
)


def _bytes(given):
    out = io.BytesIO()
    to_csv(given, out)
    return out.getvalue()


def _rows(given):
    return list(csv.DictReader(io.StringIO(_bytes(given).decode(), newline="")))


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_header_is_the_contract(sample):
    """The first line names exactly the documented columns; lines end as RFC 4180 says."""
    assert _bytes(sample()).startswith(HEADER.encode() + b"\r\n")


def test_row_tells_the_discrepancy():
    """Each value stands in its column, the fix as JSON, blanks as nothing."""
    row = _rows(report([discrepancy(fix=SAFE, owner=None, actual=None, expected=[1, "a"], probability=33.3)]))[0]

    assert (row["id"], row["rule"], row["probability"], row["amount"]) == ("1-A1", "PRB001", "33.3", "200000.00")
    assert (row["owner"], row["actual"], row["expected"], row["waiver"]) == ("", "", '[1,"a"]', "")
    assert (row["fix_safety"], json.loads(row["fix_set"])) == ("safe", {"probability": {"from": 60, "to": 40}})


def test_negative_figures_stay_figures():
    """A negative probability or amount is a number and gets no apostrophe; a text that begins like one does."""
    row = _rows(report([discrepancy(probability=-1, amount="-5.00", actual=-1, name="-5+cmd")]))[0]

    assert (row["probability"], row["amount"], row["actual"], row["name"]) == ("-1", "-5.00", "-1", "'-5+cmd")


def test_no_cell_is_a_formula():
    """Whatever the records hold, no cell begins like a formula, and each record is one row of the file read back."""
    rows = _rows(hostile())

    assert len(rows) == len(HOSTILE)
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert rows[1]["name"] == "'" + HOSTILE[1]


def test_line_breaks_of_records_survive():
    """A name over two lines is read back as it was, and no escape sequence reaches a terminal."""
    written = _bytes(hostile())

    assert _rows(hostile())[3]["name"] == HOSTILE[3]
    assert not set(written) & {0x00, 0x07, 0x1B}
