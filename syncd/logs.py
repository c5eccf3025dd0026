"""Logs: structlog to stderr, for people on a terminal, as JSON elsewhere. Ids and counts only, never a record's text.

Not for: results (stdout) and progress (`syncd.cli.progress`).
"""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs(verbosity: int) -> None:
    """Set up logging once, at the start of the program.

    Args:
        verbosity: Below 0 errors only, 0 warnings, 1 what was done, 2 and more every detail.
    """
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG if verbosity > 1 else logging.ERROR)
    terminal = sys.stderr.isatty()
    renderer = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
