"""How pages follow one another, and the proof that nothing fell between two of them.

Where the system itself says what comes next (a link, a cursor), the chain is its own, and what is looked for is a chain
that runs in circles. Where pages are counted, a record that is deleted in mid-pull moves all behind it forward by one,
and the one at the border would be lost. So each page must join on: it holds a record that was read before, unchanged,
or that record is seen to stand where it stood, after the page was read. Where neither is so, reading goes back a bit.
What comes twice that way is dropped by the caller.

This holds for any order that is the same each time, and for one by the time of the last change, oldest first.

Not for: taking answers apart (`adapters.rest.decode`) or dropping repeats (`adapters.rest.adapter`).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Final

from adapters.rest.decode import Answered
from adapters.rest.settings import Cursor, LinkHeader, NextLink, NoPaging, Offset, PageNumber, Paging
from syncd.adapter import MISSING
from syncd.errors import SourceIncomplete
from syncd.httpkit.links import joined, on_own_host

Ask = Callable[[str | None, Mapping[str, str]], Awaitable[Answered]]
"""Asks for a page: by an address an answer gave, or where that is None by parameters beside the usual ones."""

_MOST_EMPTY: Final = 10
"""Pages without a record in a row, each of which says that there is more."""
_MOST_STEPS_BACK: Final = 50
"""Steps back in one pull, beside two for each page. More mean that the order is not the same each time."""
_FEW: Final = 16
"""Records that pages have in common once records were seen to move."""
_WINDOW: Final = 8
"""Pages whose records are remembered, to join on to."""

_LINK: Final = re.compile(r'<([^>]*)>((?:\s*;\s*[^\s=;,]+\s*(?:=\s*(?:"[^"]*"|[^\s;,"]+))?)*)')


async def walk(paging: Paging, ask: Ask, *, base_url: str, path: str, size: int) -> AsyncGenerator[Answered, None]:
    """Every page, each joined on to the one before.

    Args:
        paging: How pages follow one another.
        ask: Asks for one.
        base_url: Where links lead, whatever host they name.
        path: Of the first request, which relative links start from.
        size: Records a page.

    Raises:
        SourceIncomplete: The chain is broken or runs in circles; and whatever `ask` raises.
    """
    match paging:
        case NoPaging():
            yield await ask(None, {})
        case Offset():
            async for page in _by_offset(paging, ask, size):
                yield page
        case PageNumber():
            async for page in _by_number(paging, ask, size):
                yield page
        case NextLink() | LinkHeader() | Cursor():
            async for page in _by_token(paging, ask, f"{base_url}/{path.lstrip('/')}", base_url, size):
                yield page


def links(header: str, relation: str) -> list[str]:
    """The addresses with a relation in a `Link` header (RFC 8288 section 3)."""
    found = []
    for target, parameters in _LINK.findall(header):
        match = re.search(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', parameters, re.IGNORECASE)
        if match and relation.casefold() in (match[1] or match[2] or "").casefold().split():
            found.append(target)
    return found


async def _by_token(
    paging: NextLink | LinkHeader | Cursor, ask: Ask, first: str, base_url: str, size: int
) -> AsyncGenerator[Answered, None]:
    sized = {paging.size: str(size)} if paging.size else {}
    page = await ask(None, sized)
    at, met, empty = first, set[int](), 0
    while True:
        token = _token(paging, page)
        empty = 0 if page.rows else empty + 1
        if token and empty > _MOST_EMPTY:
            raise _circles(f"gives {empty} pages without a record in a row and says each time that there is more")
        yield page
        if token is None:
            return
        if hash(token) in met:
            raise _circles("gives the same next page a second time")
        met.add(hash(token))
        before = page.keys
        if isinstance(paging, Cursor):
            page = await ask(None, {**sized, paging.param: token})
        else:
            at = on_own_host(base_url, joined(at, token))
            page = await ask(at, {})
        if before and page.keys == before:
            raise _circles("gives the same page again in the place of the next")


def _token(paging: NextLink | LinkHeader | Cursor, page: Answered) -> str | None:
    """What asks for the page after this one; None where it is the last."""
    if isinstance(paging, LinkHeader):
        found = [one for header in page.links for one in links(header, paging.relation)]
        return found[0] if found else None
    more = _more(paging.more, page) if isinstance(paging, Cursor) else None
    if more is False:
        return None
    where = paging.next if isinstance(paging, Cursor) else paging.link
    value = page.said.get(where)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # a cursor may be a number; a link never is
    if isinstance(value, str) and value:
        return value
    if value not in (None, ""):
        raise SourceIncomplete(f"the answer holds no text at `{where}`", "correct `paging`")
    if more:
        raise SourceIncomplete("the system says that there is more, and not where", f"check `{where}` of `paging`")
    return None


def _more(where: str | None, page: Answered) -> bool | None:
    """Whether the answer says that there is more; None where it does not say."""
    value = MISSING if where is None else page.said.get(where, MISSING)
    if value is MISSING:
        return None
    return value is True or (not isinstance(value, bool) and str(value).casefold() in {"true", "1", "y", "yes"})


class _Window:
    """The records of the last pages, by id, with what changes when they do."""

    def __init__(self) -> None:
        self._pages: deque[dict[str, str]] = deque(maxlen=_WINDOW)
        self._last: list[str] = []
        self._taken = self._steps = 0

    def joins(self, page: Answered) -> bool:
        """Whether a page holds a record that was read lately and is unchanged: nothing is between it and the others."""
        pairs = zip(page.keys, page.stamps, strict=True)
        return any(key in known and known[key] == stamp for key, stamp in pairs for known in self._pages)

    def take(self, page: Answered, *, again: bool) -> None:
        """A page joined on; again, whether its records may be those of the last."""
        if page.keys and page.keys == self._last and len(page.keys) > 1 and not again:
            raise _circles("gives the same page again in the place of the next")
        self._last = page.keys
        self._taken += 1
        self._pages.append(dict(zip(page.keys, page.stamps, strict=True)))

    def step(self) -> None:
        """Reading goes back."""
        self._steps += 1
        if self._steps > _MOST_STEPS_BACK + 2 * self._taken:
            raise SourceIncomplete(
                "the records change their order while they are read, so that some may be lost",
                "set `sort` to a field that never changes, such as the id or the time of creation",
            )


async def _by_offset(paging: Offset, ask: Ask, size: int) -> AsyncGenerator[Answered, None]:
    window, behind, common = _Window(), 0, 0 if paging.stable else 1
    largest = 2  # records on a page; the system may give fewer than it is asked for
    while True:
        start = max(0, behind - common)
        page = await ask(None, {paging.offset: str(start + paging.first), paging.size: str(size)})
        if start and common and not window.joins(page):
            # More records than pages have in common moved forward. Where some do, others will: pages keep more in
            # common from now on, or a busy system would be read page by page twice.
            window.step()
            common = max(_FEW, 2 * common)
            continue
        last = common > 0 and start + len(page.rows) == behind
        window.take(page, again=common > 1 or last)
        yield page
        if last or not page.rows or _more(paging.more, page) is False:
            return
        behind, largest = start + len(page.rows), max(largest, len(page.rows))
        common = min(common, largest // 2)


async def _by_number(paging: PageNumber, ask: Ask, size: int) -> AsyncGenerator[Answered, None]:
    window, before = _Window(), None
    number: int = paging.first
    each = 0  # records on a full page, which the system may have decided
    while True:
        page = await ask(None, _numbered(paging, number, size))
        if before is not None and not paging.stable and not window.joins(page):
            behind = (number - paging.first - 1) * each + len(before.keys)
            if not await _stands(paging, ask, before, behind, number - 1, size):
                # Records moved forward, over the border. Those that did are on the page before by now: it is read after
                # this one, so that whatever left the one is on the other.
                earlier = number
                while earlier > paging.first:
                    window.step()
                    earlier -= 1
                    moved = await ask(None, _numbered(paging, earlier, size))
                    joins = window.joins(moved)
                    yield moved
                    if joins:
                        break
        if page.rows:
            window.take(page, again=False)
        each = each or len(page.rows)
        yield page
        if not page.rows or _more(paging.more, page) is False:
            return
        before, number = page, number + 1


async def _stands(paging: PageNumber, ask: Ask, before: Answered, behind: int, number: int, size: int) -> bool:
    """Whether the last record of the page before, the `behind`-th of all, still stands at its place, unchanged."""
    probe = await ask(None, _numbered(paging, paging.first + behind - 1, 1)) if paging.size else None
    if probe is None or len(probe.keys) != 1:  # the system gives no pages of one record
        probe = await ask(None, _numbered(paging, number, size))
    return bool(probe.keys) and (probe.keys[-1], probe.stamps[-1]) == (before.keys[-1], before.stamps[-1])


def _numbered(paging: PageNumber, number: int, size: int) -> dict[str, str]:
    return {paging.page: str(number)} | ({paging.size: str(size)} if paging.size else {})


def _circles(what: str) -> SourceIncomplete:
    return SourceIncomplete(f"the system {what}, so the pull was given up", "check `paging`, and tell its maker")


def body_paths(paging: Paging) -> list[str]:
    """The paths of an answer that paging looks at."""
    named: list[Any] = [getattr(paging, name, None) for name in ("link", "next", "more")]
    return [one for one in named if one]
