"""Reads opportunities from Dynamics 365 Sales (Dataverse), or from any other OData v4 service."""

from adapters.dynamics365.adapter import Dynamics365

__all__ = ["Dynamics365"]
