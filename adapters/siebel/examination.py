"""What `syncd doctor` looks at: everything that must be right for a pull, each with what cures it.

Reads a page of records at most, and of some only whether there are any. Writes nothing, and tries no wrong password,
which might lock the account.

Not for: pulling (`reading`).
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec

from adapters.siebel.described import describe, has_fields
from adapters.siebel.dialect import any_of, error_code, explained, literal, path_of, resource, since
from adapters.siebel.queries import Queries
from adapters.siebel.records import Answered
from adapters.siebel.settings import SiebelSettings
from syncd.adapter import MISSING, Check, SourceContext
from syncd.errors import AuthFailed, ConfigError, SourceIncomplete
from syncd.httpkit import Clock, Refused
from syncd.httpkit.settings import NoAuth

WIN_PERCENT: Final = "Sales Stage Win Percent"
"""The probability that a record's stage proposes, from the sales method; in a live answer of 2025."""

_OTHER_MODES: Final = ("Organization", "Sub-Organization", "Manager", "All")
_LISTED: Final = 8
_SKEW: Final = 60.0
_POLITE: Final = 8
"""Connections of the 20 that an Application Interface node has by default for all its clients together. REST API Guide,
"Configuring REST Inbound Default Parameters"."""
_SAMPLE: Final = 100
_LAGS: Final = (1, 14)
"""Hours: a system in use has changes of the last one, unless the zone is wrong, by which no two differ by more than a
day and mostly by less than the other."""

_Found = Sequence[Check]


