"""The adapter keeps the contract that syncd ships for authors of adapters."""

import json

import pytest
from syncd_ledger import LedgerAdapter, LedgerSettings

from syncd.adapter import SourceContext
from syncd.testing import AdapterContract


class TestLedger(AdapterContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def write(self, records, promised):
        paragraphs = ["".join(f"{name}: {json.dumps(value)}\n" for name, value in one.items()) for one in records]
        text = "\n".join([*paragraphs, f"end: {promised}\n"])
        (self.folder / "deals.ledger").write_text(text, encoding="utf-8")

    def make(self, records):
        self.write(records, len(records))
        return LedgerAdapter.create(LedgerSettings(path="deals.ledger"), SourceContext(name="mine", folder=self.folder))

    def make_cut(self, records):
        adapter = self.make(records)
        self.write(records[:-1], len(records))
        return adapter
