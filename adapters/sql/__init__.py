"""Reads opportunities from a database by a query or a table, and never writes."""

from adapters.sql.adapter import SqlAdapter

__all__ = ["SqlAdapter"]
