"""The life of each discrepancy: opened by one run, closed by another, opened again when it comes back.

Each stretch is one row that is never changed back, so that "who was in breach when" can be answered for any past day.
Whether a discrepancy is new, unchanged, reopened or fixed follows from the runs that opened and closed it.

Not for: finding discrepancies (`syncd.judge`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, func, or_, select, update

from syncd.model import Discrepancy, Finding, State, Subject
from syncd.store.bulk import among, insert_rows, list_value
from syncd.store.schema import KEY_BITS, discrepancy, discrepancy_past, run, snapshot

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Discrepancy).decode
_CHUNK: Final = 1_000
_REMEMBERED: Final = 5_000
"""Findings whose JSON is remembered at most."""


class Undecided(Protocol):
    """What the judge says of one record, as far as the ledger asks: a `Verdict` is one."""

    @property
    def unknown(self) -> frozenset[str]:
        """Rules that were due and could not be decided."""
        ...


class Judged(NamedTuple):
    """What the judge found for one record.

    Attributes:
        subject: Whom the findings are about; None where there are none.
        findings: One a rule broken.
        verdict: Asked only when a discrepancy is gone, whether its rule could still be decided.
        lost: The record is lost, so that nearly no rule judges it.
    """

    key: int
    subject: Subject | None
    findings: Sequence[Finding]
    verdict: Undecided
    lost: bool = False


class _Bodies:
    """Puts the bodies of discrepancies together. Many records share a finding, so its JSON is made once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Finding, str]] = {}

    def of(self, subject: Subject | None, findings: Sequence[Finding]) -> Iterator[tuple[str, str]]:
        """The rule and the body of each finding, as the JSON object of a `DiscrepancyBody`."""
        head = _encode(subject).decode()[:-1]
        for finding in findings:
            known = self._known.get(id(finding)) or self._learn(finding)
            yield finding.rule, f"{head},{known[1]}"

    def _learn(self, finding: Finding) -> tuple[Finding, str]:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        # It is known by its place in memory, which is its own for as long as it is held here.
        self._known[id(finding)] = learnt = (finding, _encode(finding).decode()[1:])
        return learnt


