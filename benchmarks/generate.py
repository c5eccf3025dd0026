"""Writes a pipeline of any size as a canonical CSV file, the same one for the same seed, row by row.

Most records are clean: their evidence is complete up to the recorded stage, with a day in most outcomes. More than a
quarter carry flaws a pipeline really has. `truth.py` says which rules those break.

    python benchmarks/generate.py --rows 100000 --seed 7 > pipeline.csv

Not for: measuring anything.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date, timedelta
from pathlib import Path
from typing import Final, TextIO

from columns import AT, CHECKPOINTS, COLUMNS, OUTCOMES, STAGES
from flaws import spoil
from truth import Truth, fired

AS_OF: Final = date(2026, 1, 15)
"""The day the generated records are meant to be judged by."""

FLAWED: Final = 0.34
"""The share of the records not lost that get a flaw; some flaws break no rule, such as a stage moved a day late."""

_PAST_DAYS: Final = 1200
_STAGE_WEIGHTS: Final = (8, 18, 18, 15, 12, 10, 7, 7, 5)
_STAGE_OF: Final = tuple(index for index, weight in enumerate(_STAGE_WEIGHTS) for _ in range(weight))
_CURRENCIES: Final = ("USD",) * 6 + ("EUR",) * 3 + ("GBP",)
_TERRITORIES: Final = ("EMEA North", "EMEA South", "DACH", "Nordics", "US East", "US West", "LATAM", "Japan", "ANZ")
_FIRST: Final = ("Anna", "Bjørn", "Chloé", "Dmitri", "Ewa", "Fatima", "Gábor", "Hiro", "Inês", "Jürgen", "Kemal")
_LAST: Final = ("Keller", "O'Brien", "Nguyễn", "García", "Smith", "Øster", "Çelik", "de Vries", "Müller", "Sato")
_OWNERS: Final = tuple(f"{first} {last}" for first in _FIRST for last in _LAST)
_COMPANIES: Final = (
    "Contoso", "Fabrikam", "Northwind Traders", "Müller, Schmidt & Söhne", 'The "Blue" Yonder Co.', "日本テレコム",
    "A. Datum, Inc.", "Adventure Works", "Tailspin Toys", "Woodgrove Bank", "Société Générale d'Énergie", "Łódź",
    'Trey "TR" Research, LLC', "Litware", "Proseware", "Ærø Shipping A/S", "Humongous Insurance", "Alpine Ski House",
)  # fmt: skip
_SUBJECTS: Final = (
    "CRM roll-out", "data centre refresh", "licence renewal, 3 years", 'pilot "Phoenix"', "migration", "ERP add-on",
    "security review", "call-centre modernisation", "analytics, phase 2", "Büro-Ausstattung", "retail POS", "intranet",
)  # fmt: skip
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def rows(count: int, seed: int, as_of: date = AS_OF) -> Iterator[list[str]]:
    """Yield `count` rows, one cell for each of `columns.COLUMNS`.

    Ids rise as a CRM's row ids do. That is the cheapest order for an index, so it flatters the floor, not syncd.
    """
    source = random.Random(seed)
    past = tuple((as_of - timedelta(days=days)).isoformat() for days in range(_PAST_DAYS))
    ahead = tuple((as_of + timedelta(days=days)).isoformat() for days in range(400))
    for number in range(count):
        yield _row(source, number, past, ahead)


def write(stream: TextIO, count: int, seed: int, as_of: date = AS_OF) -> Truth:
    """Write header and rows; return what a correct run over them must find."""
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    truth, today = Truth(), as_of.isoformat()
    for cells in rows(count, seed, as_of):
        writer.writerow(cells)
        truth.add(cells[0], fired(cells, today))
    return truth


def _row(source: random.Random, number: int, past: tuple[str, ...], ahead: tuple[str, ...]) -> list[str]:
    chance = source.random
    stage = _STAGE_OF[int(chance() * 100)]
    status = _status(stage, chance())
    days = _timeline(source, stage)
    cells = [""] * len(COLUMNS)
    _describe(source, cells, number, stage)
    cells[AT["status"]] = status or ("open" if chance() < 0.7 else "")
    cells[AT["created_at"]] = f"{past[days[0] + 20]}T09:{number % 60:02d}:00Z"
    cells[AT["updated_at"]] = f"{past[int(chance() * 30)]}T16:{number % 60:02d}:30Z"
    cells[AT["stage_entered_at"]] = past[days[max(stage - 1, 0)]]
    cells[AT["close_date"]] = ahead[1 + int(chance() * 300)] if not status else past[days[min(stage, 6)]]
    _prove(source, cells, stage, [past[day] for day in days])
    if stage >= 5 and cells[AT["proof.proposal_issued"]] not in ("", "no"):
        cells[AT["decision_due"]] = ahead[5 + int(chance() * 80)] if stage == 5 else past[days[5]]
    if stage == 8 and chance() < 0.4:
        cells[AT["closed"]] = "yes"
        cells[AT["support.supportability_review"]] = past[int(chance() * 14)]
    if status != "lost" and chance() < FLAWED:
        spoil(source, cells, stage, past, ahead)
    return cells


def _status(stage: int, chance: float) -> str:
    """Won or lost for a fifth of the records; empty for an open one. A few stand where their status does not belong."""
    if stage >= 7:
        return "won" if chance < 0.65 else "lost" if chance > 0.99 else ""
    if chance < 0.11:
        return "lost"
    return "won" if stage == 6 and chance > 0.985 else ""


def _timeline(source: random.Random, stage: int) -> list[int]:
    """How many days ago each column was completed; the recorded stage comes last, and is where a late outcome falls."""
    chance = source.random
    day = 16 + int(chance() * 45)
    days = [day]
    for _ in range(stage):
        day += 5 + int(chance() * 35)
        days.append(day)
    days.reverse()
    return days


def _describe(source: random.Random, cells: list[str], number: int, stage: int) -> None:
    chance = source.random
    company = _COMPANIES[int(chance() * len(_COMPANIES))]
    identity, rest = "", number + 36**4
    while rest:
        rest, digit = divmod(rest, 36)
        identity = _DIGITS[digit] + identity
    label, name, figure = STAGES[stage]
    style = chance()
    cells[AT["id"]] = f"1-{identity}"
    cells[AT["name"]] = f"{company}: {_SUBJECTS[int(chance() * len(_SUBJECTS))]}"
    cells[AT["account"]] = company
    cells[AT["owner"]] = _OWNERS[int(chance() * len(_OWNERS))]
    cells[AT["territory"]] = _TERRITORIES[int(chance() * len(_TERRITORIES))]
    cells[AT["stage"]] = name if style < 0.6 else label if style < 0.95 else name.upper()
    cells[AT["probability"]] = f"{figure}%" if figure and style > 0.98 else figure
    cells[AT["amount"]] = f"{10 ** (3.2 + 2.6 * chance()):.2f}"
    cells[AT["currency"]] = _CURRENCIES[int(chance() * len(_CURRENCIES))]


def _prove(source: random.Random, cells: list[str], stage: int, days: list[str]) -> None:
    """Fill in the evidence a clean record of this stage has: all of the columns before, some of its own."""
    chance = source.random
    cells[AT["source_type"]] = "MQP" if chance() < 0.5 else "SQP"
    for column in range(stage):
        day = days[column]
        style = chance()
        for name in OUTCOMES[column]:
            cells[AT[name]] = day if style < 0.9 else "yes"
        for name in CHECKPOINTS[column]:
            cells[AT[name]] = "yes" if style < 0.8 else day if style < 0.92 else ""
    _vary(source, cells, stage)
    for name in CHECKPOINTS[stage]:
        style = chance()
        cells[AT[name]] = "yes" if style < 0.4 else "no" if style < 0.6 else ""
    style = chance()
    for name in OUTCOMES[stage]:
        cells[AT[name]] = "no" if style < 0.4 else ""


def _vary(source: random.Random, cells: list[str], stage: int) -> None:
    """Use the chart's alternatives: either fact of a pair, and the source type in place of a qualified prospect."""
    style = source.random()
    if stage > 0 and style < 0.5:
        cells[AT["demand_generation.qualified_prospect"]] = ""
    elif style > 0.9:
        cells[AT["source_type"]] = ""
    if stage > 2 and style < 0.3:
        cells[AT["qualify.assessment_completed"]] = ""
    elif stage > 2 and style > 0.6:
        cells[AT["qualify.sponsor_letter_agreed"]] = "no"
    if stage > 2 and 0.2 < style < 0.8:
        cells[AT["qualify.sponsor_pain" if style < 0.5 else "qualify.compelling_event"]] = "no"
    if stage > 3 and 0.1 < style < 0.7:
        cells[AT["develop.partner_selected" if style < 0.4 else "develop.services_selected"]] = "no"


def main() -> None:
    """Write a pipeline to standard output or a file, and its truth beside it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--as-of", type=date.fromisoformat, default=AS_OF)
    parser.add_argument("-o", "--output", type=Path, help="the CSV file; standard output where absent")
    parser.add_argument("--truth", type=Path, help="where to write what a correct run must find, as JSON")
    given = parser.parse_args()
    sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
    place = given.output.open("w", encoding="utf-8", newline="") if given.output else nullcontext(sys.stdout)
    with place as stream:
        truth = write(stream, given.rows, given.seed, given.as_of)
    if given.truth:
        truth.save(given.truth)


if __name__ == "__main__":
    main()
