"""Reads deals from HubSpot."""

from adapters.hubspot.adapter import HubSpotAdapter

__all__ = ["HubSpotAdapter"]
