"""What authors of adapters test with: an adapter that reads from memory, and the contract every adapter must keep.

    class TestMine(AdapterContract):
        def make(self, records):
            return Mine.create(...)  # over a source that holds exactly these records

        def make_cut(self, records):
            return Mine.create(...)  # over the same source, broken off before its end

        def change(self, records):
            return Mine.create(...)  # over the source of the last `make`, which now holds these records

Free of any test framework: pytest and unittest both find the `test_` methods of a subclass.

Not for: tests of one system's own habits, its paging, errors and odd values; those belong beside each adapter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Annotated, Any, ClassVar, Final, TypeVar, cast

import msgspec

from syncd.adapter import MISSING, Adapter, Capabilities, Check, KeyReader, Page, SourceContext
from syncd.errors import SourceIncomplete

_Value = TypeVar("_Value")

Records = Sequence[Mapping[str, Any]]
"""Records as a test writes them. All have the same fields; values are texts, whole numbers or None."""


class MemorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a `MemoryAdapter`.

    Attributes:
        records: What the source holds. A field that is absent in a record is `MISSING` there.
        page_size: Records a page.
        cut_after: Break off after as many records, as a source does whose connection is lost; None never does.
        changed: When a record last changed, by its id; those without one never did. Counts from 1 up.
        gone: When a record went that is no longer among `records`, by its id.
    """

    records: list[dict[str, Any]] = []
    page_size: Annotated[int, msgspec.Meta(ge=1)] = 100
    cut_after: int | None = None
    changed: dict[str, int] = {}
    gone: dict[str, int] = {}


class MemoryAdapter:
    """A source that is a list of records. It keeps the same contract as the real ones."""

    Settings: ClassVar[type[Any]] = MemorySettings
    capabilities: ClassVar[Capabilities] = Capabilities(place="record", incremental=True, deletions=True)

    def __init__(self, settings: MemorySettings) -> None:
        """Args: settings, which hold the records."""
        self._settings = settings
        self._closed = False

    @classmethod
    def create(cls, settings: MemorySettings, context: SourceContext) -> MemoryAdapter:  # noqa: ARG003 - the port's shape
        """Make the adapter of one source."""
        return cls(settings)

    async def pull(self, since: str | None = None) -> AsyncIterator[Page]:
        """Yield every record, or those that changed; see `syncd.adapter.Adapter.pull`."""
        settings, size = self._settings, self._settings.page_size
        after = int(since or 0)
        now = max([after, *settings.changed.values(), *settings.gone.values()])
        columns = tuple(dict.fromkeys(name for record in settings.records for name in record))
        records = [one for one in settings.records if since is None or settings.changed.get(one["id"], 0) > after]
        end = len(records) if settings.cut_after is None else settings.cut_after
        for start in range(0, min(end, len(records)), size):
            if self._closed:
                break
            chosen = records[start : min(start + size, end)]
            rows = [[record.get(name, MISSING) for name in columns] for record in chosen]
            yield Page(columns, rows, first=start + 1, done=start + len(rows), total=len(records))
        if self._closed or settings.cut_after is not None:
            raise SourceIncomplete("the source broke off", "Run again.")
        gone = [] if since is None else [identity for identity, at in settings.gone.items() if at > after]
        yield Page(columns, [], done=len(records), total=len(records), gone=gone, watermark=str(now))

    async def examine(self) -> AsyncIterator[Check]:
        """Say that memory is there."""
        yield Check(name="source", outcome="ok", says=f"{len(self._settings.records):,} records in memory")

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


_FIELDS: Final = frozenset({"id", "name", "probability", "owner", "note"})
"""The fields of the records below."""


