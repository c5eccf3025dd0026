"""The account of each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.hubspot.accounts import Account, opened


@pytest.fixture
def account(monkeypatch) -> Iterator[Account]:
    """An account whose double is served when its first adapter is made."""
    with opened(monkeypatch) as made:
        yield made
