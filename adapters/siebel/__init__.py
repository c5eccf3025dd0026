"""Reads opportunities from Oracle Siebel CRM over its REST API."""

from adapters.siebel.adapter import SiebelAdapter

__all__ = ["SiebelAdapter"]
