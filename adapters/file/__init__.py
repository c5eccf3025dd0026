"""Reads opportunities from files: delimited text, JSON Lines, JSON documents and xlsx workbooks."""

from adapters.file.adapter import FileAdapter

__all__ = ["FileAdapter"]
