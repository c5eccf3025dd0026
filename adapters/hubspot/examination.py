"""What `syncd doctor` looks at: everything that must be right in the account, the app and the mapping for a pull.

Only metadata and at most one deal are read, and nothing is written.
"""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from adapters.hubspot.api import ID, Api
from adapters.hubspot.children import LABEL
from adapters.hubspot.decode import Account, Definition, Properties, decoder
from adapters.hubspot.errors import Forbidden, explained
from adapters.hubspot.headers import time_of, whole_number
from adapters.hubspot.rows import COMPANY_NAME, DERIVED, OWNED, STAGE
from adapters.hubspot.settings import MOST_LISTED, HubSpotSettings
from adapters.hubspot.stages import Stage, Stages, fraction, stages_of
from syncd.adapter import Check, SourceContext
from syncd.errors import AuthFailed, ConfigError, SourceIncomplete
from syncd.httpkit import Answer, Refused

_LISTED: Final = 8
_SKEW: Final = timedelta(minutes=2)
_LOCAL: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_SCARCE: Final = 0.1
"""The share of a day's requests below which a person should know."""


class Examination:
    """One examination of one source."""

    def __init__(self, api: Api, settings: HubSpotSettings, context: SourceContext) -> None:
        """Args: api, settings and context of the source."""
        self._api = api
        self._settings = settings
        self._context = context
        self._answer: Answer | None = None
        self._zone = ""
        self._definitions: dict[str, Definition] = {}

    async def checks(self) -> AsyncIterator[Check]:
        """Yield what was found. What cannot be looked at because something before it failed is not mentioned."""
        failed = await self._reach()
        if failed is None or failed.name == "credentials":
            yield self._connection()
        if failed is not None:
            yield failed
            return
        yield Check(name="credentials", outcome="ok", says="HubSpot accepts them")
        yield self._clock()
        if self._zone:
            says = f"the account's is {self._zone}; a deal's close date is a time, whose day syncd's `timezone` decides"
            yield Check(name="time zone", outcome="ok", says=says)
        stages: Stages | None = None
        try:
            stages = stages_of((await self._api.pipelines())[0], self._settings.pipelines, self._context.name)
        except (SourceIncomplete, ConfigError) as error:
            yield _failed("pipelines", error)
        for look in (self._deals, self._fields, self._owners, self._companies):
            if (check := await self._tried(look)) is not None:
                yield check
        for kind in sorted(self._context.children):
            yield await self._child(kind)
        if stages is not None:
            yield self._labels(stages)
            yield self._probabilities(stages)
        yield await self._requests()

    async def _reach(self) -> Check | None:
        """Ask for something that takes no scope; what is in the way, if anything is."""
        try:
            account, self._answer = await self._api.ask("GET", self._api.paths.account, decode=decoder(Account))
            self._zone = account.time_zone
        except Refused as refused:
            self._answer = refused.answer
        except AuthFailed as error:
            return _failed("credentials", error)
        except SourceIncomplete as error:
            return _failed("connection", error)
        except ConfigError as error:
            return _failed("configuration", error)
        return None

    async def _tried(self, look: Callable[[], Awaitable[Check | None]]) -> Check | None:
        try:
            return await look()
        except (SourceIncomplete, ConfigError) as error:
            return _failed(_NAMES[look.__name__], error)

    def _connection(self) -> Check:
        url = urlsplit(self._settings.base_url)
        if url.scheme != "https" and url.hostname not in _LOCAL:
            return Check(
                name="connection", outcome="warning", says="the connection to HubSpot is not encrypted",
                remedy="let `base_url` begin with https",
            )  # fmt: skip
        return Check(name="connection", outcome="ok", says=f"{url.hostname} answers")

    def _clock(self) -> Check:
        theirs = time_of(self._answer) if self._answer is not None else None
        if theirs is None:
            return Check(name="clock", outcome="skipped", says="HubSpot's answers carry no time")
        apart = abs(self._api.clock.now() - theirs)
        if apart > _SKEW:
            return Check(
                name="clock", outcome="warning",
                says=f"this machine's clock and HubSpot's are {round(apart.total_seconds()):,} seconds apart",
                remedy="have the clock set by NTP; increments go by HubSpot's clock, but reports and dates by this one",
            )  # fmt: skip
        return Check(name="clock", outcome="ok", says="agrees with HubSpot's")

    async def _deals(self) -> Check:
        try:
            await self._api.ask(
                "GET", self._api.paths.kind("deals"), {"limit": "1", "properties": ID}, decode=Properties([ID]).listing
            )
        except Refused as refused:
            raise explained(refused, self._context.name) from None
        total = await self._api.count()
        return Check(name="permission to read deals", outcome="ok", says=f"{total:,} deals can be seen")

    async def _fields(self) -> Check:
        wanted = {DERIVED.get(one, one) for one in self._context.fields}
        definitions = await self._api.definitions("deals")
        if definitions is None:
            return Check(
                name="fields of the mapping", outcome="skipped", says="the app may not see what properties there are",
                remedy="add the scope crm.schemas.deals.read to the app",
            )  # fmt: skip
        self._definitions = definitions
        return _lacking("fields of the mapping", "deals", wanted, definitions)

    async def _owners(self) -> Check | None:
        if not self._context.fields & OWNED:
            return None
        count = 0
        try:
            async for page in self._api.owners(archived=False):
                count += len(page)
        except Forbidden as error:
            return Check(name="owners", outcome="warning", says=error.reason,
                         remedy="add the scope crm.objects.owners.read to the app, or map hubspot_owner_id alone; "
                                "until then owners are shown by their ids")  # fmt: skip
        return Check(name="owners", outcome="ok", says=f"{count:,} can be seen")

    async def _companies(self) -> Check | None:
        if COMPANY_NAME not in self._context.fields:
            return None
        try:
            await self._api.found_one("companies")
        except Forbidden as error:
            return Check(name="companies", outcome="warning", says=error.reason,
                         remedy="add the scope crm.objects.companies.read to the app; until then companies are shown "
                                "by their ids")  # fmt: skip
        return Check(name="companies", outcome="ok", says="can be read")

    async def _child(self, kind: str) -> Check:
        name = f"child component {kind}"
        try:
            await self._api.found_one(kind)
            definitions = await self._api.definitions(kind)
        except SourceIncomplete as error:
            return Check(
                name=name, outcome="warning", says=f"cannot be read, so evidence in it is unknown: {error.reason}",
                remedy=error.remedy or "correct `child` in the mapping: it is the name of a type of object",
            )  # fmt: skip
        wanted = set(self._context.children[kind]) - {LABEL}
        return (
            _lacking(name, kind, wanted, definitions)
            if definitions
            else Check(name=name, outcome="ok", says="can be read")
        )

    def _labels(self, stages: Stages) -> Check:
        """Stages that the mapping gives no meaning, and what they may mean."""
        name, role, known = "stages", self._context.roles.get("stage", STAGE), self._known()
        if role in {STAGE, "dealstage.label"}:
            unknown = [one for one in stages.of_wanted() if one.status != "lost" and self._meaning(one, known) is None]
            said = [self._told(one, known) for one in unknown]
        elif role in self._definitions and self._definitions[role].options:
            values = [one.value for one in self._definitions[role].options if not one.hidden]
            said = [f"{one}{_like(one, known)}" for one in values if _folded(one) not in known]
        else:
            return Check(name=name, outcome="skipped", says=f"{role} has no list of values to look at")
        if not said:
            return Check(name=name, outcome="ok", says="each stage in HubSpot has its meaning in the mapping")
        return Check(
            name=name, outcome="warning", says=f"stages the mapping does not know: {_joined(said)}",
            remedy="add their labels to `[stages]` of the mapping, or leave their pipeline out with `pipelines`",
        )  # fmt: skip

    def _told(self, stage: Stage, known: dict[str, str]) -> str:
        """An unknown stage, with the stage its label looks like."""
        shown = stage.label if self._by_label() else f"{stage.id} ({stage.label})"
        return f"{shown} in {stage.pipeline_label}{_like(stage.label, known)}"

    def _probabilities(self, stages: Stages) -> Check:
        """Where HubSpot's own stages have other probabilities than the chart, every deal inherits the difference."""
        known = self._known()
        apart: list[str] = []
        for one in stages.of_wanted():
            meaning, has = self._meaning(one, known), fraction(one.probability)
            due = self._context.chart.get(meaning) if meaning is not None and one.status == "open" else None
            if due is not None and has is not None and abs(has * 100 - due) > 1e-9:  # noqa: PLR2004 - rounding
                apart.append(
                    f"{one.label} in {one.pipeline_label} has {has * 100:g} %, the chart {due:g} % for {meaning}"
                )
        if apart:
            return Check(
                name="probabilities of stages", outcome="warning", says=_joined(apart),
                remedy="set the probabilities in HubSpot: Settings, Objects, Deals, Pipelines",
            )  # fmt: skip
        return Check(name="probabilities of stages", outcome="ok", says="are those of the chart")

    async def _requests(self) -> Check:
        answer, name = self._answer, "requests"
        left = whole_number(answer, "x-hubspot-ratelimit-daily-remaining") if answer is not None else None
        most = whole_number(answer, "x-hubspot-ratelimit-daily") if answer is not None else None
        if left is None or not most:
            return Check(name=name, outcome="skipped", says="HubSpot does not say how many are left, as with OAuth")
        says = f"{left:,} of {most:,} are left of the day's"
        if left < most * _SCARCE:
            return Check(name=name, outcome="warning", says=says,
                         remedy=f"a whole pull takes one for each {self._page()} deals; pull less often, or have the "
                                "limit raised")  # fmt: skip
        return Check(name=name, outcome="ok", says=says)

    def _page(self) -> int:
        return self._api.history_page_size if self._settings.history else min(self._api.page_size, MOST_LISTED)

    def _by_label(self) -> bool:
        return self._context.roles.get("stage") == "dealstage.label"

    def _known(self) -> dict[str, str]:
        return {_folded(label): stage for stage, labels in self._context.labels.items() for label in labels}

    def _meaning(self, stage: Stage, known: dict[str, str]) -> str | None:
        return known.get(_folded(stage.label if self._by_label() else stage.id))


