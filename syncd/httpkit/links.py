"""Addresses that answers carry. They are text from a CRM: of each only path and query are used, on our own host.

A gateway in front of a CRM is one reason why they name another host; an attack on the credentials would be another.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit


def on_own_host(base_url: str, link: str) -> str:
    """The address a link means, on the scheme and host of the base URL.

    Args:
        base_url: The configured one.
        link: Absolute, or relative to the host's root or to the base URL.
    """
    base, target = urlsplit(base_url), urlsplit(link)
    path = target.path
    if not path.startswith("/"):
        path = f"{base.path.rstrip('/')}/{path}" if path else base.path
    query = f"?{target.query}" if target.query else ""
    return f"{base.scheme}://{base.netloc}{path}{query}"


def query_of(link: str) -> dict[str, str]:
    """The parameters of a link; of one that is there twice, the last."""
    return dict(parse_qsl(urlsplit(link).query, keep_blank_values=True))


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses have scheme, host and port in common."""
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or usual
