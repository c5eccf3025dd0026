import gc
import io
import subprocess
import sys
import tracemalloc

import pytest

from syncd.report import FORMATS, PLAN_FORMATS
from tests.report.samples import discrepancy, many, plan, report

STREAMED = ("json", "csv", "sarif", "junit", "github", "text", "html", "md")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_writes_to_its_kind_of_stream(name):
    """Each format of the table writes a report to a stream of the kind the table says."""
    out = io.BytesIO() if FORMATS[name].binary else io.StringIO()
    FORMATS[name].write(many(), out)

    assert out.getvalue()


@pytest.mark.parametrize("name", PLAN_FORMATS)
def test_every_plan_format_writes_to_its_kind_of_stream(name):
    """Each format of a plan likewise."""
    out = io.BytesIO() if PLAN_FORMATS[name].binary else io.StringIO()
    PLAN_FORMATS[name].write(plan(), out)

    assert out.getvalue()


def test_asking_for_the_table_loads_no_format():
    """The table of formats costs no import of what writes workbooks."""
    code = "import sys, syncd.report; sys.exit('openpyxl' in sys.modules or 'rich' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class _Nowhere(io.RawIOBase):
    def writable(self):
        return True

    def write(self, data):
        return len(data)


def _peak(name, number):
    found = report()
    stream = lambda: (discrepancy(number=str(one), amount=str(one)) for one in range(number))  # noqa: E731
    given = type(found)(
        summary=found.summary, discrepancies=stream, fixed=found.fixed, rejected=found.rejected, rules=found.rules
    )
    raw = _Nowhere()
    out = raw if FORMATS[name].binary else io.TextIOWrapper(raw, encoding="utf-8")
    # What is garbage already must not count, whenever the collector would have come round to it.
    thresholds = gc.get_threshold()
    gc.collect()
    gc.set_threshold(50)
    tracemalloc.start()
    try:
        FORMATS[name].write(given, out)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.set_threshold(*thresholds)


@pytest.mark.parametrize("name", STREAMED)
def test_memory_does_not_grow_with_the_pipeline(name):
    """Twice the discrepancies take no more memory to write."""
    number = 6_000 if name == "html" else 2_000
    _peak(name, number)  # what is loaded or remembered once does not count

    assert _peak(name, 2 * number) < 1.25 * _peak(name, number) + 20_000