class AdapterContract:
    """What holds for every adapter. Subclass it and say how to make one.

    Attributes:
        names: The native name of each field of a record, where it has another; `id` is `Id` in many systems.
    """

    names: ClassVar[Mapping[str, str]] = {}

    def text(self, name: str, value: Any) -> str:  # noqa: ARG002 - for systems that type their fields
        """A value of a field as a file would hold it; a system that gives 40 as 40.0 says so here."""
        return _text(value)

    def make(self, records: Records) -> Adapter:
        """An adapter whose source holds exactly these records, in this order."""
        raise NotImplementedError

    def make_cut(self, records: Records) -> Adapter:
        """An adapter whose source promises these records and breaks off before the last."""
        raise NotImplementedError

    def change(self, records: Records) -> Adapter:
        """An adapter over the source of the last `make`, which came to hold these records since its pull.

        Records that are as they were must not count as changed, so those of `make` should be older than any overlap.
        Only asked for of adapters that are incremental.
        """
        raise NotImplementedError

    def test_yields_every_record_in_order(self) -> None:
        """Every record comes once, in the source's own order, its values under the names of its fields."""
        _same(_shown(_SAMPLE), self._pulled(self.make(_SAMPLE)))

    def test_yields_the_same_each_time(self) -> None:
        """Two pulls of an unchanged source yield the same records in the same order."""
        _same(self._pulled(self.make(_SAMPLE)), self._pulled(self.make(_SAMPLE)))

    def test_leaves_hostile_text_as_it_is(self) -> None:
        """Text that looks like a formula, markup, a query or a delimiter arrives unchanged."""
        records = [{"id": f"1-{number}", "name": text, "note": text} for number, text in enumerate(_TEXTS)]
        _same(_shown(records), self._pulled(self.make(records)))

    def test_an_empty_source_yields_no_rows(self) -> None:
        """A source without records ends normally and yields none."""
        _same([], self._pulled(self.make([])))

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

    def test_an_increment_yields_what_changed(self) -> None:
        """From a watermark on, a pull yields what changed or is new, and nothing else."""
        mark = self._first_mark()
        if mark is None:
            return
        changed = [dict(record, name=f"{record['name']}, changed") for record in _SAMPLE[3:5]]
        new = [dict(_SAMPLE[0], id="1-99", name="Deal 99")]
        later = self.change([*_SAMPLE[:3], *changed, *_SAMPLE[5:], *new])
        _same(_by_id(_shown([*changed, *new])), _by_id(self._pulled(later, mark)))

    def test_an_increment_of_nothing_is_empty(self) -> None:
        """Where nothing changed, nothing is yielded, and the watermark still serves."""
        mark = self._first_mark()
        if mark is None:
            return
        pages = _pages(self.change(_SAMPLE), mark)
        _same([], [row for page in pages for row in page.rows])
        again = _last_mark(pages) or mark
        _same([], self._pulled(self.change(_SAMPLE), again))

    def test_records_that_went_are_told(self) -> None:
        """A record that is gone is told by the next increment, or is missing among the keys."""
        mark = self._first_mark()
        if mark is None:
            return
        later, left = self.change(_SAMPLE[:-2]), {str(record["id"]) for record in _SAMPLE[:-2]}
        if later.capabilities.deletions:
            gone = {one for page in _pages(later, mark) for one in page.gone}
            _same({str(record["id"]) for record in _SAMPLE[-2:]}, gone)
        else:
            _same(left, _keys(later))

    def test_a_cut_pull_moves_no_watermark_past_what_it_gave(self) -> None:
        """Whoever goes on from the last watermark of a pull that broke off misses nothing."""
        adapter = self.make_cut(_SAMPLE)
        if not adapter.capabilities.incremental:
            return
        pages = _until_cut(adapter)
        given = {one["id"] for one in self._rows(pages)}
        mark = _last_mark(pages)
        if mark is not None:
            missed = {str(record["id"]) for record in _SAMPLE} - given
            _same(set(), missed - {one["id"] for one in self._pulled(self.change(_SAMPLE), mark)})

    def test_a_sound_source_passes_its_examination(self) -> None:
        """`syncd doctor` finds nothing to mend where nothing is wrong, and names each check once."""
        checks = _checks(self.make(_SAMPLE))
        _same(True, bool(checks))
        _same([], [check for check in checks if check.outcome == "failed"])
        _same(len(checks), len({check.name for check in checks}))

    def _pulled(self, adapter: Adapter, since: str | None = None) -> list[dict[str, str]]:
        return self._rows(_pages(adapter, since))

    def _rows(self, pages: Sequence[Page]) -> list[dict[str, str]]:
        """The rows of some pages under the names the records of this contract have; further columns are left out."""
        ours = {native: name for name, native in self.names.items()}
        return [
            {name: self.text(name, value) for column, value in zip(page.columns, row, strict=True)
             if (name := ours.get(column, column)) in _FIELDS}
            for page in pages
            for row in page.rows
        ]  # fmt: skip

    def _first_mark(self) -> str | None:
        """The watermark after a first pull; None for adapters that know none."""
        adapter = self.make(_SAMPLE)
        if not adapter.capabilities.incremental:
            return None
        mark = _last_mark(_pages(adapter))
        _same(True, mark is not None)
        return mark

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


def _by_id(records: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(records, key=lambda record: record["id"])


def _last_mark(pages: Sequence[Page]) -> str | None:
    return next((page.watermark for page in reversed(pages) if page.watermark is not None), None)


def _pages(adapter: Adapter, since: str | None = None) -> list[Page]:
    """Every page of a pull, with the adapter closed after it."""
    return _gathered(adapter, adapter.pull(since))


def _until_cut(adapter: Adapter) -> list[Page]:
    """The pages of a pull that breaks off."""

    async def until_cut() -> AsyncIterator[Page]:
        with suppress(SourceIncomplete):
            async for page in adapter.pull():
                yield page

    return _gathered(adapter, until_cut())


def _keys(adapter: Adapter) -> set[str]:
    return {key for keys in _gathered(adapter, cast("KeyReader", adapter).keys()) for key in keys}


def _checks(adapter: Adapter) -> list[Check]:
    return _gathered(adapter, adapter.examine())


def _gathered(adapter: Adapter, values: AsyncIterator[_Value]) -> list[_Value]:
    async def gather() -> list[_Value]:
        try:
            return [value async for value in values]
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
