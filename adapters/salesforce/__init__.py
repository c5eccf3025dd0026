"""Reads opportunities from Salesforce: REST queries, and Bulk API 2.0 for large ones."""

from adapters.salesforce.adapter import SalesforceAdapter

__all__ = ["SalesforceAdapter"]