_NAMES: Final = {
    "_deals": "permission to read deals",
    "_fields": "fields of the mapping",
    "_owners": "owners",
    "_companies": "companies",
}


def _failed(name: str, error: SourceIncomplete | ConfigError) -> Check:
    says = error.reason if isinstance(error, SourceIncomplete) else str(error)
    remedy = error.remedy if isinstance(error, SourceIncomplete) else "correct the configuration"
    return Check(name=name, outcome="failed", says=says, remedy=remedy or "run `syncd doctor` again later")


def _lacking(name: str, kind: str, wanted: set[str], definitions: dict[str, Definition]) -> Check:
    lacking = sorted(wanted - definitions.keys())
    if not lacking:
        return Check(name=name, outcome="ok", says="HubSpot has all of them" if kind == "deals" else "can be read")
    return Check(
        name=name, outcome="warning", says=f"HubSpot has no such properties of {kind}: {_joined(lacking)}",
        remedy="correct the mapping, or create them in HubSpot: Settings, Properties; those with sensitive data need "
               "a scope of their own. Until then they are unknown to the rules",
    )  # fmt: skip


def _like(label: str, known: dict[str, str]) -> str:
    near = difflib.get_close_matches(_folded(label), known, n=1, cutoff=0.7)
    return f", which looks like {known[near[0]]}" if near else ""


def _folded(label: str) -> str:
    return " ".join(label.casefold().split())


def _joined(said: Iterable[str]) -> str:
    listed = list(said)
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return "; ".join(listed[:_LISTED]) + more