class Examination:
    """One examination of one Siebel."""

    def __init__(
        self,
        settings: SiebelSettings,
        context: SourceContext,
        clock: Clock,
        queries: Callable[[SiebelSettings], Queries],
    ) -> None:
        """Args: settings, context, clock, and queries, which makes what to ask through."""
        self._settings, self._context, self._clock = settings, context, clock
        self._make = queries
        self._queries = queries(settings)
        self._path = resource(settings.business_object, settings.business_component)
        self._id = context.roles.get("id", "Id")
        self._seen: Answered | None = None

    async def checks(self) -> AsyncIterator[Check]:
        """Look at one thing after the other; what rests on something that failed is skipped."""
        first = await self._first()
        for check in first:
            yield check
        if self._seen is None:
            return
        looks: list[tuple[str, Callable[[], Awaitable[_Found]]]] = [
            ("credentials", self._credentials), ("visibility", self._visibility), ("fields", self._fields),
            ("child components", self._children), ("stages", self._stages), ("increments", self._increments),
        ]  # fmt: skip
        for name, look in looks:
            for check in await self._safely(name, look):
                yield check
        yield self._clocks()
        yield self._budget()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._queries.client.close()

    async def _safely(self, name: str, look: Callable[[], Awaitable[_Found]]) -> _Found:
        try:
            return await look()
        except Refused as refused:
            return [_failed(name, explained(refused))]
        except (SourceIncomplete, ConfigError) as error:
            return [_failed(name, error)]

    async def _first(self) -> _Found:
        """Whether it can be reached and lets the account read."""
        own = self._settings.searchspec
        try:
            self._seen = await self._queries.one_page(self._path, (self._id,), search=own, counted=True)
        except Refused as refused:
            return [Check(name="reachable", outcome="ok", says="Siebel answers"),
                    _failed("reading", explained(refused))]  # fmt: skip
        except AuthFailed as error:
            return [Check(name="reachable", outcome="ok", says="Siebel answers"), _failed("credentials", error)]
        except (SourceIncomplete, ConfigError) as error:
            return [_failed("reachable", error)]
        safe = self._settings.base_url.startswith("https")
        reachable = Check(
            name="reachable",
            outcome="ok" if safe or _is_local(self._settings.base_url) else "warning",
            says="Siebel answers" + (" over TLS" if safe else ", without TLS"),
            remedy="" if safe else "use the https address: user and password go over the network as they are",
        )
        return [reachable, Check(name="reading", outcome="ok", says="the account may read opportunities")]

    async def _credentials(self) -> _Found:
        """Whether it is the account that is let in. Anonymous REST is on by default, and then nobody gets a 401."""
        own, guest = self._settings.searchspec, self._make(msgspec.structs.replace(self._settings, auth=NoAuth()))
        try:
            seen = await guest.one_page(self._path, (self._id,), search=own, counted=True)
        except (AuthFailed, Refused):
            return [Check(name="credentials", outcome="ok", says="without them, Siebel refuses")]
        finally:
            await guest.client.close()
        mine = self._seen
        if mine is not None and mine.rows and (len(seen.rows), seen.total) != (len(mine.rows), mine.total):
            says = "Siebel lets guests in, but shows the account more than them"
            return [Check(name="credentials", outcome="ok", says=says)]
        return [
            Check(
                name="credentials",
                outcome="warning",
                says="Siebel lets guests in and shows them the same, so that nothing proves the credentials",
                remedy="clear Anonymous REST in the profile of the Application Interface, or check the account by hand",
            )
        ]

    async def _visibility(self) -> _Found:
        """How many records the account sees, and whether it would see more in another view mode."""
        mine, mode = self._seen, self._settings.view_mode
        if mine is None or not mine.rows:
            return [
                Check(
                    name="visibility",
                    outcome="warning",
                    says=f"the account sees no opportunity in view mode {mode}; Siebel does not tell that from there"
                    " being none",
                    remedy="check `view_mode` and `searchspec`, and the position and organization of the account",
                )
            ]
        if mine.total is None:
            says = "Siebel does not count records, so that view modes cannot be compared"
            return [Check(name="visibility", outcome="skipped", says=says)]
        more = [f"{other} {count:,}" for other, count in await self._counts() if count > mine.total]
        says = f"{mine.total:,} opportunities in view mode {mode}"
        if not more:
            return [Check(name="visibility", outcome="ok", says=says)]
        remedy = "set `view_mode` to the one that shows what is to be judged; no mode is sure to show all another does"
        return [Check(name="visibility", outcome="warning", says=f"{says}; {', '.join(more)}", remedy=remedy)]

    async def _counts(self) -> list[tuple[str, int]]:
        own, counts = self._settings.searchspec, []
        for mode in _OTHER_MODES:
            other = self._make(msgspec.structs.replace(self._settings, view_mode=mode))
            try:
                seen = await other.one_page(self._path, (self._id,), search=own, counted=True)
            except Refused:
                continue  # not every mode works with every business component
            finally:
                await other.client.close()
            counts.append((mode, seen.total or 0))
        return counts

    async def _fields(self) -> _Found:
        """Whether Siebel has the fields of the mapping."""
        name, context = "fields of the mapping", self._context
        wanted = context.fields - {self._id}
        described = await describe(self._queries, self._path, wanted)
        doubtful = sorted(wanted if described is None else wanted - described)
        if not doubtful:
            return [Check(name=name, outcome="ok", says="Siebel describes them all")]
        lacking = await self._lacking(doubtful)
        if not lacking:
            return [Check(name=name, outcome="ok", says="all there, though not all of them are described")]
        core = {"stage", "probability", "amount", "close_date", "status"}
        needed = sorted(native for role, native in context.roles.items() if role in core and native in lacking)
        return [
            Check(
                name=name,
                outcome="failed" if context.roles.get("stage") in lacking else "warning",
                says=f"Siebel has no field {_listed(needed + [one for one in lacking if one not in needed])}",
                remedy="correct the mapping, or add them to the integration object; what is not there is unknown to the"
                " rules" + ("" if described else ". Siebel does not describe its fields"),
            )
        ]

    async def _lacking(self, doubtful: Sequence[str]) -> list[str]:
        """Which of some fields Siebel does not have: asked for all together, and one by one only where that fails."""
        if await has_fields(self._queries, self._path, (self._id, *doubtful)):
            return []
        there = await asyncio.gather(*(has_fields(self._queries, self._path, (self._id, one)) for one in doubtful))
        return [one for one, found in zip(doubtful, there, strict=True) if not found]

    async def _children(self) -> _Found:
        """Whether the child components that the mapping looks through can be read."""
        context, name = self._context, "child components"
        if not context.children:
            return []
        if self._seen is None or not self._seen.rows:
            return [Check(name=name, outcome="skipped", says="there is no opportunity to look at the children of")]
        parent = str(self._seen.rows[0][0])
        problems = [said for child in sorted(context.children) if (said := await self._child(child, parent))]
        if problems:
            remedy = "correct the mapping, or let the administrator add them; such evidence is unknown to the rules"
            return [Check(name=name, outcome="warning", says="; ".join(problems), remedy=remedy)]
        if slow := sorted(context.children.keys() - self._settings.children.keys()):
            return [
                Check(
                    name=name,
                    outcome="warning",
                    says=f"{_listed(slow)}: one request for each opportunity, and increments learn nothing of their"
                    " changes",
                    remedy="say under `children` of the source where they can be read in bulk, or read all with --full",
                )
            ]
        return [Check(name=name, outcome="ok", says="all can be read, and in bulk")]

    async def _child(self, child: str, parent: str) -> str:
        """What is wrong with a child component; empty where nothing is."""
        fields = ("Id", *sorted(self._context.children[child] - {"Id"}))
        path = path_of(self._settings.business_object, self._settings.business_component, parent, child)
        try:
            rows = (await self._queries.one_page(path, fields)).rows
            if (bulk := self._settings.children.get(child)) is not None:
                both = tuple(dict.fromkeys((*fields, bulk.parent)))
                search = any_of(bulk.parent, [parent])
                seen = await self._queries.one_page(
                    resource(bulk.resource), both, search=search, view_mode=bulk.view_mode
                )
                if len(seen.rows) != len(rows):
                    return f"{child}: in bulk other rows are seen than below the opportunity; set its `view_mode`"
        except Refused as refused:
            code = error_code(refused.answer)
            what = {"SBL-EAI-50257": "there is no such component", "SBL-EAI-50258": "a field is not there"}
            return f"{child}: {what.get(code, code or f'status {refused.answer.status}')}"
        return ""

    async def _stages(self) -> _Found:
        """Whether the labels in use have a stage, and whether Siebel's own probabilities are those of the chart."""
        stage = self._context.roles.get("stage")
        if stage is None or not await has_fields(self._queries, self._path, (self._id, stage)):
            return []
        knows = await has_fields(self._queries, self._path, (self._id, stage, WIN_PERCENT))
        fields = (self._id, stage, WIN_PERCENT) if knows else (self._id, stage)
        seen = await self._queries.one_page(self._path, fields, search=self._settings.searchspec, size=_SAMPLE)
        percents = {str(row[1]): row[-1] for row in seen.rows if row[1] and row[1] is not MISSING}
        found = [self._labels(percents)]
        return [*found, await self._drift(fields, percents)] if knows else found

    def _labels(self, percents: dict[str, Any]) -> Check:
        stages = self._stage_by_label()
        if not percents:
            says = f"none of the first {_SAMPLE} opportunities has a stage"
            remedy = "check which sales method they follow: without a stage, no rule about stages can judge them"
            return Check(name="stages", outcome="warning", says=says, remedy=remedy)
        unknown = [label for label in percents if _folded(label) not in stages]
        if not unknown:
            return Check(name="stages", outcome="ok", says=f"{len(percents)} labels in use, each with a stage")
        guesses = {label: difflib.get_close_matches(_folded(label), stages, n=1, cutoff=0.5) for label in unknown}
        told = [
            f"{label!r}" + (f", which looks like {stages[near[0]]}" if near else "") for label, near in guesses.items()
        ]
        remedy = "add them to [stages] of the mapping; until then their records have no stage"
        return Check(name="stages", outcome="warning", says=f"no stage for {_listed(told)}", remedy=remedy)

    async def _drift(self, fields: Sequence[str], percents: dict[str, Any]) -> Check:
        """Compare what each stage proposes with the chart; stages that the sample lacks are looked for."""
        name, stages, drifted = "probabilities of the stages", self._stage_by_label(), []
        seen = {stages[_folded(label)] for label in percents if _folded(label) in stages}
        for stage, labels in self._context.labels.items():
            told = literal(labels[0]) if labels and stage not in seen else None
            if told is not None:
                found = await self._queries.one_page(self._path, fields, search=f"[{fields[1]}] = {told}")
                percents = {**percents, **{str(row[1]): row[-1] for row in found.rows}}
        for label, percent in percents.items():
            expected = self._context.chart.get(stages.get(_folded(label), ""))
            given = _number(percent)
            if expected is not None and given is not None and given != expected:
                drifted.append(f"{label} {given:g} and not {expected:g}")
        if not drifted:
            return Check(name=name, outcome="ok", says="as the chart has them, for the stages in use")
        remedy = (
            "correct the sales method under Administration - Data, Sales Methods: every new record drifts from there"
        )
        return Check(name=name, outcome="warning", says=f"Siebel proposes {_listed(drifted)}", remedy=remedy)

    def _stage_by_label(self) -> dict[str, str]:
        return {_folded(label): stage for stage, labels in self._context.labels.items() for label in labels}

    async def _increments(self) -> _Found:
        """Whether records can be asked for by their time, in the zone that the configuration says."""
        field, zone = self._settings.updated_field, self._context.timezone
        future = since(field, self._clock.now() + timedelta(minutes=10), zone)
        ahead = await self._queries.one_page(self._path, (self._id,), search=future)
        increments = Check(name="increments", outcome="ok", says=f"[{field}] can be searched")
        if not ahead.rows:
            return [increments, await self._lag()]
        return [
            increments,
            Check(
                name="zone",
                outcome="warning",
                says=f"records were changed in the future, if times are in {zone.key}",
                remedy="set `timezone` of the source to the zone in the profile of the account, or correct a clock",
            ),
        ]

    async def _lag(self) -> Check:
        """Whether the last change seems some hours old, as it does where the zone is ahead of the right one."""
        field, zone = self._settings.updated_field, self._context.timezone
        for hours in _LAGS:
            moment = since(field, self._clock.now() - timedelta(hours=hours), zone)
            if (await self._queries.one_page(self._path, (self._id,), search=moment)).rows:
                break
        else:
            hours = 0
        if hours in {0, _LAGS[0]}:
            return Check(name="zone", outcome="ok", says=f"no record is from the future in {zone.key}")
        return Check(
            name="zone",
            outcome="warning",
            says=f"the last change seems more than {_LAGS[0]} h ago, if times are in {zone.key}",
            remedy="if somebody has changed a record since, set `timezone` of the source to the zone in the profile of"
            " the account: with another one, increments find nothing",
        )

    def _clocks(self) -> Check:
        there = self._queries.server_time
        if there is None:
            return Check(name="clock", outcome="skipped", says="Siebel does not say what time it is")
        skew = (there - self._clock.now()).total_seconds()
        if abs(skew) <= _SKEW:
            return Check(name="clock", outcome="ok", says="agrees with ours")
        says = f"is {abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'} ours"
        remedy = "correct a clock, or set `overlap_seconds` to more than that"
        return Check(name="clock", outcome="warning", says=says, remedy=remedy)

    def _budget(self) -> Check:
        total, size = (self._seen.total if self._seen else None) or 0, self._queries.size
        says = f"{self._settings.max_connections} connections at once, {-(-total // (size - 1))} requests to read all"
        if self._settings.max_connections <= _POLITE:
            return Check(name="connections", outcome="ok", says=says)
        remedy = "a node has 20 for all its clients by default: set `max_connections` to 8 or less"
        return Check(name="connections", outcome="warning", says=says, remedy=remedy)


def _failed(name: str, error: SourceIncomplete | ConfigError) -> Check:
    remedy = error.remedy if isinstance(error, SourceIncomplete) else "correct the configuration"
    return Check(name=name, outcome="failed", says=str(error), remedy=remedy or "look into the logs of Siebel")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def _folded(label: str) -> str:
    return " ".join(label.casefold().split())


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))
