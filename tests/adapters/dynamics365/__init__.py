"""Tests of the Dynamics 365 adapter, over its double and real connections."""
