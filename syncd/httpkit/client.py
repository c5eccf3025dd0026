"""The client: one request with its repeats, its time limits and its credentials.

Only what is safe to repeat is repeated: reading always, anything else where the caller says so. What comes back is read
whole and within a limit, so that neither a body cut short nor one without end passes for an answer.

Not for: paging (adapters), or what the system's own errors mean (`Dialect`).
"""

from __future__ import annotations

import asyncio
import functools
import random
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import httpx
import msgspec
import tenacity

from syncd.errors import AuthFailed, ConfigError, Problem, SourceIncomplete, SourceUnavailable
from syncd.httpkit.again import FEW, Again
from syncd.httpkit.auth import Authenticator, authenticator
from syncd.httpkit.bodies import Body, TooLarge, whole_body
from syncd.httpkit.budget import Budget
from syncd.httpkit.links import joined, on_own_host, same_origin
from syncd.httpkit.reactions import Reaction, retry_after, usual_reaction
from syncd.httpkit.settings import HttpSettings
from syncd.httpkit.trust import untrusted
from syncd.logs import hush, note

MAX_BODY: Final = 64 << 20
"""Bytes of one answer, uncompressed. The largest pages of real systems are a tenth of it."""

_LONGEST_WAIT: Final = 30.0
_FIRST_WAIT: Final = 0.5
_DEADLINES: Final = 10
"""One request may take so many times as long as the system may stay silent."""
_MARKUP: Final = re.compile(rb"\s*<")
_REDIRECTS: Final = 3
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "syncd"}

