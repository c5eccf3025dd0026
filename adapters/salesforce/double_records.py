"""The double's records: the stages of its setup, the flags that follow from them, and the JSON of a query.

Not for: which records a query finds (`double_tables`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

STAGES: Final = (
    ("Demand Generation", 0, "Omitted"), ("Prospect", 0, "Pipeline"), ("Qualify", 10, "Pipeline"),
    ("Develop", 20, "Pipeline"), ("Solution", 40, "Best Case"), ("Proof", 60, "Best Case"), ("Close", 80, "Commit"),
    ("Deploy", 100, "Closed"), ("Support", 100, "Closed"), ("Closed Won", 100, "Closed"), ("Closed Lost", 0, "Omitted"),
)  # fmt: skip
"""Label, probability and category. The last four close the deal, all but the last win it."""

DERIVED: Final = ("Status", "InForecast")
"""What the adapter makes of flags; a record that is loaded may say it."""


def flags(said: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The flags of a record, by what was said of it or else by its stage."""
    label, won = row.get("StageName"), said.get("Status")
    stage = next((one for one in STAGES if one[0] == label), None)
    told: dict[str, Any] = {
        "IsClosed": stage is not None and stage in STAGES[-4:],
        "IsWon": stage is not None and stage in STAGES[-4:-1],
    }
    if won:
        told = {"IsClosed": won.casefold() != "open", "IsWon": won.casefold() == "won"}
    if "Probability" not in said and "StageName" in said and stage is not None:
        told["Probability"] = float(stage[1])
    forecast = said.get("InForecast")
    category = stage[2] if stage else "Pipeline"
    if forecast:
        category = (
            "Omitted" if forecast.casefold() in ("no", "false") else "Pipeline" if category == "Omitted" else category
        )
    return {**told, "ForecastCategoryName": category, "ForecastCategory": category.replace(" ", "")}


class Projection:
    """Rows as the JSON of a query shows them: fields of related objects inside an object of their own."""

    def __init__(self, table: str, fields: Sequence[str]) -> None:
        self._table = table
        self._own = [name for name in fields if "." not in name]
        self._related: dict[str, list[tuple[str, str]]] = {}
        for name in fields:
            if "." in name:
                relation, _, last = name.partition(".")
                self._related.setdefault(relation, []).append((name, last))

    def of(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The records."""
        return [self._record(row) for row in rows]

    def _record(self, row: Mapping[str, Any]) -> dict[str, Any]:
        url = f"/services/data/v66.0/sobjects/{self._table}/{row['Id']}"
        record: dict[str, Any] = {"attributes": {"type": self._table, "url": url}}
        for name in self._own:
            value = row.get(name)
            record[name] = rest_time(value) if value.__class__ is str and value.endswith(".000Z") else value
        for relation, names in self._related.items():
            values = {last: row.get(name) for name, last in names}
            there = any(value is not None for value in values.values())
            record[relation] = {"attributes": {"type": relation}, **values} if there else None
        return record


def rest_time(text: str) -> str:
    """A time as REST writes it."""
    return text[:-1] + "+0000" if text.endswith("Z") else text
