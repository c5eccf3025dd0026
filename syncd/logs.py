"""Logs: structlog to stderr, for people on a terminal, as JSON elsewhere. Ids and counts only, never a record's text.

Not for: results (stdout) and progress (`syncd.cli.progress`).
"""

from __future__ import annotations

import logging
import sys
from typing import Any

_level = logging.WARNING


def configure_logs(verbosity: int) -> None:
    """Set up logging once, at the start of the program.

    Args:
        verbosity: Below 0 errors only, 0 warnings, 1 what was done, 2 and more every detail.
    """
    global _level  # noqa: PLW0603 - logging is one for the process
    if not logging.getLogger().handlers:
        # Without any, Python prints what libraries complain of, tracebacks with statements and rows in them included.
        logging.getLogger().addHandler(logging.NullHandler())
    _level = {0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG if verbosity > 1 else logging.ERROR)
    if _level > logging.INFO:
        # Nothing but what was done is logged yet, so structlog, 0.1 s to import, is left alone.
        return
    import structlog  # noqa: PLC0415

    terminal = sys.stderr.isatty()
    renderer = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def hush(*libraries: str) -> None:
    """Let libraries log nothing below a warning, whatever the program that syncd is part of logs.

    Args:
        libraries: The names of their loggers. Where somebody chose a level for one by name, that stays.
    """
    for one in map(logging.getLogger, libraries):
        if one.level == logging.NOTSET:
            one.setLevel(logging.WARNING)


def note(event: str, **known: Any) -> None:
    """Log what was done.

    Args:
        event: `part.event`.
        known: Ids and counts.
    """
    if _level > logging.INFO:
        return
    import structlog  # noqa: PLC0415 - see `configure_logs`

    structlog.get_logger().info(event, **known)
