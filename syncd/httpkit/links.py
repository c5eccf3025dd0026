"""Addresses that answers carry. They are text from a CRM: of each only path and query are used, on our own host.

A gateway in front of a CRM is one reason why they name another host; an attack on the credentials would be another.
"""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, urljoin, urlsplit

from syncd.errors import SourceIncomplete


def taken_apart(link: str) -> SplitResult:
    """The parts of an address.

    Raises:
        SourceIncomplete: It is none.
    """
    try:
        parts = urlsplit(link)
        _ = parts.port  # a port that is no number is noticed no earlier
    except ValueError:
        raise _no_address() from None
    return parts


def joined(url: str, link: str) -> str:
    """The address a link means that was found at another address.

    Raises:
        SourceIncomplete: It is none.
    """
    try:
        return urljoin(url, link)
    except ValueError:
        raise _no_address() from None


def on_own_host(base_url: str, link: str) -> str:
    """The address a link means, on the scheme and host of the base URL.

    Args:
        base_url: The configured one.
        link: Absolute, or relative to the host's root or to the base URL.

    Raises:
        SourceIncomplete: It is no address.
    """
    base, target = taken_apart(base_url), taken_apart(link)
    path = target.path
    if not path.startswith("/"):
        path = f"{base.path.rstrip('/')}/{path}" if path else base.path
    query = f"?{target.query}" if target.query else ""
    return f"{base.scheme}://{base.netloc}{path}{query}"


def query_of(link: str) -> dict[str, str]:
    """The parameters of a link; of one that is there twice, the last.

    Raises:
        SourceIncomplete: It is no address.
    """
    return dict(parse_qsl(taken_apart(link).query, keep_blank_values=True))


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses have scheme, host and port in common, and neither names a user.

    httpx would send that user's name and password in the place of the configured credentials.

    Raises:
        SourceIncomplete: One of them is no address.
    """
    return _origin(one) == _origin(other) and "@" not in taken_apart(one).netloc + taken_apart(other).netloc


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = taken_apart(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or usual


def _no_address() -> SourceIncomplete:
    return SourceIncomplete(
        "an answer of the system leads to something that is no address",
        "run again; if it stays, look at what stands between syncd and the system, such as a gateway",
    )
