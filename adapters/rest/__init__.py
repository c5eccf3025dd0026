"""Reads opportunities from any CRM with a REST interface that answers in JSON, by configuration alone."""

from adapters.rest.adapter import RestAdapter

__all__ = ["RestAdapter"]
