"""What all of these tests need."""

import pytest

from tests.adapters.dynamics365.desk import BEARER


@pytest.fixture(autouse=True)
def _secret(monkeypatch):
    monkeypatch.setenv("SYNCD_REHEARSAL_DYNAMICS365", BEARER)
