import io

from syncd.model import Rejected
from syncd.report.to_github import to_github
from tests.report.samples import HOSTILE, discrepancy, hostile, incomplete, report


def _lines(given):
    out = io.BytesIO()
    to_github(given, out)
    return out.getvalue().decode().splitlines()


def test_severity_decides_the_command():
    """Errors, warnings and info become error, warning and notice commands that name rule and opportunity."""
    lines = _lines(report([discrepancy(), discrepancy("CHK002"), discrepancy("CHK013")]))

    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning", "::notice"]
    assert lines[0] == (
        "::error title=PRB001 Probability is not the stage's::siebel/1-A1 Contoso renewal: "
        "probability is 60, the chart gives 40 for Solution"
    )


def test_properties_and_data_are_escaped():
    """A colon, comma or percent sign of a record cannot end a property or stand for something else."""
    refused = Rejected(source="a:b,c%", id="1", reason="50% of\nit::x")

    assert _lines(report(rejected=[refused])) == [
        "::warning title=record rejected by a%3Ab%2Cc%25::1: 50%25 of it::x",
    ]


def test_incomplete_source_is_an_error():
    """A source that was not read whole comes first, as an error."""
    assert _lines(incomplete())[0].startswith("::error title=source maven is incomplete and was not judged::")


def test_records_cannot_forge_commands():
    """Hostile records give one line each, and every line is a command of ours."""
    lines = _lines(hostile())

    assert len(lines) == 2 * len(HOSTILE) + 1
    assert all(line.startswith(("::error title=source", "::warning title=")) for line in lines)
