"""What is asked for and how the answer is taken apart, both made from the fields the mapping uses.

Terminology
    column      a native name of the mapping: a property (`name`, `_ownerid_value`), an annotation of one
                (`statecode@OData.Community.Display.V1.FormattedValue`), the version (`@odata.etag`), a field of the
                flow (`process.stage`) or of the currency (`transactioncurrencyid/isocurrencycode`)
    property    what `$select` takes
    tail        columns that come from other requests: flow, currency and child rows

Not for: asking (`adapters.dynamics365.chain`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import UNSET

from syncd.adapter import MISSING
from syncd.errors import ConfigError, Problem
from syncd.httpkit import Body

ETAG: Final = "@odata.etag"
FORMATTED: Final = "OData.Community.Display.V1.FormattedValue"
"""The annotation with a value as people see it: the label of a choice, the name of a lookup's row."""
CURRENCY: Final = "transactioncurrencyid/isocurrencycode"
CURRENCY_LOOKUP: Final = "_transactioncurrencyid_value"
PROCESS: Final = "process."
_REST: Final = "@odata.nextLink"
"""After the name of an expanded collection: the link to what is left of it."""

_PROPERTY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


class Envelope(msgspec.Struct):
    """One page.

    Attributes:
        value: Its rows.
        next: The link to the next page.
        delta: The link to what changes from now on.
        count: How many rows the query has in all.
        more: What the service says of further pages where it says it without a link.
    """

    value: list[Any]
    next: str | None = msgspec.field(default=None, name="@odata.nextLink")
    delta: str | None = msgspec.field(default=None, name="@odata.deltaLink")
    count: int | None = msgspec.field(default=None, name="@odata.count")
    more: bool = msgspec.field(default=False, name="@Microsoft.Dynamics.CRM.morerecords")


Decode = Callable[[Body], Any]


class Shape:
    """The columns of one query.

    Attributes:
        columns: Those that come with the rows themselves, in the order of their values.
        wide: The same and the tail.
        properties: What `$select` takes, sorted.
        annotations: What `Prefer: odata.include-annotations` takes.
        decode: Takes a page apart; its rows then are for `values`, `removed` and `extra`.
    """

    def __init__(
        self,
        columns: Collection[str],
        *,
        key: str,
        extra: Collection[str] = (),
        expanded: Collection[str] = (),
        tail: Collection[str] = (),
    ) -> None:
        """Prepare.

        Args:
            columns: Native names, of rows alone.
            key: The property with the id.
            extra: Further properties that are needed and not yielded.
            expanded: Collections that come inside the rows, as columns of their own.
            tail: Columns that others add.

        Raises:
            ConfigError: A name is none a service can have.
        """
        if wrong := sorted(name for name in columns if not _is_column(name)):
            raise ConfigError(
                Problem(message=f"mapping: {', '.join(wrong)}: no column of an OData table has such a name")
            )
        own = sorted({*columns, key}, key=lambda name: (name != key, name))
        self.columns: tuple[str, ...] = (*own, *expanded)
        self.wide: tuple[str, ...] = (*self.columns, *tail)
        named = {name.partition("@")[0] for name in own} | {key, *extra}
        self.properties = sorted(named - {""})
        self.annotations = sorted({name.partition("@")[2] for name in self.columns if "@" in name[1:]})
        self._key = key
        self._expanded = [*expanded]
        rest = [f"{name}{_REST}" for name in expanded]
        hidden = [
            one for one in (key, ETAG, *extra, "@odata.context", "@removed", "id", *rest) if one not in self.columns
        ]
        wire = [*self.columns, *dict.fromkeys(hidden)]
        self._place = {name: place for place, name in enumerate(wire)}
        fields: list[tuple[str, Any, Any]] = [(f"f{place}", Any, UNSET) for place in range(len(wire))]
        names = {f"f{place}": name for place, name in enumerate(wire)}
        row = msgspec.defstruct("Row", fields, rename=names)
        page = msgspec.defstruct("Page", [("value", list[row])], bases=(Envelope,))  # type: ignore[valid-type]
        # The digits of money are kept; a float would round those beyond the fifteenth.
        self.decode: Decode = msgspec.json.Decoder(page, float_hook=Decimal).decode

    def rows(self, page: Any) -> list[tuple[Any, ...]]:
        """The rows of a decoded page, to be looked into with `get`."""
        return [*map(msgspec.structs.astuple, page.value)]

    def get(self, row: Sequence[Any], name: str) -> Any:
        """What a row holds under a name; None where it does not have it."""
        value = row[self._place[name]]
        return None if value is UNSET else value

    def values(self, row: Sequence[Any]) -> list[Any]:
        """The values of a row, column by column."""
        values = [*row[: len(self.columns)]]
        for name in self._expanded:
            # A collection that was cut to a page shows too little to judge by.
            if self.get(row, f"{name}{_REST}") is not None:
                values[self._place[name]] = MISSING
        if UNSET in values:
            return [MISSING if value is UNSET else value for value in values]
        return values

    def id(self, row: Sequence[Any]) -> str | None:
        """The id of a row as a text; None where it has none."""
        value = self.get(row, self._key)
        return None if value is None else str(value)

    def gone(self, row: Sequence[Any]) -> str | None:
        """The id of a deletion in a delta feed; None where the row is a record.

        Only the context tells them apart; ordinary rows may have one too, and a table may have a column `reason`.
        https://learn.microsoft.com/power-apps/developer/data-platform/use-change-tracking-synchronize-data-external-systems
        """
        context = self.get(row, "@odata.context")
        if not (isinstance(context, str) and context.endswith("/$deletedEntity")) and not self.get(row, "@removed"):
            return None
        given = str(self.get(row, "id") or self.get(row, self._key) or "")
        return _key_of(given)


class OpenShape(Shape):
    """Every column there is, for a source of which no field is named; those of the first page that has rows."""

    def __init__(self, *, key: str, tail: Collection[str] = ()) -> None:
        """Args: key, the property with the id; tail, the columns that others add."""
        super().__init__((), key=key, tail=tail)
        self.properties = []
        self.annotations = [FORMATTED]
        self.decode = msgspec.json.Decoder(_OpenEnvelope, float_hook=Decimal).decode

    def rows(self, page: Any) -> list[Any]:
        """The rows of a decoded page."""
        if len(self.columns) == 1:
            names = {name for row in page.value for name in row if not name.startswith("@") or name == ETAG}
            tail = self.wide[1:]
            self.columns = (self._key, *sorted(names - {self._key}))
            self.wide = self.columns + tail
        rows: list[Any] = page.value
        return rows

    def get(self, row: Any, name: str) -> Any:
        """What a row holds under a name."""
        return row.get(name)

    def values(self, row: Any) -> list[Any]:
        """The values of a row, column by column."""
        return [row.get(name, MISSING) for name in self.columns]


class _OpenEnvelope(Envelope):
    value: list[dict[str, Any]]


def _is_column(name: str) -> bool:
    if name == ETAG:
        return True
    return all(_PROPERTY.fullmatch(part) for part in name.split("@", 1))


def _key_of(given: str) -> str:
    """The key in an entity id: Dataverse gives the key alone, the standard a URL such as `Deals('4')`."""
    if given.endswith(")") and "(" in given:
        inner = given[given.rindex("(") + 1 : -1]
        return inner[1:-1].replace("''", "'") if inner[:1] == "'" else inner
    return given