class DiscrepancyLedger:
    """Writes the discrepancies of one source and one run.

    Attributes:
        states: How many are new, reopened and fixed.
        written: Anything was changed.
        remembers: There are earlier discrepancies, so that records without one matter too; `merge` then wants all.
    """

    def __init__(
        self, connection: Connection, *, source_id: int, seq: int, last_judged: int | None, rules: Sequence[str]
    ) -> None:
        """Args: rules, those this run judges; the life of all others stands still."""
        self._connection = connection
        self._seq = seq
        self._last = last_judged
        self._rules = frozenset(rules)
        self._low = source_id << KEY_BITS
        self._high = (source_id + 1) << KEY_BITS
        self._bodies = _Bodies()
        self.states: dict[State, int] = {"new": 0, "reopened": 0, "fixed": 0}
        own = and_(discrepancy.c.key >= self._low, discrepancy.c.key < self._high)
        self._of_keys = select(discrepancy).where(among(connection, discrepancy.c.key, "keys"))
        self.written = False
        self.remembers = connection.execute(select(discrepancy.c.key).where(own).limit(1)).first() is not None

    def merge(self, judged: Sequence[Judged]) -> None:
        """Bring the lives of some records up to date."""
        if not judged:
            return
        before = self._stretches([one.key for one in judged])
        opened: list[tuple[Any, ...]] = []
        changed: list[dict[str, Any]] = []
        closed: list[dict[str, Any]] = []
        for one in judged:
            stretches = before.get(one.key, {})
            if one.findings:
                for rule, body in self._bodies.of(one.subject, one.findings):
                    self._open(one.key, rule, body, stretches.get(rule, ()), opened, changed)
            if stretches:
                self._close_others(one, stretches, closed)
        self._write(opened, changed, closed)

    def close_absent(self, keys: Sequence[int] | None = None) -> None:
        """Close what belongs to records that are not there.

        Args:
            keys: Of which records; None for all of the source.
        """
        present = select(snapshot.c.key).where(snapshot.c.key == discrepancy.c.key, snapshot.c.gone_run.is_(None))
        own = and_(discrepancy.c.key >= self._low, discrepancy.c.key < self._high, discrepancy.c.rule.in_(self._rules))
        left = select(discrepancy).where(own, discrepancy.c.closed_run.is_(None), ~present.exists())
        given: dict[str, Any] = {}
        if keys is not None:
            left = left.where(among(self._connection, discrepancy.c.key, "keys"))
            given["keys"] = list_value(self._connection, list(keys))
        closed: list[dict[str, Any]] = []
        for row in self._connection.execute(left, given):
            self._close(row, "gone", closed)
        self._write([], [], closed)

    def _open(
        self,
        key: int,
        rule: str,
        body: str,
        rows: Sequence[Row[Any]],
        opened: list[tuple[Any, ...]],
        changed: list[dict[str, Any]],
    ) -> None:
        current = rows[-1] if rows and rows[-1].closed_run is None else None
        if current is None:
            first = rows[0].first_run if rows else self._seq
            opened.append((key, rule, self._seq, first, body))
            self.states["reopened" if rows else "new"] += 1
            return
        if current.body != body:
            changed.append({"at": key, "of": rule, "since": current.opened_run, "body": body, "was": current.body})

    def _close_others(self, one: Judged, stretches: dict[str, list[Row[Any]]], closed: list[dict[str, Any]]) -> None:
        broken = {finding.rule for finding in one.findings}
        for rule, rows in stretches.items():
            if rule not in broken and rule in self._rules:
                ended = "undecidable" if rule in one.verdict.unknown else "lost" if one.lost else "fixed"
                self._close(rows[-1], ended, closed)

    def _close(self, row: Row[Any], ended: str, closed: list[dict[str, Any]]) -> None:
        if row.closed_run is not None:
            return
        if row.opened_run == self._seq:
            # Its record came and went within one pull, so no run has seen it.
            self._take_back(row)
            return
        closed.append(
            {"at": row.key, "of": row.rule, "since": row.opened_run, "closed_run": self._seq, "ended": ended,
             "last_run": self._last or row.opened_run}
        )  # fmt: skip
        self.states["fixed"] += 1

    def _take_back(self, row: Row[Any]) -> None:
        this = and_(discrepancy.c.key == row.key, discrepancy.c.rule == row.rule, discrepancy.c.opened_run == self._seq)
        self._connection.execute(delete(discrepancy).where(this))
        self.states[_state(row.opened_run, row.first_run, self._seq)] -= 1

    def _stretches(self, keys: list[int]) -> dict[int, dict[str, list[Row[Any]]]]:
        if not self.remembers:
            return {}
        found: dict[int, dict[str, list[Row[Any]]]] = {}
        rows = self._connection.execute(self._of_keys, {"keys": list_value(self._connection, keys)}).all()
        for row in sorted(rows, key=lambda row: row.opened_run):
            found.setdefault(row.key, {}).setdefault(row.rule, []).append(row)
        return found

    def _write(
        self, opened: list[tuple[Any, ...]], changed: list[dict[str, Any]], closed: list[dict[str, Any]]
    ) -> None:
        this = and_(
            discrepancy.c.key == bindparam("at"),
            discrepancy.c.rule == bindparam("of"),
            discrepancy.c.opened_run == bindparam("since"),
        )
        self.written = self.written or bool(opened or changed or closed)
        insert_rows(self._connection, discrepancy, ("key", "rule", "opened_run", "first_run", "body"), opened)
        if changed:
            self._remember(changed)
            self._connection.execute(update(discrepancy).where(this).values(body=bindparam("body")), changed)
        if closed:
            end = (
                update(discrepancy)
                .where(this)
                .values(closed_run=bindparam("closed_run"), ended=bindparam("ended"), last_run=bindparam("last_run"))
            )
            self._connection.execute(end, closed)

    def _remember(self, changed: list[dict[str, Any]]) -> None:
        """Keep what was said until now."""
        said = [(one["at"], one["of"], self._seq, one.pop("was")) for one in changed]
        insert_rows(self._connection, discrepancy_past, ("key", "rule", "until_run", "body"), said)


