"""What authors of adapters test with: an adapter that reads from memory, and the contract every adapter must keep.

    class TestMine(AdapterContract):
        def make(self, records):
            return Mine.create(...)  # over a source that holds exactly these records

        def make_cut(self, records):
            return Mine.create(...)  # over the same source, broken off before its end

Free of any test framework: pytest and unittest both find the `test_` methods of a subclass.

Not for: tests of one system's own habits, its paging, errors and odd values; those belong beside each adapter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any, ClassVar, Final, cast

import msgspec

from syncd.adapter import MISSING, Adapter, Capabilities, Page, SourceContext
from syncd.errors import SourceIncomplete

Records = Sequence[Mapping[str, Any]]
"""Records as a test writes them. All have the same fields; values are texts, whole numbers or None."""


class MemorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a `MemoryAdapter`.

    Attributes:
        records: What the source holds. A field that is absent in a record is `MISSING` there.
        page_size: Records a page.
        cut_after: Break off after as many records, as a source does whose connection is lost; None never does.
    """

    records: list[dict[str, Any]] = []
    page_size: Annotated[int, msgspec.Meta(ge=1)] = 100
    cut_after: int | None = None


class MemoryAdapter:
    """A source that is a list of records. It keeps the same contract as the real ones."""

    Settings: ClassVar[type[Any]] = MemorySettings
    capabilities: ClassVar[Capabilities] = Capabilities(place="record")

    def __init__(self, settings: MemorySettings) -> None:
        """Args: settings, which hold the records."""
        self._settings = settings
        self._closed = False

    @classmethod
    def create(cls, settings: MemorySettings, context: SourceContext) -> MemoryAdapter:  # noqa: ARG003 - the port's shape
        """Make the adapter of one source."""
        return cls(settings)

    async def pull(self, since: str | None = None) -> AsyncIterator[Page]:  # noqa: ARG002 - memory knows no watermark
        """Yield every record; see `syncd.adapter.Adapter.pull`."""
        records, size = self._settings.records, self._settings.page_size
        end = len(records) if self._settings.cut_after is None else self._settings.cut_after
        columns = tuple(dict.fromkeys(name for record in records for name in record))
        for start in range(0, min(end, len(records)), size):
            if self._closed:
                break
            chosen = records[start : min(start + size, end)]
            rows = [[record.get(name, MISSING) for name in columns] for record in chosen]
            yield Page(columns, rows, first=start + 1, done=start + len(rows), total=len(records))
        if self._closed or self._settings.cut_after is not None:
            raise SourceIncomplete("the source broke off", "Run again.")

    async def close(self) -> None:
        """Nothing to let go of; a pull under way ends as incomplete."""
        self._closed = True


_TEXTS: Final = (
    "=cmd|'/c calc'!A1",
    "<script>alert(1)</script>",
    "'; DROP TABLE opportunities; --",
    '"quoted", with a comma',
    "semi;colon\ttab|bar",
    "two\nlines",
    "  spaces around  ",
    "Ünïcödé Ελλάδα 日本 \U0001f600 \u202eright to left",
    "line\u2028separator and\u0085next line",
    "{curly} [square] \\ back\\nslash %s ${var}",
    "007",
    "1e5",
    "-",
)
"""Values as a CRM's users leave them, some of them with intent."""

_SAMPLE: Final[Records] = [
    {"id": f"1-{number}", "name": f"Deal {number}", "probability": 40, "owner": None} for number in range(1, 26)
]


