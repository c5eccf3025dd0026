"""What the tests of the Salesforce adapter share."""

import ssl

import pytest

from syncd.httpkit import HttpClient

TRUST = ssl.create_default_context()


@pytest.fixture(autouse=True)
def _one_trust(monkeypatch):
    """Reading the certificates of the system takes longer than most tests, and these need none."""
    monkeypatch.setattr(HttpClient, "_trust", lambda _: TRUST)