class DiscrepancyReader:
    """Reads the discrepancies as of a run, which need not be the last."""

    def __init__(self, connection: Connection, *, seq: int, rules: Sequence[str], sources: Sequence[int]) -> None:
        """Args: rules and sources, those the run judged; of others it says nothing."""
        self._connection = connection
        self._seq = seq
        self._rules = list(rules)
        self._sources = sorted(sources)
        self._days: dict[int, str] = {}

    def open(self) -> Iterator[Discrepancy]:
        """Those that were there after the run, record by record, in the order the records were first read."""
        for row, state in self._open_rows():
            yield self._read(row, state, last=self._seq)

    def open_raw(self) -> Iterator[bytes]:
        """The same as `open`, each as its JSON object, without taking the stored text apart."""
        lives: dict[tuple[State, int], bytes] = {}
        for row, state in self._open_rows():
            first_run = row.first_run
            if (known := lives.get((state, first_run))) is None:
                first, last = self._day(first_run), self._day(self._seq)
                life = f',"state":"{state}","first_seen":"{first}","last_seen":"{last}","ended":""}}'
                known = lives[state, first_run] = life.encode()
            yield row.body.encode()[:-1] + known

    def closed(self) -> Iterator[Discrepancy]:
        """Those that this run no longer found."""
        for source_id in self._sources:
            ended = select(discrepancy).where(
                discrepancy.c.closed_run == self._seq,
                discrepancy.c.rule.in_(self._rules),
                discrepancy.c.key >= source_id << KEY_BITS,
                discrepancy.c.key < (source_id + 1) << KEY_BITS,
            )
            for row in self._connection.execute(ended.order_by(discrepancy.c.key, discrepancy.c.rule)):
                yield self._read(row, "fixed", last=row.last_run, ended=row.ended)

    def _open_rows(self) -> Iterator[tuple[Row[Any], State]]:
        there = and_(
            discrepancy.c.opened_run <= self._seq,
            or_(discrepancy.c.closed_run.is_(None), discrepancy.c.closed_run > self._seq),
            discrepancy.c.rule.in_(self._rules),
        )
        columns = self._columns()
        for source_id in self._sources:
            key, rule = source_id << KEY_BITS, ""
            high = (source_id + 1) << KEY_BITS
            page = select(*columns).where(
                or_(
                    discrepancy.c.key > bindparam("key"),
                    and_(discrepancy.c.key == bindparam("key"), discrepancy.c.rule > bindparam("rule")),
                ),
                # The lower bound once more, plainly, so that every database sees that the primary key serves.
                discrepancy.c.key >= bindparam("key"),
                discrepancy.c.key < high,
                there,
            )
            page = page.order_by(discrepancy.c.key, discrepancy.c.rule).limit(_CHUNK)
            while rows := self._connection.execute(page, {"key": key, "rule": rule}).all():
                key, rule = rows[-1].key, rows[-1].rule
                for row in rows:
                    yield row, _state(row.opened_run, row.first_run, self._seq)

    def _columns(self) -> list[ColumnElement[Any]]:
        """A row's columns, its body as the run said it; only for earlier runs is there anything to look up."""
        newest = self._connection.execute(select(func.max(run.c.seq)).where(run.c.state == "finished")).scalar()
        if newest is None or newest <= self._seq:
            return list(discrepancy.c)
        past = discrepancy_past.c
        same = and_(past.key == discrepancy.c.key, past.rule == discrepancy.c.rule, past.until_run > self._seq)
        own = or_(discrepancy.c.closed_run.is_(None), past.until_run < discrepancy.c.closed_run)
        then = select(past.body).where(same, own).order_by(past.until_run).limit(1).scalar_subquery()
        others = [column for column in discrepancy.c if column.name != "body"]
        return [*others, func.coalesce(then, discrepancy.c.body).label("body")]

    def _read(self, row: Row[Any], state: State, *, last: int, ended: str = "") -> Discrepancy:
        body = _decode(row.body)
        days = {"first_seen": self._day(row.first_run), "last_seen": self._day(last)}
        return msgspec.structs.replace(body, state=state, ended=ended, **days)

    def _day(self, seq: int) -> str:
        if seq not in self._days:
            found: date | None = self._connection.execute(select(run.c.as_of).where(run.c.seq == seq)).scalar()
            self._days[seq] = found.isoformat() if found else ""
        return self._days[seq]


def stretches_of(connection: Connection, key: int) -> list[Row[Any]]:
    """Every stretch of one record, oldest first."""
    own = select(discrepancy).where(discrepancy.c.key == key)
    return list(connection.execute(own.order_by(discrepancy.c.opened_run, discrepancy.c.rule)))


def open_count(connection: Connection) -> int:
    """How many discrepancies are open now."""
    return connection.execute(
        select(func.count()).select_from(discrepancy).where(discrepancy.c.closed_run.is_(None))
    ).scalar_one()


def _state(opened: int, first: int, seq: int) -> State:
    if opened < seq:
        return "unchanged"
    return "new" if first == opened else "reopened"