class AdapterContract:
    """What holds for every adapter. Subclass it and say how to make one."""

    def make(self, records: Records) -> Adapter:
        """An adapter whose source holds exactly these records, in this order."""
        raise NotImplementedError

    def make_cut(self, records: Records) -> Adapter:
        """An adapter whose source promises these records and breaks off before the last."""
        raise NotImplementedError

    def test_yields_every_record_in_order(self) -> None:
        """Every record comes once, in the source's own order, its values under the names of its fields."""
        _same(_shown(_SAMPLE), _pulled(self.make(_SAMPLE)))

    def test_yields_the_same_each_time(self) -> None:
        """Two pulls of an unchanged source yield the same records in the same order."""
        _same(_pulled(self.make(_SAMPLE)), _pulled(self.make(_SAMPLE)))

    def test_leaves_hostile_text_as_it_is(self) -> None:
        """Text that looks like a formula, markup, a query or a delimiter arrives unchanged."""
        records = [{"id": f"1-{number}", "name": text, "note": text} for number, text in enumerate(_TEXTS)]
        _same(_shown(records), _pulled(self.make(records)))

    def test_an_empty_source_yields_no_rows(self) -> None:
        """A source without records ends normally and yields none."""
        _same([], _pulled(self.make([])))

    def test_rows_are_as_long_as_their_columns(self) -> None:
        """Every row has one value for each column of its page, and column names are texts that differ."""
        for page in _pages(self.make(_SAMPLE)):
            _same(len(page.columns), len(set(page.columns)))
            _same({len(page.columns)}, {len(row) for row in page.rows} or {len(page.columns)})
            _same({str}, {type(name) for name in page.columns} or {str})

    def test_pages_share_their_columns(self) -> None:
        """While the columns stay the same they are the same object, so that the mapping is compiled once."""
        many = [dict(record, id=f"{copy}-{record['id']}") for copy in range(80) for record in _SAMPLE]
        pages = [page for page in _pages(self.make(many)) if page.rows]
        _same(1, len({id(page.columns) for page in pages}))

    def test_places_fit_the_rows(self) -> None:
        """Places are given for all rows of a page or for none, and rise."""
        for page in _pages(self.make(_SAMPLE)):
            _same(True, len(page.places) in {0, len(page.rows)})
            _same(sorted(set(page.places)), list(page.places))

    def test_a_source_that_breaks_off_is_incomplete(self) -> None:
        """A pull ends normally only when the source was read whole."""
        try:
            _pages(self.make_cut(_SAMPLE))
        except SourceIncomplete as exc:
            _same(True, bool(exc.reason))
        else:
            raise AssertionError("the pull of a source that breaks off ended normally")

    def test_a_pull_can_be_left_early(self) -> None:
        """Leaving a pull after its first page lets go of everything, and closing afterwards is safe."""
        asyncio.run(_leave_early(self.make(_SAMPLE)))

    def test_closing_twice_is_safe(self) -> None:
        """An adapter may be closed before it was used, and twice."""
        asyncio.run(_close_twice(self.make(_SAMPLE)))

    def test_making_one_opens_nothing(self) -> None:
        """An adapter declares its settings and capabilities on its class, before anything is opened."""
        adapter = self.make(_SAMPLE)
        _same(True, isinstance(adapter.capabilities, Capabilities))
        _same(True, issubclass(adapter.Settings, msgspec.Struct))
        _same(True, adapter.Settings.__struct_config__.forbid_unknown_fields)


def _same(expected: object, actual: object) -> None:
    if expected != actual:
        raise AssertionError(f"expected {expected!r}, got {actual!r}")


def _text(value: Any) -> str:
    """The value as formats without types would hold it: an empty, a null and an absent one are the same there."""
    return "" if value is None or value is MISSING else str(value)


def _shown(records: Records) -> list[dict[str, str]]:
    return [{name: _text(value) for name, value in record.items()} for record in records]


def _pulled(adapter: Adapter) -> list[dict[str, str]]:
    return _shown([dict(zip(page.columns, row, strict=True)) for page in _pages(adapter) for row in page.rows])


def _pages(adapter: Adapter) -> list[Page]:
    """Every page of a pull, with the adapter closed after it."""

    async def gather() -> list[Page]:
        try:
            return [page async for page in adapter.pull()]
        finally:
            await adapter.close()

    return asyncio.run(gather())


async def _leave_early(adapter: Adapter) -> None:
    # Every adapter's pull is an async generator; the port only promises the iterator, which cannot be left in order.
    async with aclosing(cast("AsyncGenerator[Page, None]", adapter.pull())) as pages:
        async for _ in pages:
            break
    await adapter.close()


async def _close_twice(adapter: Adapter) -> None:
    await adapter.close()
    await adapter.close()
