"""The adapters that need no network keep the contract of the port."""

import csv
import json

import msgspec
import openpyxl
import pytest
from openpyxl.cell import WriteOnlyCell

from adapters.file import FileAdapter
from syncd.adapter import Adapter, SourceContext
from syncd.testing import AdapterContract, MemoryAdapter, MemorySettings


def _names(records):
    return list(records[0]) if records else ["id", "name"]


class TestMemory(AdapterContract):
    def make(self, records):
        self.records, self.now, self.changed, self.gone = [dict(record) for record in records], 0, {}, {}
        return MemoryAdapter(MemorySettings(records=self.records, page_size=7))

    def make_cut(self, records):
        return MemoryAdapter(MemorySettings(records=[dict(record) for record in records], cut_after=len(records) - 1))

    def change(self, records):
        before = {record["id"]: record for record in self.records}
        self.now += 1
        ids = {record["id"] for record in records}
        self.changed |= {one["id"]: self.now for one in records if before.get(one["id"]) != one}
        self.gone |= {identity: self.now for identity in before if identity not in ids}
        self.records = [dict(record) for record in records]
        return MemoryAdapter(MemorySettings(records=self.records, changed=self.changed, gone=self.gone))

    def test_is_an_adapter(self):
        """The memory adapter has the shape of the port."""
        assert isinstance(MemoryAdapter(MemorySettings()), Adapter)


class _FileContract(AdapterContract):
    ending: str

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def write(self, path, records):
        raise NotImplementedError

    def adapter(self, **settings):
        values = msgspec.convert({"path": f"deals{self.ending}", **settings}, FileAdapter.Settings)
        return FileAdapter.create(values, SourceContext(name="test", folder=self.folder))

    def make(self, records):
        self.write(self.folder / f"deals{self.ending}", records)
        return self.adapter()

    def make_cut(self, records):
        self.write(self.folder / f"deals{self.ending}", records[:-1])
        return self.adapter(expect_rows=len(records))

    def test_is_an_adapter(self):
        """The file adapter has the shape of the port."""
        assert isinstance(self.adapter(), Adapter)


class TestCsv(_FileContract):
    ending = ".csv"

    def write(self, path, records):
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _names(records))
            writer.writeheader()
            writer.writerows(records)


class TestJsonLines(_FileContract):
    ending = ".jsonl"

    def write(self, path, records):
        lines = [json.dumps(record) + "\n" for record in records]
        path.write_text("".join(lines) or "\n", encoding="utf-8")  # a file without any byte would be a cut one


class TestJson(_FileContract):
    ending = ".json"

    def write(self, path, records):
        path.write_text(json.dumps(list(records), ensure_ascii=False), encoding="utf-8")

    def make_cut(self, records):
        path = self.folder / "deals.json"
        self.write(path, records)
        path.write_bytes(path.read_bytes()[:-20])
        return self.adapter()


class TestXlsx(_FileContract):
    ending = ".xlsx"

    def write(self, path, records):
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet()
        sheet.append(_names(records))
        for record in records:
            sheet.append([_cell(sheet, value) for value in record.values()])
        book.save(path)


def _cell(sheet, value):
    cell = WriteOnlyCell(sheet, value)
    if isinstance(value, str):
        cell.data_type = "s"  # openpyxl would write a formula for text that starts with "="
    return cell
