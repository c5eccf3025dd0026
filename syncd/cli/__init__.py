"""The command line: one small file a group of commands, and `main`, which ends every one with an exit code."""

from __future__ import annotations

from syncd.cli.app import main

__all__ = ["main"]
