"""Certificates that are not trusted: no repeat would change that, and people must be told.

Not for: which authorities are trusted (`syncd.httpkit.client`).
"""

from __future__ import annotations

import ssl

from syncd.errors import SourceUnavailable


def untrusted(error: BaseException, source: str) -> SourceUnavailable | None:
    """What to raise where a certificate that is not trusted is behind an error; None where it is something else.

    Args:
        error: As httpx raised it.
        source: The source's name.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return SourceUnavailable(
                f"the certificate of the system is not trusted: {cause.verify_message}",
                f"if the system's own authority issued it, name its file as `verify` of source {source}",
            )
        cause = cause.__cause__ or cause.__context__
    return None