_Decoded = TypeVar("_Decoded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Time and chance, so that tests need not wait and a seed replays a run."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, read whole."""

    status: int
    headers: httpx.Headers
    body: Body


React = Callable[[Answer], Reaction]
"""What an answer asks for, by the habits of one system."""


class Refused(SourceIncomplete):
    """The system answered, and asking again would not help.

    Attributes:
        answer: For the adapter to say more exactly what is wrong. Its text is never shown or logged.
    """

    def __init__(self, answer: Answer, method: str) -> None:
        """Args: answer and the method that was refused."""
        super().__init__(f"the system answered {answer.status} to a {method} request", _remedy(answer.status))
        self.answer = answer


class HttpClient:
    """Speaks to one source. Made for one run and then closed."""

    def __init__(
        self,
        settings: HttpSettings,
        *,
        name: str,
        folder: Path,
        react: React = lambda answer: usual_reaction(answer.status),
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        max_body: int = MAX_BODY,
    ) -> None:
        """Prepare; nothing is opened before the first request.

        Args:
            settings: Of the source.
            name: Of the source, for logs.
            folder: Where relative paths in the settings start.
            react: The system's own reading of answers.
            clock: Time and chance.
            transport: In place of the network.
            max_body: Bytes of one answer, uncompressed.
        """
        self._settings = settings
        self._name = name
        self._folder = folder
        self._react = react
        self._clock = clock or Clock()
        self._transport = transport
        self._max_body = max_body
        self._deadline = settings.timeout_seconds * _DEADLINES
        self._client: httpx.AsyncClient | None = None
        self._closed = False
        self._auth: Authenticator | None = None
        self._budget = Budget(
            at_once=settings.max_connections,
            per_second=settings.requests_per_second,
            monotonic=self._clock.monotonic,
            sleep=self._clock.sleep,
        )
        self.requests = 0
        self.base_url = settings.base_url.rstrip("/")

    @property
    def granted(self) -> Mapping[str, str]:
        """What the token endpoint said beside the token; empty before it was asked. Foreign text, never followed."""
        return self._auth.granted if self._auth is not None else {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections; a request under way ends as unavailable. Safe to call twice."""
        self._closed = True
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def get_json(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        decode: Callable[[Body], _Decoded],
        headers: Mapping[str, str] | None = None,
    ) -> tuple[_Decoded, Answer]:
        """Read something.

        Args:
            path: Below the base URL, already quoted; or a link that an answer gave, of which the host is not used.
            params: The query.
            decode: Takes the body apart; raises `msgspec.MsgspecError` where it makes no sense.
            headers: For this request.

        Raises:
            Refused: The system answered, but not with what was asked for.
            AuthFailed: It refuses the credentials.
            SourceUnavailable: It could not be reached for as long as patience lasts.
            SourceIncomplete: It answers with something that cannot be read.
        """
        return await self.request_json("GET", path, params, decode=decode, headers=headers)

    async def request_json(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        decode: Callable[[Body], _Decoded],
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        repeatable: bool = True,
    ) -> tuple[_Decoded, Answer]:
        """Ask something that is answered in JSON; arguments and errors are those of `request` and `get_json`."""

        def decoded(answer: Answer) -> _Decoded:
            if answer.status == 204 or not answer.body or answer.body.isspace():  # noqa: PLR2004 - no content
                raise Again("answered without a body", attempts=FEW)
            kind = answer.headers.get("content-type", "")
            if "html" in kind or _MARKUP.match(answer.body):
                raise Again("answered with a web page instead of data", attempts=FEW)
            try:
                return decode(answer.body)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise Again(f"answered with what cannot be read ({type(error).__name__})", attempts=FEW) from None

        kept: list[_Decoded] = []
        answer = await self.request(
            method, path, params, headers=headers, json=json, content=content, repeatable=repeatable,
            check=lambda answer: kept.append(decoded(answer)),
        )  # fmt: skip
        # A page may be megabytes, and whoever keeps the answer keeps it for its headers.
        return kept[-1], replace(answer, body=b"")

    async def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        repeatable: bool | None = None,
        check: Callable[[Answer], object] = lambda _: None,
    ) -> Answer:
        """Make one request, repeated where that is safe and may help.

        Args:
            method: Of HTTP.
            path: As in `get_json`.
            params: The query.
            headers: For this request.
            json: A body to send as JSON.
            content: A body to send as it is.
            repeatable: Whether it may be sent again when it is not known what came of it; None where reading is.
            check: Looks at an accepted answer before it counts.

        Raises:
            Refused, AuthFailed, SourceUnavailable, SourceIncomplete: As in `get_json`.
        """
        url = on_own_host(self.base_url, path) if "://" in path else f"{self.base_url}/{path.lstrip('/')}"
        given: dict[str, Any] = {"params": dict(params) if params else None, "headers": dict(headers or {})}
        if json is not None:
            given["content"] = msgspec.json.encode(json)
            given["headers"] = {"Content-Type": "application/json", **given["headers"]}
        elif content is not None:
            given["content"] = content
        safe = method in {"GET", "HEAD"} if repeatable is None else repeatable
        began = self._clock.monotonic()
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(Again),
            stop=lambda state: not safe or self._is_enough(state, began),
            wait=self._wait,
            after=self._hold_back,
            sleep=self._clock.sleep,
            before_sleep=self._note_retry,
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    return await self._attempt(method, url, given, check)
        except Again as again:
            raise self._given_up(again) from None
        raise AssertionError("unreachable")  # pragma: no cover

    async def _attempt(self, method: str, url: str, given: dict[str, Any], check: Callable[[Answer], object]) -> Answer:
        client, auth = self._opened()
        renewed = False
        while True:
            async with self._budget.turn(self._settings.patience_seconds):
                # Only now: while it waited for its turn, others may have got new credentials.
                proof = await auth.headers(client)
                headers = httpx.Headers(self._settings.headers)
                headers.update(given["headers"])
                headers.update(proof)
                answer = await self._exchange(client, method, url, {**given, "headers": headers})
            self._check_open()  # closing breaks off what is connected, and not what is about to be
            reaction = self._react(answer)
            if reaction is Reaction.RENEW and not renewed and auth.renewable:
                auth.forget(proof)
                renewed = True
                continue
            if reaction is Reaction.ACCEPT:
                check(answer)
                return answer
            if reaction is Reaction.WAIT:
                wait = retry_after(answer.headers.get("retry-after"), self._clock.now())
                raise Again(f"answered {answer.status}", wait=wait)
            if reaction is Reaction.RENEW:
                raise AuthFailed(
                    f"the system refuses the credentials (status {answer.status})",
                    f"check `auth` of source {self._name}, and that the account is active",
                )
            raise Refused(answer, method)

    async def _exchange(self, client: httpx.AsyncClient, method: str, url: str, given: dict[str, Any]) -> Answer:
        self.requests += 1
        try:
            async with asyncio.timeout(self._deadline):
                return await self._follow(client, method, url, given)
        except TimeoutError:
            raise Again("took longer to answer than a request may") from None
        except httpx.TimeoutException as error:
            raise Again(f"did not answer in time ({type(error).__name__})") from None
        except httpx.TransportError as error:
            if (trust := untrusted(error, self._name)) is not None:
                raise trust from None
            raise Again(f"could not be reached or broke off ({type(error).__name__})") from None
        except (httpx.DecodingError, httpx.InvalidURL) as error:
            raise Again(f"answered with what cannot be read ({type(error).__name__})", attempts=FEW) from None

    async def _follow(self, client: httpx.AsyncClient, method: str, url: str, given: dict[str, Any]) -> Answer:
        for _ in range(_REDIRECTS):
            async with client.stream(method, url, **given) as response:
                if not response.has_redirect_location:
                    return Answer(response.status_code, response.headers, await self._body(response))
                target = joined(url, response.headers["location"])
            if not same_origin(target, url):
                raise SourceUnavailable(
                    "the system redirects to another host, which is not followed because it would get the credentials",
                    f"if that host is right, name it as `base_url` of source {self._name}",
                )
            url, given = target, {**given, "params": None}
        raise SourceUnavailable("the system redirects in circles", f"check `base_url` of source {self._name}")

    async def _body(self, response: httpx.Response) -> bytearray:
        try:
            return await whole_body(response, self._max_body)
        except TooLarge:
            raise SourceIncomplete(
                f"one answer of the system is larger than {self._max_body >> 20} MiB",
                f"ask for fewer records at a time: set `page_size` of source {self._name}",
            ) from None

    def _opened(self) -> tuple[httpx.AsyncClient, Authenticator]:
        self._check_open()
        if self._client is None:
            # They log addresses with everything asked for, and headers with cookies and whatever else a system says.
            hush("httpx", "httpcore")
            limits = httpx.Limits(
                max_connections=self._settings.max_connections + 1,
                max_keepalive_connections=self._settings.max_connections + 1,
            )
            self._client = httpx.AsyncClient(
                transport=self._transport,
                verify=self._trust(),
                timeout=httpx.Timeout(self._settings.timeout_seconds),
                limits=limits,
                headers=_HEADERS,
                follow_redirects=False,
                trust_env=False,
            )
        if self._auth is None:
            self._auth = authenticator(
                self._settings.auth, folder=self._folder, clock=self._clock, name=self._name, deadline=self._deadline,
                headers=self._settings.headers if self._issues_tokens() else {},
            )  # fmt: skip
        return self._client, self._auth

    def _check_open(self) -> None:
        if self._closed:
            # A request that broke off because of that would be repeated over connections that nobody closes any more.
            raise SourceUnavailable("the source was closed while it was read")

    def _issues_tokens(self) -> bool:
        """Whether tokens come from the system's own host, which alone is to see the headers of the configuration."""
        return same_origin(getattr(self._settings.auth, "token_url", ""), self.base_url)

    def _trust(self) -> ssl.SSLContext:
        if self._settings.verify is None:
            return _usual_trust()
        path = self._folder / self._settings.verify
        try:
            return ssl.create_default_context(cafile=str(path))
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(Problem(message=f"verify: {path} holds no certificates that can be read")) from error

    def _is_enough(self, state: tenacity.RetryCallState, began: float) -> bool:
        again = _failure(state)
        if again.attempts is not None and state.attempt_number >= again.attempts:
            return True
        spent = self._clock.monotonic() - began
        return bool(spent + state.upcoming_sleep > self._settings.patience_seconds)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        again = _failure(state)
        if again.wait is not None and again.wait >= _FIRST_WAIT:
            return again.wait
        # "At once", or a time that is past by our clock, is not taken at its word: it would be asked without a pause.
        most: float = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** (state.attempt_number - 1))
        return most * (0.5 + 0.5 * self._clock.random())

    def _hold_back(self, state: tenacity.RetryCallState) -> None:
        self._budget.hold_back(_failure(state).wait or 0.0)

    def _note_retry(self, state: tenacity.RetryCallState) -> None:
        again = _failure(state)
        note("http.retried", source=self._name, attempt=state.attempt_number, reason=again.reason)

    def _given_up(self, again: Again) -> SourceIncomplete:
        if again.attempts is not None:
            return SourceIncomplete(f"the system {again.reason}", f"check `base_url` of source {self._name}")
        return SourceUnavailable(f"the system {again.reason}, several times", "try again later")


@functools.cache
def _usual_trust() -> ssl.SSLContext:
    """The authorities that httpx trusts. Reading them takes 50 ms, which every source would pay anew."""
    return httpx.create_ssl_context()


def _failure(state: tenacity.RetryCallState) -> Again:
    error = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(error, Again)  # noqa: S101 - nothing else is retried
    return error


def _remedy(status: int) -> str:
    if status == 403:  # noqa: PLR2004 - forbidden
        return "give the account the right to read what the mapping names; `syncd doctor` says what is missing"
    if status == 404:  # noqa: PLR2004 - not found
        return "check `base_url`, and the names of objects and fields in the mapping"
    return "`syncd doctor` says more"
