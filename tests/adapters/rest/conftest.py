"""The token of the double, where the configuration looks for it."""

import pytest

from adapters.rest.double import TOKEN


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("REHEARSAL_REST_TOKEN", TOKEN)
