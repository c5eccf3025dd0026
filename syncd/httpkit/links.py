"""Addresses that answers carry. They are text from a CRM: of each only path and query are used, on our own host.

A gateway in front of a CRM is one reason why they name another host; an attack on the credentials would be another.
"""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, urljoin, urlsplit

from syncd.errors import SourceIncomplete


def on_own_host(base_url: str, link: str) -> str:
    """The address a link means, on the scheme and host of the base URL.

    Args:
        base_url: The configured one.
        link: Absolute, or relative to the host's root or to the base URL.

    Raises:
        SourceIncomplete: It is no address.
    """
    base, target = urlsplit(base_url), split(link)
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
    return dict(parse_qsl(split(link).query, keep_blank_values=True))


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses have scheme, host and port in common, and neither names a user.

    httpx would send that user's name and password in the place of the configured credentials.

    Raises:
        SourceIncomplete: One of them is no address.
    """
    return _origin(one) == _origin(other) and "@" not in split(one).netloc + split(other).netloc


def joined(base: str, link: str) -> str:
    """The address a link means that stands in the answer from another.

    Raises:
        SourceIncomplete: It is no address.
    """
    try:
        return urljoin(base, link)
    except ValueError:
        raise _no_address() from None


def split(link: str) -> SplitResult:
    """The parts of an address, its port among them.

    Raises:
        SourceIncomplete: It is no address.
    """
    try:
        parts = urlsplit(link)
        _ = parts.port  # is only looked at when it is asked for
    except ValueError:
        raise _no_address() from None
    return parts


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = split(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or usual


def _no_address() -> SourceIncomplete:
    return SourceIncomplete(
        "an answer of the system leads to something that is no address",
        "look at what stands between syncd and the system, such as a gateway",
    )
